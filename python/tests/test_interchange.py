"""To and from PyTorch and Keras with asymmetric random weights, two layers, two directions, unequal sizes."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest

import retrograde as rg


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_a_torch_module_and_its_head_come_and_go(cell, options, rng, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    rnn = getattr(torch.nn, cell)(7, 5, batch_first=True, **options)
    head = torch.nn.Linear(10 if options.get("bidirectional") else 5, 3, bias=options.get("bias", True))
    x = rng.standard_normal((2, 6, 7)).astype(np.float32)
    want = head(rnn(torch.tensor(x))[0]).detach().numpy()
    model = torch.nn.ModuleDict({"encoder": rnn, "out": head})
    torch.save(model.state_dict(), tmp_path / "net.pt")
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    for net in (
        rg.from_torch(rnn, head), rg.from_torch(model.state_dict()),
        rg.from_torch(tmp_path / "net.pt"), rg.from_torch(tmp_path / "checkpoint.pt"),
    ):  # fmt: skip
        np.testing.assert_allclose(net(x)[0], want, atol=2e-6)
        back, linear = rg.to_torch(net)
        np.testing.assert_allclose(linear(back(torch.tensor(x))[0]).detach().numpy(), want, atol=2e-6)


def test_unknown_and_missing_tensors_are_refused_with_a_list(tmp_path):
    torch = pytest.importorskip("torch")
    state = torch.nn.GRU(7, 5, 2).state_dict()
    missing = dict(state)
    del missing["bias_hh_l1"]
    with pytest.raises(ValueError, match="missing: bias_hh_l1"):
        rg.from_torch(missing)
    with pytest.raises(ValueError, match=r"more than one linear layer: conv\.kernel"):
        rg.from_torch({**state, "conv.kernel": torch.zeros(3, 3)})
    with pytest.raises(ValueError, match="proj_size"):
        rg.from_torch(torch.nn.LSTM(7, 5, proj_size=2))
    with pytest.raises(ValueError, match="no a GRU|no a|reset"):
        rg.to_torch(rg.GRU(3, 4, reset_after=False))


def test_a_pt_file_is_read_without_torch(tmp_path):
    torch = pytest.importorskip("torch")
    base = torch.arange(24, dtype=torch.float64).reshape(4, 6)
    content = {
        "plain": base, "view": base.T[1:4, ::2], "half": base.half(), "brain": base.bfloat16(), "int": base.long(),
        "parameter": torch.nn.Parameter(base[0]), "scalar": torch.tensor(3.5), "empty": torch.zeros(0, 3), "n": [1, "x"],
    }  # fmt: skip
    torch.save(content, tmp_path / "t.pt")
    got = rg.read_pt(tmp_path / "t.pt")
    assert got["n"] == [1, "x"]
    for name, tensor in content.items():
        if name != "n":
            want = tensor.detach().float().numpy() if name == "brain" else tensor.detach().numpy()
            np.testing.assert_array_equal(got[name], want)


class Malicious:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_a_malicious_pt_file_is_refused_and_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("bad.pt", "w") as archive:
        archive.writestr("bad/data.pkl", pickle.dumps({"weight": Malicious()}))
    with pytest.raises(rg.FileError, match=r"system, which is not a tensor; nothing was executed"):
        rg.read_pt("bad.pt")
    assert not os.path.exists("executed")


def test_damaged_pt_files_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.GRU(3, 4).state_dict(), tmp_path / "good.pt")
    good = (tmp_path / "good.pt").read_bytes()
    for name, content in {"short": good[: len(good) // 2], "empty": b"", "text": b"hello"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(rg.FileError, match=name):
            rg.read_pt(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "good.pt") as old, zipfile.ZipFile(tmp_path / "cut", "w") as new:
        for item in old.namelist():
            data = old.read(item)
            new.writestr(item, data[:-4] if "/data/" in item and len(data) > 100 else data)
    with pytest.raises(rg.FileError, match="bytes"):
        rg.read_pt(tmp_path / "cut")
    with pytest.raises(rg.FileError, match="nowhere"):
        rg.read_pt(tmp_path / "nowhere")


# --- Keras --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind, options", [
    ("SimpleRNN", {}), ("LSTM", {}), ("GRU", {"reset_after": True}), ("GRU", {"reset_after": False}), ("LSTM", {"use_bias": False}),
])  # fmt: skip
@pytest.mark.parametrize("bidirectional", [False, True])
def test_keras_layers_come_and_go(keras, kind, options, bidirectional, rng):
    def recurrent():
        layer = getattr(keras.layers, kind)(5, return_sequences=True, **options)
        return keras.layers.Bidirectional(layer) if bidirectional else layer

    layers = [recurrent(), recurrent(), keras.layers.Dense(3, use_bias=options.get("use_bias", True))]
    model = keras.Sequential([keras.Input((6, 7)), *layers])
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    x = rng.standard_normal((2, 6, 7)).astype(np.float32)
    want = model.predict(x, verbose=0)
    net = rg.from_keras(layers)
    np.testing.assert_allclose(net(x)[0], want, atol=3e-6)
    cell = {"SimpleRNN": "elman"}.get(kind, kind.lower())
    same = rg.from_keras([layer.get_weights() for layer in layers], cell)
    np.testing.assert_array_equal(same(x)[0], net(x)[0])
    for layer in layers:
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    for layer, weights in zip(layers, rg.to_keras(net), strict=True):
        layer.set_weights(weights)
    np.testing.assert_allclose(model.predict(x, verbose=0), want, atol=3e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_keras_model_that_returns_its_last_step(keras, rng):
    layers = [
        keras.layers.LSTM(5, return_sequences=True),
        keras.layers.LSTM(4),
        keras.layers.Dense(3, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((6, 7)), *layers])
    x = rng.standard_normal((2, 6, 7)).astype(np.float32)
    net = rg.from_keras(layers)
    assert net.at == "last" and net.hidden_size == [5, 4]
    np.testing.assert_allclose(net(x)[0], model.predict(x, verbose=0), atol=3e-6)


@pytest.mark.filterwarnings("ignore")
def test_what_has_no_counterpart_in_keras_is_refused(keras):
    for layers, words in (
        ([keras.layers.LSTM(4, activation="relu", return_sequences=True)], "activation relu"),
        ([keras.layers.Conv1D(4, 3)], "Conv1D"),
        ([keras.layers.GRU(4, return_sequences=True, go_backwards=True)], "go_backwards"),
    ):
        model = keras.Sequential([keras.Input((6, 7)), *layers])
        assert model.built
        with pytest.raises(ValueError, match=words):
            rg.from_keras(layers)
