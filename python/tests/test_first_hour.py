"""What a new user does in the first hour, in the order in which they do it."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from retrograde.sklearn import RNNClassifier, RNNRegressor
from retrograde.testing import assert_gradient

import retrograde as rg


def sine(sequences=48, steps=30):
    """Noisy sines; the target is the next value."""
    rng = np.random.default_rng(3)
    phase, rate = rng.uniform(0, 6, (sequences, 1)), rng.uniform(0.2, 0.5, (sequences, 1))
    wave = np.sin(phase + rate * np.arange(steps + 1)) + 0.02 * rng.standard_normal((sequences, steps + 1))
    return wave[:, :-1, None], wave[:, 1:, None]


def program(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "retrograde", *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


def test_own_array_to_plot_file_command_line_and_pytorch(tmp_path):
    x, y = sine()
    net = rg.LSTM(1, 16).with_head(1)
    history = net.fit(x, y, epochs=30, optimizer=rg.Adam(0.02), valid=0.25, out=tmp_path / "run")
    assert history["valid"][-1] < history["valid"][0] / 10
    history.plot(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes()[1:4] == b"PNG"
    net.save(tmp_path / "net.safetensors")

    told = program("inspect", tmp_path / "net.safetensors")
    assert told.returncode == 0 and "lstm, 1,233 parameters" in told.stdout, told.stderr
    np.savez(tmp_path / "new.npz", x=x[:3])
    predicted = program("predict", tmp_path / "net.safetensors", tmp_path / "new.npz")
    assert predicted.returncode == 0, predicted.stderr
    numbers = [float(w) for w in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", predicted.stdout)]
    np.testing.assert_allclose(numbers[-5:], net(x[:3])[0][-1, -5:, 0], rtol=1e-4, atol=1e-6)

    torch = pytest.importorskip("torch")
    rnn, head = rg.to_torch(rg.load(tmp_path / "net.safetensors"))
    theirs = head(rnn(torch.tensor(x, dtype=torch.float32))[0]).detach().numpy()
    np.testing.assert_allclose(net(x)[0], theirs, atol=2e-6)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    work = tmp_path / "work.py"
    work.write_text(
        "import sys, numpy as np, retrograde as rg\n"
        "out, resume, slow = sys.argv[1], sys.argv[2] == 'resume', sys.argv[3] == 'slow'\n"
        "rng = np.random.default_rng(5)\n"
        "x = rng.standard_normal((24, 12, 3)); y = x.sum(-1, keepdims=True)\n"
        "def tell(e):\n    print(e['epoch'], flush=True)\n    __import__('time').sleep(0.1 if slow else 0)\n"
        "net = rg.GRU(3, 8, dropout=0.1).with_head(1)\n"
        "net.fit(x, y, epochs=12, batch_size=5, out=out, resume=resume, callbacks=[tell], restore_best=False)\n"
        "np.save(out + '.npy', np.concatenate([p.ravel() for p in net.parameters.values()]))\n"
    )
    run = [sys.executable, str(work)]
    subprocess.run([*run, str(tmp_path / "whole"), "new", "fast"], check=True, capture_output=True, timeout=120)
    with subprocess.Popen([*run, str(tmp_path / "part"), "new", "slow"], stdout=subprocess.PIPE, text=True) as process:
        while process.stdout.readline() != "4\n":
            assert process.poll() is None
        process.kill()
        assert process.wait(timeout=60) == -signal.SIGKILL
    done = subprocess.run([*run, str(tmp_path / "part"), "resume", "fast"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "12" and int(done.stdout.splitlines()[0]) in (4, 5, 6)
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), np.load(tmp_path / "whole.npy"))
    lines = (tmp_path / "part" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 13))


def test_python_goes_on_while_a_net_is_trained():
    """The GIL is released: another thread runs in the midst of epochs."""
    x, y = np.zeros((64, 200, 8)), np.ones((64, 200, 1))
    net = rg.LSTM(8, 64).with_head(1)
    thread = threading.Thread(target=net.fit, args=(x, y), kwargs={"epochs": 12, "batch_size": 64})
    thread.start()
    turns = 0
    while thread.is_alive():
        time.sleep(0.001)
        turns += 1
    assert turns > 30  # a turn lasts a millisecond or two; an epoch is one call into the library


def parameters_of(function):
    try:
        names = inspect.signature(function).parameters
    except (ValueError, TypeError):  # C++ that nanobind describes itself
        return []
    return [name for name in names if name not in ("self", "args", "kwargs", "options")]


def public():
    for name in rg.__all__:
        if name != "__version__":
            yield name, getattr(rg, name)
    yield "doctor.__call__", type(rg.doctor).__call__
    yield "doctor.method", rg.doctor.method
    yield "doctor.arrays", rg.doctor.arrays
    yield "assert_gradient", assert_gradient
    yield "RNNRegressor", RNNRegressor
    yield "RNNClassifier", RNNClassifier


DOCUMENTED_ELSEWHERE = {"doctor", "Network", "Tape", "Gradients", "BiasReport", "RNNRegressor", "RNNClassifier"}


@pytest.mark.parametrize("name, item", list(public()), ids=[name for name, _ in public()])
def test_help_tells_of_every_name_and_every_argument(name, item):
    text = inspect.getdoc(item) or ""
    assert text.strip(), name
    if name not in DOCUMENTED_ELSEWHERE and not (inspect.isclass(item) and issubclass(item, Exception)):
        assert not (silent := [p for p in parameters_of(item) if not re.search(rf"\b{p}\b", text)]), silent
    if not inspect.isclass(item):
        return
    for member, value in inspect.getmembers(item):
        if member.startswith("_") or issubclass(item, Exception) or member in vars(dict):
            continue
        text = inspect.getdoc(value) or ""
        assert text.strip(), f"{name}.{member}"
        if inspect.isfunction(value) and value.__module__.startswith("retrograde"):
            silent = [p for p in parameters_of(value) if not re.search(rf"\b{p}\b", text)]
            assert not silent, f"{name}.{member}: {silent}"


def test_reports_are_shown_in_notebooks():
    """As HTML in which nothing of the user's is taken for markup."""
    report = rg.check(lambda p: float(np.sum(p["<w>"] ** 2)), lambda p: {"<w>": 3 * p["<w>"]}, {"<w>": np.ones(3)})
    html = report._repr_html_()
    assert "differs" in html and "&lt;w&gt;" in html and "<w>" not in html
    assert html.count("<table") == html.count("</table>") == 1
    assert json.loads(json.dumps(report.to_dict()))["verdict"] == "differs"
