"""Scheduled events, and the manager that fires them in order."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.scheduling.date_rules import DateRules, FuncDateRule, ScheduleContext
from llm_plugin.engine.scheduling.time_rules import FuncTimeRule, TimeRules

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
FAR = 1 << 62


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
        beat()

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
