"""JAX's arrays and gradients by the same calls, in its own default precision and in double."""

from __future__ import annotations

import os

import numpy as np
import pytest

import retrograde as rg

os.environ.setdefault("JAX_PLATFORMS", "cpu")
jax = pytest.importorskip("jax")
jnp = jax.numpy

B, T, I, H, O = 3, 5, 7, 4, 2  # noqa: E741


@jax.jit
def loss(p, x, y):
    def step(h, data):
        xt, yt = data
        h = jnp.tanh(xt @ p["W"] + h @ p["U"] + p["b"])
        return h, 0.5 * jnp.sum((h @ p["V"] + p["c"] - yt) ** 2)

    start = jnp.zeros((x.shape[0], p["U"].shape[0]), x.dtype)
    return jnp.sum(jax.lax.scan(step, start, (x.swapaxes(0, 1), y.swapaxes(0, 1)))[1])


@jax.jit
def cut(p, x, y):
    """As if somebody had stopped the gradient at every state."""

    def losses(p):
        h, total = jnp.zeros((x.shape[0], p["U"].shape[0]), x.dtype), 0.0
        for t in range(x.shape[1]):
            h = jnp.tanh(x[:, t] @ p["W"] + jax.lax.stop_gradient(h) @ p["U"] + p["b"])
            total = total + 0.5 * jnp.sum((h @ p["V"] + p["c"] - y[:, t]) ** 2)
        return total

    return jax.grad(losses)(p)


gradient = jax.jit(jax.grad(loss))


@pytest.fixture(params=["float32", "float64"])
def case(request, rng):
    shapes = {"W": (I, H), "U": (H, H), "b": (H,), "V": (H, O), "c": (O,)}
    with jax.enable_x64(request.param == "float64"):
        params = {name: jnp.asarray(rng.normal(0, 0.5, shape), request.param) for name, shape in shapes.items()}
        batch = tuple(jnp.asarray(rng.normal(size=(B, T, n)), request.param) for n in (I, O))
        yield params, batch


def test_a_gradient_of_jax_agrees_and_a_cut_one_does_not(case):
    params, batch = case
    assert rg.check(loss, gradient, params, batch).verdict == "agrees"
    assert rg.check(loss, cut, params, batch).verdict == "differs"


def test_the_doctor_reads_jax(case):
    params, batch = case
    assert rg.doctor(gradient, params, batch, loss=loss).verdict == "agrees"
    report = rg.doctor(cut, params, batch, loss=loss)
    names = {f.name for f in report.findings} | {e["name"] for f in report.findings for e in f.equivalents}
    assert report.verdict == "differs" and names & {"carry-dropped", "truncated"}, report


def test_a_network_takes_jax_arrays(rng):
    net = rg.GRU(I, H, dtype="float32").with_head(O)
    x, y = rng.normal(size=(B, T, I)).astype("f4"), rng.normal(size=(B, T, O)).astype("f4")
    np.testing.assert_array_equal(net(jnp.asarray(x))[0], net(x)[0])
    want, got = net.loss_and_gradients(x, y)[1], net.loss_and_gradients(jnp.asarray(x), jnp.asarray(y))[1]
    np.testing.assert_array_equal(got.flat, want.flat)
    net.load_state_dict({name: jnp.asarray(values) for name, values in net.state_dict().items()})
    np.testing.assert_array_equal(jnp.asarray(net(x)[0]), net(x)[0])
