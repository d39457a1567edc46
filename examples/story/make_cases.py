"""Writes what the doctor is shown: every_step.npz (an output each step) and one_output.npz (one a sequence)."""

from pathlib import Path

import numpy as np
from network import Elman


def write(path, return_sequences):
    rng = np.random.default_rng(1)
    net = Elman(inputs=4, hidden=5, outputs=2, return_sequences=return_sequences)
    X = rng.normal(size=(3, 6, 4))
    Y = rng.normal(size=(3, 6 if return_sequences else 1, 2))
    (dU, dW, dB_state), (dV, dB_out) = net.backprop_through_time(X, Y)
    np.savez(path, U=net.U, W=net.W, V=net.V, B_state=net.B_state, B_out=net.B_out, X=X, Y=Y, loss=net.loss(X, Y),
             Outs=net.feed_forward(X), dU=dU, dW=dW, dV=dV, dB_state=dB_state, dB_out=dB_out)


if __name__ == "__main__":
    here = Path(__file__).parent
    write(here / "every_step.npz", return_sequences=True)
    write(here / "one_output.npz", return_sequences=False)
