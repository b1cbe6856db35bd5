"""From the decisions of all cells to claims: net return and Sharpe of learning against every control.

A day's return of an arm is one percent times the net R, clipped at 3 R and times the size multiplier, of what it took
on that day. The random veto is the learning arm's own verdicts and sizes in random order, drawn many times: its
expectation is the control.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.proofs.planted_config import SEEDS
from llm_plugin.walkforward.claims import Deflated, Gain, deflated_sharpe, gain_over, pooled_over

__all__ = ["CONTROLS", "LoopClaim", "LoopVerdict", "arm_returns", "judge_loop", "loop_claim"]

Floats = NDArray[np.float64]
Cell = Mapping[str, Any]
CLIP_R = 3.0
RISK_FRACTION = 0.01
CONTROLS = ("frozen", "none", "random")
"""What learning has to beat; the tabular arm and the oracle are shown beside them."""
SHOWN = (*CONTROLS, "tabular", "oracle")
POSITIVE_SEEDS = 4


@dataclass(frozen=True, slots=True)
class LoopClaim:
    """How much better learning did than a control.

    Attributes:
        control: The control.
        seeds: Gains by seed, in the order of `seed_numbers`.
        seed_numbers: Which seeds.
        pooled: Over all seeds.
    """

    control: str
    seeds: tuple[Gain, ...]
    seed_numbers: tuple[int, ...]
    pooled: Gain

    @property
    def positive(self) -> int:
        """Seeds that gained in both, return and Sharpe."""
        return sum(
            gain.net_return.mean is not None
            and gain.sharpe.mean is not None
            and min(gain.net_return.mean, gain.sharpe.mean) > 0
            for gain in self.seeds
        )

    @property
    def holds(self) -> bool | None:
        """Both pooled intervals above zero and four of five seeds positive; None while seeds are missing."""
        if len(self.seeds) < len(SEEDS) or self.pooled.net_return.low is None or self.pooled.sharpe.low is None:
            return None
        low = min(self.pooled.net_return.low, self.pooled.sharpe.low)
        return low > 0 and self.positive >= POSITIVE_SEEDS * len(self.seeds) / len(SEEDS)


@dataclass(frozen=True, slots=True)
class LoopVerdict:
    """What one kind of run shows, against what it must show.

    Attributes:
        variant: Its name.
        shuffled: Whether the loop learned from outcomes in random order.
        seeds: Seeds that are there.
        claims: Learning against every control, the tabular arm and the oracle.
        deflated: Deflated Sharpe ratio of the learning arm, by seed.
    """

    variant: str
    shuffled: bool
    seeds: tuple[int, ...]
    claims: tuple[LoopClaim, ...]
    deflated: tuple[Deflated, ...]

    @property
    def as_expected(self) -> bool | None:
        """Learning beats every control; shuffled it does not beat the frozen one. None while seeds are missing."""
        holds = {item.control: item.holds for item in self.claims}
        wanted = [holds[name] for name in (("frozen",) if self.shuffled else CONTROLS)]
        if any(value is None for value in wanted):
            return None
        return not any(wanted) if self.shuffled else all(wanted)


def net_of(cell: Cell) -> Floats:
    """Return the clipped net R per decision."""
    return np.clip(np.array(cell["decisions"]["net_r"], dtype=np.float64), -CLIP_R, CLIP_R)


def size_of(cell: Cell, arm: str) -> Floats:
    """Return an arm's multiplier per decision, 0 for a veto; `none`, `random` and `oracle` are computed."""
    if arm == "none":
        return np.ones(len(cell["decisions"]["net_r"]))
    if arm == "oracle":
        return np.array(cell["decisions"]["good"], dtype=np.float64)
    if arm == "random":
        learning = np.array(cell["arms"]["learning"]["size"], dtype=np.float64)
        return np.full(len(learning), float(learning.mean()))
    return np.array(cell["arms"][arm]["size"], dtype=np.float64)


def arm_returns(cell: Cell, arm: str) -> Floats:
    """Return an arm's return of each day."""
    days = np.array(cell["decisions"]["day"])
    values = RISK_FRACTION * size_of(cell, arm) * net_of(cell)
    return np.bincount(days, weights=values, minlength=len(cell["days"])).astype(np.float64)


def loop_claim(cells: Sequence[Cell], control: str) -> LoopClaim:
    """Compare learning with a control on the same decisions.

    Args:
        cells: Results of one kind of run, one per seed.
        control: The control.
    """
    ordered = sorted(cells, key=lambda cell: int(cell["seed"]))
    pairs = [(arm_returns(cell, "learning"), arm_returns(cell, control)) for cell in ordered]
    numbers = tuple(int(cell["seed"]) for cell in ordered)
    gains = tuple(
        gain_over("learning", treated, control, other, seed=number)
        for number, (treated, other) in zip(numbers, pairs, strict=True)
    )
    return LoopClaim(control, gains, numbers, pooled_over("learning", control, pairs))


def judge_loop(cells: Sequence[Cell]) -> LoopVerdict:
    """Judge the cells of one kind of run."""
    ordered = sorted(cells, key=lambda cell: int(cell["seed"]))
    first = ordered[0]
    deflated = tuple(
        deflated_sharpe(
            arm_returns(cell, "learning"),
            {name: arm_returns(cell, name) for name in ("learning", "frozen", "none", "tabular")},
        )
        for cell in ordered
    )
    return LoopVerdict(
        str(first["variant"]),
        bool(first["shuffled"]),
        tuple(int(cell["seed"]) for cell in ordered),
        tuple(loop_claim(ordered, control) for control in SHOWN),
        deflated,
    )
