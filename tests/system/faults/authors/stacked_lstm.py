"""A character LSTM on the stacked column [h; x], in the manner of E. Bendersky (2018): every quantity has
its own dictionary and its own line."""

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def setup(rng):
    H, V = 5, 6
    P = {}
    for g in ("f", "i", "cc", "o"):
        P["W" + g] = rng.normal(0, 0.5, (H, H + V))
        P["b" + g] = rng.normal(0, 0.3, (H, 1))
    P["Wy"] = rng.normal(0, 0.5, (V, H))
    P["by"] = rng.normal(0, 0.3, (V, 1))
    return P, dict(
        inputs=np.array([0, 3, 5, 3, 2]),
        targets=np.array([3, 5, 3, 2, 4]),
        hprev=rng.normal(0, 0.4, (H, 1)),
        cprev=rng.normal(0, 0.4, (H, 1)),
    )


def loss_and_grads(P, B):
    Wf, bf, Wi, bi, Wcc, bcc, Wo, bo, Wy, by = P.values()
    inputs, targets = B["inputs"], B["targets"]
    H = Wf.shape[0]
    V = Wy.shape[0]
    xhs, ys, ps, hs, cs, fgs, igs, ccs, ogs = {}, {}, {}, {}, {}, {}, {}, {}, {}
    hs[-1] = np.copy(B["hprev"])
    cs[-1] = np.copy(B["cprev"])
    loss = 0
    for t in range(len(inputs)):
        x = np.zeros((V, 1))
        x[inputs[t]] = 1
        xhs[t] = np.vstack((hs[t - 1], x))
        fgs[t] = sigmoid(Wf @ xhs[t] + bf)
        igs[t] = sigmoid(Wi @ xhs[t] + bi)
        ogs[t] = sigmoid(Wo @ xhs[t] + bo)
        ccs[t] = np.tanh(Wcc @ xhs[t] + bcc)
        cs[t] = fgs[t] * cs[t - 1] + igs[t] * ccs[t]
        hs[t] = np.tanh(cs[t]) * ogs[t]
        ys[t] = Wy @ hs[t] + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])
    dWf, dbf, dWi, dbi, dWcc, dbcc, dWo, dbo, dWy, dby = [np.zeros_like(p) for p in P.values()]
    dhnext = np.zeros_like(hs[0])
    dcnext = np.zeros_like(cs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWy += dy @ hs[t].T
        dby += dy
        dh = Wy.T @ dy + dhnext
        dctanh = ogs[t] * dh
        dc = dctanh * (1 - np.tanh(cs[t]) ** 2) + dcnext
        dho = np.tanh(cs[t]) * dh
        dho_in = ogs[t] * (1 - ogs[t]) * dho
        dcc = dc * igs[t]
        dcc_in = (1 - ccs[t] ** 2) * dcc
        dig = dc * ccs[t]
        dig_in = igs[t] * (1 - igs[t]) * dig
        dfg = dc * cs[t - 1]
        dfg_in = fgs[t] * (1 - fgs[t]) * dfg
        dWo += dho_in @ xhs[t].T
        dbo += dho_in
        dWcc += dcc_in @ xhs[t].T
        dbcc += dcc_in
        dWi += dig_in @ xhs[t].T
        dbi += dig_in
        dWf += dfg_in @ xhs[t].T
        dbf += dfg_in
        dxh_from_o = Wo.T @ dho_in
        dxh_from_cc = Wcc.T @ dcc_in
        dxh_from_i = Wi.T @ dig_in
        dxh_from_f = Wf.T @ dfg_in
        dxh = dxh_from_o + dxh_from_cc + dxh_from_i + dxh_from_f
        dhnext = dxh[:H, :]
        dcnext = fgs[t] * dc
    return loss, dict(
        zip(
            ("dWf", "dbf", "dWi", "dbi", "dWcc", "dbcc", "dWo", "dbo", "dWy", "dby"),
            (dWf, dbf, dWi, dbi, dWcc, dbcc, dWo, dbo, dWy, dby),
        )
    )


SLIPS = {
    "tanh' at the cell before": (
        ["derivative-wrong-step"],
        "dc = dctanh * (1 - np.tanh(cs[t]) ** 2) + dcnext",
        "dc = dctanh * (1 - np.tanh(cs[t - 1]) ** 2) + dcnext",
    ),
    "o for i in dcc": (
        ["gates-swapped|gate-factor"],
        "dcc = dc * igs[t]",
        "dcc = dc * ogs[t]",
    ),
    "cs[t] for cs[t-1]": (
        ["cell-index-shifted"],
        "dfg = dc * cs[t - 1]",
        "dfg = dc * cs[t]",
    ),
    "i for f in a slope": (
        ["gate-factor|derivative-wrong-argument"],
        "dfg_in = fgs[t] * (1 - fgs[t]) * dfg",
        "dfg_in = igs[t] * (1 - fgs[t]) * dfg",
    ),
    "dWi from f": (
        ["gate-copied"],
        "dWi += dig_in @ xhs[t].T",
        "dWi += dfg_in @ xhs[t].T",
    ),
    "dbcc before its slope": (
        ["derivative-missing"],
        "dbcc += dcc_in",
        "dbcc += dcc",
    ),
    "carry before cc's slope": (
        ["derivative-missing"],
        "dxh_from_cc = Wcc.T @ dcc_in",
        "dxh_from_cc = Wcc.T @ dcc",
    ),
    "Wi for Wf in the carry": (
        ["carry-wrong-gate|carry-wrong-matrix"],
        "dxh_from_f = Wf.T @ dfg_in",
        "dxh_from_f = Wi.T @ dfg_in",
    ),
    "i twice, f never": (
        ["factor-two|counted-twice", "carry-wrong-gate"],
        "dxh = dxh_from_o + dxh_from_cc + dxh_from_i + dxh_from_f",
        "dxh = dxh_from_o + dxh_from_cc + dxh_from_i + dxh_from_i",
    ),
    "i carries the cell": (
        ["carry-wrong-gate"],
        "dcnext = fgs[t] * dc",
        "dcnext = igs[t] * dc",
    ),
    "no i + no o in the carry": (
        ["gate-factor", "carry-wrong-gate"],
        "dcc = dc * igs[t]",
        "dcc = dc",
        "dxh = dxh_from_o + dxh_from_cc + dxh_from_i + dxh_from_f",
        "dxh = dxh_from_cc + dxh_from_i + dxh_from_f",
    ),
}
