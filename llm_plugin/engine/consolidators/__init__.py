"""Consolidators: longer bars from shorter ones, by time, count, calendar, price or volume."""

from __future__ import annotations

from llm_plugin.engine.consolidators.base import (
    Calendar,
    CalendarInfo,
    DataConsolidator,
    FilteredIdentityDataConsolidator,
    IDataConsolidator,
    IdentityDataConsolidator,
    PythonConsolidator,
    SequentialConsolidator,
    consolidated_event,
)
from llm_plugin.engine.consolidators.daily import MarketHourAwareConsolidator, daily_calendar, uses_strict_end
from llm_plugin.engine.consolidators.period import (
    BaseDataConsolidator,
    PeriodCountConsolidator,
    QuoteBarConsolidator,
    TickConsolidator,
    TickQuoteBarConsolidator,
    TradeBarConsolidator,
)
from llm_plugin.engine.consolidators.price import (
    BarDirection,
    ClassicRangeConsolidator,
    ClassicRenkoConsolidator,
    RangeBar,
    RangeConsolidator,
    RenkoBar,
    RenkoConsolidator,
    VolumeRenkoBar,
    VolumeRenkoConsolidator,
)

__all__ = [
    "BarDirection",
    "BaseDataConsolidator",
    "Calendar",
    "CalendarInfo",
    "ClassicRangeConsolidator",
    "ClassicRenkoConsolidator",
    "DataConsolidator",
    "FilteredIdentityDataConsolidator",
    "IDataConsolidator",
    "IdentityDataConsolidator",
    "MarketHourAwareConsolidator",
    "PeriodCountConsolidator",
    "PythonConsolidator",
    "QuoteBarConsolidator",
    "RangeBar",
    "RangeConsolidator",
    "RenkoBar",
    "RenkoConsolidator",
    "SequentialConsolidator",
    "TickConsolidator",
    "TickQuoteBarConsolidator",
    "TradeBarConsolidator",
    "VolumeRenkoBar",
    "VolumeRenkoConsolidator",
    "consolidated_event",
    "daily_calendar",
    "uses_strict_end",
]
