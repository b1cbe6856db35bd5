"""What all indicators share: updating, readiness, the window of past values and the `updated` event."""

from __future__ import annotations

import functools
import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from llm_plugin.engine.base.events import EventHandler
from llm_plugin.engine.base.names import LeanObject, snake
from llm_plugin.engine.indicators.points import (
    MIN_TIME,
    IndicatorDataPoint,
    IndicatorResult,
    IndicatorStatus,
    point_of,
)
from llm_plugin.engine.indicators.window import RollingWindow

__all__ = [
    "BarIndicator",
    "IndicatorBase",
    "IndicatorDataPoint",
    "IndicatorResult",
    "IndicatorStatus",
    "Output",
    "PointIndicator",
    "named",
]

_log = logging.getLogger(__name__)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(getattr(value, "name", value))


def named(template: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a constructor LEAN's two forms: `X(name, ...)` and `X(...)`, whose name follows `template`."""

    def decorate(init: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(init)

        @functools.wraps(init)
        def constructor(self: IndicatorBase, *args: Any, **kwargs: Any) -> None:
            given = {snake(key): value for key, value in kwargs.items()}
            name = given.pop("name", None)
            if name is None and args and (args[0] is None or isinstance(args[0], str)):
                name, args = args[0], args[1:]
            bound = signature.bind(self, *args, **given)
            bound.apply_defaults()
            if name is None:
                name = template.format(**{key: _text(value) for key, value in bound.arguments.items() if key != "self"})
            IndicatorBase.__init__(self, name)
            init(*bound.args, **bound.kwargs)

        return constructor

    return decorate


class _PointWindow(RollingWindow):
    """The window of an indicator; points are made when they are read, not on every update."""

    def __init__(self, owner: IndicatorBase) -> None:
        self._owner = owner

    @property
    def _points(self) -> deque[tuple[datetime, float]]:
        return self._owner._points

    def _point(self, at: int) -> IndicatorDataPoint:
        return IndicatorDataPoint(self._owner.symbol, *self._points[at])

    @property
    def size(self) -> int:
        """How many values fit."""
        return self._points.maxlen or 0

    @size.setter
    def size(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"RollingWindow must have a size of at least 1, not {size}")
        self._owner._points = deque(list(self._points)[: int(size)], maxlen=int(size))

    @property
    def count(self) -> int:
        """How many values are held."""
        return len(self._points)

    @property
    def samples(self) -> int:
        """How many values were ever added, the zero before the first update included."""
        return self._owner._produced

    @property
    def is_ready(self) -> bool:
        """Whether at least `size` values were added."""
        return self._owner._produced >= self.size

    @property
    def most_recently_removed(self) -> Any:
        """Not kept for an indicator's own window."""
        raise ValueError("An indicator's window does not keep removed items; use a RollingWindow of your own")

    def add(self, item: Any) -> None:
        """Add a point by hand."""
        self._points.appendleft((item.end_time, float(item.value)))
        self._owner._produced += 1

    def reset(self) -> None:
        """Forget the points."""
        self._points.clear()
        self._owner._produced = 0

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return list(self)[index]
        held, size = len(self._points), self.size
        if index < 0:
            if size + index < 0:
                raise IndexError(f"Index {index} is outside of the window's size {size}")
            index += held
        if 0 <= index < held:
            return self._point(index)
        if index >= size:
            self.size = index + 1
        return None

    def __setitem__(self, index: int, value: Any) -> None:
        self._points[index] = (value.end_time, float(value.value))

    def __iter__(self) -> Iterator[Any]:
        return iter([self._point(at) for at in range(len(self._points))])

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, item: Any) -> bool:
        return item in list(self)


class IndicatorBase(LeanObject):
    """The base of every indicator. Subclasses give `is_ready` and either `_compute` or `_compute_bar`."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.warm_up_period = 0
        self.samples = 0
        self.symbol: Any = None
        self.updated = EventHandler()
        self.consolidators: set[Any] = set()
        self._start()
        self._points: deque[tuple[datetime, float]] = deque([(MIN_TIME, 0.0)], maxlen=2)

    def _start(self) -> None:
        self._value = 0.0
        self._time = MIN_TIME
        self._produced = 1
        self._last_time = MIN_TIME
        self._last_input: Any = None
        self._told_order = False

    @property
    def is_ready(self) -> bool:
        """Whether the indicator had enough input to be used."""
        raise NotImplementedError(f"{type(self).__name__} must define is_ready")

    @property
    def current(self) -> IndicatorDataPoint:
        """The newest value and its time; time is `datetime.min` and the value 0 before the first update."""
        return point_of(self.symbol, self._time, self._value)

    @property
    def previous(self) -> IndicatorDataPoint:
        """The value before the current one."""
        points = self._points
        return IndicatorDataPoint(self.symbol, *(points[1] if len(points) > 1 else (MIN_TIME, 0.0)))

    @property
    def window(self) -> RollingWindow:
        """The last values, newest first; two unless its `size` is set."""
        return _PointWindow(self)

    def update(self, *args: Any) -> bool:
        """Feed a bar or a point, or `(time, value)`; return whether the indicator is ready."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def reset(self) -> None:
        """Forget all input."""
        self.samples = 0
        self._start()
        self._points.clear()
        self._points.append((MIN_TIME, 0.0))

    def _publish(self, time: datetime, value: float) -> None:
        self._value = value
        self._time = time
        self._produced += 1
        self._points.appendleft((time, value))
        if self.updated.handlers:
            self.updated(self, self.current)

    def _refuse(self, time: datetime) -> bool:
        if not self._told_order:
            self._told_order = True
            _log.error("%s is a forward only indicator: input %s is before %s", self.name, time, self._last_time)
        return self.is_ready

    def to_detailed_string(self) -> str:
        """The name and the value."""
        return f"{self.name} - {self}"

    def __getitem__(self, index: int) -> Any:
        return self.window[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.window)

    def __float__(self) -> float:
        return float(self._value)

    def __str__(self) -> str:
        whole = f"{self._value:.5f}"
        return whole.rstrip("0") + "0" if whole.endswith("0000") else whole.rstrip("0")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self}>"

    def __lt__(self, other: Any) -> bool:
        return bool(self._value < _number(other))

    def __le__(self, other: Any) -> bool:
        return bool(self._value <= _number(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self._value > _number(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self._value >= _number(other))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (int, float)):
            return bool(self._value == other)
        return self is other

    def __hash__(self) -> int:
        return id(self)


def _number(other: Any) -> float:
    if isinstance(other, IndicatorBase):
        return other._value
    return float(other)


class PointIndicator(IndicatorBase):
    """An indicator of single values; bars give their `value`."""

    def update(self, *args: Any) -> bool:
        """Feed `(time, value)`, or a point or bar."""
        if len(args) == 2:
            return self.push(args[0], float(args[1]))
        (item,) = args
        if item is self._last_input:
            return self.is_ready
        self._last_input = item
        self.symbol = item.symbol
        return self.push(item.end_time, float(item.value))

    def push(self, time: datetime, value: float) -> bool:
        """`update(time, value)` without conversions, for the hot path."""
        self.feed(time, value)
        return self.is_ready

    def take(self, sender: Any, bar: Any) -> None:
        """Handle a consolidator's event."""
        self.feed(bar.end_time, bar.value)

    def feed(self, time: datetime, value: float) -> None:
        """`push` without an answer."""
        if time < self._last_time:
            self._refuse(time)
            return
        self._last_time = time
        self.samples += 1
        result = self._compute(time, value)
        if result is not None:
            self._value = result
            self._time = time
            self._produced += 1
            self._points.appendleft((time, result))
            if self.updated.handlers:
                self.updated(self, self.current)

    def _compute(self, time: datetime, value: float) -> float | None:
        raise NotImplementedError(f"{type(self).__name__} must define _compute")

    def compute_many(self, values: list[float]) -> list[float | None]:
        """Compute values in a row and keep the state that they lead to; nobody is told of them."""
        compute, found = self._compute, []
        for value in values:
            self.samples += 1
            result = compute(MIN_TIME, value)
            if result is not None:
                self._value = result
            found.append(result)
        return found


class BarIndicator(IndicatorBase):
    """An indicator of bars with open, high, low and close."""

    needs: tuple[str, ...] = ("high", "low", "close")

    def update(self, *args: Any) -> bool:
        """Feed a bar."""
        if len(args) != 1:
            raise TypeError(f"{type(self).__name__} does not support update(time, value); give it a trade or quote bar")
        (bar,) = args
        if bar is self._last_input:
            return self.is_ready
        missing = [field for field in self.needs if not hasattr(bar, field)]
        if missing:
            kind = type(bar).__name__
            raise TypeError(f"{type(self).__name__} needs bars with {', '.join(missing)}, and {kind} has none")
        self._last_input = bar
        self.symbol = getattr(bar, "symbol", None)
        return self.push_bar(bar)

    def push_bar(self, bar: Any) -> bool:
        """`update(bar)` without checks."""
        time = bar.end_time
        if time < self._last_time:
            return self._refuse(time)
        self._last_time = time
        self.samples += 1
        result = self._compute_bar(time, bar)
        if result is not None:
            self._publish(time, result)
        return self.is_ready

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        raise NotImplementedError(f"{type(self).__name__} must define _compute_bar")


class Output(PointIndicator):
    """A line of an indicator that has several, such as a band; its owner publishes the values."""

    def __init__(self, name: str, ready: Callable[[], bool] | None = None) -> None:
        super().__init__(name)
        self._ready = ready

    @property
    def is_ready(self) -> bool:
        """Ready when the owner says so, or after the first value."""
        return self._ready() if self._ready else self.samples > 0

    def _compute(self, time: datetime, value: float) -> float:
        return value
