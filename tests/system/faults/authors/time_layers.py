"""Layers with params and grads over whole sequences (embedding, RNN, affine, softmax with loss), in the
manner of K. Saito (2018)."""

import numpy as np


class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        t = np.dot(h_prev, Wh) + np.dot(x, Wx) + b
        h_next = np.tanh(t)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next**2)
        db = np.sum(dt, axis=0)
        dWh = np.dot(h_prev.T, dt)
        dh_prev = np.dot(dt, Wh.T)
        dWx = np.dot(x.T, dt)
        dx = np.dot(dt, Wx.T)
        self.grads[0][...] = dWx
        self.grads[1][...] = dWh
        self.grads[2][...] = db
        return dx, dh_prev


class TimeRNN:
    def __init__(self, Wx, Wh, b, h):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.h = h

    def forward(self, xs):
        N, T, D = xs.shape
        H = self.params[1].shape[0]
        self.layers = []
        hs = np.empty((N, T, H))
        for t in range(T):
            layer = RNN(*self.params)
            self.h = layer.forward(xs[:, t, :], self.h)
            hs[:, t, :] = self.h
            self.layers.append(layer)
        return hs

    def backward(self, dhs):
        Wx, Wh, b = self.params
        N, T, H = dhs.shape
        D, H = Wx.shape
        dxs = np.empty((N, T, D))
        dh = 0
        grads = [0, 0, 0]
        for t in reversed(range(T)):
            layer = self.layers[t]
            dx, dh = layer.backward(dhs[:, t, :] + dh)
            dxs[:, t, :] = dx
            for i, grad in enumerate(layer.grads):
                grads[i] += grad
        for i, grad in enumerate(grads):
            self.grads[i][...] = grad
        self.dh = dh
        return dxs


class TimeEmbedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]

    def forward(self, xs):
        self.xs = xs
        return self.params[0][xs]

    def backward(self, dout):
        N, T, D = dout.shape
        grad = 0
        for t in range(T):
            dW = np.zeros_like(self.params[0])
            np.add.at(dW, self.xs[:, t], dout[:, t, :])
            grad += dW
        self.grads[0][...] = grad


class TimeAffine:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        N, T, D = x.shape
        W, b = self.params
        self.x = x
        return (np.dot(x.reshape(N * T, -1), W) + b).reshape(N, T, -1)

    def backward(self, dout):
        x = self.x
        N, T, D = x.shape
        W, b = self.params
        dout = dout.reshape(N * T, -1)
        rx = x.reshape(N * T, -1)
        db = np.sum(dout, axis=0)
        dW = np.dot(rx.T, dout)
        dx = np.dot(dout, W.T)
        self.grads[0][...] = dW
        self.grads[1][...] = db
        return dx.reshape(*x.shape)


class TimeSoftmaxWithLoss:
    def forward(self, xs, ts):
        N, T, V = xs.shape
        xs = xs.reshape(N * T, V)
        ts = ts.reshape(N * T)
        ys = np.exp(xs - xs.max(axis=1, keepdims=True))
        ys /= ys.sum(axis=1, keepdims=True)
        self.cache = (ts, ys, (N, T, V))
        return -np.sum(np.log(ys[np.arange(N * T), ts])) / (N * T)

    def backward(self, dout=1):
        ts, ys, (N, T, V) = self.cache
        dx = ys
        dx[np.arange(N * T), ts] -= 1
        dx *= dout
        dx /= N * T
        return dx.reshape((N, T, V))


def setup(rng):
    V, D, H, N, T = 11, 4, 5, 3, 6
    xs = rng.integers(0, V, (N, T))
    ts = rng.integers(0, V, (N, T))
    return dict(
        embed_W=rng.normal(0, 0.6, (V, D)),
        rnn_Wx=rng.normal(0, 0.5, (D, H)),
        rnn_Wh=rng.normal(0, 0.5, (H, H)),
        rnn_b=rng.normal(0, 0.3, H),
        affine_W=rng.normal(0, 0.5, (H, V)),
        affine_b=rng.normal(0, 0.3, V),
    ), dict(xs=xs, ts=ts)


def loss_and_grads(P, B):
    layers = [
        TimeEmbedding(P["embed_W"]),
        TimeRNN(P["rnn_Wx"], P["rnn_Wh"], P["rnn_b"], np.zeros((B["xs"].shape[0], P["rnn_b"].size))),
        TimeAffine(P["affine_W"], P["affine_b"]),
    ]
    loss_layer = TimeSoftmaxWithLoss()
    x = B["xs"]
    for layer in layers:
        x = layer.forward(x)
    loss = loss_layer.forward(x, B["ts"])
    dout = loss_layer.backward()
    for layer in reversed(layers):
        dout = layer.backward(dout)
    return loss, {"d" + k: g for k, g in zip(P, [g for layer in layers for g in layer.grads])}


SLIPS = {
    "embedding's sum assigned": (
        ["last-step-only"],
        "grad += dW",
        "grad = dW",
    ),
    "+= on an index array": (
        ["repeated-tokens-lost"],
        "np.add.at(dW, self.xs[:, t], dout[:, t, :])",
        "dW[self.xs[:, t]] += dout[:, t, :]",
    ),
    "last dh at every step": (
        ["output-gradient-at-wrong-step"],
        "dx, dh = layer.backward(dhs[:, t, :] + dh)",
        "dx, dh = layer.backward(dhs[:, -1, :] + dh)",
    ),
    "grads assigned": (
        ["last-step-only"],
        "grads[i] += grad",
        "grads[i] = grad",
    ),
    "divided by N alone": (
        ["time-mean-or-sum|block-scaled"],
        "dx /= N * T",
        "dx /= N",
    ),
    "h_next for h_prev": (
        ["state-index-shifted"],
        "dWh = np.dot(h_prev.T, dt)",
        "dWh = np.dot(h_next.T, dt)",
    ),
    "dx before the slope": (
        ["derivative-missing"],
        "dx = np.dot(dt, Wx.T)",
        "dx = np.dot(dh_next, Wx.T)",
    ),
    "N alone + carry before the slope + embedding assigned": (
        ["derivative-missing", "time-mean-or-sum|block-scaled", "last-step-only"],
        "dh_prev = np.dot(dt, Wh.T)",
        "dh_prev = np.dot(dh_next, Wh.T)",
        "grad += dW",
        "grad = dW",
        "dx /= N * T",
        "dx /= N",
    ),
}
