"""Drift of the inputs: is the newest window of bars one that the history could have shown?

Bars are autocorrelated: an arbitrary week differs from the years before it in nearly every feature, and a textbook test
finds "drift" every other week. So nothing here has a textbook threshold. The distance of a window to the history is
measured per feature (Kolmogorov-Smirnov or PSI, on the quantile bins of the history), every window of the history is
measured the same way, and each feature's distance counts in units of what those windows show: 0 is their median, 1
their 99.5th percentile. A check's figure is the mean of the largest of them, for a long and a short window. The
threshold is the height that the same check, run over the whole history, would have passed so many times a month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from llm_plugin.drift.thresholds import passing_height
from llm_plugin.errors import DataError

__all__ = ["InputBaseline", "InputScan", "calibrate_inputs", "change_place", "distances", "scan_inputs"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Statistic = Literal["ks", "psi"]

QUANTILES = (0.001, 0.003, 0.01, 0.03, *(place / 20 for place in range(1, 20)), 0.97, 0.99, 0.997, 0.999)
SHORT = 4  # the short window is a quarter of the long one: it sees a sharp change an hour earlier
TOP = (12, 5)  # of the long and the short window: few features show a sharp change, many a slow one
USUAL, EXTREME = 0.5, 0.995
LEAST_SCALE = 0.02
LEAST_WINDOWS = 10
MOST_SCORE = 20.0
LEAST_KNOWN = 0.5  # share of known values that a window needs


@dataclass(frozen=True)
class InputBaseline:
    """What the history says, made once and kept until it is renewed.

    Attributes:
        names: Features that can be compared.
        statistic: `ks` or `psi`.
        windows: Lengths in bars, the long one first.
        edges: Inner bin edges per feature.
        shares: Share of the history at or below each edge.
        usual: Median distance of the history's windows, [windows][features].
        scale: What lies between it and the 99.5th percentile, [windows][features].
        thresholds: Height of the figure that alarms, per window.
        alarms_per_month: What the thresholds are calibrated to.
        start_us: First bar of the history.
        end_us: Last bar of the history.
        bars: Bars of the history.
    """

    names: tuple[str, ...]
    statistic: Statistic
    windows: tuple[int, ...]
    edges: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    usual: tuple[tuple[float, ...], ...]
    scale: tuple[tuple[float, ...], ...]
    thresholds: tuple[float, ...]
    alarms_per_month: float
    start_us: int
    end_us: int
    bars: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> InputBaseline:
        """Rebuild.

        Raises:
            DataError: A field is missing or unknown.
        """
        nested = ("edges", "shares", "usual", "scale")
        try:
            known = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
            return cls(**known | {name: tuple(tuple(row) for row in values[name]) for name in nested})
        except (KeyError, TypeError) as error:
            raise DataError(f"drift baseline cannot be read: {error}; delete the drift state") from error


@dataclass(frozen=True)
class InputScan:
    """One look at the newest windows.

    Attributes:
        figures: Figure per window length.
        thresholds: What alarms, per window length.
        found: One of the figures is above its threshold.
        top: The features that differ most, with their distance in units of what is usual, largest first.
    """

    figures: tuple[float, ...]
    thresholds: tuple[float, ...]
    found: bool
    top: tuple[tuple[str, float], ...]


def calibrate_inputs(
    times_us: Ints,
    table: Floats,
    names: Sequence[str],
    *,
    window: int,
    alarms_per_month: float,
    statistic: Statistic = "ks",
) -> InputBaseline:
    """Learn from a history what its own windows look like, and how high the alarm must hang.

    Args:
        times_us: Ends of the bars.
        table: Features, [bars, names]; NaN = unavailable.
        names: Names of its columns.
        window: Bars of the long window.
        alarms_per_month: How often the check of both windows together may alarm on such a history.
        statistic: Distance.

    Raises:
        DataError: The history is shorter than ten windows.
    """
    if len(times_us) < LEAST_WINDOWS * window:
        raise DataError(f"{len(times_us)} bars of history are too few: {LEAST_WINDOWS} windows of {window} are needed")
    windows = (window, max(8, window // SHORT))
    columns = [column for column in range(table.shape[1]) if _comparable(table[:, column])]
    binned = [_Binned.of(table[:, column]) for column in columns]
    span = max(1.0, float(times_us[-1] - times_us[0])) / 1e6 / 86_400 / 30.44
    figures = [np.empty((len(times_us) - length + 1, len(columns)), dtype=np.float32) for length in windows]
    for place, (column, bins) in enumerate(zip(columns, binned, strict=True)):
        for block, found in zip(figures, _rolling(table[:, column], bins, windows, statistic), strict=True):
            block[:, place] = found
    usual, scale, thresholds = [], [], []
    for block, count in zip(figures, TOP, strict=True):
        middle, high = np.quantile(block, [USUAL, EXTREME], axis=0)
        spread = np.maximum(high - middle, LEAST_SCALE)
        heights = _top_mean((block - middle) / spread, count)
        usual.append(tuple(float(value) for value in middle))
        scale.append(tuple(float(value) for value in spread))
        thresholds.append(passing_height(heights, window, alarms_per_month * span / len(windows)))
    return InputBaseline(
        names=tuple(names[column] for column in columns),
        statistic=statistic,
        windows=windows,
        edges=tuple(tuple(float(edge) for edge in bins.edges) for bins in binned),
        shares=tuple(tuple(float(share) for share in bins.shares) for bins in binned),
        usual=tuple(usual),
        scale=tuple(scale),
        thresholds=tuple(thresholds),
        alarms_per_month=alarms_per_month,
        start_us=int(times_us[0]),
        end_us=int(times_us[-1]),
        bars=len(times_us),
    )


def scan_inputs(baseline: InputBaseline, table: Floats, names: Sequence[str]) -> InputScan:
    """Compare the newest windows of a table with the baseline.

    Args:
        baseline: Of the same features.
        table: At least as many bars as the long window, the newest last.
        names: Names of its columns.

    Raises:
        DataError: A feature is missing, or too few bars.
    """
    heights = [_heights(baseline, number, table, names)[-1] for number in range(len(baseline.windows))]
    figures = tuple(float(_top_mean(row[None, :], count)[0]) for row, count in zip(heights, TOP, strict=True))
    found = any(figure > limit for figure, limit in zip(figures, baseline.thresholds, strict=True))
    largest = np.max(heights, axis=0)
    order = np.argsort(-largest, kind="stable")[: TOP[1]]
    top = tuple((baseline.names[place], round(float(largest[place]), 3)) for place in order)
    return InputScan(figures, baseline.thresholds, found, top)


def distances(baseline: InputBaseline, table: Floats, names: Sequence[str]) -> list[Floats]:
    """Return the check's figure at every bar of a table, per window; NaN before a window is full. For studies."""
    result = []
    for number, length in enumerate(baseline.windows):
        figures = np.full(len(table), np.nan)
        figures[length - 1 :] = _top_mean(_heights(baseline, number, table, names, newest=False), TOP[number])
        result.append(figures)
    return result


@dataclass(frozen=True)
class _Binned:
    """Quantile bins of a history: inner edges, and the share of the history at or below each."""

    edges: Floats
    shares: Floats

    @classmethod
    def of(cls, values: Floats) -> _Binned:
        known = np.sort(values[np.isfinite(values)])
        edges = np.unique(np.quantile(known, QUANTILES))
        return cls(edges, np.searchsorted(known, edges, side="right") / len(known))


def change_place(table: Floats, names: Sequence[str], top: Sequence[str], window: int) -> int:
    """Return the bar at which the newest bars of a table most likely changed, by the features that differ most.

    Args:
        table: Features, the newest bar last.
        names: Names of its columns.
        top: Features to go by.
        window: The change lies in the last two windows.
    """
    rows = table[-2 * window :]
    gain = np.zeros(len(rows) - 1)
    left = np.arange(1, len(rows))
    for name in top:
        values = rows[:, list(names).index(name)]
        middle = float(np.nanmedian(values))
        usual = float(np.nanmedian(np.abs(values - middle))) or 1.0
        scores = np.clip(np.nan_to_num((values - middle) / usual), -MOST_SCORE, MOST_SCORE)
        total = np.cumsum(scores)
        means = total[:-1] / left, (total[-1] - total[:-1]) / (len(rows) - left)
        gain += np.abs(means[0] - means[1]) * np.sqrt(left * (len(rows) - left))
    return len(table) - len(rows) + int(np.argmax(gain)) + 1


def _comparable(values: Floats) -> bool:
    known = np.isfinite(values)
    return bool(known.mean() > LEAST_KNOWN and np.ptp(values[known]) > 0)


def _heights(
    baseline: InputBaseline, number: int, table: Floats, names: Sequence[str], newest: bool = True
) -> NDArray[Any]:
    length, place_of = baseline.windows[number], {name: place for place, name in enumerate(names)}
    missing = [name for name in baseline.names if name not in place_of]
    if missing:
        raise DataError(f"features {', '.join(missing[:3])} of the drift baseline are missing; delete the drift state")
    if len(table) < length:
        raise DataError(f"{len(table)} bars are too few: the window has {length}")
    rows = table[-length:] if newest else table
    figures = np.empty((len(rows) - length + 1, len(baseline.names)))
    for place, name in enumerate(baseline.names):
        bins = _Binned(np.asarray(baseline.edges[place]), np.asarray(baseline.shares[place]))
        figures[:, place] = _rolling(rows[:, place_of[name]], bins, (length,), baseline.statistic)[0]
    heights: NDArray[Any] = (figures - np.asarray(baseline.usual[number])) / np.asarray(baseline.scale[number])
    return heights


def _top_mean(heights: NDArray[Any], count: int) -> Floats:
    count = min(count, heights.shape[1])
    return np.asarray(np.partition(heights, -count, axis=1)[:, -count:].mean(axis=1), dtype=np.float64)


def _rolling(values: Floats, bins: _Binned, windows: Sequence[int], statistic: Statistic) -> list[Floats]:
    """Return the distance of every window of each length to the history; 0 where too little of a window is known."""
    known = np.isfinite(values)
    sums = np.zeros((len(values) + 1, len(bins.edges)), dtype=np.int32)
    np.cumsum((values[:, None] <= bins.edges[None, :]) & known[:, None], axis=0, out=sums[1:])
    counts = np.concatenate([[0], np.cumsum(known)])
    result = []
    for window in windows:
        number = counts[window:] - counts[:-window]
        shares = (sums[window:] - sums[:-window]) / np.maximum(number, 1)[:, None]
        found = _ks(shares, bins.shares) if statistic == "ks" else _psi(shares, bins.shares, number)
        result.append(np.where(number >= LEAST_KNOWN * window, found, 0.0))
    return result


def _ks(shares: Floats, expected: Floats) -> Floats:
    """Largest difference of the two distributions, each in units of its own standard deviation.

    Unweighted it is 1 for a calm week and for a crash alike, for in a short window of a slow feature all values lie in
    one corner of the history anyway; weighted it tells a corner that the history knows from one that it does not.
    """
    spread = np.sqrt(np.maximum(expected * (1 - expected), 1e-4))
    return np.asarray(np.log1p((np.abs(shares - expected) / spread).max(axis=1)), dtype=np.float64)


def _psi(shares: Floats, expected: Floats, number: NDArray[Any]) -> Floats:
    """Population stability index; half a count is added to each bin, so that an empty one stays finite."""
    ends = np.ones((len(shares), 1))
    here = np.diff(np.hstack([np.zeros_like(ends), shares, ends]), axis=1)
    there = np.diff(np.concatenate([[0.0], expected, [1.0]]))
    size = np.maximum(number, 1)[:, None]
    here = (here * size + 0.5) / (size + 0.5 * len(there))
    there = np.maximum(there, 1e-6)
    return np.asarray(((here - there) * np.log(here / there)).sum(axis=1), dtype=np.float64)
