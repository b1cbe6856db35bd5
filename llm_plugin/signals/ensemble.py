"""The trained ensemble where it serves: verified ONNX files, one thread, no training library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_plugin.errors import ModelError
from llm_plugin.features.catalog import market_feature_names
from llm_plugin.signals.calibration import PlattScale
from llm_plugin.signals.manifest import EnsembleManifest

__all__ = ["Ensemble", "open_session"]

FloatArray = npt.NDArray[np.float64]
_SIDES = ["long", "short"]


def open_session(path: Path) -> Any:
    """Open an ONNX file on one CPU thread.

    Raises:
        ModelError: onnxruntime cannot read it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{path} cannot be opened by onnxruntime: {error}; run `lean-llm train ensemble`") from error


class Ensemble:
    """Calibrated probabilities that a long and a short entered now would pay."""

    def __init__(self, manifest: EnsembleManifest, sessions: dict[str, Any]) -> None:
        self.manifest = manifest
        self._sessions = list(sessions.values())
        self.members = tuple(sessions)
        names = market_feature_names()
        self._columns = np.array([names.index(name) for name in manifest.features])
        self._medians = np.array(manifest.values["medians"], dtype=np.float64)
        self._scales = [PlattScale(**manifest.values["calibration"][side]) for side in _SIDES]
        self._row = np.zeros((1, len(self._columns)), dtype=np.float32)
        self._feed = {"features": self._row}

    @classmethod
    def load(cls, folder: str | Path) -> Ensemble:
        """Load a model folder, checking every hash and the feature schema.

        Raises:
            ModelError: The folder is not a complete, unchanged ensemble of this feature schema.
        """
        path = Path(folder)
        manifest = EnsembleManifest.read(path)
        return cls(manifest, {kind: open_session(path / f"{kind}.onnx") for kind in manifest.values["members"]})

    def scores(self, vector: FloatArray) -> list[tuple[float, float]]:
        """Return the raw (long, short) scores of each member for one bar.

        Args:
            vector: The 228 market features, NaN where unavailable.
        """
        chosen = vector[self._columns]
        missing = chosen != chosen
        if missing.any():
            chosen[missing] = self._medians[missing]
        self._row[0] = chosen
        found = []
        for session in self._sessions:
            long, short = session.run(_SIDES, self._feed)
            found.append((float(long[0, 1]), float(short[0, 1])))
        return found

    def predict(self, vector: FloatArray) -> tuple[float, float]:
        """Return (p_long, p_short) for one bar.

        Args:
            vector: The 228 market features, NaN where unavailable.
        """
        scores = self.scores(vector)
        mean = np.array(scores).mean(axis=0)
        return float(self._scales[0](mean[:1])[0]), float(self._scales[1](mean[1:])[0])

    def predict_many(self, matrix: FloatArray) -> FloatArray:
        """Return (p_long, p_short) for many bars, (n, 2); NaN where a row has no feature at all (not ready).

        Args:
            matrix: Market features, (n, 228).
        """
        chosen = matrix[:, self._columns]
        ready = np.isfinite(chosen).any(axis=1)
        filled = np.where(np.isfinite(chosen), chosen, self._medians).astype(np.float32)
        total = np.zeros((len(matrix), 2))
        for session in self._sessions:
            outputs = session.run(_SIDES, {"features": filled})
            total += np.stack([output[:, 1] for output in outputs], axis=1)
        total /= len(self._sessions)
        result = np.stack([scale(total[:, i]) for i, scale in enumerate(self._scales)], axis=1)
        result[~ready] = np.nan
        return result
