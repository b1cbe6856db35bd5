"""An e-process on paired differences: a bet, day after day, that the new generation is worse. Standard library only.

Under the hypothesis that it is not worse the capital is expected never to grow, so that it reaches 1 / level with
probability of at most `level` over the whole watch, however often it is looked at (Waudby-Smith and Ramdas, 2024).

Outcomes of one day move together, so a day is one bet: within it capital grows by sums, never by products of outcomes
that know of each other. The stake of a day is fixed by the days before it, Kelly's for the mean and the variance of
the newest of them, counted by day. While the new generation looks better nothing is staked, so that capital is left
when it turns bad.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["CLIP_R", "Evidence"]

CLIP_R = 3.0
CAP = 0.9  # share of the capital that one outcome can cost at most
PRIOR_WEIGHT = 20.0  # what is bet on before anything was seen, worth so many disagreements: half an R worse ...
PRIOR_MEAN_R = -0.5
PRIOR_SPREAD_R = 1.2  # ... with the spread of trades that stop at -1 R and reach their target at 1.5 R
LEAST = 1e-300  # a thousand lucky outcomes of one day must not end in zero
MEMORY = 60.0  # disagreements that the stake remembers: one that turns bad late is bet against soon


@dataclass
class Evidence:
    """Capital of the bet, and what its next stake is made of.

    Attributes:
        count: Outcomes so far.
        log: Log capital up to the last finished day.
        factor: What the running day made of it.
        stake: Stake of the running day.
        total: Sum of the newest differences of finished days, in units of the clip, with the prior's.
        spread: Squared deviations of their day sums from what the mean says, with the prior's.
        weight: How many disagreements they are, with the prior's.
        day_total: Sum of the running day.
        day_count: Disagreements of the running day.
    """

    count: int = 0
    log: float = 0.0
    factor: float = 1.0
    stake: float = 0.0
    total: float = PRIOR_WEIGHT * PRIOR_MEAN_R / CLIP_R
    spread: float = PRIOR_WEIGHT * (PRIOR_SPREAD_R / CLIP_R) ** 2
    weight: float = PRIOR_WEIGHT
    day_total: float = 0.0
    day_count: int = 0

    @property
    def value(self) -> float:
        """The e-value: 1 at the beginning, large where the new generation is worse."""
        return math.exp(min(self.log, 700.0)) * self.factor

    def new_day(self) -> None:
        """Close the running day and fix the stake of the next one."""
        mean = self.total / self.weight
        self.spread += (self.day_total - self.day_count * mean) ** 2
        self.total += self.day_total
        self.weight += self.day_count
        forget = min(1.0, MEMORY / self.weight)
        self.total, self.spread, self.weight = self.total * forget, self.spread * forget, self.weight * forget
        self.log += math.log(self.factor)
        self.factor = 1.0
        self.day_total, self.day_count = 0.0, 0
        mean = self.total / self.weight
        self.stake = min(CAP, max(0.0, -mean / (self.spread / self.weight + mean * mean)))

    def add(self, difference_r: float) -> None:
        """Take in one paired difference: new minus previous, in R, already clipped."""
        x = difference_r / CLIP_R
        self.factor = max(LEAST, self.factor - min(self.stake, CAP * self.factor) * x)
        self.count += 1
        self.day_total += x
        self.day_count += x != 0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        """Rebuild from `to_json`.

        Raises:
            ValueError: It is damaged.
        """
        rebuilt = cls(**data)
        numbers = [rebuilt.stake, rebuilt.total, rebuilt.spread, rebuilt.weight, rebuilt.log, rebuilt.factor]
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"the evidence of {rebuilt.count} outcomes is damaged")
        if rebuilt.factor <= 0 or not PRIOR_WEIGHT <= rebuilt.weight <= MEMORY * (1 + 1e-9):
            raise ValueError(f"the evidence of {rebuilt.count} outcomes is impossible")
        return rebuilt
