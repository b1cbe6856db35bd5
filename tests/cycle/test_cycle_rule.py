"""When a retrain starts: counts, drift, interval, busy hours, operators, and a clock that goes backwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cycle_world import at, fill_store, world_settings
from questions import START

from llm_plugin.cycle.hours import busy_until, parse_span
from llm_plugin.cycle.rule import Due, due
from llm_plugin.cycle.run import run_cycle
from llm_plugin.cycle.words import CycleParts
from llm_plugin.errors import ConfigError
from llm_plugin.learning.dataset import read_dataset
from llm_plugin.settings import LearningSettings

World = tuple[CycleParts, datetime]


def rule(parts: CycleParts, as_of: datetime, trigger: Any = "schedule", **learning: Any) -> Due:
    settings = world_settings(**learning).learning
    return due(settings, parts.stores, parts.database, as_of_utc=as_of, trigger=trigger)


def test_enough_new_decisions_start_a_cycle(world: World) -> None:
    parts, as_of = world
    found = rule(parts, as_of, min_outcomes=394)
    assert (found.start, found.count, found.needed) == (True, 394, 394)
    short = rule(parts, as_of, min_outcomes=395)
    assert (short.start, short.why_not) == (False, "count")
    assert "394 new matured decisions, 395 are needed" in short.reason


def test_decisions_count_once_and_only_those_after_the_last_cycle(world: World) -> None:
    parts, as_of = world
    assert run_cycle(at(as_of), parts).promoted
    later = fill_store(parts.stores[0], parts.settings, first=400, count=100)
    parts.stores[0].flush()
    found = rule(parts, later)
    assert (found.start, found.count) == (False, 100)  # with 6 that were too young then, without the youngest 6 of now


def test_a_cycle_that_failed_has_used_up_nothing(world: World) -> None:
    parts, as_of = world

    def broken(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    assert run_cycle(at(as_of), replace(parts, train=broken)).status == "failed"
    assert rule(parts, as_of + timedelta(hours=5)).start


def drifted(parts: CycleParts, checked: datetime, change: datetime | None = None) -> None:
    parts.database.save_drift({"change_point_utc": change}, found=True, checked_utc=checked)


def test_drift_lowers_the_bar_and_moves_the_windows_start(world: World) -> None:
    parts, as_of = world
    change = as_of - timedelta(days=40)
    drifted(parts, as_of - timedelta(hours=1), change)
    since = sum(START + timedelta(hours=3 * place) >= change for place in range(394))
    found = rule(parts, as_of, min_outcomes=1000, min_outcomes_on_drift=since)
    assert (found.start, found.count, found.needed, found.trigger) == (True, since, since, "drift")
    assert (found.since_utc, found.drift_utc) == (change, as_of - timedelta(hours=1))
    short = rule(parts, as_of, min_outcomes=1000, min_outcomes_on_drift=since + 1)
    assert (short.start, short.why_not) == (False, "count")
    assert f"{since} new matured decisions since the change at {change}, {since + 1} are needed" in short.reason


def test_a_window_after_drift_begins_at_the_change(world: World) -> None:
    parts, as_of = world
    change = as_of - timedelta(days=40)
    drifted(parts, as_of - timedelta(hours=1), change)
    result = run_cycle(at(as_of, trigger="drift"), parts)
    assert (result.status, result.facts["trigger"]) == ("promoted", "drift")
    manifest = read_dataset(parts.cycles_folder / result.cycle_id / "dataset").manifest
    assert manifest.since_utc == change
    assert datetime.fromisoformat(manifest.ranges["train"][0]) >= change
    assert rule(parts, as_of + timedelta(days=1)).drift_utc is None


def test_a_schedule_does_not_learn_across_a_known_change(world: World) -> None:
    parts, as_of = world
    change = as_of - timedelta(days=10)
    assert rule(parts, as_of, min_outcomes=300).start
    drifted(parts, as_of - timedelta(hours=1), change)
    found = rule(parts, as_of, min_outcomes=300)
    assert (found.start, found.why_not, found.needed) == (False, "count", 150)
    assert f"since the change at {change}" in found.reason


def test_where_twice_the_count_has_come_the_schedule_goes_on_and_the_drift_waits(world: World) -> None:
    parts, as_of = world
    drifted(parts, as_of - timedelta(hours=1), as_of - timedelta(days=10))
    assert not rule(parts, as_of, min_outcomes=198).start  # 394 have come
    found = rule(parts, as_of, min_outcomes=197)
    assert (found.start, found.trigger, found.since_utc, found.needed) == (True, "schedule", None, 197)
    forced = rule(parts, as_of, "operator", min_outcomes=1000)
    assert (forced.start, forced.since_utc) == (True, None)
    assert run_cycle(at(as_of, trigger="operator"), parts).promoted
    later = fill_store(parts.stores[0], parts.settings, first=400, count=160)
    parts.stores[0].flush()
    waiting = rule(parts, later, min_outcomes=1000)
    assert (waiting.start, waiting.trigger, waiting.count) == (True, "drift", 160)


def test_a_change_is_not_hidden_by_an_older_one_that_is_found_again(world: World) -> None:
    parts, as_of = world
    old, new = as_of - timedelta(days=45), as_of - timedelta(days=30)
    drifted(parts, as_of - timedelta(days=20), new)
    drifted(parts, as_of - timedelta(hours=1), old)
    found = rule(parts, as_of, min_outcomes=1000)
    assert (found.start, found.since_utc, found.drift_utc) == (True, new, as_of - timedelta(hours=1))
    assert run_cycle(at(as_of, trigger="drift"), parts).status in ("promoted", "refused")
    assert rule(parts, as_of + timedelta(days=1)).drift_utc is None  # both are answered


def test_drift_that_was_not_known_then_changes_nothing(world: World) -> None:
    parts, as_of = world
    parts.database.save_drift({"change_point_utc": None}, found=True, checked_utc=as_of + timedelta(seconds=1))
    parts.database.save_drift({"change_point_utc": None}, found=False, checked_utc=as_of - timedelta(hours=1))
    found = rule(parts, as_of, min_outcomes=1000, min_outcomes_on_drift=300)
    assert (found.start, found.needed, found.trigger) == (False, 1000, "schedule")


def test_drift_that_a_cycle_has_answered_is_over(world: World) -> None:
    parts, as_of = world
    parts.database.save_drift({"change_point_utc": None}, found=True, checked_utc=as_of - timedelta(hours=1))
    assert run_cycle(at(as_of), parts).promoted
    assert rule(parts, as_of + timedelta(days=1)).trigger == "schedule"


def test_between_two_looks_only_drift_or_an_operator_starts(world: World) -> None:
    parts, as_of = world
    assert run_cycle(at(as_of), parts).promoted
    soon = fill_store(parts.stores[0], parts.settings, first=400, count=260)
    parts.stores[0].flush()
    waiting = rule(parts, soon, interval_hours=8760)
    assert (waiting.start, waiting.why_not) == (False, "interval")
    assert waiting.wait_until_utc == as_of + timedelta(hours=8760)
    assert rule(parts, soon, "operator", interval_hours=8760).start
    parts.database.save_drift({"change_point_utc": None}, found=True, checked_utc=soon)
    assert rule(parts, soon, interval_hours=8760).start


def test_a_clock_that_goes_backwards_learns_nothing_twice(world: World) -> None:
    parts, as_of = world
    assert run_cycle(at(as_of), parts).promoted
    back = rule(parts, as_of - timedelta(days=2))
    assert (back.start, back.count) == (False, 0)
    fill_store(parts.stores[0], parts.settings, first=400, count=260)
    parts.stores[0].flush()
    assert rule(parts, as_of + timedelta(days=40)).start


BUSY = LearningSettings()
THURSDAY = datetime(2014, 3, 6, tzinfo=UTC)  # New York is five hours behind


@pytest.mark.parametrize(
    ("hour", "minute", "end"),
    [(14, 29, None), (14, 30, (15, 30)), (15, 29, (15, 30)), (15, 30, None), (20, 45, (21, 0)), (21, 0, None)],
)
def test_busy_hours_are_those_of_the_zone(hour: int, minute: int, end: tuple[int, int] | None) -> None:
    found = busy_until(THURSDAY.replace(hour=hour, minute=minute), BUSY, None)
    assert found == (None if end is None else THURSDAY.replace(hour=end[0], minute=end[1]))


def test_summer_time_moves_them(market_data: Path) -> None:
    july = datetime(2014, 7, 10, 13, 45, tzinfo=UTC)
    assert busy_until(july, BUSY, market_data) == july.replace(hour=14, minute=30)


def test_days_without_trading_are_never_busy(market_data: Path) -> None:
    for day in (datetime(2014, 3, 8, tzinfo=UTC), datetime(2014, 7, 4, tzinfo=UTC)):  # a Saturday, Independence Day
        assert busy_until(day.replace(hour=15), BUSY, market_data) is None
    assert busy_until(datetime(2014, 7, 4, 14, tzinfo=UTC), BUSY, None) is not None  # without a calendar: a Friday


def test_a_span_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    settings = LearningSettings(busy_hours=["22:00-02:00"], busy_timezone="UTC")
    friday, monday = datetime(2014, 3, 7, tzinfo=UTC), datetime(2014, 3, 10, tzinfo=UTC)
    assert busy_until(friday + timedelta(hours=25), settings, None) == friday + timedelta(hours=26)
    assert busy_until(monday + timedelta(hours=1), settings, None) is None


def test_no_retrain_starts_in_busy_hours_unless_an_operator_asks(world: World) -> None:
    parts, as_of = world
    settings = {"busy_hours": ["00:00-23:59"], "busy_timezone": "UTC"}
    assert as_of.weekday() < 5
    found = rule(parts, as_of, **settings)
    assert (found.start, found.why_not) == (False, "busy")
    assert found.wait_until_utc == as_of.replace(hour=23, minute=59)
    assert rule(parts, as_of, "operator", **settings).start
    result = run_cycle(at(as_of), replace(parts, settings=world_settings(**settings)))
    assert (result.status, result.cycle_id) == ("not_due", "")


@pytest.mark.parametrize("text", ["9:30-10:30", "09:30", "09:30-09:30", "10:00-24:30", "25:00-26:00", "nine"])
def test_a_span_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=f"learning.busy_hours holds '{text}'"):
        parse_span(text)


def test_a_zone_or_market_that_does_not_exist_is_named(market_data: Path) -> None:
    with pytest.raises(ConfigError, match="busy_timezone is 'Mars/Olympus'"):
        busy_until(THURSDAY, LearningSettings(busy_timezone="Mars/Olympus"), None)
    with pytest.raises(ConfigError, match="'bonds' is no security type"):
        busy_until(THURSDAY, LearningSettings(busy_market="usa/bonds"), market_data)
    with pytest.raises(ConfigError, match="busy_market is 'mars/equity'"):
        busy_until(THURSDAY, LearningSettings(busy_market="mars/equity"), market_data)
