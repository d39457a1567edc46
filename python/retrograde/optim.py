"""Optimisers, with PyTorch's formulas, names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from . import _core


@dataclass(frozen=True)
class Optimizer:
    """Base of the optimisers: a formula and its options.

    Raises:
        ValueError: an option is out of its range.
    """

    def __post_init__(self) -> None:
        _core.Optimizer64(self._method(), 0)  # says what is wrong with the options here, not in the first update

    def _method(self) -> _core.Method:
        raise TypeError("use rg.SGD, rg.RMSprop, rg.Adam or rg.AdamW")


@dataclass(frozen=True)
class SGD(Optimizer):
    """θ −= lr m, with m the gradient g or its running sum.

    Args:
        lr: the rate.
        momentum, dampening: m ← momentum m + (1 − dampening) g.
        nesterov: θ −= lr (g + momentum m).
        weight_decay: g += weight_decay θ.
    """

    lr: float = 1e-2
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def _method(self) -> _core.Method:
        return _core.sgd(self.lr, self.momentum, self.dampening, self.nesterov, self.weight_decay)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """θ −= lr g / (√v + eps), with v a running mean of g² (Tieleman & Hinton 2012).

    Args:
        lr: the rate.
        alpha, eps: v ← alpha v + (1 − alpha) g²; eps keeps the quotient finite.
        weight_decay: g += weight_decay θ.
        momentum: of the quotients.
        centered: the square of g's running mean is taken off v.
    """

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
    """θ −= lr m̂ / (√v̂ + eps), with m̂ and v̂ the unbiased running means of g and g² (Kingma & Ba 2015).

    Args:
        lr: the rate.
        betas: of the two means.
        eps: keeps the quotient finite.
        weight_decay: g += weight_decay θ.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    def _method(self) -> _core.Method:
        return _core.adam(self.lr, *self.betas, self.eps, self.weight_decay)


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    Args:
        lr, betas, eps: as in `Adam`.
        weight_decay: θ ← (1 − lr weight_decay) θ before Adam's step.
    """

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
