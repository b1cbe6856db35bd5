"""Bars of the feed: they read the columns of their file lazily, so that a field that nobody asks for costs nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from llm_plugin.engine.base.zones import EPOCH, Zone
from llm_plugin.engine.data.bars import Bar, QuoteBar, TradeBar
from llm_plugin.engine.data.lean_data import BarColumns
from llm_plugin.engine.market.symbols import Symbol

__all__ = ["BarBlock", "FeedBar", "FeedQuoteBar", "FeedTradeBar"]


class BarBlock:
    """The columns of one subscription as lists that are made when first read."""

    def __init__(self, columns: BarColumns, symbol: Symbol, zone: Zone) -> None:
        self.columns = columns
        self.symbol = symbol
        self.zone = zone

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        columns = self.columns
        values: Any
        if name in ("close_column", "close_units"):
            self.__dict__[name] = made = self._closes(name)
            return made
        if name == "end_utc":
            values = columns.end_us
        elif name == "start_local":
            values = self.zone.locals(columns.start_us)
        elif name == "end_local":
            values = self.zone.locals(columns.end_us)
        elif name == "volume":
            values = columns.volume
        elif name in columns.sizes:
            values = columns.sizes[name]
        elif name in ("has_bid", "has_ask"):
            values = columns.sides[name[4:]]
        else:
            values = columns.floats(name)
        found: list[Any] = np.asarray(values).tolist()
        self.__dict__[name] = found
        return found

    def _closes(self, name: str) -> Any:
        """Return the closes as an array of floats, or as a list of whole units with the decimals of a unit."""
        if name == "close_column":
            return self.columns.floats("close")
        units, places = _unit_column(self.columns)
        return units.tolist(), places


def _unit_column(columns: BarColumns) -> tuple[Any, int]:
    """Return the closes of `exact` in whole units, and the decimals of a unit."""

    def units(name: str) -> Any:
        # What LEAN's number of decimals leaves of the price.
        step = 10 ** (columns.scale - columns.digits[name].astype(np.int64))
        return columns.exact[name] // step * step

    if "close" in columns.exact:
        return units("close"), columns.scale
    # Half the sum of both sides, or the side that there is.
    bid, ask = (np.where(columns.sides[side], units(f"{side}_close"), 0) for side in ("bid", "ask"))
    shares = np.where(columns.sides["bid"] & columns.sides["ask"], 5, 10)
    return (bid + ask) * shares, columns.scale + 1


class FeedTradeBar(TradeBar):
    """A trade bar of the feed."""

    __slots__ = ("_block", "_row", "_stop")

    is_fill_forward = False

    def __init__(self, block: BarBlock, row: int) -> None:
        self._block = block
        self._row = row
        self._stop: datetime | None = None

    @property
    def symbol(self) -> Symbol:
        """Whose bar it is."""
        return self._block.symbol

    @property
    def time(self) -> datetime:  # type: ignore[override]
        """Start in the exchange's time zone."""
        return EPOCH + timedelta(microseconds=self._block.start_local[self._row])

    @property  # type: ignore[misc]
    def end_time(self) -> datetime:
        """End in the exchange's time zone."""
        if self._stop is None:
            self._stop = EPOCH + timedelta(microseconds=self._block.end_local[self._row])
        return self._stop

    @property
    def period(self) -> timedelta:  # type: ignore[override]
        """Length."""
        return timedelta(microseconds=self._block.end_local[self._row] - self._block.start_local[self._row])

    @property
    def open(self) -> float:  # type: ignore[override]
        """Open."""
        return self._block.open[self._row]  # type: ignore[no-any-return]

    @property
    def high(self) -> float:  # type: ignore[override]
        """High."""
        return self._block.high[self._row]  # type: ignore[no-any-return]

    @property
    def low(self) -> float:  # type: ignore[override]
        """Low."""
        return self._block.low[self._row]  # type: ignore[no-any-return]

    @property
    def close(self) -> float:  # type: ignore[override]
        """Close."""
        return self._block.close[self._row]  # type: ignore[no-any-return]

    @property  # type: ignore[misc]
    def value(self) -> float:  # type: ignore[override]
        """The close."""
        return self._block.close[self._row]  # type: ignore[no-any-return]

    @property
    def price(self) -> float:
        """The close."""
        return self._block.close[self._row]  # type: ignore[no-any-return]

    @property
    def volume(self) -> float:  # type: ignore[override]
        """Volume."""
        return self._block.volume[self._row]  # type: ignore[no-any-return]

    def exact(self, name: str = "close") -> Decimal:
        """Return a price as LEAN's decimal."""
        return self._block.columns.decimal("close" if name in ("value", "price") else name, self._row)


class FeedBar(Bar):
    """One side of a quote bar of the feed."""

    __slots__ = ("_prefix", "_quote")

    def __init__(self, quote: FeedQuoteBar, prefix: str) -> None:
        self._quote, self._prefix = quote, prefix

    @property
    def open(self) -> float:  # type: ignore[override]
        """Open."""
        return self._quote._price(self._prefix + "open")

    @property
    def high(self) -> float:  # type: ignore[override]
        """High."""
        return self._quote._price(self._prefix + "high")

    @property
    def low(self) -> float:  # type: ignore[override]
        """Low."""
        return self._quote._price(self._prefix + "low")

    @property
    def close(self) -> float:  # type: ignore[override]
        """Close."""
        return self._quote._price(self._prefix + "close")

    def exact(self, name: str) -> Decimal:
        """Return a price as LEAN's decimal."""
        return self._quote.exact(self._prefix + name)


class FeedQuoteBar(QuoteBar):
    """A quote bar of the feed."""

    __slots__ = ("_block", "_row", "_stop")

    is_fill_forward = False

    def __init__(self, block: BarBlock, row: int) -> None:
        self._block = block
        self._row = row
        self._stop: datetime | None = None

    def _price(self, name: str) -> float:
        return getattr(self._block, name)[self._row]  # type: ignore[no-any-return]

    @property
    def symbol(self) -> Symbol:
        """Whose bar it is."""
        return self._block.symbol

    @property
    def time(self) -> datetime:  # type: ignore[override]
        """Start in the exchange's time zone."""
        return EPOCH + timedelta(microseconds=self._block.start_local[self._row])

    @property  # type: ignore[misc]
    def end_time(self) -> datetime:
        """End in the exchange's time zone."""
        if self._stop is None:
            self._stop = EPOCH + timedelta(microseconds=self._block.end_local[self._row])
        return self._stop

    @property
    def period(self) -> timedelta:  # type: ignore[override]
        """Length."""
        return timedelta(microseconds=self._block.end_local[self._row] - self._block.start_local[self._row])

    @property
    def bid(self) -> Bar | None:  # type: ignore[override]
        """Bid side, None where the data has none."""
        return FeedBar(self, "bid_") if self._block.has_bid[self._row] else None

    @property
    def ask(self) -> Bar | None:  # type: ignore[override]
        """Ask side, None where the data has none."""
        return FeedBar(self, "ask_") if self._block.has_ask[self._row] else None

    @property
    def last_bid_size(self) -> float:  # type: ignore[override]
        """Size at the last bid."""
        return self._price("bid_size")

    @property
    def last_ask_size(self) -> float:  # type: ignore[override]
        """Size at the last ask."""
        return self._price("ask_size")

    @property
    def open(self) -> float:
        """Mid open."""
        return self._block.open[self._row]  # type: ignore[no-any-return]

    @property
    def high(self) -> float:
        """Mid high."""
        return self._block.high[self._row]  # type: ignore[no-any-return]

    @property
    def low(self) -> float:
        """Mid low."""
        return self._block.low[self._row]  # type: ignore[no-any-return]

    @property
    def close(self) -> float:
        """Mid close."""
        return self._block.close[self._row]  # type: ignore[no-any-return]

    @property
    def value(self) -> float:  # type: ignore[override]
        """Mid close."""
        return self._block.close[self._row]  # type: ignore[no-any-return]

    @property
    def price(self) -> float:
        """Mid close."""
        return self._block.close[self._row]  # type: ignore[no-any-return]

    def exact(self, name: str = "close") -> Decimal:
        """Return a mid price (`close`) or a side's (`bid_close`) as LEAN's decimal."""
        field = "close" if name in ("value", "price") else name
        columns, row = self._block.columns, self._row
        if field.startswith(("bid_", "ask_")):
            return columns.decimal(field, row) if columns.sides[field[:3]][row] else Decimal(0)
        block = self._block
        bid, ask = block.has_bid[row], block.has_ask[row]
        if bid and ask:
            return (columns.decimal(f"bid_{field}", row) + columns.decimal(f"ask_{field}", row)) / 2
        return columns.decimal(f"{'bid' if bid else 'ask'}_{field}", row) if bid or ask else Decimal(0)
