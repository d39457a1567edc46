"""Training: the library's steps are PyTorch's, runs resume to the same bits, streams are exact."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import retrograde as rg


def task(rng, sequences=24, steps=12):
    """The running mean of the first feature."""
    x = rng.standard_normal((sequences, steps, 3))
    return x, np.cumsum(x[:, :, :1], axis=1) / np.arange(1, steps + 1)[:, None]


def small(dtype="float64", **options):
    return rg.GRU(3, 6, dtype=dtype, **options).with_head(1)


OPTIMISERS = [
    (rg.SGD(0.05), "SGD", {"lr": 0.05}),
    (rg.SGD(0.05, momentum=0.9, dampening=0.1, weight_decay=0.01), "SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    (rg.SGD(0.05, momentum=0.9, nesterov=True), "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    (rg.RMSprop(0.01, momentum=0.5, centered=True), "RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True}),
    (rg.Adam(0.01, weight_decay=0.02), "Adam", {"lr": 0.01, "weight_decay": 0.02}),
    (rg.AdamW(0.01, betas=(0.8, 0.99)), "AdamW", {"lr": 0.01, "betas": (0.8, 0.99)}),
]  # fmt: skip


@pytest.mark.parametrize("ours, theirs, options", OPTIMISERS, ids=[str(o[0]) for o in OPTIMISERS])
@pytest.mark.parametrize("clip", [0.0, 0.3])
def test_ten_updates_equal_pytorchs(ours, theirs, options, clip, rng):
    torch = pytest.importorskip("torch")
    x, y = task(rng)
    net = small()
    rnn, head = rg.to_torch(net)
    parameters = [*rnn.parameters(), *head.parameters()]
    optimizer = getattr(torch.optim, theirs)(parameters, **options)
    trainer = rg.Trainer(net, ours, clip_grad_norm=clip)
    for _ in range(10):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(head(rnn(torch.tensor(x))[0]), torch.tensor(y))
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        step = trainer.step(x, y)
        assert step.loss == pytest.approx(loss.item(), rel=1e-9)
    for name, p in rnn.named_parameters():
        np.testing.assert_allclose(net.parameters[name], p.detach().numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("options", [
    {}, {"bptt": rg.chunk(5)}, {"bptt": "window:3"}, {"batch_size": 5, "clip_grad_norm": 0.5, "schedule": "cosine", "warmup": 3},
])  # fmt: skip
def test_fit_learns_and_tells_about_it(options, rng, tmp_path):
    x, y = task(rng, 64)
    net = small("float32")
    before = net.loss(x, y)
    seen = []
    history = net.fit(x, y, epochs=15, optimizer=rg.Adam(0.02), valid=0.25, callbacks=[seen.append], **options)
    assert history.ending == "finished" and len(history) == 15 == len(seen)
    assert history["train"][-1] < history["train"][0] / 2
    assert net.loss(x, y) < before / 2
    assert history.best_loss == min(history["valid"]) == history["valid"][history.best_epoch - 1]
    history.plot(tmp_path / "loss.svg")
    assert (tmp_path / "loss.svg").read_text().startswith("<?xml")
    assert json.dumps(history.to_dict()) and "train" in history._repr_html_()


def test_the_best_epochs_parameters_are_kept(rng):
    x, y = task(rng, 20)
    held = task(rng, 10)
    net = small()
    history = net.fit(x, y, valid=held, epochs=12, optimizer=rg.SGD(1.5), batch_size=4)
    assert net.loss(*held) == pytest.approx(history.best_loss, rel=1e-12)


def test_sequences_of_unequal_length_and_classes(rng):
    x, _ = task(rng, 40)
    lengths = rng.integers(3, 13, 40)
    y = (x[:, 0, 0] > 0).astype(int)
    net = rg.LSTM(3, 8).with_head(2, "softmax", at="last")
    history = net.fit(
        x, y, lengths, loss="softmax_cross_entropy", epochs=40, optimizer=rg.Adam(0.03), valid=(x, y, lengths)
    )
    assert history["valid_accuracy"][-1] == 1


def test_a_callback_or_patience_ends_it(rng):
    x, y = task(rng)
    assert small().fit(x, y, callbacks=[lambda epoch: epoch["epoch"] < 3]).ending == "stopped"
    flat = small().fit(x, y, optimizer=rg.SGD(0.0), patience=2, valid=0.5)
    assert flat.ending == "no improvement" and len(flat) == 3


def test_divergence_is_a_result_that_says_where(rng):
    x, y = task(rng)
    with pytest.warns(RuntimeWarning, match=r"diverged: epoch \d+, batch"):
        history = small().fit(x * 1e3, y * 1e3, optimizer=rg.SGD(1e200), epochs=9)
    assert history.ending == "diverged" and "epoch" in history.failure


def test_checkpoint_trains_to_the_same_bits(rng):
    x, y = task(rng)
    whole, parts = small(), small()
    whole.fit(x, y, epochs=3)
    parts.fit(x, y, epochs=3, checkpoint=True)
    np.testing.assert_array_equal(whole._core.flat(), parts._core.flat())
    with pytest.raises(ValueError, match="whole tape"):
        small().fit(x, y, epochs=1, bptt=rg.window(2), checkpoint=True)


def test_a_resumed_run_gives_the_same_bits(rng, tmp_path):
    x, y = task(rng)
    options = {"valid": 0.25, "batch_size": 5, "seed": 3, "optimizer": rg.Adam(0.01)}
    whole = small(dropout=0.2, recurrent_dropout=0.2)
    whole.fit(x, y, epochs=7, out=tmp_path / "whole", restore_best=False, **options)
    part = small(dropout=0.2, recurrent_dropout=0.2)
    part.fit(x, y, epochs=7, out=tmp_path / "part", callbacks=[lambda e: e["epoch"] < 3], restore_best=False, **options)
    assert (tmp_path / "part" / "metrics.jsonl").read_text().count("\n") == 3
    resumed = small(dropout=0.2, recurrent_dropout=0.2)
    history = resumed.fit(x, y, epochs=7, out=tmp_path / "part", resume=True, restore_best=False, **options)
    assert [e["epoch"] for e in history] == list(range(1, 8))
    np.testing.assert_array_equal(resumed._core.flat(), whole._core.flat())
    for name in ("best.safetensors", "last.safetensors", "report.html"):
        assert (tmp_path / "part" / name).stat().st_size > 1000
    with pytest.raises(ValueError, match=r"holds|run"):
        small().fit(x, y, epochs=1, out=tmp_path / "part")


def test_files_are_those_of_the_command_line(rng, tmp_path):
    net = rg.LSTM(3, [6, 4], bidirectional=True).with_head(2, "softmax", at="last")
    rg.save(net, tmp_path / "net.safetensors", {"task": "none"})
    again, preprocess = rg.load_with_preprocess(tmp_path / "net.safetensors")
    assert preprocess == {"task": "none"} and again.config == net.config and again.dtype == net.dtype
    x = rng.standard_normal((2, 5, 3))
    np.testing.assert_array_equal(again(x)[0], net(x)[0])
    content = bytearray((tmp_path / "net.safetensors").read_bytes())
    content[-3] ^= 0xFF
    (tmp_path / "bad.safetensors").write_bytes(content)
    with pytest.raises(rg.FileError):
        rg.load(tmp_path / "bad.safetensors")
    with pytest.raises(OSError, match=r"nowhere\.safetensors"):
        rg.load(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("cell", [rg.Elman, rg.GRU, rg.LSTM])
def test_a_stream_of_windows_has_the_gradient_of_the_whole_sequence(cell, rng):
    """With a rate of zero the weights stand still, and the calls' gradients add up to the whole window's."""
    x, y = rng.standard_normal((2, 17, 3)), rng.standard_normal((2, 17, 1))
    net = cell(3, 5, 2, dtype="float64").with_head(1)
    for reach in (1, 4, 30):
        total = np.zeros(net.num_parameters)
        trainer = rg.Trainer(net, rg.SGD(1.0), loss=rg.Loss("squared_error", "sum"), bptt=rg.window(reach))
        start = net._core.flat().copy()
        for first in range(0, 17, 3):
            trainer.step(x[:, first : first + 3], y[:, first : first + 3])
            total += start - net._core.flat()
            net._core.flat()[...] = start
        _, whole = net.loss_and_gradients(x, y, loss=rg.Loss("squared_error", "sum"), bptt=rg.window(reach))
        np.testing.assert_allclose(total, whole.flat, rtol=1e-9, atol=1e-11)


def test_a_stream_of_chunks_carries_the_state_and_not_the_gradient(rng):
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 1))
    net = small()
    trainer = rg.Trainer(net, rg.SGD(1.0), loss=rg.Loss("squared_error", "sum"), bptt=rg.chunk(4))
    start, total = net._core.flat().copy(), np.zeros(net.num_parameters)
    for first in range(0, 12, 4):
        trainer.step(x[first : first + 4], y[first : first + 4])
        total += start - net._core.flat()
        net._core.flat()[...] = start
    _, whole = net.loss_and_gradients(x, y, loss=rg.Loss("squared_error", "sum"), bptt=rg.chunk(4))
    np.testing.assert_allclose(total, whole.flat, rtol=1e-9, atol=1e-11)
    trainer.reset()
    fresh = net.loss(x[:4], y[:4], loss=rg.Loss("squared_error", "sum"))
    assert trainer.step(x[:4], y[:4]).loss == pytest.approx(fresh, rel=1e-12)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_training_and_keeps_what_was_learned(tmp_path):
    program = tmp_path / "long.py"
    program.write_text(
        "import numpy as np, retrograde as rg\n"
        "x = np.zeros((64, 50, 3)); y = np.ones((64, 50, 1))\n"
        "net = rg.GRU(3, 32).with_head(1)\n"
        "said = []\n"
        "def tell(e):\n    (said or said.append(1) or print('going', flush=True))\n"
        f"history = net.fit(x, y, epochs=100000, callbacks=[tell], out={str(tmp_path / 'run')!r})\n"
        "print(history.ending, len(history) > 0, net.loss(x, y) < 1)\n"
    )
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert out == "interrupted True True\n"
    assert rg.load(tmp_path / "run" / "last.safetensors").hidden_size == 32


def test_two_nets_train_in_two_threads_as_they_do_alone(rng):
    x, y = task(rng)
    alone = [small(seed=s) for s in (1, 2)]
    for net in alone:
        net.fit(x, y, epochs=5)
    together = [small(seed=s) for s in (1, 2)]
    threads = [threading.Thread(target=net.fit, args=(x, y), kwargs={"epochs": 5}) for net in together]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a._core.flat(), b._core.flat())


@pytest.mark.parametrize("words, options", [
    ("epochs is 0", {"epochs": 0}), ("optimizer", {"optimizer": "adamm"}), ("valid is 2", {"valid": 2.0}),
    ("no schedule", {"schedule": "linear"}), ("resume", {"resume": True}), ("no loss", {"loss": "mse"}),
])  # fmt: skip
def test_mistakes_are_answered_in_words(words, options, rng):
    with pytest.raises(ValueError, match=words):
        small().fit(*task(rng), **options)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: rg.Adam(-1), "rate is -1"),
        (lambda: rg.AdamW(float("nan")), "rate is nan"),
        (lambda: rg.RMSprop(alpha=1.5), "alpha is 1.5"),
        (lambda: rg.SGD(nesterov=True), "needs a momentum"),
        (lambda: rg.window(-1), "reach is -1"),
        (lambda: rg.chunk(-5), "steps is -5"),
    ],
)
def test_options_out_of_range_are_refused_where_they_are_given(make, words):
    with pytest.raises(ValueError, match=words):
        make()
