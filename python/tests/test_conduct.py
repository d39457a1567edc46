"""The doctor and other people's functions: what they do between calls, short sequences, loss without a known network."""

from __future__ import annotations

import numpy as np
import pytest
from test_checking import B, H, I, T, gradient, loss, parameters, wrong

import retrograde as rg


@pytest.fixture
def case(rng):
    return parameters(rng), (rng.normal(size=(B, T, I)), rng.normal(size=(B, T, 2)))


def names(report):
    return [finding.name for finding in report.findings]


class Author:
    """A network as its author may write it; `spoil` says what it does besides."""

    def __init__(self, params, spoil=""):
        self.__dict__.update({name: value.copy() for name, value in params.items()})
        self.spoil = spoil
        self.sums = {name: np.zeros_like(value) for name, value in params.items()}
        self.calls = 0
        self.noise = np.random.default_rng(1)

    def params(self):
        return {name: getattr(self, name) for name in "WUbVc"}

    def loss(self, x, target):
        return loss(self.params(), x, target)

    def backward(self, x, target):
        self.calls += 1
        found = gradient(self.params(), x, target)
        if self.spoil == "accumulates-between-calls":
            for name, value in found.items():
                self.sums[name] += value
            return {name: value.copy() for name, value in self.sums.items()}
        if self.spoil == "mutates-input":
            x[0, 0, 0] = 0
        if self.spoil == "keeps-state":
            found["b"] = found["b"] * (1 + min(self.calls - 1, 1))
            found["c"] = found["c"] + self.calls - 1
        if self.spoil == "parameters-left-changed":
            self.W = self.W - 0.1 * found["W"]
        if self.spoil == "not-repeatable":
            found = {name: value * self.noise.uniform(0.9, 1.1, value.shape) for name, value in found.items()}
        return found


CONDUCT = ["accumulates-between-calls", "mutates-input", "parameters-left-changed", "not-repeatable"]


@pytest.mark.parametrize("spoil", CONDUCT)
@pytest.mark.parametrize("with_loss", [True, False])
def test_a_method_with_side_effects_is_named_and_the_object_left_as_it_was(spoil, with_loss, case):
    params, (x, target) = case
    author = Author(params, spoil)
    report = rg.doctor.method(
        author, "backward", x.copy(), target, params=list("WUbVc"), loss="loss" if with_loss else None
    )
    assert names(report) == [spoil], str(report)
    assert report.verdict == "differs"
    assert all(np.array_equal(getattr(author, name), value) for name, value in params.items())


def test_a_state_that_is_kept_between_calls_is_named(case):
    params, (x, target) = case
    kept = {"h": np.zeros((B, H))}

    def grads(p, x, target):
        found = gradient(p, x, target)
        found["c"] = found["c"] + kept["h"].sum()
        kept["h"] = np.full((B, H), np.tanh(p["W"].sum()))
        return found

    report = rg.doctor(grads, params, (x, target), loss=loss)
    assert names(report) == ["keeps-state"], str(report)


def test_functions_are_called_with_the_conduct_that_they_have(case):
    assert names(rg.doctor(gradient, *case, loss=loss)) == []


def test_three_mistakes_that_hide_each_other_are_told_apart_at_short_sequences(case):
    def three(params, x, target):
        from test_checking import forward

        h, y = forward(params, x)
        g = {name: np.zeros_like(value) for name, value in params.items()}
        carry = np.zeros_like(h[0])
        for t in reversed(range(x.shape[1])):
            dy = 2 * (y[:, t] - target[:, t])  # twice
            g["V"] += h[t + 1].T @ dy
            g["c"] += dy.sum(0)
            dz = (dy @ params["V"].T + carry) * (1 - np.tanh(h[t + 1]) ** 2)  # at the state
            g["W"] += x[:, t].T @ dz
            g["U"] += h[t].T @ dz
            g["b"] += dz.sum(0)
            carry = dz @ params["U"]  # not transposed
        return g

    report = rg.doctor(three, *case, loss=loss)
    assert sorted(names(report)) == ["derivative-at-state", "factor-two", "recurrent-not-transposed"], str(report)
    assert "confirmed at a second random point" in report.proof


def test_a_function_that_takes_only_its_own_length_is_diagnosed_all_the_same(case):
    params, (x, target) = case

    def fixed(params, x, target):
        if x.shape[1] != T:
            raise IndexError("five steps, no fewer")
        return wrong(params, x, target)

    assert names(rg.doctor(fixed, params, (x, target), loss=loss)) == ["recurrent-not-transposed"]


def odd_loss(params, x):
    return float(np.sum(np.sin(x @ params["P"]) * params["q"]) ** 2)


def odd_gradient(params, x):
    z = x @ params["P"]
    s = 2 * np.sum(np.sin(z) * params["q"])
    return {"P": s * x.T @ (np.cos(z) * params["q"]), "q": s * np.sin(z).sum(0)}


def test_without_a_known_network_the_loss_judges(rng):
    case = {"P": rng.normal(size=(5, 3)), "q": rng.normal(size=3)}, (rng.normal(size=(4, 5)),)
    report = rg.doctor(odd_gradient, *case, loss=odd_loss)
    assert report.verdict == "agrees", str(report)
    assert report.network == ""

    def spoiled(params, x):
        found = odd_gradient(params, x)
        found["P"][1, 2] += 0.1
        return found

    report = rg.doctor(spoiled, *case, loss=odd_loss)
    assert report.verdict == "differs", str(report)
    assert {block.name: block.verdict for block in report.blocks} == {"P": "differs", "q": "agrees"}
    assert "P[1, 2]" in report.blocks[0].worst


def differences(params, batch, step, dtype=np.float64):
    """The author's own check, in a precision of its own."""
    found = {}
    for name, value in params.items():
        found[name] = np.zeros(value.shape)
        for i in np.ndindex(value.shape):
            sides = []
            for sign in (1, -1):
                moved = {n: v.copy() for n, v in params.items()}
                moved[name][i] += sign * step
                sides.append(float(dtype(loss(moved, *batch))))
            found[name][i] = (sides[0] - sides[1]) / (2 * step)
    return found


@pytest.mark.parametrize(
    ("step", "dtype", "name"),
    [
        (0.3, np.float64, "step-too-large"),
        (1e-13, np.float64, "step-too-small"),
        (1e-4, np.float32, "single-precision"),
    ],
)
def test_a_right_gradient_whose_check_fails(step, dtype, name, case):
    report = rg.doctor(gradient, *case, loss=loss, numeric=differences(*case, step, dtype))
    assert report.verdict == "agrees"
    assert names(report) == [name], str(report)


def test_gates_without_names_are_ordered_together(rng):
    """A gradient in nested tuples, gate by gate in an order of its own, with one mistake: one finding."""
    sizes = {"W": (I, H), "U": (H, H), "b": (H,)}
    params = {f"{kind}{gate}": rng.normal(0, 0.5, size) for gate in "zrn" for kind, size in sizes.items()}
    params |= {"V": rng.normal(0, 0.5, (H, 2)), "c": rng.normal(0, 0.5, 2)}

    def run(p, x, target):
        sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
        h, cache, total = np.zeros((B, H)), [], 0.0
        g = {name: np.zeros_like(value) for name, value in p.items()}
        for t in range(x.shape[1]):
            z = sigmoid(x[:, t] @ p["Wz"] + h @ p["Uz"] + p["bz"])
            r = sigmoid(x[:, t] @ p["Wr"] + h @ p["Ur"] + p["br"])
            n = np.tanh(x[:, t] @ p["Wn"] + (r * h) @ p["Un"] + p["bn"])
            new = (1 - z) * n + z * h
            dy = new @ p["V"] + p["c"] - target[:, t]
            total += 0.5 * np.sum(dy**2)
            cache.append((h, z, r, n, new, dy))
            h = new
        carry = np.zeros((B, H))
        for t in reversed(range(x.shape[1])):
            h, z, r, n, new, dy = cache[t]
            g["V"] += new.T @ dy
            g["c"] += dy.sum(0)
            dh = dy @ p["V"].T + carry
            dn = dh * (1 - z) * (1 - n**2)
            q = dn @ p["Un"].T
            dz, dr = dh * (h - n) * z * (1 - z), q * h * r * (1 - r)
            for gate, d, s in (("z", dz, h), ("r", dr, h), ("n", dn, r * h)):
                g["W" + gate] += x[:, t].T @ d
                g["U" + gate] += s.T @ d
                g["b" + gate] += d.sum(0)
            carry = dz @ p["Uz"].T + dr @ p["Ur"].T + q * r  # dh * z is missing
        return total, g

    def nested(p, x, target):
        g = run(p, x, target)[1]
        return [(g["U" + k], g["W" + k], g["b" + k]) for k in "nrz"], (g["V"], g["c"])

    batch = rng.normal(size=(B, T, I)), rng.normal(size=(B, T, 2))
    report = rg.doctor(nested, params, batch, loss=lambda p, x, target: run(p, x, target)[0])
    assert names(report) == ["carry-dropped"], str(report)


def test_jax_functions_are_checked_and_diagnosed_by_the_same_calls(case):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def jax_loss(params, x, target):
        h, total = jnp.zeros((x.shape[0], params["U"].shape[0])), 0.0
        for t in range(x.shape[1]):
            h = jnp.tanh(x[:, t] @ params["W"] + h @ params["U"] + params["b"])
            total += 0.5 * jnp.sum((h @ params["V"] + params["c"] - target[:, t]) ** 2)
        return total

    def stopped(params, x, target):
        return jax_loss({**params, "U": jax.lax.stop_gradient(params["U"])}, x, target)

    params, batch = {n: jnp.asarray(v) for n, v in case[0].items()}, tuple(jnp.asarray(v) for v in case[1])
    assert rg.check(jax_loss, jax.grad(jax_loss), params, batch).agrees
    assert rg.doctor(jax.grad(jax_loss), params, batch, loss=jax_loss).agrees
    report = rg.doctor(jax.grad(stopped), params, batch, loss=jax_loss)
    assert report.verdict == "differs"
    assert names(report) == ["zero"], str(report)
