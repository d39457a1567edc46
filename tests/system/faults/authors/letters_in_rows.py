"""Names, letter by letter: one array of one-hot rows [T+1, B, V], of which every letter is asked for the next one; an
embedding as a matrix product, LSTM on [letter, state], no biases, cross entropy summed over time and averaged over B."""

import numpy as np

GATES = ("forget", "enter", "leave", "fresh")


def setup(rng):
    letters, width, units, names, steps = 6, 3, 5, 4, 5
    p = {gate: rng.normal(0, 0.6, (width + units, units)) for gate in GATES}
    p["read"] = rng.normal(0, 0.7, (units, letters))
    p["embeddings"] = rng.normal(0, 0.8, (letters, width))
    return p, dict(text=np.eye(letters)[rng.integers(0, letters, (steps + 1, names))])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def loss_and_grads(p, d):
    text = d["text"]
    names, width = text.shape[1], p["embeddings"].shape[1]
    h = c = np.zeros((names, len(p["read"])))
    past, loss = [], 0.0
    for now, following in zip(text[:-1], text[1:], strict=True):
        joined = np.hstack([now @ p["embeddings"], h])
        f, i, o = (sigmoid(joined @ p[gate]) for gate in GATES[:3])
        g = np.tanh(joined @ p["fresh"])
        before, c = c, f * c + i * g
        h = o * np.tanh(c)
        scores = np.exp(h @ p["read"])
        chances = scores / scores.sum(axis=1, keepdims=True)
        loss -= np.sum(following * np.log(chances)) / names
        past.append((now, joined, f, i, o, g, before, c, h, (chances - following) / names))
    grads = {"d" + name: np.zeros_like(value) for name, value in p.items()}
    dh_next = dc_next = np.zeros_like(h)
    for now, joined, f, i, o, g, before, c, h, error in reversed(past):
        grads["dread"] += h.T @ error
        dh = error @ p["read"].T + dh_next
        dc = dh * o * (1 - np.tanh(c) ** 2) + dc_next
        slopes = {
            "forget": dc * before * f * (1 - f),
            "enter": dc * g * i * (1 - i),
            "leave": dh * np.tanh(c) * o * (1 - o),
            "fresh": dc * i * (1 - g**2),
        }
        djoined = sum(slopes[gate] @ p[gate].T for gate in GATES)
        for gate in GATES:
            grads["d" + gate] += joined.T @ slopes[gate]
        grads["dembeddings"] += now.T @ djoined[:, :width]
        dh_next, dc_next = djoined[:, width:], dc * f
    return float(loss), grads


SLIPS = {
    "nothing_kept": (["carry-dropped"], "** 2) + dc_next", "** 2)"),
    "this_cell": (["cell-index-shifted"], "dc * before * f", "dc * c * f"),
    "fresh_by_itself": (["gate-factor"], "dc * i * (1 - g**2)", "dc * g * (1 - g**2)"),
    "three_gates": (["carry-wrong-gate"], ".T for gate in GATES)", ".T for gate in GATES[:3])"),
}
