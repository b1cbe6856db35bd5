"""Purged and embargoed walk-forward: each block is predicted by models that saw only what had ended before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llm_plugin.errors import DataError

__all__ = ["Fold", "walk_forward"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """Bars that train and bars that are predicted, as indices; every training label ended before `test[0]`."""

    number: int
    train: IntArray
    test: IntArray


def walk_forward(usable: IntArray, label_end: IntArray, folds: int, embargo: int, stride: int) -> list[Fold]:
    """Split bars in time into `folds` + 1 blocks and return one fold for each block but the first.

    Args:
        usable: Indices of the bars with features and a matured label, ascending.
        label_end: For each bar of the whole history, the bar in which its label was decided.
        folds: Number of predicted blocks.
        embargo: Bars that must lie between the end of a training label and the predicted block.
        stride: Every stride-th bar trains.

    Raises:
        DataError: Too few bars for a fold to have training samples.
    """
    blocks = np.array_split(usable, folds + 1)
    result = []
    for number, test in enumerate(blocks[1:], 1):
        if not len(test):
            raise DataError(f"{len(usable)} labelled bars are too few for {folds} folds; use more data or fewer folds")
        before = usable[usable < test[0]][::stride]
        train = before[label_end[before] + embargo < test[0]]
        if len(train) < 100:
            raise DataError(
                f"fold {number} has {len(train)} training samples after purging; 100 are needed: use more data, "
                f"fewer folds than {folds} or a smaller stride than {stride}"
            )
        result.append(Fold(number, train, test))
    return result
