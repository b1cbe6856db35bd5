"""Is the best of many trials to be believed? Deflated Sharpe ratio, and the probability of backtest overfitting.

The latter is CSCV (Bailey, Borwein, Lopez de Prado and Zhu, 2017): days are cut into blocks; for every way to take half
of them, the trial that is best there is ranked on the other half. Where the best is no better than the median there in
half of the ways, choosing it says nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from llm_plugin.runs.deflated import Deflated, deflated_sharpe

__all__ = ["BELIEVED_FROM", "Believed", "Overfitting", "aligned_returns", "is_market_day", "judge", "overfitting"]

Floats = NDArray[np.float64]
BELIEVED_FROM = 0.95
_BLOCKS = 12  # 924 ways to halve them
_MOST_OVERFITTING = 0.2
_COIN_TOSS = 0.5


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Probability that the trial chosen on one half of the days is below the median of trials on the other.

    Attributes:
        probability: None with a reason where it cannot be told.
        combinations: Ways in which the days were halved.
        trials: Trials that were compared.
        reason: Why it cannot be told.
    """

    probability: float | None
    combinations: int
    trials: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Believed:
    """The verdict on the best trial, in words.

    Attributes:
        verdict: `holds up`, `doubtful`, `not believed` or `cannot be judged`.
        sentence: Why, with the figures.
        deflated: Deflated Sharpe ratio.
        overfitting: Probability of backtest overfitting.
    """

    verdict: str
    sentence: str
    deflated: Deflated
    overfitting: Overfitting


def aligned_returns(curves: Mapping[str, tuple[tuple[str, ...], tuple[float, ...]]]) -> dict[str, Floats]:
    """Return daily returns on the days that all curves share; an empty curve is left out.

    Args:
        curves: Name -> days and the value at the end of each.
    """
    given = {name: dict(zip(*curve, strict=True)) for name, curve in curves.items() if len(curve[0]) > 1}
    if not given:
        return {}
    shared = sorted(set.intersection(*(set(days) for days in given.values())))
    table = {name: np.array([days[day] for day in shared], dtype=np.float64) for name, days in given.items()}
    found = {
        name: values[1:] / values[:-1] - 1 if len(values) > 1 and (values > 0).all() else np.zeros(0)
        for name, values in table.items()
    }
    full = [values for values in found.values() if len(values)]
    if not full:
        return found
    kept = is_market_day(shared[1:], np.abs(np.stack(full)).max(axis=0))
    return {name: values[kept] if len(values) else values for name, values in found.items()}


def is_market_day(days: Sequence[str], movement: Floats) -> NDArray[np.bool_]:
    """Leave out weekends on which nothing moved: LEAN samples them too, and no market was open.

    Args:
        days: ISO dates.
        movement: Return of each day; for several series, the largest one.
    """
    weekend = np.array([date.fromisoformat(day).weekday() >= 5 for day in days], dtype=bool)
    kept: NDArray[np.bool_] = ~(weekend & (movement == 0))
    return kept


def overfitting(returns: Mapping[str, Floats], blocks: int = _BLOCKS) -> Overfitting:
    """Return the probability of backtest overfitting of trials over the same days.

    Args:
        returns: Daily returns of each trial, equally long.
        blocks: Into how many the days are cut; even.
    """
    table = np.stack(list(returns.values()), axis=1) if returns else np.zeros((0, 0))
    count = table.shape[1]
    if count < 2:
        return Overfitting(None, 0, count, "fewer than two trials")
    if len(table) < 5 * blocks:
        return Overfitting(None, 0, count, f"{len(table)} days are too few, {5 * blocks} are needed")
    if np.ptp(table, axis=1).max() == 0:
        return Overfitting(None, 0, count, "all trials did the same")
    parts = np.array_split(table, blocks)
    sizes = np.array([len(part) for part in parts], dtype=np.float64)
    sums = np.stack([part.sum(axis=0) for part in parts])
    squares = np.stack([(part**2).sum(axis=0) for part in parts])
    ways = np.array(
        [[place in chosen for place in range(blocks)] for chosen in itertools.combinations(range(blocks), blocks // 2)],
        dtype=np.float64,
    )
    inside = _sharpes(ways @ sizes, ways @ sums, ways @ squares)
    outside = _sharpes((1 - ways) @ sizes, (1 - ways) @ sums, (1 - ways) @ squares)
    rows = np.arange(len(ways))
    best = inside.argmax(axis=1)
    own = outside[rows, best][:, None]
    # Mid-ranks: trials that tie with the chosen one stand half below it.
    below = (outside < own).sum(axis=1) + ((outside == own).sum(axis=1) - 1) / 2
    rank = (below + 1) / (count + 1)
    return Overfitting(float(np.mean(rank <= 0.5)), len(ways), count)


def _sharpes(days: Floats, sums: Floats, squares: Floats) -> Floats:
    mean = sums / days[:, None]
    spread = np.sqrt(np.maximum(squares / days[:, None] - mean**2, 0.0))
    return np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 1e-12)


def judge(best: str, returns: Mapping[str, Floats]) -> Believed:
    """Return whether the best trial is more than what so many trials give without any skill.

    Args:
        best: Name of the chosen trial.
        returns: Daily returns of all trials on the same days; those that failed had no chance and do not count.
    """
    usable = {name: values for name, values in returns.items() if len(values)}
    own = usable.get(best, np.zeros(0))
    deflated = deflated_sharpe(own, usable)
    spread = overfitting(usable)
    figures = (
        f"the Sharpe ratio of a day of the best of {deflated.trials} trials ({deflated.effective_trials} that move "
        f"apart) is {deflated.sharpe_day:.4f}, the best of as many worthless ones would show "
        f"{deflated.threshold_day:.4f}; deflated Sharpe ratio "
    )
    if deflated.probability is None:
        return Believed("cannot be judged", f"It cannot be judged: {deflated.reason}.", deflated, spread)
    figures += f"{deflated.probability:.3f} on {deflated.days} days"
    chance = spread.probability
    if chance is not None:
        figures += f", probability of backtest overfitting {chance:.2f}"
    if deflated.probability < BELIEVED_FROM or (chance is not None and chance >= _COIN_TOSS):
        return Believed("not believed", f"Do not believe the best trial: {figures}.", deflated, spread)
    if chance is None or chance > _MOST_OVERFITTING:
        return Believed("doubtful", f"The best trial is doubtful: {figures}.", deflated, spread)
    return Believed("holds up", f"The best trial holds up: {figures}.", deflated, spread)
