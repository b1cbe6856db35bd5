"""Indicators made of indicators: delays, identities, arithmetic, and Python's own indicators."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.indicators.averages import (
    WindowIndicator,
    checked_period,
)
from llm_plugin.engine.indicators.base import (
    IndicatorBase,
    IndicatorStatus,
    PointIndicator,
    named,
)

__all__ = [
    "CompositeIndicator",
    "ConstantIndicator",
    "Delay",
    "FilteredIdentity",
    "FunctionalIndicator",
    "Identity",
    "PythonIndicator",
    "ResetCompositeIndicator",
    "WindowIdentity",
    "as_indicator",
]


class Identity(PointIndicator):
    """The input itself."""

    @named("Identity")
    def __init__(self) -> None:
        self.warm_up_period = 1

    @property
    def is_ready(self) -> bool:
        """Ready with the first sample."""
        return self.samples > 0

    def _compute(self, time: datetime, value: float) -> float | None:
        return value


class WindowIdentity(WindowIndicator):
    """The input itself, ready after `period` samples."""

    @named("WIN-ID{period}")
    def __init__(self, period: int) -> None:
        self._set_period(period)

    def _compute(self, time: datetime, value: float) -> float | None:
        return value


class ConstantIndicator(PointIndicator):
    """Always the same value, and always ready."""

    def __init__(self, name: str, value: float) -> None:
        super().__init__(name)
        self._constant = self._value = float(value)

    @property
    def is_ready(self) -> bool:
        """Always."""
        return True

    def _compute(self, time: datetime, value: float) -> float | None:
        return self._constant

    def reset(self) -> None:
        """Keep the constant."""
        super().reset()
        self._value = self._constant


class FilteredIdentity(IndicatorBase):
    """The value of the last input that the filter lets through."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = list(args)
        name = kwargs.get("name") or (given.pop(0) if given and isinstance(given[0], str) else "")
        super().__init__(name)
        filter_function = kwargs.get("filter") or (given[0] if given else None)
        self._accepts: Callable[[Any], bool] = filter_function or (lambda item: True)

    @property
    def is_ready(self) -> bool:
        """Ready once a positive value was let through."""
        return self.samples > 0 and self._value > 0

    def update(self, *args: Any) -> bool:
        """Feed a bar or point."""
        (item,) = args
        if item is self._last_input:
            return self.is_ready
        if item.end_time < self._last_time:
            return self._refuse(item.end_time)
        self._last_input, self._last_time = item, item.end_time
        self.symbol = item.symbol
        self.samples += 1
        self._publish(item.end_time, float(item.value) if self._accepts(item) else self._value)
        return self.is_ready


class FunctionalIndicator(PointIndicator):
    """An indicator from functions: what to compute, when it is ready, and what else to reset."""

    def __init__(
        self,
        name: str,
        compute_next_value: Callable[[Any], float],
        is_ready: Callable[[Any], bool],
        reset: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name)
        self._function = compute_next_value
        self._ready = is_ready
        self._also_reset = reset

    @property
    def is_ready(self) -> bool:
        """What the given function says."""
        return bool(self._ready(self))

    def update(self, *args: Any) -> bool:
        """Feed a bar or point; the function gets it as it is."""
        self._item = args[0] if len(args) == 1 else None
        return super().update(*args)

    def _compute(self, time: datetime, value: float) -> float | None:
        from llm_plugin.engine.indicators.base import IndicatorDataPoint

        item = self._item if self._item is not None else IndicatorDataPoint(time, value)
        return float(self._function(item))

    def reset(self) -> None:
        """Forget all input."""
        if self._also_reset:
            self._also_reset()
        super().reset()


class Delay(PointIndicator):
    """The value `period` samples ago."""

    @named("DELAY({period})")
    def __init__(self, period: int) -> None:
        self.period = checked_period(self, period)
        self.warm_up_period = self.period + 1
        self._held: deque[float] = deque(maxlen=self.period + 1)

    @property
    def is_ready(self) -> bool:
        """Ready with period + 1 samples."""
        return self.samples > self.period

    def _compute(self, time: datetime, value: float) -> float | None:
        self._held.append(value)
        return self._held[0]

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._held.clear()


class CompositeIndicator(PointIndicator):
    """A function of two indicators, computed when both (or the one that is no constant) have a new value."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = list(args)
        name = kwargs.pop("name", None)
        if name is None and given and (given[0] is None or isinstance(given[0], str)):
            name = given.pop(0)
        pending = {"left": None, "right": None, "composer": kwargs.pop("handler", None), **kwargs}
        for key in ("left", "right", "composer"):
            if pending[key] is None and given:
                pending[key] = given.pop(0)
        missing = [key for key, value in pending.items() if value is None]
        if missing or given:
            raise TypeError(f"CompositeIndicator takes [name,] left, right, composer; missing {missing}, extra {given}")
        self.left = as_indicator(pending["left"])
        self.right = as_indicator(pending["right"])
        self._composer: Callable[[Any, Any], Any] = pending["composer"]
        super().__init__(name or f"COMPOSE({self.left.name},{self.right.name})")
        self._fresh: set[str] = set()
        self.left.updated += lambda sender, point: self._on_part("left", self.right)
        self.right.updated += lambda sender, point: self._on_part("right", self.left)

    @property
    def is_ready(self) -> bool:
        """Ready when both parts are."""
        return self.left.is_ready and self.right.is_ready

    def _on_part(self, side: str, other: IndicatorBase) -> None:
        self._fresh.add(side)
        if len(self._fresh) == 2 or isinstance(other, ConstantIndicator):
            self.push(max(self.left._time, self.right._time), 0.0)
            self._fresh.clear()

    def _compute(self, time: datetime, value: float) -> float | None:
        result = self._composer(self.left, self.right)
        status = getattr(result, "status", IndicatorStatus.SUCCESS)
        if status != IndicatorStatus.SUCCESS:
            return None
        return float(getattr(result, "value", result))

    def reset(self) -> None:
        """Reset both parts too."""
        self.left.reset()
        self.right.reset()
        self._fresh.clear()
        super().reset()


class ResetCompositeIndicator(CompositeIndicator):
    """A composite with more to reset."""

    def __init__(self, *args: Any) -> None:
        *parts, self._also_reset = args
        super().__init__(*parts)

    def reset(self) -> None:
        """Reset the extra parts too."""
        self._also_reset()
        super().reset()


class PythonIndicator(IndicatorBase):
    """Base of indicators written by users: define `update(input)`, set `self.value`, and `self.is_ready` or return it.

    Whoever feeds it calls `feed`, which runs the user's `update` and then publishes `current` and `updated`.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # Users' classes may have an __init__ of their own that calls nothing.
        self = super().__new__(cls)
        PythonIndicator.__init__(self)
        return self

    def __init__(self, *args: Any) -> None:
        self._wrapped: Any = args[0] if args and not isinstance(args[0], str) else None
        super().__init__(_python_name(self._wrapped) if self._wrapped is not None else type(self).__name__)
        self._ready = self._told = False
        if self._wrapped is not None:
            self.warm_up_period = int(find_member(self._wrapped, "warm_up_period") or 0)

    def __setattr__(self, name: str, value: Any) -> None:
        # Users set plain attributes in either spelling; these three have a meaning for the engine.
        own = {"WarmUpPeriod": "warm_up_period", "Name": "name", "IsReady": "is_ready"}.get(name, name)
        # A property of the user's own takes the value itself.
        if own == "is_ready" and type(self).is_ready is PythonIndicator.is_ready:
            own, value = "_ready", bool(value)
        object.__setattr__(self, own, value)

    @property
    def is_ready(self) -> bool:
        """What the user's class says; what its `update` returned last, if it says nothing."""
        if self._ready or self._wrapped is None:
            return self._ready
        own = find_member(self._wrapped, "is_ready")
        return bool(own) if own is not None else self._ready

    def on_updated(self, point: Any) -> None:
        """Publish a value, as users' `update` may do itself."""
        self._told = True
        self._publish(point.end_time, float(point.value))

    def feed(self, item: Any) -> bool:
        """Run the user's `update` for one input and publish its value."""
        if item is self._last_input:
            return self.is_ready
        if item.end_time < self._last_time:
            return self._refuse(item.end_time)
        self._last_input, self._last_time = item, item.end_time
        self.symbol = item.symbol
        self.samples += 1
        target = self if self._wrapped is None else self._wrapped
        self._told = False
        ready = _user_update(target)(item)
        if ready is not None:
            self._ready = bool(ready)
        if not self._told:
            self._publish(item.end_time, float(find_member(target, "value") or 0.0))
        return self.is_ready

    def update(self, *args: Any) -> bool:
        """Feed an input to the wrapped object."""
        if self._wrapped is None:
            raise NotImplementedError(f"{type(self).__name__}.update must be implemented")
        return self.feed(*args)


def _python_name(target: Any) -> str:
    return str(find_member(target, "name") or type(target).__name__)


def _user_update(target: Any) -> Callable[[Any], Any]:
    method = find_member(target, "update")
    if method is None:
        raise NotImplementedError(f"Indicator.update must be implemented in {type(target).__name__}")
    return method  # type: ignore[no-any-return]


def as_indicator(target: Any) -> IndicatorBase:
    """Return an indicator as it is, and wrap a user's object that only looks like one.

    Raises:
        NotImplementedError: The object lacks `update`, `value` or `is_ready`.
    """
    if isinstance(target, IndicatorBase):
        return target
    for member in ("is_ready", "update", "value"):
        if not hasattr(target, member) and find_member(target, member) is None:
            kind = type(target).__name__
            raise NotImplementedError(f"Indicator.{member} must be implemented. Please implement it in {kind}")
    return PythonIndicator(target)


def feed_indicator(indicator: IndicatorBase, item: Any) -> bool:
    """Update any kind of indicator from outside."""
    return indicator.feed(item) if isinstance(indicator, PythonIndicator) else indicator.update(item)
