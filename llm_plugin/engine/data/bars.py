"""Market data that user code sees: bars, ticks, corporate events.

Prices are Python floats; `bar.exact("close")` is the exact Decimal. Bars of the feed read their columns lazily: a
field that nobody asks for costs nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import TickType
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import to_us
from llm_plugin.engine.market.symbols import Symbol

__all__ = [
    "Bar",
    "BaseData",
    "QuoteBar",
    "Tick",
    "TradeBar",
]

_MINUTE = timedelta(minutes=1)
_ZERO = timedelta(0)


class BaseData(LeanObject):
    """Anything with a symbol, a time and a value."""

    __slots__ = ("_end_time", "is_fill_forward", "symbol", "time", "value")

    def __init__(self, symbol: Symbol | None = None, time: datetime | None = None, value: float = 0.0) -> None:
        self.symbol: Any = symbol
        self.time = time
        self._end_time: datetime | None = None
        self.value = value
        self.is_fill_forward = False

    @property
    def end_time(self) -> Any:
        """End of the period in the exchange's time zone; the start where no end was set."""
        return self._end_time if self._end_time is not None else self.time

    @end_time.setter
    def end_time(self, moment: datetime) -> None:
        self._end_time = moment

    @property
    def _start_local(self) -> int:
        """Start of the period in the exchange's time zone, in microseconds."""
        begun: Any = self.time
        return to_us(begun)

    @property
    def _end_local(self) -> int:
        """End of the period in the exchange's time zone, in microseconds."""
        return to_us(self.end_time)

    @property
    def price(self) -> float:
        """The value."""
        return self.value

    def exact(self, name: str = "value") -> Decimal:
        """Return a price as LEAN's decimal."""
        return to_decimal(getattr(self, name))


class Bar(LeanObject):
    """One side of a quote."""

    __slots__ = ("close", "high", "low", "open")

    def __init__(self, open: float = 0.0, high: float = 0.0, low: float = 0.0, close: float = 0.0) -> None:
        self.open, self.high, self.low, self.close = open, high, low, close

    def update(self, value: float) -> None:
        """Extend the bar by one price; 0 is none."""
        if value == 0:
            return
        if self.open == 0:
            self.open = self.high = self.low = value
        self.high, self.low, self.close = max(self.high, value), min(self.low, value), value

    def clone(self) -> Bar:
        """Return a copy."""
        return Bar(self.open, self.high, self.low, self.close)

    def exact(self, name: str) -> Decimal:
        """Return a price as LEAN's decimal."""
        return to_decimal(getattr(self, name))


class TradeBar(BaseData):
    """Open, high, low, close, volume of trades."""

    __slots__ = ("close", "high", "low", "open", "period", "volume")

    def __init__(
        self,
        time: datetime | None = None,
        symbol: Symbol | None = None,
        open: float = 0.0,
        high: float = 0.0,
        low: float = 0.0,
        close: float = 0.0,
        volume: float = 0.0,
        period: timedelta | None = None,
    ) -> None:
        self.symbol, self.time = symbol, time
        self.open, self.high, self.low, self.close, self.volume = open, high, low, close, volume
        self.period = _MINUTE if period is None else period
        self.is_fill_forward = False

    @property
    def value(self) -> float:
        """The close."""
        return self.close

    @value.setter
    def value(self, value: float) -> None:
        self.close = value

    @property
    def price(self) -> float:
        """The close."""
        return self.close

    @property
    def end_time(self) -> Any:
        """End of the bar in the exchange's time zone."""
        return self.time + self.period if self.time is not None else None

    @end_time.setter
    def end_time(self, moment: datetime) -> None:
        self.period = moment - self.time if self.time is not None else _ZERO

    @property
    def data_type(self) -> str:
        """LEAN's name of the kind of data."""
        return "TradeBar"

    @data_type.setter
    def data_type(self, value: str) -> None:
        if value != "TradeBar":
            raise ValueError(f"a trade bar cannot become {value}")

    def get_source(self, config: Any, date: datetime, is_live_mode: bool = False) -> Any:
        """Return where LEAN's trade file of a subscription lies."""
        from llm_plugin.engine.data.lean_paths import market_data_source

        return market_data_source(config, date)

    @staticmethod
    def parse(config: Any, line: str, date: datetime) -> TradeBar:
        """Return the bar of a line of a trade file; prices of equities are ten-thousandths there."""
        from llm_plugin.engine.data.lean_paths import trade_bar_of_line

        return trade_bar_of_line(config, line, date)

    @staticmethod
    def parse_equity(config: Any, line: str, date: datetime) -> TradeBar:
        """Return the bar of a line of an equity's trade file."""
        from llm_plugin.engine.data.lean_paths import trade_bar_of_line

        return trade_bar_of_line(config, line, date, equity=True)

    def reader(self, config: Any, line: str, date: datetime, is_live_mode: bool = False) -> Any:
        """Return the bar of a line of a trade file."""
        return self.parse(config, line, date)

    def update(self, last: float, *rest: float) -> None:
        """Extend the bar by a price (and add the third argument, a trade's size, to the volume)."""
        if self.open == 0:
            self.open = self.high = self.low = last
        self.high, self.low, self.close = max(self.high, last), min(self.low, last), last
        if len(rest) > 2:
            self.volume += rest[2]

    def clone(self, fill_forward: bool = False) -> TradeBar:
        """Return a copy of its own."""
        copy = TradeBar(self.time, self.symbol, self.open, self.high, self.low, self.close, self.volume, self.period)
        copy.is_fill_forward = fill_forward or self.is_fill_forward
        return copy

    def __repr__(self) -> str:
        return (
            f"{self.symbol}: O: {self.open:.10g} H: {self.high:.10g} L: {self.low:.10g} "
            f"C: {self.close:.10g} V: {self.volume:.10g}"
        )

    def __str__(self) -> str:
        return repr(self)


class QuoteBar(BaseData):
    """Bid and ask bars; open ... close are mid prices where both sides exist, else the side that exists."""

    __slots__ = ("_told", "ask", "bid", "last_ask_size", "last_bid_size", "period")

    def __init__(
        self,
        time: datetime | None = None,
        symbol: Symbol | None = None,
        bid: Bar | None = None,
        last_bid_size: float = 0.0,
        ask: Bar | None = None,
        last_ask_size: float = 0.0,
        period: timedelta | None = None,
    ) -> None:
        self.symbol, self.time = symbol, time
        # Copies: a bar that is built up must not change the data that it began with.
        self.bid = Bar(bid.open, bid.high, bid.low, bid.close) if bid is not None else None
        self.ask = Bar(ask.open, ask.high, ask.low, ask.close) if ask is not None else None
        self.last_bid_size, self.last_ask_size = last_bid_size, last_ask_size
        self.period = _MINUTE if period is None else period
        self.is_fill_forward = False
        # What `update` was told last; the value is the mid close without it.
        self._told: float | None = None

    def _middle(self, name: str) -> float:
        bid, ask = self.bid, self.ask
        if bid is not None and ask is not None:
            low, high = getattr(bid, name), getattr(ask, name)
            if low != 0 and high != 0:
                return float((low + high) / 2)
            return float(low if low != 0 else high)
        side = bid if bid is not None else ask
        return float(getattr(side, name)) if side is not None else 0.0

    @property
    def open(self) -> float:
        """Mid open."""
        return self._middle("open")

    @property
    def high(self) -> float:
        """Mid high."""
        return self._middle("high")

    @property
    def low(self) -> float:
        """Mid low."""
        return self._middle("low")

    @property
    def close(self) -> float:
        """Mid close."""
        return self._middle("close")

    @property
    def value(self) -> float:  # type: ignore[override]
        """Mid close; after `update` the last trade, else ask, else bid that it was given."""
        return self.close if self._told is None else self._told

    @property
    def price(self) -> float:
        """The value."""
        return self.value

    @property
    def end_time(self) -> Any:
        """End of the bar in the exchange's time zone."""
        return self.time + self.period if self.time is not None else None

    @end_time.setter
    def end_time(self, moment: datetime) -> None:
        self.period = moment - self.time if self.time is not None else _ZERO

    @property
    def data_type(self) -> str:
        """LEAN's name of the kind of data."""
        return "QuoteBar"

    def exact(self, name: str = "value") -> Decimal:
        """Return a mid price (`close`) or a side's (`bid_close`) as LEAN's decimal."""
        side, _, field = name.partition("_")
        if field:
            bar = self.bid if side == "bid" else self.ask
            return bar.exact(field) if bar is not None else Decimal(0)
        if name in ("value", "price") and self._told is not None:
            return to_decimal(self._told)
        field = "close" if name in ("value", "price") else name
        sides = [s.exact(field) for s in (self.bid, self.ask) if s is not None]
        sides = [value for value in sides if value] or [Decimal(0)]
        return sum(sides[1:], sides[0]) / len(sides) if len(sides) > 1 else sides[0]

    def update(
        self,
        last_trade: float,
        bid_price: float,
        ask_price: float,
        volume: float,
        bid_size: float,
        ask_size: float,
    ) -> None:
        """Extend the sides by a bid and an ask; zeros leave a side as it is."""
        for name, price, size in (("bid", bid_price, bid_size), ("ask", ask_price, ask_size)):
            if price:
                side = getattr(self, name)
                if side is None:
                    setattr(self, name, Bar(price, price, price, price))
                else:
                    side.update(price)
            if size > 0:
                setattr(self, f"last_{name}_size", size)
        told = last_trade or ask_price or bid_price
        if told:
            self._told = told

    def collapse(self) -> TradeBar:
        """Return a trade bar of the mid prices."""
        return TradeBar(self.time, self.symbol, self.open, self.high, self.low, self.close, 0.0, self.period)

    def clone(self, fill_forward: bool = False) -> QuoteBar:
        """Return a copy of its own."""
        copy = QuoteBar(
            self.time,
            self.symbol,
            self.bid.clone() if self.bid is not None else None,
            self.last_bid_size,
            self.ask.clone() if self.ask is not None else None,
            self.last_ask_size,
            self.period,
        )
        copy._told = getattr(self, "_told", None)
        copy.is_fill_forward = fill_forward or self.is_fill_forward
        return copy

    def __repr__(self) -> str:
        bid, ask = self.bid, self.ask
        left = f"Bid: O: {bid.open:.10g} H: {bid.high:.10g} L: {bid.low:.10g} C: {bid.close:.10g}" if bid else "Bid: -"
        right = f"Ask: O: {ask.open:.10g} H: {ask.high:.10g} L: {ask.low:.10g} C: {ask.close:.10g}" if ask else "Ask: -"
        return f"{self.symbol}: {left} {right}"

    def __str__(self) -> str:
        return repr(self)


class Tick(BaseData):
    """One trade or quote."""

    __slots__ = ("ask_price", "ask_size", "bid_price", "bid_size", "exchange", "quantity", "sale_condition",
                 "suspicious", "tick_type")  # fmt: skip

    def __init__(
        self, time: datetime | None = None, symbol: Symbol | None = None, value: float = 0.0, quantity: float = 0.0
    ) -> None:
        super().__init__(symbol, time, value)
        self.quantity = quantity
        self.bid_price = self.ask_price = self.bid_size = self.ask_size = 0.0
        self.exchange = self.sale_condition = ""
        self.suspicious = False
        self.tick_type = TickType.TRADE

    @property
    def moment(self) -> Any:
        """What ticks of the same time share."""
        return self.time

    @property
    def last_price(self) -> float:
        """The value."""
        return self.value
