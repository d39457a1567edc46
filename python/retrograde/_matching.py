"""Which of several arrays of one shape is which parameter's gradient, told by value."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np

from . import _core
from ._arrays import Array, Arrays
from ._assignment import Assignment
from ._problem import Problem


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
    agreeing = {
        name: i
        for mates, candidates in assignment.open
        for name, i in _agreeing(problem, mates, candidates, loss).items()
    }
    together = orders(assignment, agreeing)
    if together:
        problem.orders = together
        leaf.update(together[0])
    else:
        for mates, candidates in assignment.open:
            rest = [i for i in [leaf[n] for n in mates] + candidates if i not in agreeing.values()]
            rest = list(dict.fromkeys(rest))
            for name in mates:
                leaf[name] = agreeing[name] if name in agreeing else rest.pop(0)
    problem.assignment = Assignment(leaf, [])
    return problem.picked()


def orders(assignment: Assignment, agreeing: dict[str, int]) -> list[dict[str, int]]:
    """The ways in which gates that come without names may be ordered: as many arrays of every shape as there are
    gates, all in one order, and those that agree where they belong. The order given comes first."""
    counts = {len(names) for names, _ in assignment.open} | {len(found) for _, found in assignment.open}
    if len(counts) != 1 or max(counts) > 4:
        return []
    found = []
    for order in permutations(range(max(counts))):
        leaf = {
            name: candidates[k] for mates, candidates in assignment.open for name, k in zip(mates, order, strict=True)
        }
        if all(leaf[name] == i for name, i in agreeing.items()):
            found.append(leaf)
    return found


def _agreeing(
    problem: Problem, mates: list[str], candidates: list[int], loss: Callable[[Array], float]
) -> dict[str, int]:
    """The candidates that the loss's slopes show to be right, by parameter."""
    assert problem.assignment is not None
    leaf = problem.assignment.leaf
    found: dict[str, int] = {}
    for name in mates:
        direction, slope, error = _slope(problem, name, loss)
        fitting = [
            i
            for i in candidates
            if i not in found.values()
            and problem.leaves[i].size == direction.size
            and abs(float(np.vdot(problem.leaves[i], direction)) - slope) <= error
        ]
        if len(fitting) == 1 or (fitting and leaf[name] in fitting):
            found[name] = leaf[name] if leaf[name] in fitting else fitting[0]
    return found


def _slope(problem: Problem, name: str, loss: Callable[[Array], float]) -> tuple[Array, float, float]:
    """A random direction within a parameter, the loss's slope along it, and how far that can be trusted."""
    rng = np.random.default_rng(len(name))
    parts = [np.zeros(a.size) for a in problem.arrays.values()]
    direction = rng.standard_normal(problem.arrays[name].size)
    parts[problem.names.index(name)] = direction
    theta = np.concatenate([a.reshape(-1) for a in problem.arrays.values()]).astype(np.float64)
    value, error = _core.slope(loss, theta, np.concatenate(parts))
    return direction.reshape(problem.arrays[name].shape), value, 4 * error + 1e-6 * abs(value)
