"""Spans and moments by name: LEAN's `Time` and `Expiry`, .NET's `TimeSpan`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.market.market_hours import ExchangeHours

__all__ = ["Expiry", "Time", "TimeSpan"]

_US = timedelta(microseconds=1)
_UNIX = datetime(1970, 1, 1)
_DAY = timedelta(days=1)


def _midnight(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day)


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day and time some months on; the month's last day where it has no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    first = datetime(year, month + 1, 1)
    length = (_next_month(first) - first).days
    return moment.replace(year=year, month=month + 1, day=min(moment.day, length))


def _next_month(moment: datetime) -> datetime:
    return datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1)


def _next_monday(moment: datetime) -> datetime:
    return _midnight(moment) + timedelta(days=7 - moment.weekday())


def _next_quarter(moment: datetime) -> datetime:
    return _months_later(datetime(moment.year, (moment.month - 1) // 3 * 3 + 1, 1), 3)


class Expiry(LeanObject):
    """Functions from a time to a later one, for periods of insights."""

    ONE_MONTH = OneMonth = staticmethod(lambda moment: _months_later(moment, 1))
    ONE_QUARTER = OneQuarter = staticmethod(lambda moment: _months_later(moment, 3))
    ONE_YEAR = OneYear = staticmethod(lambda moment: _months_later(moment, 12))
    END_OF_DAY = EndOfDay = staticmethod(lambda moment: _midnight(moment) + _DAY)
    END_OF_WEEK = EndOfWeek = staticmethod(_next_monday)
    END_OF_MONTH = EndOfMonth = staticmethod(_next_month)
    END_OF_QUARTER = EndOfQuarter = staticmethod(_next_quarter)
    END_OF_YEAR = EndOfYear = staticmethod(lambda moment: datetime(moment.year + 1, 1, 1))


class Time(LeanObject):
    """Spans of time by name, and ranges of days."""

    ONE_MILLISECOND = OneMillisecond = timedelta(milliseconds=1)
    ONE_SECOND = OneSecond = timedelta(seconds=1)
    ONE_MINUTE = OneMinute = timedelta(minutes=1)
    ONE_HOUR = OneHour = timedelta(hours=1)
    ONE_DAY = OneDay = timedelta(days=1)
    ONE_YEAR = OneYear = timedelta(days=365)
    MAX_TIME_SPAN = MaxTimeSpan = timedelta(days=365 * 1000)
    END_OF_TIME = EndOfTime = datetime(2050, 12, 31)
    # The day 0 of spreadsheets.
    BEGINNING_OF_TIME = BeginningOfTime = datetime(1899, 12, 30)
    START = Start = datetime(1998, 1, 2)

    @staticmethod
    def multiply(interval: timedelta, multiplier: float) -> timedelta:
        """Return the product, cut to whole microseconds."""
        return int(interval / _US * multiplier) * _US

    @staticmethod
    def abs(time_span: timedelta) -> timedelta:
        """Return a span without its sign."""
        return abs(time_span)

    @staticmethod
    def max(one: Any, two: Any) -> Any:
        """Return the longer span or later time."""
        return max(one, two)

    @staticmethod
    def min(one: Any, two: Any) -> Any:
        """Return the shorter span or earlier time."""
        return min(one, two)

    @staticmethod
    def date_time_range(start: datetime, thru: datetime, step: timedelta) -> Iterator[datetime]:
        """Times from one to another, both included, by steps."""
        while start <= thru:
            yield start
            start += step

    @staticmethod
    def each_day(start: datetime, thru: datetime) -> Iterator[datetime]:
        """Midnights of the days from one to another, both included."""
        return Time.date_time_range(_midnight(start), _midnight(thru), _DAY)

    @staticmethod
    def each_tradeable_day(
        securities: Any, start: datetime, thru: datetime, extended_market_hours: bool = False
    ) -> Iterator[datetime]:
        """Days on which a security, one of several, or an exchange is open."""
        open_on = _open_days(securities, extended_market_hours)
        return (day for day in Time.each_day(start, thru) if any(is_open(day) for is_open in open_on))

    @staticmethod
    def tradable_date(securities: Any, day: datetime) -> bool:
        """Whether a security, or one of several, is open on a day."""
        return any(is_open(day) for is_open in _open_days(securities, False))

    @staticmethod
    def tradeable_dates(securities: Any, start: datetime, finish: datetime) -> int:
        """Number of days on which a security, or one of several, is open."""
        return len(list(Time.each_tradeable_day(securities, start, finish)))

    @staticmethod
    def date_time_to_unix_time_stamp(time: datetime) -> float:
        """Seconds since 1970 of a UTC time."""
        return (time - _UNIX) / timedelta(seconds=1)

    @staticmethod
    def date_time_to_unix_time_stamp_milliseconds(time: datetime) -> float:
        """Milliseconds since 1970 of a UTC time."""
        return (time - _UNIX) / timedelta(milliseconds=1)

    @staticmethod
    def date_time_to_unix_time_stamp_nanoseconds(time: datetime) -> int:
        """Nanoseconds since 1970 of a UTC time."""
        return (time - _UNIX) // _US * 1000

    @staticmethod
    def unix_time_stamp_to_date_time(unix_time_stamp: float) -> datetime:
        """UTC time of seconds since 1970."""
        return _UNIX + timedelta(seconds=float(unix_time_stamp))

    @staticmethod
    def unix_millisecond_time_stamp_to_date_time(unix_time_stamp: float) -> datetime:
        """UTC time of milliseconds since 1970."""
        return _UNIX + timedelta(milliseconds=float(unix_time_stamp))

    @staticmethod
    def unix_nanosecond_time_stamp_to_date_time(unix_time_stamp: int) -> datetime:
        """UTC time of nanoseconds since 1970."""
        return _UNIX + timedelta(microseconds=int(unix_time_stamp) // 1000)


def _open_days(traded: Any, extended: bool) -> list[Callable[[datetime], bool]]:
    values = getattr(traded, "values", None)
    one = isinstance(traded, ExchangeHours) or hasattr(traded, "exchange")
    several: Iterable[Any] = values() if callable(values) else [traded] if one else traded
    hours = [item if isinstance(item, ExchangeHours) else item.exchange.hours for item in several]
    return [partial(_is_open, item, extended) for item in hours]


def _is_open(hours: ExchangeHours, extended: bool, day: datetime) -> bool:
    return hours.is_date_open(day, extended)


class TimeSpan(LeanObject):
    """.NET's spans as Python's: `(ticks)`, `(hours, minutes, seconds)` or `(days, hours, minutes, seconds[, ms])`."""

    def __new__(cls, *parts: int) -> Any:
        """Return the span."""
        if len(parts) == 1:
            return cls.from_ticks(parts[0])
        days, hours, minutes, seconds, milliseconds = (0, *parts, 0) if len(parts) == 3 else (*parts, 0)[:5]
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)

    ZERO = Zero = timedelta(0)

    @staticmethod
    def from_days(days: float) -> timedelta:
        """Return days."""
        return timedelta(days=days)

    @staticmethod
    def from_hours(hours: float) -> timedelta:
        """Return hours."""
        return timedelta(hours=hours)

    @staticmethod
    def from_minutes(minutes: float) -> timedelta:
        """Return minutes."""
        return timedelta(minutes=minutes)

    @staticmethod
    def from_seconds(seconds: float) -> timedelta:
        """Return seconds."""
        return timedelta(seconds=seconds)

    @staticmethod
    def from_milliseconds(milliseconds: float) -> timedelta:
        """Return milliseconds."""
        return timedelta(milliseconds=milliseconds)

    @staticmethod
    def from_ticks(ticks: int) -> timedelta:
        """Return ticks of 100 nanoseconds, cut to whole microseconds."""
        return timedelta(microseconds=int(ticks) // 10)
