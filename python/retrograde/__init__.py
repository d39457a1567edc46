"""Recurrent networks whose gradients you can trust: train them, check them, and diagnose anybody's.

net = rg.LSTM(input_size=6, hidden_size=64).with_head(1)
y, state = net(x)
loss, gradients = net.loss_and_gradients(x, target, bptt=rg.window(reach=20))

print(rg.check(my_loss, my_gradient, my_params, (x, target)))
print(rg.doctor.method(my_rnn, "backprop_through_time", X, Y, params=["U", "V", "W"], loss=my_loss))
"""

from ._core import Bptt, DataError, FileError, Loss, SelfTestError, UsageError, chunk, full, version, window
from .cells import GRU, LSTM, Elman
from .checking import check
from .diagnosing import doctor
from .files import load, load_with_preprocess, save
from .history import History
from .interchange import from_keras, from_torch, to_keras, to_torch
from .network import Network
from .optim import SGD, Adam, AdamW, RMSprop
from .pt_file import read_pt
from .reports import CheckReport, Diagnosis
from .results import Gradients, Tape
from .training import Step, Trainer
from .truncation import BiasReport, truncation_bias

__version__ = version

__all__ = [
    "GRU",
    "LSTM",
    "SGD",
    "Adam",
    "AdamW",
    "BiasReport",
    "Bptt",
    "CheckReport",
    "DataError",
    "Diagnosis",
    "Elman",
    "FileError",
    "Gradients",
    "History",
    "Loss",
    "Network",
    "RMSprop",
    "SelfTestError",
    "Step",
    "Tape",
    "Trainer",
    "UsageError",
    "__version__",
    "check",
    "chunk",
    "doctor",
    "from_keras",
    "from_torch",
    "full",
    "load",
    "load_with_preprocess",
    "read_pt",
    "save",
    "to_keras",
    "to_torch",
    "truncation_bias",
    "window",
]
