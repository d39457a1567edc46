"""A cell object that counts its steps down and keeps an accumulator for dA, two biases, in the manner of D.
Bourgin's numpy-ml (2019)."""

import numpy as np


class RNNCell:
    def __init__(self, P):
        self.parameters = {k: P[k] for k in ("Waa", "Wax", "ba", "bx")}
        self.gradients = {k: np.zeros_like(v) for k, v in self.parameters.items()}
        self.derived = {"A": [], "Z": [], "n_timesteps": 0, "current_step": 0, "dLdA_accumulator": None}
        self.X = []

    def forward(self, Xt):
        self.derived["n_timesteps"] += 1
        self.derived["current_step"] += 1
        p = self.parameters
        As = self.derived["A"]
        if len(As) == 0:
            As.append(np.zeros((Xt.shape[0], p["Waa"].shape[0])))
        Zt = As[-1] @ p["Waa"] + p["ba"].T + Xt @ p["Wax"] + p["bx"].T
        At = np.tanh(Zt)
        self.derived["Z"].append(Zt)
        self.derived["A"].append(At)
        self.X.append(Xt)
        return At

    def backward(self, dLdAt):
        self.derived["current_step"] -= 1
        t = self.derived["current_step"]
        dA_acc = self.derived["dLdA_accumulator"]
        if dA_acc is None:
            dA_acc = np.zeros_like(self.derived["A"][0])
        Zs, As = self.derived["Z"], self.derived["A"]
        dA = dLdAt + dA_acc
        dZ = (1 - np.tanh(Zs[t]) ** 2) * dA
        dXt = dZ @ self.parameters["Wax"].T
        self.gradients["Waa"] += As[t].T @ dZ
        self.gradients["Wax"] += self.X[t].T @ dZ
        self.gradients["ba"] += dZ.sum(axis=0, keepdims=True).T
        self.gradients["bx"] += dZ.sum(axis=0, keepdims=True).T
        self.derived["dLdA_accumulator"] = dZ @ self.parameters["Waa"].T
        return dXt


def setup(rng):
    n_ex, n_in, n_t, n_out, K = 4, 3, 6, 5, 2
    return dict(
        Waa=rng.normal(0, 0.5, (n_out, n_out)),
        Wax=rng.normal(0, 0.6, (n_in, n_out)),
        ba=rng.normal(0, 0.3, (n_out, 1)),
        bx=rng.normal(0, 0.3, (n_out, 1)),
        Wy=rng.normal(0, 0.6, (n_out, K)),
        by=rng.normal(0, 0.3, (1, K)),
    ), dict(X=rng.normal(0, 1, (n_ex, n_in, n_t)), y=rng.normal(0, 1, (n_ex, K)))


def loss_and_grads(P, B):
    cell = RNNCell(P)
    X, y = B["X"], B["y"]
    n_ex, n_in, n_t = X.shape
    A = [cell.forward(X[:, :, t]) for t in range(n_t)]
    out = A[-1] @ P["Wy"] + P["by"]
    loss = 0.5 * np.sum((out - y) ** 2) / n_ex
    d = (out - y) / n_ex
    for t in reversed(range(n_t)):
        cell.backward(d @ P["Wy"].T if t == n_t - 1 else np.zeros_like(A[0]))
    g = cell.gradients
    return loss, dict(
        dWaa=g["Waa"], dWax=g["Wax"], dba=g["ba"], dbx=g["bx"], dWy=A[-1].T @ d, dby=d.sum(0, keepdims=True)
    )


SLIPS = {
    "tanh of A": (
        ["derivative-at-state"],
        "dZ = (1 - np.tanh(Zs[t]) ** 2) * dA",
        "dZ = (1 - np.tanh(As[t + 1]) ** 2) * dA",
    ),
    "1 - Z**2": (
        ["derivative-at-preactivation"],
        "dZ = (1 - np.tanh(Zs[t]) ** 2) * dA",
        "dZ = (1 - Zs[t] ** 2) * dA",
    ),
    "accumulator misspelt": (
        ["carry-dropped"],
        'self.derived["dLdA_accumulator"] = dZ @ self.parameters["Waa"].T',
        'self.derived["dLdA_accum"] = dZ @ self.parameters["Waa"].T',
    ),
    "output's error at every step": (
        ["output-gradient-at-wrong-step"],
        'cell.backward(d @ P["Wy"].T if t == n_t - 1 else np.zeros_like(A[0]))',
        'cell.backward(d @ P["Wy"].T)',
    ),
    "bx assigned": (
        ["last-step-only"],
        'self.gradients["bx"] += dZ.sum(axis=0, keepdims=True).T',
        'self.gradients["bx"] = dZ.sum(axis=0, keepdims=True).T',
    ),
    "A[t+1] + tanh not squared": (
        ["activation-for-derivative", "state-index-shifted"],
        "dZ = (1 - np.tanh(Zs[t]) ** 2) * dA",
        "dZ = (1 - np.tanh(Zs[t])) * dA",
        'self.gradients["Waa"] += As[t].T @ dZ',
        'self.gradients["Waa"] += As[t + 1].T @ dZ',
    ),
}
