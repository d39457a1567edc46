"""A controlled system: states driven by an input u through B, seen through C, from a learned start; columns, a list of
steps."""

import numpy as np
from program import Program

CORRECT = ["", "flat start", "one row", "equal sizes"]

FAULTS = {
    "start from dz": ["initial-state-gradient-wrong"],
    "flat start + start from dz": ["initial-state-gradient-wrong"],
    "A not transposed": ["recurrent-not-transposed"],
    "equal sizes + C not transposed": ["head-not-transposed"],
    "h[t+1] in dA": ["state-index-shifted"],
    "u of the step before": ["input-index-shifted"],
    "carry alone": ["upstream-missing"],
    "slope at z": ["derivative-at-preactivation"],
    "start of the last row": [],
    "A not transposed + start from dz": ["recurrent-not-transposed", "initial-state-gradient-wrong"],
}


def build(rng, words):
    n, T, I, B, H, O = rng.standard_normal, 6, 3, 4, 7, 2
    if "equal sizes" in words:
        I = B = O = H
    if "one row" in words:
        B = 1
    p = {"A": n((H, H)) * 0.4, "B": n((H, I)) * 0.6, "C": n((O, H)) * 0.6, "h_init": n((H, 1)) * 0.5}
    if "flat start" in words:
        p["h_init"] = p["h_init"][:, 0]
    return Program(p, {"u": n((T, I, B)), "y": n((T, O, B))}, lambda p, d: loss_of(p, d, words))


def loss_of(p, d, words):
    A, B, C, u, y = p["A"], p["B"], p["C"], d["u"], d["y"]
    T, _, rows = u.shape
    h, z = [np.repeat(p["h_init"].reshape(-1, 1), rows, 1)], []
    for t in range(T):
        z.append(A @ h[t] + B @ u[t])
        h.append(np.tanh(z[t]))
    error = np.stack([C @ s for s in h[1:]]) - y
    g = {k: np.zeros_like(v) for k, v in p.items()}
    back = np.zeros_like(h[0])
    for t in reversed(range(T)):
        e = error[t] / rows
        g["C"] += e @ h[t + 1].T
        own = 0 if "carry alone" in words and t < T - 1 else (C if "C not transposed" in words else C.T) @ e
        dz = (1 - (z[t] if "slope at z" in words else h[t + 1]) ** 2) * (own + back)
        g["A"] += dz @ h[t + 1 if "h[t+1] in dA" in words else t].T
        if "u of the step before" not in words:
            g["B"] += dz @ u[t].T
        elif t > 0:
            g["B"] += dz @ u[t - 1].T
        back = (A if "A not transposed" in words else A.T) @ dz
    start = dz if "start from dz" in words else back
    start = start[:, -1] if "start of the last row" in words else start.sum(1)
    g["h_init"] = start.reshape(p["h_init"].shape)
    return float(0.5 * (error**2).sum() / rows), {"d" + k: v for k, v in g.items()}
