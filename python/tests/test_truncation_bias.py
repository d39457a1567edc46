"""The bias report against an independent implementation: no back-propagation, but each output's error taken back step by
step through Jacobians that the complex step gives, lag by lag."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest

import retrograde as rg

T, I, H, O = 7, 3, 5, 2  # noqa: E741


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step(cell, p, x, state):
    """One step of one sequence: PyTorch's formulas and gate orders; the LSTM's state is (h, c)."""
    if cell == "Elman":
        return np.tanh(p["weight_ih_l0"] @ x + p["bias_ih_l0"] + p["weight_hh_l0"] @ state + p.get("bias_hh_l0", 0))
    h = state[:H]
    a = p["weight_ih_l0"] @ x + p["bias_ih_l0"]
    u = p["weight_hh_l0"] @ h + p.get("bias_hh_l0", 0)
    if cell == "GRU":
        r, z = sigmoid(a[:H] + u[:H]), sigmoid(a[H : 2 * H] + u[H : 2 * H])
        n = np.tanh(a[2 * H :] + r * u[2 * H :])
        return (1 - z) * n + z * h
    i, f, g, o = np.split(a + u, 4)
    c = sigmoid(f) * state[H:] + sigmoid(i) * np.tanh(g)
    return np.concatenate([sigmoid(o) * np.tanh(c), c])


def jacobians(cell, p, x, state):
    """By the state, and by every parameter as one row vector: complex step, exact to rounding."""
    by_state = np.stack([step(cell, p, x, state + 1e-30j * e).imag / 1e-30 for e in np.eye(state.size)], 1)
    by_parameter = {}
    for name, value in p.items():
        columns = []
        for k in range(value.size):
            moved = value.astype(complex)
            moved.reshape(-1)[k] += 1e-30j
            columns.append(step(cell, {**p, name: moved}, x, state).imag / 1e-30)
        by_parameter[name] = np.stack(columns, 1)
    return by_state, by_parameter


def gradients_by_lag(cell, parameters, x, target, starts, lengths=None, weights=None):
    """What the error of output s adds at step s - lag, summed over outputs and sequences: [s][lag][name] as vectors,
    for half the (weighted) squared error. The head's gradients come with lag 0."""
    head = {n: v for n, v in parameters.items() if n.startswith("head")}
    p = {n: v for n, v in parameters.items() if n not in head}
    found = [[{n: np.zeros(v.size) for n, v in parameters.items()} for _ in range(T)] for _ in range(T)]
    for b in range(len(x)):
        state, seen = starts[b], []
        for t in range(T if lengths is None else lengths[b]):
            seen.append(jacobians(cell, p, x[b, t], state))
            state = step(cell, p, x[b, t], state)
            error = head["head.weight"] @ state[:H] + head["head.bias"] - target[b, t]
            error = error * (1 if weights is None else weights[b, t])
            found[t][0]["head.weight"] += np.outer(error, state[:H]).ravel()
            found[t][0]["head.bias"] += error
            back = np.zeros(state.size)
            back[:H] = error @ head["head.weight"]
            for lag in range(t + 1):
                by_state, by_parameter = seen[t - lag]
                for name, jacobian in by_parameter.items():
                    found[t][lag][name] += back @ jacobian
                back = back @ by_state
    return found


def total(found, keeps):
    """The gradient of the truncation that keeps output s's error at step s - lag if keeps(s, lag)."""
    return {
        name: sum((found[s][lag][name] for s in range(T) for lag in range(s + 1) if keeps(s, lag)), np.zeros(1))
        for name in found[0][0]
    }


def figures(truncated, full, before):
    norm = np.linalg.norm
    return {
        "relative_norm": norm(truncated - full) / norm(full),
        "cosine": truncated @ full / (norm(truncated) * norm(full)),
        "sign_agreement": np.mean(np.sign(truncated) == np.sign(full)),
        "added": norm(truncated - before) / norm(full),
    }


TRUNCATIONS = [*(f"window:{r}" for r in range(T)), "chunk:3"]


def report_of(found):
    """What the report must say: by truncation, of the whole and of each block."""
    full = total(found, lambda s, lag: True)
    before, report = {n: np.zeros_like(v) for n, v in full.items()}, {}
    whole = lambda g: np.concatenate([g[n] for n in full])  # noqa: E731
    for truncation in TRUNCATIONS:
        kind, _, n = truncation.partition(":")
        at = total(found, lambda s, lag: lag <= (int(n) if kind == "window" else s % int(n)))  # noqa: B023
        blocks = {name: figures(at[name], full[name], before[name]) for name in full}
        report[truncation] = {"whole": figures(whole(at), whole(full), whole(before)), "blocks": blocks}
        before = at
    return report


def assert_equal(theirs, ours):
    for key, value in ours.items():
        assert theirs[key] == pytest.approx(value, rel=1e-9, abs=1e-11), key


def network(cell, seed):
    net = getattr(rg, cell)(I, H, dtype="float64").with_head(O)
    rng = np.random.default_rng(seed)
    for value in net.parameters.values():
        value[...] = rng.normal(0, 0.6, value.shape)
    return net


@pytest.mark.parametrize("cell", ["Elman", "GRU", "LSTM"])
def test_every_figure_of_the_report_is_that_of_an_independent_implementation(cell, rng):
    net = network(cell, 5)
    x, y = rng.normal(size=(2, T, I)), rng.normal(size=(2, T, O))
    starts = rng.normal(0, 0.5, (2, 2 * H if cell == "LSTM" else H))
    h0 = starts[None, :, :H]
    state = (h0, starts[None, :, H:]) if cell == "LSTM" else h0
    found = gradients_by_lag(cell, dict(net.parameters), x, y, starts)
    ours = report_of(found)
    theirs = rg.truncation_bias(net, x, y, reaches=range(T), chunks=[3], state=state)
    assert [entry.truncation for entry in theirs.at] == TRUNCATIONS
    for entry in theirs.at:
        assert_equal(vars(entry.whole), ours[entry.truncation]["whole"])
        assert set(entry.blocks) == set(net.parameters)
        for name, bias in entry.blocks.items():
            assert_equal(vars(bias), ours[entry.truncation]["blocks"][name])
    # Not a trivial case: the truncations differ, and so do the blocks.
    norms = [ours[t]["whole"]["relative_norm"] for t in TRUNCATIONS[: T - 1]]
    assert norms[0] > 0.05 and min(norms) > 1e-9
    for bound in [1.5 * n for n in norms] + [1e-12]:
        reach = next(r for r in range(T) if all(n <= bound for n in [*norms, 0.0][r:]))
        assert theirs.smallest_reach(bound) == reach


class Xoshiro:
    """The library's random source (xoshiro256++ seeded by SplitMix64, purposes by FNV-1a), to draw the data that
    `retrograde check` draws."""

    def __init__(self, seed, purpose):
        mask = self.mask = 2**64 - 1
        word = 0xCBF29CE484222325
        for byte in purpose.encode():
            word = (word ^ byte) * 0x100000001B3 & mask
        word ^= seed
        self.state = []
        for _ in range(4):
            word = (word + 0x9E3779B97F4A7C15) & mask
            z = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & mask
            z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
            self.state.append(z ^ z >> 31)

    def bits(self):
        s, mask = self.state, self.mask
        turned = lambda v, n: (v << n | v >> 64 - n) & mask  # noqa: E731
        result = (turned((s[0] + s[3]) & mask, 23) + s[0]) & mask
        t = s[1] << 17 & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = turned(s[3], 45)
        return result

    def uniform(self):
        return (self.bits() >> 11) * 2.0**-53

    def normal(self):
        while True:
            u, v = 2 * self.uniform() - 1, 2 * self.uniform() - 1
            s = u * u + v * v
            if 0 < s < 1:
                return u * math.sqrt(-2 * math.log(s) / s)


@pytest.mark.parametrize("cell", ["Elman", "LSTM"])
def test_the_command_lines_report_is_that_of_an_independent_implementation(cell, tmp_path):
    net = network(cell, 6)
    net.save(tmp_path / "model.safetensors")
    asked = ["--batch", "1", "--steps", T, "--bptt", "chunk:3", "--seed", 4, "--bias", "--bound", 0.1, "--json"]
    run = [sys.executable, "-m", "retrograde", "check", str(tmp_path / "model.safetensors"), *map(str, asked)]
    (row,) = json.loads(subprocess.run(run, capture_output=True, text=True, check=True, timeout=120).stdout)
    draw = Xoshiro(4, "data")
    numbers = lambda *shape: np.array([draw.normal() for _ in range(math.prod(shape))]).reshape(shape)  # noqa: E731
    x = numbers(1, T, I)
    target = numbers(1, T, O)
    weights = np.array([[0.5 + 1.5 * draw.uniform() for _ in range(T)]])
    starts = 0.5 * np.concatenate([numbers(1, H) for _ in range(2 if cell == "LSTM" else 1)], 1)
    ours = report_of(gradients_by_lag(cell, dict(net.parameters), x, target, starts, weights=weights))
    assert {entry["truncation"] for entry in row["bias"]} <= set(TRUNCATIONS)
    assert len(row["bias"]) >= 5
    for entry in row["bias"]:
        # What a line adds depends on the line before it, and not every window stands in this report.
        for theirs, mine in [(entry["whole"], ours[entry["truncation"]]["whole"])] + [
            (block, ours[entry["truncation"]]["blocks"][block["block"]]) for block in entry["blocks"]
        ]:
            assert_equal(theirs, {k: v for k, v in mine.items() if k != "added"})
    within = [ours[f"window:{r}"]["whole"]["relative_norm"] <= 0.1 for r in range(T)]
    assert row["smallest_reach"]["reach"] == within.index(True)
