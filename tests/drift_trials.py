"""Drift on real and planted markets: false alarms on EURUSD, and how soon a regime jump is found."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.data.bars import PriceBars, load_price_bars
from llm_plugin.domain import MarketContext
from llm_plugin.drift.calibration import find_miscalibration
from llm_plugin.drift.check import INPUT_SHARE, RENEWAL, InputTable, check_drift
from llm_plugin.drift.inputs import InputBaseline, calibrate_inputs, distances
from llm_plugin.drift.outcomes import find_shift
from llm_plugin.drift.points import OutcomePoint
from llm_plugin.drift.sources import compared_features
from llm_plugin.drift.state import DriftState
from llm_plugin.drift.thresholds import alarm_places
from llm_plugin.features.catalog import market_feature_names
from llm_plugin.features.reference import market_features
from llm_plugin.settings import DriftSettings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONTH_US = 30.44 * 86_400 * 1e6
PRICES = ("open", "high", "low", "close")


class TableSource:
    """A feature table that ends where it is told to."""

    def __init__(self, times_us: Any, values: Any, names: tuple[str, ...]) -> None:
        self.times_us, self.values, self.names, self.until = times_us, values, names, len(times_us)

    def at(self, until: int) -> TableSource:
        """Let the market end before this bar."""
        self.until = until
        return self

    def newest(self, bars: int) -> InputTable:
        """Return the newest bars."""
        rows = slice(max(0, self.until - bars), self.until)
        return InputTable(self.times_us[rows], self.values[rows], self.names)


def feature_table(bars: PriceBars) -> TableSource:
    """Return the compared features of all bars."""
    names, wanted = market_feature_names(), compared_features()
    table: Any = market_features(bars)  # type: ignore[arg-type]
    return TableSource(bars.end_us, table[:, [names.index(name) for name in wanted]], wanted)


def input_alarms(source: TableSource, first: int, settings: DriftSettings) -> list[int]:
    """Return the bars at which a check after every bar from `first` on alarms; renewed as `check_drift` does it.

    The same decisions as those of `check_drift`, for whole stretches of bars at once; a test compares the two.
    """
    window, length = settings.window_bars, settings.history_windows * settings.window_bars
    above = np.full(len(source.times_us), -np.inf)
    baseline: InputBaseline | None = None
    bar = first
    while bar < len(source.times_us):
        start, end = max(0, bar + 1 - window - length), bar + 1 - window
        baseline = calibrate_inputs(
            source.times_us[start:end],
            source.values[start:end],
            source.names,
            window=window,
            alarms_per_month=INPUT_SHARE * settings.false_alarms_per_month,
            statistic=settings.statistic,
        )
        limit = baseline.end_us + (baseline.end_us - baseline.start_us) / RENEWAL
        last = int(np.searchsorted(source.times_us, limit, side="right"))
        last = max(bar + 1, last)
        figures = distances(baseline, source.values[bar + 1 - window : last], source.names)
        heights = [f[window - 1 :] - t for f, t in zip(figures, baseline.thresholds, strict=True)]
        above[bar:last] = np.max(heights, axis=0)
        bar = last
    return alarm_places(above, 0.0, window)


def checked_alarms(source: TableSource, bars: Sequence[int], settings: DriftSettings) -> list[int]:
    """Return at which of these bars `check_drift` itself alarms."""
    state, found = DriftState(), []
    for bar in bars:
        moment = EPOCH + timedelta(microseconds=int(source.times_us[bar]))
        report, state = check_drift(as_of_utc=moment, settings=settings, state=state, inputs={"X": source.at(bar + 1)})
        if report.found:
            found.append(bar)
    return found


def signal_outcomes(bars: PriceBars, market: MarketContext) -> list[OutcomePoint]:
    """Return breakouts of a real market, replayed; half of them taken, the base rate so far as their probability."""
    from llm_plugin.bootstrap.market_rows import Instrument, SignalEvents, market_rows
    from llm_plugin.data.planted import PlantedRule, planted_signal
    from llm_plugin.outcomes.exits import ExitPolicy

    events = planted_signal(bars, PlantedRule(price_increment=0.00001))
    signals = SignalEvents(
        bar=np.array([event.index for event in events]),
        side=np.array([event.side for event in events]),
        confidence=np.full(len(events), 0.5),
    )
    instrument = Instrument(market.symbol_id, market.ticker, market.market, market.security_type, market.resolution)
    table = np.zeros((len(bars), 1))
    rows = market_rows(
        bars,  # type: ignore[arg-type]
        table,
        ["zero"],
        signals,
        instrument,
        policy=ExitPolicy(stop_atr=1.0, target_atr=1.5, timeout_bars=24),
        context_stride=0,
    )
    points, won, known = [], 0.0, 0.0
    waiting: list[tuple[datetime, bool]] = []
    for row in rows:
        done = [item for item in waiting if item[0] < row.time_utc]
        waiting = [item for item in waiting if item[0] >= row.time_utc]
        won, known = won + sum(paid for _, paid in done), known + len(done)
        identifier = row.request.decision_id
        taken = zlib.crc32(identifier.encode()) % 2 == 0
        probability = (won + 20) / (known + 40)
        points.append(OutcomePoint(identifier, row.time_utc, row.closed_utc, row.net_r, taken, probability, "v1"))
        waiting.append((row.closed_utc, row.net_r > 0))
    return points


def stream_alarms(points: Sequence[OutcomePoint], settings: DriftSettings) -> dict[str, int]:
    """Count the alarms of checks after every decision: each detector goes on from the change that it reported."""
    counts = {}
    for field in ("net_r", "gain"):
        values, start, counts[field] = [getattr(point, field) for point in points], 0, 0
        while shift := find_shift(values[start:], settings.outcome_detector, falls_only=field == "gain"):
            counts[field] += 1
            start += max(1, shift.place)
    start, counts["probability"] = 0, 0
    while start < len(points):
        result = find_miscalibration(points[start:], settings.calibration_level)
        if result is None or not result.found:
            break
        counts["probability"] += 1
        start += max(1, result.place)
    return counts


def eurusd(data: Path) -> PriceBars:
    """Return the hourly bars of the project's own sample."""
    return load_price_bars(data, security_type="forex", market="oanda", ticker="EURUSD", resolution="hour")


def jumped(bars: PriceBars, at: int, *, moves: float = 1.0, spread: float = 1.0) -> PriceBars:
    """Return bars whose moves and spread are so many times as large from bar `at` on."""
    columns = {}
    anchor = float(bars.close[at - 1])
    for name in PRICES:
        bid, ask = getattr(bars, f"bid_{name}"), getattr(bars, f"ask_{name}")
        middle, half = (bid + ask) / 2, (ask - bid) / 2
        middle[at:] = anchor * (middle[at:] / anchor) ** moves
        half[at:] *= spread
        columns |= {f"bid_{name}": middle - half, f"ask_{name}": middle + half}
    return replace(bars, **columns)
