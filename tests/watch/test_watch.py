"""The watch: a worse generation goes back, a healthy one stays; each outcome counts once, restarts lose nothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from gate_trials import answers, trades, window, with_outcomes
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llm_plugin.domain import Action, Source, Verdict
from llm_plugin.errors import DataError
from llm_plugin.settings import WatchSettings
from llm_plugin.watch import Evidence, Watch, live_answers, run_watch

START = datetime(2026, 1, 5, tzinfo=UTC)
SETTINGS = WatchSettings()


def watch(settings: WatchSettings = SETTINGS, state: Any = None) -> Watch:
    return Watch("new", "old", settings, state)


def feed(watched: Watch, differences: list[float], per_day: int = 3, begin: int = 0) -> int | None:
    """Feed differences in R, one decision each; return after how many it rolled back."""
    for number, difference in enumerate(differences, start=begin):
        time = START + timedelta(days=number // per_day, hours=number % per_day)
        new, old = (1.0, 0.0) if number % 2 else (0.0, 1.0)
        net = difference if number % 2 else -difference
        verdict = (
            watched.update(f"d{number}", time, net, new, old)
            if difference
            else (watched.update(f"d{number}", time, 0.7, 1.0, 1.0))
        )
        if verdict.rolled_back:
            return number + 1
    return None


def worse(rng: np.random.Generator, count: int, mean: float, share: float) -> list[float]:
    """Differences of a generation that is worse by a mean on a share of the decisions."""
    taken, paid = rng.random(count) < share, trades(rng, np.full(count, mean))
    missed = -trades(rng, np.full(count, -mean))
    return list(np.where(taken, np.where(rng.random(count) < 0.5, paid, missed), 0.0))


def test_an_inverted_generation_goes_back_and_its_healthy_twin_stays() -> None:
    bad, good = watch(), watch()
    found = feed(bad, worse(np.random.default_rng(0), 300, -0.6, 0.6))
    assert found is not None
    assert found <= 120
    assert bad.rolled_back
    assert 2 * bad.verdict.bar > bad.value >= bad.verdict.bar == 1 / SETTINGS.level
    assert f"new is worse than old by 0.{str(-bad.verdict.mean_difference)[2]}" in bad.verdict.reason  # type: ignore[operator]
    assert feed(good, worse(np.random.default_rng(0), 300, 0.3, 0.6)) is None
    assert good.value < 1


def test_a_dip_of_the_whole_market_hurts_nobody() -> None:
    """Planted offender: compared with the past, all look bad in a dip. Paired, the same verdicts differ nowhere."""
    watched = watch()
    for number in range(300):
        verdict = watched.update(f"d{number}", START + timedelta(hours=8 * number), -1.05, 1.0, 1.0)
    assert (verdict.value, verdict.disagreements, verdict.mean_difference) == (1.0, 0, 0.0)
    assert verdict.status == "watching"


def test_generations_of_equal_skill_are_seldom_told_apart() -> None:
    alarms = sum(feed(watch(), worse(np.random.default_rng(n), 300, 0.0, 0.6)) is not None for n in range(60))
    assert alarms <= 5


def test_one_that_turns_bad_late_is_still_caught() -> None:
    watched = watch()
    rng = np.random.default_rng(3)
    assert feed(watched, worse(rng, 400, 0.25, 0.6)) is None
    assert feed(watched, worse(rng, 400, -0.6, 0.6), begin=400) is not None


def test_a_day_of_a_thousand_outcomes_ends_in_numbers() -> None:
    watched = watch(WatchSettings(outcomes=2000))
    assert feed(watched, [3.0] * 999, per_day=10_000) is None
    assert feed(watched, [3.0] * 999, per_day=1, begin=1001) is None
    assert math.isfinite(watched.value)
    assert watch(WatchSettings(outcomes=2000), json.loads(json.dumps(watched.state()))).value == watched.value


def test_it_ends_after_its_outcomes_and_then_nothing_counts() -> None:
    watched = watch(WatchSettings(outcomes=50))
    assert feed(watched, [0.0] * 49) is None
    assert watched.verdict.status == "watching"
    assert feed(watched, [0.0], begin=49) is None
    assert watched.verdict.status == "kept"
    assert "50 outcomes did not show" in watched.verdict.reason
    state = watched.state()
    assert feed(watched, [-3.0] * 50, begin=50) is None
    assert watched.answered(False).counted is False
    assert watched.state() == state


def test_after_a_roll_back_nothing_changes_any_more() -> None:
    watched = watch()
    assert feed(watched, [-1.0] * 60) is not None
    state, reason = watched.state(), watched.verdict.reason
    verdict = watched.update("late", START + timedelta(days=90), 3.0, 1.0, 0.0)
    assert (verdict.rolled_back, verdict.counted, verdict.reason) == (True, False, reason)
    assert watched.state() == state


def test_the_same_outcome_twice_counts_once() -> None:
    watched = watch()
    first = watched.update("d1", START, -1.0, 1.0, 0.0)
    state = watched.state()
    again = watched.update("d1", START + timedelta(days=3), -3.0, 1.0, 0.0)
    assert (first.counted, again.counted) == (True, False)
    assert watched.state() == state
    assert again.outcomes == 1


def test_a_clock_that_goes_backwards_counts_in_the_running_day() -> None:
    watched = watch()
    watched.update("a", START + timedelta(days=5), -1.0, 1.0, 0.0)
    late = watched.update("b", START, -1.0, 1.0, 0.0)
    assert late.counted
    assert watched.late == 1
    assert watched.state()["day"] == (START + timedelta(days=5)).date().isoformat()
    straight = watch()
    for name in ("a", "b"):
        straight.update(name, START + timedelta(days=5), -1.0, 1.0, 0.0)
    assert straight.value == late.value


def test_a_zone_does_not_move_the_day() -> None:
    from zoneinfo import ZoneInfo

    here, there = watch(), watch()
    for number in range(20):
        time = START + timedelta(hours=7 * number)
        here.update(str(number), time, -0.5, 1.0, 0.0)
        there.update(str(number), time.astimezone(ZoneInfo("Asia/Tokyo")), -0.5, 1.0, 0.0)
    assert here.value == there.value


def test_outcomes_are_clipped() -> None:
    a, b = watch(), watch()
    assert a.update("x", START, -3.0, 1.0, 0.0).value == b.update("x", START, -300.0, 1.0, 0.0).value


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"time_utc": datetime(2026, 1, 5)}, "no time zone"),
        ({"net_r": math.nan}, "net R is nan"),
        ({"net_r": math.inf}, "net R is inf"),
        ({"champion_size": 1.2}, r"size 1\.2 of the champion version"),
        ({"previous_size": -0.1}, r"size -0\.1 of the previous version"),
        ({"previous_size": math.nan}, r"size nan of the previous"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(words: dict[str, Any], match: str) -> None:
    watched = watch()
    state = watched.state()
    good = {"decision_id": "x", "time_utc": START, "net_r": 1.0, "champion_size": 1.0, "previous_size": 0.0}
    with pytest.raises(DataError, match=match):
        watched.update(**{**good, **words})
    assert watched.state() == state
    assert watched.update(**good).counted


def test_failures_in_a_row_roll_back_at_once() -> None:
    watched = watch(WatchSettings(health_failures=3))
    for ok in (False, False, True, False, False):
        assert not watched.answered(ok, "timeout").rolled_back
    verdict = watched.answered(False, "timeout")
    assert verdict.rolled_back
    assert verdict.reason == "new failed to answer 3 times in a row, last: timeout"


def test_a_version_is_not_watched_against_itself() -> None:
    with pytest.raises(DataError, match="version same cannot be watched against itself"):
        Watch("same", "same", SETTINGS)


def test_a_stored_watch_goes_on_and_foreign_or_damaged_states_are_refused() -> None:
    watched = watch()
    feed(watched, worse(np.random.default_rng(0), 30, -0.2, 0.6))
    watched.answered(False)
    state = json.loads(json.dumps(watched.state()))
    assert watch(state=state).state() == watched.state()
    with pytest.raises(DataError, match="watch state is of new after old, not of newer after new"):
        Watch("newer", "new", SETTINGS, state)
    with pytest.raises(DataError, match="schema '7'"):
        watch(state={**state, "schema_version": "7"})
    evidence = state["evidence"]
    for broken in (
        {**state, "status": "maybe"},
        {**state, "seen": state["seen"][1:]},
        {**state, "evidence": {**evidence, "factor": 0.0}},
        {**state, "evidence": {**evidence, "log": math.inf}},
        {**state, "evidence": {**evidence, "weight": math.nan}},
        {key: value for key, value in state.items() if key != "day"},
    ):
        with pytest.raises(DataError, match="watch state is damaged"):
            watch(state=broken)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 40),
            st.floats(-5, 5),
            st.sampled_from((0.0, 0.5, 0.75, 1.0)),
            st.sampled_from((0.0, 0.5, 1.0)),
            st.integers(-30, 30),
        ),
        max_size=80,
    ),
    cuts=st.sets(st.integers(0, 79)),
)
def test_restarts_and_repeats_change_nothing(rows: list[tuple[int, float, float, float, int]], cuts: set[int]) -> None:
    through, cut = watch(), watch()
    for number, (name, net, new, old, day) in enumerate(rows):
        time = START + timedelta(days=day)
        if number in cuts:
            cut = watch(state=json.loads(json.dumps(cut.state())))
            if rows[:number]:
                last = rows[number - 1]
                cut.update(f"d{last[0]}", START + timedelta(days=last[4]), *last[1:4])  # sent again after a crash
        a, b = through.update(f"d{name}", time, net, new, old), cut.update(f"d{name}", time, net, new, old)
        assert a == b
        assert a.value > 0
        assert math.isfinite(a.value)
    assert through.state() == cut.state()
    assert through.verdict.outcomes <= len({row[0] for row in rows})


def test_the_expected_capital_does_not_grow_under_no_difference() -> None:
    """The heart of the guarantee: over all 2^10 equally likely signs of ten differences the mean capital is 1."""
    sizes = [0.4, 1.45, 1.05, 0.9, 1.45, 2.0, 1.05, 1.45, 0.3, 1.05]
    values = []
    for signs in range(2**10):
        evidence = Evidence()
        for number, size in enumerate(sizes):
            evidence.new_day()
            evidence.add(size if signs >> number & 1 else -size)
        values.append(evidence.value)
    assert np.mean(values) == pytest.approx(1.0, abs=1e-9)


def test_within_a_day_capital_grows_by_sums_so_that_one_bad_day_is_one_bad_day() -> None:
    """Planted offender: outcomes of one day taken as independent would call one common bad day a proof."""
    one_day, many = watch(), watch()
    for number in range(12):
        one_day.update(str(number), START, -1.05, 1.0, 0.0)
        many.update(str(number), START + timedelta(days=number), -1.05, 1.0, 0.0)
    assert one_day.value < 6
    assert many.value > 15


def test_run_watch_takes_matured_signals_that_both_answered() -> None:
    base = window(60)
    rows = with_outcomes(base, np.tile([-1.05, 1.45], 30))
    rows[0], rows[1] = replace(rows[0], net_r=None), replace(rows[1], origin="context")
    new = answers(rows, [True, False] * 30, "new")
    old = answers(rows, [False, True] * 30, "old")[:-1]
    as_of = rows[-6].matured_utc
    watched = watch()
    verdict = run_watch(watched, reversed(rows), new, old, as_of_utc=as_of)
    assert verdict.rolled_back
    seen = watched.state()["seen"]
    order = [row.decision_id for row in rows]
    assert seen == order[2 : 2 + verdict.outcomes]  # in the order of time, without the two that do not count
    assert run_watch(watched, rows, new, old, as_of_utc=as_of).outcomes == verdict.outcomes
    healthy = watch()
    assert run_watch(healthy, rows, answers(rows, [False, True] * 30, "new"), old, as_of_utc=as_of).outcomes == 53
    with pytest.raises(DataError, match="was answered by old; the watch compares new"):
        run_watch(watch(), rows, old, new, as_of_utc=as_of)


def test_live_answers_are_what_the_version_itself_decided() -> None:
    rows = list(window(5))
    own = {"model_version": "m@1", "source": Source.LLM}
    made = [
        replace(rows[0].decision, **own, size_multiplier=0.5),
        replace(rows[1].decision, **own, verdict=Verdict.VETO, action=Action.HOLD, size_multiplier=0.0),
        replace(rows[2].decision, **{**own, "model_version": "m@0"}),
        replace(rows[3].decision, **{**own, "source": Source.FALLBACK}),
        replace(rows[4].decision, **{**own, "source": Source.CACHE}),
    ]
    decided = [replace(row, decision=decision) for row, decision in zip(rows, made, strict=True)]
    found = live_answers(decided, "v0001", "m@1")
    assert [(answer.decision_id, answer.size) for answer in found] == [
        (rows[0].decision_id, 0.5),
        (rows[1].decision_id, 0.0),
        (rows[4].decision_id, 1.0),
    ]
    assert {answer.version for answer in found} == {"v0001"}
