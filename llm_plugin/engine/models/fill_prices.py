"""The prices that a fill model looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.zones import from_us

__all__ = ["BarPrices", "Prices"]


@dataclass(slots=True)
class Prices:
    """The prices of the side of the trade; times are exchange-local microseconds."""

    start_us: int
    end_us: int
    current: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    @property
    def end_time(self) -> datetime:
        """End of the bar, exchange time."""
        return from_us(self.end_us)

    @property
    def time(self) -> datetime:
        """Start of the bar, exchange time."""
        return from_us(self.start_us)


class BarPrices(Prices):
    """The prices of a bar, or of one side of a quote; each is worked out when it is asked for."""

    __slots__ = ("_bar", "_prefix")

    def __init__(self, bar: Any, prefix: str = "") -> None:
        self._bar, self._prefix = bar, prefix

    def __getattr__(self, name: str) -> Any:
        """Set a field that is not set yet."""
        if name in ("start_us", "end_us"):
            value: Any = self._bar._start_local if name == "start_us" else self._bar._end_local
        elif name in ("current", "open", "high", "low", "close"):
            value = self._bar.exact(self._prefix + ("close" if name == "current" else name))
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        setattr(self, name, value)
        return value
