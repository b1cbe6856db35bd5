"""What every fit of a training reads: chosen features, labels, and which bars can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_plugin.errors import ConfigError
from llm_plugin.features.catalog import market_feature_names
from llm_plugin.features.reference import BarColumns, bar_columns, market_features
from llm_plugin.signals.config import EnsembleConfig
from llm_plugin.signals.labels import BarLabels, label_bars

__all__ = ["Sample", "prepare"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Bars with features and labels.

    Attributes:
        columns: The bars up to the data cutoff.
        x: Chosen features, (n, features), NaN where unavailable.
        labels: Triple-barrier labels of both sides.
        usable: Bars whose features are ready and whose labels of both sides have matured.
        label_end: For each bar, the bar in which the later of its two labels was decided.
    """

    columns: BarColumns
    x: FloatArray
    labels: BarLabels
    usable: IntArray
    label_end: IntArray

    def medians(self, rows: IntArray) -> FloatArray:
        """Return the median of each feature over some bars, 0 where it is never available there."""
        values = self.x[rows]
        known = np.isfinite(values).any(axis=0)
        medians = np.zeros(values.shape[1])
        medians[known] = np.nanmedian(values[:, known], axis=0)
        return medians

    def inputs(self, rows: IntArray, medians: FloatArray) -> npt.NDArray[np.float32]:
        """Return the features of some bars with medians where one is unavailable, in the precision that serves."""
        values = self.x[rows]
        return np.where(np.isfinite(values), values, medians).astype(np.float32)


def prepare(bars: Any, config: EnsembleConfig) -> Sample:
    """Compute features and labels of the bars up to the data cutoff.

    Raises:
        ConfigError: A chosen feature is never available in these bars.
        DataError: There are too few bars.
    """
    columns = bar_columns(bars)
    if config.data_cutoff_utc is not None:
        cutoff = config.data_cutoff_utc.timestamp()
        columns = columns.head(int(np.searchsorted(columns.end_seconds, cutoff, side="right")))
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
    return Sample(columns, x, labels, np.flatnonzero(labels.matured.all(axis=0)), labels.exit_bar.max(axis=0))
