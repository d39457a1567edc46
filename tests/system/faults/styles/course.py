"""A course's assignment: features x batch x time, column vectors, per-gate matrices on [a_prev, x], the upstream
gradient da given from outside."""

import numpy as np
from program import Program, sigmoid

CORRECT = ["rnn", "lstm", "lstm + with loss", "rnn + with loss"]

FAULTS = {
    "rnn + Waa not transposed": ["recurrent-not-transposed"],
    "rnn + no da_prev": ["carry-dropped"],
    "rnn + carry only": ["upstream-missing"],
    "rnn + a_next in dWaa": ["state-index-shifted"],
    "rnn + da0 not taken back": ["initial-state-gradient-wrong"],
    "rnn + dba last": ["last-step-only"],
    "rnn + slope at tanh": ["derivative-at-state"],
    "rnn + a0 missing": ["initial-state-ignored"],
    "rnn + Waa not transposed + a_next in dWaa": ["recurrent-not-transposed", "state-index-shifted"],
    "lstm + with loss + no dc": ["carry-dropped"],
    "lstm + with loss + parenthesis in c": ["parenthesis"],
    "lstm + with loss + parenthesis in i": ["parenthesis"],
    "lstm + with loss + parenthesis in f": ["parenthesis"],
    "lstm + with loss + c_next for f": ["cell-index-shifted"],
    "lstm + with loss + tanh not squared": ["activation-for-derivative|"],
    "lstm + with loss + carry without o": ["carry-wrong-gate|"],
    "lstm + with loss + o slope missing": ["derivative-missing"],
    "lstm + with loss + o from c": ["activation-for-derivative|double-activation|gate-factor|"],
    "lstm + with loss + bi is bf": ["gate-copied"],
    "lstm + with loss + dc_prev by i": ["carry-wrong-gate"],
    "lstm + with loss + c slope as a gate": ["derivative-of-other-activation|"],
    "lstm + with loss + a_next in the product": ["state-index-shifted"],
    "lstm + with loss + no da_prev": ["carry-dropped"],
    "lstm + with loss + c_next for f + bi is bf": ["cell-index-shifted", "gate-copied"],
    "lstm + with loss + no dc + a_next in the product": ["carry-dropped", "state-index-shifted"],
    "lstm + c_next for f": ["cell-index-shifted"],
    "lstm + dc_prev by i": ["carry-wrong-gate"],
}

NX, NA, M, TX = 3, 5, 4, 7


def build(rng, words):
    n = rng.standard_normal
    batch = {"x": n((NX, M, TX)), "a0": n((NA, M)) * 0.5, "da": n((NA, M, TX))}
    make, run_one = (make_lstm, lstm) if "lstm" in words else (make_rnn, rnn)
    return Program(make(n), batch, lambda p, d: run_one(p, d, words), tells_loss="with loss" in words)


def make_rnn(n):
    return {"Wax": n((NA, NX)) * 0.6, "Waa": n((NA, NA)) * 0.5, "ba": n((NA, 1)) * 0.3}


def rnn(p, d, words):
    Wax, Waa, ba, x, da = p["Wax"], p["Waa"], p["ba"], d["x"], d["da"]
    a = np.zeros((NA, M, TX + 1))  # a[:, :, t] enters step t
    a[:, :, 0] = d["a0"]
    for t in range(TX):
        a[:, :, t + 1] = np.tanh(Wax @ x[:, :, t] + Waa @ a[:, :, t] + ba)
    g = {"dWax": np.zeros_like(Wax), "dWaa": np.zeros_like(Waa), "dba": np.zeros_like(ba)}
    dx, da_prev = np.zeros_like(x), np.zeros((NA, M))
    for t in reversed(range(TX)):
        upstream = da_prev if "carry only" in words and t < TX - 1 else da[:, :, t] + da_prev
        inner = a[:, :, t + 1]
        dtanh = (1 - (np.tanh(inner) if "slope at tanh" in words else inner) ** 2) * upstream
        dx[:, :, t] = Wax.T @ dtanh
        g["dWax"] += dtanh @ x[:, :, t].T
        before = a[:, :, t + 1] if "a_next in dWaa" in words else a[:, :, t]
        if not (t == 0 and "a0 missing" in words):
            g["dWaa"] += dtanh @ before.T
        own = dtanh.sum(axis=1, keepdims=True)
        g["dba"] = own if "dba last" in words else g["dba"] + own
        da_prev = (Waa if "Waa not transposed" in words else Waa.T) @ dtanh
        da0 = upstream if "da0 not taken back" in words else da_prev
        if "no da_prev" in words:
            da_prev = np.zeros_like(da_prev)
    return float((a[:, :, 1:] * da).sum()), {**g, "dx": dx, "da0": da0}


def make_lstm(n):
    p = {}
    for gate in "fico":
        p["W" + gate] = n((NA, NA + NX)) * 0.5
        p["b" + gate] = n((NA, 1)) * 0.3
    return p


def lstm(p, d, words):
    x, da = d["x"], d["da"]
    a_prev, c_prev, tape = d["a0"], np.zeros((NA, M)), []
    loss = 0.0
    for t in range(TX):
        concat = np.vstack([a_prev, x[:, :, t]])
        ft, it = sigmoid(p["Wf"] @ concat + p["bf"]), sigmoid(p["Wi"] @ concat + p["bi"])
        cct = np.tanh(p["Wc"] @ concat + p["bc"])
        ot = sigmoid(p["Wo"] @ concat + p["bo"])
        c_next = ft * c_prev + it * cct
        a_next = ot * np.tanh(c_next)
        tape.append((a_next, c_next, a_prev, c_prev, ft, it, cct, ot, concat))
        loss += (a_next * da[:, :, t]).sum()
        a_prev, c_prev = a_next, c_next

    g = {"d" + k: np.zeros_like(v) for k, v in p.items()}
    dx, da_prev, dc = np.zeros_like(x), np.zeros((NA, M)), np.zeros((NA, M))
    for t in reversed(range(TX)):
        a_next, c_next, a_prev, c_prev, ft, it, cct, ot, concat = tape[t]
        dh = da[:, :, t] + da_prev
        th = np.tanh(c_next)
        s = ot * (1 - (th if "tanh not squared" in words else th**2)) * dh
        dot = dh * (c_next if "o from c" in words else th) * (1 if "o slope missing" in words else ot * (1 - ot))
        slope_c = cct * (1 - cct) if "c slope as a gate" in words else 1 - cct**2
        if "parenthesis in c" in words:
            dcct = dc * it + s * it * slope_c
        else:
            dcct = (dc * it + s * it) * slope_c
        if "parenthesis in i" in words:
            dit = dc * cct + s * cct * it * (1 - it)
        else:
            dit = (dc * cct + s * cct) * it * (1 - it)
        cell = c_next if "c_next for f" in words else c_prev
        if "parenthesis in f" in words:
            dft = dc * cell + s * cell * ft * (1 - ft)
        else:
            dft = (dc * cell + s * cell) * ft * (1 - ft)
        deltas = {"f": dft, "i": dit, "c": dcct, "o": dot}
        if "a_next in the product" in words:
            concat = np.vstack([a_next, x[:, :, t]])
        for gate, delta in deltas.items():
            g["dW" + gate] += delta @ concat.T
            g["db" + gate] += (dft if gate == "i" and "bi is bf" in words else delta).sum(axis=1, keepdims=True)
        carried = "fic" if "carry without o" in words else "fico"
        da_prev = sum(p["W" + k][:, :NA].T @ deltas[k] for k in carried)
        dx[:, :, t] = sum(p["W" + k][:, NA:].T @ v for k, v in deltas.items())
        dc = (dc + s) * (it if "dc_prev by i" in words else ft)
        if "no dc" in words:
            dc = np.zeros_like(dc)
        da0 = da_prev
        if "no da_prev" in words:
            da_prev = np.zeros_like(da_prev)
    return float(loss), {**g, "dx": dx, "da0": da0}
