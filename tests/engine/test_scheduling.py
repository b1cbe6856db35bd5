"""Date rules, time rules and the order in which scheduled events fire."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from llm_plugin.engine.base.enums import DayOfWeek
from llm_plugin.engine.base.zones import from_us, to_us, zone
from llm_plugin.engine.market.market_hours import ExchangeHours
from llm_plugin.engine.scheduling.schedule import ScheduleContext, ScheduledEvent, ScheduleManager

NEW_YORK = zone("America/New_York")
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday")
SEGMENTS = [
    {"start": "04:00:00", "end": "09:30:00", "state": "premarket"},
    {"start": "09:30:00", "end": "16:00:00", "state": "market"},
    {"start": "16:00:00", "end": "20:00:00", "state": "postmarket"},
]
HOURS = ExchangeHours(
    {**dict.fromkeys(WEEK, SEGMENTS), "holidays": ["1/1/2024", "1/15/2024"], "earlyCloses": {"7/3/2024": "13:00:00"}},
    NEW_YORK,
)


class World:
    """A clock in New York and one market."""

    def __init__(self, now=datetime(2024, 1, 2)):
        self.us = NEW_YORK.utc(to_us(now))
        self.schedule = ScheduleManager(
            ScheduleContext(lambda: self.us, lambda: NEW_YORK, lambda symbol: HOURS, lambda: [HOURS])
        )
        self.fired = []

    def note(self, name):
        return lambda: self.fired.append((name, from_us(NEW_YORK.local(self.us))))

    def set_clock(self, us):
        self.us = us

    def until(self, moment):
        target = NEW_YORK.utc(to_us(moment))
        self.schedule.run_before(target, self.set_clock)
        self.us = target
        self.schedule.run_until(target)


def dates(rule, start=datetime(2024, 1, 1), end=datetime(2024, 3, 31)):
    return [f"{day:%m%d}" for day in rule.get_dates(start, end)]


def local_times(rule, *days):
    return [from_us(NEW_YORK.local(to_us(moment))) for moment in rule.create_utc_event_times(days)]


def test_date_rules_with_and_without_a_symbol():
    rules = World().schedule.date_rules
    week = (datetime(2024, 1, 12), datetime(2024, 1, 16))
    assert dates(rules.every_day(), *week) == ["0112", "0113", "0114", "0115", "0116"]
    assert dates(rules.every_day("SPY"), *week) == ["0112", "0116"]
    assert dates(rules.every(DayOfWeek.MONDAY, DayOfWeek.FRIDAY), *week) == ["0112", "0115"]
    assert dates(rules.on(2024, 1, 13), *week) == ["0113"]
    assert dates(rules.on([datetime(2024, 1, 13, 5), datetime(2025, 1, 1)]), *week) == ["0113"]
    assert dates(rules.today) == ["0102"]
    assert dates(rules.Tomorrow) == ["0103"]


def test_month_week_quarter_and_year_rules():
    rules = World().schedule.date_rules
    assert dates(rules.month_start()) == ["0101", "0201", "0301"]
    assert dates(rules.month_start("SPY")) == ["0102", "0201", "0301"]
    assert dates(rules.month_start("SPY", 2)) == ["0104", "0205", "0305"]
    assert dates(rules.month_end("SPY")) == ["0131", "0229", "0329"]
    assert dates(rules.month_end("SPY", 1)) == ["0130", "0228", "0328"]
    assert dates(rules.month_end(5)) == ["0126", "0224", "0326"]
    assert dates(rules.week_start("SPY"), end=datetime(2024, 1, 21)) == ["0102", "0108", "0116"]
    assert dates(rules.week_start(1), end=datetime(2024, 1, 14)) == ["0102", "0109"]
    assert dates(rules.week_end("SPY"), end=datetime(2024, 1, 14)) == ["0105", "0112"]
    assert dates(rules.week_end(), end=datetime(2024, 1, 14)) == ["0105", "0112"]
    assert dates(rules.quarter_start("SPY"), end=datetime(2024, 12, 31)) == ["0102", "0401", "0701", "1001"]
    assert dates(rules.quarter_end("SPY"), end=datetime(2024, 12, 31)) == ["0329", "0628", "0930", "1231"]
    assert dates(rules.year_start("SPY")) == ["0102"]
    assert dates(rules.year_end("SPY"), end=datetime(2024, 12, 31)) == ["1231"]
    assert rules.month_end("SPY", 1).name == "SPY: MonthEnd-1"


def test_offsets_outside_of_the_period_are_refused():
    rules = World().schedule.date_rules
    with pytest.raises(ValueError, match="between 0 and 30, not 31"):
        rules.month_start(31)
    with pytest.raises(ValueError, match="between 0 and 4, not 5"):
        rules.week_start("SPY", 5)


def test_time_rules_give_utc_times_of_local_clocks():
    rules = World().schedule.time_rules
    winter, summer, holiday = datetime(2024, 1, 2), datetime(2024, 7, 3), datetime(2024, 1, 15)
    assert list(rules.at(10, 30).create_utc_event_times([winter, summer])) == [
        datetime(2024, 1, 2, 15, 30),
        datetime(2024, 7, 3, 14, 30),
    ]
    assert local_times(rules.at(timedelta(hours=9), "UTC"), winter) == [datetime(2024, 1, 2, 4)]
    assert local_times(rules.midnight, winter) == [winter]
    assert local_times(rules.Noon, winter) == [datetime(2024, 1, 2, 12)]
    assert len(local_times(rules.every(timedelta(minutes=90)), winter)) == 16
    assert local_times(rules.after_market_open("SPY", 30), winter, holiday) == [datetime(2024, 1, 2, 10)]
    assert local_times(rules.after_market_open("SPY", 0, True), winter) == [datetime(2024, 1, 2, 4)]
    assert local_times(rules.before_market_close("SPY", 10), winter, summer) == [
        datetime(2024, 1, 2, 15, 50),
        datetime(2024, 7, 3, 12, 50),
    ]
    assert local_times(rules.BeforeMarketClose(5), winter) == [datetime(2024, 1, 2, 15, 55)]
    assert local_times(rules.before_market_open("SPY", 5), winter) == [datetime(2024, 1, 2, 9, 25)]
    assert local_times(rules.after_market_close("SPY", 5), winter) == [datetime(2024, 1, 2, 16, 5)]
    with pytest.raises(ValueError, match="above 0, not 0:00:00"):
        rules.every(timedelta(0))
    with pytest.raises(TypeError, match="hour, minute"):
        rules.at(10)


def test_events_fire_in_time_order_and_ties_in_order_of_creation():
    world = World()
    rules = world.schedule
    rules.on("second", rules.date_rules.every_day(), rules.time_rules.at(10, 0), world.note("b"))
    rules.on("third", rules.date_rules.every_day(), rules.time_rules.at(10, 0), world.note("c"))
    rules.on(rules.date_rules.every_day(), rules.time_rules.at(9, 0), world.note("a"))
    rules.start(world.us)
    world.until(datetime(2024, 1, 2, 10))
    assert [name for name, _ in world.fired] == ["a", "b", "c"]
    assert world.fired[0][1] == datetime(2024, 1, 2, 9)
    world.until(datetime(2024, 1, 3, 9, 30))
    assert world.fired[-1] == ("a", datetime(2024, 1, 3, 9))


def test_times_before_the_start_are_skipped():
    world = World(datetime(2024, 1, 2, 12))
    rules = world.schedule
    event = rules.on(rules.date_rules.every_day(), rules.time_rules.at(10, 0), world.note("x"))
    rules.start(world.us)
    assert event.next_event_utc_time == datetime(2024, 1, 3, 15)


def test_removed_and_disabled_events_are_silent_and_added_ones_join():
    world = World()
    rules = world.schedule
    gone = rules.on(rules.date_rules.every_day(), rules.time_rules.at(9, 0), world.note("gone"))
    quiet = rules.on(rules.date_rules.every_day(), rules.time_rules.at(9, 0), world.note("quiet"))
    quiet.Enabled = False
    quiet.enabled = False
    rules.on(
        rules.date_rules.today,
        rules.time_rules.at(9, 30),
        lambda: rules.on("late", rules.date_rules.today, rules.time_rules.at(9, 45), world.note("late")),
    )
    rules.start(world.us)
    rules.remove(gone)
    world.until(datetime(2024, 1, 3, 12))
    assert [name for name, _ in world.fired] == ["late"]


def test_user_written_events_and_training():
    world = World()
    rules = world.schedule
    times = [datetime(2024, 1, 2, 20), datetime(2024, 1, 2, 21)]
    rules.add(ScheduledEvent("mine", times, world.note("mine")))
    rules.training_now(world.note("train"))
    rules.start(world.us)
    world.until(datetime(2024, 1, 2, 23))
    assert [name for name, _ in world.fired] == ["train", "mine", "mine"]
    with pytest.raises(TypeError, match="must be callable"):
        rules.on(rules.date_rules.today, rules.time_rules.now, 5)
    with pytest.raises(TypeError, match="date_rule, time_rule, callback"):
        rules.on(1)
