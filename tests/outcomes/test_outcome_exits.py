"""Exit plans and the rules that move a stop."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from llm_plugin.domain import Action, ExitPlan, ExitReason
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.outcomes.exits import ExitPolicy, ManagedStop, plan_exit, round_to_increment, validate_plan

HOUR = timedelta(hours=1)


def test_plan_lies_in_multiples_of_the_range_on_both_sides() -> None:
    policy = ExitPolicy(stop_atr=2, target_atr=3, timeout_bars=48)
    long = plan_exit(1, 100.0, 1.0, policy, HOUR)
    short = plan_exit(-1, 100.0, 1.0, policy, HOUR)
    assert long == ExitPlan(98.0, 103.0, timedelta(hours=48))
    assert short == ExitPlan(102.0, 97.0, timedelta(hours=48))
    assert long.stop_distance(100.0) == short.stop_distance(100.0) == 2.0


def test_rules_that_are_switched_off_leave_no_target_and_no_barrier() -> None:
    plan = plan_exit(1, 100.0, 1.0, ExitPolicy(target_atr=None, timeout_bars=None), HOUR)
    assert plan.target is None
    assert plan.timeout is None


@pytest.mark.parametrize("atr", [0.0, -1.0, math.nan, math.inf])
def test_no_plan_without_a_range(atr: float) -> None:
    with pytest.raises(DataError, match=f"ATR {atr!r}"):
        plan_exit(1, 100.0, atr, ExitPolicy(), HOUR)


def test_side_must_be_long_or_short() -> None:
    with pytest.raises(ConfigError, match="side is 0"):
        plan_exit(0, 100.0, 1.0, ExitPolicy(), HOUR)


def test_impossible_values_are_all_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ExitPolicy(stop_atr=0, target_atr=-1, trail_distance_r=math.nan)
    assert [p.split(" is ")[0] for p in caught.value.problems] == [
        "outcomes.exit.stop_atr",
        "outcomes.exit.target_atr",
        "outcomes.exit.trail_distance_r",
    ]


def test_unknown_setting_suggests_the_nearest() -> None:
    assert ExitPolicy.from_mapping({"stop_atr": 1.5}).stop_atr == 1.5
    with pytest.raises(ConfigError, match=r"stop_art is not a setting \(did you mean 'stop_atr'"):
        ExitPolicy.from_mapping({"stop_art": 1.5})


@pytest.mark.parametrize(
    ("side", "plan", "message"),
    [
        (1, ExitPlan(100.0), "stop 100.0 of a long must lie below"),
        (-1, ExitPlan(99.0), "stop 99.0 of a short must lie above"),
        (1, ExitPlan(math.nan), "stop nan"),
        (1, ExitPlan(99.0, 98.0), "target 98.0 of a long must lie above"),
        (-1, ExitPlan(101.0, 102.0), "target 102.0 of a short must lie below"),
        (1, ExitPlan(99.0, None, timedelta(0)), "timeout"),
    ],
)
def test_plan_on_the_wrong_side_is_refused_by_value(side: int, plan: ExitPlan, message: str) -> None:
    validate_plan(side, 100.0, ExitPlan(100.0 - side, 100.0 + side, HOUR))
    with pytest.raises(DataError, match=message):
        validate_plan(side, 100.0, plan)


@pytest.mark.parametrize(
    ("price", "increment", "expected"),
    [(1.234565, 0.00001, 1.23456), (1.234575, 0.00001, 1.23458), (10.126, 0.01, 10.13), (1.5, 0.0, 1.5)],
)
def test_order_prices_round_half_to_even(price: float, increment: float, expected: float) -> None:
    assert round_to_increment(price, increment) == expected


def managed(side: int = 1, **policy: float) -> ManagedStop:
    """A position at 100 with 1 R = 2."""
    return ManagedStop(side, 100.0, 2.0, 100.0 - 2 * side, ExitPolicy(**policy))  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [1, -1])
def test_break_even_comes_when_a_close_is_far_enough(side: int) -> None:
    stop = managed(side, break_even_at_r=1.0)
    assert not stop.on_close(100 + side * 1.9)
    assert stop.on_close(100 + side * 2.0)
    assert stop.stop == 100.0
    assert stop.reason is ExitReason.BREAK_EVEN


@pytest.mark.parametrize("side", [1, -1])
def test_trail_follows_closes_and_never_retreats(side: int) -> None:
    stop = managed(side, trail_at_r=1.0, trail_distance_r=0.5)
    levels = []
    for gain in (0.5, 2.0, 4.0, 3.0, 5.0):
        stop.on_close(100 + side * gain)
        levels.append(side * (stop.stop - 100))
    assert levels == [-2.0, 1.0, 3.0, 3.0, 4.0]
    assert stop.reason is ExitReason.TRAIL


def test_break_even_on_a_losing_position_is_refused_because_it_would_close_it() -> None:
    stop = managed()
    assert not stop.apply(Action.MOVE_TO_BE, 99.0)
    assert stop.stop == 98.0
    assert stop.apply(Action.MOVE_TO_BE, 101.0)
    assert not stop.apply(Action.MOVE_TO_BE, 101.0), "a second time changes nothing"


def test_switched_off_trail_stays_off_until_it_is_switched_on_again() -> None:
    stop = managed(trail_at_r=0.5, trail_distance_r=0.5)
    stop.on_close(102.0)
    assert stop.stop == 101.0
    assert stop.apply(Action.DISABLE_TRAIL, 102.0)
    stop.on_close(104.0)
    assert stop.stop == 101.0
    assert stop.apply(Action.ENABLE_TRAIL, 104.0)
    assert stop.stop == 103.0


def test_state_survives_a_round_trip() -> None:
    stop = managed(trail_at_r=0.5, break_even_at_r=0.25)
    stop.on_close(103.0)
    stop.apply(Action.DISABLE_TRAIL, 103.0)
    twin = ManagedStop.restore(stop.state(), stop.policy)
    assert twin.state() == stop.state()
    assert twin.on_close(110.0) == stop.on_close(110.0)
    assert twin.stop == stop.stop
