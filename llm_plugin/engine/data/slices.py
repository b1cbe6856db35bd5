"""What `on_data` gets: all data of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from llm_plugin.engine.base.names import LeanObject, snake
from llm_plugin.engine.base.pairs import Pair
from llm_plugin.engine.base.zones import Zone, from_us
from llm_plugin.engine.data.bars import BaseData, QuoteBar, Tick, TradeBar
from llm_plugin.engine.data.corporate_data import Delisting, Dividend, Split, SymbolChangedEvent
from llm_plugin.engine.market.symbols import Symbol

__all__ = [
    "DataDictionary",
    "Delistings",
    "Dividends",
    "QuoteBars",
    "Slice",
    "Splits",
    "SymbolChangedEvents",
    "Ticks",
    "TradeBars",
]

_BARS = (QuoteBar, TradeBar)
AUXILIARY = (Dividend, Split, Delisting, SymbolChangedEvent)
Find = Callable[[Any], Symbol | None]


class DataDictionary(LeanObject):
    """Data by symbol; a ticker or an identifier string works as the key too."""

    __slots__ = ("_find", "_items", "time")

    def __init__(self, items: dict[Symbol, Any] | None = None, find: Find | None = None, time: Any = None) -> None:
        self._items = {} if items is None else items
        self._find = find
        self.time = time

    def _key(self, key: Any) -> Any:
        if isinstance(key, Symbol) or self._find is None:
            return key
        return self._find(key)

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._items[self._key(key)]
        except KeyError:
            raise KeyError(
                f"{key} was not found in the {type(self).__name__} of this moment: no data for it ended now. "
                "Ask with contains_key or get first"
            ) from None

    def __setitem__(self, key: Any, value: Any) -> None:
        self._items[self._key(key)] = value

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the data of a symbol, or the default."""
        return self._items.get(self._key(key), default)

    def get_value(self, key: Any) -> Any:
        """Return the data of a symbol, or None."""
        return self.get(key)

    def __contains__(self, key: Any) -> bool:
        return self._key(key) in self._items

    def contains_key(self, key: Any) -> bool:
        """True if there is data of the symbol."""
        return key in self

    def try_get_value(self, key: Any) -> tuple[bool, Any]:
        """Return (found, data)."""
        return key in self, self.get(key)

    def add(self, key: Any, value: Any) -> None:
        """Set the data of a symbol."""
        self[key] = value

    def __iter__(self) -> Iterator[Any]:
        return iter([Pair(key, value) for key, value in self._items.items()])

    def __len__(self) -> int:
        return len(self._items)

    @property
    def count(self) -> int:
        """Number of symbols."""
        return len(self._items)

    def keys(self) -> list[Any]:
        """Symbols."""
        return list(self._items)

    Keys = property(keys)

    def values(self) -> list[Any]:
        """Data."""
        return list(self._items.values())

    Values = property(values)

    def items(self) -> list[tuple[Any, Any]]:
        """Symbols and data."""
        return list(self._items.items())


class TradeBars(DataDictionary):
    """Trade bars by symbol."""

    __slots__ = ()


class QuoteBars(DataDictionary):
    """Quote bars by symbol."""

    __slots__ = ()


class Ticks(DataDictionary):
    """Lists of ticks by symbol."""

    __slots__ = ()


class Dividends(DataDictionary):
    """Dividends by symbol."""

    __slots__ = ()


class Splits(DataDictionary):
    """Splits by symbol."""

    __slots__ = ()


class Delistings(DataDictionary):
    """Delistings by symbol."""

    __slots__ = ()


class SymbolChangedEvents(DataDictionary):
    """Ticker changes by symbol."""

    __slots__ = ()


class Slice(LeanObject):
    """All data of one moment; dictionaries are made when first asked for."""

    __slots__ = ("_data", "_find", "_made", "_points", "_us", "_zone")

    def __init__(self, utc_us: int, points: Sequence[Any], find: Find, zone: Zone) -> None:
        self._us = utc_us
        self._points = points
        self._find = find
        self._zone = zone
        self._data: dict[Symbol, Any] | None = None
        # The dictionaries by kind, once somebody asks.
        self._made: dict[type, DataDictionary] | None = None

    @property
    def time(self) -> datetime:
        """Now, in the algorithm's zone."""
        return from_us(self._zone.local(self._us))

    @property
    def utc_time(self) -> datetime:
        """Now, naive UTC."""
        return from_us(self._us)

    @property
    def has_data(self) -> bool:
        """True with at least one point, corporate events included."""
        return bool(self._points)

    @property
    def all_data(self) -> list[Any]:
        """Every point."""
        return list(self._points)

    @property
    def bars(self) -> TradeBars:
        """Trade bars; of two bars of a symbol that end together, the shorter one."""
        return self._dictionary(TradeBar, TradeBars, self._shortest)  # type: ignore[return-value]

    @property
    def quote_bars(self) -> QuoteBars:
        """Quote bars; of two bars of a symbol that end together, the shorter one."""
        return self._dictionary(QuoteBar, QuoteBars, self._shortest)  # type: ignore[return-value]

    def _dictionary(
        self, kind: type[Any], holder: type[DataDictionary], collect: Callable[[type[Any]], dict[Symbol, Any]]
    ) -> DataDictionary:
        made = self._made
        if made is None:
            made = self._made = {}
        found = made.get(kind)
        if found is None:
            found = made[kind] = holder(collect(kind), self._find, self.time)
        return found

    def _shortest(self, kind: type[Any]) -> dict[Symbol, Any]:
        found: dict[Symbol, Any] = {}
        for point in self._points:
            if isinstance(point, kind):
                known = found.get(point.symbol)
                if known is None or point.period < known.period:
                    found[point.symbol] = point
        return found

    @property
    def ticks(self) -> Ticks:
        """Lists of ticks."""
        return self._dictionary(Tick, Ticks, self._lists)  # type: ignore[return-value]

    def _lists(self, kind: type[Any]) -> dict[Symbol, Any]:
        found: dict[Symbol, Any] = {}
        for point in self._points:
            if isinstance(point, kind):
                found.setdefault(point.symbol, []).append(point)
        return found

    def _last_of(self, kind: type[Any]) -> dict[Symbol, Any]:
        return {point.symbol: point for point in self._points if isinstance(point, kind)}

    def _auxiliary(self, kind: type[Any], holder: type[DataDictionary]) -> Any:
        return self._dictionary(kind, holder, self._last_of)

    @property
    def dividends(self) -> Dividends:
        """Dividends of today."""
        return self._auxiliary(Dividend, Dividends)  # type: ignore[no-any-return]

    @property
    def splits(self) -> Splits:
        """Splits and warnings of today."""
        return self._auxiliary(Split, Splits)  # type: ignore[no-any-return]

    @property
    def delistings(self) -> Delistings:
        """Delistings and warnings of today."""
        return self._auxiliary(Delisting, Delistings)  # type: ignore[no-any-return]

    @property
    def symbol_changed_events(self) -> SymbolChangedEvents:
        """Ticker changes of today."""
        return self._auxiliary(SymbolChangedEvent, SymbolChangedEvents)  # type: ignore[no-any-return]

    def _by_symbol(self) -> dict[Symbol, Any]:
        if self._data is None:
            found: dict[Symbol, Any] = {}
            if len(self._points) == 1 and isinstance(self._points[0], _BARS):
                found[self._points[0].symbol] = self._points[0]
                self._data = found
                return found
            for point in self._points:
                held = found.get(point.symbol)
                if isinstance(point, AUXILIARY):
                    # The symbol is there, without market data.
                    found.setdefault(point.symbol, None)
                elif isinstance(point, Tick):
                    if held is None:
                        found[point.symbol] = [point]
                    elif isinstance(held, list):
                        held.append(point)
                elif isinstance(point, QuoteBar) and isinstance(held, TradeBar):
                    continue
                else:
                    found[point.symbol] = point
            self._data = found
        return self._data

    def _key(self, key: Any) -> Any:
        return key if isinstance(key, Symbol) else self._find(key)

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._by_symbol()[self._key(key)]
        except KeyError:
            text = f"{key} has no data in this slice ({self.time}): ask `contains_key` first, or use `get`"
            raise KeyError(text) from None

    def contains_key(self, key: Any) -> bool:
        """True if there is anything of the symbol; of corporate events alone, `slice[symbol]` is None."""
        points = self._points
        if points:
            # One bar of one symbol is what most slices are; most algorithms ask for nothing else.
            first = points[0]
            if first.symbol is key and isinstance(first, _BARS):
                return True
        return self._key(key) in self._by_symbol()

    __contains__ = contains_key

    def try_get_value(self, key: Any) -> tuple[bool, Any]:
        """Return (found, data)."""
        found = self._by_symbol().get(self._key(key))
        return found is not None, found

    def get(self, kind: Any, symbol: Any = None) -> Any:
        """`get(Type)`: data of a type by symbol; `get(symbol)`: data of a symbol or None."""
        if isinstance(kind, type):
            found = self._of_type(kind)
            return found if symbol is None else found[symbol]
        data = self._by_symbol().get(self._key(kind))
        return data if data is not None else symbol

    def _of_type(self, kind: type[Any]) -> DataDictionary:
        holders: dict[type, str] = {TradeBar: "bars", QuoteBar: "quote_bars", Tick: "ticks", Dividend: "dividends"}
        holders |= {Split: "splits", Delisting: "delistings", SymbolChangedEvent: "symbol_changed_events"}
        if kind in holders:
            return getattr(self, holders[kind])  # type: ignore[no-any-return]
        found: dict[Symbol, Any] = {}
        for point in self._points:
            if isinstance(point, kind):
                found[point.symbol] = point
        return DataDictionary(found, self._find, self.time)

    def keys(self) -> list[Symbol]:
        """Symbols with anything."""
        return list(self._by_symbol())

    Keys = property(keys)

    def values(self) -> list[Any]:
        """Market data."""
        return [value for value in self._by_symbol().values() if value is not None]

    Values = property(values)

    def get_values(self) -> list[Any]:
        """Market data."""
        return self.values()

    def items(self) -> list[tuple[Symbol, Any]]:
        """Symbols and market data."""
        return [(key, value) for key, value in self._by_symbol().items() if value is not None]

    @property
    def count(self) -> int:
        """Number of symbols with anything."""
        return len(self._by_symbol())

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        return iter([Pair(key, value) for key, value in self.items()])

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            # `slice.SPY`: a symbol as an attribute.
            symbol = self._find(name)
            if symbol is not None and symbol in self._by_symbol():
                return self._by_symbol()[symbol]
            twin = snake(name)
            if twin != name and hasattr(type(self), twin):
                return getattr(self, twin)
        return self._missing_member(name)


def is_market_data(point: Any) -> bool:
    """True for bars, ticks and custom data."""
    return isinstance(point, BaseData) and not isinstance(point, AUXILIARY)
