"""The tabular meta-label: gradient boosting on the prompt's own fields. What a quant would use instead of an LLM.

It is an ablation arm, and its out-of-fold predictions are the language model's teacher. Two small models: `win`
estimates P(net R > 0); `edge` is the same classifier weighted by |R|, so that it is above one half where the expected
net R is above zero. Stored as ONNX with a manifest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.bootstrap.tabular import TabularEncoder
from llm_plugin.domain import DecisionRequest
from llm_plugin.errors import ModelError
from llm_plugin.reasoning.model_folder import file_sha256

__all__ = ["MetaLabel", "MetaLabelScore", "fit_boosting", "save_meta_label"]

Floats = NDArray[np.float64]
SCHEMA_VERSION = "1"
MANIFEST_NAME = "manifest.json"
BINS = 60
_REMEDY = "train it again with `lean-llm model bootstrap`"


@dataclass(frozen=True, slots=True)
class MetaLabelScore:
    """What the meta-label says of one question.

    Attributes:
        probability: P(net R > 0).
        edge: Share of expected gains in expected gains and losses: above one half = positive expected net R.
        threshold: The edge from which it approves.
    """

    probability: float
    edge: float
    threshold: float

    @property
    def approved(self) -> bool:
        """Whether the trade should be taken."""
        return self.edge > self.threshold


class MetaLabel:
    """A stored meta-label."""

    def __init__(
        self, win: Any, edge: Any, encoder: TabularEncoder, kept: Sequence[int], threshold: float, manifest: Any
    ) -> None:
        """Wrap loaded sessions; most callers want `load`."""
        self._win = win
        self._edge = edge
        self.encoder = encoder
        self._kept = list(kept)
        self.threshold = threshold
        self.manifest = manifest

    @property
    def version(self) -> str:
        """Name and content hash."""
        files = self.manifest["files"]
        return f"meta-label@{files['edge.onnx'][:6]}{files['win.onnx'][:6]}"

    @classmethod
    def load(cls, folder: Path) -> MetaLabel:
        """Load and check a folder.

        Raises:
            ModelError: Something is missing, damaged or not what the manifest says.
        """
        import onnxruntime

        path = folder / MANIFEST_NAME
        if not path.is_file():
            raise ModelError(f"{path} is missing; {_REMEDY}")
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            kept, threshold = [int(i) for i in manifest["kept_columns"]], float(manifest["threshold"])
            encoder = TabularEncoder.from_json(manifest["encoder"])
            files = dict(manifest["files"])
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is damaged ({error}); {_REMEDY}") from error
        if manifest.get("schema_version") != SCHEMA_VERSION:
            raise ModelError(f"{path} has schema {manifest.get('schema_version')!r}; {_REMEDY}")
        sessions = []
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        for name in ("win.onnx", "edge.onnx"):
            model = folder / name
            if not model.is_file():
                raise ModelError(f"{model} is missing; {_REMEDY}")
            found = file_sha256(model)
            if found != files.get(name):
                raise ModelError(
                    f"{model} has hash {found[:12]}, the manifest says {str(files.get(name))[:12]}; {_REMEDY}"
                )
            sessions.append(onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]))
        return cls(sessions[0], sessions[1], encoder, kept, threshold, manifest)

    def score(self, request: DecisionRequest, statistics: Any = None, hits: Sequence[Any] = ()) -> MetaLabelScore:
        """Judge one entry question from the same inputs that a prompt shows."""
        row = self.encoder.encode(request, statistics, hits)[None, self._kept].astype(np.float32)
        return MetaLabelScore(_run(self._win, row), _run(self._edge, row), self.threshold)

    def probability(self, request: DecisionRequest, statistics: Any = None, hits: Sequence[Any] = ()) -> float:
        """Return P(net R > 0)."""
        return self.score(request, statistics, hits).probability

    def approve(self, request: DecisionRequest, statistics: Any = None, hits: Sequence[Any] = ()) -> bool:
        """Whether the expected net R is above zero."""
        return self.score(request, statistics, hits).approved


def fit_boosting(rows: NDArray[np.floating[Any]], positive: NDArray[np.bool_], weights: Floats, seed: int = 0) -> Any:
    """Fit the boosted trees, small and slow: noisy labels forgive neither depth nor haste.

    Args:
        rows: [n, columns].
        positive: [n].
        weights: [n].
        seed: Of the binning.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    leaf = int(np.clip(len(rows) // 40, 20, 80))
    model = HistGradientBoostingClassifier(
        max_iter=120,
        learning_rate=0.05,
        max_depth=3,
        max_bins=BINS + 1,
        min_samples_leaf=leaf,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(_few_values(rows), positive, sample_weight=weights)


def _few_values(rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Move each number to the nearest of some sixty quantiles: scikit-learn's own weighted binning takes seconds."""
    result = rows.copy()
    for column in range(rows.shape[1]):
        known = np.isfinite(rows[:, column])
        values = rows[known, column]
        if np.unique(values).size > BINS:
            levels = np.unique(np.quantile(values, np.linspace(0, 1, BINS)).astype(rows.dtype))
            result[known, column] = levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, values)]
    return result


def save_meta_label(
    folder: Path,
    rows: Floats,
    net_r: Floats,
    weights: Floats,
    encoder: TabularEncoder,
    *,
    threshold: float,
    clip_r: float,
    seed: int,
    facts: dict[str, Any],
) -> MetaLabel:
    """Train both models on all rows and store them.

    Args:
        folder: Made if missing; the manifest is written last.
        rows: Encoded questions, [n, columns].
        net_r: Replayed net R, [n].
        weights: Base weights, [n].
        encoder: What made the rows.
        threshold: Edge from which it approves.
        clip_r: Clip of |R|.
        seed: Of the fits.
        facts: Cutoff, data hash and the like, kept in the manifest.
    """
    from skl2onnx import to_onnx

    kept = [i for i in range(rows.shape[1]) if np.unique(rows[np.isfinite(rows[:, i]), i]).size > 1]
    if not kept:
        raise ModelError("no field of the prompt varies over the training rows, so nothing can be learned from them")
    data = rows[:, kept].astype(np.float32)
    positive, size = net_r > 0, np.minimum(np.abs(net_r), clip_r)
    folder.mkdir(parents=True, exist_ok=True)
    for name, weight in (("win", weights), ("edge", weights * size)):
        model = fit_boosting(data, positive, weight, seed)
        converted = to_onnx(
            model, data[:1], options={id(model): {"zipmap": False}}, target_opset={"": 15, "ai.onnx.ml": 3}
        )
        (folder / f"{name}.onnx").write_bytes(converted.SerializeToString())
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "kind": "meta-label",
        "encoder": encoder.to_json(),
        "columns": list(encoder.columns),
        "kept_columns": kept,
        "threshold": threshold,
        "rows": len(rows),
        "files": {f"{name}.onnx": file_sha256(folder / f"{name}.onnx") for name in ("win", "edge")},
        **facts,
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return MetaLabel.load(folder)


def _run(session: Any, row: NDArray[np.float32]) -> float:
    return float(session.run(None, {session.get_inputs()[0].name: row})[1][0, 1])
