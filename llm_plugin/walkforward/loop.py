"""The closed loop in simulated time: count what has matured, stop the clock for a cycle, swap, watch, roll back.

Nothing here trains or judges: cycles come from a `Cycles`, the watch from a `Watcher`. What the loop itself promises:
the rule is asked with what is known at the question, a version never answers before the end of the data it was made
from, and every change stands on the time axis.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from llm_plugin.errors import LookaheadError
from llm_plugin.walkforward.timeline import Event, Timeline

if TYPE_CHECKING:
    from llm_plugin.domain import Decision, DecisionRequest

__all__ = ["CycleReport", "Cycles", "Loop", "Models", "Rule", "Served", "WatchReport", "Watcher", "require_cutoff"]


@dataclass(frozen=True, slots=True)
class Served:
    """A version that can answer.

    Attributes:
        version: Its registry id.
        folder: Its adapter; None for the base.
        data_cutoff_utc: Nothing later is in it; None where nobody recorded it.
    """

    version: str
    folder: Path | None
    data_cutoff_utc: datetime | None


@dataclass(frozen=True)
class CycleReport:
    """How a cycle ended.

    Attributes:
        status: As `learning.types.CycleStatus`.
        reason: In words.
        served: Who serves after it.
        cycle_id: Its id.
        used_until_utc: Time of the newest decision it could use; the rule counts from there. None: nothing was used.
        missing: How many more decisions it would have needed; 0 where that is not known.
        figures: Numbers for the time axis.
        seconds: Real time it took.
    """

    status: str
    reason: str
    served: Served
    cycle_id: str = ""
    used_until_utc: datetime | None = None
    missing: int = 0
    figures: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """What the retrain rule says.

    Attributes:
        fires: A cycle starts.
        matured: New matured decisions.
        missing: How many more questions to wait before it is asked again; 0 where the clock is in the way.
        drift: What a drift check has found on this occasion, in words; empty where nothing.
        drift_since_utc: Since when.
    """

    fires: bool
    matured: int
    missing: int = 0
    drift: str = ""
    drift_since_utc: datetime | None = None


class Cycles(Protocol):
    """Runs cycles and keeps the registry of this run."""

    def due(self, now: datetime) -> Rule:
        """Apply the retrain rule with what is known now."""

    def run(self, now: datetime, number: int) -> CycleReport:
        """Run one cycle on what is known at this moment."""

    def roll_back(self, now: datetime, reason: str) -> Served:
        """Make the version before serve again."""


class Models(Protocol):
    """Who answers; swaps between two questions."""

    def serve(self, served: Served) -> None:
        """Let a version answer from the next question on."""


@dataclass(frozen=True)
class WatchReport:
    """What the watch says after looking.

    Attributes:
        state: `watching`, `rollback` or `ended`.
        reason: In words.
        figures: Its numbers.
    """

    state: str
    reason: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


class Watcher(Protocol):
    """Compares the version that serves with the one before, on matured decisions."""

    def begin(self, now: datetime, champion: str, previous: str) -> None:
        """Start watching a swap."""

    def look(self, now: datetime) -> WatchReport | None:
        """Take what has matured since; None where nothing is watched or nothing is new."""

    def end(self) -> None:
        """Stop watching."""


def require_cutoff(served: Served, now: datetime) -> None:
    """Refuse a version that knows something later than now.

    Raises:
        LookaheadError: Names the version and both times.
    """
    cutoff = served.data_cutoff_utc
    if cutoff is not None and cutoff > now:
        raise LookaheadError(
            f"{served.version} was made from data up to {cutoff.isoformat()}, but in simulated time it is "
            f"{now.isoformat()}: it must not answer yet"
        )
    if cutoff is None and served.folder is not None:
        raise LookaheadError(f"{served.version} does not say up to when its data goes: it must not answer")


class Loop:
    """Has its turn before every entry question of the learning arm.

    Args:
        first: Who serves at the start.
        retrain_every: New matured decisions below which the rule need not be asked.
        cycles: The rule, the cycles, the registry.
        models: Swaps.
        watcher: Watches swaps.
        timeline: Where events are written.
        step: Ask the rule from so many new questions on, for what lowers its bar; 0 = not before `retrain_every`.
    """

    def __init__(
        self,
        first: Served,
        *,
        retrain_every: int,
        cycles: Cycles,
        models: Models,
        watcher: Watcher,
        timeline: Timeline,
        step: int = 0,
    ) -> None:
        self.timeline = timeline
        self._served = first
        self._retrain_every = retrain_every
        self._cycles, self._models, self._watcher = cycles, models, watcher
        self._asked: list[datetime] = []
        self._used_until: datetime | None = None
        self._step = step
        self._look_at = min(retrain_every, step or retrain_every)
        self._number = 0

    @property
    def served(self) -> Served:
        """Who answers."""
        return self._served

    def before(self, request: DecisionRequest) -> None:
        """Do what is due at the moment of a question, before it is answered.

        Raises:
            LookaheadError: A version would answer that knows something later.
        """
        now = request.market.time_utc
        if not self.timeline.events:
            require_cutoff(self._served, now)
            self._add("start", now, 0, data_cutoff_utc=self._served.data_cutoff_utc)
        self._watch(now)
        matured = self._due(now)
        if matured is not None:
            self._cycle(now, matured)

    def after(self, request: DecisionRequest, decision: Decision) -> None:
        """Note that a question was asked."""
        self._asked.append(request.market.time_utc)

    def _due(self, now: datetime) -> int | None:
        """Return the new matured decisions where the rule fires; it is asked only where it can."""
        fresh = self._fresh
        if fresh < self._look_at:
            return None
        rule = self._cycles.due(now)
        if rule.drift and self.timeline.events[-1].kind != "drift":  # told once until a cycle has answered it
            since = {"change_point_utc": rule.drift_since_utc and rule.drift_since_utc.isoformat()}
            self._add("drift", now, rule.matured, reason=rule.drift, figures=since)
        if rule.fires:
            return rule.matured
        self._look_at = fresh + rule.missing
        return None

    @property
    def _fresh(self) -> int:
        """Questions asked since the newest one that a cycle has used: no fewer than have matured."""
        return len(self._asked) - (0 if self._used_until is None else bisect_right(self._asked, self._used_until))

    def _cycle(self, now: datetime, matured: int) -> None:
        self._number += 1
        report = self._cycles.run(now, self._number)
        self._look_at = min(self._retrain_every, self._step or self._retrain_every)
        if report.used_until_utc is not None:
            self._used_until = report.used_until_utc
        else:
            wait = max(report.missing, self._step) if report.missing else self._retrain_every
            self._look_at = self._fresh + wait
        swapped = report.served.version != self._served.version
        before = self._served
        if swapped:
            require_cutoff(report.served, now)
            self._models.serve(report.served)
            self._served = report.served
        common = {"cycle": self._number, "data_cutoff_utc": self._served.data_cutoff_utc}
        self._add(
            "cycle",
            now,
            matured,
            status=report.status,
            reason=report.reason,
            figures={**report.figures, "cycle_id": report.cycle_id},
            seconds=report.seconds,
            **common,
        )
        if swapped:
            self._add("swap", now, matured, reason=f"{before.version} made way for {self._served.version}", **common)
            self._watcher.begin(now, self._served.version, before.version)

    def _watch(self, now: datetime) -> None:
        report = self._watcher.look(now)
        if report is None or report.state == "watching":
            return
        self._watcher.end()
        if report.state == "rollback":
            served = self._cycles.roll_back(now, report.reason)
            require_cutoff(served, now)
            self._models.serve(served)
            self._served = served
            self._add("rollback", now, 0, reason=report.reason, figures=report.figures)
        else:
            self._add("watch_end", now, 0, reason=report.reason, figures=report.figures)

    def _add(self, kind: Any, now: datetime, matured: int, **fields: Any) -> None:
        self.timeline.add(Event(kind, now, len(self._asked), matured, self._served.version, **fields))
