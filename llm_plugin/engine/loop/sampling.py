"""Feeds the statistics: portfolio samples, daily samples, capacity, closed trades."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.base.zones import DAY_US, MINUTE_US, from_us, to_us
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.data.bars import QuoteBar, TradeBar
from llm_plugin.engine.loop.capacity_watch import CapacityWatch, quote_for_capacity, trade_for_capacity
from llm_plugin.engine.loop.late_capacity import as_decimal
from llm_plugin.engine.loop.late_samples import LateSamples
from llm_plugin.engine.models.buying_power import reserved_by
from llm_plugin.engine.orders.order import OrderEvent
from llm_plugin.engine.portfolio.cash import CURRENCY_SYMBOLS
from llm_plugin.engine.portfolio.ledger import Ledger
from llm_plugin.engine.scheduling.schedule import PlannedEvent
from llm_plugin.engine.statistics import (
    CapacityEstimate,
    DaySnapshot,
    HoldingSample,
    MarketBar,
    ResultSampler,
    SymbolState,
)
from llm_plugin.engine.statistics.account_shape import AccountShape

__all__ = ["RunSampler"]

_LEAST_US, _SAMPLES = 4 * MINUTE_US, 4000
_DAYS_AHEAD = 512


class _LiveState(SymbolState):
    """Works out what is asked for only."""

    _security: Any

    def __init__(self, security: Any) -> None:
        object.__setattr__(self, "_security", security)

    @property
    def conversion_rate(self) -> Decimal:
        return self._security.quote_currency.exact_rate  # type: ignore[no-any-return]

    @property
    def multiplier(self) -> Decimal:
        return self._security.symbol_properties.exact_multiplier  # type: ignore[no-any-return]

    @property
    def reserved_buying_power(self) -> Decimal:
        return reserved_by(self._security)

    @property
    def leverage(self) -> Decimal:
        return as_decimal(self._security.leverage)

    @property
    def invested(self) -> bool:
        return bool(self._security.holdings.invested)


class RunSampler:
    """Takes LEAN's samples of one run."""

    def __init__(self, core: EngineCore) -> None:
        self.core = core
        self.algorithm = core.algorithm
        start = core.clock.zone.utc(to_us(core.start))
        span = to_us(core.end) - to_us(core.start)
        self.period_us = max(_LEAST_US, span // _SAMPLES)
        self.next_us = -1
        unit = CURRENCY_SYMBOLS.get(core.cash_book.account_currency, core.cash_book.account_currency)
        value = core.portfolio.exact_total
        self.results = ResultSampler(from_us(start), span / MINUTE_US, value, unit)
        self.results.warming_up = core.is_warming_up
        self.capacity = CapacityEstimate(core.start, core.end, self._state_of, self._bar_of)
        # True while any position is open; refreshed by fills.
        self.invested = False
        self.held: list[Any] = []
        self._capacity_day = -1
        self.due_us = -1
        self.ledger = Ledger(core)
        # A live account outlives its process with the decimals that it had.
        self._in_units = not core.live
        # The event of the daily sample.
        self.midnight: Any = None
        self.watch = CapacityWatch(core, self.capacity)
        self.late = LateSamples(core, self)
        core.transactions.listeners.append(self._on_order_event)

    def schedule(self) -> None:
        """Register the daily sample: midnight of every calendar day."""
        rules = self.algorithm.schedule
        self.midnight = PlannedEvent("Daily Sampling", self._midnights(), self._midnight)
        rules.add(self.midnight)

    def _midnights(self) -> Iterator[list[int]]:
        clock = self.core.clock
        day = clock.utc_us // DAY_US - 1
        while True:
            yield clock.zone.utcs(np.arange(day, day + _DAYS_AHEAD, dtype=np.int64) * DAY_US).tolist()
            day += _DAYS_AHEAD

    def estimate(self) -> tuple[float, float]:
        """Return the portfolio's value and the margin in use, nearly, in floats."""
        core = self.core
        total = sum(cash.estimate() for cash in core.cash_book.values())
        total += float(core.portfolio.unsettled_cash_book.exact_total)
        used = 0.0
        for security in self.held:
            quantity, rate = float(security.holdings.exact_quantity), security.quote_currency.estimate_rate()
            value = quantity * security.price * float(security.symbol_properties.exact_multiplier) * rate
            margin = getattr(security.buying_power_model, "maintenance", None)
            used += abs(value) * (float(margin) if margin is not None else 1.0)
            if security.base_currency is None:
                total += value
        return total, used

    def on_slice(self, now: int) -> None:
        """Sample the equity and the capacity where due: not before `due_us` while nothing is watched."""
        capacity = self.capacity
        if capacity.watched or self.asks_for_capacity(now):
            self.look_at_capacity(now)
        self.sample_equity(now)
        self._plan(now)

    def look_at_capacity(self, now: int) -> None:
        """Let the capacity take a slice into account."""
        self._capacity_day = now // DAY_US
        self.capacity.update(now, self._value)

    def asks_for_capacity(self, now: int) -> bool:
        """Whether the capacity is due at a slice and was not looked at on its day."""
        return now >= self.capacity.due_us and now // DAY_US != self._capacity_day

    def _plan(self, now: int) -> None:
        self.due_us = min(self.next_us + 1, max(self.capacity.due_us, (now // DAY_US + 1) * DAY_US))

    def sample_equity(self, now: int) -> None:
        """Sample the equity if its time has come."""
        if now <= self.next_us:
            return
        self.next_us = now + self.period_us
        # A point's time is a whole microsecond: it comes after the one that was taken at the full one.
        now += self.core.clock.ticks
        shape, known, ledger = self.shape(), self.core.portfolio._total, self.ledger
        # What was asked for at this moment stays, even where user code has given or taken money since.
        if shape is None or (known is not None and known != ledger.exact_total):
            self.results.on_slice(from_us(now), self._value())
        else:
            self.results.add_rows([(now, ledger.total, None, ZERO, shape, ())])

    def pass_slices(self, times: Sequence[int]) -> None:
        """Take the samples that are due at moments without data of the user's, as `on_slice` does at each.

        What is watched waits for bars, which the slice of none of these moments has.

        Args:
            times: The moments, in order; `can_pass` has just said yes.
        """
        core, capacity, ledger, at = self.core, self.capacity, self.ledger, 0
        core.portfolio._total = None
        shape = ledger.shape
        while shape is not None and times[-1] >= self.due_us:
            at = bisect_left(times, self.due_us, at)
            now = core.clock.utc_us = times[at]
            if self.asks_for_capacity(now) and not capacity.is_idle:
                self._capacity_day = now // DAY_US
                capacity.snapshot(now, ledger.exact_total, self._state_of)
            if now > self.next_us:
                self.next_us = now + self.period_us
                self.results.add_rows([(now, ledger.total, None, ZERO, shape, ())])
            self._plan(now)
        core.clock.utc_us = times[-1]

    @property
    def can_pass(self) -> bool:
        """Whether `pass_slices` may be asked: no user code has a say in what the account is worth."""
        return self.shape() is not None

    def shape(self) -> AccountShape | None:
        """What does not change while only prices do; None where the account takes decimals."""
        return self.ledger.look() if self._in_units else None

    def _value(self) -> Decimal:
        return self.core.portfolio.exact_total

    def on_warmup_finished(self) -> None:
        """Take the starting value."""
        self.results.on_warmup_finished(self._value())

    def finish(self, now: int) -> None:
        """Take the last samples."""
        now += self.core.clock.ticks
        moment = from_us(now)
        self.core.portfolio.invalidate()
        self.results.on_slice(moment, self._value(), force=True)
        self.capacity.update(now, self._value(), force=True)
        self._sample_day(now, final=True)
        # LEAN forces its capacity estimate once more when it writes the result.
        self.capacity.update(now, self._value(), force=True)

    def _midnight(self) -> None:
        self._sample_day(self.core.clock.utc_us)

    def pass_midnights(self, before_us: int) -> bool:
        """Take the daily samples before a time and before anything else that is scheduled.

        Args:
            before_us: A time after the next daily sample, up to which nothing else happens.

        Returns:
            Whether it could be done.
        """
        core = self.core
        shape = self.shape()
        if shape is None:
            return False
        times = self.algorithm.schedule.take_first(self.midnight, before_us)
        if not times:
            return False
        if shape.benchmark_scale is not None:
            self._add_days(times, shape)
        else:
            for now in times:
                core.clock.utc_us = now
                self._add_days([now], shape)
        core.clock.utc_us = times[-1]
        core.portfolio._total = None
        return True

    def _add_days(self, times: Sequence[int], shape: AccountShape) -> None:
        ledger, capacity = self.ledger, self.capacity.exact
        total, benchmark, positions = ledger.total, ledger.benchmark(), ledger.positions
        self.results.add_rows([(now, total, benchmark, capacity, shape, positions) for now in times])

    def _sample_day(self, now: int, *, final: bool = False) -> None:
        core = self.core
        portfolio = core.portfolio
        portfolio.invalidate()
        shape = None if final else self.shape()
        if shape is not None:
            self._add_days([now], shape)
            return
        holdings = []
        for security in core.securities.each:
            held = security.holdings
            value = held.exact_value if held.exact_quantity else ZERO
            holdings.append(HoldingSample(security.symbol.value, security.type, value, held.exact_sale_volume))
        compared = self.ledger.exact_benchmark()
        snapshot = DaySnapshot(portfolio.exact_total, compared, portfolio.exact_sales, self.capacity.capacity, holdings)
        self.results.sample_day(from_us(now), snapshot)

    def _on_order_event(self, event: OrderEvent) -> None:
        if not event.exact_fill_quantity:
            return
        core = self.core
        self.late.close()
        self.watch.end(core.clock.utc_us)
        self.held = [s for s in core.securities.each if s.holdings.exact_quantity]
        self.invested = bool(self.held)
        security = core.securities[event.symbol]
        fee = event.order_fee.value
        amount = fee.exact_amount
        paid = core.cash_book.exact_convert(amount, fee.currency) if amount else ZERO
        rate, multiplier = security.quote_currency.exact_rate, security.symbol_properties.exact_multiplier
        price, quantity = event.exact_fill_price, event.exact_fill_quantity
        process = find_member(self.algorithm.trade_builder, "process_fill")
        if process is not None:
            process(event.symbol, event.utc_time, price, quantity, event.order_id, paid, rate, multiplier)
        self.capacity.on_fill(event.symbol, event.utc_time, rate * price * abs(quantity) * multiplier)

    # Capacity.
    def _bar_of(self, symbol: Any) -> MarketBar | None:
        """Return the bar of a symbol in the current slice; copies do not count."""
        data = self.algorithm.current_slice
        bar = _bar_in(data, symbol, TradeBar)
        security = self.core.securities.get(symbol)
        if security is None:
            return None
        if bar is not None:
            return None if bar.is_fill_forward else trade_for_capacity(bar)
        quote = _bar_in(data, symbol, QuoteBar)
        return None if quote is None or quote.is_fill_forward else quote_for_capacity(quote, security.type)

    def _state_of(self, symbol: Any) -> SymbolState:
        return _LiveState(self.core.securities[symbol])


def _bar_in(data: Any, symbol: Any, kind: type[Any]) -> Any:
    """Return the bar of a kind that a slice has of a symbol."""
    points = data._points
    if len(points) > 1:
        return (data.bars if kind is TradeBar else data.quote_bars).get(symbol)
    # For a single point there is no need of a dictionary.
    return points[0] if points and isinstance(points[0], kind) and points[0].symbol == symbol else None
