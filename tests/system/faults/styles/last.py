"""One output a sequence: a blog's classifier (column vectors, list of steps), a sentiment-like logistic output, an
LSTM in a framework's stacked form with mean squared error (gates i, f, c, o on [in, gates] kernels), a scalar
counter without head, and binary addition with logistic units and hand-turned signs."""

import numpy as np
from program import Program, sigmoid, softmax

CORRECT = ["blog", "logistic", "kernel", "kernel + forget one", "counter", "addition"]

FAULTS = {
    "blog + Whh not transposed": ["recurrent-not-transposed"],
    "blog + hs[t+1]": ["state-index-shifted"],
    "blog + no slope": ["derivative-missing"],
    "blog + slope before": ["derivative-wrong-step"],
    "blog + one step": ["truncated|carry-dropped"],
    "blog + stop early": ["first-step-skipped"],
    "blog + bh last": ["last-step-only"],
    "blog + clip 0.02": ["clipped"],
    "blog + Whh not transposed + hs[t+1]": ["recurrent-not-transposed", "state-index-shifted"],
    "blog + no slope + clip 0.02": ["derivative-missing", "clipped"],
    "logistic + output slope kept": ["derivative|double-activation|loss-and-gradient-disagree|gate-factor|"],
    "logistic + slope of z": ["derivative-at-preactivation"],
    "logistic + sum for mean": ["batch-mean-or-sum"],
    "logistic + error at step 0": ["output-gradient-at-wrong-step"],
    "logistic + W by time": [],
    "kernel + h carry only": ["carry-dropped"],
    "kernel + f and i swapped": ["gates-swapped"],
    "kernel + factor two missing": ["factor-two"],
    "kernel + c_t for f": ["cell-index-shifted"],
    "kernel + forget one + bias not in the gate": ["forget-bias"],
    "kernel + h_t in the product": ["state-index-shifted"],
    "kernel + g slope missing": ["derivative-missing"],
    "kernel + factor two missing + c_t for f": ["factor-two", "cell-index-shifted"],
    "kernel + bias of one row": ["bias-reduced-wrongly|"],
    "counter + not divided": ["batch-mean-or-sum"],
    "counter + s[t] for s[t-1]": ["state-index-shifted"],
    "counter + all outputs": ["carry-identity"],
    "addition + minus": ["sign"],
    "addition + output slope missing": ["derivative-missing"],
    "addition + parenthesis": ["parenthesis"],
    "addition + slope of z": ["derivative-at-preactivation"],
    "addition + hidden of now": ["state-index-shifted"],
    "addition + minus + hidden of now": ["sign", "state-index-shifted"],
}


def build(rng, words):
    return {"blog": blog, "logistic": logistic, "kernel": kernel, "counter": counter, "addition": addition}[words[0]](rng, words)


def blog(rng, words):
    n, T, V, H, O = rng.standard_normal, 6, 11, 7, 2
    p = {"Whh": n((H, H)) * 0.5, "Wxh": n((H, V)) * 0.6, "Why": n((O, H)) * 0.7, "bh": n((H, 1)) * 0.3, "by": n((O, 1)) * 0.3}
    tokens = rng.integers(0, V, T)
    inputs = np.zeros((T, V, 1))
    inputs[np.arange(T), tokens] = 1

    def run(p, d):
        hs = {0: np.zeros((H, 1))}
        for i, x in enumerate(d["inputs"]):
            hs[i + 1] = np.tanh(p["Wxh"] @ x + p["Whh"] @ hs[i] + p["bh"])
        probs = softmax(p["Why"] @ hs[T] + p["by"], axis=0)
        target = int(d["target"])
        loss = -np.log(probs[target, 0])
        d_y = probs.copy()
        d_y[target] -= 1
        g = {k: np.zeros_like(v) for k, v in p.items()}
        g["Why"], g["by"] = d_y @ hs[T].T, d_y
        d_h = p["Why"].T @ d_y
        for t in reversed(range(1 if "stop early" in words else 0, T)):
            slope = 1 if "no slope" in words else 1 - hs[t if "slope before" in words else t + 1] ** 2
            temp = slope * d_h
            g["bh"] = temp if "bh last" in words else g["bh"] + temp
            g["Whh"] += temp @ hs[t + 1 if "hs[t+1]" in words else t].T
            g["Wxh"] += temp @ d["inputs"][t].T
            d_h = (p["Whh"] if "Whh not transposed" in words else p["Whh"].T) @ temp
            if "one step" in words:
                break
        if "clip 0.02" in words:
            g = {k: np.clip(v, -0.02, 0.02) for k, v in g.items()}
        return loss, {"d_" + k: v for k, v in g.items()}

    return Program(p, {"inputs": inputs, "target": np.array(rng.integers(0, O))}, run)


def logistic(rng, words):
    n, B, T, I, H = rng.standard_normal, 5, 6, 3, 7
    p = {"Wx": n((I, H)) * 0.7, "Wh": n((H, H)) * 0.45, "bh": n(H) * 0.3, "w": n((H, 1)) * 0.8, "b": n(1) * 0.2}
    batch = {"x": n((B, T, I)), "y": rng.integers(0, 2, (B, 1)).astype(float)}

    def run(p, d):
        x, y = d["x"], d["y"]
        z, h = np.zeros((B, T, H)), np.zeros((B, T + 1, H))  # h[:, T] stays zero: it is h[:, -1]
        for t in range(T):
            z[:, t] = x[:, t] @ p["Wx"] + h[:, t - 1] @ p["Wh"] + p["bh"]
            h[:, t] = np.tanh(z[:, t])
        yhat = sigmoid(h[:, T - 1] @ p["w"] + p["b"])
        loss = -np.mean(y * np.log(yhat) + (1 - y) * np.log(1 - yhat))
        dz = (yhat - y) / (1 if "sum for mean" in words else B)
        if "output slope kept" in words:
            dz = dz * yhat * (1 - yhat)
        g = {k: np.zeros_like(v) for k, v in p.items()}
        g["w"], g["b"] = h[:, T - 1].T @ dz, dz.sum(0)
        start = 0 if "error at step 0" in words else T - 1
        dh = dz @ p["w"].T
        for t in range(start, -1, -1):
            da = dh * (1 - (z if "slope of z" in words else h)[:, t] ** 2)
            weight = (t + 1) / T if "W by time" in words else 1.0
            g["Wx"] += x[:, t].T @ da * weight
            g["Wh"] += h[:, t - 1].T @ da * weight
            g["bh"] += da.sum(0)
            dh = da @ p["Wh"].T
        return loss, {k + "_grad": v for k, v in g.items()}

    return Program(p, batch, run)


def kernel(rng, words):
    n, B, T, I, H, O = rng.standard_normal, 5, 7, 3, 4, 2
    p = {"kernel": n((I, 4 * H)) * 0.6, "recurrent_kernel": n((H, 4 * H)) * 0.5, "bias": n(4 * H) * 0.3,
         "dense_kernel": n((H, O)) * 0.7, "dense_bias": n(O) * 0.3}
    batch = {"x": n((B, T, I)), "y": n((B, O))}
    plus = 1.0 if "forget one" in words else 0.0

    def run(p, d):
        x, y, h, c, tape = d["x"], d["y"], np.zeros((B, H)), np.zeros((B, H)), []
        for t in range(T):
            zi, zf, zc, zo = np.split(x[:, t] @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 4, 1)
            i, f, g, o = sigmoid(zi), sigmoid(zf + plus), np.tanh(zc), sigmoid(zo)
            tape.append((h, c, i, f, g, o, zf))
            c = f * c + i * g
            h = o * np.tanh(c)
        pred = h @ p["dense_kernel"] + p["dense_bias"]
        loss = np.mean((pred - y) ** 2)
        dpred = (1.0 if "factor two missing" in words else 2.0) * (pred - y) / pred.size
        g_ = {k: np.zeros_like(v) for k, v in p.items()}
        g_["dense_kernel"], g_["dense_bias"] = h.T @ dpred, dpred.sum(0)
        dh, dc, h_t, c_t = dpred @ p["dense_kernel"].T, np.zeros((B, H)), h, c
        for t in reversed(range(T)):
            hp, cp, i, f, g, o, zf = tape[t]
            th = np.tanh(c_t)
            dc = dc + dh * o * (1 - th**2)
            fs = sigmoid(zf) if "bias not in the gate" in words else f
            da = [dc * g * i * (1 - i), dc * (c_t if "c_t for f" in words else cp) * fs * (1 - fs),
                  dc * i * (1 if "g slope missing" in words else 1 - g**2), dh * th * o * (1 - o)]
            if "f and i swapped" in words:
                da[0], da[1] = da[1], da[0]
            da = np.hstack(da)
            g_["kernel"] += x[:, t].T @ da
            g_["recurrent_kernel"] += (h_t if "h_t in the product" in words else hp).T @ da
            g_["bias"] += da[0] if "bias of one row" in words else da.sum(0)
            dh = da @ p["recurrent_kernel"].T
            dc = dc * fs
            if "h carry only" in words:
                dc = np.zeros_like(dc)
            h_t, c_t = hp, cp
        return loss, {"d" + k: v for k, v in g_.items()}

    return Program(p, batch, run)


def counter(rng, words):
    n, B, T = rng.standard_normal, 11, 8
    p = {"wx": np.array([0.8]), "wRec": np.array([0.9])}
    X = np.round(rng.uniform(size=(B, T)))
    batch = {"X": X, "t": X.sum(1) + n(B) * 0.1}

    def run(p, d):
        X, target = d["X"], d["t"]
        S = np.zeros((B, T + 1))
        for k in range(T):
            S[:, k + 1] = p["wx"] * X[:, k] + p["wRec"] * S[:, k]
        loss = np.mean((target - S[:, -1]) ** 2)
        over = np.zeros((B, T + 1))
        over[:, -1] = 2 * (S[:, -1] - target) / (1 if "not divided" in words else B)
        gx = gr = 0.0
        for k in range(T, 0, -1):
            gx += np.sum(over[:, k] * X[:, k - 1])
            gr += np.sum(over[:, k] * S[:, k if "s[t] for s[t-1]" in words else k - 1])
            over[:, k - 1] = over[:, k] * (1 if "all outputs" in words else p["wRec"])
        return loss, {"dwx": np.array([gx]), "dwRec": np.array([gr])}

    return Program(p, batch, run)


def addition(rng, words):
    n, T, H = rng.standard_normal, 8, 7
    p = {"synapse_0": n((2, H)), "synapse_1": n((H, 1)), "synapse_h": n((H, H)) * 0.5}
    batch = {"X": rng.integers(0, 2, (T, 2)).astype(float), "y": rng.integers(0, 2, (T, 1)).astype(float)}

    def run(p, d):
        X, y = d["X"], d["y"]
        layer_1 = [np.zeros(H)]
        pre, deltas, loss, g1 = [], [], 0.0, np.zeros_like(p["synapse_1"])
        for t in range(T):
            pre.append(X[t] @ p["synapse_0"] + layer_1[-1] @ p["synapse_h"])
            layer_1.append(sigmoid(pre[-1]))
            out = sigmoid(layer_1[-1] @ p["synapse_1"])
            error = y[t] - out if "minus" in words else out - y[t]
            loss += 0.5 * float((error**2).sum())
            deltas.append(error * (1 if "output slope missing" in words else out * (1 - out)))
            g1 += np.outer(layer_1[-1], deltas[-1])
        g0, gh, future = np.zeros_like(p["synapse_0"]), np.zeros_like(p["synapse_h"]), np.zeros(H)
        for t in reversed(range(T)):
            now = layer_1[t + 1]
            slope = pre[t] * (1 - pre[t]) if "slope of z" in words else now * (1 - now)
            above = deltas[t] @ p["synapse_1"].T
            back = future @ p["synapse_h"].T
            delta = back + above * slope if "parenthesis" in words else (back + above) * slope
            g0 += np.outer(X[t], delta)
            gh += np.outer(now if "hidden of now" in words else layer_1[t], delta)
            future = delta
        return loss, {"synapse_0_update": g0, "synapse_1_update": g1, "synapse_h_update": gh}

    hints = {f"synapse_{k}_update": f"gradient of synapse_{k}" for k in "01h"}
    return Program(p, batch, run, hints)
