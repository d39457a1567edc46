"""Gated recurrent units by hand: a textbook's (row vectors, time first, reset before the product, nine arrays with
softmax), the same with column vectors and Cho's gates, and a framework's (three stacked gates, two biases, reset
after the product)."""

import numpy as np
from program import Program, one_hot, sigmoid, softmax

CORRECT = ["book", "stacked", "column", "book + mean", "column + zero start"]

FAULTS = {
    "book + no direct path": ["carry-dropped|carry-wrong-gate|"],
    "book + z sign": ["sign|update-gate-complemented|"],
    "book + candidate by Z": ["update-gate-complemented|carry-wrong-gate|gate-factor"],
    "book + no reset path": ["zero"],
    "book + reset factor missing": ["gate-factor|reset-gate-before-or-after"],
    "book + r slope missing": ["derivative-missing"],
    "book + W_hh state without R": ["reset-gate-before-or-after|gate-factor"],
    "book + tanh slope of z": ["derivative-at-preactivation"],
    "book + gates not carried": ["carry-wrong-gate|"],
    "book + H for H_prev": ["state-index-shifted"],
    "book + mean + not averaged": ["time-mean-or-sum", "batch-mean-or-sum"],
    "book + z sign + H for H_prev": ["sign|update-gate-complemented|", "state-index-shifted"],
    "stacked + n bias without r": ["gate-factor|reset-gate-before-or-after|gate-copied"],
    "stacked + n product without r": ["gate-factor|reset-gate-before-or-after"],
    "stacked + r and z swapped": ["gates-swapped"],
    "stacked + direct path by 1-z": ["update-gate-complemented|carry-wrong-gate"],
    "stacked + reset before": ["reset-gate-before-or-after"],
    "stacked + no carry": ["carry-dropped"],
    "stacked + n at state": ["derivative-at-state"],
    "column + no direct path": ["carry-dropped|carry-wrong-gate|"],
    "column + U not transposed": ["recurrent-not-transposed"],
    "column + only Uh not transposed": ["recurrent-not-transposed"],
    "column + first step": ["first-step-skipped"],
    "column + bh is bz": ["gate-copied"],
    "column + U not transposed + first step": ["recurrent-not-transposed", "first-step-skipped"],
}

T, B, H = 6, 3, 5


def build(rng, words):
    make = {"book": book, "stacked": stacked, "column": column}[next(w for w in words if w in ("book", "stacked", "column"))]
    return make(rng, words)


def book(rng, words):
    vocabulary, n = 7, rng.standard_normal
    p = {}
    for gate in "zrh":
        p["W_x" + gate], p["W_h" + gate], p["b_" + gate] = n((vocabulary, H)) * 0.6, n((H, H)) * 0.5, n(H) * 0.3
    p["W_hq"], p["b_q"] = n((H, vocabulary)) * 0.7, n(vocabulary) * 0.2
    batch = {"X": one_hot(rng.integers(0, vocabulary, (T, B)), vocabulary), "Y": rng.integers(0, vocabulary, (T, B)),
             "H0": n((B, H)) * 0.5}

    def run(p, d):
        X, Y, state, cache, loss = d["X"], d["Y"], d["H0"], [], 0.0
        for t in range(T):
            Z = sigmoid(X[t] @ p["W_xz"] + state @ p["W_hz"] + p["b_z"])
            R = sigmoid(X[t] @ p["W_xr"] + state @ p["W_hr"] + p["b_r"])
            pre = X[t] @ p["W_xh"] + (R * state) @ p["W_hh"] + p["b_h"]
            new = Z * state + (1 - Z) * np.tanh(pre)
            O = softmax(new @ p["W_hq"] + p["b_q"])
            loss -= np.log(O[np.arange(B), Y[t]]).sum()
            cache.append((state, Z, R, pre, np.tanh(pre), new, O))
            state = new
        scale = 1 / (T * B) if "mean" in words else 1.0
        g = {k: np.zeros_like(v) for k, v in p.items()}
        dH = np.zeros((B, H))
        for t in reversed(range(T)):
            prev, Z, R, pre, tilde, new, O = cache[t]
            dO = (O - one_hot(Y[t], vocabulary)) * (1 if "not averaged" in words else scale)
            g["W_hq"] += new.T @ dO
            g["b_q"] += dO.sum(0)
            dH = dH + dO @ p["W_hq"].T
            dtilde = dH * (Z if "candidate by Z" in words else 1 - Z)
            dh = dtilde * (1 - (pre if "tanh slope of z" in words else tilde) ** 2)
            dZ = dH * (tilde - prev if "z sign" in words else prev - tilde)
            dz = dZ * Z * (1 - Z)
            dRH = dh @ p["W_hh"].T
            dr = dRH * prev * (1 if "r slope missing" in words else R * (1 - R))
            if "no reset path" in words:
                dr = np.zeros_like(dr)
            seen = new if "H for H_prev" in words else prev
            for gate, delta in (("z", dz), ("r", dr), ("h", dh)):
                g["W_x" + gate] += X[t].T @ delta
                g["b_" + gate] += delta.sum(0)
                state = (R * seen) if gate == "h" and "W_hh state without R" not in words else seen
                g["W_h" + gate] += state.T @ delta
            direct = 0 if "no direct path" in words else dH * Z
            gates = 0 if "gates not carried" in words else dz @ p["W_hz"].T + dr @ p["W_hr"].T
            dH = direct + gates + dRH * (1 if "reset factor missing" in words else R)
        return loss * scale, {"grad_" + k: v for k, v in g.items()}

    return Program(p, batch, run)


def stacked(rng, words):
    inputs, outputs, n = 4, 2, rng.standard_normal
    p = {"weight_ih": n((3 * H, inputs)) * 0.5, "weight_hh": n((3 * H, H)) * 0.5, "bias_ih": n(3 * H) * 0.3,
         "bias_hh": n(3 * H) * 0.3, "fc_weight": n((outputs, H)) * 0.7, "fc_bias": n(outputs) * 0.3}
    batch = {"x": n((B, T, inputs)), "y": n((B, T, outputs)), "h0": n((B, H)) * 0.5}

    def run(p, d):
        x, y, h, cache, out = d["x"], d["y"], d["h0"], [], np.zeros((B, T, outputs))
        for t in range(T):
            xr, xz, xn = np.split(x[:, t] @ p["weight_ih"].T + p["bias_ih"], 3, 1)
            hr, hz, hn = np.split(h @ p["weight_hh"].T + p["bias_hh"], 3, 1)
            r, z = sigmoid(xr + hr), sigmoid(xz + hz)
            c = np.tanh(xn + r * hn)
            cache.append((h, r, z, c, hn))
            h = (1 - z) * c + z * h
            out[:, t] = h @ p["fc_weight"].T + p["fc_bias"]
        loss = np.mean((out - y) ** 2)
        dout = 2 * (out - y) / out.size
        g = {k: np.zeros_like(v) for k, v in p.items()}
        carry = np.zeros((B, H))
        for t in reversed(range(T)):
            prev, r, z, c, hn = cache[t]
            h = (1 - z) * c + z * prev
            g["fc_weight"] += dout[:, t].T @ h
            g["fc_bias"] += dout[:, t].sum(0)
            dh = dout[:, t] @ p["fc_weight"] + carry
            dn = dh * (1 - z) * (1 - (np.tanh(c) if "n at state" in words else c) ** 2)
            dz = dh * (prev - c) * z * (1 - z)
            dr = dn * hn * r * (1 - r)
            dhn = dn * r
            if "r and z swapped" in words:
                dr, dz = dz, dr
            into_x = np.hstack([dr, dz, dn])
            into_h = np.hstack([dr, dz, dn if "n product without r" in words else dhn])
            g["weight_ih"] += into_x.T @ x[:, t]
            g["bias_ih"] += into_x.sum(0)
            state_grad = into_h.T @ prev
            if "reset before" in words:
                state_grad[2 * H :] = dn.T @ (r * prev)
            g["weight_hh"] += state_grad
            g["bias_hh"] += (into_x if "n bias without r" in words else into_h).sum(0)
            carry = dh * (1 - z if "direct path by 1-z" in words else z) + into_h @ p["weight_hh"]
            if "no carry" in words:
                carry = np.zeros_like(carry)
        return loss, {k + "_grad": v for k, v in g.items()}

    return Program(p, batch, run)


def column(rng, words):
    inputs, n = 4, rng.standard_normal
    p = {}
    for gate in "zrh":
        p["W" + gate], p["U" + gate], p["b" + gate] = n((H, inputs)) * 0.5, n((H, H)) * 0.5, n((H, 1)) * 0.3
    p["Wy"], p["by"] = n((2, H)) * 0.7, n((2, 1)) * 0.3
    batch = {"x": n((T, inputs, 1)), "t": n((T, 2, 1))}
    if "zero start" not in words:
        batch["h_prev"] = n((H, 1)) * 0.5

    def run(p, d):
        h, cache, loss = d.get("h_prev", np.zeros((H, 1))), [], 0.0
        for x, t in zip(d["x"], d["t"]):
            z, r = sigmoid(p["Wz"] @ x + p["Uz"] @ h + p["bz"]), sigmoid(p["Wr"] @ x + p["Ur"] @ h + p["br"])
            hh = np.tanh(p["Wh"] @ x + p["Uh"] @ (r * h) + p["bh"])
            new = (1 - z) * h + z * hh
            error = p["Wy"] @ new + p["by"] - t
            loss += 0.5 * float((error**2).sum())
            cache.append((x, h, z, r, hh, new, error))
            h = new
        g = {k: np.zeros_like(v) for k, v in p.items()}
        carry = np.zeros((H, 1))
        for step in reversed(range(1 if "first step" in words else 0, T)):
            x, h, z, r, hh, new, error = cache[step]
            g["Wy"] += error @ new.T
            g["by"] += error
            dh = p["Wy"].T @ error + carry
            da = {"h": dh * z * (1 - hh**2), "z": dh * (hh - h) * z * (1 - z)}
            all_wrong = "U not transposed" in words
            back_h = (p["Uh"] if all_wrong or "only Uh not transposed" in words else p["Uh"].T) @ da["h"]
            da["r"] = back_h * h * r * (1 - r)
            for gate in "zrh":
                g["W" + gate] += da[gate] @ x.T
                g["U" + gate] += da[gate] @ (r * h if gate == "h" else h).T
                g["b" + gate] += da["z" if gate == "h" and "bh is bz" in words else gate]
            carry = (0 if "no direct path" in words else dh * (1 - z)) + back_h * r
            for gate in "zr":
                U = p["U" + gate]
                carry = carry + (U if all_wrong else U.T) @ da[gate]
        return loss, {"d" + k: v for k, v in g.items()}

    return Program(p, batch, run)
