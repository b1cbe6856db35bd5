"""Convex quadratic programs by the dual active-set method of Goldfarb and Idnani (1983). Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Constraints", "minimize_quadratic"]

_STEPS = 1000
_TOLERANCE = 1e-12


@dataclass
class Constraints:
    """`row @ x == value` for the first `equalities` rows, `row @ x >= value` for the others."""

    rows: Any
    values: Any
    equalities: int = 0


@dataclass
class _State:
    x: Any
    inverse: Any
    active: list[int] = field(default_factory=list)
    # Multiplier of each active constraint, and the side from which an equality is met.
    weights: list[float] = field(default_factory=list)
    signs: list[float] = field(default_factory=list)


def minimize_quadratic(quadratic: Any, constraints: Constraints) -> Any:
    """Minimize `x @ quadratic @ x / 2` under linear constraints.

    Args:
        quadratic: A symmetric matrix.
        constraints: What x must keep.

    Returns:
        x, or None: the matrix is not positive definite, or nothing keeps all constraints.
    """
    try:
        np.linalg.cholesky(quadratic)
    except np.linalg.LinAlgError:
        return None
    state = _State(np.zeros(len(quadratic)), np.linalg.inv(quadratic))
    for _ in range(_STEPS):
        found = _most_violated(state, constraints)
        if found is None:
            return state.x
        if not _meet(state, constraints, *found):
            return None
    return None


def _most_violated(state: _State, constraints: Constraints) -> tuple[int, float] | None:
    """The next constraint to meet, equalities first, and the side that it is violated from."""
    gaps = constraints.rows @ state.x - constraints.values
    scale = 1 + np.abs(constraints.values)
    for index in range(constraints.equalities):
        if index not in state.active:
            return index, -1.0 if gaps[index] > 0 else 1.0
    rest = (gaps / scale)[constraints.equalities :]
    if not len(rest) or rest.min() >= -_TOLERANCE:
        return None
    return constraints.equalities + int(np.argmin(rest)), 1.0


def _meet(state: _State, constraints: Constraints, index: int, sign: float) -> bool:
    """Move until a constraint holds, and drop those that stand in its way; False where it never can."""
    normal, value, weight = sign * constraints.rows[index], sign * constraints.values[index], 0.0
    while True:
        direction, shares = _directions(state, constraints, normal)
        blocked, at = _first_blocking(state, constraints, shares)
        power = float(direction @ normal)
        movable = power > _TOLERANCE * float(normal @ state.inverse @ normal)
        full = (value - float(normal @ state.x)) / power if movable else np.inf
        step = min(blocked, full)
        if not np.isfinite(step):
            # A second form of an equality that holds already adds nothing.
            return index < constraints.equalities and abs(value - float(normal @ state.x)) <= _TOLERANCE
        if movable:
            state.x = state.x + step * direction
        state.weights = [old - step * share for old, share in zip(state.weights, shares, strict=True)]
        weight += step
        if step == full:
            state.active.append(index)
            state.weights.append(weight)
            state.signs.append(sign)
            return True
        for part in (state.active, state.weights, state.signs):
            del part[at]


def _directions(state: _State, constraints: Constraints, normal: Any) -> tuple[Any, Any]:
    """Where x and the multipliers go when a constraint is pressed."""
    if not state.active:
        return state.inverse @ normal, np.zeros(0)
    normals = np.array(
        [sign * constraints.rows[index] for index, sign in zip(state.active, state.signs, strict=True)]
    ).T
    spread = state.inverse @ normals
    shares = np.linalg.solve(normals.T @ spread, spread.T @ normal)
    return state.inverse @ (normal - normals @ shares), shares


def _first_blocking(state: _State, constraints: Constraints, shares: Any) -> tuple[float, int]:
    """The step at which the multiplier of an inequality becomes 0, and its place; infinity where none does."""
    found = [
        (state.weights[at] / shares[at], at)
        for at, index in enumerate(state.active)
        if index >= constraints.equalities and shares[at] > _TOLERANCE
    ]
    return min(found, default=(np.inf, -1))
