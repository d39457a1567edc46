"""A library of layers written from scratch: U, V, W with a linear state output, batch x time x features, state inputs
kept beside states, any activation, a truncation loop per output."""

import numpy as np
from program import Program, sigmoid

CORRECT = ["tanh", "sigmoid", "relu", "relu + sum", "tanh + mean", "tanh + batch mean", "relu + mean", "leaky", "tanh + penalty", "relu + mean + penalty"]

FAULTS = {
    "tanh + gradient of states": ["derivative-at-state"],
    "sigmoid + gradient of states": ["derivative-at-state"],
    "relu + W transposed": ["recurrent-not-transposed"],
    "tanh + truncate 2": ["truncated"],
    "tanh + truncate 4 off by one": ["truncated|window-off-by-one"],
    "sigmoid + states of t": ["state-index-shifted"],
    "tanh + activation for gradient": ["activation-for-derivative"],
    "sigmoid + activation for gradient": ["activation-for-derivative"],
    "tanh + inner slope of t": ["derivative-wrong-step"],
    "tanh + inner slope missing": ["derivative-missing"],
    "sigmoid + inner slope at states": ["derivative-at-state"],
    "tanh + input of t": ["input-index-shifted"],
    "tanh + mean + not averaged": ["time-mean-or-sum|batch-mean-or-sum|output-mean-or-sum|block-scaled|factor-two"],
    "tanh + sum + half in the gradient": ["factor-two"],
    "relu + V from the state input": ["derivative-at-preactivation|"],
    "tanh + truncate 2 + states of t": ["truncated", "state-index-shifted"],
    "sigmoid + gradient of states + W transposed": ["derivative-at-state", "recurrent-not-transposed"],
    "tanh + batch for time": ["batch-for-time|last-step-only|first-step-skipped"],
    "tanh + only when t is last": ["window-on-last-output-only|upstream-missing"],
    "tanh + penalty + not in the gradient": ["regulariser-missing"],
    "tanh + penalty + subtracted": ["regulariser-sign"],
    "tanh + penalty + doubled": ["regulariser-scale"],
    "tanh + penalty + not in the gradient + states of t": ["regulariser-missing", "state-index-shifted"],
    "sigmoid + penalty + doubled + W transposed": ["regulariser-scale", "recurrent-not-transposed"],
    "sigmoid + slope of tanh": ["derivative-of-other-activation|"],
}

B, T, I, H = 3, 7, 4, 5

ACTIVATIONS = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z >= 0).astype(float)),
    "leaky": (lambda z: np.where(z >= 0, z, 0.2 * z), lambda z: np.where(z >= 0, 1.0, 0.2)),
}


def build(rng, words):
    n = rng.standard_normal
    parameters = {"U": n((H, I)) * 0.6, "W": n((H, H)) * 0.45, "V": n((I, H)) * 0.6}
    batch = {"X": n((B, T, I)), "y": n((B, T, I))}
    f, slope = ACTIVATIONS[words[0]]
    if "slope of tanh" in words:
        slope = ACTIVATIONS["tanh"][1]
    reach = next((int(w.split()[1]) for w in words if w.startswith("truncate")), 10**6)

    def run(p, d):
        U, W, V, X, y = p["U"], p["W"], p["V"], d["X"], d["y"]
        state_input, states = np.zeros((B, T, H)), np.zeros((B, T + 1, H))
        for t in range(T):
            state_input[:, t] = X[:, t] @ U.T + states[:, t - 1] @ W.T
            states[:, t] = f(state_input[:, t])
        out = states[:, :T] @ V.T
        scale = {"sum": 2.0, "mean": 2.0 / y.size, "batch mean": 1.0 / B}.get(next(iter(set(words) & {"sum", "mean", "batch mean"}), ""), 1.0)
        loss = scale * 0.5 * np.sum((y - out) ** 2)
        if "penalty" in words:
            loss += 0.5 * 0.02 * sum((w**2).sum() for w in (U, V, W))
        accum = -(y - out) * (1.0 if {"not averaged", "half in the gradient"} & set(words) else scale)
        gU, gW, gV = np.zeros_like(U), np.zeros_like(W), np.zeros_like(V)

        def take_slope(t):
            if "gradient of states" in words:
                return slope(states[:, t])
            if "activation for gradient" in words:
                return f(state_input[:, t])
            return slope(state_input[:, t])

        for t in reversed(range(B if "batch for time" in words else T)):
            gV += accum[:, t].T @ (state_input if "V from the state input" in words else states)[:, t]
            if "only when t is last" in words and t < T - 1:
                continue
            delta = (accum[:, t] @ V) * take_slope(t)
            for k in reversed(range(max(0, t - reach + (1 if "truncate 4 off by one" in words else 0)), t + 1)):
                gU += delta.T @ X[:, t if "input of t" in words else k]
                gW += delta.T @ states[:, k if "states of t" in words else k - 1]
                delta = delta @ (W.T if "W transposed" in words else W)
                if k == 0:
                    break
                if "inner slope at states" in words:
                    delta = delta * slope(states[:, k - 1])
                elif "inner slope of t" in words:
                    delta = delta * slope(state_input[:, k])
                elif "inner slope missing" not in words:
                    delta = delta * take_slope(k - 1)
        if "penalty" in words and "not in the gradient" not in words:
            decay = 0.02 * (-1 if "subtracted" in words else 2 if "doubled" in words else 1)
            gU, gW, gV = gU + decay * U, gW + decay * W, gV + decay * V
        return loss, {"grad_U": gU, "grad_W": gW, "grad_V": gV}

    return Program(parameters, batch, run)
