"""Rules for the time of day at which something is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import DAY_US, EPOCH, from_us, to_us, zone
from llm_plugin.engine.market.market_hours import ExchangeHours
from llm_plugin.engine.scheduling.date_rules import ScheduleContext

__all__ = ["FuncTimeRule", "TimeRules"]

_DAY = timedelta(days=1)
_EPOCH_ORDINAL = EPOCH.toordinal()
_MINUTE_US = 60_000_000


class FuncTimeRule(LeanObject):
    """A name and a function dates -> UTC times."""

    def __init__(self, name: str, create_utc_event_times_function: Callable[[Any], Iterable[datetime]]) -> None:
        self.name = name
        self._function = create_utc_event_times_function

    def create_utc_event_times(self, dates: Iterable[datetime]) -> Iterable[datetime]:
        """The naive UTC times on these dates, in order."""
        return self._function(dates)


def _minutes(value: float) -> str:
    return f"{abs(value):.2f}".rstrip("0").rstrip(".")


class TimeRules(LeanObject):
    """`time_rules.at(10, 0)`, `.every(timedelta)`, `.after_market_open(symbol, minutes)` and so on."""

    def __init__(self, context: ScheduleContext) -> None:
        self._context = context

    def _local(self, name: str, times: Callable[[datetime], Iterable[datetime]], where: Any = None) -> FuncTimeRule:
        def create(dates: Iterable[datetime]) -> Iterator[datetime]:
            for day in dates:
                rule_zone = zone(where) if where is not None else self._context.zone()
                for moment in times(day):
                    yield from_us(rule_zone.utc(to_us(moment)))

        return FuncTimeRule(name, create)

    @property
    def midnight(self) -> FuncTimeRule:
        """00:00 in the algorithm's zone."""
        return self._local("Midnight", lambda day: [day])

    @property
    def noon(self) -> FuncTimeRule:
        """Twelve hours after midnight in the algorithm's zone."""
        rule = self._local("Noon", lambda day: [day])
        half = timedelta(hours=12)
        return FuncTimeRule("Noon", lambda dates: (time + half for time in rule.create_utc_event_times(dates)))

    @property
    def now(self) -> FuncTimeRule:
        """The current time of day."""

        def create(dates: Iterable[datetime]) -> Iterator[datetime]:
            for day in dates:
                local = from_us(self._context.zone().local(self._context.utc_us()))
                moment = day + (local - datetime(local.year, local.month, local.day))
                yield from_us(self._context.zone().utc(to_us(moment)))

        return FuncTimeRule("Now", create)

    def at(self, *args: Any, **kwargs: Any) -> FuncTimeRule:
        """`at(hour, minute[, second][, zone])` or `at(timedelta[, zone])`."""
        values = [*args, *(kwargs[key] for key in ("hour", "minute", "second", "time_of_day") if key in kwargs)]
        where = kwargs.get("time_zone")
        if values and not isinstance(values[-1], (int, timedelta)):
            where = values.pop()
        if len(values) == 1 and isinstance(values[0], timedelta):
            span = values[0]
        elif len(values) in (2, 3) and all(isinstance(value, int) for value in values):
            span = timedelta(hours=values[0], minutes=values[1], seconds=values[2] if len(values) > 2 else 0)
        else:
            raise TypeError(f"TimeRules.at takes (hour, minute[, second][, zone]) or (timedelta[, zone]), not {args!r}")
        return self._local(_minutes(span / timedelta(hours=1)), lambda day: [day + span], where)

    def every(self, interval: timedelta) -> FuncTimeRule:
        """Every interval from midnight on."""
        if interval <= timedelta(0):
            raise ValueError(f"TimeRules.every: the interval must be above 0, not {interval}")

        def times(day: datetime) -> Iterator[datetime]:
            moment = day
            while moment < day + _DAY:
                yield moment
                moment += interval

        return self._local(f"Every {_minutes(interval / timedelta(minutes=1))} min", times)

    def after_market_open(self, *args: Any, **kwargs: Any) -> FuncTimeRule:
        """Minutes after the first open of the day (of a symbol, or the earliest of all securities)."""
        return self._market("after_open", "open", 1, args, kwargs)

    def before_market_open(self, *args: Any, **kwargs: Any) -> FuncTimeRule:
        """Minutes before the first open of the day."""
        return self._market("before_open", "open", -1, args, kwargs)

    def before_market_close(self, *args: Any, **kwargs: Any) -> FuncTimeRule:
        """Minutes before the last close of the day (of a symbol, or the latest of all securities)."""
        return self._market("before_close", "close", -1, args, kwargs)

    def after_market_close(self, *args: Any, **kwargs: Any) -> FuncTimeRule:
        """Minutes after the last close of the day."""
        return self._market("after_close", "close", 1, args, kwargs)

    def _market(
        self, minutes_key: str, side: str, sign: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> FuncTimeRule:
        values = list(args)
        symbol = kwargs.get("symbol")
        if symbol is None and values and not isinstance(values[0], (int, float)):
            symbol = values.pop(0)
        minutes = kwargs.get(f"minutes_{minutes_key}")
        if minutes is None:
            minutes = values.pop(0) if values else 0
        extended = bool(kwargs.get(f"extended_market_{side}", values.pop(0) if values else False))
        shift = round(sign * float(minutes) * _MINUTE_US)
        kind = ("Extended" if extended else "") + ("MarketOpen" if side == "open" else "MarketClose")
        word = "after" if shift > 0 else "before"
        prefix = f"{symbol}: " if symbol is not None else ""
        hours = self._context.hours_of(symbol) if symbol is not None else None

        def create(dates: Iterable[datetime]) -> Iterator[datetime]:
            for day in dates:
                all_hours = [hours] if hours is not None else list(self._context.all_hours())
                found = [t for t in (_edge(item, day, side, extended) for item in all_hours) if t is not None]
                if found:
                    yield from_us((min(found) if side == "open" else max(found)) + shift)

        return FuncTimeRule(f"{prefix}{_minutes(float(minutes))} min {word} {kind}", create)


def _edge(hours: ExchangeHours, day: datetime, side: str, extended: bool) -> int | None:
    if not hours.is_date_open(day, extended):
        return None
    number = day.toordinal() - _EPOCH_ORDINAL
    local = hours.first_open_us(number, extended) if side == "open" else hours.last_close_us(number, extended)
    if local is None or (side == "open" and local // DAY_US != number):
        return None
    return hours.time_zone.utc(local)
