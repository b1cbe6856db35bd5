"""How soon the watch finds a worse generation, and how often it sends a healthy one back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from gate_trials import Floats, trades

from llm_plugin.settings import WatchSettings
from llm_plugin.watch import Watch

from .conftest import RecordFigure

RUNS = 400
STABLE_RUNS = 2000
START = datetime(2026, 1, 5, tzinfo=UTC)

pytestmark = pytest.mark.slow


def first_alarm(net_r: Floats, new: Floats, old: Floats, per_day: int) -> int | None:
    """Return after how many outcomes the watch rolls back."""
    watch = Watch("new", "old", WatchSettings())
    for number in range(net_r.size):
        time = START + timedelta(days=number // per_day, minutes=number % per_day)
        if watch.update(str(number), time, float(net_r[number]), float(new[number]), float(old[number])).rolled_back:
            return number + 1
    return None


def compared(
    rng: np.random.Generator, *, count: int, disagree: float, worse_r: float, per_day: int, dips: bool, push_r: float
) -> int | None:
    """One watch: on a share of the decisions one takes what the other leaves, and the new one is worse by so much.

    The market pushes all trades of a day alike; in a dip (40 outcomes, three times in a run) every trade loses 0.8 R
    more, whoever takes it.
    """
    differ, mine = rng.random(count) < disagree, rng.random(count) < 0.5
    alike = rng.random(count) < 0.6
    new = np.where(differ, mine, alike).astype(float)
    old = np.where(differ, ~mine, alike).astype(float)
    means = np.where(differ, np.where(mine, -worse_r, worse_r), 0.0)
    push = np.repeat(rng.normal(0, push_r, count // per_day + 1), per_day)[:count]
    net = trades(rng, means, push)
    if dips:
        for start in rng.integers(0, count - 40, 3):
            net[start : start + 40] -= 0.8
    return first_alarm(net, new, old, per_day)


@pytest.mark.parametrize("per_day", [1, 3, 8, 24])
def test_detection(per_day: int, record_figure: RecordFigure) -> None:
    medians = []
    for disagree, worse_r in ((0.6, 0.6), (0.3, 0.5)):
        words = {"count": 600, "disagree": disagree, "worse_r": worse_r, "per_day": per_day}
        found = [compared(np.random.default_rng(n), dips=False, push_r=0.3, **words) for n in range(RUNS)]
        medians.append(float(np.median([600 if alarm is None else alarm for alarm in found])))
        missed = sum(alarm is None for alarm in found)
        told = f"median {medians[-1]:.0f}, missed {missed}/{RUNS}"
        print(f"{per_day} a day, {disagree:.0%} disagreement, -{worse_r} R: {told}")
    if per_day == 3:
        record_figure("rollback_detect_outcomes_median", medians[0], "outcomes at 60 % and -0.6 R", 80, "lower")
        record_figure("rollback_detect_outcomes_median_rare", medians[1], "outcomes at 30 % and -0.5 R", 200, "lower")


def test_false_alarms(record_figure: RecordFigure) -> None:
    """Equal generations over 1,000 outcomes with three dips of the whole market."""
    rates = []
    for per_day, push, disagree in ((3, 0.3, 0.6), (3, 0.8, 0.3), (1, 0.3, 0.6), (8, 0.5, 0.6), (24, 0.5, 0.6)):
        words = {"count": 1000, "disagree": disagree, "worse_r": 0.0, "per_day": per_day, "push_r": push}
        count = STABLE_RUNS if not rates else RUNS
        alarms = [compared(np.random.default_rng(n), dips=True, **words) is not None for n in range(count)]
        rates.append(float(np.mean(alarms)))
        print(f"{per_day} a day, push {push} R, {disagree:.0%}: {rates[-1]:.4f} of {count} stable runs roll back")
    record_figure("rollback_false_alarm_rate", rates[0], "share of stable runs", 0.05, "lower")


def test_a_healthy_generation_that_turns_bad(record_figure: RecordFigure) -> None:
    """300 outcomes as good as the previous one, then worse by 0.6 R on 60 %."""
    delays, early = [], 0
    for number in range(RUNS):
        rng, count = np.random.default_rng(number), 900
        differ, mine, alike = rng.random(count) < 0.6, rng.random(count) < 0.5, rng.random(count) < 0.6
        worse = np.where(np.arange(count) < 300, 0.0, 0.6)
        net = trades(rng, np.where(differ, np.where(mine, -worse, worse), 0.0))
        new, old = np.where(differ, mine, alike), np.where(differ, ~mine, alike)
        alarm = first_alarm(net, new.astype(float), old.astype(float), 3)
        early += alarm is not None and alarm <= 300
        delays.append(count if alarm is None else max(0, alarm - 300))
    print(f"turns bad after 300: median {np.median(delays):.0f} outcomes later, {early} alarms before")
    record_figure("rollback_detect_late_median", float(np.median(delays)), "outcomes after it turned", 200, "lower")


@pytest.mark.parametrize("per_day", [3, 8, 24])
def test_a_day_is_one_bet(per_day: int) -> None:
    """The hard case: for a whole day the same generation takes what the other leaves, and the market pushes that day.

    Beside it the same outcomes, each called a day of its own, as if they knew nothing of each other.
    """
    summed, multiplied = [], []
    for number in range(RUNS):
        rng, count = np.random.default_rng(number), 1000
        days = count // per_day + 1
        mine = np.repeat(rng.random(days) < 0.5, per_day)[:count]
        push = np.repeat(rng.normal(0, 0.8, days), per_day)[:count]
        differ = rng.random(count) < 0.6
        net = trades(rng, np.zeros(count), push)
        new, old = (differ & mine).astype(float), (differ & ~mine).astype(float)
        summed.append(first_alarm(net, new, old, per_day) is not None)
        multiplied.append(first_alarm(net, new, old, 1) is not None)
    told = f"{np.mean(summed):.3f} of {RUNS} stable runs roll back; outcomes taken as independent: "
    print(f"{per_day} a day: {told}{np.mean(multiplied):.3f}")
