"""A small topic classifier: an Elman network over word vectors, features in rows; the sequence is told by the average of
all states, through a softmax."""

import numpy as np


def setup(rng):
    N, L, D, K, C = 4, 5, 3, 6, 3
    params = {
        "theta_in": rng.normal(0, 0.6, (K, D)),
        "theta_rec": rng.normal(0, 0.5, (K, K)),
        "theta_0": rng.normal(0, 0.3, K),
        "out_weight": rng.normal(0, 0.8, (C, K)),
        "out_bias": rng.normal(0, 0.2, C),
    }
    return params, {"sentences": rng.normal(0, 1, (N, L, D)), "topic": rng.integers(0, C, N)}


def loss_and_grads(P, B):
    X, topic = B["sentences"], B["topic"]
    N, L, D = X.shape
    states = [np.zeros((N, len(P["theta_0"])))]
    for l in range(L):
        states.append(np.tanh(X[:, l] @ P["theta_in"].T + states[l] @ P["theta_rec"].T + P["theta_0"]))
    bag = sum(states[1:]) / L
    scores = bag @ P["out_weight"].T + P["out_bias"]
    scores = scores - scores.max(1, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    loss = -log_p[np.arange(N), topic].mean()

    e = np.exp(log_p)
    e[np.arange(N), topic] -= 1
    e /= N
    grads = {"dout_weight": e.T @ bag, "dout_bias": e.sum(0)}
    into_each = e @ P["out_weight"] / L
    for name in ("theta_in", "theta_rec", "theta_0"):
        grads["d" + name] = np.zeros_like(P[name])
    back = np.zeros_like(into_each)
    for l in range(L, 0, -1):
        a = (into_each + back) * (1 - states[l] ** 2)
        grads["dtheta_in"] += a.T @ X[:, l - 1]
        grads["dtheta_rec"] += a.T @ states[l - 1]
        grads["dtheta_0"] += a.sum(0)
        back = a @ P["theta_rec"]
    return loss, grads


SLIPS = {
    "not divided by L": (
        ["time-mean-or-sum"],
        'into_each = e @ P["out_weight"] / L',
        'into_each = e @ P["out_weight"]',
    ),
    "last step alone": (
        ["upstream-missing|output-gradient-at-wrong-step|carry-overwrites-upstream"],
        "a = (into_each + back)",
        "a = ((into_each if l == L else 0) + back)",
    ),
    "last state for the bag": (
        ["layer-input-wrong|state-index-shifted"],
        "e.T @ bag",
        "e.T @ states[L]",
    ),
    "sum of the states for the bag": (
        ["time-mean-or-sum|block-scaled"],
        "e.T @ bag",
        "e.T @ sum(states[1:])",
    ),
    "state of now": (
        ["state-index-shifted"],
        "a.T @ states[l - 1]",
        "a.T @ states[l]",
    ),
    "slope of the state before": (
        ["derivative-wrong-step"],
        "(1 - states[l] ** 2)",
        "(1 - states[l - 1] ** 2)",
    ),
    "nothing carried + not divided by N": (
        ["carry-dropped", "batch-mean-or-sum"],
        "(into_each + back)",
        "into_each",
        "    e /= N\n",
        "",
    ),
}
