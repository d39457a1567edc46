"""What a network promises: views, layouts, errors in words, threads, no leaks."""

from __future__ import annotations

import copy
import gc
import pickle
import resource
import threading

import numpy as np
import pytest

import retrograde as rg

NETS = [rg.Elman, rg.GRU, rg.LSTM]


@pytest.fixture
def net():
    return rg.LSTM(7, 5, 2, bidirectional=True, dtype="float64").with_head(3)


def test_parameters_are_writable_views_by_pytorchs_names(rng):
    net = rg.GRU(7, 5, dtype="float64")
    x = rng.standard_normal((2, 3, 7))
    assert list(net.parameters) == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    before, _ = net(x)
    net.parameters["weight_ih_l0"][...] *= 2
    after, _ = net(x)
    assert np.abs(after - before).max() > 1e-3
    with pytest.raises(TypeError):
        net.parameters["weight_ih_l0"] = np.zeros((15, 7))


def test_a_parameter_view_keeps_its_network_alive():
    view = rg.LSTM(3, 4).parameters["weight_ih_l0"]
    gc.collect()
    assert view.shape == (16, 3) and np.isfinite(view).all()


@pytest.mark.parametrize("make", NETS)
def test_gradients_equal_numeric_derivatives_from_any_memory_layout(make, rng):
    net = make(7, 5, dtype="float64").with_head(2, activation="sigmoid")
    x, target = rng.standard_normal((3, 5, 7)), rng.standard_normal((3, 5, 2))
    loss, grads = net.loss_and_gradients(x, target)
    for odd in (
        np.asfortranarray(x),
        np.repeat(x, 2, axis=2)[:, :, ::2],
        x[::-1][::-1],
        x.astype(">f8"),
        x.tolist(),
    ):
        again, same = net.loss_and_gradients(odd, target)
        assert again == loss
        np.testing.assert_array_equal(same.flat, grads.flat)

    def numeric(params, x, target):
        other = net.copy()
        other.load_state_dict(params)
        return other.loss(x, target)

    report = rg.check(numeric, dict(grads), net.state_dict(), (x, target))
    assert report.verdict == "agrees", report


def test_a_call_and_a_forward_with_tape_give_the_same_bits(net, rng):
    x = rng.standard_normal((3, 6, 7))
    y, (h, c) = net(x, lengths=[6, 1, 4])
    tape = net.forward(x, lengths=[6, 1, 4])
    np.testing.assert_array_equal(tape.outputs, y)
    np.testing.assert_array_equal(tape.final_state[0], h)
    np.testing.assert_array_equal(tape.final_state[1], c)
    assert (y[1, 1:] == 0).all() and (y[2, 4:] == 0).all()


def test_padding_is_never_read(net, rng):
    x = rng.standard_normal((3, 6, 7))
    y, _ = net(x, lengths=[6, 1, 4])
    x[1, 1:] = np.nan
    x[2, 4:] = np.inf
    np.testing.assert_array_equal(net(x, lengths=[6, 1, 4])[0], y)


def test_an_input_of_the_right_kind_is_not_copied():
    x = np.zeros((400, 500, 50), dtype=np.float32)
    net = rg.Elman(50, 2).with_head(1, at="last")
    net(x[:1])
    from retrograde._arrays import to_floats

    assert np.shares_memory(to_floats(x, "x", np.float32), x)


def test_layers_of_different_widths_have_a_state_a_layer(rng):
    net = rg.LSTM(3, [5, 2], dtype="float64")
    y, (h, c) = net(rng.standard_normal((4, 6, 3)))
    assert y.shape == (4, 6, 2)
    assert [part.shape for part in h] == [(1, 4, 5), (1, 4, 2)] == [part.shape for part in c]
    first, state = net(np.ones((4, 3, 3)))
    second, _ = net(np.ones((4, 3, 3)), state)
    np.testing.assert_allclose(net(np.ones((4, 6, 3)))[0], np.concatenate([first, second], axis=1), rtol=1e-12)


def test_tokens_and_embeddings(rng):
    net = rg.LSTM(11, 5, tokens=True, embedding=3, dtype="float64").with_head(11, activation="softmax")
    tokens = rng.integers(0, 11, (2, 6))
    _loss, grads = net.loss_and_gradients(tokens, np.roll(tokens, -1, axis=1), loss="softmax_cross_entropy")
    assert grads["embedding.weight"].shape == (11, 3)
    one_hot = rg.GRU(11, 5, dtype="float64")
    same = rg.GRU(11, 5, tokens=True, dtype="float64")
    same.load_state_dict(one_hot.state_dict())
    np.testing.assert_allclose(same(tokens)[0], one_hot(np.eye(11)[tokens])[0], rtol=1e-12)


def test_copies_are_independent_and_pickles_come_back(net, rng):
    x = rng.standard_normal((2, 4, 7))
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net)), net.copy()):
        np.testing.assert_array_equal(other(x)[0], net(x)[0])
        other.parameters["head.bias"][...] += 1
        assert np.abs(other(x)[0] - net(x)[0]).min() > 0.5
        assert other.config == net.config


def test_float32_and_float64_begin_alike(rng):
    double = rg.GRU(7, 5, dtype="float64", seed=4)
    single = rg.GRU(7, 5, dtype="float32", seed=4)
    for name, values in single.parameters.items():
        np.testing.assert_array_equal(values, double.parameters[name].astype(np.float32))
    x = rng.standard_normal((2, 5, 7))
    assert single(x)[0].dtype == np.float32
    np.testing.assert_allclose(single(x)[0], double(x)[0], atol=1e-5)


def test_dropout_is_off_in_a_call_and_repeats_with_its_seed(rng):
    net = rg.LSTM(7, 5, 2, dropout=0.5, recurrent_dropout=0.3, dtype="float64")
    x = rng.standard_normal((2, 5, 7))
    np.testing.assert_array_equal(net(x)[0], net.forward(x).outputs)
    one, again, other = (net.forward(x, training=True, seed=s).outputs for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3


WRONG = {
    "features": (lambda n: n(np.zeros((16, 96, 38))), ValueError, r"x has 38 features, the model wants 7\. +x: \(B=16, T=96, I=38\), batch first"),
    "rank": (lambda n: n(np.zeros(7)), ValueError, r"x is \(7,\); it must be \(B, T, I\)"),
    "nan": (lambda n: n(np.where(np.arange(42).reshape(2, 3, 7) == 38, np.nan, 0.0)), ValueError, r"x\[1, 2, 3\] \(batch, time, feature\) is nan"),
    "text": (lambda n: n([["a"]]), TypeError, "x holds"),
    "complex": (lambda n: n(np.zeros((2, 3, 7), complex)), TypeError, "real numbers"),
    "ragged": (lambda n: n([[[0.0] * 7], [[0.0] * 7] * 2]), ValueError, "lengths"),
    "empty": (lambda n: n(np.zeros((0, 3, 7))), ValueError, "x is empty"),
    "length": (lambda n: n(np.zeros((2, 3, 7)), lengths=[3, 4]), ValueError, r"lengths\[1\] is 4; it must be in 1 \.\. 3"),
    "lengths": (lambda n: n(np.zeros((2, 3, 7)), lengths=[3]), ValueError, "1 lengths for 2 sequences"),
    "state pair": (lambda n: n(np.zeros((2, 3, 7)), np.zeros((4, 2, 5))), TypeError, r"pair \(h, c\)"),
    "state": (lambda n: n(np.zeros((2, 3, 7)), (np.zeros((2, 4, 5)),) * 2), ValueError, r"state h is .*=2, B=4, H=5.*wants .*=4, B=2, H=5"),
    "target": (lambda n: n.loss(np.zeros((2, 3, 7)), np.zeros((2, 3, 4))), ValueError, r"target is \(B=2, T=3, O=4\); the outputs are \(B=2, T=3, O=3\)"),
    "target nan": (lambda n: n.loss(np.zeros((1, 1, 7)), np.full((1, 1, 3), np.inf)), ValueError, r"target\[0, 0, 0\] \(batch, time, output\) is inf"),
    "loss": (lambda n: n.loss(np.zeros((2, 3, 7)), np.zeros((2, 3, 3)), loss="mse"), ValueError, "no loss \"mse\"; there are squared_error"),
    "bptt": (lambda n: n.loss_and_gradients(np.zeros((2, 3, 7)), np.zeros((2, 3, 3)), bptt=5), TypeError, r"rg\.window"),
    "class": (lambda n: n.loss(np.zeros((1, 2, 7)), np.array([[1, 3]]), loss="softmax_cross_entropy"), ValueError, "class 3"),
    "state dict": (lambda n: n.load_state_dict({"weight_ih_l0": np.zeros((1, 1)), "extra": np.zeros(1)}), ValueError, "missing: weight_hh_l0.*unknown: extra.*weight_ih_l0 is"),
    "dtype": (lambda n: rg.GRU(2, 3, dtype="float16"), TypeError, "float32 or float64"),
    "sizes": (lambda n: rg.GRU(2, 0), ValueError, "hidden_size is 0"),
    "activation": (lambda n: n.with_head(2, activation="tan"), ValueError, "no activation \"tan\""),
    "dy": (lambda n: n.backward(n.forward(np.zeros((2, 3, 7))), np.zeros((2, 3))), ValueError, r"dy is \(2, 3\); the outputs are \(2, 3, 3\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_answered_in_words(case, net):
    act, kind, words = WRONG[case]
    before = net.state_dict()
    with pytest.raises(kind, match=words):
        act(net)
    for name, values in net.parameters.items():
        np.testing.assert_array_equal(values, before[name])


def test_two_threads_compute_what_one_does(rng):
    nets = [make(7, 13, dtype="float64").with_head(2) for make in NETS]
    x, target = rng.standard_normal((5, 40, 7)), rng.standard_normal((5, 40, 2))
    want = [n.loss_and_gradients(x, target)[1].flat for n in nets]
    wrong: list[str] = []

    def work(order):
        for _ in range(20):
            for i in order:
                if not np.array_equal(nets[i].loss_and_gradients(x, target)[1].flat, want[i]):
                    wrong.append(f"network {i}")

    threads = [threading.Thread(target=work, args=(order,)) for order in ([0, 1, 2], [2, 1, 0])]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_ten_thousand_calls_do_not_grow(rng):
    net = rg.LSTM(3, 8).with_head(1)
    x, target = rng.standard_normal((4, 10, 3)).astype(np.float32), np.zeros((4, 10, 1), np.float32)

    def run(n):
        for _ in range(n):
            net.loss_and_gradients(x, target)
            net(x)
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = run(1000)
    assert run(10000) - before < 2000  # kB; a leak of one gradient a call would be 10 MB
