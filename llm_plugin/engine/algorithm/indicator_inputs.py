"""Small helpers of the indicator part of QCAlgorithm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from llm_plugin.engine.base.enums import Resolution
from llm_plugin.engine.consolidators import (
    BaseDataConsolidator,
    IdentityDataConsolidator,
    QuoteBarConsolidator,
    TradeBarConsolidator,
)
from llm_plugin.engine.data.bars import QuoteBar, TradeBar
from llm_plugin.engine.indicators.base import IndicatorDataPoint

__all__ = ["bars_of", "high", "ignored", "input_of", "is_calendar", "low", "resolution_within"]


def high(bar: Any) -> float:
    """The high of a bar."""
    return float(bar.high)


def low(bar: Any) -> float:
    """The low of a bar."""
    return float(bar.low)


def ignored(result: Any) -> None:
    """Turn a result into None."""
    return None


def is_calendar(value: Any) -> bool:
    """Whether a value is a calendar function and no consolidator."""
    return callable(value) and not hasattr(value, "data_consolidated") and not hasattr(value, "DataConsolidated")


def input_of(bar: Any, value: Any) -> Any:
    """What an indicator of bars gets when a selector gave a number."""
    return IndicatorDataPoint(bar.symbol, bar.end_time, float(value)) if isinstance(value, (int, float)) else value


def resolution_within(period: timedelta) -> Resolution:
    """The longest resolution that fits into a period."""
    for resolution, seconds in ((Resolution.DAILY, 86400), (Resolution.HOUR, 3600), (Resolution.MINUTE, 60)):
        if period >= timedelta(seconds=seconds):
            return resolution
    return Resolution.SECOND


def bars_of(period: timedelta, point: Any, step: int) -> Any:
    """A consolidator that makes bars of a period from data like `point`."""
    if period.total_seconds() == step:
        return IdentityDataConsolidator()
    if isinstance(point, TradeBar):
        return TradeBarConsolidator(period)
    return QuoteBarConsolidator(period) if isinstance(point, QuoteBar) else BaseDataConsolidator(period)
