"""How often the drift check alarms for nothing, and how soon it finds a planted change."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from drift_trials import (
    EPOCH,
    MONTH_US,
    TableSource,
    eurusd,
    feature_table,
    input_alarms,
    jumped,
    signal_outcomes,
    stream_alarms,
)

from llm_plugin.data.bars import load_price_bars
from llm_plugin.data.synth import SynthConfig, write_market
from llm_plugin.domain import MarketContext
from llm_plugin.drift.check import check_drift
from llm_plugin.drift.points import OutcomePoint
from llm_plugin.drift.state import DriftState
from llm_plugin.settings import DriftSettings

from .conftest import RecordFigure

pytestmark = pytest.mark.slow
SETTINGS = DriftSettings()
START = datetime(2013, 1, 1, tzinfo=UTC)
PLACEMENTS = 20
LEAD = 3000


def test_false_alarms_on_eurusd(market_data: Path, record_figure: RecordFigure) -> None:
    """All hourly checks of 2013 to 2018; every alarm counts as false, those of January 2015 and June 2016 too."""
    bars = eurusd(market_data)
    first = bars.index_at(START)
    months = (bars.end_us[-1] - bars.end_us[first]) / MONTH_US
    alarms = input_alarms(feature_table(bars), first, SETTINGS)
    days = [f"{EPOCH + np.timedelta64(int(bars.end_us[bar]), 'us').item():%Y-%m-%d}" for bar in alarms]
    market = MarketContext("EURUSD 8G", "EURUSD", "oanda", "forex", START, "hour", 1.0, 1.0, 1.0)
    points = [point for point in signal_outcomes(bars, market) if point.time_utc >= START]
    counts = stream_alarms(points, SETTINGS)
    other = stream_alarms(points, SETTINGS.model_copy(update={"outcome_detector": "page_hinkley"}))
    print(f"{months:.1f} months, {len(points)} decisions; inputs {len(alarms)} ({', '.join(days)})")
    print(f"outcomes and calibration: ADWIN {counts}, Page-Hinkley {other}")
    total = (len(alarms) + sum(counts.values())) / months
    record_figure("drift_false_alarms_per_month", total, "alarms a month", 1.0, "lower")
    record_figure("drift_input_false_alarms_per_month", len(alarms) / months, "alarms a month", 1.0, "lower")


def test_planted_regime_jump(tmp_path: Path, record_figure: RecordFigure) -> None:
    """Minute bars, a check every 30 minutes: from some minute on, moves and spread are three times as large."""
    write_market(tmp_path / "data", SynthConfig(seed=1, bars=40_000, resolution="minute"))
    bars = load_price_bars(
        tmp_path / "data", security_type="forex", market="oanda", ticker="eurusd", resolution="minute"
    )
    table = feature_table(bars)
    history = SETTINGS.window_bars * (SETTINGS.history_windows + 1)
    _, calm = check_drift(as_of_utc=_time(bars.end_us[history - 1]), settings=SETTINGS, inputs={"X": table.at(history)})
    rng = np.random.default_rng(0)
    places = rng.integers(history + LEAD, len(bars) - 200, PLACEMENTS)
    for name, jump in (
        ("regime", {"moves": 3.0, "spread": 3.0}),
        ("moves", {"moves": 3.0}),
        ("spread", {"spread": 3.0}),
        ("none", {}),
    ):
        minutes = [_minutes_to_find(bars.take(slice(at - LEAD, at + 181)), jump, calm, rng) for at in places]
        found = np.array([value if value is not None else np.inf for value in minutes])
        print(f"{name}: found within an hour {np.mean(found <= 60):.2f}, minutes {sorted(minutes, key=str)}")
        if name == "regime":
            record_figure("drift_planted_shift_minutes", float(np.median(found)), "minutes of data", 60, "lower")
            record_figure("drift_planted_shift_within_1h", float(np.mean(found <= 60)), "share found", 0.95, "higher")


def test_planted_change_of_outcomes(record_figure: RecordFigure) -> None:
    """Contexts change places: decisions worth +0.6 R against their opposites are worth -0.6 R."""
    for detector in ("adwin", "page_hinkley"):
        settings = SETTINGS.model_copy(update={"outcome_detector": detector})
        needed: dict[str, list[int]] = {"gain": [], "probability": []}
        false = 0
        for seed in range(60):
            rng = np.random.default_rng(seed)
            false += sum(stream_alarms(_points(rng, 1000, 0.75), settings).values())
            points = _points(rng, 400, 0.75, 0.25, 400)
            for name, counts in needed.items():
                counts.append(_decisions_to_notice(points, name, settings))
        for name, counts in needed.items():
            print(
                f"{detector}, {name}: median {np.median(counts):.0f} decisions, 90 % by {np.quantile(counts, 0.9):.0f}"
            )
        print(f"{detector}: {false / 60:.3f} false alarms of all three streams in 1,000 stable decisions")
        name = f"drift_outcomes_to_notice_{detector}"
        record_figure(name, float(np.median(needed["gain"])), "decisions", 100, "lower")
        record_figure(f"drift_outcome_false_alarms_per_1000_{detector}", false / 60, "alarms", 0.5, "lower")
    record_figure(
        "drift_outcomes_to_notice_calibration", float(np.median(needed["probability"])), "decisions", 100, "lower"
    )


def _decisions_to_notice(points: list[OutcomePoint], stream: str, settings: DriftSettings) -> int:
    """Decisions after the 400th until one detector alarms; checks come with every fifth."""
    for count in range(405, 800, 5):
        moment = points[count - 1].closed_utc + (points[1].time_utc - points[0].time_utc)
        report, _ = check_drift(as_of_utc=moment, settings=settings, points=points[:count])
        if any(finding.name == stream and finding.standing == "drift" for finding in report.findings):
            return count - 400
    return 400


def _points(
    rng: np.random.Generator, count: int, good: float, after: float | None = None, more: int = 0
) -> list[OutcomePoint]:
    """Decisions every four hours; `good` is the share of them that were right, stated as such by the calibrator."""
    hour = EPOCH.replace(hour=1) - EPOCH
    points = []
    for place in range(count + more):
        right = rng.random() < (good if place < count or after is None else after)
        taken = bool(rng.random() < 0.5)
        net = 1.2 if right == taken else -1.2
        stated = good if taken else 1 - good
        time = START + place * 4 * hour
        points.append(OutcomePoint(f"{place:06d}", time, time + 3 * hour, net, taken, stated, "v1"))
    return points


def _minutes_to_find(bars: object, jump: dict[str, float], calm: DriftState, rng: np.random.Generator) -> int | None:
    """Minutes from the jump to the first check that finds it; checks come every 30 minutes, the first at random."""
    table = feature_table(jumped(bars, LEAD, **jump))  # type: ignore[arg-type]
    source = TableSource(table.times_us, table.values, table.names)
    kept = DriftState(baselines=_timeless(calm, int(table.times_us[0])))
    for minute in range(int(rng.integers(1, 31)), 181, 30):
        until = LEAD + minute
        report, kept = check_drift(
            as_of_utc=_time(table.times_us[until - 1]), settings=SETTINGS, state=kept, inputs={"X": source.at(until)}
        )
        if report.found:
            return minute
    return None


def _timeless(state: DriftState, first_us: int) -> dict[str, object]:
    """The baseline as if it had been made just before these bars: the jump, not the renewal, is measured here."""
    from dataclasses import replace

    (name, baseline), *_ = state.baselines.items()
    length = baseline.end_us - baseline.start_us
    return {name: replace(baseline, start_us=first_us - 1 - 100 * length, end_us=first_us - 1)}


def _time(moment_us: int) -> datetime:
    return EPOCH + np.timedelta64(int(moment_us), "us").item()
