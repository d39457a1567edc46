"""What `fit` tells while it runs and leaves behind."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Epoch = dict[str, Any]


class History:
    """The epochs of one `fit`, as in its `metrics.jsonl`: ``history["train"]``, ``history["valid"]`` and more as
    lists.

    ``ending`` is "finished", "no improvement" (patience), "stopped" (a callback), "interrupted" (Ctrl-C) or
    "diverged", where ``failure`` says at which batch and where a number stopped being finite. ``best_epoch`` counts
    from 1.
    """

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.ending = "running"
        self.best_epoch = 0
        self.best_loss = float("nan")
        self.failure = ""

    def __getitem__(self, name: str) -> list[Any]:
        if self.epochs and name not in self.epochs[0]:
            raise KeyError(f"{name!r}; there are {', '.join(self.epochs[0])}")
        return [epoch[name] for epoch in self.epochs]

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def __repr__(self) -> str:
        best = f", best {self.best_loss:.5g} in epoch {self.best_epoch}" if self.best_epoch else ""
        return f"History({len(self.epochs)} epochs, {self.ending}{best})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "epochs": [dict(e) for e in self.epochs],
            "ending": self.ending,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "failure": self.failure,
        }

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws the losses over the epochs (matplotlib); into a file if a path is given. Returns the figure."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError("plotting needs matplotlib: pip install 'retrograde[plot]'") from None
        if path is None and "matplotlib.pyplot" in sys.modules:
            figure = sys.modules["matplotlib.pyplot"].figure()
        else:
            figure = Figure()
        axes = figure.add_subplot()
        for name, label in (("train", "training"), ("valid", "validation")):
            if self.epochs and name in self.epochs[0]:
                axes.plot(self["epoch"], self[name], label=label)
        if self.best_epoch:
            axes.axvline(self.best_epoch, color="0.7", linewidth=0.8, label=f"best: epoch {self.best_epoch}")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend()
        if path is not None:
            figure.savefig(Path(path))
        return figure

    def _repr_html_(self) -> str:
        if not self.epochs:
            return f"<p>{self!r}</p>"
        names = list(self.epochs[0])
        head = "".join(f"<th>{name}</th>" for name in names)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_shown(epoch.get(name))}</td>" for name in names) + "</tr>" for epoch in self.epochs
        )
        return f"<p>{self!r}</p><table><tr>{head}</tr>{rows}</table>"


def _shown(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def in_notebook() -> bool:
    """Whether an IPython kernel runs this code, whose front end draws a line over again at a carriage return."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class Table:
    """The table of epochs on stderr; on a terminal and in notebooks with a bar for the running one."""

    def __init__(self, epochs: int):
        self._epochs = epochs
        self._live = sys.stderr.isatty() or in_notebook()
        self._drawn = 0.0
        self._titled = False

    def on_step(self, step: dict[str, Any]) -> None:
        now = time.monotonic()
        if not self._live or now - self._drawn < 0.1:
            return
        self._drawn = now
        done = step["batch"] / step["batches"]
        filled = round(24 * done)
        bar = "━" * filled + " " * (24 - filled)
        self._write(f"\r{step['epoch']:5d} {bar} {done:4.0%}  loss {step['loss']:.5g}   ")

    def on_epoch(self, epoch: Epoch) -> None:
        names = ["epoch", "train", *(n for n in epoch if n.startswith("valid")), "gradient_norm", "seconds"]
        widths = {name: max(10, len(name)) for name in names} | {"epoch": 5}
        if not self._titled:
            self._titled = True
            self._line("  ".join(name.rjust(widths[name]) for name in names))
        cells = (_shown(epoch[name]).rjust(widths[name]) for name in names)
        self._line("  ".join(cells) + ("  *" if epoch["best"] else ""))

    def _line(self, text: str) -> None:
        self._write(("\r" if self._live else "") + text.ljust(70 if self._live else 0) + "\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
