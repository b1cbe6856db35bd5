"""`IndicatorExtensions`: arithmetic and averages of indicators."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.indicators.averages import ExponentialMovingAverage, SimpleMovingAverage, Sum
from llm_plugin.engine.indicators.base import IndicatorBase, IndicatorResult, IndicatorStatus
from llm_plugin.engine.indicators.changes import Maximum, Minimum
from llm_plugin.engine.indicators.composition import (
    CompositeIndicator,
    ConstantIndicator,
    ResetCompositeIndicator,
    as_indicator,
    feed_indicator,
)

__all__ = ["IndicatorExtensions", "combine"]


def _quotient(left: IndicatorBase, right: IndicatorBase) -> IndicatorResult:
    if right._value == 0:
        return IndicatorResult(0.0, IndicatorStatus.MATH_ERROR)
    return IndicatorResult(left._value / right._value)


_OPERATIONS: dict[str, Callable[[IndicatorBase, IndicatorBase], Any]] = {
    "plus": lambda left, right: left._value + right._value,
    "minus": lambda left, right: left._value - right._value,
    "times": lambda left, right: left._value * right._value,
    "over": _quotient,
}


def combine(operation: str, left: Any, right: Any, name: str | None = None) -> CompositeIndicator:
    """Return `left <operation> right`; right may be a number."""
    if isinstance(right, (int, float)) and not isinstance(right, bool):
        right = ConstantIndicator(f"{right:.15g}", right)
    return CompositeIndicator(name, as_indicator(left), as_indicator(right), _OPERATIONS[operation])


class IndicatorExtensions(LeanObject):
    """Composition: `IndicatorExtensions.of(second, first)`, `.plus(a, b)`, `.sma(a, 10)` and so on."""

    @staticmethod
    def of(second: Any, first: Any, wait_for_first_to_ready: bool = True) -> IndicatorBase:
        """Feed `second` with the values of `first`."""
        inner, outer = as_indicator(first), as_indicator(second)

        def forward(sender: Any, point: Any) -> None:
            if not wait_for_first_to_ready or inner.is_ready:
                feed_indicator(outer, point)

        inner.updated += forward
        return outer

    @staticmethod
    def plus(left: Any, right: Any, name: str | None = None) -> CompositeIndicator:
        """The sum."""
        return combine("plus", left, right, name)

    @staticmethod
    def minus(left: Any, right: Any, name: str | None = None) -> CompositeIndicator:
        """The difference."""
        return combine("minus", left, right, name)

    @staticmethod
    def times(left: Any, right: Any, name: str | None = None) -> CompositeIndicator:
        """The product."""
        return combine("times", left, right, name)

    @staticmethod
    def over(left: Any, right: Any, name: str | None = None) -> CompositeIndicator:
        """The quotient; no new value while the divisor is 0."""
        return combine("over", left, right, name)

    @staticmethod
    def weighted_by(value: Any, weight: Any, period: int) -> CompositeIndicator:
        """The average of `value` over `period`, weighted by `weight`."""
        values, weights = as_indicator(value), as_indicator(weight)
        numerator, denominator = Sum("Sum_xy", period), Sum("Sum_y", period)
        pending: deque[float] = deque()

        def on_value(sender: Any, point: Any) -> None:
            pending.append(point.value)

        def on_weight(sender: Any, point: Any) -> None:
            if pending:
                numerator.push(point.end_time, pending.popleft() * point.value)
                denominator.push(point.end_time, point.value)

        values.updated += on_value
        weights.updated += on_weight
        return ResetCompositeIndicator(numerator, denominator, _quotient, pending.clear)

    @staticmethod
    def sma(left: Any, period: int, wait_for_first_to_ready: bool = True) -> IndicatorBase:
        """The simple average of an indicator."""
        inner = as_indicator(left)
        return IndicatorExtensions.of(
            SimpleMovingAverage(f"SMA{period}_Of_{inner.name}", period), inner, wait_for_first_to_ready
        )

    @staticmethod
    def ema(
        left: Any, period: int, smoothing_factor: float | None = None, wait_for_first_to_ready: bool = True
    ) -> IndicatorBase:
        """The exponential average of an indicator."""
        inner = as_indicator(left)
        outer = ExponentialMovingAverage(f"EMA{period}_Of_{inner.name}", period, smoothing_factor)
        return IndicatorExtensions.of(outer, inner, wait_for_first_to_ready)

    @staticmethod
    def max(left: Any, period: int, wait_for_first_to_ready: bool = True) -> IndicatorBase:
        """The highest value of an indicator."""
        inner = as_indicator(left)
        return IndicatorExtensions.of(Maximum(f"MAX{period}_Of_{inner.name}", period), inner, wait_for_first_to_ready)

    @staticmethod
    def min(left: Any, period: int, wait_for_first_to_ready: bool = True) -> IndicatorBase:
        """The lowest value of an indicator."""
        inner = as_indicator(left)
        return IndicatorExtensions.of(Minimum(f"MIN{period}_Of_{inner.name}", period), inner, wait_for_first_to_ready)
