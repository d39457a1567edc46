"""Two layers: Elman with row vectors (batch first) and LSTM in a framework's names (time first, gates i, f, g, o),
regression at every step; and networks whose start state stands in the last row of a (T+1)-long array."""

import numpy as np
from program import Program, sigmoid

CORRECT = ["elman", "elman + relu", "lstm", "rows", "rows + last", "elman + mean"]

FAULTS = {
    "elman + no gradient below": ["layer-input-wrong|zero|carry-dropped|"],
    "elman + W2 from the state before": ["layer-input-wrong"],
    "elman + W2 not transposed": ["input-not-transposed"],
    "elman + slope of layer two": [],
    "elman + lower carry dropped": ["carry-dropped"],
    "elman + upper U not transposed": ["recurrent-not-transposed"],
    "elman + upper U not transposed + lower carry dropped": ["recurrent-not-transposed", "carry-dropped"],
    "elman + relu + lower at state": ["state-index-shifted"],
    "lstm + lower c carry": ["carry-dropped"],
    "lstm + upper i and f swapped": ["gates-swapped"],
    "lstm + upper takes the old state": ["layer-input-wrong"],
    "lstm + head from layer one": ["layer-input-wrong|"],
    "rows + carry at state": ["derivative-at-state"],
    "rows + start row not set": ["initial-state-ignored|index-wraps"],
    "rows + window 2": ["truncated"],
    "rows + wraps": ["index-wraps"],
    "rows + carry at state + window 2": ["derivative-at-state", "truncated"],
    "rows + last + at step 0": ["output-gradient-at-wrong-step"],
    "rows + last + carry at state": ["derivative-at-state"],
    "rows + V from z": ["derivative-at-preactivation|"],
    "rows + B_out per step": ["last-step-only|"],
}

B, T, I, H, O = 3, 6, 4, 5, 2


def build(rng, words):
    return {"elman": elman, "lstm": lstm, "rows": rows}[words[0]](rng, words)


def elman(rng, words):
    n, H2 = rng.standard_normal, (H if "W2 not transposed" in words or "slope of layer two" in words else 7)
    p = {"W1": n((I, H)) * 0.6, "U1": n((H, H)) * 0.4, "b1": n(H) * 0.3, "W2": n((H, H2)) * 0.6, "U2": n((H2, H2)) * 0.4,
         "b2": n(H2) * 0.3, "V": n((H2, O)) * 0.7, "c": n(O) * 0.3}
    batch = {"x": n((B, T, I)), "y": n((B, T, O)), "h1_0": n((B, H)) * 0.5, "h2_0": n((B, H2)) * 0.5}
    f, slope = (lambda z: np.maximum(z, 0), lambda h: (h > 0) * 1.0) if "relu" in words else (np.tanh, lambda h: 1 - h**2)

    def run(p, d):
        x, y = d["x"], d["y"]
        a, s = [d["h1_0"]], [d["h2_0"]]  # a[t] enters step t
        for t in range(T):
            a.append(f(x[:, t] @ p["W1"] + a[-1] @ p["U1"] + p["b1"]))
            s.append(f(a[-1] @ p["W2"] + s[-1] @ p["U2"] + p["b2"]))
        out = np.stack(s[1:], 1) @ p["V"] + p["c"]
        scale = 1 / y.size if "mean" in words else 0.5
        loss = scale * np.sum((out - y) ** 2)
        e = 2 * scale * (out - y)
        g = {k: np.zeros_like(v) for k, v in p.items()}
        back1, back2 = np.zeros((B, H)), np.zeros_like(s[0])
        for t in reversed(range(T)):
            g["V"] += s[t + 1].T @ e[:, t]
            g["c"] += e[:, t].sum(0)
            d2 = (e[:, t] @ p["V"].T + back2) * slope(s[t + 1])
            g["W2"] += a[t if "W2 from the state before" in words else t + 1].T @ d2
            g["U2"] += s[t].T @ d2
            g["b2"] += d2.sum(0)
            below = d2 @ (p["W2"] if "W2 not transposed" in words else p["W2"].T)
            if "no gradient below" in words:
                below = np.zeros_like(below)
            d1 = (below + back1) * slope(s[t + 1] if "slope of layer two" in words else a[t + 1])
            g["W1"] += x[:, t].T @ d1
            g["U1"] += a[t + 1 if "lower at state" in words else t].T @ d1
            g["b1"] += d1.sum(0)
            back2 = d2 @ (p["U2"] if "upper U not transposed" in words else p["U2"].T)
            back1 = 0 * d1 if "lower carry dropped" in words else d1 @ p["U1"].T
        return loss, {"d" + k: v for k, v in g.items()}

    return Program(p, batch, run, {"h1_0": "h0", "h2_0": "h0"})


def lstm(rng, words):
    n = rng.standard_normal
    p = {}
    for k, inputs in ((0, I), (1, H)):
        p |= {f"weight_ih_l{k}": n((4 * H, inputs)) * 0.5, f"weight_hh_l{k}": n((4 * H, H)) * 0.5,
              f"bias_ih_l{k}": n(4 * H) * 0.3, f"bias_hh_l{k}": n(4 * H) * 0.3}
    p |= {"linear_weight": n((O, H)) * 0.8, "linear_bias": n(O) * 0.3}
    batch = {"x": n((T, B, I)), "y": n((T, B, O)), "h0": n((2, B, H)) * 0.5, "c0": n((2, B, H)) * 0.5}

    def run(p, d):
        sequence, tapes = d["x"], []
        for k in (0, 1):
            h, c, tape, out = d["h0"][k], d["c0"][k], [], []
            for t in range(T):
                z = sequence[t] @ p[f"weight_ih_l{k}"].T + h @ p[f"weight_hh_l{k}"].T + p[f"bias_ih_l{k}"] + p[f"bias_hh_l{k}"]
                i, f, g, o = np.split(z, 4, 1)
                i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
                new = f * c + i * g
                tape.append((sequence[t], h, c, i, f, g, o, np.tanh(new)))
                c, h = new, o * np.tanh(new)
                out.append(h)
            sequence = np.stack(out)
            tapes.append(tape)
        pred = sequence @ p["linear_weight"].T + p["linear_bias"]
        loss = np.mean((pred - d["y"]) ** 2)
        e = 2 * (pred - d["y"]) / pred.size
        below = np.stack([o * th for *_, o, th in tapes[0]])
        g_ = {k: np.zeros_like(v) for k, v in p.items()}
        g_["linear_weight"] = np.einsum("tbo,tbh->oh", e, below if "head from layer one" in words else sequence)
        g_["linear_bias"] = e.sum((0, 1))
        above = e @ p["linear_weight"]
        for k in (1, 0):
            dh, dc, down = np.zeros((B, H)), np.zeros((B, H)), [None] * T
            for t in reversed(range(T)):
                x, hp, cp, i, f, g, o, th = tapes[k][t]
                dh = dh + above[t]
                dc = dc + dh * o * (1 - th**2)
                parts = [dc * g * i * (1 - i), dc * cp * f * (1 - f), dc * i * (1 - g**2), dh * th * o * (1 - o)]
                if k == 1 and "upper i and f swapped" in words:
                    parts[0], parts[1] = parts[1], parts[0]
                if k == 1 and "upper takes the old state" in words:
                    x = tapes[0][t][1]
                dz = np.hstack(parts)
                g_[f"weight_ih_l{k}"] += dz.T @ x
                g_[f"weight_hh_l{k}"] += dz.T @ hp
                g_[f"bias_ih_l{k}"] += dz.sum(0)
                g_[f"bias_hh_l{k}"] += dz.sum(0)
                down[t], dh, dc = dz @ p[f"weight_ih_l{k}"], dz @ p[f"weight_hh_l{k}"], dc * f
                if k == 0 and "lower c carry" in words:
                    dc = np.zeros_like(dc)
            above = np.stack(down)
        return loss, {k + ".grad": v for k, v in g_.items()}

    return Program(p, batch, run)


def rows(rng, words):
    n, one = rng.standard_normal, "last" in words
    p = {"U": n((I, H)) * 0.6, "W": n((H, H)) * 0.45, "V": n((H, O)) * 0.7, "B_state": n(H) * 0.3, "B_out": n(O) * 0.3}
    batch = {"X": n((B, T, I)), "Y": n((B, 1 if one else T, O)), "S0": n((B, H)) * 0.5}
    reach = next((int(w.split()[1]) for w in words if w.startswith("window")), T)

    def run(p, d):
        Z, S = np.zeros((B, T, H)), np.zeros((B, T + 1, H))
        S[:, -1] = d["S0"]
        for t in range(T):
            Z[:, t] = d["X"][:, t] @ p["U"] + S[:, t - 1] @ p["W"] + p["B_state"]
            S[:, t] = np.tanh(Z[:, t])
        steps = [T - 1] if one else list(range(T))
        out = np.stack([S[:, t] @ p["V"] + p["B_out"] for t in steps], 1)
        loss = 0.5 * np.sum((out - d["Y"]) ** 2)
        slope = lambda z: 1 - np.tanh(z) ** 2
        before = S.copy()
        if "start row not set" in words:
            before[:, -1] = 0
        if "wraps" in words:
            before[:, -1] = S[:, T - 1]
        g = {k: np.zeros_like(v) for k, v in p.items()}
        for k, end in enumerate(steps):
            e = out[:, k] - d["Y"][:, k]
            g["V"] += (Z if "V from z" in words else S)[:, end].T @ e
            g["B_out"] = e.sum(0) if "B_out per step" in words else g["B_out"] + e.sum(0)
            at = 0 if "at step 0" in words else end
            dZ = (e @ p["V"].T) * slope(Z[:, at])
            for t in range(at, max(at - reach, 0) - 1, -1):
                g["U"] += d["X"][:, t].T @ dZ
                g["W"] += before[:, t - 1].T @ dZ
                g["B_state"] += dZ.sum(0)
                if t:
                    dZ = (dZ @ p["W"].T) * slope((S if "carry at state" in words else Z)[:, t - 1])
        return loss, {"d" + k: v for k, v in g.items()}

    return Program(p, batch, run)
