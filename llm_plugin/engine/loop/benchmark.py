"""What the portfolio is compared with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.money import CONTEXT, ZERO, smart_rounding, to_decimal
from llm_plugin.engine.base.names import LeanObject, find_member

__all__ = ["FuncBenchmark", "SecurityBenchmark"]


class FuncBenchmark(LeanObject):
    """A function of the time."""

    def __init__(self, function: Any) -> None:
        self._function: Callable[[datetime], Any] = function

    def evaluate(self, time: datetime) -> float:
        """Return the value at a time."""
        return float(self.exact(time))

    def exact(self, time: datetime) -> Decimal:
        """Return the value, rounded as in the chart."""
        return smart_rounding(to_decimal(self._function(time)))


class SecurityBenchmark(LeanObject):
    """The price of a security in the account currency."""

    def __init__(self, security: Any) -> None:
        self._security = security
        # Called before somebody looks, where the price may lag behind.
        self.on_look: Callable[[], None] | None = None
        self._known: tuple[Any, Any, Decimal] = (None, None, ZERO)

    @property
    def security(self) -> Any:
        """The security."""
        if self.on_look is not None:
            self.on_look()
        return self._security

    def evaluate(self, time: datetime) -> float:
        """Return the current price."""
        return float(self.exact(time))

    def exact(self, time: datetime) -> Decimal:
        """Return the value, rounded as in the chart."""
        return self.exact_now

    @property
    def exact_now(self) -> Decimal:
        """The current value, rounded as in the chart."""
        security = self.security
        price, rate = security.exact_price, security.quote_currency.exact_rate
        known = self._known
        if known[0] is price and known[1] is rate:
            return known[2]
        value = smart_rounding(CONTEXT.multiply(price, rate)) if price else ZERO
        self._known = price, rate, value
        return value


def as_benchmark(value: Any) -> Any:
    """Wrap a function, or accept an object with `evaluate`."""
    if callable(value):
        return FuncBenchmark(value)
    evaluate = find_member(value, "evaluate")
    if evaluate is None:
        raise ValueError(f"{value!r} is no benchmark: give a symbol, or a function of the time")
    return FuncBenchmark(evaluate)
