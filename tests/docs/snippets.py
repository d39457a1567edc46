#!/usr/bin/env python3
"""The fenced blocks of a Markdown page.

snippets.py extract PAGE.md LANGUAGE FOLDER   writes each block of that language to FOLDER/0.LANGUAGE, 1.LANGUAGE, ...
snippets.py run PAGE.md FOLDER...             runs the lines of its `sh` blocks with FOLDER... first on the PATH, in an
                                              empty folder with our examples/ in it. A line must exit with 0, or with
                                              the number in its comment "(exit 3)". Lines that begin with `make` are
                                              left out: the test itself is run by one of them, and CI runs the other.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", pathlib.Path(page).read_text(), flags=re.M | re.S)


def extract(page, language, folder):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for number, block in enumerate(blocks(page, language)):
        path = pathlib.Path(folder) / f"{number}.{language}"
        if not path.exists() or path.read_text() != block:
            path.write_text(block)


def run(page, *folders):
    path = os.pathsep.join([*map(os.path.abspath, folders), os.environ["PATH"]])
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if not line.startswith("make ")]
    if not lines:
        sys.exit(f"{page} has no commands")
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ROOT / "examples", f"{folder}/examples")
        for line in lines:
            print("$", line, flush=True)
            wanted = re.search(r"\(exit (\d+)\)", line)
            got = subprocess.run(line, shell=True, cwd=folder, env=dict(os.environ, PATH=path)).returncode
            if got != int(wanted[1] if wanted else 0):
                sys.exit(f"{page}: exit {got}: {line}")


if __name__ == "__main__":
    {"extract": extract, "run": run}[sys.argv[1]](*sys.argv[2:])
