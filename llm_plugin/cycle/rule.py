"""When a retrain starts: enough new matured decisions, fewer after drift, not too soon, never in busy hours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.cycle.hours import busy_until
from llm_plugin.cycle.words import Trigger
from llm_plugin.learning.read import count_matured

if TYPE_CHECKING:
    from llm_plugin.learning.database import CycleRow, LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.settings import LearningSettings

__all__ = ["Due", "due", "last_learned"]

LEARNED = ("promoted", "refused", "cannot_judge")
"""Ends that have used up their decisions; one that failed or had too few has not."""


@dataclass(frozen=True, slots=True)
class Due:
    """Whether a retrain starts.

    Attributes:
        start: True where it does.
        why_not: `count`, `interval` or `busy` where it does not.
        reason: In words.
        count: New matured decisions.
        needed: How many the rule wants.
        trigger: `drift` where drift lowered the bar.
        since_utc: Change point at which the window must begin, None without drift.
        wait_until_utc: When to look again, where the clock is what stands in the way.
    """

    start: bool
    why_not: str
    reason: str
    count: int
    needed: int
    trigger: Trigger
    since_utc: datetime | None = None
    wait_until_utc: datetime | None = None


def due(
    settings: LearningSettings,
    stores: Sequence[OutcomeStore],
    database: LearningDatabase,
    *,
    as_of_utc: datetime,
    trigger: Trigger = "schedule",
    run_ids: Collection[str] | None = None,
    data_folder: Path | None = None,
) -> Due:
    """Apply the retrain rule.

    Counted is one per decision, by decision time, later than the newest one that the last finished cycle used. Drift
    found since that cycle, and known by `as_of_utc`, lowers the bar, lets the interval go and moves the window's start
    to the change point. An operator is held up by nothing.

    Args:
        settings: Section `learning`.
        stores: Outcome stores.
        database: Cycles and drift checks.
        as_of_utc: Nothing that was known later counts.
        trigger: Who asks.
        run_ids: Only these runs.
        data_folder: LEAN's data, for the market calendar.
    """
    last = last_learned(database, settings.model, as_of_utc)
    count = count_matured(stores, as_of_utc=as_of_utc, run_ids=run_ids, after_utc=_newest(database, settings.model))
    drift = _drift_since(database, last, as_of_utc)
    why: Trigger = "operator" if trigger == "operator" else "drift" if drift is not None else "schedule"
    needed = settings.min_outcomes_on_drift if drift is not None else settings.min_outcomes
    since = _time(drift.get("change_point_utc")) if drift is not None else None
    facts: dict[str, Any] = {"count": count, "needed": needed, "trigger": why, "since_utc": since}
    if why == "operator":
        return Due(True, "", f"asked for by an operator, with {count} new matured decisions", **facts)
    if count < needed:
        after = " after drift" if drift is not None else ""
        return Due(False, "count", f"{count} new matured decisions, {needed} are needed{after}", **facts)
    started = _last_start(database, settings.model, as_of_utc)
    again = None if started is None else started + timedelta(hours=settings.interval_hours)
    if drift is None and again is not None and as_of_utc < again:
        text = f"the last cycle began at {started}, the next look is at {again}"
        return Due(False, "interval", text, wait_until_utc=again, **facts)
    until = busy_until(as_of_utc, settings, data_folder)
    if until is not None:
        return Due(False, "busy", f"busy hours until {until}", wait_until_utc=until, **facts)
    return Due(True, "", f"{count} new matured decisions, {needed} are needed ({why})", **facts)


def last_learned(database: LearningDatabase, model: str, as_of_utc: datetime) -> CycleRow | None:
    """Return the newest cycle until then that has used up its decisions, None where there is none."""
    ended = [
        row for row in database.cycles(model) if row.status in LEARNED and row.as_of_utc <= as_of_utc and row.facts
    ]
    return ended[-1] if ended else None


def _newest(database: LearningDatabase, model: str) -> datetime | None:
    """The newest decision that any cycle has used: where the clock went back, nothing is learned from twice."""
    times = [row.facts.get("newest_utc") for row in database.cycles(model) if row.status in LEARNED]
    return max((datetime.fromisoformat(text) for text in times if text), default=None)


def _last_start(database: LearningDatabase, model: str, as_of_utc: datetime) -> datetime | None:
    """The interval is measured on the cycles' own time axis; a start that lies ahead of the clock is not waited for."""
    times = [row.as_of_utc for row in database.cycles(model) if row.as_of_utc <= as_of_utc]
    return times[-1] if times else None


def _drift_since(database: LearningDatabase, last: CycleRow | None, as_of_utc: datetime) -> dict[str, Any] | None:
    since = last.as_of_utc if last is not None else None
    found = [
        row
        for row in database.drift_checks(since, found=True)
        if row["checked_utc"] <= as_of_utc and (since is None or row["checked_utc"] > since)
    ]
    return found[-1] if found else None


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
