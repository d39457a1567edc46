"""What the tests share: random arrays, and the loud word about peers that are not installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

PEERS = {
    "torch": "torch==2.13.0 (CPU)",
    "keras": "keras>=3",
    "sklearn": "scikit-learn",
    "jax": "jax",
    "playwright": "playwright (with Debian's chromium)",
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, package in PEERS.items():
        if importlib.util.find_spec(name) is None:
            terminalreporter.section(f"NOT TESTED against {name}", red=True, bold=True)
            terminalreporter.write_line(f"{package} is not installed; what is tested against it was left out.")
