"""The second half of a translator: word vectors, a GRU whose reset gate multiplies the state's product with a bias of its
own there, started by what the first half has made of the sentence, which gets its gradient back."""

import numpy as np


def gate(z):
    return 1 / (1 + np.exp(-z))


def setup(rng):
    words, size, units, rows, steps = 8, 3, 5, 3, 6
    P = {"vectors": rng.normal(0, 0.9, (words, size))}
    for name in ("reset", "update", "new"):
        P[name + "_in"] = rng.normal(0, 0.6, (size, units))
        P[name + "_rec"] = rng.normal(0, 0.5, (units, units))
        P[name + "_bias"] = rng.normal(0, 0.3, units)
    P["new_rec_bias"] = rng.normal(0, 0.3, units)
    P["W_out"] = rng.normal(0, 0.8, (units, words))
    text = rng.integers(0, words, (rows, steps + 1))
    text[:, 4] = text[:, 2]
    return P, {"said": text[:, :-1], "to_say": text[:, 1:], "thought": np.tanh(rng.normal(0, 1, (rows, units)))}


def loss_and_grads(P, B):
    rows, steps = B["said"].shape
    h, notes, loss = B["thought"], [], 0.0
    for t in range(steps):
        x = P["vectors"][B["said"][:, t]]
        r = gate(x @ P["reset_in"] + h @ P["reset_rec"] + P["reset_bias"])
        k = gate(x @ P["update_in"] + h @ P["update_rec"] + P["update_bias"])
        m = h @ P["new_rec"] + P["new_rec_bias"]
        f = np.tanh(x @ P["new_in"] + P["new_bias"] + r * m)
        old, h = h, k * h + (1 - k) * f
        s = h @ P["W_out"]
        p = np.exp(s - s.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        loss -= np.log(p[np.arange(rows), B["to_say"][:, t]]).sum()
        notes.append((x, old, r, k, m, f, h, p))
    loss /= rows * steps

    g = {name: np.zeros_like(v) for name, v in P.items()}
    dh = np.zeros_like(h)
    for t in range(steps - 1, -1, -1):
        x, old, r, k, m, f, new, p = notes[t]
        ds = p.copy()
        ds[np.arange(rows), B["to_say"][:, t]] -= 1
        ds /= rows * steps
        g["W_out"] += new.T @ ds
        dh = dh + ds @ P["W_out"].T
        dk = dh * (old - f) * k * (1 - k)
        df = dh * (1 - k) * (1 - f**2)
        dm = df * r
        dr = df * m * r * (1 - r)
        g["update_in"] += x.T @ dk
        g["update_rec"] += old.T @ dk
        g["update_bias"] += dk.sum(0)
        g["reset_in"] += x.T @ dr
        g["reset_rec"] += old.T @ dr
        g["reset_bias"] += dr.sum(0)
        g["new_in"] += x.T @ df
        g["new_bias"] += df.sum(0)
        g["new_rec"] += old.T @ dm
        g["new_rec_bias"] += dm.sum(0)
        dx = dk @ P["update_in"].T + dr @ P["reset_in"].T + df @ P["new_in"].T
        np.add.at(g["vectors"], B["said"][:, t], dx)
        dh = dh * k + dk @ P["update_rec"].T + dr @ P["reset_rec"].T + dm @ P["new_rec"].T
    return loss, {**{"d" + name: v for name, v in g.items()}, "dthought": dh}


SLIPS = {
    "bias of the product before the gate": (
        ["gate-copied|derivative-missing|gate-factor"],
        'g["new_rec_bias"] += dm.sum(0)',
        'g["new_rec_bias"] += df.sum(0)',
    ),
    "product without its bias in dr": (
        ["gate-factor|bias-missing"],
        "dr = df * m * r * (1 - r)",
        'dr = df * (old @ P["new_rec"]) * r * (1 - r)',
    ),
    "thought's gradient a step too early": (
        ["initial-state-gradient-wrong"],
        "        dh = dh * k + dk",
        "        dlast = dh\n        dh = dh * k + dk",
        '"dthought": dh',
        '"dthought": dlast',
    ),
    "words said twice": (
        ["repeated-tokens-lost"],
        'np.add.at(g["vectors"], B["said"][:, t], dx)',
        'g["vectors"][B["said"][:, t]] += dx',
    ),
    "reset's part not in dx": (
        ["carry-wrong-gate|carry-dropped"],
        'dx = dk @ P["update_in"].T + dr @ P["reset_in"].T + df',
        'dx = dk @ P["update_in"].T + df',
    ),
    "new for old": (
        ["update-gate-complemented"],
        "        dh = dh * k + dk",
        "        dh = dh * (1 - k) + dk",
    ),
    "new state in update_rec + sum over steps": (
        ["state-index-shifted", "time-mean-or-sum"],
        'g["update_rec"] += old.T @ dk',
        'g["update_rec"] += new.T @ dk',
        "        ds /= rows * steps",
        "        ds /= rows",
    ),
}
