"""The last data of a security, and its exchange at the clock of the run."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.clock import Clock
from llm_plugin.engine.base.enums import SecurityType, TickType
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.base.zones import to_us
from llm_plugin.engine.data.bars import BaseData, QuoteBar, Tick, TradeBar
from llm_plugin.engine.feed.scaled_bars import scaled
from llm_plugin.engine.market.market_hours import ExchangeHours

if TYPE_CHECKING:
    pass

__all__ = ["SecurityCache", "SecurityExchange"]


class SecurityCache(LeanObject):
    """The last real data of one security (fill-forward copies are not cached)."""

    def __init__(self) -> None:
        self.trade: TradeBar | None = None
        self.quote: QuoteBar | None = None
        self.tick: Tick | None = None
        self.trade_ticks: list[Tick] = []
        self.quote_ticks: list[Tick] = []
        # What sets price and OHLC, what sets each side of the quote, and the last data of the default kind.
        self.source: Any = None
        self.bid_source: Any = None
        self.ask_source: Any = None
        self.last: Any = None
        self.others: dict[type, Any] = {}
        self.properties: dict[str, Any] = {}

    def store_equity_trade(self, bar: TradeBar) -> None:
        """Take an equity's (or index') trade bar."""
        self.trade = self.source = self.last = bar

    def store_equity_quote(self, bar: QuoteBar) -> None:
        """Take an equity's quote bar: it sets the quote only."""
        self.quote = bar
        if bar.bid is not None:
            self.bid_source = bar
        if bar.ask is not None:
            self.ask_source = bar

    def store_equity_sides(self, bar: QuoteBar) -> None:
        """Take an equity's quote bar that is known to have both sides."""
        self.quote = self.bid_source = self.ask_source = bar

    def store_trade(self, bar: TradeBar) -> None:
        """Take a trade bar of another type: a quote of the same time stays in front."""
        self.trade = bar
        if self.quote is None or self.quote.end_time != bar.end_time:
            self.source = self.last = bar

    def store_quote(self, bar: QuoteBar) -> None:
        """Take a quote bar of another type."""
        self.quote = self.source = self.last = bar
        if bar.bid is not None:
            self.bid_source = bar
        if bar.ask is not None:
            self.ask_source = bar

    def store_full_quote(self, bar: QuoteBar) -> None:
        """Take a quote bar that is known to have both sides."""
        self.quote = self.source = self.last = self.bid_source = self.ask_source = bar

    def store_tick(self, tick: Tick) -> None:
        """Take a tick."""
        self.last = tick
        self.store_side_tick(tick)

    def store_side_tick(self, tick: Tick) -> None:
        """Take a tick that is not of the default kind (an equity's quote): price and quote only."""
        self.tick = tick
        if tick.value:
            self.source = tick
        quote = tick.tick_type == TickType.QUOTE
        ticks = self.quote_ticks if quote else self.trade_ticks
        if ticks and ticks[-1].moment == tick.moment:
            ticks.append(tick)
        elif quote:
            self.quote_ticks = [tick]
        else:
            self.trade_ticks = [tick]
        if quote:
            if tick.bid_price:
                self.bid_source = tick
            if tick.ask_price:
                self.ask_source = tick

    def store_custom(self, data: BaseData) -> None:
        """Take a point of custom data."""
        self.source = self.last = data
        self.others[type(data)] = data

    def get_data(self, kind: type | None = None) -> Any:
        """Return the last data, or the last of a type."""
        if kind is None:
            return self.last
        if issubclass(kind, TradeBar):
            return self.trade
        if issubclass(kind, QuoteBar):
            return self.quote
        if issubclass(kind, Tick):
            return self.tick
        return self.others.get(kind)

    def add_data(self, data: Any) -> None:
        """Take any data, as the feed does."""
        beat()
        by_trade = getattr(data.symbol, "security_type", None) in (SecurityType.EQUITY, SecurityType.INDEX)
        if isinstance(data, TradeBar):
            (self.store_equity_trade if by_trade else self.store_trade)(data)
        elif isinstance(data, QuoteBar):
            (self.store_equity_quote if by_trade else self.store_quote)(data)
        elif isinstance(data, Tick):
            side = by_trade and data.tick_type == TickType.QUOTE
            (self.store_side_tick if side else self.store_tick)(data)
        else:
            self.store_custom(data)

    def apply_split(self, factor: Decimal) -> None:
        """Scale the last data after a split of raw prices."""
        made: dict[int, Any] = {}
        for name in ("trade", "quote", "source", "bid_source", "ask_source", "last"):
            data = getattr(self, name)
            if data is not None:
                if id(data) not in made:
                    made[id(data)] = scaled(data, factor)
                setattr(self, name, made[id(data)])

    def reset(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    @property
    def price(self) -> float:
        """Last price."""
        return float(self.source.value) if self.source is not None else 0.0


class SecurityExchange(LeanObject):
    """Market hours of a security, at the clock of the run."""

    def __init__(self, hours: ExchangeHours, clock: Clock) -> None:
        self.hours = hours
        self._clock = clock

    @property
    def time_zone(self) -> Any:
        """Time zone of the exchange."""
        return self.hours.time_zone

    @property
    def local_time(self) -> datetime:
        """Now, exchange time."""
        return self._clock.local(self.hours.time_zone)

    @property
    def local_us(self) -> int:
        """Now, exchange-local microseconds."""
        return self.hours.time_zone.local(self._clock.utc_us)

    @property
    def exchange_open(self) -> bool:
        """True in regular hours."""
        return self.hours.is_open_us(self.local_us)

    @property
    def closing_soon(self) -> bool:
        """True in the last ten minutes."""
        local = self.local_us
        return self.hours.is_open_us(local) and not self.hours.is_open_us(local + 600_000_000)

    @property
    def trading_days_per_year(self) -> int:
        """252, or 365 for markets that never close."""
        return 365 if self.hours.is_market_always_open else 252

    def is_open_during_bar(self, start: datetime, end: datetime, extended: bool = False) -> bool:
        """True if a bar overlaps market hours."""
        return self.hours.overlaps_us(to_us(start), to_us(end), extended)

    def date_is_open(self, moment: datetime) -> bool:
        """True on trading days."""
        return self.hours.is_date_open(moment)

    def date_time_is_open(self, moment: datetime) -> bool:
        """True in regular hours."""
        return self.hours.is_open_us(to_us(moment))
