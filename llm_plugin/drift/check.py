"""The drift check: inputs, outcomes and calibration at one moment, against what was reported before; it is pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from llm_plugin.drift.calibration import find_miscalibration
from llm_plugin.drift.inputs import InputBaseline, calibrate_inputs, change_place, scan_inputs
from llm_plugin.drift.outcomes import LEAST, find_shift
from llm_plugin.drift.points import OutcomePoint, of_newest_version
from llm_plugin.drift.report import DriftReport, Finding
from llm_plugin.drift.state import DriftState
from llm_plugin.errors import DataError

if TYPE_CHECKING:
    from llm_plugin.settings import DriftSettings

__all__ = ["INPUT_SHARE", "RENEWAL", "InputSource", "InputTable", "check_drift"]

INPUT_SHARE = 0.2
"""Of the wanted rate of false alarms, what inputs are calibrated to: the future differs from the history more than the
history from itself (measured: three to four times as many alarms), and outcomes and calibration need their part too."""
RENEWAL = 12
"""The history is renewed when a twelfth of its length has passed."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class InputTable:
    """Features of completed bars in order: ends in microseconds, [bars, names], names; NaN = unavailable."""

    times_us: NDArray[np.int64]
    values: NDArray[np.float64]
    names: tuple[str, ...]


class InputSource(Protocol):
    """Gives the newest bars of one symbol that were known at the time of the check."""

    def newest(self, bars: int) -> InputTable:
        """Return so many bars, or as many as there are."""


def check_drift(
    *,
    as_of_utc: datetime,
    settings: DriftSettings,
    state: DriftState | None = None,
    inputs: Mapping[str, InputSource] | None = None,
    points: Sequence[OutcomePoint] = (),
) -> tuple[DriftReport, DriftState]:
    """Check once.

    Drift is reported once: an alarm of the inputs is silent until its window holds new bars only, and a stream of
    decisions goes on from its change. A clock that went back forgets what came later (`DriftState.as_of`).

    Args:
        as_of_utc: Nothing later is known.
        settings: Section `drift`.
        state: Of the last check; None at first.
        inputs: Bars by symbol.
        points: Matured decisions.

    Returns:
        The report, and the state for the next check.

    Raises:
        DataError: A time without a zone, or a bar or decision later than `as_of_utc`.
    """
    if as_of_utc.tzinfo is None:
        raise DataError(f"time {as_of_utc!r} has no zone: the check takes aware UTC times only")
    known = (state or DriftState()).as_of(as_of_utc)
    findings: list[Finding] = []
    for name, source in sorted((inputs or {}).items()):
        share = INPUT_SHARE * settings.false_alarms_per_month / len(inputs or {})
        finding, known = _check_inputs(name, source, as_of_utc, settings, share, known)
        findings.append(finding)
    ordered = sorted(points, key=lambda point: (point.time_utc, point.decision_id))
    late = [point for point in ordered if point.closed_utc >= as_of_utc]
    if late:
        raise DataError(
            f"decision {late[0].decision_id} closed at {late[0].closed_utc.isoformat()}: it is not known at "
            f"{as_of_utc.isoformat()}"
        )
    for stream in STREAMS:
        finding, known = _check_stream(stream, ordered, as_of_utc, settings, known)
        findings.append(finding)
    return DriftReport(as_of_utc, tuple(findings)), replace(known, checked_utc=as_of_utc)


def _check_inputs(
    name: str, source: InputSource, as_of_utc: datetime, settings: DriftSettings, share: float, state: DriftState
) -> tuple[Finding, DriftState]:
    newest = source.newest(2 * settings.window_bars)
    if len(newest.times_us) and newest.times_us[-1] > as_of_utc.timestamp() * 1e6:
        raise DataError(f"{name}: a bar ends at {_time(newest.times_us[-1])}, later than {as_of_utc.isoformat()}")
    if len(newest.times_us) < settings.window_bars:
        text = f"{len(newest.times_us)} bars are too few: the window has {settings.window_bars}"
        return Finding("inputs", name, "cannot_judge", text), state
    baseline = state.baselines.get(name)
    if baseline is None or _outdated(baseline, newest, settings, share):
        history = source.newest((settings.history_windows + 1) * settings.window_bars)
        try:
            baseline = _calibrate(history, settings, share)
        except DataError as error:
            return Finding("inputs", name, "cannot_judge", str(error)), state
        state = replace(state, baselines={**state.baselines, name: baseline})
    scan = scan_inputs(baseline, newest.values, newest.names)
    statistics = {"figures": scan.figures, "thresholds": scan.thresholds, "windows": baseline.windows, "top": scan.top}
    leading = ", ".join(f"{feature} {height:.1f}" for feature, height in scan.top[:3])
    figure = max(f / t for f, t in zip(scan.figures, scan.thresholds, strict=True))
    words = f"{figure:.0%} of the alarm's height; furthest from usual (1 = rare): {leading}"
    alarmed = state.alarmed_utc.get(name)
    if not scan.found:
        return Finding("inputs", name, "calm", words, statistics), state
    last = int(np.searchsorted(newest.times_us, 0 if alarmed is None else alarmed.timestamp() * 1e6))
    if alarmed is not None and len(newest.times_us) - last <= settings.window_bars:
        text = f"{words}; alarmed at {alarmed:%Y-%m-%d %H:%M}, which is still in the window"
        return Finding("inputs", name, "silent", text, statistics), state
    place = change_place(newest.values, newest.names, [feature for feature, _ in scan.top], settings.window_bars)
    since = _time(newest.times_us[min(place, len(newest.times_us) - 1)])
    text = f"the market changed at {since:%Y-%m-%d %H:%M}: {words}"
    state = replace(state, alarmed_utc={**state.alarmed_utc, name: _time(newest.times_us[-1])})
    return Finding("inputs", name, "drift", text, statistics, since), state


def _calibrate(history: InputTable, settings: DriftSettings, share: float) -> InputBaseline:
    """The newest window is what is judged: it is no part of the history."""
    end = max(0, len(history.times_us) - settings.window_bars)
    return calibrate_inputs(
        history.times_us[:end],
        history.values[:end],
        history.names,
        window=settings.window_bars,
        alarms_per_month=share,
        statistic=settings.statistic,
    )


def _outdated(baseline: InputBaseline, newest: InputTable, settings: DriftSettings, share: float) -> bool:
    made_for = (baseline.statistic, baseline.windows[0], baseline.alarms_per_month)
    if made_for != (settings.statistic, settings.window_bars, share):
        return True
    if not set(baseline.names) <= set(newest.names):
        return True
    return bool(newest.times_us[-1] - baseline.end_us > (baseline.end_us - baseline.start_us) / RENEWAL)


@dataclass(frozen=True)
class _Stream:
    """One stream of decisions and how it is judged: place, place where it was noticed, words, figures; None = calm."""

    name: str
    judge: Callable[[Sequence[OutcomePoint], DriftSettings], tuple[int | None, str, dict[str, object]] | None]


def _check_stream(
    stream: _Stream, points: Sequence[OutcomePoint], as_of_utc: datetime, settings: DriftSettings, state: DriftState
) -> tuple[Finding, DriftState]:
    kind = "calibration" if stream.name == "probability" else "outcomes"
    since = state.since_utc.get(stream.name)
    known = [point for point in points if since is None or point.time_utc >= since]
    used = known if stream.name == "net_r" else of_newest_version(known)
    judged = stream.judge(used, settings)
    if judged is None:
        text = f"{len(used)} matured decisions are too few to judge"
        return Finding(kind, stream.name, "cannot_judge", text, {"decisions": len(used)}), state  # type: ignore[arg-type]
    place, text, statistics = judged
    if place is None:
        return Finding(kind, stream.name, "calm", text, statistics), state  # type: ignore[arg-type]
    change = used[place].time_utc
    if since is not None and change <= since:
        change = since + timedelta(microseconds=1)  # the stream goes on behind what was reported, whatever happens
    state = replace(
        state,
        since_utc={**state.since_utc, stream.name: change},
        reported_utc={**state.reported_utc, stream.name: as_of_utc},
    )
    return Finding(kind, stream.name, "drift", text, statistics, change), state  # type: ignore[arg-type]


def _judge_mean(
    points: Sequence[OutcomePoint], settings: DriftSettings, field: str
) -> tuple[int | None, str, dict[str, object]] | None:
    if len(points) < LEAST:
        return None
    values = [getattr(point, field) for point in points]
    what = "signals" if field == "net_r" else "decisions, against their opposites,"
    shift = find_shift(values, settings.outcome_detector, falls_only=field == "gain")
    mean = sum(values) / len(values)
    if shift is None:
        text = f"the {what} are worth {mean:+.2f} R on average over {len(values)}, unchanged"
        return None, text, {"decisions": len(values), "mean_r": mean}
    text = (
        f"the {what} were worth {shift.before:+.2f} R and are worth {shift.after:+.2f} R since "
        f"{points[shift.place].time_utc:%Y-%m-%d %H:%M}; noticed after {shift.noticed - shift.place + 1} decisions"
    )
    figures = {"before_r": shift.before, "after_r": shift.after, "noticed_after": shift.noticed - shift.place + 1}
    return shift.place, text, {"decisions": len(values), "mean_r": mean, **figures}


def _judge_probability(
    points: Sequence[OutcomePoint], settings: DriftSettings
) -> tuple[int | None, str, dict[str, object]] | None:
    result = find_miscalibration(points, settings.calibration_level)
    if result is None:
        return None
    figures: dict[str, object] = dict(
        evidence=result.evidence,
        threshold=result.threshold,
        expected=result.expected,
        seen=result.seen,
        noticed_after=result.noticed - result.place + 1,
    )
    if not result.found:
        return None, f"evidence {result.evidence:.1f} of {result.threshold:.0f} that the calibrator is wrong", figures
    text = (
        f"the calibrator is {result.way} since {points[result.place].time_utc:%Y-%m-%d %H:%M}: it says "
        f"{result.expected:.0%} pay, {result.seen:.0%} did"
    )
    return result.place, text, figures


STREAMS = (
    _Stream("net_r", lambda points, settings: _judge_mean(points, settings, "net_r")),
    _Stream("gain", lambda points, settings: _judge_mean(points, settings, "gain")),
    _Stream("probability", _judge_probability),
)


def _time(moment_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(moment_us))
