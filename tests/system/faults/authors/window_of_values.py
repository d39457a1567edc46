"""The next value of a wave: every record has the values of a window, and a step sees its own value alone, in its own
place of an otherwise empty vector. Columns, sigmoid states, one output at the end, half the squared error, no biases."""

import numpy as np


def setup(rng):
    steps, units = 6, 5
    wave = np.sin(0.7 * np.arange(steps + 1)) + rng.normal(0, 0.1, steps + 1)
    return dict(
        U=rng.normal(0, 0.8, (units, steps)), W=rng.normal(0, 0.6, (units, units)), V=rng.normal(0, 0.9, (1, units))
    ), dict(window=wave[:-1, None], following=wave[-1:])


def shown(window, t):
    seen = np.zeros_like(window)
    seen[t] = window[t]
    return seen


def loss_and_grads(p, d):
    window = d["window"]
    states = [np.zeros((len(p["W"]), 1))]
    for t in range(len(window)):
        states.append(1 / (1 + np.exp(-(p["U"] @ shown(window, t) + p["W"] @ states[t]))))
    error = p["V"] @ states[-1] - d["following"]
    dU, dW = np.zeros_like(p["U"]), np.zeros_like(p["W"])
    dV = error @ states[-1].T
    ds = p["V"].T @ error
    for t in reversed(range(len(window))):
        s = states[t + 1]
        dz = ds * s * (1 - s)
        dU += dz @ shown(window, t).T
        dW += dz @ states[t].T
        ds = p["W"].T @ dz
    return float(np.sum(error**2) / 2), dict(dU=dU, dW=dW, dV=dV)


SLIPS = {
    "W_as_it_stands": (["recurrent-not-transposed"], 'ds = p["W"].T @ dz', 'ds = p["W"] @ dz'),
    "W_by_this_state": (["state-index-shifted"], "dW += dz @ states[t].T", "dW += dz @ s.T"),
    "slope_is_state": (["activation-for-derivative"], "dz = ds * s * (1 - s)", "dz = ds * s"),
    "no_half": (["factor-two"], 'ds = p["V"].T @ error', 'ds = 2 * p["V"].T @ error'),
}
