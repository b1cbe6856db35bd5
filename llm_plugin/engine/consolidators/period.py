"""Consolidators by time, count or calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.base.enums import Resolution, TickType, resolution_span
from llm_plugin.engine.consolidators.base import DataConsolidator
from llm_plugin.engine.data.bars import Bar, BaseData, QuoteBar, Tick, TradeBar

__all__ = [
    "BaseDataConsolidator",
    "PeriodCountConsolidator",
    "QuoteBarConsolidator",
    "TickConsolidator",
    "TickQuoteBarConsolidator",
    "TradeBarConsolidator",
]

_MIN = datetime(1, 1, 1)
_ZERO = timedelta(0)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class PeriodCountConsolidator(DataConsolidator):
    """`X(period)`, `X(max_count)`, `X(max_count, period)`, `X(calendar)` or `X(resolution)`."""

    # What a subclass has whose __init__ calls nothing.
    _max_count: int | None = None
    _period: timedelta | None = None
    _calendar: Callable[[datetime], Any] | None = None
    _start_time: timedelta | None = None
    _working: Any = None
    _count = 0
    _last_emit: datetime | None = None
    _symbol: Any = None
    _checked_length = False
    _owned = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        given = [*args, *(kwargs[key] for key in ("max_count", "period", "func", "start_time") if key in kwargs)]
        given = [value for value in given if value is not None]
        for value in given:
            self._take(value)
        if (self._max_count, self._period) == (None, None):
            raise TypeError(f"{type(self).__name__} takes a period, a count or a calendar function, not {given!r}")
        self._clear()

    def _take(self, value: Any) -> None:
        if isinstance(value, Resolution):
            self._period = resolution_span(value)
        elif isinstance(value, timedelta):
            if self._period is not None:
                self._start_time = value
            else:
                self._period = value
        elif isinstance(value, int) and not isinstance(value, bool):
            if value < 1:
                raise ValueError(f"{type(self).__name__}: the count must be at least 1, not {value}")
            self._max_count = value
        elif callable(value):
            self._calendar = value
            probe = datetime(2022, 1, 3, 10, 10, 10)
            if value(probe).start > probe:
                raise ValueError("a calendar function must return a start that is not later than the given time")
            self._period = timedelta(seconds=1)
        else:
            raise TypeError(f"{type(self).__name__} takes a period, a count or a calendar function, not {value!r}")

    def _clear(self) -> None:
        self._working = None
        self._count = 0
        self._last_emit = None
        self._symbol = None
        self._checked_length = False

    @property
    def period(self) -> timedelta | None:
        """Length of a bar; None when only counting."""
        return self._period

    @property
    def max_count(self) -> int | None:
        """Number of inputs per bar; None for bars by time."""
        return self._max_count

    @property
    def working_data(self) -> Any:
        """A copy of the unfinished bar, or None."""
        return self._working.clone() if self._working is not None else None

    @property
    def working_bar(self) -> Any:
        """A copy of the unfinished bar, or None; subclasses of users may set it: it is theirs then."""
        return self._working if self._owned else self.working_data

    @working_bar.setter
    def working_bar(self, bar: Any) -> None:
        self._working, self._owned = bar, True

    def aggregate_bar(self, working_bar: Any, data: Any) -> None:
        """Add data to a bar of the caller's."""
        kept, self._working = self._working, working_bar
        self._aggregate(data)
        if kept is not working_bar:
            self._working = kept

    def reset(self) -> None:
        """Forget all data; handlers stay."""
        super().reset()
        self._clear()

    def _rounded(self, moment: datetime) -> datetime:
        if self._calendar is not None:
            info = self._calendar(moment)
            if self._working is None:
                self._period = info.period
            start: datetime = info.start
            return start
        period = self._period
        if period is None or self._max_count is not None or period == _ZERO:
            return moment
        if self._start_time is not None:
            anchor = datetime(moment.year, moment.month, moment.day) + self._start_time
            return anchor + (moment - anchor) // period * period
        return moment if period > _DAY else moment - (moment - _MIN) % period

    def _bar_start(self, data: Any) -> datetime:
        start = self._rounded(data.time)
        period, end = self._period, data.end_time
        if period is None or start + period >= end:
            return start
        # US hour bars start at 09:00 and the market at 09:30: the start found may be the day before.
        if end - data.time == _HOUR and start.date() < data.time.date():
            return self._rounded(end)
        moment: datetime = data.time
        return moment

    def _process(self, data: Any) -> bool:
        return self._accepted(data)

    def update(self, data: Any) -> None:
        """Take one point of data; may emit the bar before it, or (counting) the bar that it completes."""
        if not self._process(data):
            return
        self._check(data)
        time, counting = data.time, self._max_count is not None
        if self._last_emit is None:
            self._last_emit = time if counting else _MIN
        fire = self._counted() or self._is_over(data)
        first = counting or self._period == _ZERO
        if first and time >= self._last_emit:
            self._aggregate(data)
            if counting and self._working is not None:
                self._working.end_time = data.end_time
        if fire:
            self._fire(time, counting)
        if not first and time >= self._last_emit:
            self._aggregate(data)

    def _check(self, data: Any) -> None:
        if self._symbol is None:
            self._symbol = data.symbol
        elif data.symbol is not self._symbol and data.symbol != self._symbol:
            raise ValueError(f"a consolidator takes one symbol only: it had {self._symbol} and now gets {data.symbol}")
        if self._checked_length:
            return
        self._checked_length = True
        by_period = self._period is not None and self._calendar is None and self._max_count is None
        if by_period and data.end_time - data.time > self._period:
            raise ValueError(f"{data.symbol}: cannot make bars of {self._period} from {data.end_time - data.time} bars")

    def _counted(self) -> bool:
        if self._max_count is None:
            return False
        self._count += 1
        if self._count < self._max_count:
            return False
        self._count = 0
        return True

    def _is_over(self, data: Any) -> bool:
        period, working = self._period, self._working
        if period is None or period == _ZERO:
            return period is not None
        if working is None or data.time - working.time < period:
            return False
        return self._last_emit is None or self._bar_start(data) > self._last_emit

    def _fire(self, time: datetime, counting: bool) -> None:
        bar = self._working
        if self._period is not None and isinstance(bar, TradeBar):
            bar.period = self._period
        self._last_emit = bar.end_time if not counting and bar is not None else time
        self.emit(bar)
        self._working = None

    def scan(self, current_local_time: datetime) -> None:
        """Emit the bar if its time is over."""
        working, period = self._working, self._period
        if working is None or period is None or period == _ZERO or current_local_time - working.time < period:
            return
        if self._last_emit is None or self._rounded(current_local_time) > self._last_emit:
            self._last_emit = working.end_time
            self.emit(working)
            self._working = None

    def _length(self, data: Any) -> timedelta:
        if self._max_count is None and self._period is not None:
            return self._period
        length = getattr(data, "period", None)
        return length if isinstance(length, timedelta) else _ZERO

    def _aggregate(self, data: Any) -> None:
        raise NotImplementedError


class _TradeBarMaker(PeriodCountConsolidator):
    output_type = TradeBar

    def _extend(self, data: Any, low: float, high: float, close: float, volume: float) -> None:
        bar = self._working
        bar.close = close
        bar.volume += volume
        if low < bar.low:
            bar.low = low
        if high > bar.high:
            bar.high = high


class TradeBarConsolidator(_TradeBarMaker):
    """Trade bars from trade bars."""

    input_type = TradeBar

    @classmethod
    def from_resolution(cls, resolution: Resolution) -> TradeBarConsolidator:
        """A consolidator for bars of a resolution."""
        return cls(resolution_span(resolution))

    def _aggregate(self, data: Any) -> None:
        if self._working is None:
            start = self._bar_start(data)
            prices = (data.open, data.high, data.low, data.close, data.volume)
            self._working = TradeBar(start, data.symbol, *prices, self._length(data))
        else:
            self._extend(data, data.low, data.high, data.close, data.volume)


class BaseDataConsolidator(_TradeBarMaker):
    """Trade bars from the values of anything."""

    input_type = BaseData

    def _aggregate(self, data: Any) -> None:
        value = float(data.value)
        if self._working is None:
            start = self._rounded(data.time)
            length = self._period if self._period is not None else _ZERO
            self._working = TradeBar(start, data.symbol, value, value, value, value, 0.0, length)
        else:
            self._extend(data, value, value, value, 0.0)


class TickConsolidator(_TradeBarMaker):
    """Trade bars from trade ticks."""

    input_type = Tick

    def _process(self, data: Any) -> bool:
        return self._accepted(data) and data.tick_type == TickType.TRADE

    def _aggregate(self, data: Any) -> None:
        value = float(data.value)
        if self._working is None:
            start = self._bar_start(data)
            length = self._period if self._period is not None else _ZERO
            self._working = TradeBar(start, data.symbol, value, value, value, value, float(data.quantity), length)
        else:
            self._extend(data, value, value, value, float(data.quantity))


class _QuoteBarMaker(PeriodCountConsolidator):
    output_type = QuoteBar

    def _begin(self, data: Any) -> QuoteBar:
        bar = QuoteBar(self._bar_start(data), data.symbol, None, 0.0, None, 0.0, self._length(data))
        before = self.consolidated
        if before is not None:
            # A new quote bar opens where the last one closed.
            if before.bid is not None:
                bar.bid = Bar(*[before.bid.close] * 4)
                bar.last_bid_size = before.last_bid_size
            if before.ask is not None:
                bar.ask = Bar(*[before.ask.close] * 4)
                bar.last_ask_size = before.last_ask_size
        self._working = bar
        return bar

    @staticmethod
    def _merged(side: Bar | None, new: Any) -> Bar:
        if side is None:
            return Bar(new.open, new.high, new.low, new.close)
        side.close = new.close
        if new.high > side.high:
            side.high = new.high
        if new.low < side.low:
            side.low = new.low
        return side


class QuoteBarConsolidator(_QuoteBarMaker):
    """Quote bars from quote bars."""

    input_type = QuoteBar

    @classmethod
    def from_resolution(cls, resolution: Resolution) -> QuoteBarConsolidator:
        """A consolidator for bars of a resolution."""
        return cls(resolution_span(resolution))

    def _aggregate(self, data: Any) -> None:
        bar = self._working if self._working is not None else self._begin(data)
        if data.bid is not None:
            bar.last_bid_size = data.last_bid_size
            bar.bid = self._merged(bar.bid, data.bid)
        if data.ask is not None:
            bar.last_ask_size = data.last_ask_size
            bar.ask = self._merged(bar.ask, data.ask)


class TickQuoteBarConsolidator(_QuoteBarMaker):
    """Quote bars from quote ticks."""

    input_type = Tick

    def _process(self, data: Any) -> bool:
        return self._accepted(data) and data.tick_type == TickType.QUOTE

    def _aggregate(self, data: Any) -> None:
        bar = self._working if self._working is not None else self._begin(data)
        for side, price, size in (("bid", data.bid_price, data.bid_size), ("ask", data.ask_price, data.ask_size)):
            if price:
                setattr(bar, side, self._merged(getattr(bar, side), Bar(price, price, price, price)))
            if size:
                setattr(bar, f"last_{side}_size", size)
