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
from llm_plugin.features.reference import BarColumns
from llm_plugin.signals.config import EnsembleConfig
from llm_plugin.signals.ensemble import open_session
from llm_plugin.signals.manifest import MANIFEST_NAME, EnsembleManifest, file_sha256
from llm_plugin.signals.members import fit_member, predict_member, to_onnx
from llm_plugin.signals.out_of_fold import OOF_NAME, OutOfFold, predict_out_of_fold
from llm_plugin.signals.sample import Sample, prepare
from llm_plugin.signals.splits import Fold, walk_forward

__all__ = ["train_ensemble"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Progress = Callable[[float, str], None]
Models = dict[tuple[int, str, int], Any]

_SIDES = ("long", "short")
_FINAL = 0  # number of the fit on all bars; folds count from 1
_VERSIONED = ("numpy", "scikit-learn", "xgboost", "lightgbm", "onnx", "onnxruntime", "skl2onnx", "onnxmltools")


@dataclass(frozen=True, slots=True)
class _Trained:
    """The finished parts of a training."""

    sample: Sample
    config: EnsembleConfig
    folds: list[Fold]
    models: Models
    medians: FloatArray
    oof: OutOfFold


def train_ensemble(
    bars: Any, config: EnsembleConfig, out: Path, on_progress: Progress | None = None
) -> EnsembleManifest:
    """Train an ensemble and write its folder; an older one of that name is replaced when the new one is complete.

    Args:
        bars: Whatever `features.reference.bar_columns` takes (`data.bars.PriceBars`).
        config: Settings of the training.
        out: Folder of the model.
        on_progress: Called with a fraction and a line of text.

    Returns:
        The manifest; the same bars, configuration and library versions give the same one, byte for byte.

    Raises:
        ConfigError: A chosen feature is never available, or `out` is a folder of something else.
        DataError: Too few bars, or labels of one kind only.
    """
    report = on_progress or (lambda _fraction, _text: None)
    _check_out(out)
    report(0.0, "computing features and triple-barrier labels")
    sample = prepare(bars, config)
    folds = walk_forward(sample.usable, sample.label_end, config.folds, config.embargo_bars, config.sample_stride)
    everything = Fold(_FINAL, sample.usable[:: config.sample_stride], np.empty(0, dtype=np.int64))
    models = _fit_all(sample, [*folds, everything], config, report)
    report(0.92, "calibrating on out-of-fold predictions")
    oof = predict_out_of_fold(sample, folds, models, config)
    report(0.95, "writing ONNX files")
    trained = _Trained(sample, config, folds, models, sample.medians(everything.train), oof)
    manifest = _publish(trained, out)
    report(1.0, f"ensemble {manifest.name} {manifest.version}")
    return manifest


def _fit_all(sample: Sample, folds: list[Fold], config: EnsembleConfig, report: Progress) -> Models:
    """Fit every (fold, member, side); several at a time, each in one thread and with a seed of its own."""
    inputs = {fold.number: sample.inputs(fold.train, sample.medians(fold.train)) for fold in folds}
    labels = {fold.number: sample.labels.pays[:, fold.train] for fold in folds}
    _check_classes(labels)
    jobs = [(fold.number, kind, side) for fold in folds for kind in config.members for side in range(2)]
    # The largest fits first, so that the last ones to finish are small.
    jobs.sort(key=lambda job: (-len(inputs[job[0]]), job[1] != "gradient_boosting", job))

    def fit(job: tuple[int, str, int]) -> Any:
        number, kind, side = job
        seed = config.seed * 1009 + number * 31 + config.members.index(kind) * 7 + side
        return fit_member(kind, inputs[number], labels[number][side], config, seed)

    models: Models = {}
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


def _check_out(out: Path) -> None:
    if out.exists() and not (out / MANIFEST_NAME).is_file() and any(out.iterdir()):
        raise ConfigError(f"{out} exists and is not a model folder; choose another one")


def _publish(trained: _Trained, out: Path) -> EnsembleManifest:
    """Write everything into a folder beside `out`, the manifest last, then put it in its place."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for kind in trained.config.members:
            pair = (trained.models[_FINAL, kind, 0], trained.models[_FINAL, kind, 1])
            (work / f"{kind}.onnx").write_bytes(to_onnx(kind, pair))
        _check_onnx(work, trained)
        trained.oof.write(work / OOF_NAME, trained.sample)
        manifest = EnsembleManifest.seal(_values(trained, work))
        manifest.write(work)
        work.chmod(0o755)  # mkdtemp makes private folders; a model may be shared
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
            out.replace(old / "model")
            work.replace(out)
            shutil.rmtree(old, ignore_errors=True)
        else:
            work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _check_onnx(folder: Path, trained: _Trained) -> None:
    """Compare the files with the models that they were made from; what serves must be what was judged."""
    x = trained.sample.inputs(trained.sample.usable[-2000:], trained.medians)
    for kind in trained.config.members:
        outputs = open_session(folder / f"{kind}.onnx").run(list(_SIDES), {"features": x})
        for side, output in enumerate(outputs):
            gap = np.abs(output[:, 1] - predict_member(trained.models[_FINAL, kind, side], x))
            # A value on the edge of a split may fall on its other side in single precision.
            if float(np.quantile(gap, 0.99)) > 1e-5:
                raise ModelError(
                    f"{kind}.onnx differs from its {_SIDES[side]} model by {gap.max():.2e}; nothing written"
                )


def _values(trained: _Trained, folder: Path) -> dict[str, Any]:
    sample, config, oof = trained.sample, trained.config, trained.oof
    start, end = sample.columns.start_seconds[0], sample.columns.end_seconds[-1]
    return {
        "name": config.name,
        "files": {file.name: file_sha256(file) for file in sorted(folder.iterdir())},
        "features": list(config.features),
        "feature_schema_version": FEATURE_SCHEMA_VERSION,
        "feature_schema_hash": schema_hash(market_feature_names()),
        "medians": trained.medians.tolist(),
        "members": list(config.members),
        "calibration": {
            side: {"slope": scale.slope, "intercept": scale.intercept}
            for side, scale in zip(_SIDES, oof.scales, strict=True)
        },
        "threshold": oof.threshold,
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
        # The number of threads changes nothing but the time, so it does not make another version.
        "config": {key: value for key, value in config.to_json().items() if key != "threads"},
        "metrics": oof.metrics(sample, trained.folds),
    }


def _bars_sha256(columns: BarColumns) -> str:
    digest = hashlib.sha256()
    for part in (columns.start_seconds, columns.end_seconds, columns.prices, columns.volume):
        digest.update(np.ascontiguousarray(part, dtype="<f8").tobytes())
    return digest.hexdigest()


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat().replace("+00:00", "Z")
