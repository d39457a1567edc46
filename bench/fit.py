"""`net.fit` beside the same model in PyTorch: wall time, peak memory, install size, import time.

    fit.py [--threads N] [--repeat N]      needs the package retrograde and torch in the Python that runs it

Both train the same network from the same weights on the same batches in the same order with Adam, in processes of their
own that take turns; of each figure the least of the repetitions counts, and the losses must agree.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CASES = {  # cell, inputs, hidden, layers, sequences, steps, batch, epochs
    "forecast: LSTM 6-64": ("LSTM", 6, 64, 1, 512, 96, 32, 4),
    "forecast: GRU 6-2x25": ("GRU", 6, 25, 2, 512, 96, 32, 4),
    "amplifier: LSTM 1-40": ("LSTM", 1, 40, 1, 64, 1000, 16, 2),
    "one sequence: LSTM 1-20": ("LSTM", 1, 20, 1, 8, 1000, 1, 2),
    "wide: LSTM 40-2x128": ("LSTM", 40, 128, 2, 256, 64, 32, 2),
}


def train_retrograde(case: tuple[Any, ...], threads: int) -> dict[str, float]:
    import numpy as np

    import retrograde as rg

    cell, inputs, hidden, layers, sequences, steps, batch, epochs = case
    x, y = data(np, sequences, steps, inputs)
    net = getattr(rg, cell)(inputs, hidden, layers, init="torch").with_head(1)
    with_weights(np, net.parameters)
    start = clocks()
    history = net.fit(x, y, epochs=epochs, batch_size=batch, optimizer=rg.Adam(1e-3), shuffle=False, verbose=False)
    return passed(start) | {"loss": history["train"][-1]}


def train_torch(case: tuple[Any, ...], threads: int) -> dict[str, float]:
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    cell, inputs, hidden, layers, sequences, steps, batch, epochs = case
    x, y = (torch.from_numpy(array) for array in data(np, sequences, steps, inputs))
    rnn, head = getattr(torch.nn, cell)(inputs, hidden, layers, batch_first=True), torch.nn.Linear(hidden, 1)
    named = {f"rnn.{name}": p for name, p in rnn.named_parameters()}
    named |= {f"head.{name}": p for name, p in head.named_parameters()}
    with torch.no_grad():
        with_weights(np, {name: p.numpy() for name, p in named.items()})
    optimizer = torch.optim.Adam(named.values(), lr=1e-3)
    start = clocks()
    for _ in range(epochs):
        total = 0.0
        for first in range(0, sequences, batch):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(head(rnn(x[first : first + batch])[0]), y[first : first + batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * batch
    return passed(start) | {"loss": total / sequences}


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def passed(start: tuple[float, float]) -> dict[str, float]:
    wall, processor = clocks()
    return {"wall": wall - start[0], "processor": processor - start[1]}


def data(np: Any, sequences: int, steps: int, inputs: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((sequences, steps, inputs), dtype=np.float32)
    return x, np.cumsum(x[..., :1], axis=1, dtype=np.float32) / np.arange(1, steps + 1, dtype=np.float32)[:, None]


def with_weights(np: Any, parameters: Any) -> None:
    rng = np.random.default_rng(2)
    for name in sorted(parameters, key=lambda n: n.removeprefix("rnn.")):
        parameters[name][...] = rng.uniform(-0.1, 0.1, parameters[name].shape)


def one(library: str, case: str, threads: int) -> dict[str, float]:
    """In a process of its own, whose memory counts."""
    before = time.perf_counter()
    __import__(library)
    imported = time.perf_counter() - before
    result = {"retrograde": train_retrograde, "torch": train_torch}[library](CASES[case], threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result | {"megabytes": peak, "import": imported}


def installed(package: str, seen: set[str] | None = None) -> float:
    """Megabytes of a distribution and of all that it requires."""
    seen = set() if seen is None else seen
    if package in seen:
        return 0
    seen.add(package)
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return 0
    files = (Path(str(distribution.locate_file(f))) for f in distribution.files or ())
    size = sum(path.stat().st_size for path in files if path.is_file()) / 2**20
    needed = [r for r in distribution.requires or () if "extra ==" not in r]
    return size + sum(installed(distribution_name(r), seen) for r in needed)


def distribution_name(requirement: str) -> str:
    return requirement.split(";")[0].split("[")[0].split("<")[0].split(">")[0].split("=")[0].split("!")[0].strip(" (~")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--repeat", type=int, default=3)
    words.add_argument("--one", nargs=2, metavar=("LIBRARY", "CASE"), help=argparse.SUPPRESS)
    arguments = words.parse_args()
    if arguments.one:
        print(json.dumps(one(*arguments.one, arguments.threads)))
        return
    threads = str(arguments.threads)
    environment = {**os.environ, "RETROGRADE_THREADS": threads, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(name, None)
    libraries = ("retrograde", "torch")
    least: dict[tuple[str, str], dict[str, float]] = {}
    for _ in range(arguments.repeat):
        for case in CASES:
            for library in libraries:
                command = [sys.executable, __file__, "--threads", threads, "--one", library, case]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                result = json.loads(done.stdout)
                known = least.setdefault((case, library), result)
                least[case, library] = {key: min(known[key], value) for key, value in result.items()}
    print(f"threads {threads}, least of {arguments.repeat}\n")
    print("| model | s | PyTorch s | times faster, wall | processor | MB | PyTorch MB |\n|---|---|---|---|---|---|---|")
    for case in CASES:
        ours, theirs = (least[case, library] for library in libraries)
        gap = abs(ours["loss"] - theirs["loss"]) / theirs["loss"]
        assert gap < 1e-3, f"{case}: the losses are {ours['loss']} and {theirs['loss']}"
        faster = [f"{theirs[clock] / ours[clock]:.2f}" for clock in ("wall", "processor")]
        print(f"| {case} | {ours['wall']:.2f} | {theirs['wall']:.2f} | {' | '.join(faster)} "
              f"| {ours['megabytes']:.0f} | {theirs['megabytes']:.0f} |")  # fmt: skip
    numpy = installed("numpy")
    for library in libraries:
        seconds = min(least[case, library]["import"] for case in CASES)
        print(f"\n{library}: imported in {seconds:.2f} s; installed {installed(library):.0f} MB with all it needs "
              f"(NumPy is {numpy:.0f})")  # fmt: skip


if __name__ == "__main__":
    main()
