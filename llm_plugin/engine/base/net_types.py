"""Classes of .NET and of LEAN's utilities that algorithms make themselves."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable
from typing import Any

from llm_plugin.engine.base.events import EventHandler
from llm_plugin.engine.base.names import LeanObject

__all__ = ["CircularQueue", "Math", "Random"]

_BIG = 2147483647
_SEED = 161803398


class Random(LeanObject):
    """.NET's random numbers for a seed (Knuth's subtractive generator), so that runs are the same as LEAN's.

    Args:
        seed: Of the sequence; without one, no two sequences are alike.
    """

    def __init__(self, seed: int | None = None) -> None:
        given = int.from_bytes(os.urandom(4), "little") & _BIG if seed is None else int(seed)
        state = [0] * 56
        first = state[55] = _SEED - min(abs(given), _BIG)
        second, place = 1, 0
        for _ in range(1, 55):
            place = (place + 21) % 55
            state[place] = second
            second = first - second
            if second < 0:
                second += _BIG
            first = state[place]
        for _ in range(4):
            for i in range(1, 56):
                state[i] -= state[1 + (i + 30) % 55]
                if state[i] < 0:
                    state[i] += _BIG
        self._state, self._next, self._other = state, 0, 21

    def next(self, *bounds: int) -> int:
        """`()`, `(below)` or `(from, below)`: a whole number."""
        if not bounds:
            return self._sample()
        low, high = (0, *bounds)[-2:]
        if high < low:
            raise ValueError(f"Random.next: the upper bound {high} is below the lower bound {low}")
        return int(self.next_double() * (int(high) - int(low))) + int(low)

    def next_double(self) -> float:
        """Return a number in [0, 1)."""
        return self._sample() * (1.0 / _BIG)

    def _sample(self) -> int:
        self._next = self._next % 55 + 1
        self._other = self._other % 55 + 1
        value = self._state[self._next] - self._state[self._other]
        if value == _BIG:
            value -= 1
        if value < 0:
            value += _BIG
        self._state[self._next] = value
        return value


class Math(LeanObject):
    """.NET's functions of numbers; `round` goes to the even neighbour."""

    PI = math.pi
    E = math.e
    TAU = Tau = math.tau

    abs, max, min, pow = staticmethod(abs), staticmethod(max), staticmethod(min), staticmethod(math.pow)
    sin, cos, tan = staticmethod(math.sin), staticmethod(math.cos), staticmethod(math.tan)
    asin, acos, atan, atan2 = (staticmethod(f) for f in (math.asin, math.acos, math.atan, math.atan2))
    sinh, cosh, tanh = staticmethod(math.sinh), staticmethod(math.cosh), staticmethod(math.tanh)
    sqrt, cbrt, exp, log10 = (staticmethod(f) for f in (math.sqrt, math.cbrt, math.exp, math.log10))

    @staticmethod
    def log(value: float, base: float | None = None) -> float:
        """Return the natural logarithm, or that of a base; negative infinity of 0."""
        if value == 0:
            return -math.inf
        return math.log(value) if base is None else math.log(value) / math.log(base)

    @staticmethod
    def floor(value: float) -> float:
        """Return the whole number below."""
        return float(math.floor(value))

    @staticmethod
    def ceiling(value: float) -> float:
        """Return the whole number above."""
        return float(math.ceil(value))

    @staticmethod
    def truncate(value: float) -> float:
        """Return the value without its fraction."""
        return float(math.trunc(value))

    @staticmethod
    def round(value: float, digits: int = 0) -> float:
        """Return the value rounded to some decimals, halves to even."""
        scale = 10.0**digits
        return round(value * scale) / scale

    @staticmethod
    def sign(value: float) -> int:
        """Return -1, 0 or 1."""
        return (value > 0) - (value < 0)

    @staticmethod
    def clamp(value: float, low: float, high: float) -> float:
        """Return the value, or the bound that it lies beyond."""
        return min(max(value, low), high)


class CircularQueue(LeanObject):
    """Hands its items out in turn, again and again.

    Args:
        items: Of the circle, as one collection or one by one; `circle_completed` fires with each first item.
    """

    def __init__(self, *items: Any) -> None:
        alone = len(items) == 1 and isinstance(items[0], Iterable) and not isinstance(items[0], str)
        self._items = deque(items[0] if alone else items)
        self._head = self._items[0] if self._items else None
        self.circle_completed = EventHandler()

    def __class_getitem__(cls, kind: Any) -> type:
        """`CircularQueue[OrderType]` is the same class."""
        return cls

    def dequeue(self) -> Any:
        """Return the next item; it goes to the end of the queue.

        Raises:
            IndexError: The queue has none.
        """
        if not self._items:
            raise IndexError("CircularQueue.dequeue: the queue has no items")
        item = self._items[0]
        if item == self._head:
            self.circle_completed(self, None)
        self._items.rotate(-1)
        return item
