"""A drift check alarms on planted changes, once, and says since when."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from llm_plugin.drift.check import InputTable, check_drift
from llm_plugin.drift.points import OutcomePoint
from llm_plugin.drift.report import DriftReport
from llm_plugin.drift.state import DriftState
from llm_plugin.errors import DataError
from llm_plugin.settings import DriftSettings

START = datetime(2014, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
SMALL = DriftSettings(window_bars=40, history_windows=60)


class Bars:
    """Autocorrelated features of an hourly market; from `change` on they lie three deviations higher."""

    def __init__(self, count: int, change: int | None = None, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((count, 12))
        for row in range(1, count):
            noise[row] = 0.9 * noise[row - 1] + math.sqrt(1 - 0.81) * noise[row]
        if change is not None:
            noise[change:] += 5.0
        self.values, self.until = noise, count
        first = int(START.timestamp() * 1e6)
        self.times = first + 3_600_000_000 * np.arange(1, count + 1, dtype=np.int64)

    def at(self, bar: int) -> Bars:
        """Let the market end with this bar."""
        self.until = bar + 1
        return self

    def newest(self, bars: int) -> InputTable:
        rows = slice(max(0, self.until - bars), self.until)
        return InputTable(self.times[rows], self.values[rows], tuple(f"feature_{place}" for place in range(12)))


def end_of(bar: int) -> datetime:
    return START + (bar + 1) * HOUR


def run(bars: Bars, first: int, last: int, state: DriftState | None = None) -> tuple[list[DriftReport], DriftState]:
    reports = []
    known = state or DriftState()
    for bar in range(first, last):
        report, known = check_drift(as_of_utc=end_of(bar), settings=SMALL, state=known, inputs={"X": bars.at(bar)})
        reports.append(report)
    return reports, known


def points(results: list[float], probability: float = math.nan, approved: bool = True) -> list[OutcomePoint]:
    return [
        OutcomePoint(f"{i:06d}", START + i * HOUR, START + (i + 0.9) * HOUR, r, approved, probability, "v1")
        for i, r in enumerate(results)
    ]


def wins(count: int, probability: float, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(count) < probability, 1.4, -1.1).tolist()


def later(decisions: list[OutcomePoint]) -> datetime:
    return decisions[-1].closed_utc + HOUR


def test_planted_change_of_inputs_is_found_within_the_short_window_and_dated() -> None:
    bars = Bars(3300, change=3200)
    reports, _ = run(bars, 3150, 3260)
    found = [place for place, report in enumerate(reports) if report.found]
    assert found
    assert 50 <= found[0] <= 60
    report = reports[found[0]]
    assert report.kinds == ("inputs",)
    assert report.change_point_utc is not None
    assert abs(report.change_point_utc - end_of(3200)) <= 3 * HOUR
    assert "the market changed at 2014-05-19" in report.text


def test_alarm_is_silent_until_the_window_is_new() -> None:
    reports, _ = run(Bars(3300, change=3200), 3200, 3240)
    assert sum(report.found for report in reports) == 1
    assert reports[-1].findings[0].standing == "silent"


def test_unchanged_market_stays_calm() -> None:
    reports, _ = run(Bars(3300), 2700, 2900)
    assert sum(report.found for report in reports) == 0


def test_too_little_history_cannot_be_judged() -> None:
    report, state = check_drift(as_of_utc=end_of(300), settings=SMALL, inputs={"X": Bars(301)})
    finding = report.findings[0]
    assert (finding.standing, report.found) == ("cannot_judge", False)
    assert "261 bars of history are too few: 10 windows of 40 are needed" in finding.text
    assert not state.baselines


def test_more_symbols_share_the_wanted_rate_of_alarms() -> None:
    bars = Bars(3300)
    _, one = check_drift(as_of_utc=end_of(3200), settings=SMALL, inputs={"X": bars.at(3200)})
    both = {"X": bars.at(3200), "Y": Bars(3300, seed=1).at(3200)}
    _, two = check_drift(as_of_utc=end_of(3201), settings=SMALL, inputs=both, state=one)
    assert two.baselines["X"].alarms_per_month == one.baselines["X"].alarms_per_month / 2
    pairs = zip(two.baselines["X"].thresholds, one.baselines["X"].thresholds, strict=True)
    assert all(strict > usual for strict, usual in pairs)


def test_other_settings_make_a_new_baseline() -> None:
    bars = Bars(3300)
    _, before = check_drift(as_of_utc=end_of(3200), settings=SMALL, inputs={"X": bars.at(3200)})
    _, same = check_drift(as_of_utc=end_of(3201), settings=SMALL, inputs={"X": bars.at(3201)}, state=before)
    psi = SMALL.model_copy(update={"statistic": "psi"})
    _, other = check_drift(as_of_utc=end_of(3201), settings=psi, inputs={"X": bars.at(3201)}, state=before)
    assert same.baselines == before.baselines
    assert other.baselines["X"].statistic == "psi"


def test_bar_of_the_future_is_refused() -> None:
    with pytest.raises(DataError, match="X: a bar ends at"):
        check_drift(as_of_utc=end_of(100), settings=SMALL, inputs={"X": Bars(3000)})


def test_state_survives_json_and_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, _ = run(Bars(3300, change=3200), 3180, 3230)
    _, state = run(Bars(3300, change=3200), 3180, 3200)
    state.write(tmp_path / "drift" / "state.json")
    again = DriftState.read(tmp_path / "drift" / "state.json")
    assert again == state
    rest, _ = run(Bars(3300, change=3200), 3200, 3230, again)
    assert [report.to_json() for report in rest] == [report.to_json() for report in whole[20:]]


def test_report_survives_json() -> None:
    reports, _ = run(Bars(3300, change=3200), 3200, 3215)
    for report in reports:
        assert DriftReport.from_json(json.loads(json.dumps(report.to_json()))).to_json() == report.to_json()


def test_clock_that_goes_back_forgets_what_came_later() -> None:
    bars = Bars(3300, change=3200)
    _, late = run(bars, 3180, 3260)
    assert late.alarmed_utc
    again, _ = run(bars, 3180, 3220, late)
    fresh, _ = run(bars, 3180, 3220)
    assert [report.found for report in again] == [report.found for report in fresh]
    assert not late.as_of(end_of(3000)).baselines


def test_damaged_state_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert DriftState.read(path) == DriftState()
    path.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="delete it to calibrate anew"):
        DriftState.read(path)
    path.write_text('{"version": "0"}', encoding="utf-8")
    with pytest.raises(DataError, match="drift state has version '0'"):
        DriftState.read(path)


@pytest.mark.parametrize("detector", ["adwin", "page_hinkley"])
def test_fall_of_outcomes_is_found_once_and_dated(detector: str) -> None:
    settings = SMALL.model_copy(update={"outcome_detector": detector})
    known = points(wins(400, 0.7, 1) + wins(200, 0.2, 2))
    report, state = check_drift(as_of_utc=later(known), settings=settings, points=known)
    assert "outcomes" in report.kinds
    assert report.change_point_utc is not None
    assert abs(report.change_point_utc - (START + 400 * HOUR)) < 40 * HOUR
    again, _ = check_drift(as_of_utc=later(known) + HOUR, settings=settings, state=state, points=known)
    assert not again.found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("detector", ["adwin", "page_hinkley"])
def test_stable_outcomes_stay_calm(detector: str, seed: int) -> None:
    settings = SMALL.model_copy(update={"outcome_detector": detector})
    known = points(wins(600, 0.45, seed + 20))
    report, _ = check_drift(as_of_utc=later(known), settings=settings, points=known)
    assert not report.found


def test_contexts_that_change_places_show_in_the_decisions_only() -> None:
    """Half of the signals pay; which half turns round: the signals are worth what they were, the decisions are not."""
    rng = np.random.default_rng(5)
    known = []
    for i in range(700):
        approved = bool(rng.random() < 0.5)
        good = approved if i < 450 else not approved
        paid = rng.random() < (0.8 if good else 0.2)
        net = 1.2 if paid else -1.2
        known.append(
            OutcomePoint(f"{i:06d}", START + i * HOUR, START + (i + 0.9) * HOUR, net, approved, math.nan, "v1")
        )
    report, _ = check_drift(as_of_utc=later(known), settings=SMALL, points=known)
    drifted = [finding.name for finding in report.findings if finding.standing == "drift"]
    assert drifted == ["gain"]


def test_decisions_that_get_better_are_no_drift_of_the_model() -> None:
    known = points(wins(300, 0.3, 1) + wins(300, 0.75, 2))
    report, _ = check_drift(as_of_utc=later(known), settings=SMALL, points=known)
    standing = {finding.name: finding.standing for finding in report.findings}
    assert (standing["net_r"], standing["gain"]) == ("drift", "calm")


def test_another_models_decisions_do_not_count_against_the_new_one() -> None:
    old = points(wins(300, 0.75, 1))
    fresh = [
        OutcomePoint(f"n{i:06d}", START + (300 + i) * HOUR, START + (300.9 + i) * HOUR, r, True, math.nan, "v2")
        for i, r in enumerate(wins(100, 0.4, 2))
    ]
    report, _ = check_drift(as_of_utc=later(fresh), settings=SMALL, points=[*old, *fresh])
    gain = next(finding for finding in report.findings if finding.name == "gain")
    assert gain.standing == "calm"
    assert gain.statistics["decisions"] == 100


def test_wrong_probability_is_found_and_the_right_one_is_not() -> None:
    right, wrong = points(wins(800, 0.6, 3), 0.6), points(wins(800, 0.35, 3), 0.6)
    calm, _ = check_drift(as_of_utc=later(right), settings=SMALL, points=right)
    found, _ = check_drift(as_of_utc=later(wrong), settings=SMALL, points=wrong)
    standing = {finding.name: finding.standing for finding in calm.findings}
    assert standing["probability"] == "calm"
    assert "calibration" in found.kinds
    assert "too hopeful" in found.text


def test_uncalibrated_probabilities_are_not_judged() -> None:
    known = points(wins(100, 0.5, 1))
    report, _ = check_drift(as_of_utc=later(known), settings=SMALL, points=known)
    assert report.findings[-1].standing == "cannot_judge"


def test_outcome_of_the_future_and_time_without_a_zone_are_refused() -> None:
    known = points([1.0] * 40)
    with pytest.raises(DataError, match="decision 000039 closed at"):
        check_drift(as_of_utc=known[-1].closed_utc, settings=SMALL, points=known)
    with pytest.raises(DataError, match="has no zone"):
        check_drift(as_of_utc=datetime(2014, 1, 1), settings=SMALL)


def test_quick_losers_of_the_newest_day_raise_no_alarm() -> None:
    """Only matured decisions reach the check; the order of closing must not matter to it."""
    known = points(wins(400, 0.5, 9))
    shuffled = sorted(known, key=lambda point: (point.net_r, point.decision_id))
    first, _ = check_drift(as_of_utc=later(known), settings=SMALL, points=known)
    second, _ = check_drift(as_of_utc=later(known), settings=SMALL, points=shuffled)
    assert first.to_json() == second.to_json()
