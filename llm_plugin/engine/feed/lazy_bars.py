"""Bars of the feed: they read the columns of their file lazily, so that a field that nobody asks for costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from llm_plugin.engine.base.zones import EPOCH, Zone
from llm_plugin.engine.data.bars import Bar, QuoteBar, TradeBar
from llm_plugin.engine.data.lean_data import BarColumns
from llm_plugin.engine.market.symbols import Symbol

__all__ = ["BarBlock", "FeedBar", "FeedQuoteBar", "FeedTradeBar"]


_POWERS = 10 ** np.arange(19, dtype=np.int64)


class _Column:
    """A column that is made when it is first read; from then on the block's own attribute goes before it."""

    def __init__(self, make: Callable[[BarBlock, str], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, block: BarBlock | None, owner: type | None = None) -> Any:
        if block is None:
            return self
        made = self._make(block, self._name)
        setattr(block, self._name, made)
        return made


def _price(block: BarBlock, name: str) -> Any:
    return block.columns.floats(name).tolist()


def _size(block: BarBlock, name: str) -> Any:
    return block.columns.sizes[name].tolist()


def _side(block: BarBlock, name: str) -> Any:
    return block.columns.sides[name.removeprefix("has_")].tolist()


def _unit_list(block: BarBlock, name: str) -> tuple[list[int], int]:
    units, places = block.unit_column
    return units.tolist(), places


class BarBlock:
    """The columns of one subscription as lists that are made when first read."""

    def __init__(self, columns: BarColumns, symbol: Symbol, zone: Zone) -> None:
        self.columns = columns
        self.symbol = symbol
        self.zone = zone

    end_utc: Any = _Column(lambda block, _: block.columns.end_us.tolist())
    start_local: Any = _Column(lambda block, _: block.zone.locals(block.columns.start_us).tolist())
    end_local: Any = _Column(lambda block, _: block.zone.locals(block.columns.end_us).tolist())
    open: Any = _Column(_price)
    high: Any = _Column(_price)
    low: Any = _Column(_price)
    close: Any = _Column(_price)
    volume: Any = _Column(lambda block, _: block.columns.volume.tolist())
    bid_open: Any = _Column(_price)
    bid_high: Any = _Column(_price)
    bid_low: Any = _Column(_price)
    bid_close: Any = _Column(_price)
    ask_open: Any = _Column(_price)
    ask_high: Any = _Column(_price)
    ask_low: Any = _Column(_price)
    ask_close: Any = _Column(_price)
    bid_size: Any = _Column(_size)
    ask_size: Any = _Column(_size)
    has_bid: Any = _Column(_side)
    has_ask: Any = _Column(_side)
    # The closes as an array of floats; in whole units, with the decimals of a unit, as an array and as a list.
    close_column: Any = _Column(lambda block, _: block.columns.floats("close"))
    unit_column: Any = _Column(lambda block, _: _unit_column(block.columns))
    close_units: Any = _Column(_unit_list)


def _unit_column(columns: BarColumns) -> tuple[Any, int]:
    """Return the closes of `exact` in whole units, and the decimals of a unit."""

    def units(name: str) -> Any:
        # What LEAN's number of decimals leaves of the price.
        spare = columns.scale - columns.digits[name].astype(np.int64)
        if not spare.any():
            return columns.exact[name]
        # More decimals than 64 bits hold make Python's own numbers.
        step = _POWERS[spare] if spare.max() < len(_POWERS) else 10 ** spare.astype(object)
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
    def _start_local(self) -> int:
        return self._block.start_local[self._row]  # type: ignore[no-any-return]

    @property
    def _end_local(self) -> int:
        return self._block.end_local[self._row]  # type: ignore[no-any-return]

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
    def _start_local(self) -> int:
        return self._block.start_local[self._row]  # type: ignore[no-any-return]

    @property
    def _end_local(self) -> int:
        return self._block.end_local[self._row]  # type: ignore[no-any-return]

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
