"""An Elman network written from scratch, as many people write their first: the story that Retrograde began with.

    Z_t = X_t U + S_{t-1} W + B_state     S_t = f(Z_t)
    Z_out_t = S_t V + B_out               Out_t = g(Z_out_t)

Row vectors, batch x time x features. `States` is one step longer than the sequence: its last row holds the start
state, so that States[:, t - 1] is right for t = 0, too. The forward pass is right. The backward pass has two faults,
which its author did not see: `retrograde doctor` names both (see README.md).
"""

import numpy as np


class Tanh:
    @staticmethod
    def value(z):
        return np.tanh(z)

    @staticmethod
    def derivative(z):
        return 1 - np.tanh(z) ** 2


class Identity:
    @staticmethod
    def value(z):
        return z

    @staticmethod
    def derivative(z):
        return np.ones_like(z)


class SquaredError:
    @staticmethod
    def value(out, y):
        return 0.5 * np.sum((out - y) ** 2)

    @staticmethod
    def derivative(out, y):
        return out - y


class Elman:
    def __init__(self, inputs, hidden, outputs, *, return_sequences=True, activation=Tanh, output_activation=Identity,
                 loss=SquaredError, limit=None, seed=0):
        rng = np.random.default_rng(seed)
        self.U = rng.normal(0, 0.5, (inputs, hidden))
        self.W = rng.normal(0, 0.5, (hidden, hidden))
        self.V = rng.normal(0, 0.5, (hidden, outputs))
        self.B_state = rng.normal(0, 0.5, (1, hidden))
        self.B_out = rng.normal(0, 0.5, (1, outputs))
        self.return_sequences = return_sequences
        self.activation, self.output_activation, self.error = activation, output_activation, loss
        self.limit = limit  # of an output's window: how many steps its error goes back; None: all

    def feed_forward(self, X, cache=False):
        batch, steps, _ = X.shape
        Z_states = np.zeros((batch, steps, self.W.shape[0]))
        States = np.zeros((batch, steps + 1, self.W.shape[0]))
        Z_outs = np.zeros((batch, steps, self.V.shape[1]))
        for t in range(steps):
            Z_states[:, t] = X[:, t] @ self.U + States[:, t - 1] @ self.W + self.B_state
            States[:, t] = self.activation.value(Z_states[:, t])
            Z_outs[:, t] = States[:, t] @ self.V + self.B_out
        Outs = self.output_activation.value(Z_outs)
        if not self.return_sequences:
            Outs = Outs[:, -1:]
        return (Z_states, States, Z_outs, Outs) if cache else Outs

    def loss(self, X, Y):
        return self.error.value(self.feed_forward(X), Y)

    def backprop_through_time(self, X, Y):
        Z_states, States, Z_outs, Outs = self.feed_forward(X, cache=True)
        dU, dW, dV = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.V)
        dB_state, dB_out = np.zeros_like(self.B_state), np.zeros_like(self.B_out)
        seq_length = Y.shape[1]
        limit = X.shape[1] if self.limit is None else self.limit
        for k in range(seq_length):
            dZ_out = self.error.derivative(Outs[:, k], Y[:, k]) * self.output_activation.derivative(Z_outs[:, k])
            dV += States[:, k].T @ dZ_out
            dB_out += dZ_out.sum(axis=0, keepdims=True)
            dZ = (dZ_out @ self.V.T) * self.activation.derivative(Z_states[:, k])
            for t in range(k, max(-1, k - limit - 1), -1):
                dU += X[:, t].T @ dZ
                dW += States[:, t - 1].T @ dZ
                dB_state += dZ.sum(axis=0, keepdims=True)
                dZ = (dZ @ self.W.T) * self.activation.derivative(States[:, t - 1])
        return (dU, dW, dB_state), (dV, dB_out)
