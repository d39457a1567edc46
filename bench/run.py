"""Measures Retrograde and its peers in one run: a table, JSON and a picture.

    bench/run.py --build build/release [--full] [--peers onednn,torch,jax] [--out bench-results]

A peer's values and gradients are compared with Retrograde's before its time counts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import platform
import subprocess
import sys
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
GATES = {"lstm": 4, "gru": 3, "elman": 1}
TOLERANCE = 1e-5  # of norms, and of projections relative to the norm
Row = dict[str, Any]


def run(command: list[str], threads: int) -> list[Row]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment |= {"OMP_NUM_THREADS": str(threads), "RETROGRADE_THREADS": str(threads)}
    pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if threads == 1 else []
    done = subprocess.run(pinned + command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(command)} failed:\n{done.stderr}", file=sys.stderr)
        return []
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def agrees(ours: Row, theirs: Row) -> bool:
    for i, (a, b) in enumerate(zip(ours["checks"], theirs["checks"], strict=True)):
        scale = max(abs(a), abs(b)) if i % 2 == 0 else 1.0
        if not abs(a - b) <= TOLERANCE * scale:
            return False
    return True


def operations(row: Row) -> float:
    """Multiplications and additions a step, forward and backward."""
    return 2.0 * 3 * row["batch"] * GATES[row["cell"]] * row["units"] * 2 * row["units"]


def total(row: Row) -> float:
    return float(row["forward"] + row["backward"])


def share(row: Row, peak: float) -> float:
    return operations(row) / total(row) / 1e3 / peak


def picture(rows: list[Row], peak: float) -> str:
    """Share of the multiply-add peak by shape, a bar a cell."""
    colours = {"lstm": "#3b6ea5", "gru": "#c8722b", "elman": "#5b8c5a"}
    shapes = list(dict.fromkeys((r["batch"], r["units"]) for r in rows))
    parts = []
    for i, shape in enumerate(shapes):
        x = 60 + i * 70
        for j, row in enumerate(r for r in rows if (r["batch"], r["units"]) == shape):
            height = 200 * share(row, peak)
            parts.append(
                f'<rect x="{x + 18 * j}" y="{230 - height:.1f}" width="16" height="{height:.1f}"'
                f' fill="{colours[row["cell"]]}"><title>{row["cell"]} {share(row, peak):.0%}</title></rect>'
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


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--full", action="store_true", help="longer at every shape: under fifteen minutes")
    parser.add_argument("--peers", default="onednn,torch,jax")
    parser.add_argument("--python", default=sys.executable, help="the one that has torch and jax")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("bench-results"))
    options = parser.parse_args()
    seconds = "1.0" if options.full else "0.15"
    programs = options.build / "bench"
    commands = {
        "onednn": [str(programs / "onednn"), seconds],
        "torch": [options.python, str(HERE / "peers.py"), "torch", seconds],
        "jax": [options.python, str(HERE / "peers.py"), "jax", seconds],
    }
    ours = run([str(programs / "grid"), seconds], 1)
    if not ours:
        sys.exit(1)
    machine = ours.pop(0)["machine"]
    peers = {p: run(commands[p], 1) for p in options.peers.split(",") if p}
    two = run([str(programs / "grid"), seconds], 2)[1:]
    peak = machine["peak_float"]
    load = os.getloadavg()
    print(f"{processor()}, {machine['isa']}, load {load[0]:.1f}, single-precision peak {peak} GF")
    print("read GB/s: " + ", ".join(f"{k[5:]} {v}" for k, v in machine.items() if k.startswith("read_")))
    names = [p for p, rows in peers.items() if rows]
    print(f"{'':22}{'us/step':>9}{'peak':>7}" + "".join(f"{p:>9}" for p in names) + f"{'2 threads':>11}")
    ratios: dict[str, list[float]] = {p: [] for p in names}
    wrong = False
    for row in sorted(ours, key=lambda r: list(GATES).index(r["cell"])):
        key = (row["cell"], row["batch"], row["units"])
        line = f"{row['cell']:6}B{row['batch']:<4} H{row['units']:<9}{total(row):9.2f}{share(row, peak):7.0%}"
        for name in names:
            match = [r for r in peers[name] if (r["cell"], r["batch"], r["units"]) == key]
            if not match:
                line += f"{'':>9}"
            elif not agrees(row, match[0]):
                wrong = True
                line += f"{'DIFFERS':>9}"
            else:
                ratios[name].append(total(match[0]) / total(row))
                line += f"{ratios[name][-1]:8.2f}x"
        pair = [r for r in two if (r["cell"], r["batch"], r["units"]) == key]
        print(line + (f"{total(row) / total(pair[0]):10.2f}x" if pair else ""))
    for name in names:
        mean = math.exp(sum(map(math.log, ratios[name])) / len(ratios[name])) if ratios[name] else math.nan
        print(f"geometric mean against {name}: {mean:.2f}x")
    options.out.mkdir(parents=True, exist_ok=True)
    result = {"processor": processor(), "load": load, "machine": machine, "retrograde": ours, "two": two}
    (options.out / "results.json").write_text(json.dumps(result | {"peers": peers}, indent=1))
    (options.out / "roofline.svg").write_text(picture(ours, peak))
    sys.exit(3 if wrong else 0)


if __name__ == "__main__":
    main()
