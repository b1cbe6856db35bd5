"""Where the newest value stands among the last ones: a window kept sorted, so that a rank is one search."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import Any

__all__ = ["RollingRank"]

_NAN = math.nan


class RollingRank:
    """Share of the last `length` values that are smaller than the newest one; NaN values are not known and not kept.

    Args:
        length: Values in the window.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.values: list[float] = []
        self._sorted: list[float] = []

    def update(self, value: float) -> float:
        """Take a value and return its rank in [0, 1), NaN until the window is full."""
        if value != value:
            return _NAN
        values, ordered = self.values, self._sorted
        values.append(value)
        insort(ordered, value)
        if len(values) > self.length:
            del ordered[bisect_left(ordered, values[0])], values[0]
        return bisect_left(ordered, value) / self.length if len(values) == self.length else _NAN

    def state_dict(self) -> dict[str, Any]:
        """Return the window."""
        return {"values": list(self.values)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the window."""
        self.values = [float(value) for value in state["values"]]
        self._sorted = sorted(self.values)
