#!/usr/bin/env python3
"""Writes the classic hard problems for recurrent networks as NPZ files that `retrograde train` reads.

  adding          two inputs a step, numbers in [0, 1] and two marks; the sum of the two marked numbers
                  (Hochreiter & Schmidhuber 1997)
  reber           embedded Reber grammar: which of seven symbols may come next, as yes-or-no outputs
                  (Fahlman 1991; Cleeremans et al. 1989)
  temporal_order  two or three of X and Y among distractors, widely apart; their order as one of eight labels
                  (Hochreiter & Schmidhuber 1997)

Needs NumPy:  python tools/make_tasks.py adding --steps 100 --out adding.npz
"""

from __future__ import annotations

import argparse

import numpy as np

SYMBOLS = "BTSXPVE"
# state -> [(symbol, next state)]; -1 ends.
REBER = [
    [("B", 1)],
    [("T", 2), ("P", 3)],
    [("S", 2), ("X", 4)],
    [("T", 3), ("V", 5)],
    [("X", 3), ("S", 6)],
    [("P", 4), ("V", 6)],
    [("E", -1)],
]


def adding(rng: np.random.Generator, count: int, steps: int) -> dict[str, np.ndarray]:
    x = np.zeros((count, steps, 2), np.float32)
    x[:, :, 0] = rng.random((count, steps))
    rows = np.arange(count)
    first = rng.integers(0, steps // 2, count)
    second = rng.integers(steps // 2, steps, count)
    x[rows, first, 1] = x[rows, second, 1] = 1
    y = x[rows, first, 0] + x[rows, second, 0]
    return {"x": x, "y": y[:, None].astype(np.float32)}


def walk(rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """A string of the plain grammar, and for each symbol those that might have stood in its place."""
    state, string, possible = 0, [], []
    while state >= 0:
        choices = REBER[state]
        possible.append("".join(symbol for symbol, _ in choices))
        symbol, state = choices[rng.integers(len(choices))]
        string.append(symbol)
    return string, possible


def reber(rng: np.random.Generator, count: int, _: int) -> dict[str, np.ndarray]:
    sequences = []
    for _ in range(count):
        branch = "TP"[rng.integers(2)]
        inner, possible = walk(rng)
        string = ["B", branch, *inner, branch, "E"]
        sequences.append((string, ["B", "TP", *possible, branch, "E"]))
    steps = max(len(string) for string, _ in sequences) - 1
    x = np.zeros((count, steps, 7), np.float32)
    y = np.zeros((count, steps, 7), np.float32)
    lengths = np.zeros(count, np.int64)
    for n, (string, possible) in enumerate(sequences):
        lengths[n] = len(string) - 1
        for t in range(len(string) - 1):
            x[n, t, SYMBOLS.index(string[t])] = 1
            for symbol in possible[t + 1]:
                y[n, t, SYMBOLS.index(symbol)] = 1
    return {"x": x, "y": y, "lengths": lengths}


def temporal_order(rng: np.random.Generator, count: int, steps: int) -> dict[str, np.ndarray]:
    # Symbols 0, 1 are X and Y, 2 .. 5 distractors.
    tokens = rng.integers(2, 6, (count, steps))
    bits = rng.integers(0, 2, (count, 3))
    rows = np.arange(count)
    for i, (low, high) in enumerate([(0.1, 0.2), (0.33, 0.43), (0.66, 0.76)]):
        at = rng.integers(int(low * steps), max(int(high * steps), int(low * steps) + 1), count)
        tokens[rows, at] = bits[:, i]
    return {"x": tokens.astype(np.int64), "y": (bits @ np.array([4, 2, 1])).astype(np.int64)}


def main() -> None:
    tasks = {"adding": adding, "reber": reber, "temporal_order": temporal_order}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=tasks)
    parser.add_argument("--out", required=True)
    parser.add_argument("--count", type=int, default=10000, help="sequences")
    parser.add_argument("--steps", type=int, default=100, help="of a sequence; the grammar makes its own")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    arrays = tasks[options.task](np.random.default_rng(options.seed), options.count, options.steps)
    np.savez(options.out, **arrays)


if __name__ == "__main__":
    main()
