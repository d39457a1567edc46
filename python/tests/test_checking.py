"""The judge and the doctor for other people's Python: every calling convention, side effects, frameworks."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from retrograde._problem import Problem
from retrograde._watched import Watched
from retrograde.testing import assert_gradient

import retrograde as rg

B, T, I, H, O = 3, 5, 7, 4, 2  # noqa: E741


def parameters(rng):
    return {
        "W": rng.normal(0, 0.5, (I, H)),
        "U": rng.normal(0, 0.5, (H, H)),
        "b": rng.normal(0, 0.5, H),
        "V": rng.normal(0, 0.5, (H, O)),
        "c": rng.normal(0, 0.5, O),
    }


def forward(p, x):
    h = [np.zeros((x.shape[0], p["U"].shape[0]), dtype=p["W"].dtype)]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ p["W"] + h[-1] @ p["U"] + p["b"]))
    return h, np.stack([s @ p["V"] + p["c"] for s in h[1:]], axis=1)


def loss(params, x, target):
    return 0.5 * np.sum((forward(params, x)[1] - target) ** 2)


def gradient(params, x, target, transpose=True):
    """Right; without `transpose` the carry multiplies by U instead of its transpose."""
    h, y = forward(params, x)
    g = {name: np.zeros_like(value) for name, value in params.items()}
    carry = np.zeros_like(h[0])
    for t in reversed(range(x.shape[1])):
        dy = y[:, t] - target[:, t]
        g["V"] += h[t + 1].T @ dy
        g["c"] += dy.sum(0)
        dz = (dy @ params["V"].T + carry) * (1 - h[t + 1] ** 2)
        g["W"] += x[:, t].T @ dz
        g["U"] += h[t].T @ dz
        g["b"] += dz.sum(0)
        carry = dz @ (params["U"].T if transpose else params["U"])
    return g


def wrong(params, x, target):
    return gradient(params, x, target, transpose=False)


@pytest.fixture
def case(rng):
    return parameters(rng), (rng.normal(size=(B, T, I)), rng.normal(size=(B, T, O)))


def names_of(report):
    return [finding.name for finding in report.findings]


def test_a_right_gradient_agrees_and_a_wrong_one_differs_where_it_is_wrong(case):
    params, batch = case
    right = rg.check(loss, gradient, params, batch)
    assert right.verdict == "agrees" and right.agrees
    assert "complex step" in right.oracle
    bad = rg.check(loss, wrong, params, batch)
    assert bad.verdict == "differs"
    assert {b.name for b in bad.blocks if b.verdict == "differs"} == {"W", "U", "b"}
    assert bad.blocks[0].verdict == "differs"
    assert "differs" in str(bad) and "<table>" in bad._repr_html_()
    assert json.loads(json.dumps(bad.to_dict()))["verdict"] == "differs"


def test_the_doctor_names_the_mistake(case):
    params, batch = case
    for report in (rg.doctor(wrong, params, batch, loss=loss), rg.doctor(wrong, params, batch)):
        assert report.verdict == "differs"
        assert names_of(report) == ["recurrent-not-transposed"]
        finding = report.findings[0]
        assert finding.sentence and finding.where and finding.fix and finding.proof and finding.certainty
        assert "recurrent-not-transposed" in str(report) and "recurrent-not-transposed" in report._repr_html_()
        assert json.loads(json.dumps(report.to_dict()))["findings"][0]["name"] == "recurrent-not-transposed"
    right = rg.doctor(gradient, params, batch, loss=loss)
    assert right.verdict == "agrees" and right.findings == [] and right.power


ORDER = ["W", "U", "b", "V", "c"]
CONVENTIONS = {
    "a dict": (lambda p: p, loss, gradient),
    "by name": (lambda p: p, lambda x, target, W, U, b, V, c: loss(dict(W=W, U=U, b=b, V=V, c=c), x, target),
                lambda x, target, W, U, b, V, c: gradient(dict(W=W, U=U, b=b, V=V, c=c), x, target)),
    "a tuple": (lambda p: tuple(p.values()), lambda p, x, y: loss(dict(zip(ORDER, p)), x, y),
                lambda p, x, y: tuple(gradient(dict(zip(ORDER, p)), x, y).values())),
    "spread": (lambda p: list(p.values()), lambda W, U, b, V, c, x, y: loss(dict(zip(ORDER, (W, U, b, V, c))), x, y),
               lambda W, U, b, V, c, x, y: list(gradient(dict(zip(ORDER, (W, U, b, V, c))), x, y).values())),
    "passed on": (lambda p: list(p.values()), lambda *a: CONVENTIONS["spread"][1](*a), lambda *a: CONVENTIONS["spread"][2](*a)),
    "nested, in another order": (lambda p: p, loss, lambda p, x, y: (lambda g: ((g["c"], g["V"]), [g["b"], (g["U"], g["W"])]))(gradient(p, x, y))),
    "names with d": (lambda p: p, loss, lambda p, x, y: {f"d{n}": v for n, v in gradient(p, x, y).items()}),
    "names with grad": (lambda p: p, loss, lambda p, x, y: {f"grad_{n}": v for n, v in reversed(gradient(p, x, y).items())}),
    "with the loss": (lambda p: p, lambda p, x, y: (loss(p, x, y), "cache"), lambda p, x, y: (loss(p, x, y), gradient(p, x, y))),
    "one flat vector": (lambda p: p, loss, lambda p, x, y: np.concatenate([v.ravel() for v in gradient(p, x, y).values()])),
    "nested dicts": (lambda p: {"rnn": {k: p[k] for k in "WUb"}, "head": {k: p[k] for k in "Vc"}}, lambda p, x, y: loss({**p["rnn"], **p["head"]}, x, y),
                     lambda p, x, y: (lambda g: {"rnn": {k: g[k] for k in "WUb"}, "head": {k: g[k] for k in "Vc"}})(gradient({**p["rnn"], **p["head"]}, x, y))),
    "a list of dicts": (lambda p: [{k: p[k] for k in "WUb"}, {k: p[k] for k in "Vc"}], lambda p, x, y: loss({**p[0], **p[1]}, x, y),
                        lambda p, x, y: (lambda g: [{"d" + k: g[k] for k in "WUb"}, {"d" + k: g[k] for k in "Vc"}])(gradient({**p[0], **p[1]}, x, y))),
    "an object": (lambda p: SimpleNamespace(**p, name="mine"), lambda p, x, y: loss(vars(p), x, y),
                  lambda p, x, y: gradient({k: v for k, v in vars(p).items() if k != "name"}, x, y)),
    "batch as one": (lambda p: p, lambda p, batch: loss(p, *batch), lambda p, batch: gradient(p, *batch)),
    "lists": (lambda p: {n: v.tolist() for n, v in p.items()},
              lambda p, x, y: loss({n: np.array(v) for n, v in p.items()}, x, y),
              lambda p, x, y: {n: v.tolist() for n, v in gradient({n: np.array(v) for n, v in p.items()}, x, y).items()}),
    "columns": (lambda p: {**p, "b": p["b"][:, None]}, lambda p, x, y: loss({**p, "b": p["b"][:, 0]}, x, y),
                lambda p, x, y: gradient({**p, "b": p["b"][:, 0]}, x, y)),
}  # fmt: skip


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_way_to_pass_parameters_and_to_return_gradients(convention, case):
    params, batch = case
    shape, f, g = CONVENTIONS[convention]
    report = rg.check(f, g, shape(params), batch)
    assert report.verdict == "agrees", report
    assert rg.doctor(g, shape(params), batch, loss=f).verdict == "agrees"


def test_a_loss_that_comes_with_the_gradients_is_used(case):
    params, batch = case
    for tell in (lambda p, x, y: (loss(p, x, y), wrong(p, x, y)), lambda p, x, y: {"loss": loss(p, x, y), **wrong(p, x, y)}):
        report = rg.doctor(tell, params, batch)
        assert names_of(report) == ["recurrent-not-transposed"]
        assert "confirmed at a second random point" in report.proof, report
    odd = lambda p, x: (float(np.sum(np.sin(x @ p["P"]))), {"P": x.T @ np.cos(x @ p["P"])})  # noqa: E731
    report = rg.doctor(odd, {"P": params["W"]}, (batch[0][0],))
    assert report.verdict == "agrees" and "differences of your loss" in str(report)


def test_what_is_no_array_goes_through_the_batch_as_it_is(case):
    params, (x, target) = case

    def loss_of(p, x, target, steps, mode, mask, scale):
        assert mode == "train" and mask is None and type(steps) is int and type(scale) is float
        return scale * loss(p, x[:, :steps], np.array(target)[:, :steps])

    def gradient_of(p, x, target, steps, mode, mask, scale):
        assert mode == "train" and mask is None and type(steps) is int and isinstance(target, list)
        return {n: scale * v for n, v in wrong(p, x[:, :steps], np.array(target)[:, :steps]).items()}

    batch = x, target.tolist(), T, "train", None, 1.0
    assert names_of(rg.doctor(gradient_of, params, batch, loss=loss_of)) == ["recurrent-not-transposed"]


def test_arrays_alone_and_a_batch_by_name(case):
    params, (x, target) = case
    claims = wrong(params, x, target)
    report = rg.check(loss, claims, params, {"x": x, "target": target})
    assert report.verdict == "differs"
    assert names_of(rg.doctor(claims, params, (x, target))) == ["recurrent-not-transposed"]
    arrays = {
        **params,
        **{f"d{n}": v for n, v in claims.items()},
        "x": x,
        "target": target,
        "loss": loss(params, x, target),
    }
    assert names_of(rg.doctor.arrays(arrays)) == ["recurrent-not-transposed"]


def test_gradients_of_one_shape_are_told_apart_by_value(rng):
    """Square weights in another order than the parameters': no mistake, and no name says which is which."""
    n = 4
    params = {k: rng.normal(0, 0.5, (n, n)) for k in ("W", "U", "V")} | {k: rng.normal(0, 0.5, n) for k in ("b", "c")}
    batch = rng.normal(size=(B, T, n)), rng.normal(size=(B, T, n))
    shuffled = lambda p, x, y: [gradient(p, x, y)[k] for k in ("U", "c", "V", "W", "b")]  # noqa: E731
    assert rg.check(loss, shuffled, params, batch).verdict == "agrees"
    assert rg.doctor(shuffled, params, batch, loss=loss).verdict == "agrees"
    bad = rg.check(loss, lambda p, x, y: [wrong(p, x, y)[k] for k in ("V", "c", "W", "b", "U")], params, batch)
    assert {b.name for b in bad.blocks if b.verdict == "agrees"} == {"V", "c"}


class Story:
    """Parameters as attributes, gradients in nested tuples."""

    def __init__(self, params, right=False):
        self.W, self.U, self.B_state = params["W"], params["U"], params["b"]
        self.V, self.B_out = params["V"], params["c"]
        self.calls = 0
        self.right = right

    def _params(self):
        return {"W": self.W, "U": self.U, "b": self.B_state, "V": self.V, "c": self.B_out}

    def cost(self, X, Y):
        return loss(self._params(), X, Y)

    def backward(self, X, Y):
        self.calls += 1
        g = gradient(self._params(), X, Y, transpose=self.right)
        return (g["V"], g["c"]), (g["W"], g["U"], g["b"])

    def backward_into_attributes(self, X, Y):
        g = gradient(self._params(), X, Y, transpose=self.right)
        self.dW, self.dU, self.dB_state, self.dV, self.dB_out = (g[k] for k in ("W", "U", "b", "V", "c"))


@pytest.mark.parametrize("method", ["backward", "backward_into_attributes"])
@pytest.mark.parametrize("how", ["a method's name", "a bound method", "a function of the object", "a closure", "none"])
def test_a_class_is_diagnosed_as_it_is_and_left_as_it_was(how, method, case):
    params, batch = case
    mine = Story(params)
    given = {
        "a method's name": "cost", "a bound method": mine.cost, "none": None,
        "a function of the object": lambda obj, X, Y: obj.cost(X, Y), "a closure": lambda X, Y: mine.cost(X, Y),
    }[how]  # fmt: skip
    kept = {name: np.copy(value) for name, value in vars(mine).items()}
    report = rg.doctor.method(mine, method, *batch, params=["U", "V", "W", "B_state", "B_out"], loss=given)
    assert names_of(report) == ["recurrent-not-transposed"]
    assert {b.name for b in report.blocks if b.verdict == "differs"} == {"W", "U", "B_state"}
    assert set(vars(mine)) == set(kept)
    assert mine.W is params["W"]
    for name, value in kept.items():
        np.testing.assert_array_equal(getattr(mine, name), value)
    mine.right = True
    report = rg.doctor.method(mine, method, *batch, params=["U", "V", "W", "B_state", "B_out"], loss=given)
    assert report.verdict == "agrees", report


class Layered:
    """Parameters in a layer and in a dict, which share their arrays with a list; the gradients are left in the layers."""

    def __init__(self, params, right=False):
        self.cell = SimpleNamespace(W=params["W"], U=params["U"], b=params["b"])
        self.head = {"V": params["V"], "c": params["c"]}
        self.everything = [*vars(self.cell).values(), *self.head.values()]
        self.right = right
        self.nodes = [SimpleNamespace(owner=self)]  # knows its owner

    def _params(self):
        return dict(zip("WUbVc", self.everything))

    def cost(self, X, Y):
        return loss(self._params(), X, Y)

    def train_step(self, X, Y):
        g = gradient(self._params(), X, Y, transpose=self.right)
        self.cell.dW, self.cell.dU, self.cell.db = g["W"], g["U"], g["b"]
        self.grads = {"V": g["V"], "c": g["c"]}
        return self.cost(X, Y)


@pytest.mark.parametrize("own_loss", [True, False])
@pytest.mark.parametrize("paths", [["cell.W", "cell.U", "cell.b", "head.V", "head.c"], ["cell", "head"]])
def test_parameters_within_parts_of_an_object(paths, own_loss, case):
    params, batch = case
    kept = {n: v.copy() for n, v in params.items()}
    mine = Layered(params)
    report = rg.doctor.method(mine, "train_step", *batch, params=paths, loss="cost" if own_loss else None)
    assert names_of(report) == ["recurrent-not-transposed"], report
    assert not hasattr(mine, "grads") and not hasattr(mine.cell, "dW")
    for name, array in zip("WUbVc", mine.everything, strict=True):
        assert array is params[name]
        np.testing.assert_array_equal(array, kept[name])
    report = rg.doctor.method(Layered(params, right=True), "train_step", *batch, params=paths, loss="cost")
    assert report.verdict == "agrees", report


def test_a_function_that_changes_its_arguments_leaves_the_callers_arrays_alone(case):
    params, (x, target) = case
    kept = {n: v.copy() for n, v in params.items()}, x.copy(), target.copy()

    def careless(p, x, y):
        g = gradient(p, x, y)
        p["W"] -= 0.1 * g["W"]
        x *= 2
        return g

    rg.check(loss, careless, params, (x, target))
    rg.doctor(careless, params, (x, target), loss=loss)
    for name, value in kept[0].items():
        np.testing.assert_array_equal(params[name], value)
    np.testing.assert_array_equal(x, kept[1])


def test_the_audit_sees_what_a_function_does_to_its_arguments_and_every_call_once(case, rng):
    params, (x, target) = case
    single = {n: v.astype(np.float32) for n, v in params.items()}
    calls = []

    def careless(p, x, y):
        calls.append(1)
        x *= 2
        return gradient(p, x, y)

    problem = Problem(careless, single, (x, target))
    names = {n: n for n in problem.batch_arrays}
    watched = Watched(problem, problem.gradient)
    first = watched.first()
    np.testing.assert_array_equal(problem.batch_arrays["x"], x)
    for count in (1, 2):  # the first answer is given again, the next one is another call
        p = {n: v.astype(np.float64) for n, v in single.items()}
        b = {n: v.copy() for n, v in problem.batch_arrays.items()}
        answer = watched.called(p, b, names)
        assert len(calls) == count
        np.testing.assert_array_equal(answer["W"], first["W"])
        np.testing.assert_array_equal(b["x"], 2 * x)
        np.testing.assert_array_equal(b["y"], target)
    probe = {n: rng.normal(size=v.shape) for n, v in params.items()}
    kept = {n: v.copy() for n, v in probe.items()}
    watched.called(probe, {n: v.copy() for n, v in problem.batch_arrays.items()}, names)
    for name, values in kept.items():  # rounding to the user's float32 and back is no change of theirs
        np.testing.assert_array_equal(probe[name], values)


def test_single_precision_is_no_mistake(case):
    params, batch = case
    single = {n: v.astype(np.float32) for n, v in params.items()}
    small = tuple(a.astype(np.float32) for a in batch)
    report = rg.check(loss, gradient, single, small)
    assert report.verdict == "agrees", report
    assert rg.doctor(gradient, single, small, loss=loss).verdict != "differs"
    assert rg.check(loss, wrong, single, small).verdict == "differs"


def test_pytorchs_autograd_is_checked_and_diagnosed_by_the_same_calls(case):
    torch = pytest.importorskip("torch")
    params, batch = case

    def torch_loss(p, x, y):
        h, total = torch.zeros(x.shape[0], H, dtype=x.dtype), 0.0
        for t in range(x.shape[1]):
            h = torch.tanh(x[:, t] @ p["W"] + h @ p["U"] + p["b"])
            total = total + 0.5 * ((h @ p["V"] + p["c"] - y[:, t]) ** 2).sum()
        return total

    def autograd(p, x, y):
        return torch.autograd.grad(torch_loss(p, x, y), list(p.values()))

    def cut(p, x, y):
        """Every state detached: no carry at all."""
        h, total = torch.zeros(x.shape[0], H, dtype=x.dtype), 0.0
        for t in range(x.shape[1]):
            h = torch.tanh(x[:, t] @ p["W"] + h.detach() @ p["U"] + p["b"])
            total = total + 0.5 * ((h @ p["V"] + p["c"] - y[:, t]) ** 2).sum()
        return torch.autograd.grad(total, list(p.values()))

    tensors = {n: torch.tensor(v, requires_grad=True) for n, v in params.items()}
    data = tuple(map(torch.tensor, batch))
    assert rg.check(torch_loss, autograd, tensors, data).verdict == "agrees"
    assert rg.doctor(autograd, tensors, data, loss=torch_loss).verdict == "agrees"
    report = rg.doctor(cut, tensors, data, loss=torch_loss)
    assert report.verdict == "differs"
    all_names = names_of(report) + [e["name"] for f in report.findings for e in f.equivalents]
    assert set(all_names) & {"carry-dropped", "truncated"}, report


def test_assert_gradients_message_is_the_report(case):
    params, batch = case
    assert assert_gradient(loss, gradient, params, batch).agrees
    with pytest.raises(AssertionError, match="recurrent-not-transposed") as caught:
        assert_gradient(loss, wrong, params, batch)
    assert "differs" in str(caught.value) and "U" in str(caught.value)


def test_kinks_and_functions_that_take_no_complex_numbers(rng):
    x = rng.normal(size=(20, 3))

    def relu_loss(w):
        return float(np.sum(np.maximum(x @ w, 0.0)))

    def relu_gradient(w):
        return x.T @ (x @ w > 0).astype(float)

    report = rg.check(relu_loss, relu_gradient, rng.normal(size=3))
    assert report.verdict == "agrees" and "finite differences" in report.oracle


def test_own_gradients_are_proved_for_every_truncation(rng):
    net = rg.GRU(7, 5, 2, bidirectional=True, reset_after=False, dtype="float64").with_head(2, "softmax")
    x, y = rng.normal(size=(3, 6, 7)), rng.integers(0, 2, (3, 6))
    for bptt in (rg.full(), rg.chunk(2), rg.window(3)):
        report = net.check(x, y, loss="softmax_cross_entropy", bptt=bptt, lengths=[6, 2, 5])
        assert report.verdict == "agrees", report
    assert net.astype("float32").check(x, y, loss="softmax_cross_entropy").verdict == "agrees"


def test_truncation_bias_falls_to_nothing(rng):
    net = rg.Elman(7, 5, dtype="float64").with_head(2)
    x, y = rng.normal(size=(3, 9, 7)), rng.normal(size=(3, 9, 2))
    bias = rg.truncation_bias(net, x, y, reaches=[0, 2, 8], chunks=[3])
    norms = [entry.whole.relative_norm for entry in bias.at]
    assert norms[0] > norms[1] > norms[2] and norms[2] < 1e-12
    assert [entry.truncation for entry in bias.at] == ["window:0", "window:2", "window:8", "chunk:3"]
    assert bias.smallest_reach(1e-9) == 8
    assert bias.at[0].blocks["head.weight"].relative_norm < 1e-12
    assert json.dumps(bias.to_dict()) and "window:2" in str(bias)


WRONG = {
    "shapes": (lambda p, b: rg.check(loss, {"W": np.zeros((2, 2))}, p, b), ValueError, r"no gradient of W \[7, 4\]"),
    "signature": (lambda p, b: rg.check(lambda a: 0.0, gradient, p, b), TypeError, r"takes neither"),
    "not a number": (lambda p, b: rg.check(lambda p, x, y: x, gradient, p, b), TypeError, "the loss must be one number"),
    "no function": (lambda p, b: rg.check(1.0, gradient, p, b), TypeError, "loss is a float"),
    "nan": (lambda p, b: rg.check(loss, gradient, {**p, "c": np.array([0, np.nan])}, b), ValueError, r"parameter c\[1\] is nan"),
    "hint": (lambda p, b: rg.doctor(gradient, p, b, hints={"cel": "elman"}), ValueError, "hint 'cel'"),
    "attribute": (lambda p, b: rg.doctor.method(Story(p), "backward", *b, params=["UU"]), AttributeError, "'UU'"),
    "mode": (lambda p, b: rg.check(loss, gradient, p, b, mode="fast"), ValueError, "no mode \"fast\""),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_mistakes_are_answered_in_words(mistake, case):
    act, kind, words = WRONG[mistake]
    with pytest.raises(kind, match=words):
        act(*case)
