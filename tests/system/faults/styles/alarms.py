"""False alarms: the gradient is right and the author's check cries, or there is nothing to be wrong. No finding may
accuse the gradient; where the numeric gradient is in the case its own fault may be named."""

import numpy as np
from program import Program

from styles import deep, layers, minchar

CORRECT = [
    "tiny step", "huge step", "single", "kink", "half in the check", "state left over", "mean in the check", "rounded", "T is 1",
    "zero weights", "saturated", "symmetric W", "perfect targets",
]
FAULTS = {}


def build(rng, words):
    name = words[0]
    if name == "kink":
        program = layers.build(rng, ["relu"])
    elif name == "state left over":
        program = minchar.build(rng, [])
    elif name == "T is 1":
        program = shortened(deep.build(rng, ["rows"]))
    else:
        program = deep.build(rng, ["rows"])
    p, d = program.parameters, program.batch
    if name == "zero weights":
        for key in ("U", "W", "V"):
            p[key] *= 0
    if name == "saturated":
        p["U"] *= 60
    if name == "symmetric W":
        p["W"] = p["W"] + p["W"].T
    if name == "perfect targets":
        d["Y"] = predictions(program)
    run = program.run
    if name == "single":
        p = {k: v.astype(np.float32) for k, v in p.items()}
        d = {k: v.astype(np.float32) for k, v in d.items()}
        return Program(p, d, in_single(run), program.hints, truth=run)
    if name == "rounded":
        return Program(p, d, lambda p, d: rounded(run(p, d)), program.hints, truth=run)
    extra = numeric(program, words) if name in ("tiny step", "huge step", "kink", "half in the check", "mean in the check",
                                                 "state left over") else {}
    return Program(p, d, run, program.hints, extra=extra)


def in_single(run):
    def call(p, d):
        loss, grads = run({k: v.astype(np.float32) for k, v in p.items()}, {k: v.astype(np.float32) for k, v in d.items()})
        return float(np.float32(loss)), {k: v.astype(np.float32) for k, v in grads.items()}

    return call


def rounded(answer):
    loss, grads = answer
    return float(f"{loss:.8g}"), {k: np.vectorize(lambda v: float(f"{v:.8g}"))(g) for k, g in grads.items()}


def shortened(program):
    steps = deep.T
    batch = {"X": program.batch["X"][:, :1], "Y": program.batch["Y"][:, :1], "S0": program.batch["S0"]}

    def run(p, d):
        deep.T = 1
        try:
            return program.run(p, d)
        finally:
            deep.T = steps

    return Program(program.parameters, batch, run)


def predictions(program):
    p, d = program.parameters, program.batch
    S = d["S0"]
    out = []
    for t in range(d["X"].shape[1]):
        S = np.tanh(d["X"][:, t] @ p["U"] + S @ p["W"] + p["B_state"])
        out.append(S @ p["V"] + p["B_out"])
    return np.stack(out, 1)


def numeric(program, words):
    """The author's own check, with its own fault."""
    step = {"tiny step": 1e-13, "huge step": 0.3}.get(words[0], 1e-5)
    if words[0] == "kink":
        step = 0.2
    factor = {"half in the check": 2.0, "mean in the check": 1 / program.batch.get("Y", np.zeros(1)).size}.get(words[0], 1.0)
    kept = {k: v.copy() for k, v in program.batch.items()}

    def loss(p):
        value, _ = program.run(p, kept)
        if words[0] == "state left over":  # the loss starts from the state that the evaluation before left behind
            kept["hprev"] = np.tanh(kept["hprev"] + 0.1)
        return value * factor

    out = {}
    for key, value in program.parameters.items():
        g = np.zeros_like(value)
        for i in np.ndindex(value.shape):
            moved = {k: v.copy() for k, v in program.parameters.items()}
            moved[key][i] += step
            up = loss(moved)
            moved[key][i] -= 2 * step
            g[i] = (up - loss(moved)) / (2 * step)
        out["num_d" + key] = g
    return out
