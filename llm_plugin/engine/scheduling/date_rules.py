"""On which dates a scheduled event can fire."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from llm_plugin.engine.base.enums import DayOfWeek
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import Zone, from_us
from llm_plugin.engine.market.market_hours import ExchangeHours

__all__ = ["DateRules", "FuncDateRule", "ScheduleContext"]

_DAY = timedelta(days=1)
_LAST = datetime(9999, 12, 31)


class ScheduleContext:
    """What the rules ask the engine.

    Args:
        utc_us: Returns the current UTC time in microseconds.
        zone: Returns the algorithm's time zone.
        hours_of: Returns the exchange hours of a symbol or ticker.
        all_hours: Returns the exchange hours of all securities, for rules without a symbol.
    """

    def __init__(
        self,
        utc_us: Callable[[], int],
        zone: Callable[[], Zone],
        hours_of: Callable[[Any], ExchangeHours],
        all_hours: Callable[[], Iterable[ExchangeHours]],
    ) -> None:
        self.utc_us, self.zone = utc_us, zone
        self.hours_of, self.all_hours = hours_of, all_hours

    def local_midnight(self) -> datetime:
        """Midnight of the current day in the algorithm's zone."""
        return midnight(from_us(self.zone().local(self.utc_us())))


class FuncDateRule(LeanObject):
    """A name and a function (start, end) -> dates."""

    def __init__(self, name: str, get_dates_function: Callable[[datetime, datetime], Iterable[datetime]]) -> None:
        self.name = name
        self._function = get_dates_function

    def get_dates(self, start: datetime, end: datetime) -> Iterable[datetime]:
        """The dates from start to end, in order."""
        return self._function(start, end)


def midnight(moment: date) -> datetime:
    """The day's start as a datetime."""
    return datetime(moment.year, moment.month, moment.day)


def each_day(start: datetime, end: datetime) -> Iterator[datetime]:
    """All days from start to end."""
    day = midnight(start)
    while day <= end:
        yield day
        if day >= _LAST:
            return
        day += _DAY


def _scheduled(
    hours: ExchangeHours | None, base: datetime, offset: int, step: int, extended: bool, boundary: datetime | None
) -> datetime:
    day = base
    if hours is None:
        day += step * offset * _DAY
    else:
        if not hours.is_date_open(day, extended):
            day = _next_trading_day(hours, day, step)
        for _ in range(offset):
            day = _next_trading_day(hours, day, step)
    if boundary is not None and step * (day - boundary) > timedelta(0):
        return _scheduled(hours, boundary, 0, -step, extended, None)
    return day


def _next_trading_day(hours: ExchangeHours, day: datetime, step: int) -> datetime:
    return midnight(hours.get_next_trading_day(day) if step > 0 else hours.get_previous_trading_day(day))


def _sunday_based(day: datetime) -> int:
    return (day.weekday() + 1) % 7


class DateRules(LeanObject):
    """`date_rules.every_day()`, `.month_start(symbol)` and so on; a symbol restricts a rule to its trading days."""

    def __init__(self, context: ScheduleContext) -> None:
        self._context = context

    @property
    def today(self) -> FuncDateRule:
        """The current day only."""
        return FuncDateRule("TodayOnly", lambda start, end: [self._context.local_midnight()])

    @property
    def tomorrow(self) -> FuncDateRule:
        """The next day only."""
        return FuncDateRule("TomorrowOnly", lambda start, end: [self._context.local_midnight() + _DAY])

    def on(self, *args: Any) -> FuncDateRule:
        """`on(year, month, day)`, `on(date, ...)` or `on([date, ...])`."""
        if len(args) == 3 and all(isinstance(value, int) for value in args):
            dates = [datetime(*args)]
        else:
            given = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
            dates = [midnight(value) for value in given]
        name = ",".join(f"{day:%m/%d/%Y}" for day in dates)
        return FuncDateRule(name, lambda start, end: [day for day in dates if start <= day <= end])

    def every(self, *days: Any) -> FuncDateRule:
        """Days of the week."""
        given = days[0] if len(days) == 1 and isinstance(days[0], (list, tuple)) else days
        wanted = {int(DayOfWeek(day)) for day in given}
        name = ",".join(str(DayOfWeek(day)) for day in given)
        return FuncDateRule(name, lambda start, end: (d for d in each_day(start, end) if _sunday_based(d) in wanted))

    def every_day(self, symbol: Any = None, extended_market_hours: bool = False) -> FuncDateRule:
        """Every day, or every trading day of a symbol."""
        if symbol is None:
            return FuncDateRule("EveryDay", each_day)
        hours = self._context.hours_of(symbol)

        def dates(start: datetime, end: datetime) -> Iterator[datetime]:
            return (day for day in each_day(start, end) if hours.is_date_open(day, extended_market_hours))

        return FuncDateRule(f"{symbol}: EveryDay", dates)

    def year_start(self, *args: Any, **kwargs: Any) -> FuncDateRule:
        """First (trading) day of the year, plus an offset."""
        return self._months("YearStart", 12, 1, 365, args, kwargs)

    def year_end(self, *args: Any, **kwargs: Any) -> FuncDateRule:
        """Last (trading) day of the year, minus an offset."""
        return self._months("YearEnd", 12, -1, 365, args, kwargs)

    def quarter_start(self, *args: Any, **kwargs: Any) -> FuncDateRule:
        """First (trading) day of the quarter, plus an offset."""
        return self._months("QuarterStart", 3, 1, 92, args, kwargs)

    def quarter_end(self, *args: Any, **kwargs: Any) -> FuncDateRule:
        """Last (trading) day of the quarter, minus an offset."""
        return self._months("QuarterEnd", 3, -1, 92, args, kwargs)

    def month_start(self, *args: Any, **kwargs: Any) -> FuncDateRule:
        """First (trading) day of the month, plus an offset."""
        return self._months("MonthStart", 1, 1, 30, args, kwargs)

    def month_end(self, *args: Any, **kwargs: Any) -> FuncDateRule:
        """Last (trading) day of the month, minus an offset."""
        return self._months("MonthEnd", 1, -1, 30, args, kwargs)

    def week_start(self, *args: Any, **kwargs: Any) -> FuncDateRule:
        """Monday, or the first trading day of the week, plus an offset."""
        return self._weeks("WeekStart", 1, args, kwargs)

    def week_end(self, *args: Any, **kwargs: Any) -> FuncDateRule:
        """Friday, or the last trading day of the week, minus an offset."""
        return self._weeks("WeekEnd", -1, args, kwargs)

    def _given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, int, bool]:
        values = list(args)
        symbol = kwargs.get("symbol")
        if symbol is None and values and not isinstance(values[0], int):
            symbol = values.pop(0)
        offset = kwargs.get("days_offset", kwargs.get("daysOffset"))
        if offset is None:
            offset = values.pop(0) if values else 0
        extended = kwargs.get("extended_market_hours", values.pop(0) if values else symbol is not None)
        return symbol, int(offset), bool(extended)

    @staticmethod
    def _name(symbol: Any, rule: str, step: int, offset: int) -> str:
        text = f"{step * offset:+d}" if offset else ""
        return f"{rule}{text}" if symbol is None else f"{symbol}: {rule}{text}"

    def _months(
        self, rule: str, months: int, step: int, most: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> FuncDateRule:
        symbol, offset, extended = self._given(args, kwargs)
        if not 0 <= offset <= most:
            raise ValueError(f"DateRules.{rule}: the offset must be between 0 and {most}, not {offset}")
        hours = self._context.hours_of(symbol) if symbol is not None else None

        def dates(start: datetime, end: datetime) -> Iterator[datetime]:
            year, first = start.year, (start.month - 1) // months * months + 1
            while datetime(year, first, 1) <= end:
                last_month = first + months - 1
                begin = datetime(year, first, 1)
                finish = datetime(year, last_month, monthrange(year, last_month)[1])
                base, boundary = (begin, finish) if step > 0 else (finish, begin)
                day = _scheduled(hours, base, offset, step, extended, boundary)
                if start <= day <= end:
                    yield day
                year, first = (year, first + months) if first + months <= 12 else (year + 1, 1)
                if year > _LAST.year:
                    return

        return FuncDateRule(self._name(symbol, rule, step, offset), dates)

    def _weeks(self, rule: str, step: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> FuncDateRule:
        symbol, offset, extended = self._given(args, kwargs)
        hours = self._context.hours_of(symbol) if symbol is not None else None
        week = _open_weekdays(hours) if hours is not None else None
        most = len(week) - 1 if week is not None else 6
        if not 0 <= offset <= most:
            raise ValueError(f"DateRules.{rule}: the offset must be between 0 and {most}, not {offset}")
        if week is None:
            base_day, reach = (1, 6) if step > 0 else (5, -6)
        else:
            base_day = week[0] if step > 0 else week[-1]
            reach = (week[-1] if step > 0 else week[0]) - base_day

        def dates(start: datetime, end: datetime) -> Iterator[datetime]:
            monday = midnight(start) - timedelta(days=start.weekday())
            limit = min(end, _LAST - timedelta(days=14))
            finish = midnight(limit) + timedelta(days=6 - limit.weekday())
            for base in each_day(monday, finish):
                if _sunday_based(base) == base_day:
                    boundary = base + timedelta(days=reach)
                    day = _scheduled(hours, base, offset, step, extended, boundary)
                    if start <= day <= end:
                        yield day

        return FuncDateRule(self._name(symbol, rule, step, offset), dates)


def _open_weekdays(hours: ExchangeHours) -> list[int]:
    """Weekdays with a regular session, Sunday = 0: a week far from holidays stands for all."""
    sunday = datetime(2001, 3, 4)
    days = [sunday + timedelta(days=n) for n in range(21)]
    return sorted({_sunday_based(day) for day in days if hours.is_date_open(day)})
