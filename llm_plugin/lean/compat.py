"""Bridges between Python and LEAN's objects: both spellings, enum numbers, times, symbol identity.

Nothing of LEAN is imported when this module is; `lean_api()` reaches for it inside a running algorithm.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any

from llm_plugin.errors import ConfigError, UnsupportedLeanApi

__all__ = [
    "CANCELED",
    "FILLED",
    "INVALID",
    "PARTIALLY_FILLED",
    "RESOLUTIONS",
    "SUBMITTED",
    "each",
    "lean_api",
    "local_to_utc",
    "method",
    "named_zone",
    "number",
    "resolution_seconds",
    "security_id",
    "ticker",
    "utc_now",
    "zone_of",
]

SUBMITTED, PARTIALLY_FILLED, FILLED, CANCELED, INVALID = 1, 2, 3, 5, 7
"""LEAN's `OrderStatus` numbers."""

RESOLUTIONS = {"second": 1, "minute": 60, "hour": 3600, "daily": 86400}
"""Names of `features.resolution` and their seconds."""


def lean_api() -> Any:
    """Return the module `AlgorithmImports` of the LEAN that is running.

    Raises:
        UnsupportedLeanApi: There is none: the caller is not inside an algorithm.
    """
    try:
        return importlib.import_module("AlgorithmImports")
    except ImportError as error:
        raise UnsupportedLeanApi("AlgorithmImports", "run this inside a LEAN algorithm") from error


def method(target: Any, snake_name: str) -> Callable[..., Any] | None:
    """Return a bound method in whichever spelling the object has, `on_bar` or `OnBar`; None if neither."""
    found = getattr(target, snake_name, None)
    if found is None:
        found = getattr(target, "".join(part.capitalize() for part in snake_name.split("_")), None)
    return found if callable(found) else None


def each(values: Any) -> Iterator[Any]:
    """Iterate over a Python iterable or a lazy .NET enumerable; None is empty.

    An object of .NET that Python cannot iterate by itself has `GetEnumerator`, `MoveNext` and `Current`.
    """
    if values is None:
        return
    if isinstance(values, Iterable):
        yield from values
        return
    start = method(values, "get_enumerator")
    if start is None:
        raise ConfigError(f"{type(values).__name__} cannot be iterated: an alpha model returns a sequence of insights")
    enumerator = start()
    move_next = method(enumerator, "move_next")
    while move_next is not None and move_next():
        yield enumerator.current if hasattr(enumerator, "current") else enumerator.Current


def number(value: Any) -> int:
    """Return the number of a LEAN enum value (a .NET enum, a Python enum or an int)."""
    try:
        return int(value)
    except TypeError:
        return int(value.value)


def security_id(symbol: Any) -> str:
    """Return the security identifier, LEAN's stable identity of a symbol."""
    return str(symbol.id)


def ticker(symbol: Any) -> str:
    """Return the current ticker of a symbol."""
    return str(symbol.value)


def utc_now(algorithm: Any) -> datetime:
    """Return the algorithm's clock as aware UTC; LEAN's `utc_time` is naive."""
    now: datetime = algorithm.utc_time
    return now.replace(tzinfo=UTC) if now.tzinfo is None else now.astimezone(UTC)


def zone_of(security: Any) -> tzinfo:
    """Return the exchange's time zone of a security as a Python `tzinfo`."""
    return named_zone(security.exchange.time_zone)


def named_zone(zone: Any) -> tzinfo:
    """Return a time zone of LEAN's as a Python `tzinfo`."""
    return zone if isinstance(zone, tzinfo) else _zone(str(getattr(zone, "id", zone)))


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    import zoneinfo

    if name in ("UTC", "Etc/UTC"):
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except zoneinfo.ZoneInfoNotFoundError:  # no zone files on the machine: pandas brings its own
        tz = importlib.import_module("dateutil.tz")
        zone: tzinfo | None = tz.gettz(name)
        if zone is None:
            raise ConfigError(f"time zone {name!r} is unknown here: install the system's tzdata") from None
        return zone


def local_to_utc(moment: datetime, zone: tzinfo) -> datetime:
    """Convert LEAN's naive exchange time to aware UTC."""
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)


def resolution_seconds(value: Any) -> int:
    """Return the seconds of a LEAN `Resolution` (Tick 0, Second 1, Minute 2, Hour 3, Daily 4)."""
    return (0, 1, 60, 3600, 86400)[number(value)]
