"""The package as it is installed: import time, types, the program inside."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import retrograde as rg

PACKAGE = Path(rg.__file__).parent


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)


def test_the_version_is_that_of_the_repository_and_of_the_program():
    assert (Path(__file__).parents[2] / "VERSION").read_text().strip() == rg.__version__
    assert rg.__version__ in run("-m", "retrograde", "--version").stdout


def test_the_program_runs_with_its_own_exit_codes():
    wrong = run("-m", "retrograde", "doctr")
    assert wrong.returncode == 2
    assert "doctor" in wrong.stderr


def test_import_is_fast_and_brings_in_nothing_but_numpy():
    code = (
        "import sys, time, numpy; t = time.process_time(); import retrograde;"
        "print(time.process_time() - t);"
        "print([m for m in ('torch', 'keras', 'sklearn', 'matplotlib', 'jax') if m in sys.modules])"
    )
    runs = [run("-c", code).stdout.split("\n") for _ in range(3)]
    assert min(float(r[0]) for r in runs) < 0.1
    assert all(r[1] == "[]" for r in runs)


def test_everything_public_is_documented():
    for name in rg.__all__:
        item = getattr(rg, name)
        if name != "__version__":
            assert (inspect.getdoc(item) or "").strip(), name
    for cls in (rg.Network, rg.Tape, rg.Gradients, rg.CheckReport, type(rg.doctor)):
        for name, member in vars(cls).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert name in ("config",) or (inspect.getdoc(member) or "").strip() or isinstance(member, property), (
                    name
                )


def test_the_stubs_are_those_of_the_extension(tmp_path):
    pytest.importorskip("nanobind")
    assert (PACKAGE / "py.typed").exists() or importlib.util.find_spec("retrograde").origin
    made = run("-m", "nanobind.stubgen", "-q", "-m", "retrograde._core", "-O", str(tmp_path))
    assert made.returncode == 0, made.stderr
    kept = Path(__file__).parents[1] / "retrograde" / "_core.pyi"
    assert (tmp_path / "_core.pyi").read_text() == kept.read_text(), "run tools/stubs.sh"


def test_nothing_is_leaked_at_the_end():
    """nanobind names on stderr what is still alive when the interpreter ends."""
    done = run(
        "-c",
        "import numpy as np, retrograde as rg\n"
        "net = rg.LSTM(3, 4).with_head(1)\n"
        "x, y = np.ones((2, 5, 3)), np.ones((2, 5, 1))\n"
        "net.fit(x, y, epochs=2, callbacks=[lambda e: net is not None])\n"
        "tape = net.forward(x); grads = net.backward(tape, np.ones_like(tape.outputs))\n"
        "trainer = rg.Trainer(net, rg.Adam()); trainer.step(x, y)\n"
        "rg.check(lambda w: float(w @ w), lambda w: 2 * w, np.ones(3))\n"
        "try: net(np.ones((2, 5, 9)))\n"
        "except ValueError: pass\n",
    )
    assert done.returncode == 0, done.stderr
    assert "leak" not in done.stderr, done.stderr
