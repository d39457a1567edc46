"""An Elman network written from scratch, as one writes it while learning how the gradient comes about.

Row vectors, arrays batch x time x features:  Z[t] = X[t] U + S[t-1] W + B_state,  S[t] = f(Z[t]),
out[t] = g(S[t] V + B_out). States has one row more than there are steps, and the start state stands in that last
row: States[:, t - 1] is right at t = 0 too, because row -1 is the last one.

The mathematics is right, and the gradient is wrong, in two places. The doctor names both; see story.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


def tanh_d(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def sigmoid_d(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def half_squared_error(outputs: Array, targets: Array) -> float:
    return 0.5 * float(np.sum((outputs - targets) ** 2))


def half_squared_error_d(outputs: Array, targets: Array) -> Array:
    return outputs - targets


@dataclass
class Cache:
    """What the way back needs of the way there."""

    Z_states: Array  # (batch, time, hidden)
    States: Array  # (batch, time + 1, hidden), the start state in row -1
    Z_outs: Array  # (batch, time, outputs)
    Outs: Array  # (batch, time, outputs), or (batch, 1, outputs) if only the last counts


@dataclass
class Elman:
    """Any activation, any loss. `window` is how many steps an output's error goes back, None for all of them."""

    inputs: int
    hidden: int
    outputs: int
    one_output: bool = False  # one output a sequence, instead of one a step
    window: int | None = None
    activation: Callable[[Array], Array] = np.tanh
    activation_d: Callable[[Array], Array] = tanh_d
    out_activation: Callable[[Array], Array] = lambda z: z
    out_activation_d: Callable[[Array], Array] = np.ones_like
    loss: Callable[[Array, Array], float] = half_squared_error
    loss_d: Callable[[Array, Array], Array] = half_squared_error_d
    seed: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.U = rng.normal(0, 0.6, (self.inputs, self.hidden))
        self.W = rng.normal(0, 0.5, (self.hidden, self.hidden))
        self.V = rng.normal(0, 0.7, (self.hidden, self.outputs))
        self.B_state = rng.normal(0, 0.3, self.hidden)
        self.B_out = rng.normal(0, 0.3, self.outputs)

    def forward(self, X: Array, start: Array) -> Cache:
        batch, steps, _ = X.shape
        Z_states = np.zeros((batch, steps, self.hidden))
        States = np.zeros((batch, steps + 1, self.hidden))
        States[:, -1] = start
        for t in range(steps):
            Z_states[:, t] = X[:, t] @ self.U + States[:, t - 1] @ self.W + self.B_state
            States[:, t] = self.activation(Z_states[:, t])
        Z_outs = States[:, :steps] @ self.V + self.B_out
        Outs = self.out_activation(Z_outs)
        return Cache(Z_states, States, Z_outs, Outs[:, -1:] if self.one_output else Outs)

    def loss_of(self, X: Array, Y: Array, start: Array) -> float:
        return self.loss(self.forward(X, start).Outs, Y)

    def backprop_through_time(self, X: Array, Y: Array, start: Array) -> dict[str, Array]:
        cache = self.forward(X, start)
        dU, dW, dV = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.V)
        dB_state, dB_out = np.zeros_like(self.B_state), np.zeros_like(self.B_out)
        seq_length = Y.shape[1]
        for t in range(seq_length):
            dZ_out = self.loss_d(cache.Outs[:, t], Y[:, t]) * self.out_activation_d(cache.Z_outs[:, t])
            dV += cache.States[:, t].T @ dZ_out
            dB_out += dZ_out.sum(axis=0)
            dZ_state = (dZ_out @ self.V.T) * self.activation_d(cache.Z_states[:, t])
            limit = 0 if self.window is None else max(0, t - self.window)
            for k in range(t, limit - 1, -1):
                dU += X[:, k].T @ dZ_state
                dW += cache.States[:, k - 1].T @ dZ_state
                dB_state += dZ_state.sum(axis=0)
                dZ_state = (dZ_state @ self.W.T) * self.activation_d(cache.States[:, k - 1])
        return {"dU": dU, "dW": dW, "dV": dV, "dB_state": dB_state, "dB_out": dB_out}
