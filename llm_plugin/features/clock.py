"""Clocks of New York, London and Tokyo by rule, and the session features that follow from them.

The daylight-saving rules are written out instead of read from a time-zone database: the features are then the same on
every machine, also where none is installed. New York: rules of 1987 and 2007; London: rule of 1996. Times are seconds
since 1970 UTC.
"""

from __future__ import annotations

import math
from datetime import date
from functools import cache

__all__ = ["DAY_SECONDS", "SessionClock", "london_offset", "new_york_offset"]

DAY_SECONDS = 86_400
_MINUTES = 1_440
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def _sunday(year: int, month: int, nth: int) -> int:
    """Return the days since 1970 of the nth Sunday of a month; nth = -1 is the last one."""
    if nth > 0:
        first = date(year, month, 1)
        return first.toordinal() + (6 - first.weekday()) % 7 + 7 * (nth - 1) - _EPOCH_ORDINAL
    last = date(year + (month == 12), month % 12 + 1, 1).toordinal() - 1
    return last - (date.fromordinal(last).weekday() + 1) % 7 - _EPOCH_ORDINAL


@cache
def _new_york_summer(year: int) -> tuple[int, int]:
    if year >= 2007:
        start, end = _sunday(year, 3, 2), _sunday(year, 11, 1)
    else:
        start, end = _sunday(year, 4, 1), _sunday(year, 10, -1)
    return start * DAY_SECONDS + 7 * 3600, end * DAY_SECONDS + 6 * 3600


@cache
def _london_summer(year: int) -> tuple[int, int]:
    return _sunday(year, 3, -1) * DAY_SECONDS + 3600, _sunday(year, 10, -1) * DAY_SECONDS + 3600


def _year(seconds: float) -> int:
    return date.fromordinal(int(seconds // DAY_SECONDS) + _EPOCH_ORDINAL).year


def new_york_offset(seconds: float) -> int:
    """Return New York's offset from UTC in seconds at an instant."""
    start, end = _new_york_summer(_year(seconds))
    return -4 * 3600 if start <= seconds < end else -5 * 3600


def london_offset(seconds: float) -> int:
    """Return London's offset from UTC in seconds at an instant."""
    start, end = _london_summer(_year(seconds))
    return 3600 if start <= seconds < end else 0


@cache
def _circle(parts: int) -> tuple[tuple[float, float], ...]:
    return tuple((math.sin(2 * math.pi * i / parts), math.cos(2 * math.pi * i / parts)) for i in range(parts))


class SessionClock:
    """The 24 session features at the end of a bar; holds nothing but caches."""

    def __init__(self) -> None:
        self._offsets_hour = -1
        self._new_york = 0
        self._london = 0
        self._local_day = -(10**9)
        self._date_part: tuple[float, ...] = ()
        self._day_circle = _circle(_MINUTES)

    def offsets(self, seconds: float) -> tuple[int, int]:
        """Return the offsets of New York and London in seconds; both change on full hours only."""
        hour = int(seconds // 3600)
        if hour != self._offsets_hour:
            self._offsets_hour = hour
            self._new_york = new_york_offset(seconds)
            self._london = london_offset(seconds)
        return self._new_york, self._london

    def trading_day(self, seconds: float) -> int:
        """Return the number of the trading day, which begins at 17:00 New York."""
        return int((seconds + self.offsets(seconds)[0] + 7 * 3600) // DAY_SECONDS)

    def features(self, end_seconds: float, gap_seconds: float) -> list[float]:
        """Return the session features in catalogue order.

        Args:
            end_seconds: End of the bar.
            gap_seconds: Time without data between the bar before and this one.
        """
        new_york, london = self.offsets(end_seconds)
        utc_minute = int(end_seconds // 60)
        ny_minute = utc_minute + new_york // 60
        ny_day, ny = divmod(ny_minute, _MINUTES)
        lon_day, lon = divmod(utc_minute + london // 60, _MINUTES)
        tokyo_day, tokyo = divmod(utc_minute + 540, _MINUTES)
        ny_week = (ny_day + 3) % 7 < 5
        in_london = 480 <= lon < 1020 and (lon_day + 3) % 7 < 5
        in_new_york = ny_week and 480 <= ny < 1020
        if ny_day != self._local_day:
            self._local_day = ny_day
            self._date_part = _date_features(ny_day)
        utc_sin, utc_cos = self._day_circle[utc_minute % _MINUTES]
        ny_sin, ny_cos = self._day_circle[ny]
        date_part = self._date_part
        # Sunday 17:00 is minute 9,660 of a week that begins on Monday 00:00.
        week_minute = (((ny_day + 3) % 7) * _MINUTES + ny - 9_660) % 10_080
        return [
            utc_sin,
            utc_cos,
            ny_sin,
            ny_cos,
            *date_part[:6],
            1.0 if 540 <= tokyo < 1080 and (tokyo_day + 3) % 7 < 5 else 0.0,
            1.0 if in_london else 0.0,
            1.0 if in_new_york else 0.0,
            1.0 if in_london and in_new_york else 0.0,
            1.0 if ny_week and 570 <= ny < 960 else 0.0,
            (lon - 480) % _MINUTES / _MINUTES,
            (ny - 480) % _MINUTES / _MINUTES,
            (ny - 570) % _MINUTES / _MINUTES,
            (1020 - ny) % _MINUTES / _MINUTES,
            week_minute / 10_080,
            date_part[6],
            date_part[7],
            math.log1p(max(0.0, gap_seconds) / 3600) / math.log(73),
            1.0 if 990 <= ny < 1080 else 0.0,
        ]


def _date_features(local_day: int) -> tuple[float, ...]:
    day = date.fromordinal(local_day + _EPOCH_ORDINAL)
    length = (date(day.year + (day.month == 12), day.month % 12 + 1, 1) - date(day.year, day.month, 1)).days
    month_end, month_start = day.day >= length - 1, day.day <= 3
    quarter = (month_end and day.month % 3 == 0) or (month_start and day.month % 3 == 1)
    return (
        *_circle(7)[day.weekday()],
        *_circle(31)[day.day - 1],
        *_circle(12)[day.month - 1],
        1.0 if month_end or month_start else 0.0,
        1.0 if quarter else 0.0,
    )
