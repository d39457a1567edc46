"""Layers as objects with forward and backward, a learned start state, binary cross entropy, in the manner of
P. Roelants (2015)."""

import numpy as np


class TensorLinear(object):
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, X):
        return np.tensordot(X, self.W, axes=((-1), (0))) + self.b

    def backward(self, X, gY):
        gB = np.sum(gY, axis=(0, 1))
        gW = np.tensordot(X, gY, axes=((0, 1), (0, 1)))
        gX = np.tensordot(gY, self.W.T, axes=((-1), (0)))
        return gX, gW, gB


class LogisticClassifier(object):
    def forward(self, X):
        return 1.0 / (1.0 + np.exp(-X))

    def backward(self, Y, T):
        return (Y - T) / (Y.shape[0] * Y.shape[1])

    def loss(self, Y, T):
        return -np.mean((T * np.log(Y)) + ((1 - T) * np.log(1 - Y)))


class TanH(object):
    def forward(self, X):
        return np.tanh(X)

    def backward(self, Y, output_grad):
        gTanh = 1.0 - (Y**2)
        return gTanh * output_grad


class RecurrentStateUpdate(object):
    def __init__(self, W, b):
        self.linear, self.tanh = (W, b), TanH()

    def forward(self, Xk, Sk):
        return self.tanh.forward(Xk + np.dot(Sk, self.linear[0]) + self.linear[1])

    def backward(self, Sk0, Sk1, output_grad):
        gZ = self.tanh.backward(Sk1, output_grad)
        gSk0 = np.dot(gZ, self.linear[0].T)
        gW = np.dot(Sk0.T, gZ)
        gB = np.sum(gZ, axis=0)
        return gZ, gSk0, gW, gB


class RecurrentStateUnfold(object):
    def __init__(self, nbTimesteps, S0, W, b):
        self.S0, self.n, self.stateUpdate = S0, nbTimesteps, RecurrentStateUpdate(W, b)

    def forward(self, X):
        S = np.zeros((X.shape[0], X.shape[1] + 1, self.S0.shape[0]))
        S[:, 0, :] = self.S0
        for k in range(self.n):
            S[:, k + 1, :] = self.stateUpdate.forward(X[:, k, :], S[:, k, :])
        return S

    def backward(self, X, S, gY):
        gSk = np.zeros_like(gY[:, self.n - 1, :])
        gZ = np.zeros_like(X)
        gWSum = np.zeros_like(self.stateUpdate.linear[0])
        gBSum = np.zeros_like(self.S0)
        for k in range(self.n - 1, -1, -1):
            gSk += gY[:, k, :]
            gZ[:, k, :], gSk, gW, gB = self.stateUpdate.backward(S[:, k, :], S[:, k + 1, :], gSk)
            gWSum += gW
            gBSum += gB
        gS0 = np.sum(gSk, axis=0)
        return gZ, gWSum, gBSum, gS0


def setup(rng):
    H = 4
    X = np.around(rng.random((9, 6, 2)))
    T = np.around(rng.random((9, 6, 1)))
    # the input layer has a bias of its own
    return dict(
        W_in=rng.normal(0, 0.7, (2, H)),
        b_in=rng.normal(0, 0.3, H),
        W=rng.normal(0, 0.6, (H, H)),
        b=rng.normal(0, 0.3, H),
        S0=rng.normal(0, 0.4, H),
        W_out=rng.normal(0, 0.7, (H, 1)),
        b_out=rng.normal(0, 0.3, 1),
    ), dict(X=X, T=T)


def loss_and_grads(P, B):
    X, T = B["X"], B["T"]
    tin, unfold, tout, cl = (
        TensorLinear(P["W_in"], P["b_in"]),
        RecurrentStateUnfold(X.shape[1], P["S0"], P["W"], P["b"]),
        TensorLinear(P["W_out"], P["b_out"]),
        LogisticClassifier(),
    )
    recIn = tin.forward(X)
    S = unfold.forward(recIn)
    Y = cl.forward(tout.forward(S[:, 1:, :]))
    gZ = cl.backward(Y, T)
    gRecOut, gWout, gBout = tout.backward(S[:, 1:, :], gZ)
    gRnnIn, gWrec, gBrec, gS0 = unfold.backward(recIn, S, gRecOut)
    gX, gWin, gBin = tin.backward(X, gRnnIn)
    return cl.loss(Y, T), dict(dW_in=gWin, db_in=gBin, dW=gWrec, db=gBrec, dS0=gS0, dW_out=gWout, db_out=gBout)


SLIPS = {
    "mean over the batch alone": (
        ["time-mean-or-sum|block-scaled"],
        "return (Y - T) / (Y.shape[0] * Y.shape[1])",
        "return (Y - T) / Y.shape[0]",
    ),
    "start state's mean": (
        ["batch-mean-or-sum|initial-state-gradient-wrong"],
        "gS0 = np.sum(gSk, axis=0)",
        "gS0 = np.mean(gSk, axis=0)",
    ),
    "gSk assigned": (
        ["carry-dropped"],
        "gSk += gY[:, k, :]",
        "gSk = gY[:, k, :]",
    ),
    "head sees the state before": (
        ["state-index-shifted"],
        "gRecOut, gWout, gBout = tout.backward(S[:, 1:, :], gZ)",
        "gRecOut, gWout, gBout = tout.backward(S[:, :-1, :], gZ)",
    ),
    "carry before the slope": (
        ["derivative-missing"],
        "gSk0 = np.dot(gZ, self.linear[0].T)",
        "gSk0 = np.dot(output_grad, self.linear[0].T)",
    ),
    "sigmoid' once more": (
        ["double-activation|loss-and-gradient-disagree"],
        "return (Y - T) / (Y.shape[0] * Y.shape[1])",
        "return (Y - T) * Y * (1 - Y) / (Y.shape[0] * Y.shape[1])",
    ),
    "bias before the slope + gW assigned": (
        ["last-step-only", "derivative-missing"],
        "gB = np.sum(gZ, axis=0)",
        "gB = np.sum(output_grad, axis=0)",
        "gWSum += gW",
        "gWSum = gW",
    ),
}
