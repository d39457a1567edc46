"""The language-model tutorial: U, V, W without biases, integer words, zero start state kept as s[-1], one loop back
for every output, cut after bptt_truncate steps."""

import numpy as np
from program import Program, softmax

CORRECT = ["", "mean"]

FAULTS = {
    "truncate 2": ["truncated"],
    "truncate 0": ["truncated|carry-dropped"],
    "truncate 3 + W not transposed": ["truncated", "recurrent-not-transposed"],
    "slope of the wrong step": ["derivative-wrong-step"],
    "s[step] for s[step-1]": ["state-index-shifted"],
    "words overwrite": ["repeated-tokens-lost|last-step-only"],
    "W not transposed": ["recurrent-not-transposed"],
    "no own step": [],
    "mean + sum in the gradient": ["time-mean-or-sum"],
    "V from the step before": ["state-index-shifted"],
    "no slope": ["derivative-missing"],
    "no slope inside": ["derivative-missing"],
    "U gets the state's step": ["input-index-shifted"],
    "V outer swapped": ["array-transposed"],
    "last output": ["window-on-last-output-only|upstream-missing|last-step-only"],
}


def build(rng, words):
    steps, hidden, vocabulary = 7, 5, (5 if "V outer swapped" in words else 13)
    n = rng.standard_normal
    parameters = {"U": n((hidden, vocabulary)) * 0.6, "V": n((vocabulary, hidden)) * 0.6, "W": n((hidden, hidden)) * 0.5}
    sentence = rng.integers(0, vocabulary, steps + 1)
    sentence[3] = sentence[1]
    batch = {"x": sentence[:-1], "y": sentence[1:]}
    reach = next((int(w.split()[1]) for w in words if w.startswith("truncate")), 10**6)

    def run(p, d):
        U, V, W, x, y = p["U"], p["V"], p["W"], d["x"], d["y"]
        T = len(x)
        s, o = np.zeros((T + 1, hidden)), np.zeros((T, vocabulary))
        for t in range(T):
            s[t] = np.tanh(U[:, x[t]] + W @ s[t - 1])
            o[t] = softmax(V @ s[t])
        loss = -np.sum(np.log(o[np.arange(T), y]))
        delta_o = o.copy()
        delta_o[np.arange(T), y] -= 1.0
        if "mean" in words:
            loss /= T
            if "sum in the gradient" not in words:
                delta_o /= T
        dLdU, dLdV, dLdW = np.zeros_like(U), np.zeros_like(V), np.zeros_like(W)
        for t in np.arange(T)[::-1]:
            if "V outer swapped" in words:
                dLdV += np.outer(s[t], delta_o[t])
            else:
                dLdV += np.outer(delta_o[t], s[t - 1] if "V from the step before" in words else s[t])
            if "last output" in words and t != T - 1:
                continue
            delta_t = V.T @ delta_o[t]
            if "no slope" not in words:
                delta_t = delta_t * (1 - s[t] ** 2)
            for step in np.arange(max(0, t - reach), t + 1)[::-1]:
                if not ("no own step" in words and step == t):
                    dLdW += np.outer(delta_t, s[step] if "s[step] for s[step-1]" in words else s[step - 1])
                    at = x[step - 1] if "U gets the state's step" in words else x[step]
                    if "words overwrite" in words:
                        dLdU[:, at] = delta_t
                    else:
                        dLdU[:, at] += delta_t
                delta_t = (W if "W not transposed" in words else W.T) @ delta_t
                if "no slope" not in words and "no slope inside" not in words:
                    delta_t = delta_t * (1 - s[step if "slope of the wrong step" in words else step - 1] ** 2)
        return loss, {"dLdU": dLdU, "dLdV": dLdV, "dLdW": dLdW}

    return Program(parameters, batch, run)
