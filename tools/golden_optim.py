#!/usr/bin/env python3
"""Writes tests/optim/golden.h: ten updates by PyTorch's optimisers, clipping and schedules, in double.

The loss is 1/2 sum(a (theta - c)^2) + sum(sin(3 theta)): its gradient is cheap to write twice, changes sign and never
settles in ten steps. Needs torch; run it as  python tools/golden_optim.py > tests/optim/golden.h
"""

from __future__ import annotations

import torch

STEPS = 10
START = torch.tensor([0.9, -1.3, 0.05, 2.2, -0.4], dtype=torch.float64)
SCALE = torch.tensor([3.0, 0.7, 1.9, 0.2, 5.0], dtype=torch.float64)
CENTRE = torch.tensor([-0.5, 0.8, 1.1, -2.0, 0.3], dtype=torch.float64)

METHODS = {
    "Sgd{.rate = 0.05}": lambda p: torch.optim.SGD(p, lr=0.05),
    "Sgd{.rate = 0.05, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.1}": lambda p: torch.optim.SGD(
        p, lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.1
    ),
    "Sgd{.rate = 0.03, .momentum = 0.8, .nesterov = true, .weight_decay = 0.02}": lambda p: torch.optim.SGD(
        p, lr=0.03, momentum=0.8, nesterov=True, weight_decay=0.02
    ),
    "RmsProp{}": lambda p: torch.optim.RMSprop(p),
    "RmsProp{.rate = 0.02, .alpha = 0.9, .eps = 1e-3, .momentum = 0.7, .centered = true, .weight_decay = 0.05}": (
        lambda p: torch.optim.RMSprop(
            p, lr=0.02, alpha=0.9, eps=1e-3, momentum=0.7, centered=True, weight_decay=0.05
        )
    ),
    "RmsProp{.rate = 0.02, .momentum = 0.5}": lambda p: torch.optim.RMSprop(p, lr=0.02, momentum=0.5),
    "RmsProp{.rate = 0.02, .centered = true}": lambda p: torch.optim.RMSprop(p, lr=0.02, centered=True),
    "Adam{}": lambda p: torch.optim.Adam(p),
    "Adam{.rate = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1}": lambda p: torch.optim.Adam(
        p, lr=0.1, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1
    ),
    "AdamW{}": lambda p: torch.optim.AdamW(p),
    "AdamW{.rate = 0.1, .beta1 = 0.7, .beta2 = 0.99, .weight_decay = 0.3}": lambda p: torch.optim.AdamW(
        p, lr=0.1, betas=(0.7, 0.99), weight_decay=0.3
    ),
}


def gradient(theta: torch.Tensor) -> torch.Tensor:
    return SCALE * (theta - CENTRE) + 3 * torch.cos(3 * theta)


def literals(values: list[float]) -> str:
    return "{" + ", ".join(repr(v) for v in values) + "}"


def trajectory(make) -> list[float]:
    theta = START.clone().requires_grad_()
    optimizer = make([theta])
    for _ in range(STEPS):
        theta.grad = gradient(theta.detach())
        optimizer.step()
    return theta.detach().tolist()


def clipped() -> tuple[float, list[float], list[float]]:
    theta = START.clone().requires_grad_()
    theta.grad = gradient(theta.detach())
    by_value = theta.grad.clone()
    length = torch.nn.utils.clip_grad_norm_([theta], 1.5).item()
    by_norm = theta.grad.tolist()
    theta.grad = by_value
    torch.nn.utils.clip_grad_value_([theta], 1.5)
    return length, by_norm, theta.grad.tolist()


def rates(schedule) -> list[float]:
    theta = START.clone().requires_grad_()
    optimizer = torch.optim.SGD([theta], lr=1.0)
    scheduler = schedule(optimizer)
    seen = []
    for _ in range(STEPS):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def warm(optimizer: torch.optim.Optimizer, warmup: int, decay) -> torch.optim.lr_scheduler.LRScheduler:
    from torch.optim.lr_scheduler import LinearLR, SequentialLR

    rise = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    return SequentialLR(optimizer, [rise, decay], milestones=[warmup])


SCHEDULES = {
    "Schedule{.decay = StepDecay{.every = 3, .factor = 0.5}}": lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5),
    "Schedule{.decay = Cosine{.over = 10, .floor = 0.1}}": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(
        o, 10, 0.1
    ),
    "Schedule{.decay = StepDecay{.every = 2, .factor = 0.3}, .warmup = 4}": lambda o: warm(
        o, 4, torch.optim.lr_scheduler.StepLR(o, 2, 0.3)
    ),
}

PLATEAU_LOSSES = [3.0, 2.0, 1.9999, 2.0, 2.1, 1.5, 1.6, 1.7, 1.8, 1.9, 1.9, 1.9, 1.9, 1.0, 1.2, 1.2, 1.2]


def plateau() -> list[float]:
    theta = START.clone().requires_grad_()
    optimizer = torch.optim.SGD([theta], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.2, patience=2, cooldown=1)
    seen = []
    for loss in PLATEAU_LOSSES:
        scheduler.step(loss)
        seen.append(optimizer.param_groups[0]["lr"])
    return seen


def main() -> None:
    length, by_norm, by_value = clipped()
    print(f"// Written by tools/golden_optim.py with PyTorch {torch.__version__.split('+')[0]}. Do not edit.")
    print("// clang-format off\n#pragma once\n\n#include <vector>\n")
    print('#include "retrograde/optim/optimizer.h"\n#include "retrograde/optim/schedule.h"\n')
    print("namespace retrograde::golden {\n")
    print("using Values = std::vector<double>;\n")
    print(f"inline const Values kStart = {literals(START.tolist())};")
    print(f"inline const Values kScale = {literals(SCALE.tolist())};")
    print(f"inline const Values kCentre = {literals(CENTRE.tolist())};\n")
    print("struct Trajectory { Method method; Values after_ten; };")
    print("inline const std::vector<Trajectory> kTrajectories = {")
    for method, make in METHODS.items():
        print(f"    {{{method},\n     {literals(trajectory(make))}}},")
    print("};\n")
    print(f"inline constexpr double kNorm = {length!r};")
    print(f"inline const Values kClippedByNorm = {literals(by_norm)};")
    print(f"inline const Values kClippedByValue = {literals(by_value)};\n")
    print("struct Rates { Schedule schedule; Values rates; };")
    print("inline const std::vector<Rates> kRates = {")
    for schedule, make in SCHEDULES.items():
        print(f"    {{{schedule},\n     {literals(rates(make))}}},")
    print("};\n")
    print(f"inline const Values kPlateauLosses = {literals(PLATEAU_LOSSES)};")
    print(f"inline const Values kPlateauRates = {literals(plateau())};\n")
    print("}  // namespace retrograde::golden")


if __name__ == "__main__":
    main()
