"""Daily bars that know the market's hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType, resolution_span
from llm_plugin.engine.base.zones import EPOCH, from_us
from llm_plugin.engine.consolidators.base import CalendarInfo, DataConsolidator
from llm_plugin.engine.consolidators.period import (
    QuoteBarConsolidator,
    TickConsolidator,
    TickQuoteBarConsolidator,
    TradeBarConsolidator,
)
from llm_plugin.engine.data.bars import QuoteBar, Tick, TradeBar

__all__ = ["MarketHourAwareConsolidator", "daily_calendar", "uses_strict_end"]

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_EPOCH_ORDINAL = EPOCH.toordinal()


def uses_strict_end(symbol: Any, hours: Any, precise: bool, span: timedelta = _DAY) -> bool:
    """Whether daily bars of a symbol end at the market's close instead of midnight."""
    kind = symbol.security_type
    if span <= _HOUR or hours.is_market_always_open or kind in (SecurityType.FOREX, SecurityType.BASE):
        return False
    return precise and not (kind == SecurityType.CFD and symbol.id.market == "oanda")


def daily_calendar(moment: datetime, hours: Any, extended: bool = False) -> CalendarInfo:
    """First open to last close of the trading day that a local time belongs to (the next one, if there is none)."""
    day = moment.toordinal() - _EPOCH_ORDINAL
    while (opened := hours.first_open_us(day, extended)) is None:
        day += 1
    closed = hours.last_close_us(day, extended)
    return CalendarInfo(from_us(opened), timedelta(microseconds=closed - opened))


class MarketHourAwareConsolidator(DataConsolidator):
    """Daily bars from open to close, out of regular-hours data; other periods are plain.

    Args:
        daily_strict_end_time_enabled: The setting `daily_precise_end_time`.
        resolution: Resolution or period of the bars.
        data_type: `TradeBar`, `QuoteBar` or `Tick`.
        tick_type: Trade or quote, for ticks.
        extended_market_hours: Whether data outside of regular hours counts.
        hours_of: Returns the exchange hours of a symbol; the engine sets it when the consolidator is registered.
    """

    def __init__(
        self,
        daily_strict_end_time_enabled: bool,
        resolution: Resolution | timedelta,
        data_type: type[Any],
        tick_type: TickType,
        extended_market_hours: bool,
        hours_of: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__()
        self._precise, self._extended = daily_strict_end_time_enabled, extended_market_hours
        self._period = resolution if isinstance(resolution, timedelta) else resolution_span(Resolution(resolution))
        self.hours_of = hours_of
        self._hours: Any = None
        self._strict = False
        rule: Any = self._calendar if self._period == _DAY else self._period
        self._inner = self._made(rule, data_type, tick_type)
        self._inner.data_consolidated += lambda sender, bar: self.emit(bar)
        self.input_type, self.output_type = self._inner.input_type, self._inner.output_type

    @staticmethod
    def _made(rule: Any, data_type: type[Any], tick_type: TickType) -> DataConsolidator:
        if issubclass(data_type, Tick):
            return TickConsolidator(rule) if tick_type == TickType.TRADE else TickQuoteBarConsolidator(rule)
        if issubclass(data_type, TradeBar):
            return TradeBarConsolidator(rule)
        if issubclass(data_type, QuoteBar):
            return QuoteBarConsolidator(rule)
        raise TypeError(f"MarketHourAwareConsolidator takes trade bars, quote bars or ticks, not {data_type.__name__}")

    def _calendar(self, moment: datetime) -> CalendarInfo:
        if not self._strict:
            return CalendarInfo(datetime(moment.year, moment.month, moment.day), _DAY)
        return daily_calendar(moment, self._hours, self._extended)

    @property
    def working_data(self) -> Any:
        """A copy of the unfinished bar, or None."""
        return self._inner.working_data

    def update(self, data: Any) -> None:
        """Take a bar; those outside of market hours do not count."""
        if self._hours is None:
            if self.hours_of is None:
                raise ValueError("register a MarketHourAwareConsolidator with the algorithm before it is updated")
            self._hours = self.hours_of(data.symbol)
            self._strict = uses_strict_end(data.symbol, self._hours, self._precise, self._period)
        time, end = data.time, data.end_time
        counts = self._extended or self._hours.is_open(time, False)
        if not counts and self._period == _DAY and end - time >= _HOUR:
            # The first US hour bar starts before the market does.
            counts = self._hours.is_open(time, end, False)
        if counts:
            self._inner.update(data)

    def scan(self, current_local_time: datetime) -> None:
        """Emit the bar if its time is over."""
        self._inner.scan(current_local_time)

    def reset(self) -> None:
        """Forget all data."""
        super().reset()
        self._hours, self._strict = None, False
        self._inner.reset()
