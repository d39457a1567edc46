"""An LSTM in one matrix in the manner of A. Karpathy's batched gist (2015): rows [1, x, h] by columns i f o
g, arrays over steps."""

import numpy as np


def setup(rng):
    n, b, D, H, O = 5, 3, 4, 5, 2
    W = rng.normal(0, 1, (D + H + 1, 4 * H)) / np.sqrt(D + H) * 1.2
    W[0] = rng.normal(0, 0.3, 4 * H)
    return dict(WLSTM=W, Wd=rng.normal(0, 0.6, (H, O)), bd=rng.normal(0, 0.3, O)), dict(
        X=rng.normal(0, 1, (n, b, D)),
        Y=rng.normal(0, 1, (n, b, O)),
        c0=rng.normal(0, 0.5, (b, H)),
        h0=rng.normal(0, 0.5, (b, H)),
    )


def loss_and_grads(P, B):
    WLSTM, Wd, bd = P["WLSTM"], P["Wd"], P["bd"]
    X, Y, c0, h0 = B["X"], B["Y"], B["c0"], B["h0"]
    n, b, input_size = X.shape
    d = WLSTM.shape[1] // 4
    xphpb = WLSTM.shape[0]
    Hin = np.zeros((n, b, xphpb))
    Hout = np.zeros((n, b, d))
    IFOG = np.zeros((n, b, d * 4))
    IFOGf = np.zeros((n, b, d * 4))
    C = np.zeros((n, b, d))
    Ct = np.zeros((n, b, d))
    for t in range(n):
        prevh = Hout[t - 1] if t > 0 else h0
        Hin[t, :, 0] = 1
        Hin[t, :, 1 : input_size + 1] = X[t]
        Hin[t, :, input_size + 1 :] = prevh
        IFOG[t] = Hin[t].dot(WLSTM)
        IFOGf[t, :, : 3 * d] = 1.0 / (1.0 + np.exp(-IFOG[t, :, : 3 * d]))
        IFOGf[t, :, 3 * d :] = np.tanh(IFOG[t, :, 3 * d :])
        prevc = C[t - 1] if t > 0 else c0
        C[t] = IFOGf[t, :, :d] * IFOGf[t, :, 3 * d :] + IFOGf[t, :, d : 2 * d] * prevc
        Ct[t] = np.tanh(C[t])
        Hout[t] = IFOGf[t, :, 2 * d : 3 * d] * Ct[t]
    out = Hout.dot(Wd) + bd
    loss = 0.5 * ((out - Y) ** 2).sum()
    dWd = Hout.reshape(-1, d).T.dot((out - Y).reshape(n * b, -1))
    dbd = (out - Y).sum((0, 1))
    dIFOG = np.zeros(IFOG.shape)
    dIFOGf = np.zeros(IFOGf.shape)
    dWLSTM = np.zeros(WLSTM.shape)
    dHin = np.zeros(Hin.shape)
    dC = np.zeros(C.shape)
    dHout = (out - Y).dot(Wd.T)
    for t in reversed(range(n)):
        tanhCt = Ct[t]
        dIFOGf[t, :, 2 * d : 3 * d] = tanhCt * dHout[t]
        dC[t] += (1 - tanhCt**2) * (IFOGf[t, :, 2 * d : 3 * d] * dHout[t])
        if t > 0:
            dIFOGf[t, :, d : 2 * d] = C[t - 1] * dC[t]
            dC[t - 1] += IFOGf[t, :, d : 2 * d] * dC[t]
        else:
            dIFOGf[t, :, d : 2 * d] = c0 * dC[t]
        dIFOGf[t, :, :d] = IFOGf[t, :, 3 * d :] * dC[t]
        dIFOGf[t, :, 3 * d :] = IFOGf[t, :, :d] * dC[t]
        dIFOG[t, :, 3 * d :] = (1 - IFOGf[t, :, 3 * d :] ** 2) * dIFOGf[t, :, 3 * d :]
        y = IFOGf[t, :, : 3 * d]
        dIFOG[t, :, : 3 * d] = (y * (1.0 - y)) * dIFOGf[t, :, : 3 * d]
        dWLSTM += np.dot(Hin[t].transpose(), dIFOG[t])
        dHin[t] = dIFOG[t].dot(WLSTM.transpose())
        if t > 0:
            dHout[t - 1, :] += dHin[t, :, input_size + 1 :]
    return loss, dict(dWLSTM=dWLSTM, dWd=dWd, dbd=dbd)


SLIPS = {
    "dHout assigned": (
        ["carry-overwrites-upstream|upstream-missing"],
        "dHout[t - 1, :] += dHin[t, :, input_size + 1 :]",
        "dHout[t - 1, :] = dHin[t, :, input_size + 1 :]",
    ),
    "dC assigned": (
        ["carry-dropped"],
        "dC[t] += (1 - tanhCt**2) * (IFOGf[t, :, 2 * d : 3 * d] * dHout[t])",
        "dC[t] = (1 - tanhCt**2) * (IFOGf[t, :, 2 * d : 3 * d] * dHout[t])",
    ),
    "C[t] for C[t-1]": (
        ["cell-index-shifted"],
        "dIFOGf[t, :, d : 2 * d] = C[t - 1] * dC[t]",
        "dIFOGf[t, :, d : 2 * d] = C[t] * dC[t]",
    ),
    "slope is 1-y": (
        ["activation-for-derivative|gate-factor"],
        "dIFOG[t, :, : 3 * d] = (y * (1.0 - y)) * dIFOGf[t, :, : 3 * d]",
        "dIFOG[t, :, : 3 * d] = (1.0 - y) * dIFOGf[t, :, : 3 * d]",
    ),
    "g not squared": (
        ["activation-for-derivative"],
        "dIFOG[t, :, 3 * d :] = (1 - IFOGf[t, :, 3 * d :] ** 2) * dIFOGf[t, :, 3 * d :]",
        "dIFOG[t, :, 3 * d :] = (1 - IFOGf[t, :, 3 * d :]) * dIFOGf[t, :, 3 * d :]",
    ),
    "f for o": (
        ["gates-swapped|gate-factor"],
        "dC[t] += (1 - tanhCt**2) * (IFOGf[t, :, 2 * d : 3 * d] * dHout[t])",
        "dC[t] += (1 - tanhCt**2) * (IFOGf[t, :, d : 2 * d] * dHout[t])",
    ),
    "i carries the cell": (
        ["carry-wrong-gate"],
        "dC[t - 1] += IFOGf[t, :, d : 2 * d] * dC[t]",
        "dC[t - 1] += IFOGf[t, :, :d] * dC[t]",
    ),
    "loop over the batch": (
        ["batch-for-time|last-step-skipped"],
        "for t in reversed(range(n)):",
        "for t in reversed(range(b)):",
    ),
}
