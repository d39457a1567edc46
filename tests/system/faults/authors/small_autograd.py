"""An autograd in forty lines, in the manner of micrograd: the mistakes are in the closures of the operations."""

import numpy as np


class Tensor:
    def __init__(self, data, children=()):
        self.data = np.asarray(data, float)
        self.grad = np.zeros_like(self.data)
        self._prev = children
        self._backward = lambda: None

    def __matmul__(self, other):
        out = Tensor(self.data @ other.data, (self, other))

        def _backward():
            self.grad += out.grad @ other.data.T
            other.grad += self.data.T @ out.grad

        out._backward = _backward
        return out

    def __add__(self, other):
        out = Tensor(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad.sum(0) if other.grad.ndim < out.grad.ndim else out.grad

        out._backward = _backward
        return out

    def tanh(self):
        out = Tensor(np.tanh(self.data), (self,))

        def _backward():
            self.grad += (1 - out.data**2) * out.grad

        out._backward = _backward
        return out

    def mse(self, target):
        out = Tensor(((self.data - target) ** 2).mean(), (self,))

        def _backward():
            self.grad += 2 * (self.data - target) / target.size * out.grad

        out._backward = _backward
        return out

    def backward(self):
        topo, seen = [], set()

        def build(v):
            if id(v) not in seen:
                seen.add(id(v))
                for c in v._prev:
                    build(c)
                topo.append(v)

        build(self)
        self.grad = np.ones_like(self.data)
        for v in reversed(topo):
            v._backward()


def setup(rng):
    I, H, O, N, T = 3, 5, 2, 4, 5
    return dict(
        Wx=rng.normal(0, 0.5, (I, H)),
        Wh=rng.normal(0, 0.5, (H, H)),
        b=rng.normal(0, 0.3, H),
        Wo=rng.normal(0, 0.6, (H, O)),
        bo=rng.normal(0, 0.3, O),
    ), dict(x=rng.normal(0, 1, (N, T, I)), y=rng.normal(0, 1, (N, T, O)))


def loss_and_grads(P, B):
    p = {k: Tensor(v) for k, v in P.items()}
    h = Tensor(np.zeros((B["x"].shape[0], len(P["b"]))))
    loss = None
    T = B["x"].shape[1]
    for t in range(T):
        h = (Tensor(B["x"][:, t]) @ p["Wx"] + h @ p["Wh"] + p["b"]).tanh()
        l = (h @ p["Wo"] + p["bo"]).mse(B["y"][:, t])
        loss = l if loss is None else loss + l
    loss.backward()
    return float(loss.data), {"d" + k: v.grad for k, v in p.items()}


SLIPS = {
    "left grad assigned": (
        ["carry-dropped"],
        "self.grad += out.grad @ other.data.T",
        "self.grad = out.grad @ other.data.T",
    ),
    "right grad assigned": (
        ["last-step-only"],
        "other.grad += self.data.T @ out.grad",
        "other.grad = self.data.T @ out.grad",
    ),
    "square matrices not transposed": (
        ["recurrent-not-transposed"],
        "self.grad += out.grad @ other.data.T",
        "self.grad += out.grad @ (other.data if self.data.shape[1] == out.data.shape[1] else other.data.T)",
    ),
    "mean over rows": (
        ["batch-mean-or-sum|bias-reduced-wrongly"],
        "other.grad += out.grad.sum(0) if other.grad.ndim < out.grad.ndim else out.grad",
        "other.grad += out.grad.mean(0) if other.grad.ndim < out.grad.ndim else out.grad",
    ),
    "slope of the argument": (
        ["derivative-at-preactivation"],
        "self.grad += (1 - out.data**2) * out.grad",
        "self.grad += (1 - self.data**2) * out.grad",
    ),
    "no parentheses": (
        ["parenthesis"],
        "self.grad += (1 - out.data**2) * out.grad",
        "self.grad += 1 - out.data**2 * out.grad",
    ),
    "state detached": (
        ["carry-dropped|truncated"],
        'h = (Tensor(B["x"][:, t]) @ p["Wx"] + h @ p["Wh"] + p["b"]).tanh()',
        'h = (Tensor(B["x"][:, t]) @ p["Wx"] + Tensor(h.data) @ p["Wh"] + p["b"]).tanh()',
    ),
}
