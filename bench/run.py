"""Measures Retrograde and its peers in one run: tables, JSON and pictures.

    bench/run.py --build build/release [--full] [--parts grid,avx2,cases,scale,start] [--out bench-results]

A peer's values and gradients are compared with Retrograde's before its time counts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import pathlib
import platform
import subprocess
import sys
import time
from typing import Any

from pictures import roofline, slopes

HERE = pathlib.Path(__file__).resolve().parent
GATES = {"lstm": 4, "gru": 3, "elman": 1}
TOLERANCE = 1e-5  # of norms, and of projections relative to the norm
Row = dict[str, Any]


def run(command: list[str], threads: int = 1, **variables: str) -> list[Row]:
    environment = variables | {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
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


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


class Bench:
    """One run: where the programs are, how long each point may take, and everything that was measured."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.programs = options.build / "bench"
        self.wrong = False
        self.results: dict[str, Any] = {"processor": processor(), "load": os.getloadavg()}

    def seconds(self, quick: float) -> str:
        return str(1.0 if self.options.full else quick)

    def peer(self, name: str, seconds: str, **variables: str) -> list[Row]:
        if name == "onednn":
            return run([str(self.programs / "onednn"), seconds], **variables)
        return run([self.options.python, str(HERE / "peers.py"), name, seconds], **variables)

    def ratio(self, ours: Row, theirs: Row, took: float) -> str:
        if "checks" in ours and not agrees(ours, theirs):
            self.wrong = True
            return "DIFFERS"
        return f"{took:.2f}x"

    def grid(self, part: str, peers: list[str], **variables: str) -> None:
        """All cells on all shapes, with one thread and two, beside the peers."""
        seconds = self.seconds(0.15)
        ours = run([str(self.programs / "grid"), seconds], **variables)
        machine = ours.pop(0)["machine"]
        theirs = {p: self.peer(p, seconds, **variables) for p in peers}
        two = run([str(self.programs / "grid"), seconds], 2, **variables)[1:] if part == "grid" else []
        peak = machine["peak_float"]
        print(f"\n{machine['isa']}, single-precision peak {peak} GF, read GB/s: "
              + ", ".join(f"{k[5:]} {v}" for k, v in machine.items() if k.startswith("read_")))  # fmt: skip
        names = [p for p, rows in theirs.items() if rows]
        print(f"{'':22}{'us/step':>9}{'peak':>7}" + "".join(f"{p:>9}" for p in names) + f"{'2 threads':>11}")
        ratios: dict[str, list[float]] = {p: [] for p in names}
        for row in sorted(ours, key=lambda r: list(GATES).index(r["cell"])):
            key = (row["cell"], row["batch"], row["units"])
            line = f"{row['cell']:6}B{row['batch']:<4} H{row['units']:<9}{total(row):9.2f}{share(row, peak):7.0%}"
            for name in names:
                match = [r for r in theirs[name] if (r["cell"], r["batch"], r["units"]) == key]
                took = total(match[0]) / total(row) if match else math.nan
                line += f"{self.ratio(row, match[0], took):>9}" if match else f"{'':>9}"
                ratios[name] += [took] if match else []
            pair = [r for r in two if (r["cell"], r["batch"], r["units"]) == key]
            print(line + (f"{total(row) / total(pair[0]):10.2f}x" if pair else ""), flush=True)
        for name in names:
            mean = math.exp(sum(map(math.log, ratios[name])) / len(ratios[name]))
            print(f"geometric mean against {name}: {mean:.2f}x")
        self.results[part] = {"machine": machine, "retrograde": ours, "two": two, "peers": theirs}
        (self.options.out / f"{part}.svg").write_text(roofline(ours, lambda r: share(r, peak)))

    def cases(self) -> None:
        """Windows, unequal lengths, streams, updates, a whole step, checkpoints."""
        print(f"\n{'':34}{'us':>12}   the peer's time as a multiple")
        seconds = self.seconds(0.1)
        for case in ("window", "lengths", "stream", "epoch", "step", "checkpoint"):
            ours = run([str(self.programs / "cases"), case, seconds])
            theirs: list[Row] = []
            if case not in ("step", "checkpoint"):
                theirs = run([self.options.python, str(HERE / "cases_peers.py"), case, seconds])
            for row in ours:
                size = next((f"{k} {row[k]}" for k in ("reach", "units", "updates") if k in row), "")
                line = f"{row['case']:14}{row['cell']:6}{size:14}{row['us']:12.2f}   "
                for other in theirs:
                    if all(other.get(k) == row.get(k) for k in ("case", "cell", "reach", "units", "updates")):
                        line += f"{other['who']} {self.ratio(row, other, other['us'] / row['us'])}  "
                for name in ("forward_backward", "whole_tape"):
                    if name in row:
                        line += f"{row['us'] / row[name]:.3f} of {name.replace('_', ' ')}"
                print(line, flush=True)
            self.results[case] = {"retrograde": ours, "peers": theirs}

    def scale(self) -> None:
        """How time grows with each size: the slope between neighbours, on logarithms."""
        rows = run([str(self.programs / "cases"), "scale", self.seconds(0.05)])
        print("\nslopes of the time of a call (1: in proportion)")
        for along in dict.fromkeys(r["along"] for r in rows):
            line = [r for r in rows if r["along"] == along]
            steps = [
                f"{b['at']}: {math.log(b['us'] / a['us']) / math.log(b['at'] / a['at']):.2f}"
                for a, b in itertools.pairwise(line)
            ]
            print(f"{along:6}{line[0]['at']}: {line[0]['us']:.1f} us, " + ", ".join(steps))
        self.results["scale"] = rows
        (self.options.out / "scale.svg").write_text(slopes(rows))

    def start(self) -> None:
        """From nothing to the end of a program that only starts, and the memory that it took."""
        commands = {"retrograde": [str(self.options.build / "retrograde"), "--version"]}
        commands |= {f"import {m}": [self.options.python, "-c", f"import {m}"] for m in ("numpy", "torch", "jax")}
        print("\nstart-up, ms and MB")
        for name, command in commands.items():
            shortest = 1e9
            for _ in range(5):
                begin = time.perf_counter()
                child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                _, status, usage = os.wait4(child.pid, 0)
                shortest = min(shortest, time.perf_counter() - begin)
            if status == 0:
                self.results.setdefault("start", {})[name] = {"ms": shortest * 1e3, "MB": usage.ru_maxrss / 1024}
                print(f"{name:16}{shortest * 1e3:8.1f}{usage.ru_maxrss / 1024:8.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--full", action="store_true", help="a second at every point: six minutes")
    parser.add_argument("--parts", default="grid,avx2,cases,scale,start")
    parser.add_argument("--peers", default="onednn,torch,jax")
    parser.add_argument("--python", default=sys.executable, help="the one that has torch and jax")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("bench-results"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bench, parts = Bench(options), options.parts.split(",")
    print(f"{processor()}, load {os.getloadavg()[0]:.1f}")
    peers = [p for p in options.peers.split(",") if p]
    if "grid" in parts:
        bench.grid("grid", peers)
    if "avx2" in parts:
        bench.grid("avx2", [p for p in peers if p == "onednn"], RETROGRADE_ISA="v3", ONEDNN_MAX_CPU_ISA="AVX2")
    for part in ("cases", "scale", "start"):
        if part in parts:
            getattr(bench, part)()
    (options.out / "results.json").write_text(json.dumps(bench.results, indent=1))
    sys.exit(3 if bench.wrong else 0)


if __name__ == "__main__":
    main()
