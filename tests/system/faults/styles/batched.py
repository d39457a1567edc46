"""An LSTM with one matrix [bias; x; h] -> i, f, o, g for the whole batch, arrays time x batch x features; and the
row-vector course layers (batch x time x features), vanilla and LSTM with gates i, f, o, g."""

import numpy as np
from program import Program, sigmoid, softmax

CORRECT = ["one matrix", "rows rnn", "rows lstm", "captions", "captions + lstm"]

FAULTS = {
    "one matrix + no dC carry": ["carry-dropped"],
    "one matrix + dH overwritten": ["carry-overwrites-upstream"],
    "one matrix + C[t] for f": ["cell-index-shifted"],
    "one matrix + tanh slope missing": ["derivative-missing"],
    "one matrix + last step": ["last-step-only"],
    "one matrix + g as a gate": ["derivative-of-other-activation|"],
    "one matrix + zero h0": ["initial-state-ignored"],
    "one matrix + dc0 without f": ["initial-state-gradient-wrong"],
    "rows rnn + Wh not transposed": ["recurrent-not-transposed"],
    "rows rnn + upstream lost": ["upstream-missing|carry-overwrites-upstream"],
    "rows rnn + dh0 late": ["initial-state-gradient-wrong"],
    "rows rnn + slope at tanh": ["derivative-at-state"],
    "rows lstm + i and f swapped": ["gates-swapped"],
    "rows lstm + dc not carried": ["carry-dropped"],
    "rows lstm + db last": ["last-step-only"],
    "rows lstm + dc from tanh missing": ["parenthesis|carry-dropped|"],
    "captions + not divided by N": ["batch-mean-or-sum"],
    "captions + divided by T too": ["time-mean-or-sum"],
    "captions + only the last vocabulary gradient": ["upstream-missing"],
    "captions + Wh not transposed": ["recurrent-not-transposed"],
    "captions + lstm + i and f swapped": ["gates-swapped"],
    "captions + lstm + no dC carry": ["carry-dropped"],
    "captions + lstm + Wh not accumulated": ["last-step-only"],
    "captions + lstm + not divided by N + no dC carry": ["batch-mean-or-sum", "carry-dropped"],
    "captions + Wh not transposed + not divided by N + db last":
        ["recurrent-not-transposed", "batch-mean-or-sum", "last-step-only"],
}

T, N, D, H, V = 6, 3, 4, 5, 7


def build(rng, words):
    n = rng.standard_normal
    if "one matrix" in words:
        parameters = {"WLSTM": n((1 + D + H, 4 * H)) * 0.5}
        batch = {"X": n((T, N, D)), "h0": n((N, H)) * 0.5, "c0": n((N, H)) * 0.5, "dHout": n((T, N, H))}
        return Program(parameters, batch, lambda p, d: one_matrix(p, d, words))
    lstm = "rows lstm" in words or "lstm" in words
    gates = 4 if lstm else 1
    parameters = {"Wx": n((D, gates * H)) * 0.6, "Wh": n((H, gates * H)) * 0.5, "b": n(gates * H) * 0.3}
    batch = {"x": n((N, T, D)), "h0": n((N, H)) * 0.5}
    if "captions" in words:
        parameters |= {"W_vocab": n((H, V)) * 0.7, "b_vocab": n(V) * 0.3}
        batch["y"] = rng.integers(0, V, (N, T))
    else:
        batch["dh"] = n((N, T, H))
    return Program(parameters, batch, lambda p, d: rows(p, d, words, lstm))


def one_matrix(p, d, words):
    W, X, h0, c0, dHout = p["WLSTM"], d["X"], d["h0"], d["c0"], d["dHout"].copy()
    Hin, IFOG = np.zeros((T, N, 1 + D + H)), np.zeros((T, N, 4 * H))
    C, Ct, Hout = np.zeros((T, N, H)), np.zeros((T, N, H)), np.zeros((T, N, H))
    for t in range(T):
        Hin[t, :, 0] = 1
        Hin[t, :, 1 : 1 + D] = X[t]
        Hin[t, :, 1 + D :] = Hout[t - 1] if t > 0 else h0
        z = Hin[t] @ W
        IFOG[t] = np.hstack([sigmoid(z[:, : 3 * H]), np.tanh(z[:, 3 * H :])])
        i, f, o, g = np.split(IFOG[t], 4, axis=1)
        C[t] = i * g + f * (C[t - 1] if t > 0 else c0)
        Ct[t] = np.tanh(C[t])
        Hout[t] = o * Ct[t]
    loss = float((Hout * dHout).sum())
    dW, dX, dC = np.zeros_like(W), np.zeros_like(X), np.zeros_like(C)
    for t in reversed(range(T)):
        i, f, o, g = np.split(IFOG[t], 4, axis=1)
        do = Ct[t] * dHout[t]
        dC[t] += (1 if "tanh slope missing" in words else 1 - Ct[t] ** 2) * o * dHout[t]
        before = C[t - 1] if t > 0 else c0
        df = (C[t] if "C[t] for f" in words else before) * dC[t]
        if t > 0 and "no dC carry" not in words:
            dC[t - 1] += f * dC[t]
        if t == 0:
            dc0 = (1 if "dc0 without f" in words else f) * dC[t]
        di, dg = g * dC[t], i * dC[t]
        slope_g = g * (1 - g) if "g as a gate" in words else 1 - g**2
        dz = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * slope_g])
        if t == 0 and "zero h0" in words:
            Hin[0, :, 1 + D :] = 0
        own = Hin[t].T @ dz
        dW = own if "last step" in words else dW + own
        dHin = dz @ W.T
        dX[t] = dHin[:, 1 : 1 + D]
        if t > 0 and "dH overwritten" in words:
            dHout[t - 1] = dHin[:, 1 + D :]
        elif t > 0:
            dHout[t - 1] += dHin[:, 1 + D :]
        else:
            dh0 = dHin[:, 1 + D :]
    return loss, {"dWLSTM": dW, "dX": dX, "dh0": dh0, "dc0": dc0}


def rows(p, d, words, lstm):
    Wx, Wh, b, x = p["Wx"], p["Wh"], p["b"], d["x"]
    h, prev_h, prev_c, cache = np.zeros((N, T, H)), d["h0"], np.zeros((N, H)), []
    for t in range(T):
        a = x[:, t] @ Wx + prev_h @ Wh + b
        if lstm:
            ai, af, ao, ag = np.split(a, 4, axis=1)
            i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
            c = f * prev_c + i * g
            cache.append((prev_h, prev_c, i, f, o, g, np.tanh(c)))
            prev_h, prev_c = o * np.tanh(c), c
        else:
            cache.append((prev_h,))
            prev_h = np.tanh(a)
        h[:, t] = prev_h
    g_out = {}
    if "captions" in words:
        scores = h @ p["W_vocab"] + p["b_vocab"]
        probs = softmax(scores)
        picked = probs[np.arange(N)[:, None], np.arange(T)[None, :], d["y"]]
        loss = -np.log(picked).sum() / N
        dscores = probs.copy()
        dscores[np.arange(N)[:, None], np.arange(T)[None, :], d["y"]] -= 1
        dscores /= 1 if "not divided by N" in words else N
        if "divided by T too" in words:
            dscores /= T
        g_out = {"dW_vocab": np.einsum("nth,ntv->hv", h, dscores), "db_vocab": dscores.sum(axis=(0, 1))}
        dh = dscores @ p["W_vocab"].T
        if "only the last vocabulary gradient" in words:
            dh[:, :-1] = 0
    else:
        dh = d["dh"].copy()
        loss = float((h * dh).sum())
    g = {"dWx": np.zeros_like(Wx), "dWh": np.zeros_like(Wh), "db": np.zeros_like(b)}
    dx, dprev_h, dprev_c = np.zeros_like(x), np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        dnext = dh[:, t] + dprev_h
        if "upstream lost" in words and t < T - 1:
            dnext = dprev_h
        prev_h = cache[t][0]
        if lstm:
            _, prev_c, i, f, o, gg, th = cache[t]
            own = o * (1 - th**2) * dnext
            dc = dprev_c + own
            di, df, do, dg = dc * gg, dc * prev_c, dnext * th, dc * i
            parts = [di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - gg**2)]
            if "i and f swapped" in words:
                parts[0], parts[1] = parts[1], parts[0]
            da = np.hstack(parts)
            dprev_c = f * (dprev_c if "dc from tanh missing" in words else dc)
            if "dc not carried" in words or "no dC carry" in words:
                dprev_c = np.zeros_like(dc)
        else:
            slope = np.tanh(h[:, t]) if "slope at tanh" in words else h[:, t]
            da = dnext * (1 - slope**2)
        dx[:, t] = da @ Wx.T
        g["dWx"] += x[:, t].T @ da
        own = prev_h.T @ da
        g["dWh"] = own if "Wh not accumulated" in words else g["dWh"] + own
        own = da.sum(axis=0)
        g["db"] = own if "db last" in words else g["db"] + own
        dh0 = dprev_h
        dprev_h = da @ (Wh if "Wh not transposed" in words else Wh.T)
        if "dh0 late" not in words:
            dh0 = dprev_h
    return loss, {**g, **g_out, "dx": dx, "dh0": dh0}
