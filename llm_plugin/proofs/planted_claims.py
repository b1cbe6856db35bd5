"""From the decisions of all cells to claims: paired gains per signal with intervals, by seed and pooled over seeds.

Utility of a decision = replayed net R of the signal's action, clipped at 3 R, times the size multiplier; a veto is 0.
The random veto is the arm's own verdicts and sizes in random order: its expectation is the mean multiplier times the
result, and single draws show its spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.proofs.planted_config import SEEDS
from llm_plugin.runs.claims import Interval, paired_gain, pooled_gain

__all__ = ["Claim", "Gain", "RandomDraws", "Verdict", "claim", "judge", "random_draws", "sizes_of", "utility"]

Floats = NDArray[np.float64]
Cell = Mapping[str, Any]
CLIP_R = 3.0
POSITIVE_SEEDS = 4
DRAWS = 1_000
INTERVAL_DRAWS = 20
CONTROLS = ("none", "random")


@dataclass(frozen=True, slots=True)
class Gain:
    """A mean gain per signal with its interval; `n` counts signals, `days` the days that were resampled."""

    mean: float | None
    low: float | None
    high: float | None
    n: int
    days: int
    seed: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """How much better an arm is than a control, in R per signal."""

    arm: str
    control: str
    sized: bool
    seeds: tuple[Gain, ...]
    pooled: Gain

    @property
    def positive(self) -> int:
        """Seeds with a gain above zero."""
        return sum(gain.mean is not None and gain.mean > 0 for gain in self.seeds)

    @property
    def holds(self) -> bool | None:
        """Pooled interval above zero and at least four of five seeds positive; None while seeds are missing."""
        if len(self.seeds) < len(SEEDS) or self.pooled.low is None:
            return None
        return self.pooled.low > 0 and self.positive >= POSITIVE_SEEDS * len(self.seeds) / len(SEEDS)


@dataclass(frozen=True, slots=True)
class RandomDraws:
    """Random vetoes drawn one by one.

    Attributes:
        draws: How many were drawn, each over all seeds.
        sd: Standard deviation of their mean utility per signal.
        p_value: Share of draws, the arm itself counted, that did at least as well as the arm.
        intervals_above_zero: Of `interval_draws` single draws as control, how many leave an interval above zero.
        interval_draws: How many were tried.
    """

    draws: int
    sd: float
    p_value: float
    intervals_above_zero: int
    interval_draws: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a market shows, against what it must show.

    Attributes:
        variant: Its name.
        rule: Whether a rule was planted.
        seeds: Seeds that are there.
        claims: LLM against no LLM and against random vetoes, sized.
        as_expected: With a rule both hold, without it neither; None while seeds are missing.
    """

    variant: str
    rule: bool
    seeds: tuple[int, ...]
    claims: tuple[Claim, ...]

    @property
    def as_expected(self) -> bool | None:
        """See the class."""
        holds = [item.holds for item in self.claims]
        if any(value is None for value in holds):
            return None
        return all(holds) if self.rule else not any(holds)


def sizes_of(cell: Cell, arm: str, sized: bool = True) -> Floats:
    """Return an arm's multiplier per decision, 0 for a veto; `none` and `oracle` are computed."""
    if arm == "none":
        return np.ones(len(cell["decisions"]["net_r"]))
    if arm == "oracle":
        return np.array(cell["decisions"]["context"], dtype=np.float64)
    sizes = np.array(cell["arms"][arm]["size"], dtype=np.float64)
    return sizes if sized else (sizes > 0).astype(np.float64)


def results_of(cell: Cell) -> Floats:
    """Return the clipped net R per decision."""
    return np.clip(np.array(cell["decisions"]["net_r"], dtype=np.float64), -CLIP_R, CLIP_R)


def utility(cell: Cell, arm: str, sized: bool = True) -> Floats:
    """Return an arm's utility per decision."""
    return sizes_of(cell, arm, sized) * results_of(cell)


def claim(cells: Sequence[Cell], arm: str, control: str, *, sized: bool = True) -> Claim:
    """Compare an arm with `none`, `random` or another arm on the same decisions.

    Args:
        cells: Results of one market, one per seed.
        arm: The treated arm.
        control: `random` is the expectation of the arm's own verdicts and sizes in random order.
        sized: With size multipliers, or every approved trade at full size.
    """
    ordered = sorted(cells, key=lambda cell: int(cell["seed"]))
    pairs = [(_daily(c, utility(c, arm, sized)), _daily(c, _control(c, arm, control, sized))) for c in ordered]
    gains = tuple(
        _per_signal(paired_gain(treated, other, seed=int(cell["seed"])), _signals(cell), int(cell["seed"]))
        for cell, (treated, other) in zip(ordered, pairs, strict=True)
    )
    pooled = _pooled([treated - other for treated, other in pairs])
    return Claim(arm, control, sized, gains, _per_signal(pooled, sum(_signals(cell) for cell in ordered)))


def random_draws(
    cells: Sequence[Cell], arm: str, *, draws: int = DRAWS, interval_draws: int = INTERVAL_DRAWS
) -> RandomDraws:
    """Draw random vetoes: the arm's own verdicts and sizes, shuffled within each seed.

    Args:
        cells: Results of one market.
        arm: Whose verdicts.
        draws: How many.
        interval_draws: The first so many are also compared with an interval each.
    """
    own = sum(float(utility(cell, arm).sum()) for cell in cells)
    total = sum(_signals(cell) for cell in cells)
    sums, above = np.zeros(draws), 0
    shuffled = [np.random.default_rng([int(cell["seed"]), 77]) for cell in cells]
    for draw in range(draws):
        single = []
        for cell, rng in zip(cells, shuffled, strict=True):
            result = rng.permutation(sizes_of(cell, arm)) * results_of(cell)
            sums[draw] += float(result.sum())
            single.append(result)
        if draw < interval_draws:
            differences = [_daily(cell, utility(cell, arm) - other) for cell, other in zip(cells, single, strict=True)]
            above += _pooled(differences).above_zero
    p_value = (1 + int((sums >= own).sum())) / (1 + draws)
    return RandomDraws(draws, float((sums / total).std()), p_value, above, min(draws, interval_draws))


def judge(cells: Sequence[Cell], arm: str = "llm") -> Verdict:
    """Judge the cells of one market."""
    first = cells[0]
    seeds = tuple(sorted(int(cell["seed"]) for cell in cells))
    claims = tuple(claim(cells, arm, control) for control in CONTROLS)
    return Verdict(str(first["variant"]), bool(first["rule"]), seeds, claims)


def _pooled(differences: Sequence[Floats]) -> Interval:
    with np.errstate(invalid="ignore", divide="ignore"):  # no difference at all has no autocorrelation
        return pooled_gain(differences)


def _control(cell: Cell, arm: str, control: str, sized: bool) -> Floats:
    if control == "random":
        return results_of(cell) * float(sizes_of(cell, arm, sized).mean())
    return utility(cell, control, sized)


def _daily(cell: Cell, values: Floats) -> Floats:
    """Sum by the day of the decision; a day without one counts as 0."""
    days = np.array(cell["decisions"]["day"])
    return np.bincount(days, weights=values, minlength=len(cell["days"])).astype(np.float64)


def _signals(cell: Cell) -> int:
    return len(cell["decisions"]["net_r"])


def _per_signal(interval: Interval, signals: int, seed: int | None = None) -> Gain:
    """Turn a gain per day into one per signal: the same figure in another unit."""
    scale = interval.n / signals

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * scale

    return Gain(
        scaled(interval.mean), scaled(interval.low), scaled(interval.high), signals, interval.n, seed, interval.reason
    )
