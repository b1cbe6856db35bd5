"""When consolidators are asked whether their bar is over because time has passed, as LEAN plans it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from typing import Any

from llm_plugin.engine.base.clock import Clock
from llm_plugin.engine.base.events import EventHandler
from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.base.zones import SECOND_US, Zone, from_us, to_us
from llm_plugin.engine.consolidators.base import DataConsolidator

__all__ = ["ScanPlan", "ScanTime"]


class ScanTime:
    """When one consolidator is asked next.

    After its first bar that is a bar's length after the end of the last one. A time that has come up before the loop
    could ask is dropped: the next one counts from the clock.

    Args:
        consolidator: It has a `scan` that does something.
        scan: That method.
        where: The exchange's zone.
        increment_us: Length of a bar of its stream.
        clock: The run's.
        number: Of two that are due at the same time the lower one is first.
    """

    __slots__ = (
        "_clock",
        "_increment_us",
        "_scan",
        "_span_us",
        "_where",
        "consolidator",
        "due_us",
        "number",
        "removed",
    )

    def __init__(
        self,
        consolidator: Any,
        scan: Callable[[datetime], Any],
        where: Zone,
        increment_us: int,
        clock: Clock,
        number: int,
    ) -> None:
        self.consolidator, self._scan, self._where = consolidator, scan, where
        self._clock, self.number = clock, number
        self._increment_us = max(increment_us, SECOND_US)
        self._span_us = 0
        self.due_us = -1
        self.removed = False
        event = find_member(consolidator, "data_consolidated")
        if isinstance(event, EventHandler):
            event += self._told

    def _told(self, sender: Any, bar: Any) -> None:
        end = getattr(bar, "end_time", None)
        if end is None:
            self.advance()
            return
        if not self._span_us:
            self._span_us = max(to_us(end) - to_us(bar.time), self._increment_us)
        self.due_us = self._where.utc(to_us(end)) + self._span_us

    def advance(self) -> None:
        """Plan the next time, unless it is still to come."""
        now = self._clock.utc_us
        if self.due_us > now:
            return
        if self._span_us:
            self.due_us = now + self._span_us
            return
        working = find_member(self.consolidator, "working_data")
        end = getattr(working, "end_time", None)
        planned = -1 if end is None else self._where.utc(to_us(end))
        self.due_us = planned if planned > now else now + self._increment_us

    def ask(self, local: datetime) -> None:
        """Let the consolidator look at the exchange's time."""
        self._scan(local)

    def ask_past(self, now_us: int) -> None:
        """Ask at the planned time, where the clock stands; plan the next one."""
        self._scan(from_us(self._where.local(self._clock.utc_us)))
        self.advance()
        step = self._span_us or self._increment_us
        missed = (now_us - 1 - self.due_us) // step
        # Without a bar in the making nothing comes of the times before the moment that is next.
        if missed > 0 and isinstance(self.consolidator, DataConsolidator) and self.consolidator.working_data is None:
            self.due_us += missed * step


class ScanPlan:
    """The planned times of all consolidators that look at the time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[int, ScanTime] = {}
        self._new: list[ScanTime] = []
        self._heap: list[tuple[int, int, ScanTime]] = []
        self._count = 0

    def follow(self, consolidator: Any, where: Zone, increment_us: int) -> None:
        """Take in a consolidator, if its `scan` does something."""
        scan = find_member(consolidator, "scan")
        own = getattr(type(consolidator), "scan", None)
        if scan is None or own is None or own is DataConsolidator.scan:
            return
        self._count += 1
        planned = ScanTime(consolidator, scan, where, increment_us, self._clock, self._count)
        self._times[id(consolidator)] = planned
        self._new.append(planned)

    def forget(self, consolidator: Any) -> None:
        """Let a consolidator go."""
        planned = self._times.pop(id(consolidator), None)
        if planned is not None:
            planned.removed = True

    def of(self, consolidator: Any) -> ScanTime | None:
        """Return the plan of a consolidator that looks at the time."""
        return self._times.get(id(consolidator))

    def __bool__(self) -> bool:
        return bool(self._times)

    def ask_past(self, now_us: int) -> None:
        """Ask all whose time was before a moment, in order of time, with the clock at it."""
        new, self._new = self._new, []
        for planned in new:
            planned.advance()
            heapq.heappush(self._heap, (planned.due_us, planned.number, planned))
        heap, clock = self._heap, self._clock
        while heap and heap[0][0] < now_us:
            due, _, planned = heapq.heappop(heap)
            if planned.removed:
                continue
            if planned.due_us <= due:
                clock.utc_us = due
                planned.ask_past(now_us)
            heapq.heappush(heap, (planned.due_us, planned.number, planned))
