"""`Field`: ready-made selectors for indicators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.data.bars import QuoteBar, Tick, TradeBar

__all__ = ["Field", "input_type_of"]

Selector = Callable[[Any], float]


def _bar(compute: Callable[[Any], float]) -> Selector:
    def select(data: Any) -> float:
        return float(compute(data)) if isinstance(data, (TradeBar, QuoteBar)) else float(data.value)

    return select


def _side(side: str, name: str) -> Selector:
    def select(data: Any) -> float:
        if isinstance(data, QuoteBar):
            bar = getattr(data, side)
            return float(getattr(bar, name)) if bar is not None else 0.0
        if isinstance(data, Tick):
            return float(getattr(data, f"{side}_price"))
        return float(data.value)

    return select


def _volume(data: Any) -> float:
    if isinstance(data, TradeBar):
        return float(data.volume)
    return float(data.quantity) if isinstance(data, Tick) else 0.0


class Field(LeanObject):
    """Selectors: `Field.HIGH`, `Field.Typical`, `Field.BID_CLOSE` and so on; data without the field gives its value."""

    OPEN = Open = staticmethod(_bar(lambda bar: bar.open))
    HIGH = High = staticmethod(_bar(lambda bar: bar.high))
    LOW = Low = staticmethod(_bar(lambda bar: bar.low))
    CLOSE = Close = staticmethod(lambda data: float(data.value))
    AVERAGE = Average = staticmethod(_bar(lambda bar: (bar.open + bar.high + bar.low + bar.close) / 4))
    MEDIAN = Median = staticmethod(_bar(lambda bar: (bar.high + bar.low) / 2))
    TYPICAL = Typical = staticmethod(_bar(lambda bar: (bar.high + bar.low + bar.close) / 3))
    WEIGHTED = Weighted = staticmethod(_bar(lambda bar: (bar.high + bar.low + 2 * bar.close) / 4))
    SEVEN_BAR = SevenBar = staticmethod(_bar(lambda bar: (2 * bar.open + bar.high + bar.low + 3 * bar.close) / 7))
    VOLUME = Volume = staticmethod(_volume)
    BID_OPEN = BidOpen = staticmethod(_side("bid", "open"))
    BID_HIGH = BidHigh = staticmethod(_side("bid", "high"))
    BID_LOW = BidLow = staticmethod(_side("bid", "low"))
    BID_CLOSE = BidClose = BID_PRICE = BidPrice = staticmethod(_side("bid", "close"))
    ASK_OPEN = AskOpen = staticmethod(_side("ask", "open"))
    ASK_HIGH = AskHigh = staticmethod(_side("ask", "high"))
    ASK_LOW = AskLow = staticmethod(_side("ask", "low"))
    ASK_CLOSE = AskClose = ASK_PRICE = AskPrice = staticmethod(_side("ask", "close"))


def input_type_of(selector: Any) -> type[Any] | None:
    """The kind of data that a `Field` selector needs; None if any will do."""
    quotes = [getattr(Field, f"{side}_{name}") for side in ("BID", "ASK") for name in ("OPEN", "HIGH", "LOW", "CLOSE")]
    if any(selector is quote for quote in quotes):
        return QuoteBar
    return TradeBar if selector is Field.VOLUME else None
