"""PyTorch or JAX on the grid of grid.cpp, one thread: one JSON object a line.

    peers.py torch|jax SECONDS_A_SHAPE
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np  # noqa: E402

STEPS = 64
GATES = {"lstm": 4, "gru": 3, "elman": 1}
GRID = [(1, 32), (1, 128), (16, 64), (16, 128), (64, 128), (64, 256), (16, 512), (7, 100), (1, 20), (3, 200)]
Array = Any


def drawn(n: int, series: int) -> Array:
    """The series of drawn.h."""
    k = (np.arange(n, dtype=np.uint64) * np.uint64(7919) + np.uint64(series * 104729)) % np.uint64(65521)
    return (((k * k + np.uint64(12345)) % np.uint64(65521)) / 32760.0 - 1.0).astype(np.float32)


def weights(cell: str, units: int) -> list[Array]:
    rows, scale = GATES[cell] * units, 1 / np.sqrt(units)
    shapes = [(rows, units), (rows, units), (rows,), (rows,)]
    return [
        (drawn(int(np.prod(s)), i + 1).astype(np.float64) * scale).astype(np.float32).reshape(s)
        for i, s in enumerate(shapes)
    ]


def checks(y: Array, w_ih: Array, w_hh: Array) -> list[float]:
    result: list[float] = []
    for values, series in ((y, 7), (w_ih, 8), (w_hh, 9)):
        flat = np.asarray(values, np.float64).ravel()
        direction = drawn(flat.size, series).astype(np.float64)
        norm = float(np.linalg.norm(flat))
        result += [norm, float(flat @ direction) / (norm * float(np.linalg.norm(direction)))]
    return result


def best(run: Callable[[], object], seconds: float) -> float:
    """The least time over many runs, in microseconds a step; which clock, drawn.h says."""
    shortest, end, n, clock = 1e9, time.perf_counter() + seconds, 0, time.perf_counter
    while n < 4 or time.perf_counter() < end:
        start = clock()
        run()
        took = clock() - start
        if n > 0:
            shortest = min(shortest, took)
        clock = time.perf_counter if shortest < 2e-3 else time.process_time
        n += 1
    return shortest / STEPS * 1e6


def torch_case(cell: str, batch: int, units: int, seconds: float) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "elman": torch.nn.RNN}[cell](units, units)
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights(cell, units), strict=True):
            parameter.copy_(torch.from_numpy(value))
    size = STEPS * batch * units
    x = torch.from_numpy(drawn(size, 5).reshape(STEPS, batch, units)).requires_grad_()
    dy = torch.from_numpy(drawn(size, 6).reshape(STEPS, batch, units))

    def whole() -> None:
        module.zero_grad(set_to_none=True)
        x.grad = None
        module(x)[0].backward(dy)

    forward = best(lambda: module(x), seconds / 2)
    both = best(whole, seconds / 2)
    grads = {name: p.grad for name, p in module.named_parameters()}
    y = module(x)[0].detach().numpy()
    return {
        "forward": forward,
        "backward": both - forward,
        "checks": checks(y, grads["weight_ih_l0"].numpy(), grads["weight_hh_l0"].numpy()),
    }


def jax_case(cell: str, batch: int, units: int, seconds: float) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    w = [jnp.asarray(v) for v in weights(cell, units)]
    size = STEPS * batch * units
    x = jnp.asarray(drawn(size, 5).reshape(STEPS, batch, units))
    dy = jnp.asarray(drawn(size, 6).reshape(STEPS, batch, units))

    def outputs(w: list[Array], x: Array) -> Array:
        w_ih, w_hh, b_ih, b_hh = w
        inputs = x @ w_ih.T + b_ih

        def step(state: Array, a: Array) -> tuple[Array, Array]:
            h = state[0]
            u = h @ w_hh.T + b_hh
            if cell == "elman":
                h = jnp.tanh(a + u)
                return (h,), h
            if cell == "gru":
                ar, az, an = jnp.split(a, 3, -1)
                ur, uz, un = jnp.split(u, 3, -1)
                r, z = jax.nn.sigmoid(ar + ur), jax.nn.sigmoid(az + uz)
                n = jnp.tanh(an + r * un)
                h = n + z * (h - n)
                return (h,), h
            i, f, g, o = jnp.split(a + u, 4, -1)
            c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros((batch, units), jnp.float32)
        return jax.lax.scan(step, (zero, zero) if cell == "lstm" else (zero,), inputs)[1]

    forward = jax.jit(outputs)
    gradient = jax.jit(jax.value_and_grad(lambda w, x: jnp.sum(outputs(w, x) * dy), argnums=(0, 1)))
    y = forward(w, x)
    (_, (dw, _)) = jax.block_until_ready(gradient(w, x))
    time_forward = best(lambda: jax.block_until_ready(forward(w, x)), seconds / 2)
    both = best(lambda: jax.block_until_ready(gradient(w, x)), seconds / 2)
    return {
        "forward": time_forward,
        "backward": both - time_forward,
        "checks": checks(np.asarray(y), np.asarray(dw[0]), np.asarray(dw[1])),
    }


def main() -> None:
    who, seconds = sys.argv[1], float(sys.argv[2])
    case = torch_case if who == "torch" else jax_case
    for batch, units in GRID:
        for cell in GATES:
            row = {"who": who, "cell": cell, "batch": batch, "units": units}
            print(json.dumps(row | case(cell, batch, units, seconds)), flush=True)


if __name__ == "__main__":
    main()
