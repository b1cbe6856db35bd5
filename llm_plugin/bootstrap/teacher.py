"""The teacher: what the network is asked to reproduce, made of purged out-of-fold predictions only.

A network of this size learns a rule from two thousand noisy labels badly and from smooth labels well. Boosted trees on
the same fields find the rule; their predictions on blocks of time that they did not see are the network's soft labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_plugin.bootstrap.config import BootstrapConfig
from llm_plugin.bootstrap.metalabel import fit_boosting
from llm_plugin.bootstrap.rows import DecisionRow

__all__ = ["Teaching", "teach", "time_folds"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_CONTEXT_WEIGHTS = (0.0, 0.3, 1.0)
SPREAD = 2.0


@dataclass(frozen=True, slots=True)
class Teaching:
    """Soft labels and how they came about.

    Attributes:
        edge: Out-of-fold share of gains per row, in (0, 1); above one half = take the trade.
        targets: The network's wanted probability of the signal's action.
        context_weight: Weight that bars without a signal had in the teacher; chosen on signals, out of fold.
        slope: Shrinkage of the teacher's log-odds, fitted on its own out-of-fold predictions; 0 = it knows nothing.
        shift: Log-odds added so that the approval floor holds; 0 where expectation alone decides.
        threshold: Raw edge of the trees that this amounts to: the tabular meta-label approves above it.
        sharpness: Factor on the log-odds in `targets`.
        loss: Weighted out-of-fold log loss on signals.
        base_loss: The same for the constant base rate.
    """

    edge: Floats
    targets: Floats
    context_weight: float
    slope: float
    shift: float
    threshold: float
    sharpness: float
    loss: float
    base_loss: float


def time_folds(rows: Sequence[DecisionRow], folds: int) -> list[tuple[Bools, Bools]]:
    """Cut ordered rows into blocks of time; each block's training rows neither overlap it nor end inside it.

    Returns:
        Per block, which rows train and which are predicted.
    """
    times = np.array([row.time_utc.timestamp() for row in rows])
    closes = np.array([row.closed_utc.timestamp() for row in rows])
    places = np.array([i for i, row in enumerate(rows) if row.is_signal])
    edges = [times[places[len(places) * k // folds]] for k in range(1, folds)]
    block = np.searchsorted(np.array(edges), times, side="right")
    result = []
    for k in range(folds):
        held = block == k
        first, last = times[held].min(), closes[held].max()
        result.append((~held & ((closes < first) | (times > last)), held))
    return result


def teach(rows: Sequence[DecisionRow], table: Floats, config: BootstrapConfig) -> Teaching:
    """Make the soft labels of ordered training rows.

    Args:
        rows: Signals and bars without one, in time order.
        table: The same rows as numbers, [n, columns].
        config: Clip, sharpness, folds, approval floor.
    """
    net = np.array([row.net_r for row in rows])
    signal = np.array([row.is_signal for row in rows])
    size = np.minimum(np.abs(net), config.clip_r)
    positive = net > 0
    folds = time_folds(rows, config.folds)
    weights = _CONTEXT_WEIGHTS if not signal.all() else (1.0,)
    candidates = []
    for weight in weights:
        base = size * np.where(signal, 1.0, weight)
        edge = _out_of_fold(table, positive, base, folds, config.seed)
        candidates.append((_log_loss(edge[signal], positive[signal], size[signal]), weight, edge))
    loss, chosen, edge = min(candidates, key=lambda item: item[0])
    prior = float(size[signal & positive].sum() / max(size[signal].sum(), 1e-12))
    prior = min(max(prior, 0.02), 0.98)
    base_odds = np.log(prior / (1 - prior))
    odds = np.log(edge / (1 - edge))
    slope = _shrinkage(odds[signal] - base_odds, base_odds, positive[signal], size[signal])
    shrunk = base_odds + slope * (odds - base_odds)
    shift = _approval_shift(shrunk[signal], config.min_approval_fraction)
    sharpness = max(config.sharpness, SPREAD / max(float((shrunk + shift)[signal].std()), 1e-3))
    targets = 1 / (1 + np.exp(-np.clip(sharpness * (shrunk + shift), -6, 6)))
    base_loss = _log_loss(np.full(int(signal.sum()), prior), positive[signal], size[signal])
    threshold = float(1 / (1 + np.exp(-(base_odds - (base_odds + shift) / slope))))
    edges = 1 / (1 + np.exp(-(shrunk + shift)))
    return Teaching(edges, targets, chosen, slope, shift, threshold, sharpness, loss, base_loss)


def _out_of_fold(
    table: Floats, positive: Bools, weights: Floats, folds: list[tuple[Bools, Bools]], seed: int
) -> Floats:
    edge = np.full(len(table), 0.5)
    for trained, held in folds:
        use = trained & (weights > 0)
        kept = [i for i in range(table.shape[1]) if np.unique(table[use][np.isfinite(table[use, i]), i]).size > 1]
        if not kept or positive[use].all() or not positive[use].any():
            continue
        model = fit_boosting(table[use][:, kept], positive[use], weights[use], seed)
        edge[held] = model.predict_proba(table[held][:, kept])[:, 1]
    return np.asarray(np.clip(edge, 0.01, 0.99), dtype=np.float64)


def _log_loss(edge: Floats, positive: Bools, weights: Floats) -> float:
    losses = -np.where(positive, np.log(edge), np.log(1 - edge))
    return float((weights * losses).sum() / max(weights.sum(), 1e-12))


def _shrinkage(excess: Floats, base_odds: float, positive: Bools, weights: Floats) -> float:
    """Weighted logistic slope on the teacher's own out-of-fold log-odds, within [0.25, 1.25].

    Trees that found noise get the lower bound, not zero: their ranking still decides which contexts are approved first.
    """
    slope = 1.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-(base_odds + slope * excess)))
        gradient = float((weights * (p - positive) * excess).sum())
        curvature = float((weights * p * (1 - p) * excess**2).sum()) + 1e-9
        slope -= float(np.clip(gradient / curvature, -0.5, 0.5))
    return float(np.clip(slope, 0.25, 1.25))


def _approval_shift(odds: Floats, floor: float) -> float:
    """Return what lifts the best `floor` share of signals above zero log-odds; 0 where so many are there already."""
    if floor <= 0:
        return 0.0
    level = float(np.quantile(odds, 1 - floor))
    return max(0.0, 1e-3 - level)
