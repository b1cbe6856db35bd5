"""How much money a strategy could move: LEAN's capacity estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from llm_plugin.engine.base.enums import Resolution, SecurityType
from llm_plugin.engine.base.money import ZERO, round_half_even, to_decimal
from llm_plugin.engine.base.zones import DAY_US, HOUR_US, MINUTE_US, to_us

__all__ = ["CapacityEstimate", "MarketBar", "SymbolCapacity", "SymbolState", "bar_resolution", "in_thousands"]

_EFFECT_US = 30 * DAY_US
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
_SHORTEST_US, _LONGEST_US = 39 * MINUTE_US, 195 * MINUTE_US
# The window after a fill where bars are shorter than an hour, in minutes.
_LEAST_MINUTES = {Resolution.MINUTE: 1, Resolution.SECOND: 5, Resolution.TICK: 5}
_MOST_MINUTES = 120
_LENGTHS = (
    (timedelta(days=1), Resolution.DAILY),
    (timedelta(hours=1), Resolution.HOUR),
    (timedelta(minutes=1), Resolution.MINUTE),
    (timedelta(seconds=1), Resolution.SECOND),
)


def in_thousands(value: Decimal) -> Decimal:
    """Round a capacity as LEAN shows it."""
    return round_half_even(value / _THOUSAND, 0) * _THOUSAND if value else ZERO


def bar_resolution(period: timedelta) -> Resolution:
    """The longest resolution that fits into a bar; a daily bar from open to close counts as hourly, as in LEAN."""
    for length, resolution in _LENGTHS:
        if period >= length:
            return resolution
    return Resolution.TICK


class MarketBar(NamedTuple):
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


class SymbolCapacity:
    """What is known of a symbol that was traded. Times are UTC microseconds."""

    def __init__(self, symbol: Any) -> None:
        self.symbol = symbol
        self.trades = 0
        self.sale_volume = ZERO
        self._market_volume = ZERO
        self._factor = ZERO
        self._discount = _MOST
        # Whether what was moved is forgotten with the next fill.
        self.reset_pending = False
        self._last_order: int | None = None
        # From then on the last fill is long ago.
        self.stale_us = 0
        self._last_bar: int | None = None
        self._last_volume = ZERO
        self._daily: Decimal | None = None

    @property
    def market_volume(self) -> Decimal:
        """Money that the market moved in the windows after fills."""
        return self._market_volume * self._factor

    @property
    def daily(self) -> Decimal:
        """The same for one fill."""
        if self._daily is None:
            self._daily = self.market_volume / self.trades
        return self._daily

    def on_fill(self, us: int, value: Decimal) -> None:
        """Open a window."""
        self.sale_volume += value
        span = DAY_US if self._last_order is None else us - self._last_order
        if span >= _LONGEST_US:
            self._discount = _MOST
        elif span <= _SHORTEST_US:
            self._discount = _LEAST
        else:
            self._discount = 2 * to_decimal(span / MINUTE_US) / 390
        if self.reset_pending:
            self._market_volume, self.trades, self.reset_pending = ZERO, 0, False
        self.trades += 1
        self._last_order, self.stale_us, self._daily = us, us + _EFFECT_US, None

    def on_bar(self, us: int, bar: MarketBar, rate: Decimal, multiplier: Decimal) -> bool:
        """Take a bar into account; return whether the window after the fill is over."""
        close, volume, resolution = bar
        if not volume:
            return False
        money = close * rate
        within = self._within(us, resolution, money, volume)
        self._last_bar, self._last_volume = us, volume
        if not within:
            return True
        self._factor, self._daily = _FACTORS[resolution], None
        self._market_volume += money * self._discount * volume * multiplier
        return False

    def _within(self, us: int, resolution: Resolution, money: Decimal, volume: Decimal) -> bool:
        ordered = self._last_order
        if ordered is None:
            return False
        if resolution is Resolution.DAILY:
            return us == ordered or us // DAY_US == -(-ordered // DAY_US)
        if resolution is Resolution.HOUR:
            return us == -(-ordered // HOUR_US) * HOUR_US
        least, span = _LEAST_MINUTES[resolution], us - ordered
        if span <= least * MINUTE_US:
            return True
        return span <= _MOST_MINUTES * MINUTE_US and span <= self._window(us, resolution, money, volume) * MINUTE_US

    def _window(self, us: int, resolution: Resolution, money: Decimal, volume: Decimal) -> int:
        """Return how many minutes the market takes to move enough money."""
        minutes = _minutes(us - self._last_bar) if self._last_bar else ZERO
        per_minute = money * (volume + self._last_volume) / minutes if minutes else money * volume
        scale = Decimal(6_000_000 if resolution is Resolution.MINUTE else 100_000)
        wait = scale / per_minute if per_minute else Decimal(10)
        return _MOST_MINUTES if wait > _MOST_MINUTES else max(_LEAST_MINUTES[resolution], int(wait))


def _minutes(us: int) -> Decimal:
    whole, rest = divmod(us, MINUTE_US)
    return to_decimal(us / MINUTE_US) if rest else Decimal(whole)


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
        days = (end - start) / timedelta(days=1) - 1
        self._period_us = timedelta(days=max(min(days, 7), 1)) // timedelta(microseconds=1)
        # Before it no snapshot is due: they are taken from the first midnight after the period on.
        self.due_us = _next_midnight(to_us(start) + self._period_us)
        self._rounded: tuple[Decimal, Decimal] = (ZERO, ZERO)
        self._state, self._bar = state, bar
        self._symbols: dict[Any, SymbolCapacity] = {}
        # Symbols whose window after a fill is open.
        self.watched: dict[Any, SymbolCapacity] = {}
        # Takes the bars of what is watched up to a time, where somebody holds them back.
        self.behind: Callable[[int], None] | None = None
        # Not rounded yet.
        self.exact = ZERO
        self.lowest_capacity_asset: Any = None

    @property
    def capacity(self) -> Decimal:
        """The estimate in account currency, rounded to thousands; 0 without trades."""
        exact, rounded = self._rounded
        if exact is not self.exact:
            rounded = in_thousands(self.exact)
            self._rounded = self.exact, rounded
        return rounded

    def on_fill(self, symbol: Any, utc_time: datetime, value: Decimal) -> None:
        """Tell the estimate the value of a (partial) fill in the account currency."""
        item = self._symbols.get(symbol)
        if item is None:
            item = self._symbols[symbol] = SymbolCapacity(symbol)
        item.on_fill(to_us(utc_time), value)
        self.watched[symbol] = item

    @property
    def is_idle(self) -> bool:
        """Whether nothing was filled yet, so that `update` has nothing to do."""
        return not self._symbols

    @property
    def symbols(self) -> list[Any]:
        """What was traded and still counts."""
        return list(self._symbols)

    def update(self, us: int, portfolio_value: Decimal | Callable[[], Decimal], *, force: bool = False) -> None:
        """Take the current slice into account, and a snapshot if one is due or forced; only that asks for the value."""
        for symbol in [*reversed(self.watched)] if self.watched and self.behind is None else ():
            bar = self._bar(symbol)
            if bar is not None:
                state = self._state(symbol)
                if self.watched[symbol].on_bar(us, bar, state.conversion_rate, state.multiplier):
                    del self.watched[symbol]
        if self._symbols and (force or us >= self.due_us):
            self.snapshot(us, portfolio_value() if callable(portfolio_value) else portfolio_value, self._state)

    def snapshot(self, us: int, portfolio_value: Decimal, state_of: Callable[[Any], SymbolState]) -> None:
        """Estimate the capacity anew; something was filled before."""
        if not portfolio_value:
            return
        item = self.smallest(us)
        state = state_of(item.symbol)
        used = state.reserved_buying_power * state.leverage / portfolio_value
        self.take(us, item, used, lambda symbol: state_of(symbol).invested)

    def smallest(self, us: int) -> SymbolCapacity:
        """Return what bounds the capacity at a time."""
        if self.behind is not None:
            self.behind(us + 1)
        items = self._symbols.values()
        return next(iter(items)) if len(items) == 1 else min(items, key=_by_market_volume)

    def take(self, us: int, item: SymbolCapacity, used: Decimal, invested: Callable[[Any], bool]) -> None:
        """Estimate the capacity anew by its smallest symbol.

        Args:
            us: The time.
            item: What bounds the capacity.
            used: Share of the account that its position holds, times its leverage.
            invested: Tells if there is a position in a symbol.
        """
        self.lowest_capacity_asset = item.symbol
        share = ZERO
        if item.sale_volume:
            share = item.sale_volume / sum((each.sale_volume for each in self._symbols.values()), ZERO)
        scaling = used if used > share else share
        before = self.exact
        found = item.daily / scaling if scaling else before
        self.exact = _NEW * found + before * _OLD if before else found
        for each in (*self._symbols.values(),):
            if us >= each.stale_us and not invested(each.symbol):
                del self._symbols[each.symbol]
                self.watched.pop(each.symbol, None)
            else:
                each.reset_pending, each.sale_volume = True, ZERO
        self.due_us = _next_midnight(us - us % DAY_US + self._period_us)


def _by_market_volume(item: SymbolCapacity) -> Decimal:
    return item.market_volume


def _next_midnight(us: int) -> int:
    return -(-us // DAY_US) * DAY_US


def summary_of(estimate: CapacityEstimate | None) -> Mapping[str, Any]:
    """The two figures for the summary."""
    if estimate is None:
        return {"capacity": ZERO, "lowest_capacity_asset": ""}
    asset = estimate.lowest_capacity_asset
    return {"capacity": estimate.capacity, "lowest_capacity_asset": str(asset.id) if asset is not None else ""}
