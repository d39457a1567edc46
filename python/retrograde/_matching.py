"""Which of several arrays of one shape is which parameter's gradient, told by value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import _core
from ._problem import Array, Arrays, Assignment, Problem


def settle(problem: Problem, claims: Arrays, loss: Callable[[Array], float]) -> Arrays:
    """Where only the order tells gradients of one shape apart, puts those right that the loss can tell.

    The loss's slope along a random direction within a parameter, by differences, is compared with each candidate's. A
    candidate that agrees is that parameter's; the others stay in order. So a right gradient in another order is no
    mistake, and a wrong one is not hidden.
    """
    assignment = problem.assignment
    if assignment is None or not assignment.open:
        return claims
    leaf = dict(assignment.leaf)
    for mates, candidates in assignment.open:
        slopes = {name: _slope(problem, name, loss) for name in mates}
        agreeing: dict[str, int] = {}
        for name in mates:
            direction, slope, error = slopes[name]
            gaps = {
                i: abs(float(np.vdot(problem.leaves[i], direction)) - slope)
                for i in candidates
                if i not in agreeing.values() and problem.leaves[i].size == direction.size
            }
            fitting = [i for i, gap in gaps.items() if gap <= error]
            if len(fitting) == 1 or (fitting and leaf[name] in fitting):
                agreeing[name] = leaf[name] if leaf[name] in fitting else fitting[0]
        others = [i for i in candidates if i not in agreeing.values()]
        rest = iter([i for i in [leaf[n] for n in mates] + others if i in others])
        taken: set[int] = set()
        for name in mates:
            if name in agreeing:
                leaf[name] = agreeing[name]
                continue
            leaf[name] = next(i for i in rest if i not in taken)
            taken.add(leaf[name])
    problem.assignment = Assignment(leaf, [])
    return problem.picked()


def _slope(problem: Problem, name: str, loss: Callable[[Array], float]) -> tuple[Array, float, float]:
    """A random direction within a parameter, the loss's slope along it, and how far that can be trusted."""
    rng = np.random.default_rng(len(name))
    parts = [np.zeros(a.size) for a in problem.arrays.values()]
    direction = rng.standard_normal(problem.arrays[name].size)
    parts[problem.names.index(name)] = direction
    theta = np.concatenate([a.reshape(-1) for a in problem.arrays.values()]).astype(np.float64)
    value, error = _core.slope(loss, theta, np.concatenate(parts))
    return direction.reshape(problem.arrays[name].shape), value, 4 * error + 1e-6 * abs(value)
