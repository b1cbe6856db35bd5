"""The three questions to chance: is the gain one, how large may it be, do the verdicts know anything."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["bootstrap_means", "permuted_p", "sign_flip_p"]

Floats = NDArray[np.float64]
BATCH = 4096


def sign_flip_p(sums: Floats, repetitions: int, seed: int) -> float:
    """Return the one-sided p-value that sums of blocks are symmetric around zero; exact where there are few blocks.

    Args:
        sums: One sum per block; blocks at zero cannot flip and are left out.
        repetitions: Random sign patterns where not all can be tried.
        seed: Of the patterns.
    """
    from scipy.stats import permutation_test

    moved = sums[sums != 0]
    if moved.size < 2:
        return 1.0 if moved.size == 0 or moved[0] < 0 else 0.5
    # Equal sums must be equal numbers: added in another order they differ in the last place.
    scale = np.abs(moved).max()
    result = permutation_test(
        (moved,),
        lambda x, axis: np.round(np.sum(x, axis=axis) / scale, 9),
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
        n_resamples=repetitions,
        batch=BATCH,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def permuted_p(sizes: Floats, net_r: Floats, repetitions: int, seed: int) -> float:
    """Return the one-sided p-value that verdicts earn no more than the same verdicts dealt out at random.

    Args:
        sizes: Size multiplier of each verdict, 0 for a veto.
        net_r: What each trade earned.
        repetitions: Random deals.
        seed: Of the deals.
    """
    from scipy.stats import permutation_test

    if np.all(sizes == sizes[:1]):
        return 1.0
    result = permutation_test(
        (sizes,),
        lambda x, axis: np.sum(x * net_r, axis=axis),
        permutation_type="pairings",
        alternative="greater",
        vectorized=True,
        n_resamples=repetitions,
        batch=BATCH,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def bootstrap_means(sums: Floats, counts: Floats, repetitions: int, seed: int) -> Floats:
    """Resample whole blocks and return the mean per decision of every column.

    Args:
        sums: Shape (blocks, columns): sum of a column within a block.
        counts: Shape (blocks, columns): decisions that the sum is made of.
        repetitions: Bootstrap samples.
        seed: Of the samples.

    Returns:
        Shape (repetitions, columns); NaN where a sample holds no decision of a column.
    """
    from arch.bootstrap import IIDBootstrap

    columns = sums.shape[1]

    def means(block: Floats) -> Floats:
        totals = block.sum(axis=0)
        found = np.full(columns, math.nan)
        np.divide(totals[:columns], totals[columns:], out=found, where=totals[columns:] > 0)
        return found

    return np.asarray(IIDBootstrap(np.hstack([sums, counts]), seed=seed).apply(means, repetitions))
