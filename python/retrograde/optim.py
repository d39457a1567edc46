"""Optimisers, with PyTorch's formulas, names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from . import _core


@dataclass(frozen=True)
class Optimizer:
    """Base of the optimisers: a formula and its options."""

    def _method(self) -> _core.Method:
        raise TypeError("use rg.SGD, rg.RMSprop, rg.Adam or rg.AdamW")


@dataclass(frozen=True)
class SGD(Optimizer):
    """θ −= lr m, with m the gradient or its running sum (momentum); `nesterov` looks ahead."""

    lr: float = 1e-2
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def _method(self) -> _core.Method:
        return _core.sgd(self.lr, self.momentum, self.dampening, self.nesterov, self.weight_decay)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """θ −= lr g / (√v + eps), with v a running mean of g²; `centered` subtracts the mean of g."""

    lr: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False

    def _method(self) -> _core.Method:
        return _core.rmsprop(self.lr, self.alpha, self.eps, self.momentum, self.centered, self.weight_decay)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Kingma & Ba 2015."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    def _method(self) -> _core.Method:
        return _core.adam(self.lr, *self.betas, self.eps, self.weight_decay)


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 1e-2

    def _method(self) -> _core.Method:
        return _core.adamw(self.lr, *self.betas, self.eps, self.weight_decay)


_NAMED: dict[str, type[Optimizer]] = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW}


def as_method(optimizer: Optimizer | str) -> _core.Method:
    """An optimiser, or the name of one with its defaults."""
    if isinstance(optimizer, str):
        if optimizer not in _NAMED:
            raise ValueError(f"there is no optimizer {optimizer!r}; there are {', '.join(_NAMED)}")
        optimizer = _NAMED[optimizer]()
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer is {optimizer!r}; give rg.SGD, rg.RMSprop, rg.Adam or rg.AdamW")
    return optimizer._method()
