"""Conditions whose answer may hang by a rounding: what is certain, what is possible, and where it is known at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Truth", "compare", "merge"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
_RELATIVE = 1e-6


@dataclass(frozen=True, eq=False)
class Truth:
    """One answer per bar: certainly true, possibly true, known."""

    certain: Bools
    possible: Bools
    known: Bools

    def both(self, other: Truth) -> Truth:
        """Return `and`; a side that is certainly false settles it."""
        certain, possible = self.certain & other.certain, self.possible & other.possible
        settled = (self.known & ~self.possible) | (other.known & ~other.possible)
        return Truth(certain, possible, (self.known & other.known) | settled)

    def either(self, other: Truth) -> Truth:
        """Return `or`; a side that is certainly true settles it."""
        certain, possible = self.certain | other.certain, self.possible | other.possible
        return Truth(certain, possible, (self.known & other.known) | self.certain | other.certain)

    def inverted(self) -> Truth:
        """Return `not`."""
        return Truth(~self.possible & self.known, ~self.certain & self.known, self.known)


def compare(operator: str, left: Floats, right: Floats, *, slack: float | None) -> Truth:
    """Compare two series.

    Args:
        operator: One of `< <= > >= == !=`.
        left: One side; NaN is not known.
        right: The other.
        slack: Values nearer than this (absolute, besides one in a million) may fall either way; None is exact.
    """
    known = ~(np.isnan(left) | np.isnan(right))
    with np.errstate(invalid="ignore"):
        exact = _exact(operator, left, right) & known
        if slack is None:
            return Truth(exact, exact, known)
        near = known & (np.abs(left - right) <= _RELATIVE * np.maximum(np.abs(left), np.abs(right)) + slack)
        # What is equal to the last digit is the same value found twice, such as a low that is the lowest of its window.
        hanging = near & (left != right)
    if operator in ("==", "!="):
        truth = near if operator == "==" else known & ~near
        return Truth(truth, truth, known)
    return Truth(exact & ~hanging, exact | hanging, known)


def _exact(operator: str, left: Floats, right: Floats) -> Bools:
    functions = {
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
        "==": np.equal,
        "!=": np.not_equal,
    }
    return np.asarray(functions[operator](left, right), dtype=np.bool_)


def merge(answers: Sequence[Truth]) -> Truth:
    """Return what all fair ways to compute a condition agree on (certain), and what any of them allows (possible)."""
    certain = np.logical_and.reduce([answer.certain & answer.known for answer in answers])
    possible = np.logical_or.reduce([answer.possible & answer.known for answer in answers])
    return Truth(certain, possible, np.logical_or.reduce([answer.known for answer in answers]))
