"""Streams of ticks: one file per day, points that read their columns lazily."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from llm_plugin.engine.base.enums import DataNormalizationMode, SecurityType, TickType
from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.zones import DAY_US, EPOCH
from llm_plugin.engine.data.bars import Tick
from llm_plugin.engine.data.normalization import day_factors, dividends_since
from llm_plugin.engine.data.tick_files import TickColumns, read_tick_file, tick_fields
from llm_plugin.engine.feed.bar_stream import FOREVER, BarSource
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.market.tick_exchanges import exchange_of

__all__ = ["FeedTick", "TickBlock", "TickStream"]

_EPOCH_ORDINAL = EPOCH.toordinal()


class TickBlock:
    """The columns of one day as lists that are made when first read."""

    def __init__(self, columns: TickColumns, symbol: Symbol, tick_type: TickType, zone: Any) -> None:
        self.columns, self.symbol, self.tick_type, self.zone = columns, symbol, tick_type, zone
        self.suspicious: list[bool] = columns.suspicious.tolist()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        columns = self.columns
        if name == "local":
            found: list[Any] = self.zone.locals(columns.time_us).tolist()
        elif name == "value" and name not in columns.exact:
            found = _mid(columns).tolist()
        elif name in columns.exact:
            found = columns.floats(name).tolist()
        elif name in columns.sizes:
            found = columns.sizes[name].tolist()
        else:
            found = [0.0] * len(columns)
        self.__dict__[name] = found
        return found


def _mid(columns: TickColumns) -> Any:
    bid, ask = columns.floats("bid_price"), columns.floats("ask_price")
    total = columns.exact["bid_price"] + columns.exact["ask_price"]
    half = np.asarray(total / (2 * 10.0**columns.scale), dtype=np.float64)
    return np.where((bid != 0) & (ask != 0), half, bid + ask)


class FeedTick(Tick):
    """A trade or quote of the feed."""

    __slots__ = ("_block", "_row")

    is_fill_forward = False

    def __init__(self, block: TickBlock, row: int) -> None:
        self._block, self._row = block, row

    @property
    def symbol(self) -> Symbol:
        """Whose tick it is."""
        return self._block.symbol

    @property
    def tick_type(self) -> TickType:  # type: ignore[override]
        """Trade or quote."""
        return self._block.tick_type

    @property
    def time(self) -> datetime:  # type: ignore[override]
        """When, in the exchange's time zone."""
        return EPOCH + timedelta(microseconds=self._block.local[self._row])

    @property  # type: ignore[misc]
    def end_time(self) -> datetime:
        """When, in the exchange's time zone."""
        return self.time

    @property
    def moment(self) -> Any:
        """What ticks of the same time share."""
        return self._block.local[self._row]

    def _number(self, name: str) -> float:
        return getattr(self._block, name)[self._row]  # type: ignore[no-any-return]

    value = property(lambda self: self._number("value"), doc="Last price, or the middle of bid and ask.")
    price = last_price = value
    quantity = property(lambda self: self._number("quantity"), doc="Size of a trade.")
    bid_price = property(lambda self: self._number("bid_price"), doc="Bid, 0 without one.")
    ask_price = property(lambda self: self._number("ask_price"), doc="Ask, 0 without one.")
    bid_size = property(lambda self: self._number("bid_size"), doc="Size at the bid.")
    ask_size = property(lambda self: self._number("ask_size"), doc="Size at the ask.")

    @property
    def suspicious(self) -> bool:  # type: ignore[override]
        """True for a tick that sets no price."""
        return self._block.suspicious[self._row]

    @property
    def sale_condition(self) -> str:  # type: ignore[override]
        """Conditions as a hexadecimal number, empty without any."""
        return self._block.columns.text_of(self._row)[1]

    @property
    def exchange(self) -> str:  # type: ignore[override]
        """Name of the exchange."""
        return exchange_of(self._exchange_text(), self.symbol).name

    @property
    def exchange_code(self) -> str:
        """Code of the exchange."""
        return exchange_of(self._exchange_text(), self.symbol).code

    def _exchange_text(self) -> str:
        return self._block.columns.text_of(self._row)[0]

    def exact(self, name: str = "value") -> Decimal:
        """Return a price as LEAN's decimal."""
        columns, row = self._block.columns, self._row
        field = "value" if name in ("price", "last_price", "close") else name
        if field in columns.exact:
            return columns.decimal(field, row) if columns.exact[field][row] else ZERO
        if field == "value":
            bid, ask = self.exact("bid_price"), self.exact("ask_price")
            return (bid + ask) / 2 if bid and ask else bid + ask
        return super().exact(field)


class TickStream:
    """Ticks of one subscription in the order of their files.

    Args:
        source: Where the files are, and between which UTC times ticks are wanted.
        security: Whom they belong to.
        suspicious: The ticks that set no price instead of those that do.
    """

    def __init__(self, source: BarSource, security: Any, *, suspicious: bool = False) -> None:
        self.config, self.source, self.security = source.config, source, security
        self.auxiliary, self.both_sides = suspicious, False
        self.store: Any = None
        self.rank = 0
        self.next_emit = FOREVER
        self._days = self._blocks()
        self._block: TickBlock
        self._emits: list[int] = []
        self._index = 0
        self._load()

    def _load(self) -> None:
        block = next(self._days, None)
        if block is None:
            self.next_emit = FOREVER
            return
        self._block, self._index = block, 0
        self._emits = block.columns.time_us.tolist()
        self.next_emit = self._emits[0]

    def next_point(self) -> FeedTick:
        """Return the next tick and move on."""
        tick = FeedTick(self._block, self._index)
        self._advance()
        return tick

    def _advance(self) -> None:
        self._index += 1
        if self._index == len(self._emits):
            self._load()
        else:
            self.next_emit = self._emits[self._index]

    def refill(self, fill_span: int, now_us: int) -> None:
        """Ticks are not filled."""

    def skip_to(self, now_us: int) -> None:
        """Drop ticks that were due before or at a time."""
        while self.next_emit <= now_us:
            self._advance()

    def _blocks(self) -> Iterator[TickBlock]:
        source, config = self.source, self.config
        first, last = source.day_range()
        zone = source.hours.time_zone
        for number in range(first, last + 1):
            path = source.day_file(number)
            if path is None:
                continue
            day = date.fromordinal(_EPOCH_ORDINAL + number)
            columns = read_tick_file(path, config.security_type, config.tick_type, source.entry, day)
            columns = self._wanted(columns)
            if len(columns):
                yield TickBlock(self._normalized(columns), config.symbol, config.tick_type, zone)

    def _wanted(self, columns: TickColumns) -> TickColumns:
        source = self.source
        keep = (columns.time_us >= source.start_us) & (columns.time_us <= source.end_us)
        keep &= columns.suspicious == self.auxiliary
        hours = source.hours
        if not hours.is_market_always_open:
            extended = self.config.extended_market_hours
            keep &= source.is_open(hours.time_zone.locals(columns.time_us), extended)
        return columns.take(keep)

    def _normalized(self, columns: TickColumns) -> TickColumns:
        mode = self.config.data_normalization_mode
        if self.config.security_type != SecurityType.EQUITY or mode == DataNormalizationMode.RAW:
            return columns
        source = self.source
        zone = source.hours.time_zone
        factors = source.factor_file()
        day = int(zone.local(int(columns.time_us[0])) // DAY_US)
        span = zone.local(source.start_us) // DAY_US, zone.local(source.end_us) // DAY_US
        factor = day_factors(factors, [day], mode, span[1])[0]
        extra = ZERO
        if mode == DataNormalizationMode.TOTAL_RETURN:
            paid = dividends_since(factors, source.hours, span[0], day)
            extra = sum(paid.values(), ZERO)
        return _scaled(columns, factor, extra, tick_fields(self.config.tick_type))


def _scaled(columns: TickColumns, factor: Decimal, extra: Decimal, fields: tuple[str, ...]) -> TickColumns:
    if factor == 1 and extra == 0:
        return columns
    places = max(0, -int(factor.as_tuple().exponent))
    scale = columns.scale + places
    by, added = int(factor.scaleb(places)), int(extra.scaleb(scale))
    for name in fields:
        values = columns.exact[name].astype(object)
        there = np.asarray(columns.exact[name] != 0)
        columns.exact[name] = np.where(there, values * by + added, 0)
        columns.digits[name] = columns.digits[name] + np.uint8(places)
    columns.scale = scale
    ratio = float(factor)
    columns.sizes = {name: np.round(values / ratio) for name, values in columns.sizes.items()}
    return columns
