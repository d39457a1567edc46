"""The pictures of run.py, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]

def roofline(rows: list[Row], share: Callable[[Row], float]) -> str:
    """Share of the multiply-add peak by shape, a bar a cell."""
    colours = {"lstm": "#3b6ea5", "gru": "#c8722b", "elman": "#5b8c5a"}
    shapes = list(dict.fromkeys((r["batch"], r["units"]) for r in rows))
    parts = []
    for i, shape in enumerate(shapes):
        x = 60 + i * 70
        for j, row in enumerate(r for r in rows if (r["batch"], r["units"]) == shape):
            height = 200 * share(row)
            parts.append(
                f'<rect x="{x + 18 * j}" y="{230 - height:.1f}" width="16" height="{height:.1f}"'
                f' fill="{colours[row["cell"]]}"><title>{row["cell"]} {share(row):.0%}</title></rect>'
            )
        parts.append(f'<text x="{x}" y="248">B{shape[0]} H{shape[1]}</text>')
    for tenth in (0, 25, 50, 75, 100):
        y = 230 - 2 * tenth
        parts.append(f'<path d="M55 {y}H{60 + 70 * len(shapes)}" stroke="#ccc"/>')
        parts.append(f'<text x="18" y="{y + 4}">{tenth} %</text>')
    for i, (cell, colour) in enumerate(colours.items()):
        parts.append(f'<rect x="{60 + 80 * i}" y="8" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{77 + 80 * i}" y="18">{cell}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{80 + 70 * len(shapes)}" height="260"'
        f' font-family="sans-serif" font-size="11">{"".join(parts)}</svg>\n'
    )


def slopes(rows: list[Row]) -> str:
    """Time of a call along each size, the others held, on logarithms: a slope of 1 is a line at 45 degrees."""
    colours = {"T": "#3b6ea5", "B": "#c8722b", "H": "#5b8c5a", "L": "#7d5ba6", "reach": "#a0403c"}
    x0, y0, decade = 60, 380, 80.0
    parts = []
    for power in range(5):
        x = x0 + power * decade
        parts.append(f'<path d="M{x} {y0}V20" stroke="#eee"/><text x="{x - 8}" y="{y0 + 16}">{10**power}</text>')
        y = y0 - power * decade
        parts.append(f'<path d="M{x0} {y}H{x0 + 4.2 * decade}" stroke="#eee"/>')
        parts.append(f'<text x="8" y="{y + 4}">{10 ** (power + 1)} us</text>')
    for i, (along, colour) in enumerate(colours.items()):
        points = [(x0 + decade * math.log10(r["at"]), y0 - decade * (math.log10(r["us"]) - 1)) for r in rows
                  if r["along"] == along]  # fmt: skip
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{x0 + 4.3 * decade}" y="{40 + 18 * i}" fill="{colour}">{along}</text>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="410" font-family="sans-serif" font-size="11">'
        f'{"".join(parts)}</svg>\n'
    )
