"""The window is split in time and nothing leaks across its sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matured_samples import after, matured, series

from llm_plugin.errors import DataError, InsufficientData
from llm_plugin.learning.split import check_split, split_window, window_id_of
from llm_plugin.settings import LearningSettings

SMALL = LearningSettings(holdout=20, window_decisions=200)


def test_sides_follow_time_and_the_newest_are_the_holdout() -> None:
    decisions = series([0.5, -1.0] * 100, step_hours=2, longest_hours=24)
    split = split_window(decisions, SMALL, as_of_utc=after(decisions))
    assert [d.decision_id for d in split.holdout] == [d.decision_id for d in decisions[-20:]]
    assert len(split.embargo) == 12
    assert split.calibration[-1].time_utc < split.embargo[0].time_utc
    assert all(d.matured_utc <= split.calibration[0].time_utc for d in split.train)
    assert split.left_out == Counter({"overlaps_calibration": 11})


def test_order_of_input_does_not_matter() -> None:
    decisions = series([0.5, -1.0] * 100)
    forwards = split_window(decisions, SMALL, as_of_utc=after(decisions))
    backwards = split_window(decisions[::-1], SMALL, as_of_utc=after(decisions))
    assert forwards == backwards


def test_window_begins_at_the_change_point() -> None:
    decisions = series([0.5, -1.0] * 100)
    change = decisions[60].time_utc
    split = split_window(decisions, SMALL, as_of_utc=after(decisions), since_utc=change)
    assert split.train_start_utc == change
    assert len(split.older) == 60


def test_too_few_decisions_are_counted_in_the_error() -> None:
    decisions = series([0.5] * 69)
    with pytest.raises(InsufficientData, match="69 matured and replayed decisions are known, 70 are needed"):
        split_window(decisions, SMALL, as_of_utc=after(decisions))


def test_too_few_decisions_since_a_change_name_the_change() -> None:
    decisions = series([0.5] * 200)
    with pytest.raises(InsufficientData, match="50 matured and replayed decisions since the change at 2014-03"):
        split_window(decisions, SMALL, as_of_utc=after(decisions), since_utc=decisions[150].time_utc)


def test_decision_that_is_not_known_yet_is_refused() -> None:
    decisions = series([0.5] * 200)
    as_of = after(decisions) - timedelta(hours=2)
    with pytest.raises(DataError, match=decisions[-1].decision_id):
        split_window(decisions, SMALL, as_of_utc=as_of)


def test_context_rows_cannot_enter_the_window() -> None:
    decisions = [*series([0.5] * 200), matured(500, 1.0, origin="context")]
    with pytest.raises(DataError, match="bar without a signal"):
        split_window(decisions, SMALL, as_of_utc=after(decisions))


def test_unusable_decisions_are_counted_by_reason() -> None:
    decisions = series([0.5, -1.0] * 100)
    extra = [matured(50.5, 1.0, prompted=False), matured(51.5, 1.0, template_version="0"), matured(198.5, None)]
    split = split_window([*decisions, *extra, decisions[3]], SMALL, as_of_utc=after(decisions))
    counted = {name: split.left_out[name] for name in ("twice", "no_prompt", "other_prompt_version", "not_replayed")}
    assert counted == {"twice": 1, "no_prompt": 1, "other_prompt_version": 1, "not_replayed": 1}


def test_same_holdout_has_the_same_window_id() -> None:
    decisions = series([0.5, -1.0] * 100)
    first = split_window(decisions, SMALL, as_of_utc=after(decisions))
    later = split_window(decisions, SMALL, as_of_utc=after(decisions) + timedelta(days=3))
    other = split_window(decisions[:-1], SMALL, as_of_utc=after(decisions))
    assert first.window_id == later.window_id == window_id_of(first.holdout)
    assert other.window_id != first.window_id


@pytest.mark.parametrize("side", ["train", "calibration", "embargo", "older"])
def test_guard_catches_a_decision_on_two_sides(side: str) -> None:
    decisions = series([0.5, -1.0] * 150)
    split = split_window(decisions, SMALL, as_of_utc=after(decisions))
    check_split(split)
    planted = replace(split, **{side: (*getattr(split, side), split.holdout[0])})
    with pytest.raises(DataError, match=f"{split.holdout[0].decision_id} is on two sides, {side} and holdout"):
        check_split(planted)


def test_guard_catches_sides_out_of_order() -> None:
    decisions = series([0.5, -1.0] * 150)
    split = split_window(decisions, SMALL, as_of_utc=after(decisions))
    planted = replace(split, calibration=split.train[-40:], train=(*split.train[:-40], *split.calibration))
    with pytest.raises(DataError, match="train reaches to"):
        check_split(planted)


def test_guard_catches_an_outcome_still_running_at_the_boundary() -> None:
    decisions = series([0.5, -1.0] * 150)
    split = split_window(decisions, SMALL, as_of_utc=after(decisions))
    late = replace(split.train[-1], matured_utc=split.calibration_start_utc + timedelta(hours=1))
    with pytest.raises(DataError, match=f"training decision {late.decision_id} matured at"):
        check_split(replace(split, train=(*split.train[:-1], late)))


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.sampled_from([0.0, 0.5, 1.0, 5.0, 60.0]), min_size=80, max_size=260),
    longest=st.sampled_from([1.0, 24.0, 100.0]),
    window=st.integers(80, 300),
    unreplayed=st.integers(0, 20),
    embargo=st.sampled_from([None, 0.0, 10.0]),
)
def test_every_decision_is_on_one_side_or_counted(
    gaps: list[float], longest: float, window: int, unreplayed: int, embargo: float | None
) -> None:
    wanted = LearningSettings(holdout=20, window_decisions=window, embargo_hours=embargo)
    decisions, hours = [], 0.0
    for place, gap in enumerate(gaps):
        hours += gap
        result = None if unreplayed and place % (unreplayed + 3) == 0 else 1.0
        decisions.append(matured(hours, result, realised_r=1.0, longest_hours=longest, held_hours=1, sequence=place))
    as_of = after(decisions)
    try:
        split = split_window(decisions, wanted, as_of_utc=as_of)
    except InsufficientData:
        return
    check_split(split)
    sides = (*split.older, *split.train, *split.calibration, *split.embargo, *split.holdout)
    assert len(sides) + split.left_out.total() == len(decisions)
    assert len({d.decision_id for d in sides}) == len(sides)
    gap = split.holdout[0].time_utc - max(d.time_utc for d in (*split.train, *split.calibration))
    assert gap > timedelta(0)
    if embargo is None:
        assert all(d.matured_utc < split.holdout_start_utc for d in split.calibration)
    assert all(d.net_r is not None for d in (*split.calibration, *split.holdout))
