"""No arrays: nested lists and loops over units; sigmoid states and outputs, half the squared error."""

import math
import numpy as np


def sig(v):
    return 1 / (1 + math.exp(-v))


def setup(rng):
    I, H, O, T = 3, 4, 2, 5
    return dict(
        w_in=rng.normal(0, 0.8, (H, I)),
        w_rec=rng.normal(0, 0.7, (H, H)),
        w_out=rng.normal(0, 0.8, (O, H)),
        b_h=rng.normal(0, 0.4, H),
        b_o=rng.normal(0, 0.4, O),
    ), dict(xs=rng.normal(0, 1, (T, I)), ts=rng.random((T, O)))


def train_grads(w_in, w_rec, w_out, b_h, b_o, xs, ts):
    H, I, O, T = len(w_in), len(w_in[0]), len(w_out), len(xs)
    hs = [[0.0] * H]
    ys = []
    err = 0.0
    for t in range(T):
        h = []
        for i in range(H):
            s = b_h[i]
            for j in range(I):
                s += w_in[i][j] * xs[t][j]
            for j in range(H):
                s += w_rec[i][j] * hs[t][j]
            h.append(sig(s))
        hs.append(h)
        ys.append([sig(b_o[k] + sum(w_out[k][i] * h[i] for i in range(H))) for k in range(O)])
        err += sum(0.5 * (ys[t][k] - ts[t][k]) ** 2 for k in range(O))
    g_in = [[0.0] * I for _ in range(H)]
    g_rec = [[0.0] * H for _ in range(H)]
    g_out = [[0.0] * H for _ in range(O)]
    g_bh = [0.0] * H
    g_bo = [0.0] * O
    d_next = [0.0] * H
    for t in range(T - 1, -1, -1):
        d_out = [(ys[t][k] - ts[t][k]) * ys[t][k] * (1 - ys[t][k]) for k in range(O)]
        for k in range(O):
            g_bo[k] += d_out[k]
            for i in range(H):
                g_out[k][i] += d_out[k] * hs[t + 1][i]
        d_h = [0.0] * H
        for i in range(H):
            e = 0.0
            for k in range(O):
                e += w_out[k][i] * d_out[k]
            for j in range(H):
                e += w_rec[j][i] * d_next[j]
            d_h[i] = e * hs[t + 1][i] * (1 - hs[t + 1][i])
        for i in range(H):
            g_bh[i] += d_h[i]
            for j in range(I):
                g_in[i][j] += d_h[i] * xs[t][j]
            for j in range(H):
                g_rec[i][j] += d_h[i] * hs[t][j]
        d_next = d_h
    return err, g_in, g_rec, g_out, g_bh, g_bo


def loss_and_grads(P, B):
    err, *g = train_grads(
        *[P[k].tolist() for k in ("w_in", "w_rec", "w_out", "b_h", "b_o")], B["xs"].tolist(), B["ts"].tolist()
    )
    return err, {"d" + k: np.array(v) for k, v in zip(("w_in", "w_rec", "w_out", "b_h", "b_o"), g)}


SLIPS = {
    "w_rec[i][j]": (
        ["recurrent-not-transposed"],
        "e += w_rec[j][i] * d_next[j]",
        "e += w_rec[i][j] * d_next[j]",
    ),
    "d_next[i]": (
        ["carry-wrong-matrix|recurrent-not-transposed"],
        "e += w_rec[j][i] * d_next[j]",
        "e += w_rec[j][i] * d_next[i]",
    ),
    "g_rec[j][i]": (
        ["array-transposed"],
        "g_rec[i][j] += d_h[i] * hs[t][j]",
        "g_rec[j][i] += d_h[i] * hs[t][j]",
    ),
    "slope of the state before": (
        ["derivative-wrong-step"],
        "d_h[i] = e * hs[t + 1][i] * (1 - hs[t + 1][i])",
        "d_h[i] = e * hs[t][i] * (1 - hs[t][i])",
    ),
    "bias in the inner loop": (
        ["block-scaled"],
        "            g_bh[i] += d_h[i]\n            for j in range(I):",
        "            for j in range(I):\n                g_bh[i] += d_h[i]",
    ),
    "d_next for d_h": (
        ["input-index-shifted"],
        "g_in[i][j] += d_h[i] * xs[t][j]",
        "g_in[i][j] += d_next[i] * xs[t][j]",
    ),
    "no slope of the output": (
        ["derivative-missing"],
        "d_out = [(ys[t][k] - ts[t][k]) * ys[t][k] * (1 - ys[t][k]) for k in range(O)]",
        "d_out = [(ys[t][k] - ts[t][k]) for k in range(O)]",
    ),
    "w_rec[i][j] + hs[t+1]": (
        ["recurrent-not-transposed", "state-index-shifted"],
        "e += w_rec[j][i] * d_next[j]",
        "e += w_rec[i][j] * d_next[j]",
        "g_rec[i][j] += d_h[i] * hs[t][j]",
        "g_rec[i][j] += d_h[i] * hs[t + 1][j]",
    ),
}
