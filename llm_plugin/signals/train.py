"""Training of the ensemble: features, labels, purged walk-forward, calibration, threshold, final models, ONNX files."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_plugin.errors import ConfigError, DataError, ModelError
from llm_plugin.features.catalog import FEATURE_SCHEMA_VERSION, market_feature_names, schema_hash
from llm_plugin.features.reference import BarColumns, bar_columns, market_features
from llm_plugin.signals.calibration import PlattScale, fit_platt
from llm_plugin.signals.config import EnsembleConfig
from llm_plugin.signals.labels import BarLabels, label_bars
from llm_plugin.signals.manifest import EnsembleManifest, file_sha256
from llm_plugin.signals.members import fit_member, predict_member, to_onnx
from llm_plugin.signals.selection import choose_threshold, trade_metrics
from llm_plugin.signals.splits import Fold, walk_forward

__all__ = ["OOF_NAME", "train_ensemble"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Progress = Callable[[float, str], None]

OOF_NAME = "oof.npz"
_SIDES = ("long", "short")
_VERSIONED = ("numpy", "scikit-learn", "xgboost", "lightgbm", "onnx", "onnxruntime", "skl2onnx", "onnxmltools")


@dataclass(frozen=True, slots=True)
class _Sample:
    """Everything that the fits read."""

    columns: BarColumns
    x: FloatArray
    labels: BarLabels
    usable: IntArray
    label_end: IntArray


@dataclass(frozen=True, slots=True)
class _OutOfFold:
    """Predictions of models that had not seen the bar; (2, n), NaN where there is none; fold 0 = no prediction."""

    probability: FloatArray
    raw: FloatArray
    members: dict[str, FloatArray]
    fold: npt.NDArray[np.int8]
    rows: IntArray


def train_ensemble(
    bars: Any, config: EnsembleConfig, out: Path, on_progress: Progress | None = None
) -> EnsembleManifest:
    """Train an ensemble and write its folder; an older one of that name is replaced when the new one is complete.

    Args:
        bars: Whatever `features.reference.bar_columns` takes (`data.bars.PriceBars`).
        config: Settings of the training.
        out: Folder of the model.
        on_progress: Called with a fraction and a line of text.

    Raises:
        DataError: Too few bars, or a feature that is never available in them.
    """
    report = on_progress or (lambda _fraction, _text: None)
    report(0.0, "computing features")
    sample = _prepare(bars, config)
    report(0.12, "labelling with the triple barrier")
    folds = walk_forward(sample.usable, sample.label_end, config.folds, config.embargo_bars, config.sample_stride)
    everything = Fold(0, sample.usable[:: config.sample_stride], np.empty(0, dtype=np.int64))
    models = _fit_all(sample, [*folds, everything], config, report)
    report(0.92, "calibrating on out-of-fold predictions")
    oof = _out_of_fold(sample, folds, models, config)
    predicted = np.flatnonzero(oof.fold > 0)
    scales = [fit_platt(oof.raw[side, predicted], sample.labels.pays[side, predicted]) for side in range(2)]
    # The threshold is for probabilities as the finished model gives them: its own calibration, out-of-fold scores.
    served = np.stack([scale(oof.raw[side]) for side, scale in enumerate(scales)])
    threshold = choose_threshold(served, sample.labels, predicted, config.entries_per_1000_bars)
    report(0.94, "writing ONNX files")
    manifest = _write(sample, config, folds, models, oof, scales, threshold, out)
    report(1.0, f"ensemble {manifest.name} {manifest.version}")
    return manifest


def _prepare(bars: Any, config: EnsembleConfig) -> _Sample:
    columns = bar_columns(bars)
    if config.data_cutoff_utc is not None:
        columns = columns.head(
            int(np.searchsorted(columns.end_seconds, config.data_cutoff_utc.timestamp(), side="right"))
        )
    names = market_feature_names()
    market = market_features(columns)
    atr = market[:, names.index("atr_fraction_14")] * columns.mid[:, 3]
    labels = label_bars(columns, atr, config)
    x = market[:, [names.index(name) for name in config.features]]
    never = [name for name, column in zip(config.features, x.T, strict=True) if not np.isfinite(column).any()]
    if never:
        raise ConfigError(
            f"features {', '.join(never)} are never available in these bars (no volume, no spread?); leave them out"
        )
    usable = np.flatnonzero(labels.matured.all(axis=0))
    return _Sample(columns, x, labels, usable, labels.exit_bar.max(axis=0))


def _medians(sample: _Sample, rows: IntArray) -> FloatArray:
    values = sample.x[rows]
    missing = ~np.isfinite(values).any(axis=0)
    medians = np.zeros(values.shape[1])
    medians[~missing] = np.nanmedian(values[:, ~missing], axis=0)
    return medians


def _filled(sample: _Sample, rows: IntArray, medians: FloatArray) -> npt.NDArray[np.float32]:
    values = sample.x[rows]
    return np.where(np.isfinite(values), values, medians).astype(np.float32)


def _fit_all(
    sample: _Sample, folds: list[Fold], config: EnsembleConfig, report: Progress
) -> dict[tuple[int, str, int], Any]:
    """Fit every (fold, member, side); several at a time, each in one thread and with a seed of its own."""
    inputs = {fold.number: _filled(sample, fold.train, _medians(sample, fold.train)) for fold in folds}
    labels = {fold.number: sample.labels.pays[:, fold.train] for fold in folds}
    _check_classes(labels)
    jobs = [(fold.number, kind, side) for fold in folds for kind in config.members for side in range(2)]
    # The largest fits first, so that the last ones to finish are small.
    jobs.sort(key=lambda job: (-len(inputs[job[0]]), job[1] != "gradient_boosting", job))

    def fit(job: tuple[int, str, int]) -> Any:
        number, kind, side = job
        seed = config.seed * 1009 + number * 31 + config.members.index(kind) * 7 + side
        return fit_member(kind, inputs[number], labels[number][side], config, seed)

    models: dict[tuple[int, str, int], Any] = {}
    with ThreadPoolExecutor(max_workers=config.threads) as pool:
        for done, (job, model) in enumerate(zip(jobs, pool.map(fit, jobs), strict=True), 1):
            models[job] = model
            report(0.15 + 0.77 * done / len(jobs), f"fitted {done} of {len(jobs)} models")
    return models


def _check_classes(labels: dict[int, npt.NDArray[np.int8]]) -> None:
    for number, pays in labels.items():
        for side, values in zip(_SIDES, pays, strict=True):
            share = float(values.mean())
            if not 0.01 <= share <= 0.99:
                raise DataError(
                    f"fold {number}: {share:.1%} of the {side} trades pay; a model cannot learn from that: "
                    "change the barriers (outcomes.exit) or the data"
                )


def _out_of_fold(
    sample: _Sample, folds: list[Fold], models: dict[tuple[int, str, int], Any], config: EnsembleConfig
) -> _OutOfFold:
    n = len(sample.columns)
    members = {kind: np.full((2, n), np.nan) for kind in config.members}
    number = np.zeros(n, dtype=np.int8)
    for fold in folds:
        x = _filled(sample, fold.test, _medians(sample, fold.train))
        number[fold.test] = fold.number
        for kind in config.members:
            for side in range(2):
                members[kind][side, fold.test] = predict_member(models[fold.number, kind, side], x)
    raw = np.mean([members[kind] for kind in config.members], axis=0)
    probability = np.full((2, n), np.nan)
    for fold in folds[1:]:
        # Calibrated by earlier blocks only, and only by labels that had ended: the first block serves nothing else.
        known = (number > 0) & (number < fold.number) & (sample.label_end + config.embargo_bars < fold.test[0])
        for side in range(2):
            scale = fit_platt(raw[side][known], sample.labels.pays[side][known])
            probability[side, fold.test] = scale(raw[side, fold.test])
    rows = np.flatnonzero(np.isfinite(probability[0]))
    return _OutOfFold(probability, raw, members, number, rows)


def _write(
    sample: _Sample,
    config: EnsembleConfig,
    folds: list[Fold],
    models: dict[tuple[int, str, int], Any],
    oof: _OutOfFold,
    scales: list[PlattScale],
    threshold: float,
    out: Path,
) -> EnsembleManifest:
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for kind in config.members:
            (work / f"{kind}.onnx").write_bytes(to_onnx(kind, (models[0, kind, 0], models[0, kind, 1])))
        _write_oof(work / OOF_NAME, sample, oof)
        medians = _medians(sample, sample.usable[:: config.sample_stride])
        _check_onnx(work, sample, medians, models, config)
        end = datetime.fromtimestamp(float(sample.columns.end_seconds[-1]), UTC)
        start = datetime.fromtimestamp(float(sample.columns.start_seconds[0]), UTC)
        manifest = EnsembleManifest.seal(
            {
                "name": config.name,
                "files": {file.name: file_sha256(file) for file in sorted(work.iterdir())},
                "features": list(config.features),
                "feature_schema_version": FEATURE_SCHEMA_VERSION,
                "feature_schema_hash": schema_hash(market_feature_names()),
                "medians": medians.tolist(),
                "members": list(config.members),
                "calibration": {
                    side: {"slope": scale.slope, "intercept": scale.intercept}
                    for side, scale in zip(_SIDES, scales, strict=True)
                },
                "threshold": threshold,
                "data_cutoff_utc": _stamp(end),
                "data": {
                    "bars": len(sample.columns),
                    "labelled": len(sample.usable),
                    "start_utc": _stamp(start),
                    "end_utc": _stamp(end),
                    "sha256": _bars_sha256(sample.columns),
                },
                "seed": config.seed,
                "versions": {name: version(name) for name in _VERSIONED},
                "config": config.to_json(),
                "metrics": _metrics(sample, folds, oof, threshold),
            }
        )
        manifest.write(work)
        _replace(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _write_oof(path: Path, sample: _Sample, oof: _OutOfFold) -> None:
    rows, labels = oof.rows, sample.labels
    np.savez_compressed(
        path,
        end_us=np.round(sample.columns.end_seconds[rows] * 1e6).astype(np.int64),
        p_long=oof.probability[0, rows],
        p_short=oof.probability[1, rows],
        fold=oof.fold[rows],
        label_long=labels.pays[0, rows],
        label_short=labels.pays[1, rows],
        net_r_long=labels.net_r[0, rows],
        net_r_short=labels.net_r[1, rows],
        label_end_us=np.round(sample.columns.end_seconds[labels.exit_bar[:, rows].max(axis=0)] * 1e6).astype(np.int64),
    )


def _check_onnx(
    folder: Path, sample: _Sample, medians: FloatArray, models: dict[tuple[int, str, int], Any], config: EnsembleConfig
) -> None:
    """Compare the files with the models that they were made from; what serves must be what was judged."""
    from llm_plugin.signals.ensemble import open_session

    x = _filled(sample, sample.usable[-2000:], medians)
    for kind in config.members:
        session = open_session(folder / f"{kind}.onnx")
        outputs = session.run(list(_SIDES), {"features": x})
        for side, output in enumerate(outputs):
            gap = np.abs(output[:, 1] - predict_member(models[0, kind, side], x))
            # A value on the edge of a split may fall on its other side in single precision.
            if float(np.quantile(gap, 0.99)) > 1e-5:
                raise ModelError(
                    f"{kind}.onnx differs from its {_SIDES[side]} model by {gap.max():.2e}; nothing written"
                )


def _metrics(sample: _Sample, folds: list[Fold], oof: _OutOfFold, threshold: float) -> dict[str, Any]:
    rows = []
    for fold in folds[1:]:
        figures: dict[str, Any] = {
            "fold": fold.number,
            "train": len(fold.train),
            "test": len(fold.test),
            "start_utc": _stamp(datetime.fromtimestamp(float(sample.columns.end_seconds[fold.test[0]]), UTC)),
            **_scores(sample, oof.probability, fold.test),
            **trade_metrics(oof.probability, sample.labels, fold.test, threshold),
        }
        rows.append(figures)
    total = {
        **_scores(sample, oof.probability, oof.rows),
        **trade_metrics(oof.probability, sample.labels, oof.rows, threshold),
        "member_auc": {kind: _scores(sample, values, oof.rows)["auc"] for kind, values in oof.members.items()},
    }
    return {"out_of_fold": total, "folds": rows}


def _scores(sample: _Sample, probability: FloatArray, rows: IntArray) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    figures: dict[str, list[float]] = {"auc": [], "log_loss": [], "brier": [], "base_rate": []}
    for side in range(2):
        p, y = np.clip(probability[side, rows], 1e-6, 1 - 1e-6), sample.labels.pays[side, rows].astype(np.float64)
        figures["auc"].append(float(roc_auc_score(y, p)) if 0 < y.mean() < 1 else 0.5)
        figures["log_loss"].append(float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()))
        figures["brier"].append(float(((p - y) ** 2).mean()))
        figures["base_rate"].append(float(y.mean()))
    side = probability[:, rows].argmax(axis=0)
    right = float(sample.labels.pays[side, rows].mean())
    return {
        **{name: dict(zip(_SIDES, (round(v, 5) for v in values), strict=True)) for name, values in figures.items()},
        "directional_accuracy": round(right, 5),
    }


def _replace(work: Path, out: Path) -> None:
    if out.exists():
        if not (out / "manifest.json").is_file() and any(out.iterdir()):
            raise ConfigError(f"{out} exists and is not a model folder; choose another one")
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
        out.replace(old / "model")
        work.replace(out)
        shutil.rmtree(old, ignore_errors=True)
    else:
        work.replace(out)


def _bars_sha256(columns: BarColumns) -> str:
    digest = hashlib.sha256()
    for part in (columns.start_seconds, columns.end_seconds, columns.prices, columns.volume):
        digest.update(np.ascontiguousarray(part, dtype="<f8").tobytes())
    return digest.hexdigest()


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
