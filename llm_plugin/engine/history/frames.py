"""DataFrames as LEAN's Python bridge makes them, and ticker keys for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.engine.base.enums import TickType
from llm_plugin.engine.base.late_modules import when_imported
from llm_plugin.engine.data.bars import QuoteBar, Tick, TradeBar
from llm_plugin.engine.data.slices import AUXILIARY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_of", "ticker_keys"]

_OHLC = ("open", "high", "low", "close")
_EVENTS = {"distribution", "reference_price", "split_factor", "type", "old_symbol", "new_symbol"}
_IGNORED = {"symbol", "time", "end_time", "is_fill_forward", "data_type", "price", "period"}


def _trade_columns(bars: list[Any]) -> dict[str, list[Any]]:
    columns = {name: [getattr(bar, name) for bar in bars] for name in _OHLC}
    columns["volume"] = [bar.volume for bar in bars]
    return columns


def _quote_columns(bars: list[Any]) -> dict[str, list[Any]]:
    columns = {name: [getattr(bar, name) for bar in bars] for name in _OHLC}
    for side in ("ask", "bid"):
        sides = [getattr(bar, side) for bar in bars]
        for name in _OHLC:
            columns[side + name] = [getattr(item, name) if item is not None else np.nan for item in sides]
        columns[f"{side}size"] = [getattr(bar, f"last_{side}_size") for bar in bars]
    return columns


def _tick_columns(ticks: list[Any]) -> dict[str, list[Any]]:
    trade = [tick.tick_type == TickType.TRADE for tick in ticks]
    rows = list(zip(ticks, trade, strict=True))
    return {
        "askprice": [np.nan if is_trade else tick.ask_price for tick, is_trade in rows],
        "asksize": [np.nan if is_trade else tick.ask_size for tick, is_trade in rows],
        "bidprice": [np.nan if is_trade else tick.bid_price for tick, is_trade in rows],
        "bidsize": [np.nan if is_trade else tick.bid_size for tick, is_trade in rows],
        "exchange": [tick.exchange for tick in ticks],
        "lastprice": [tick.last_price if is_trade else np.nan for tick, is_trade in rows],
        "quantity": [tick.quantity if is_trade else np.nan for tick, is_trade in rows],
        "suspicious": [float(tick.suspicious) for tick in ticks],
    }


def _custom_values(point: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    storage = getattr(point, "storage_dictionary", None)
    source = dict(storage) if storage is not None else dict(vars(point)) if hasattr(point, "__dict__") else {}
    if isinstance(point, AUXILIARY):
        source = {name.replace("_", ""): getattr(point, name) for name in type(point).__slots__ if name in _EVENTS}
    for key, value in source.items():
        name = str(key).lower()
        if not name.startswith("_") and name not in _IGNORED:
            values[name] = value
    values["value"] = point.value
    return values


def _custom_columns(points: list[Any]) -> dict[str, list[Any]]:
    rows = [_custom_values(point) for point in points]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, np.nan) for row in rows] for name in names}


def _is_empty(values: Any) -> bool:
    """LEAN leaves out columns that hold nothing but zeros, NaN or empty text."""
    return all(item is None or item == "" or item == 0 or item != item for item in values)


def _table(points: list[Any]) -> pd.DataFrame:
    import pandas as pd

    first = points[0]
    if isinstance(first, TradeBar):
        columns = _trade_columns(points)
    elif isinstance(first, QuoteBar):
        columns = _quote_columns(points)
    elif isinstance(first, Tick):
        columns = _tick_columns(points)
    else:
        columns = _custom_columns(points)
    kept = {name: values for name, values in columns.items() if not _is_empty(values)}
    return pd.DataFrame(kept, index=pd.DatetimeIndex([point.end_time for point in points], name="time"))


def _joined(points: list[Any]) -> pd.DataFrame:
    groups: dict[str, list[Any]] = {}
    for point in points:
        kind = "trade" if isinstance(point, TradeBar) else "quote" if isinstance(point, QuoteBar) else "other"
        groups.setdefault(kind, []).append(point)
    tables = [_table(groups[kind]) for kind in ("trade", "quote", "other") if kind in groups]
    result = tables[0]
    for table in tables[1:]:
        new = [name for name in table.columns if name not in result.columns]
        result = result.join(table[new], how="outer")
    return result


def frame_of(points: list[Any], symbols: list[Any], kind: type[Any] | None, *, flatten: bool = False) -> pd.DataFrame:
    """A frame with index (symbol, time), lower-case columns in alphabetical order, and no empty columns.

    Args:
        points: Data in time order.
        symbols: Order of the symbols.
        kind: Class of data that counts; None for all.
        flatten: Accepted for LEAN's sake; bars have nothing to flatten.
    """
    import pandas as pd

    by_symbol: dict[Any, list[Any]] = {symbol: [] for symbol in symbols}
    for point in points:
        if kind is None or isinstance(point, kind):
            by_symbol.setdefault(point.symbol, []).append(point)
    tables = {symbol: _joined(group) for symbol, group in by_symbol.items() if group}
    if not tables:
        return pd.DataFrame()
    names = sorted({name for table in tables.values() for name in table.columns})
    merged = pd.concat([table.reindex(columns=names) for table in tables.values()])
    levels = [symbol for symbol, table in tables.items() for _ in range(len(table))]
    merged.index = pd.MultiIndex.from_arrays([pd.Index(levels, dtype=object), merged.index], names=["symbol", "time"])
    return merged.dropna(axis=1, how="all")


Find = Callable[[str], Any]


def _mapped(key: Any, find: Find) -> Any:
    if type(key) is str:
        found = find(key)
        return key if found is None else found
    if type(key) is tuple:
        return tuple(_mapped(item, find) for item in key)
    if type(key) is list:
        return [_mapped(item, find) for item in key]
    return key


def _by_ticker(function: Callable[..., Any], find: Find) -> Callable[..., Any]:
    def wrapped(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        mapped = _mapped(key, find)
        if (mapped is not key and mapped != key) or type(mapped) is not type(key):
            try:
                return function(self, mapped, *args, **kwargs)
            except (KeyError, TypeError):
                # A column may really be called like a ticker.
                return function(self, key, *args, **kwargs)
        return function(self, key, *args, **kwargs)

    return wrapped


def _contains(function: Callable[..., Any], find: Find) -> Callable[..., Any]:
    def wrapped(self: Any, key: Any) -> bool:
        return bool(function(self, key)) or bool(function(self, _mapped(key, find)))

    return wrapped


def _let_be_read(find: Find) -> list[tuple[Any, str, Any]]:
    """Replace what reads keys; return what was there before."""
    import pandas as pd
    from pandas.core import indexing

    targets: list[tuple[Any, str, Any]] = [
        (vars(indexing)["_LocationIndexer"], "__getitem__", _by_ticker),
        (vars(indexing)["_ScalarAccessIndexer"], "__getitem__", _by_ticker),
        (pd.Index, "get_loc", _by_ticker),
        (pd.MultiIndex, "get_loc", _by_ticker),
        (pd.DataFrame, "__getitem__", _by_ticker),
        (pd.Index, "__contains__", _contains),
        (pd.MultiIndex, "__contains__", _contains),
    ]
    before = [(owner, name, owner.__dict__[name]) for owner, name, _ in targets if name in owner.__dict__]
    for owner, name, wrap in targets:
        if name in owner.__dict__:
            setattr(owner, name, wrap(owner.__dict__[name], find))
    return before


@contextmanager
def ticker_keys(find: Find) -> Iterator[None]:
    """Let frames be read by ticker or identifier string while a run lasts: `df.loc["SPY"]`.

    A run that makes no frame does not import pandas.

    Args:
        find: Returns the Symbol of a string, or None.
    """
    before: list[tuple[Any, str, Any]] = []
    try:
        with when_imported("pandas", lambda: before.extend(_let_be_read(find))):
            yield
    finally:
        for owner, name, original in before:
            setattr(owner, name, original)
