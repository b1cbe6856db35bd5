"""Time zones as tables of offsets: exact, vectorised, and cheap for one time at a time.

Times inside the engine are whole microseconds since 1970 (UTC unless named local).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

__all__ = [
    "DAY_US",
    "EPOCH",
    "HOUR_US",
    "MINUTE_US",
    "SECOND_US",
    "FineTime",
    "TimeZones",
    "Zone",
    "from_us",
    "to_us",
    "zone",
]

EPOCH = datetime(1970, 1, 1)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
_FAR = 1 << 62
_STEP_DAYS = 7


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970 of a naive time, or of an aware one in UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND_US + delta.microseconds


def from_us(microseconds: int) -> datetime:
    """Return the naive time."""
    return EPOCH + timedelta(microseconds=microseconds)


class FineTime(datetime):
    """A naive time with the ticks of 100 nanoseconds past its microsecond, which Python's times cannot hold.

    User code reads the microsecond, as in LEAN; what is calculated from it is without ticks.
    """

    ticks = 0

    @classmethod
    def at(cls, microseconds: int, ticks: int) -> FineTime:
        """Return the time of microseconds since 1970 and ticks past them."""
        plain = from_us(microseconds)
        fine = cls(*plain.timetuple()[:6], plain.microsecond)
        fine.ticks = ticks
        return fine


class Zone:
    """Offsets of one time zone from 1970 to 2060."""

    __slots__ = (
        "_high",
        "_local_high",
        "_local_low",
        "_local_offset",
        "_local_starts",
        "_low",
        "_offset",
        "_offsets",
        "_starts",
        "name",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self._starts, self._offsets = _transitions(name)
        # A local time after a change belongs to the new offset; a repeated hour is its first occurrence.
        before = np.concatenate(([self._offsets[0]], self._offsets[:-1]))
        self._local_starts = self._starts + np.maximum(before, self._offsets)
        self._local_starts[0] = -_FAR
        self._low = self._high = self._offset = 0
        self._local_low = self._local_high = self._local_offset = 0

    def offset(self, utc: int) -> int:
        """Return the offset in microseconds at a UTC time."""
        if self._low <= utc < self._high:
            return self._offset
        row = int(np.searchsorted(self._starts, utc, side="right")) - 1
        self._low = int(self._starts[row])
        self._high = int(self._starts[row + 1]) if row + 1 < len(self._starts) else _FAR
        self._offset = int(self._offsets[row])
        return self._offset

    def local(self, utc: int) -> int:
        """Return local microseconds."""
        if self._low <= utc < self._high:
            return utc + self._offset
        return utc + self.offset(utc)

    def utc(self, local: int) -> int:
        """Return UTC microseconds; a skipped hour moves forward, a repeated one is its first occurrence."""
        if self._local_low <= local < self._local_high:
            return local - self._local_offset
        starts = self._local_starts
        row = int(np.searchsorted(starts, local, side="right")) - 1
        self._local_low = int(starts[row])
        self._local_high = int(starts[row + 1]) if row + 1 < len(starts) else _FAR
        self._local_offset = int(self._offsets[row])
        return local - self._local_offset

    def locals(self, utc: np.ndarray) -> np.ndarray:
        """Vectorised `local`."""
        return utc + self._offsets[np.searchsorted(self._starts, utc, side="right") - 1]  # type: ignore[no-any-return]

    def utcs(self, local: np.ndarray) -> np.ndarray:
        """Vectorised `utc`."""
        return local - self._offsets[np.searchsorted(self._local_starts, local, side="right") - 1]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"Zone({self.name!r})"

    def __str__(self) -> str:
        return self.name


def _transitions(name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        info = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"time zone {name!r} is unknown; use an IANA name such as 'America/New_York'") from None

    def offset(seconds: int) -> int:
        delta = datetime.fromtimestamp(seconds, info).utcoffset()
        return int(delta.total_seconds()) if delta is not None else 0

    starts, offsets = [-_FAR], [offset(0)]
    position, end = 0, to_us(datetime(2060, 1, 1)) // SECOND_US
    while position < end:
        following = position + _STEP_DAYS * 86_400
        value = offset(following)
        if value != offsets[-1]:
            low, high = position, following
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
            starts.append(high * SECOND_US)
            offsets.append(value)
        position = following
    return np.array(starts, dtype=np.int64), np.array(offsets, dtype=np.int64) * SECOND_US


@lru_cache(maxsize=64)
def _zone(name: str) -> Zone:
    # LEAN writes fixed offsets as UTC-05; IANA's names of them have the opposite sign.
    offset = re.fullmatch(r"UTC([+-])(\d\d)(?::00)?", name)
    if offset:
        sign = "-" if offset[1] == "+" else "+"
        return Zone(f"Etc/GMT{sign}{int(offset[2])}")
    return Zone(name)


def zone(name: Any) -> Zone:
    """Return the table of a zone by IANA name (or anything that prints as one)."""
    return name if isinstance(name, Zone) else _zone(str(name))


class _Names(type):
    _known: ClassVar[dict[str, str]] = {
        "NEW_YORK": "America/New_York",
        "EASTERN_STANDARD": "Etc/GMT+5",
        "UTC": "UTC",
        "LONDON": "Europe/London",
        "PARIS": "Europe/Paris",
        "BERLIN": "Europe/Berlin",
        "MADRID": "Europe/Madrid",
        "ROME": "Europe/Rome",
        "ZURICH": "Europe/Zurich",
        "AMSTERDAM": "Europe/Amsterdam",
        "DUBLIN": "Europe/Dublin",
        "HELSINKI": "Europe/Helsinki",
        "ATHENS": "Europe/Athens",
        "ISTANBUL": "Europe/Istanbul",
        "MOSCOW": "Europe/Moscow",
        "MINSK": "Europe/Minsk",
        "CHICAGO": "America/Chicago",
        "DENVER": "America/Denver",
        "LOS_ANGELES": "America/Los_Angeles",
        "PHOENIX": "America/Phoenix",
        "ANCHORAGE": "America/Anchorage",
        "HONOLULU": "Pacific/Honolulu",
        "TORONTO": "America/Toronto",
        "VANCOUVER": "America/Vancouver",
        "MEXICO_CITY": "America/Mexico_City",
        "SAO_PAULO": "America/Sao_Paulo",
        "BUENOS_AIRES": "America/Argentina/Buenos_Aires",
        "BOGOTA": "America/Bogota",
        "CARACAS": "America/Caracas",
        "DUBAI": "Asia/Dubai",
        "CAIRO": "Africa/Cairo",
        "JOHANNESBURG": "Africa/Johannesburg",
        "JERUSALEM": "Asia/Jerusalem",
        "KOLKATA": "Asia/Kolkata",
        "SHANGHAI": "Asia/Shanghai",
        "HONG_KONG": "Asia/Hong_Kong",
        "SINGAPORE": "Asia/Singapore",
        "TAIPEI": "Asia/Taipei",
        "SEOUL": "Asia/Seoul",
        "TOKYO": "Asia/Tokyo",
        "MANILA": "Asia/Manila",
        "BRISBANE": "Australia/Brisbane",
        "SYDNEY": "Australia/Sydney",
        "MELBOURNE": "Australia/Melbourne",
        "ADELAIDE": "Australia/Adelaide",
        "PERTH": "Australia/Perth",
        "DARWIN": "Australia/Darwin",
        "HOBART": "Australia/Hobart",
        "AUCKLAND": "Pacific/Auckland",
    }

    def __getattr__(cls, name: str) -> Zone:
        from llm_plugin.engine.base.names import MissingMember, snake

        iana = cls._known.get(name) or cls._known.get(snake(name).upper())
        if name.startswith("__") or iana is None:
            raise MissingMember(f"TimeZones.{name}", f"known: {', '.join(cls._known)}")
        return zone(iana)


class TimeZones(metaclass=_Names):
    """LEAN's names of time zones: `TimeZones.NEW_YORK`, `TimeZones.NewYork`."""
