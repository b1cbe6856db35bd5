"""How much money a strategy could move: LEAN's capacity estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import Resolution, SecurityType
from llm_plugin.engine.base.money import ZERO, round_half_even, to_decimal
from llm_plugin.engine.base.zones import to_us

__all__ = ["CapacityEstimate", "MarketBar", "SymbolState", "bar_resolution"]

_DAY = timedelta(days=1)
_EFFECT = timedelta(days=30)
_FACTORS = {
    Resolution.DAILY: Decimal("0.02"),
    Resolution.HOUR: Decimal("0.05"),
    Resolution.MINUTE: Decimal("0.20"),
    Resolution.SECOND: Decimal("0.50"),
    Resolution.TICK: Decimal("0.50"),
}
_FAKE_VOLUME = {SecurityType.FOREX: Decimal(25_000_000), SecurityType.CFD: Decimal(200)}
_THOUSAND = Decimal("1000.00")
_LEAST, _MOST = Decimal("0.20"), Decimal(1)
_OLD, _NEW = Decimal("0.66"), Decimal("0.33")
# Between orders: up to a tenth of a trading day counts least, half of one and more counts most.
_SHORTEST, _LONGEST = timedelta(minutes=39), timedelta(minutes=195)


def bar_resolution(period: timedelta) -> Resolution:
    """The longest resolution that fits into a bar; a daily bar from open to close counts as hourly, as in LEAN."""
    for resolution, seconds in ((Resolution.DAILY, 86400), (Resolution.HOUR, 3600), (Resolution.MINUTE, 60)):
        if period >= timedelta(seconds=seconds):
            return resolution
    return Resolution.SECOND if period >= timedelta(seconds=1) else Resolution.TICK


@dataclass(frozen=True, slots=True)
class MarketBar:
    """What the estimate needs of the bar of a symbol in the current slice."""

    close: Decimal
    volume: Decimal
    resolution: Resolution

    @staticmethod
    def of_quote(
        close: Decimal, bid_size: Decimal, ask_size: Decimal, kind: SecurityType, resolution: Resolution
    ) -> MarketBar:
        """A bar from quotes: depth stands for volume, forex and CFD have a fixed one."""
        return MarketBar(close, _FAKE_VOLUME.get(kind, (bid_size + ask_size) / 2), resolution)


@dataclass(frozen=True, slots=True)
class SymbolState:
    """What the estimate needs of a security at a snapshot."""

    conversion_rate: Decimal
    multiplier: Decimal
    reserved_buying_power: Decimal
    leverage: Decimal
    invested: bool


class _Symbol:
    def __init__(self, symbol: Any) -> None:
        self.symbol = symbol
        self.trades = 0
        self.sale_volume = ZERO
        self._market_volume = ZERO
        self._factor = ZERO
        self._discount = _MOST
        self._reset_pending = False
        self._last_order: datetime | None = None
        self._last_bar: datetime | None = None
        self._last_volume = ZERO
        self._volume_per_minute = ZERO

    @property
    def market_volume(self) -> Decimal:
        return self._market_volume * self._factor

    def on_fill(self, utc_time: datetime, value: Decimal) -> None:
        self.sale_volume += value
        span = _DAY if self._last_order is None else utc_time - self._last_order
        if span >= _LONGEST:
            self._discount = _MOST
        elif span <= _SHORTEST:
            self._discount = _LEAST
        else:
            self._discount = 2 * to_decimal(span / timedelta(minutes=1)) / 390
        if self._reset_pending:
            self._market_volume, self.trades, self._reset_pending = ZERO, 0, False
        self.trades += 1
        self._last_order = utc_time

    def on_bar(self, utc_time: datetime, bar: MarketBar, state: SymbolState) -> bool:
        """Take a bar into account; return whether the window after the fill is over."""
        if bar.volume == 0:
            return False
        money = bar.close * state.conversion_rate
        minutes = to_decimal((utc_time - self._last_bar) / timedelta(minutes=1)) if self._last_bar else ZERO
        if minutes == 0:
            self._volume_per_minute = money * bar.volume
        else:
            self._volume_per_minute = money * (bar.volume + self._last_volume) / minutes
        self._last_bar, self._last_volume = utc_time, bar.volume
        if not self._within(utc_time, bar.resolution):
            return True
        self._factor = _FACTORS[bar.resolution]
        self._market_volume += money * self._discount * bar.volume * state.multiplier
        return False

    def _within(self, now: datetime, resolution: Resolution) -> bool:
        ordered = self._last_order
        if ordered is None:
            return False
        if resolution == Resolution.DAILY:
            return now == ordered or _midnight(now) == _rounded_up(ordered, _DAY)
        if resolution == Resolution.HOUR:
            return now == _rounded_up(ordered, timedelta(hours=1))
        minute = resolution == Resolution.MINUTE
        scale = Decimal(6_000_000 if minute else 100_000)
        wait = scale / self._volume_per_minute if self._volume_per_minute else Decimal(10)
        minutes = 120 if wait > 120 else int(max(1 if minute else 5, wait))
        return now <= ordered + timedelta(minutes=minutes)

    def forget_volume(self) -> None:
        self._reset_pending = True
        self.sale_volume = ZERO

    def may_be_stale(self, now: datetime) -> bool:
        return self._last_order is not None and now >= self._last_order + _EFFECT


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _rounded_up(moment: datetime, step: timedelta) -> datetime:
    origin = datetime(1, 1, 1)
    rest = (moment - origin) % step
    return moment if not rest else moment - rest + step


class CapacityEstimate:
    """Feed it fills and, once per slice, the time; read `capacity` and `lowest_capacity_asset`.

    Args:
        start: Start of the backtest, as LEAN's `StartDate`.
        end: End of the backtest.
        state: Returns the `SymbolState` of a symbol.
        bar: Returns the `MarketBar` of a symbol in the current slice, or None.
    """

    def __init__(
        self,
        start: datetime,
        end: datetime,
        state: Callable[[Any], SymbolState],
        bar: Callable[[Any], MarketBar | None],
    ) -> None:
        days = (end - start) / _DAY - 1
        self._period = timedelta(days=max(min(days, 7), 1))
        self._next = start + self._period
        # Before it nothing is due but what is watched.
        self.due_us = to_us(self._next)
        self._rounded: tuple[Decimal, Decimal] = (ZERO, ZERO)
        self._state, self._bar = state, bar
        self._symbols: dict[Any, _Symbol] = {}
        self.watched: dict[Any, _Symbol] = {}
        self._capacity = ZERO
        self.lowest_capacity_asset: Any = None

    @property
    def capacity(self) -> Decimal:
        """The estimate in account currency, rounded to thousands; 0 without trades."""
        if not self._capacity:
            return ZERO
        exact, rounded = self._rounded
        if exact is not self._capacity:
            rounded = round_half_even(self._capacity / _THOUSAND, 0) * _THOUSAND
            self._rounded = self._capacity, rounded
        return rounded

    def on_fill(self, symbol: Any, utc_time: datetime, value: Decimal) -> None:
        """Tell the estimate the value of a (partial) fill in the account currency."""
        item = self._symbols.get(symbol)
        if item is None:
            item = self._symbols[symbol] = _Symbol(symbol)
        item.on_fill(utc_time, value)
        self.watched[symbol] = item

    @property
    def is_idle(self) -> bool:
        """Whether nothing was filled yet, so that `update` has nothing to do."""
        return not self._symbols

    def update(
        self, utc_time: datetime, portfolio_value: Decimal | Callable[[], Decimal], *, force: bool = False
    ) -> None:
        """Take the current slice into account, and a snapshot if one is due or forced; only that asks for the value."""
        for symbol in reversed(list(self.watched)) if self.watched else ():
            bar = self._bar(symbol)
            if bar is not None and self.watched[symbol].on_bar(utc_time, bar, self._state(symbol)):
                del self.watched[symbol]
        if not self._symbols or not (force or _midnight(utc_time) >= self._next):
            return
        value = portfolio_value() if callable(portfolio_value) else portfolio_value
        if value:
            self._snapshot(utc_time, value)

    def _snapshot(self, utc_time: datetime, portfolio_value: Decimal) -> None:
        items = list(self._symbols.values())
        smallest = items[0] if len(items) == 1 else min(items, key=lambda item: item.market_volume)
        self.lowest_capacity_asset = smallest.symbol
        sold = sum((item.sale_volume for item in items), ZERO) if len(items) > 1 else smallest.sale_volume
        share = smallest.sale_volume / sold if sold else ZERO
        state = self._state(smallest.symbol)
        scaling = max(share, state.reserved_buying_power * state.leverage / portfolio_value)
        daily = smallest.market_volume / smallest.trades
        found = daily / scaling if scaling else self._capacity
        if self._capacity:
            found = _NEW * found + self._capacity * _OLD
        self._capacity = found
        for item in items:
            symbol = item.symbol
            if item.may_be_stale(utc_time) and not self._state(symbol).invested:
                del self._symbols[symbol]
                self.watched.pop(symbol, None)
            else:
                item.forget_volume()
        self._next = _midnight(utc_time) + self._period
        self.due_us = to_us(self._next)


def summary_of(estimate: CapacityEstimate | None) -> Mapping[str, Any]:
    """The two figures for the summary."""
    if estimate is None:
        return {"capacity": ZERO, "lowest_capacity_asset": ""}
    asset = estimate.lowest_capacity_asset
    return {"capacity": estimate.capacity, "lowest_capacity_asset": str(asset.id) if asset is not None else ""}
