#!/usr/bin/env python3
"""Draws what commands really print on a terminal as an SVG: terminal_svg.py OUT.svg COMMAND...

Every command is run by the shell on a pseudo-terminal, so that it shows what it shows to people. A command may end in
`# rows 1-9 50-56` (counted from 1; what is between is elided with a dotted line). Needs pyte (pip install pyte).

The picture in README.md, made in a folder with a link to examples/ and the program on the PATH:
  terminal_svg.py terminal.svg \
    'retrograde train examples/data/monthly-sunspots.csv --target Sunspots --time Month --out run # rows 1-13 25-28 57-61' \
    'retrograde doctor examples/story/every_step.npz'
"""  # noqa: E501

import fcntl
import html
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pyte

COLUMNS, ROWS = 120, 400
WIDTH, HEIGHT, MARGIN = 7.83, 17, 18  # of a character, at a font size of 13
COLOURS = {"default": "#d8dee9", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b", "blue": "#61afef",
           "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#ffffff"}


def screen_of(command):
    """What stands on the terminal when the command has ended: a list of rows of (character, colour, bold)."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    environment = dict(os.environ, TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES="40")
    with subprocess.Popen(command, shell=True, stdout=slave, stderr=slave, stdin=slave, env=environment):
        os.close(slave)
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            stream.feed(data)
    rows = [[(c.data, c.fg, c.bold) for c in (screen.buffer[y][x] for x in range(COLUMNS))] for y in range(ROWS)]
    while rows and not "".join(c for c, _, _ in rows[-1]).strip():
        rows.pop()
    return rows


def plain(text, colour="default", bold=False):
    return [(c, colour, bold) for c in text]


def session(commands):
    for command in commands:
        command, _, wanted = command.partition("# rows ")
        yield plain("$ ", "green") + plain(command.strip(), bold=True)
        rows = screen_of(command)
        at = 0
        for first, last in re.findall(r"(\d+)-(\d+)", wanted) or [(1, len(rows))]:
            if int(first) > at + 1:
                yield plain("    ⋮")
            at = int(last)
            yield from rows[int(first) - 1 : at]
        if at < len(rows):
            yield plain("    ⋮")
        yield []


def runs(row):
    """The row as spans of equal looks."""
    text, look, start = "", None, 0
    for x, (c, colour, bold) in enumerate([*row, ("", None, None)]):
        if (colour, bold) != look:
            if text.strip():
                yield start, text.rstrip(), look
            text, look, start = "", (colour, bold), x
        text += c


def svg(rows):
    width = max(len("".join(c for c, _, _ in row).rstrip()) for row in rows) * WIDTH + 2 * MARGIN
    height = len(rows) * HEIGHT + 2 * MARGIN + 14
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
           f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
           f'font-size="13">')
    yield '<rect width="100%" height="100%" rx="8" fill="#1e222a"/>'
    for i, colour in enumerate(("#e06c75", "#e5c07b", "#98c379")):
        yield f'<circle cx="{MARGIN + 2 + i * 18}" cy="16" r="5" fill="{colour}"/>'
    for y, row in enumerate(rows):
        for x, text, (colour, bold) in runs(row):
            fill = COLOURS.get(colour, f"#{colour}" if re.fullmatch("[0-9a-f]{6}", colour) else COLOURS["default"])
            weight = ' font-weight="bold"' if bold else ""
            yield (f'<text x="{MARGIN + x * WIDTH:.1f}" y="{MARGIN + 28 + y * HEIGHT}" fill="{fill}"{weight} '
                   f'textLength="{len(text) * WIDTH:.1f}" xml:space="preserve">{html.escape(text)}</text>')
    yield "</svg>\n"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    lines = list(session(sys.argv[2:]))[:-1]
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write("\n".join(svg(lines)))
