#!/usr/bin/env python3
"""Writes tests/train/golden.h: chunked training with carried state and clipping, by PyTorch in double.

An LSTM 2 -> 3 -> head 2 reads 3 sequences of 11 steps twice: chunks of 4 steps, squared error, the state carried over
the cuts and from the first reading to the second, the gradient cut, its norm clipped to 0.5, one update a chunk by
Adam. Parameters and data are sines, so that the test writes them down as briefly as this script.
Needs torch; run it as  python tools/golden_train.py > tests/train/golden.h
"""

from __future__ import annotations

import torch

BATCH, STEPS, INPUTS, HIDDEN, OUTPUTS, CHUNK = 3, 11, 2, 3, 2, 4


def sines(shape: tuple[int, ...], scale: float, rate: float) -> torch.Tensor:
    count = int(torch.tensor(shape).prod())
    return scale * torch.sin(rate * torch.arange(1, count + 1, dtype=torch.float64)).reshape(shape)


def literals(values: list[float]) -> str:
    return "{" + ", ".join(repr(v) for v in values) + "}"


def main() -> None:
    torch.set_default_dtype(torch.float64)
    rnn = torch.nn.LSTM(INPUTS, HIDDEN, batch_first=True)
    head = torch.nn.Linear(HIDDEN, OUTPUTS)
    parameters = [*rnn.parameters(), *head.parameters()]
    at = 0
    count = sum(p.numel() for p in parameters)
    start = sines((count,), 0.6, 1.3)
    for p in parameters:
        p.data = start[at : at + p.numel()].reshape(p.shape).clone()
        at += p.numel()
    x = sines((BATCH, STEPS, INPUTS), 1.0, 0.7)
    y = sines((BATCH, STEPS, OUTPUTS), 0.8, 0.4)

    optimizer = torch.optim.Adam(parameters, lr=0.05)
    losses, norms, state = [], [], None
    for _ in range(2):
        for first in range(0, STEPS, CHUNK):
            out, state = rnn(x[:, first : first + CHUNK], state)
            state = tuple(s.detach() for s in state)
            loss = torch.nn.functional.mse_loss(head(out), y[:, first : first + CHUNK])
            optimizer.zero_grad()
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(parameters, 0.5).item())
            optimizer.step()
            losses.append(loss.item())

    print(f"// Written by tools/golden_train.py with PyTorch {torch.__version__.split('+')[0]}. Do not edit.")
    print("// clang-format off\n#pragma once\n\n#include <vector>\n")
    print("namespace retrograde::golden {\n")
    print(f"inline const std::vector<double> kLosses = {literals(losses)};  // one a chunk")
    print(f"inline const std::vector<double> kNorms = {literals(norms)};")
    trained = torch.cat([p.data.reshape(-1) for p in parameters]).tolist()
    print(f"inline const std::vector<double> kTrained = {literals(trained)};\n")
    print("}  // namespace retrograde::golden")


if __name__ == "__main__":
    main()
