"""Recurrent networks whose gradients you can trust: train them, check them, and diagnose anybody's.

net = rg.LSTM(input_size=6, hidden_size=64).with_head(1)
y, state = net(x)
loss, gradients = net.loss_and_gradients(x, target, bptt=rg.window(reach=20))

print(rg.check(my_loss, my_gradient, my_params, (x, target)))
print(rg.doctor.method(my_rnn, "backprop_through_time", X, Y, params=["U", "V", "W"], loss=my_loss))
"""

from ._core import Bptt, DataError, FileError, Loss, UsageError, chunk, full, version, window
from .checking import check, doctor
from .interchange import from_keras, from_torch, to_keras, to_torch
from .network import GRU, LSTM, Elman, Gradients, Network, Tape
from .pt_file import read_pt
from .reports import CheckReport, Diagnosis

__version__ = version

__all__ = [
    "GRU",
    "LSTM",
    "Bptt",
    "CheckReport",
    "DataError",
    "Diagnosis",
    "Elman",
    "FileError",
    "Gradients",
    "Loss",
    "Network",
    "Tape",
    "UsageError",
    "__version__",
    "check",
    "chunk",
    "doctor",
    "from_keras",
    "from_torch",
    "full",
    "read_pt",
    "to_keras",
    "to_torch",
    "window",
]
