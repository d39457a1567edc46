"""Captions by layers: features make the start state, an embedding the inputs, one array of captions is input and, a
word ahead, target; padding is not counted. Rows as vectors, functions that return what their backward needs."""

import numpy as np
from program import Program, sigmoid, softmax

CORRECT = ["", "lstm", "mask", "two arrays", "ignored", "one text", "equal sizes", "lstm + time first", "gap"]

FAULTS = {
    "embedding by a step's tokens": ["repeated-tokens-lost"],
    "embedding assigned": ["repeated-tokens-lost"],
    "two arrays + embedding by all tokens": ["repeated-tokens-lost"],
    "one text + embedding assigned": ["repeated-tokens-lost"],
    "lstm + embedding by a step's tokens": ["repeated-tokens-lost"],
    "Wh not transposed": ["recurrent-not-transposed"],
    "equal sizes + Wx not transposed": ["input-not-transposed"],
    "projection from dz": ["initial-state-gradient-wrong"],
    "prev_h of the next step": ["state-index-shifted"],
    "mask + padding counts": ["padding-leaks"],
    "mean + sum in the gradient": ["batch-mean-or-sum"],
    "dWx assigned": ["last-step-only"],
    "lstm + no dc": ["carry-dropped"],
    "embedding by a step's tokens + Wh not transposed": ["repeated-tokens-lost", "recurrent-not-transposed"],
}

PAD = 0


def build(rng, words):
    n, H, D, V, F, N, T = rng.standard_normal, 7, 5, 11, 4, 3, 6
    if "equal sizes" in words:
        D = V = N = H
    G = 4 if "lstm" in words else 1
    p = {
        "W_embed": n((V, D)), "Wx": n((D, G * H)) * 0.5, "Wh": n((H, G * H)) * 0.5, "b": n(G * H) * 0.3,
        "W_vocab": n((H, V)) * 0.5, "b_vocab": n(V) * 0.3,
    }
    captions = rng.integers(1, V, (1 if "one text" in words else N, T + 1))
    captions[0, 2] = captions[0, 1]
    if "one text" not in words:
        captions[1, 1] = captions[0, 1]
        captions[1, 4:] = PAD
    if "time first" in words:
        p.pop("b_vocab")
    if "one text" in words:
        batch = {"text": captions[0]}
    elif "two arrays" in words:
        batch = {"captions_in": captions[:, :-1], "captions_out": captions[:, 1:], "h0": n((N, H)) * 0.5}
    elif "mask" in words:
        batch = {"x": captions[:, :-1], "y": captions[:, 1:], "mask": captions[:, 1:] != PAD}
    elif "ignored" in words:
        batch = {"x": captions[:, :-1], "y": np.where(captions[:, 1:] == PAD, -1, captions[:, 1:])}
    elif "time first" in words:
        batch = {"captions": captions.T}
    else:
        p = {"W_proj": n((F, H)) * 0.5, "b_proj": n(H) * 0.3, **p}
        batch = {"features": n((N, F)), "captions": captions}
    if "gap" in words:
        p["W_proj" if "W_proj" in p else "W_embed"] *= 2
    return Program(p, batch, lambda p, d: loss_of(p, d, words))


def tokens(d, words):
    if "text" in d:
        return d["text"][None, :-1], d["text"][None, 1:], np.ones((1, len(d["text"]) - 1))
    captions = d.get("captions")
    if "time first" in words:
        captions = captions.T
    if captions is not None:
        return captions[:, :-1], captions[:, 1:], captions[:, 1:] != PAD
    x, y = (d["x"], d["y"]) if "x" in d else (d["captions_in"], d["captions_out"])
    return x, y, d["mask"] if "mask" in d else (y >= 0) * (1 if "ignored" in words else y != PAD)


def step(p, x, h, c):
    a = x @ p["Wx"] + h @ p["Wh"] + p["b"]
    if p["b"].size == h.shape[1]:
        h_next = np.tanh(a)
        return h_next, c, lambda dh, dc: ((1 - h_next**2) * dh, dc)
    i, f, o, g = np.split(a, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    c_next = f * c + i * g
    t = np.tanh(c_next)

    def back(dh, dc):
        dc = dc + dh * o * (1 - t**2)
        return np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dh * t * o * (1 - o), dc * i * (1 - g**2)]), dc * f

    return o * t, c_next, back


def loss_of(p, d, words):
    x, y, mask = tokens(d, words)
    N, T = x.shape
    H = len(p["Wh"])
    h = d["features"] @ p["W_proj"] + p["b_proj"] if "features" in d else d.get("h0", np.zeros((N, H)))
    c, backs, states, inputs = np.zeros((N, H)), [], [h], p["W_embed"][x]
    for t in range(T):
        h, c, back = step(p, inputs[:, t], h, c)
        backs.append(back)
        states.append(h)
    hs = np.stack(states[1:], 1)
    probs = softmax(hs @ p["W_vocab"] + p.get("b_vocab", 0))
    picked = np.take_along_axis(probs, np.maximum(y, 0)[..., None], 2)[..., 0]
    loss = float(-(mask * np.log(picked)).sum() / N)

    dscores = probs.copy()
    np.put_along_axis(dscores, np.maximum(y, 0)[..., None], picked[..., None] - 1, 2)
    if "sum in the gradient" not in words:
        dscores /= N
    if "padding counts" not in words:
        dscores *= mask[..., None]
    g = {k: np.zeros_like(v) for k, v in p.items()}
    g["W_vocab"] = np.einsum("nth,ntv->hv", hs, dscores)
    if "b_vocab" in p:
        g["b_vocab"] = dscores.sum((0, 1))
    dout, dh, dc, dx = dscores @ p["W_vocab"].T, np.zeros((N, H)), np.zeros((N, H)), np.zeros_like(inputs)
    for t in reversed(range(T)):
        da, dc = backs[t](dout[:, t] + dh, dc)
        if "no dc" in words:
            dc = 0 * dc
        dx[:, t] = da @ (p["Wx"] if "Wx not transposed" in words else p["Wx"].T)
        if "dWx assigned" in words:
            g["Wx"] = inputs[:, t].T @ da
        else:
            g["Wx"] += inputs[:, t].T @ da
        g["Wh"] += states[t + 1 if "prev_h of the next step" in words else t].T @ da
        g["b"] += da.sum(0)
        dh = da @ (p["Wh"] if "Wh not transposed" in words else p["Wh"].T)
        if "embedding by a step's tokens" in words:
            g["W_embed"][x[:, t]] += dx[:, t]
        elif "embedding assigned" in words:
            g["W_embed"][x[:, t]] = dx[:, t]
        elif "embedding by all tokens" not in words:
            np.add.at(g["W_embed"], x[:, t], dx[:, t])
    if "embedding by all tokens" in words:
        g["W_embed"][x] += dx
    if "features" in d:
        start = da if "projection from dz" in words else dh
        g["W_proj"], g["b_proj"] = d["features"].T @ start, start.sum(0)
    return loss, {"d" + k: v for k, v in g.items()}
