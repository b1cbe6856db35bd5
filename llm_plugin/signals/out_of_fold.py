"""Out-of-fold predictions: what the ensemble says about bars that its models had not seen. Everything stacked on the
ensemble is trained on these and on nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_plugin.signals.calibration import PlattScale, fit_sides
from llm_plugin.signals.config import EnsembleConfig
from llm_plugin.signals.members import predict_member
from llm_plugin.signals.sample import Sample
from llm_plugin.signals.selection import choose_threshold, trade_metrics
from llm_plugin.signals.splits import Fold

__all__ = ["OOF_NAME", "OutOfFold", "predict_out_of_fold"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

OOF_NAME = "oof.npz"
_SIDES = ("long", "short")


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Arrays are (2, bars), long first, NaN outside the folds.

    Attributes:
        probability: Scores of models that had not seen the bar, on the scale of the finished model: what it would have
            said, and what the threshold is compared with.
        walk_forward: The same scores on a scale fitted to earlier folds alone (NaN in the first): what calibration is
            judged on.
        members: Scores of each member.
        fold: Number of the fold of each bar, 0 = none.
        rows: Bars with predictions.
        scales: Calibration of the finished model, long first.
        threshold: Probability from which it signals.
    """

    probability: FloatArray
    walk_forward: FloatArray
    members: dict[str, FloatArray]
    fold: npt.NDArray[np.int8]
    rows: IntArray
    scales: list[PlattScale]
    threshold: float

    def write(self, path: Path, sample: Sample) -> None:
        """Write `oof.npz`: one row per predicted bar."""
        rows, labels = self.rows, sample.labels
        ends = sample.columns.end_seconds
        np.savez_compressed(
            path,
            end_us=np.round(ends[rows] * 1e6).astype(np.int64),
            p_long=self.probability[0, rows],
            p_short=self.probability[1, rows],
            p_long_walk_forward=self.walk_forward[0, rows],
            p_short_walk_forward=self.walk_forward[1, rows],
            fold=self.fold[rows],
            label_long=labels.pays[0, rows],
            label_short=labels.pays[1, rows],
            net_r_long=labels.net_r[0, rows],
            net_r_short=labels.net_r[1, rows],
            label_end_us=np.round(ends[sample.label_end[rows]] * 1e6).astype(np.int64),
        )

    def metrics(self, sample: Sample, folds: list[Fold]) -> dict[str, Any]:
        """Return scores and trades per fold and over all; calibration is judged walk-forward, from fold 2 on."""
        rows = []
        for fold in folds:
            start = datetime.fromtimestamp(float(sample.columns.end_seconds[fold.test[0]]), UTC)
            rows.append(
                {
                    "fold": fold.number,
                    "train": len(fold.train),
                    "test": len(fold.test),
                    "start_utc": start.isoformat().replace("+00:00", "Z"),
                    **_scores(sample, self.probability if fold.number == 1 else self.walk_forward, fold.test),
                    **trade_metrics(self.probability, sample.labels, fold.test, self.threshold),
                }
            )
        judged = np.flatnonzero(self.fold > 1)
        total = {
            **_scores(sample, self.walk_forward, judged),
            **trade_metrics(self.probability, sample.labels, self.rows, self.threshold),
            "member_auc": {kind: _scores(sample, values, self.rows)["auc"] for kind, values in self.members.items()},
        }
        return {"out_of_fold": total, "folds": rows}


def predict_out_of_fold(
    sample: Sample, folds: list[Fold], models: dict[tuple[int, str, int], Any], config: EnsembleConfig
) -> OutOfFold:
    """Predict each fold with its own models, calibrate, and choose the threshold.

    Args:
        sample: Features and labels.
        folds: Of `splits.walk_forward`.
        models: Fitted models by (fold, member, side).
        config: Members, embargo and the wanted rate of entries.
    """
    n = len(sample.columns)
    members = {kind: np.full((2, n), np.nan) for kind in config.members}
    number = np.zeros(n, dtype=np.int8)
    for fold in folds:
        x = sample.inputs(fold.test, sample.medians(fold.train))
        number[fold.test] = fold.number
        for kind in config.members:
            for side in range(2):
                members[kind][side, fold.test] = predict_member(models[fold.number, kind, side], x)
    raw = np.mean([members[kind] for kind in config.members], axis=0)
    walk_forward = np.full((2, n), np.nan)
    for fold in folds[1:]:
        # Calibrated by earlier folds only, and only by labels that had ended.
        known = (number > 0) & (number < fold.number) & (sample.label_end + config.embargo_bars < fold.test[0])
        scales = fit_sides(raw[:, known], sample.labels.pays[:, known], config.drift_neutral)
        walk_forward[:, fold.test] = [scale(raw[side, fold.test]) for side, scale in enumerate(scales)]
    rows = np.flatnonzero(number > 0)
    scales = fit_sides(raw[:, rows], sample.labels.pays[:, rows], config.drift_neutral)
    probability = np.stack([scale(raw[side]) for side, scale in enumerate(scales)])
    threshold = choose_threshold(probability, sample.labels, rows, config.entries_per_1000_bars)
    return OutOfFold(probability, walk_forward, members, number, rows, scales, threshold)


def _scores(sample: Sample, probability: FloatArray, rows: IntArray) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    figures: dict[str, list[float]] = {"auc": [], "log_loss": [], "brier": [], "base_rate": []}
    for side in range(2):
        p, y = np.clip(probability[side, rows], 1e-6, 1 - 1e-6), sample.labels.pays[side, rows].astype(np.float64)
        figures["auc"].append(float(roc_auc_score(y, p)) if 0 < y.mean() < 1 else 0.5)
        figures["log_loss"].append(float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()))
        figures["brier"].append(float(((p - y) ** 2).mean()))
        figures["base_rate"].append(float(y.mean()))
    side = probability[:, rows].argmax(axis=0)
    return {
        **{name: dict(zip(_SIDES, (round(v, 5) for v in values), strict=True)) for name, values in figures.items()},
        "directional_accuracy": round(float(sample.labels.pays[side, rows].mean()), 5),
    }
