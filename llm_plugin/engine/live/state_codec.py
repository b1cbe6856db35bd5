"""Engine objects as plain JSON and back: exact decimals, naive times, symbols, orders and their events.

Only classes of the engine are written and made again; an object of any other class is refused by name, so that a
saved state never leaves out what it could not keep.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.orders.time_in_force import TimeInForce
from llm_plugin.errors import DataError

__all__ = ["FindSymbol", "decode", "encode", "fill_fields"]

FindSymbol = Callable[[str], "Symbol | None"]

_PACKAGE = "llm_plugin.engine."
# What fields of orders, their events and amounts of money were called before.
_RENAMED = {
    "_quantity": "exact_quantity",
    "_fill_price": "exact_fill_price",
    "_fill_quantity": "exact_fill_quantity",
    "_amount": "exact_amount",
}
_DEEPEST = 8


def encode(value: Any, depth: int = 0) -> Any:
    """Return plain JSON types.

    Raises:
        DataError: The value is of a class that the engine does not know, or refers to itself.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Enum):
        return {"$enum": _path(type(value)), "value": int(value.value)}
    if isinstance(value, int | float):
        return value
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$span": value / timedelta(microseconds=1)}
    if isinstance(value, Symbol):
        return {"$symbol": str(value.id), "ticker": value.value}
    if depth >= _DEEPEST:
        raise DataError(f"a {type(value).__name__} refers to itself: it cannot be kept for a restart")
    if isinstance(value, list | tuple):
        return [encode(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {"$map": [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in value.items()]}
    if isinstance(value, TimeInForce) and type(value).__module__.startswith(_PACKAGE):
        return {"$lives": value.kind, "expiry": encode(value.expiry)}
    fields = {name: encode(item, depth + 1) for name, item in vars(value).items()} if hasattr(value, "__dict__") else {}
    return {"$object": _path(type(value)), "fields": fields}


def decode(data: Any, find: FindSymbol) -> Any:
    """Return what `encode` was given; `find` gives a symbol of the run by its identifier.

    Raises:
        DataError: The data name a class that is none of the engine's, or are damaged.
    """
    if isinstance(data, list):
        return [decode(item, find) for item in data]
    if not isinstance(data, dict):
        return data
    kind = next((key for key in data if key.startswith("$")), "")
    reader = _READERS.get(kind)
    if reader is None:
        raise DataError(f"a saved object has the keys {sorted(data)}: it was written by another version")
    try:
        return reader(data, find)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise DataError(f"a saved object cannot be read ({error!r}): {str(data)[:120]}") from error


def fill_fields(made: Any, fields: Mapping[str, Any], find: FindSymbol) -> None:
    """Set the fields of an object of the engine's from what `encode` made of them."""
    for name, item in fields.items():
        object.__setattr__(made, _RENAMED.get(name, name), decode(item, find))


def _path(kind: type) -> str:
    if not kind.__module__.startswith(_PACKAGE):
        raise DataError(
            f"{kind.__module__}.{kind.__name__} cannot be kept for a restart: paper trading keeps LEAN's own orders, "
            "properties and times in force only"
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def _class(path: str) -> type:
    module, _, name = path.partition(":")
    if not module.startswith(_PACKAGE) or "." in name:
        raise DataError(f"{path!r} is no class of the engine")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DataError(f"{path} does not exist in this version of the engine") from error
    if not isinstance(found, type):
        raise DataError(f"{path} is no class")
    return found


def _read_object(data: Mapping[str, Any], find: FindSymbol) -> Any:
    kind = _class(str(data["$object"]))
    made: Any = object.__new__(kind)
    fill_fields(made, data["fields"], find)
    return made


def _read_lives(data: Mapping[str, Any], find: FindSymbol) -> TimeInForce:
    if data["$lives"] == "GoodTilDate":
        return TimeInForce.good_til_date(decode(data["expiry"], find))
    known = {item.kind: item for item in (TimeInForce.GOOD_TIL_CANCELED, TimeInForce.DAY)}
    return known[str(data["$lives"])]


def _read_symbol(data: Mapping[str, Any], find: FindSymbol) -> Symbol:
    found = find(str(data["$symbol"]))
    return found if found is not None else Symbol(SecurityIdentifier.parse(str(data["$symbol"])), str(data["ticker"]))


_READERS: dict[str, Callable[[Mapping[str, Any], FindSymbol], Any]] = {
    "$decimal": lambda data, find: Decimal(data["$decimal"]),
    "$time": lambda data, find: datetime.fromisoformat(data["$time"]),
    "$span": lambda data, find: timedelta(microseconds=data["$span"]),
    "$enum": lambda data, find: _class(data["$enum"])(data["value"]),
    "$map": lambda data, find: {decode(key, find): decode(item, find) for key, item in data["$map"]},
    "$symbol": _read_symbol,
    "$lives": _read_lives,
    "$object": _read_object,
}
