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
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.settings import LearningSettings

__all__ = ["Due", "due"]

LEARNED = ("promoted", "refused", "cannot_judge")
"""Ends that have used up their decisions; one that failed or had too few has not."""

PATIENCE = 2
"""A window across a known change teaches both rules at once: the schedule waits for what came after the change, but no
longer than until this many times its own count has come. Changes that follow each other never hold it up for good."""


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
        drift_utc: The drift check that it answers.
        wait_until_utc: When to look again, where the clock is what stands in the way.
    """

    start: bool
    why_not: str
    reason: str
    count: int
    needed: int
    trigger: Trigger
    since_utc: datetime | None = None
    drift_utc: datetime | None = None
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

    Counted is one per decision, by decision time, later than the newest one that the last finished cycle used. After
    drift that no cycle has answered yet, fewer are enough, counted from the change point, at which the window then
    begins; the interval does not hold it up. Until so many have come the schedule waits, up to `PATIENCE` times its
    count. An operator is held up by nothing.

    Args:
        settings: Section `learning`.
        stores: Outcome stores.
        database: Cycles and drift checks.
        as_of_utc: Nothing that was known later counts.
        trigger: Who asks.
        run_ids: Only these runs.
        data_folder: LEAN's data, for the market calendar.
    """
    newest = _newest(database, settings.model)

    def counted(after: datetime | None) -> int:
        return count_matured(stores, as_of_utc=as_of_utc, run_ids=run_ids, after_utc=after)

    count, needed = counted(newest), settings.min_outcomes
    drift = _unanswered(database, settings.model, as_of_utc)
    facts: dict[str, Any] = {}
    after = ""
    if drift is not None:
        change = _time(drift.get("change_point_utc"))
        begin = None if change is None else change - timedelta(microseconds=1)
        since_change = counted(max((time for time in (newest, begin) if time is not None), default=None))
        if since_change >= settings.min_outcomes_on_drift:
            facts = {"since_utc": change, "drift_utc": drift["checked_utc"]}
        straddles = change is not None and count < PATIENCE * settings.min_outcomes
        if facts or count < needed or straddles:
            count, needed = since_change, settings.min_outcomes_on_drift
            after = " after drift" if change is None else f" since the change at {change}"
    why: Trigger = "operator" if trigger == "operator" else "drift" if facts else "schedule"
    facts |= {"count": count, "needed": needed, "trigger": why}
    if why == "operator":
        return Due(True, "", f"asked for by an operator, with {count} new matured decisions{after}", **facts)
    if count < needed:
        return Due(False, "count", f"{count} new matured decisions{after}, {needed} are needed", **facts)
    started = _last_start(database, settings.model, as_of_utc)
    again = None if started is None else started + timedelta(hours=settings.interval_hours)
    if why == "schedule" and again is not None and as_of_utc < again:
        text = f"the last cycle began at {started}, the next look is at {again}"
        return Due(False, "interval", text, wait_until_utc=again, **facts)
    until = busy_until(as_of_utc, settings, data_folder)
    if until is not None:
        return Due(False, "busy", f"busy hours until {until}", wait_until_utc=until, **facts)
    return Due(True, "", f"{count} new matured decisions{after}, {needed} are needed", **facts)


def _newest(database: LearningDatabase, model: str) -> datetime | None:
    """The newest decision that any cycle has used: where the clock went back, nothing is learned from twice."""
    times = [row.facts.get("newest_utc") for row in database.cycles(model) if row.status in LEARNED]
    return max((datetime.fromisoformat(text) for text in times if text), default=None)


def _last_start(database: LearningDatabase, model: str, as_of_utc: datetime) -> datetime | None:
    """The interval is measured on the cycles' own time axis; a start that lies ahead of the clock is not waited for."""
    times = [row.as_of_utc for row in database.cycles(model) if row.as_of_utc <= as_of_utc]
    return times[-1] if times else None


def _unanswered(database: LearningDatabase, model: str, as_of_utc: datetime) -> dict[str, Any] | None:
    """The drift known by then that no finished cycle has answered, with the latest of its change points.

    A miscalibration that lasts is found again and again with an old change point; it must not hide a change since.
    """
    answered = [_time(row.facts.get("drift_utc")) for row in database.cycles(model) if row.status in LEARNED]
    last = max((time for time in answered if time is not None), default=None)
    found = [
        row
        for row in database.drift_checks(last, found=True)
        if row["checked_utc"] <= as_of_utc and (last is None or row["checked_utc"] > last)
    ]
    if not found:
        return None
    changes = [time for row in found if (time := _time(row.get("change_point_utc"))) is not None]
    return {**found[-1], "change_point_utc": max(changes).isoformat() if changes else None}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
