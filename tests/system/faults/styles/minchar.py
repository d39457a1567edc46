"""A character model in a page: column vectors, integer characters, softmax, states in a dictionary by step."""

import numpy as np
from program import Program, softmax

CORRECT = ["", "mean", "long", "one layer wide"]

FAULTS = {
    "no dhnext": ["carry-dropped"],
    "Whh not transposed": ["recurrent-not-transposed"],
    "square + Why not transposed": ["head-not-transposed"],
    "slope of z": ["derivative-at-preactivation"],
    "slope of tanh of h": ["derivative-at-state"],
    "no slope": ["derivative-missing"],
    "no slope in the carry": ["derivative-missing"],
    "slope a step late": ["derivative-wrong-step"],
    "hs[t] for hs[t-1]": ["state-index-shifted"],
    "dby assigned": ["last-step-only"],
    "dby doubles": ["self-accumulated"],
    "clip 0.05": ["clipped"],
    "mean + sum in the gradient": ["time-mean-or-sum"],
    "no one-hot": ["loss-and-gradient-disagree|"],
    "softmax diagonal": ["softmax-diagonal"],
    "stops before 0": ["first-step-skipped"],
    "stops before 0, all": ["first-step-skipped"],
    "dhnext adds up": ["counted-twice|self-accumulated|not-zeroed"],
    "carry halved": ["factor-two|block-scaled|"],
    "hs[t-2]": [],
    "Why from the state before": ["state-index-shifted"],
    "inputs reversed": ["input-index-shifted"],
    "no start state": ["initial-state-ignored"],
    "ascends": ["sign"],
    "Whh not transposed + hs[t] for hs[t-1]": ["recurrent-not-transposed", "state-index-shifted"],
    "slope of z + dby assigned": ["derivative-at-preactivation", "last-step-only"],
    "no dhnext + dby doubles": ["carry-dropped", "self-accumulated"],
    "no slope + Whh not transposed": ["derivative-missing", "recurrent-not-transposed"],
    "mean + sum in the gradient + hs[t] for hs[t-1]": ["time-mean-or-sum", "state-index-shifted"],
    "Whh not transposed + slope of z + dby assigned":
        ["recurrent-not-transposed", "derivative-at-preactivation", "last-step-only"],
    "clip 0.05 + Whh not transposed": ["clipped", "recurrent-not-transposed"],
}


def build(rng, words):
    steps, hidden, vocabulary = (25 if "long" in words else 8), 7, (7 if "square" in words else 11)
    n = rng.standard_normal
    parameters = {
        "Wxh": n((hidden, vocabulary)) * 0.5, "Whh": n((hidden, hidden)) * 0.4, "Why": n((vocabulary, hidden)) * 0.5,
        "bh": n((hidden, 1)) * 0.3, "by": n((vocabulary, 1)) * 0.3,
    }
    text = rng.integers(0, vocabulary, steps + 1)
    batch = {"inputs": text[:-1], "targets": text[1:], "hprev": n((hidden, 1)) * 0.5}

    def run(p, d):
        Wxh, Whh, Why, bh, by = (p[k] for k in ("Wxh", "Whh", "Why", "bh", "by"))
        inputs, targets = d["inputs"], d["targets"]
        T = len(inputs)
        xs, zs, hs, ps = {}, {}, {-1: np.copy(d["hprev"])}, {}
        loss = 0.0
        for t in range(T):
            xs[t] = np.zeros((vocabulary, 1))
            xs[t][inputs[t]] = 1
            zs[t] = Wxh @ xs[t] + Whh @ hs[t - 1] + bh
            hs[t] = np.tanh(zs[t])
            ps[t] = softmax(Why @ hs[t] + by, axis=0)
            loss += -np.log(ps[t][targets[t], 0])
        if "mean" in words:
            loss /= T

        dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
        dbh, dby = np.zeros_like(bh), np.zeros_like(by)
        dhnext = np.zeros_like(hs[0])
        last = 0 if "stops before 0, all" in words else -1
        for t in range(T - 1, last, -1):
            dy = np.copy(ps[t])
            if "no one-hot" not in words:
                dy[targets[t]] -= 1
            if "softmax diagonal" in words:
                dy = np.zeros_like(dy)
                dy[targets[t]] = -(1 - ps[t][targets[t]])
            if "ascends" in words:
                dy = -dy
            if "mean" in words and "sum in the gradient" not in words:
                dy /= T
            dWhy += dy @ (hs[t - 1] if "Why from the state before" in words else hs[t]).T
            dby = dy.copy() if "dby assigned" in words else dby + (dby if "dby doubles" in words else dy)
            own = (Why if "Why not transposed" in words else Why.T) @ dy
            if t == 0 and "stops before 0" in words:
                continue
            dh = own + dhnext
            slope = 1 - hs[t] ** 2
            if "slope of z" in words:
                slope = 1 - zs[t] ** 2
            if "slope of tanh of h" in words:
                slope = 1 - np.tanh(hs[t]) ** 2
            if "slope a step late" in words:
                slope = 1 - hs[t - 1] ** 2
            dhraw = dh if "no slope" in words else slope * dh
            dbh += dhraw
            dWxh += dhraw @ (xs[T - 1 - t] if "inputs reversed" in words else xs[t]).T
            before = hs[t - 1]
            if "hs[t] for hs[t-1]" in words:
                before = hs[t]
            if "hs[t-2]" in words:
                before = hs[max(t - 2, -1)]
            if t == 0 and "no start state" in words:
                before = np.zeros_like(before)
            dWhh += dhraw @ before.T
            back = (Whh if "Whh not transposed" in words else Whh.T) @ (dh if "no slope in the carry" in words else dhraw)
            dhnext = back if "dhnext adds up" not in words else dhnext + back
            if "carry halved" in words:
                dhnext = 0.5 * dhnext
            if "no dhnext" in words:
                dhnext = np.zeros_like(dhnext)
        grads = {"dWxh": dWxh, "dWhh": dWhh, "dWhy": dWhy, "dbh": dbh, "dby": dby}
        if "clip 0.05" in words:
            for g in grads.values():
                np.clip(g, -0.05, 0.05, out=g)
        return loss, grads

    return Program(parameters, batch, run)
