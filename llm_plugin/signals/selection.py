"""From probabilities to trades: the threshold, and what entries above it would have led to. One position at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from llm_plugin.signals.labels import BarLabels

__all__ = ["choose_threshold", "entries_above", "trade_metrics"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def entries_above(
    probability: FloatArray, labels: BarLabels, rows: IntArray, threshold: float
) -> list[tuple[int, int]]:
    """Return (bar, side row) of the entries that a flat account takes: the likelier side, then nothing until its exit.

    Args:
        probability: (2, n) for the whole history, long first.
        labels: Of the same bars.
        rows: Bars to look at, ascending.
        threshold: Least probability of an entry.
    """
    side = np.argmax(probability[:, rows], axis=0)
    best = probability[side, rows]
    entries: list[tuple[int, int]] = []
    free_from = -1
    for at in np.flatnonzero(best >= threshold).tolist():
        bar = int(rows[at])
        if bar >= free_from:
            entries.append((bar, int(side[at])))
            free_from = int(labels.exit_bar[side[at], bar])
    return entries


def choose_threshold(probability: FloatArray, labels: BarLabels, rows: IntArray, per_1000_bars: float) -> float:
    """Return the threshold whose rate of flat-only entries is nearest to the wanted one, by bisection.

    Args:
        probability: Out-of-fold, (2, n).
        labels: Of the same bars.
        rows: Bars with out-of-fold predictions.
        per_1000_bars: Wanted entries per 1,000 bars.
    """
    best = probability[:, rows].max(axis=0)
    wanted = per_1000_bars * len(rows) / 1000
    low, high = 0.0, 1.0  # as quantiles of the better side's probability
    for _ in range(18):
        middle = (low + high) / 2
        if len(entries_above(probability, labels, rows, float(np.quantile(best, middle)))) > wanted:
            low = middle
        else:
            high = middle
    return round(float(np.quantile(best, high)), 6)


def trade_metrics(probability: FloatArray, labels: BarLabels, rows: IntArray, threshold: float) -> dict[str, Any]:
    """Return figures of the entries above a threshold; a rate without entries is null."""
    entries = entries_above(probability, labels, rows, threshold)
    result = np.array([labels.net_r[side, bar] for bar, side in entries], dtype=np.float64)
    figures: dict[str, Any] = {
        "entries": len(result),
        "entries_per_1000_bars": round(1000 * len(result) / len(rows), 3),
    }
    if not len(result):
        return {
            **figures,
            "win_rate": None,
            "mean_r": None,
            "profit_factor": None,
            "max_drawdown_r": None,
            "sharpe": None,
        }
    curve = np.concatenate([[0.0], np.cumsum(result)])
    losses = -result[result < 0].sum()
    spread = float(result.std())
    return {
        **figures,
        "win_rate": round(float((result > 0).mean()), 4),
        "mean_r": round(float(result.mean()), 4),
        "profit_factor": round(float(result[result > 0].sum() / losses), 4) if losses > 0 else None,
        "max_drawdown_r": round(float((np.maximum.accumulate(curve) - curve).max()), 3),
        "sharpe": round(float(result.mean() / spread), 4) if spread > 0 else None,
    }
