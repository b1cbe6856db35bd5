"""From verdicts to scores: cumulative gates, pass@k, and how far each figure can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_plugin.errors import DataError

__all__ = ["LEVEL", "Score", "bootstrap_interval", "pass_at_k", "score_gate", "wilson"]

LEVEL = 0.95
_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Score:
    """A share with its interval; `value` is None where nothing could be counted.

    Attributes:
        value: The share, 0 to 1.
        low: Lower end of the 95 % interval.
        high: Upper end.
        tasks: How many tasks it is the mean of.
        method: `wilson` for one answer a task, `bootstrap` over tasks for several.
    """

    value: float | None
    low: float | None
    high: float | None
    tasks: int
    method: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"value": self.value, "low": self.low, "high": self.high, "tasks": self.tasks, "method": self.method}

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        return f"{100 * self.value:.1f} % [{100 * (self.low or 0):.1f}, {100 * (self.high or 0):.1f}]"


def pass_at_k(answers: int, right: int, k: int) -> float:
    """Return the unbiased estimate of the chance that one of `k` answers is right (Chen and others, 2021).

    Args:
        answers: How many were drawn.
        right: How many of them are right.
        k: At most `answers`.

    Raises:
        DataError: More right ones than answers, or fewer answers than `k`.

    Example:
        >>> pass_at_k(4, 1, 2)
        0.5
    """
    if not 0 <= right <= answers or not 1 <= k <= answers:
        raise DataError(f"pass@{k} of {right} right ones among {answers} answers cannot be estimated")
    if answers - right < k:
        return 1.0
    return 1.0 - math.prod((answers - right - i) / (answers - i) for i in range(k))


def wilson(right: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's interval of a share.

    Example:
        >>> [round(end, 3) for end in wilson(8, 10)]
        [0.49, 0.943]
    """
    if count <= 0 or not 0 <= right <= count:
        raise DataError(f"{right} of {count} is no share")
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(
    values: Sequence[float],
    *,
    level: float = LEVEL,
    seed: int = 0,
    draws: int = _DRAWS,
    statistic: Callable[[Any], Any] | None = None,
) -> tuple[float, float]:
    """Return the percentile interval of a mean (or another statistic of rows) over resampled tasks.

    Args:
        values: One value a task.
        level: Of the interval.
        seed: Of the resampling.
        draws: How many resamples.
        statistic: Takes an array of draws x tasks; default: the mean of each row.
    """
    import numpy as np

    table = np.asarray(values, dtype=np.float64)
    if not len(table):
        raise DataError("an interval of no values cannot be told")
    rows = np.random.default_rng(seed).integers(0, len(table), size=(draws, len(table)))
    found = (statistic or (lambda drawn: drawn.mean(axis=1)))(table[rows])
    low, high = np.quantile(found, [(1 - level) / 2, 1 - (1 - level) / 2])
    return float(low), float(high)


def score_gate(samples: Mapping[str, Sequence[bool]], k: int, *, seed: int = 0) -> Score:
    """Return pass@k over tasks.

    Args:
        samples: Task -> whether each of its answers passed; tasks with fewer than `k` answers are left out.
        k: Answers that a user may try.
        seed: Of the resampling.
    """
    counted = {task: answers for task, answers in samples.items() if len(answers) >= k}
    if not counted:
        return Score(None, None, None, 0, "none")
    values = [pass_at_k(len(answers), sum(answers), k) for answers in counted.values()]
    mean = sum(values) / len(values)
    if all(len(answers) == 1 for answers in counted.values()):
        low, high = wilson(round(sum(values)), len(values))
        return Score(mean, low, high, len(values), "wilson")
    low, high = bootstrap_interval(values, seed=seed)
    return Score(mean, low, high, len(values), "bootstrap")
