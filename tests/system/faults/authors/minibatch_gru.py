"""A GRU over one-hot minibatches by the names of Dive into Deep Learning (W_xz, W_hz, b_z, ...), backward by hand."""

import numpy as np

sigmoid = lambda a: 1 / (1 + np.exp(-a))


def setup(rng):
    V, H, T, N = 7, 4, 5, 3
    P = {}
    for g in "zrh":
        P[f"W_x{g}"] = rng.normal(0, 0.5, (V, H))
        P[f"W_h{g}"] = rng.normal(0, 0.5, (H, H))
        P[f"b_{g}"] = rng.normal(0, 0.3, H)
    P["W_hq"] = rng.normal(0, 0.5, (H, V))
    P["b_q"] = rng.normal(0, 0.3, V)
    return P, dict(X=rng.integers(0, V, (T, N)), Y=rng.integers(0, V, (T, N)), H0=rng.normal(0, 0.4, (N, H)))


def loss_and_grads(P, B):
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hq, b_q = P.values()
    T, N = B["X"].shape
    X = np.eye(len(b_q))[B["X"]]
    Yh = np.eye(len(b_q))[B["Y"]]
    H, cache, probs, loss = B["H0"], [], [], 0
    for t in range(T):
        Z = sigmoid(X[t] @ W_xz + H @ W_hz + b_z)
        R = sigmoid(X[t] @ W_xr + H @ W_hr + b_r)
        Ht = np.tanh(X[t] @ W_xh + (R * H) @ W_hh + b_h)
        Hn = Z * H + (1 - Z) * Ht
        cache.append((X[t], H, Z, R, Ht, Hn))
        H = Hn
        s = H @ W_hq + b_q
        p = np.exp(s - s.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        probs.append(p)
        loss -= (Yh[t] * np.log(p)).sum() / (T * N)
    g = {k: np.zeros_like(v) for k, v in P.items()}
    dH = np.zeros_like(H)
    for t in range(T - 1, -1, -1):
        x, H, Z, R, Ht, Hn = cache[t]
        ds = (probs[t] - Yh[t]) / (T * N)
        g["W_hq"] += Hn.T @ ds
        g["b_q"] += ds.sum(axis=0)
        dH += ds @ W_hq.T
        dHt = dH * (1 - Z) * (1 - Ht**2)
        dZ = dH * (H - Ht) * Z * (1 - Z)
        dRH = dHt @ W_hh.T
        dR = dRH * H * R * (1 - R)
        g["W_xh"] += x.T @ dHt
        g["W_hh"] += (R * H).T @ dHt
        g["b_h"] += dHt.sum(axis=0)
        g["W_xz"] += x.T @ dZ
        g["W_hz"] += H.T @ dZ
        g["b_z"] += dZ.sum(axis=0)
        g["W_xr"] += x.T @ dR
        g["W_hr"] += H.T @ dR
        g["b_r"] += dR.sum(axis=0)
        dH = dH * Z + dRH * R + dZ @ W_hz.T + dR @ W_hr.T
    return loss, {"d" + k: v for k, v in g.items()}


SLIPS = {
    "Z for 1-Z": (
        ["update-gate-complemented"],
        "dHt = dH * (1 - Z) * (1 - Ht**2)",
        "dHt = dH * Z * (1 - Ht**2)",
    ),
    "slope at the new state": (
        ["derivative-wrong-argument|activation-for-derivative|gate-factor"],
        "dHt = dH * (1 - Z) * (1 - Ht**2)",
        "dHt = dH * (1 - Z) * (1 - Hn**2)",
    ),
    "new state in dZ": (
        ["state-index-shifted"],
        "dZ = dH * (H - Ht) * Z * (1 - Z)",
        "dZ = dH * (Hn - Ht) * Z * (1 - Z)",
    ),
    "candidate for state in dR": (
        ["gates-swapped|gate-factor"],
        "dR = dRH * H * R * (1 - R)",
        "dR = dRH * Ht * R * (1 - R)",
    ),
    "reset state in dW_hr": (
        ["gate-factor"],
        'g["W_hr"] += H.T @ dR',
        'g["W_hr"] += (R * H).T @ dR',
    ),
    "carry without R": (
        ["gate-factor"],
        "dH = dH * Z + dRH * R + dZ @ W_hz.T + dR @ W_hr.T",
        "dH = dH * Z + dRH + dZ @ W_hz.T + dR @ W_hr.T",
    ),
    "W_hz for W_hr": (
        ["carry-wrong-gate|carry-wrong-matrix"],
        "dH = dH * Z + dRH * R + dZ @ W_hz.T + dR @ W_hr.T",
        "dH = dH * Z + dRH * R + dZ @ W_hz.T + dR @ W_hz.T",
    ),
    "dR for dZ in the carry": (
        ["gate-copied"],
        "dH = dH * Z + dRH * R + dZ @ W_hz.T + dR @ W_hr.T",
        "dH = dH * Z + dRH * R + dR @ W_hz.T + dR @ W_hr.T",
    ),
    "dH assigned": (
        ["carry-dropped"],
        "dH += ds @ W_hq.T",
        "dH = ds @ W_hq.T",
    ),
    "no transpose + last bias + mean of T": (
        ["recurrent-not-transposed", "last-step-only", "batch-mean-or-sum|block-scaled"],
        "ds = (probs[t] - Yh[t]) / (T * N)",
        "ds = (probs[t] - Yh[t]) / T",
        "dRH = dHt @ W_hh.T",
        "dRH = dHt @ W_hh",
        'g["b_z"] += dZ.sum(axis=0)',
        'g["b_z"] = dZ.sum(axis=0)',
    ),
}
