"""Scheduled events: time rules, the events, and the manager that fires them in order."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.date_rules import DateRules, FuncDateRule, ScheduleContext
from llm_plugin.engine.market_hours import ExchangeHours
from llm_plugin.engine.names import LeanObject, find_member
from llm_plugin.engine.zones import DAY_US, EPOCH, from_us, to_us, zone

__all__ = [
    "DateRules",
    "FuncDateRule",
    "FuncTimeRule",
    "PlannedEvent",
    "ScheduleContext",
    "ScheduleManager",
    "ScheduledEvent",
    "SchedulingApi",
    "TimeRules",
]

_DAY = timedelta(days=1)
_END = datetime(9999, 12, 31)
_EPOCH_ORDINAL = EPOCH.toordinal()
_MINUTE_US = 60_000_000
FAR = 1 << 62


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


class ScheduledEvent(LeanObject):
    """A name, its UTC times (naive, or in microseconds) and what to call."""

    def __init__(self, name: str, times: Iterable[datetime | int], callback: Callable[..., Any]) -> None:
        self.name = name
        self.enabled = True
        self._times = iter(times)
        self._callback = callback
        self.next_us: int | None = None
        self._begun = False

    @property
    def next_event_utc_time(self) -> datetime | None:
        """When it fires next, naive UTC; None if it is over."""
        self._begin()
        return from_us(self.next_us) if self.next_us is not None else None

    def _begin(self) -> None:
        # Not in the constructor: a rule made in `initialize` must see the clock of the first slice.
        if not self._begun:
            self._begun = True
            self._step()

    def _step(self) -> None:
        moment = next(self._times, None)
        self.next_us = to_us(moment) if isinstance(moment, datetime) else moment

    def skip_until(self, utc_us: int) -> None:
        """Drop the times before a moment."""
        self._begin()
        while self.next_us is not None and self.next_us < utc_us:
            self._step()

    def fire(self) -> None:
        """Call back and move on to the next time."""
        self._step()
        if self.enabled:
            self._callback()


class PlannedEvent(ScheduledEvent):
    """An event of the engine's own, whose times are known far ahead.

    Args:
        name: Its name.
        times: Lists of UTC microseconds, none of them empty.
        callback: What to call.
    """

    def __init__(self, name: str, times: Iterator[list[int]], callback: Callable[..., Any]) -> None:
        super().__init__(name, (), callback)
        self._lists = times
        self._ahead: list[int] = []
        self._at = 0

    def _step(self) -> None:
        self._at += 1
        if self._at >= len(self._ahead):
            self._ahead, self._at = next(self._lists, []), 0
        self.next_us = self._ahead[self._at] if self._ahead else None

    def take_before(self, utc_us: int) -> list[int]:
        """Return the times before a moment; it does not fire at them."""
        end = bisect_left(self._ahead, utc_us, self._at)
        times = self._ahead[self._at : end]
        if times:
            self._at = end - 1
            self._step()
            if self._at == 0:
                # A new list has begun.
                times += self.take_before(utc_us)
        return times

    def is_apart_from(self, moments: list[int]) -> bool:
        """Whether no time from now on is one of some moments, in order."""
        while self._ahead and self._ahead[-1] < moments[-1] and (more := next(self._lists, [])):
            self._ahead = self._ahead[self._at :] + more
            self._at = 0
        return set(moments).isdisjoint(self._ahead[self._at : bisect_left(self._ahead, moments[-1] + 1, self._at)])


class ScheduleManager(LeanObject):
    """Keeps the events in time order (same time: order of creation) and fires those that are due.

    The engine calls `start` once, then for every slice `run_before(slice_us, set_clock)` and `run_until(slice_us)`.
    """

    def __init__(self, context: ScheduleContext) -> None:
        self._context = context
        self._waiting: list[ScheduledEvent] = []
        self._heap: list[tuple[int, int, ScheduledEvent]] = []
        self._order: dict[ScheduledEvent, int] = {}
        self._created = 0
        self._started = False
        # The next event's UTC microseconds, or FAR; kept up to date by every change.
        self.due_us = FAR
        self.due_event: ScheduledEvent | None = None
        self.date_rules = DateRules(context)
        self.time_rules = TimeRules(context)

    def on(self, *args: Any) -> ScheduledEvent:
        """`on([name,] date_rule, time_rule, callback)`."""
        if len(args) == 4:
            name, date_rule, time_rule, callback = args
        elif len(args) == 3:
            date_rule, time_rule, callback = args
            name = f"{date_rule.name}: {time_rule.name}"
        else:
            raise TypeError(f"schedule.on takes ([name,] date_rule, time_rule, callback), not {args!r}")
        if not callable(callback):
            raise TypeError(f"schedule.on: the callback must be callable, not {callback!r}")
        event = ScheduledEvent(str(name), self._times(date_rule, time_rule), callback)
        self.add(event)
        return event

    def _times(self, date_rule: Any, time_rule: Any) -> Iterator[datetime]:
        # Lazy: rules added in `initialize` see the start date, not the clock of that moment.
        today = from_us(self._context.utc_us())
        start = datetime(today.year, today.month, today.day) - _DAY
        dates = find_member(date_rule, "get_dates")(start, _END)  # type: ignore[misc]
        yield from find_member(time_rule, "create_utc_event_times")(dates)  # type: ignore[misc]

    def add(self, event: ScheduledEvent) -> None:
        """Add an event made by hand."""
        self._order[event] = self._created
        self._created += 1
        if self._started:
            event.skip_until(self._context.utc_us())
            self._push(event)
        else:
            self._waiting.append(event)

    def remove(self, event: ScheduledEvent) -> None:
        """Remove an event; it does not fire again."""
        self._order.pop(event, None)
        self._look()
        self._waiting = [item for item in self._waiting if item is not event]

    def _push(self, event: ScheduledEvent) -> None:
        if event.next_us is not None:
            heapq.heappush(self._heap, (event.next_us, self._order[event], event))
            self._look()

    def _look(self) -> None:
        heap = self._heap
        while heap and heap[0][2] not in self._order:
            heapq.heappop(heap)
        self.due_us, self.due_event = (heap[0][0], heap[0][2]) if heap else (FAR, None)

    def start(self, utc_us: int) -> None:
        """Begin at a time; earlier ones are skipped."""
        self._started = True
        for event in self._waiting:
            event.skip_until(utc_us)
            self._push(event)
        self._waiting.clear()

    @property
    def next_us(self) -> int | None:
        """The next event's UTC microseconds, or None."""
        return self.due_us if self.due_us < FAR else None

    def _fire_first(self) -> None:
        event = heapq.heappop(self._heap)[2]
        self._look()
        event.fire()
        if event in self._order:
            self._push(event)

    def hold(self) -> None:
        """Keep the next event from firing until `resume`."""
        heapq.heappop(self._heap)
        self._look()

    def resume(self, event: ScheduledEvent) -> None:
        """Let an event fire again, from its next time on."""
        self._push(event)

    def take_first(self, event: PlannedEvent, utc_us: int) -> list[int]:
        """Return the times of the next event before a moment and before any other event; it does not fire at them.

        Args:
            event: The next event.
            utc_us: The moment.
        """
        heap = self._heap
        for entry in heap[1:3]:
            utc_us = min(utc_us, entry[0])
        times = event.take_before(utc_us)
        if event.next_us is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (event.next_us, heap[0][1], event))
        self._look()
        return times

    def run_before(self, utc_us: int, set_clock: Callable[[int], None]) -> None:
        """Fire what is due strictly before a time, each with the clock at its own time."""
        while self.due_us < utc_us:
            self.fire_next(set_clock)

    def fire_next(self, set_clock: Callable[[int], None]) -> None:
        """Fire what is due first, with the clock at its own time."""
        set_clock(self.due_us)
        self._fire_first()

    def run_until(self, utc_us: int) -> None:
        """Fire what is due at a time (the clock stands there already)."""
        while self.due_us <= utc_us:
            self._fire_first()

    def training_now(self, callback: Callable[[], Any]) -> ScheduledEvent:
        """Run a training function at the next occasion."""
        return self.on("Training: Now", self.date_rules.today, self.time_rules.now, callback)

    def training(self, date_rule: Any, time_rule: Any, callback: Callable[[], Any]) -> ScheduledEvent:
        """Run a training function on a schedule."""
        return self.on(date_rule, time_rule, callback)


class SchedulingApi(LeanObject):
    """The scheduling part of QCAlgorithm; the class that mixes it in sets `schedule`."""

    schedule: ScheduleManager

    @property
    def date_rules(self) -> DateRules:
        """Rules for dates."""
        return self.schedule.date_rules

    @property
    def time_rules(self) -> TimeRules:
        """Rules for times."""
        return self.schedule.time_rules

    def train(self, *args: Any) -> ScheduledEvent:
        """`train(function)` or `train(date_rule, time_rule, function)`; it runs synchronously."""
        if len(args) == 1:
            return self.schedule.training_now(args[0])
        if len(args) == 3:
            return self.schedule.training(*args)
        raise TypeError(f"train takes (function) or (date_rule, time_rule, function), not {args!r}")
