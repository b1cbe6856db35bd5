"""`security.session`: the running open, high, low, close and volume of the trading day, and those of past days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.base.enums import TickType
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import DAY_US, from_us, to_us
from llm_plugin.engine.data.bars import QuoteBar, Tick, TradeBar
from llm_plugin.engine.indicators.window import RollingWindow

__all__ = ["Session", "SessionBar"]

_DAY = timedelta(days=1)
_NEVER = datetime(1, 1, 1)


class _Side:
    """One running price."""

    __slots__ = ("close", "high", "low", "open")

    def __init__(self, first: float, high: float, low: float, close: float) -> None:
        self.open, self.high, self.low, self.close = first, high, low, close

    def add(self, high: float, low: float, close: float) -> None:
        self.high, self.low, self.close = max(self.high, high), min(self.low, low), close


class SessionBar(LeanObject):
    """One trading day out of regular hours; trades of equities, quotes of currencies."""

    def __init__(self, symbol: Any, tick_type: TickType, time: datetime | None) -> None:
        self.symbol, self.time = symbol, time
        self.volume = self.open_interest = 0.0
        self._trades = tick_type == TickType.TRADE
        self._sides: dict[str, _Side] = {}
        self._until = self._volume_until = _NEVER

    @property
    def end_time(self) -> datetime | None:
        """The midnight after the day."""
        return self.time + _DAY if self.time is not None else None

    @property
    def period(self) -> timedelta:
        """A day."""
        return _DAY

    def _price(self, name: str) -> float:
        sides = [float(getattr(side, name)) for side in self._sides.values()]
        return sum(sides) / len(sides) if sides else 0.0

    open = property(lambda self: self._price("open"), doc="First price.")
    high = property(lambda self: self._price("high"), doc="Highest price.")
    low = property(lambda self: self._price("low"), doc="Lowest price.")
    close = property(lambda self: self._price("close"), doc="Last price.")
    value = price = close

    def _side(self, name: str, first: float, high: float, low: float, close: float) -> None:
        side = self._sides.get(name)
        if side is None:
            self._sides[name] = _Side(first, high, low, close)
        else:
            side.add(high, low, close)

    def _add_volume(self, data: Any, volume: float) -> None:
        if self._volume_until <= data.time:
            self._volume_until = data.end_time
            self.volume += volume

    def update(self, data: Any) -> None:
        """Take a bar or tick; what overlaps with what is in already is left out."""
        if data.time < self._until:
            return
        if isinstance(data, TradeBar):
            self._add_volume(data, data.volume)
            if self._trades:
                self._side("trade", data.open, data.high, data.low, data.close)
                self._until = data.end_time
        elif isinstance(data, QuoteBar):
            if not self._trades:
                for name, side in (("bid", data.bid), ("ask", data.ask)):
                    if side is not None:
                        self._side(name, side.open, side.high, side.low, side.close)
                self._until = data.end_time
        elif isinstance(data, Tick):
            self._take_tick(data)

    def _take_tick(self, tick: Tick) -> None:
        self._add_volume(tick, tick.quantity)
        if self._trades != (tick.tick_type == TickType.TRADE):
            return
        prices = {"trade": tick.value} if self._trades else {"bid": tick.bid_price, "ask": tick.ask_price}
        for name, price in prices.items():
            if price:
                self._side(name, price, price, price, price)
        self._until = tick.end_time

    def __repr__(self) -> str:
        return f"O: {self.open} H: {self.high} L: {self.low} C: {self.close} V: {self.volume} OI: {self.open_interest}"

    __str__ = __repr__


class Session(LeanObject):
    """Index 0 is the running day, 1 the one before; it runs once its `size` is set.

    Args:
        symbol: Whose session.
        hours: Exchange hours: data outside of regular hours does not count.
        tick_type: What makes its prices.
        activated: Called when the size is set the first time.
    """

    def __init__(self, symbol: Any, hours: Any, tick_type: TickType, activated: Callable[[Session], None]) -> None:
        self.symbol, self._hours, self._tick_type = symbol, hours, tick_type
        self._activated = activated
        self._window: RollingWindow | None = None
        self._bar = SessionBar(symbol, tick_type, None)
        self._begun = False
        self._last_emit = _NEVER

    @property
    def size(self) -> int:
        """How many days are held; 0 while it does not run."""
        return self._window.size if self._window is not None else 0

    @size.setter
    def size(self, size: int) -> None:
        if self._window is None:
            self._window = RollingWindow(int(size))
            self._window.add(self._bar)
            self._activated(self)
        else:
            self._window.size = int(size)

    def __getitem__(self, index: int) -> Any:
        if self._window is None:
            raise IndexError("the session does not run: set its size first, e.g. security.session.size = 3")
        return self._window[index]

    def __iter__(self) -> Any:
        return iter(self._window if self._window is not None else ())

    def __len__(self) -> int:
        return self.count

    @property
    def count(self) -> int:
        """How many days there are."""
        return self._window.count if self._window is not None else 0

    @property
    def is_ready(self) -> bool:
        """True once all days are there."""
        return self._window is not None and self._window.is_ready

    open = property(lambda self: self._bar.open, doc="First price of the day, 0 without data.")
    high = property(lambda self: self._bar.high, doc="Highest price of the day.")
    low = property(lambda self: self._bar.low, doc="Lowest price of the day.")
    close = property(lambda self: self._bar.close, doc="Last price of the day.")
    volume = property(lambda self: self._bar.volume, doc="Volume of the day.")
    open_interest = property(lambda self: self._bar.open_interest, doc="0: there are no derivatives.")
    end_time = property(lambda self: self._bar.end_time, doc="End of the day.")

    def update(self, data: Any) -> None:
        """Take a point of data, copies of fill-forward included."""
        bar = self._bar
        if self._begun and bar.time is not None and data.time - bar.time >= _DAY:
            self._close()
        if data.time < self._last_emit:
            return
        bar = self._bar
        if not self._begun:
            day = from_us(to_us(data.time) // DAY_US * DAY_US)
            if bar.time is None or day > bar.time:
                bar.time = day
            self._begun = True
        if self._hours.overlaps_us(to_us(data.time), to_us(data.end_time), False):
            bar.update(data)

    def scan(self, local: datetime) -> None:
        """Begin a new day once the date has changed."""
        bar = self._bar
        if self._begun and bar.time is not None and local - bar.time >= _DAY:
            self._close()

    def _close(self) -> None:
        done = self._bar
        if done.time is None or self._window is None:
            return
        self._last_emit = done.time + _DAY
        day = to_us(done.time) // DAY_US + 1
        while self._hours.first_open_us(day) is None:
            day += 1
        self._bar = SessionBar(self.symbol, self._tick_type, from_us(day * DAY_US))
        self._begun = False
        self._window.add(self._bar)

    def reset(self) -> None:
        """Start over."""
        self._bar = SessionBar(self.symbol, self._tick_type, None)
        self._begun, self._last_emit = False, _NEVER
        if self._window is not None:
            self._window.reset()
            self._window.add(self._bar)

    def __repr__(self) -> str:
        return repr(self._bar)

    __str__ = __repr__
