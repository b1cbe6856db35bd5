"""What a strategy has cost so far, and whether there is enough for the next step."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from llm_plugin.errors import LeanLlmError
from llm_plugin.strategies.generate.config import Budget
from llm_plugin.strategies.models import Completion, Price

__all__ = ["BudgetSpent", "Meter"]

LEAST_TOKENS = 64


class BudgetSpent(LeanLlmError):
    """Tokens, money or time are used up; what was reached is kept."""


@dataclass
class Meter:
    """Counts tokens, USD and seconds; what a resumed record holds is counted too."""

    budget: Budget
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    unpriced: int = 0
    answers: int = 0
    earlier_seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Time of models and gates, that of the stopped runs before included."""
        return self.earlier_seconds + time.monotonic() - self.started

    def left_seconds(self) -> float | None:
        """Return the time that is left, None where there is no limit."""
        return None if self.budget.seconds is None else self.budget.seconds - self.seconds

    def take(self, answer: Completion, *, earlier: bool = False) -> None:
        """Count an answer."""
        self.answers += 1
        self.tokens_in += answer.tokens_in
        self.tokens_out += answer.tokens_out
        if answer.cost_usd is None:
            self.unpriced += 1
        else:
            self.usd += answer.cost_usd
        if earlier:
            self.earlier_seconds += answer.seconds

    def check_time(self) -> None:
        """Refuse to go on when the time is over.

        Raises:
            BudgetSpent: It is.
        """
        left = self.left_seconds()
        if left is not None and left <= 0:
            raise BudgetSpent(f"budget.seconds = {self.budget.seconds:g} is used up after {self.answers} answers")

    def most_new_tokens(self, wanted: int, asked_characters: int, price: Price | None) -> int:
        """Return how long the next answer may be so that no limit is passed.

        Args:
            wanted: As the model's settings have it.
            asked_characters: Length of the question; a token is at least one of its characters.
            price: Of the model that is asked.

        Raises:
            BudgetSpent: Not enough is left for a useful answer.
        """
        self.check_time()
        most, about = wanted, asked_characters // 3
        if self.budget.tokens is not None:
            most = min(most, self.budget.tokens - self.tokens_in - self.tokens_out - about)
        if most < LEAST_TOKENS:
            used = self.tokens_in + self.tokens_out
            raise BudgetSpent(
                f"budget.tokens = {self.budget.tokens} is used up: {used} used, the next question has {about}"
            )
        if self.budget.usd is not None and price is not None and price.usd_per_million_out > 0:
            left = self.budget.usd - self.usd - price.of(about, 0)
            most = min(most, int(left * 1e6 / price.usd_per_million_out))
            if most < LEAST_TOKENS:
                raise BudgetSpent(f"budget.usd = {self.budget.usd:g} is used up: {self.usd:.4f} USD spent")
        return most

    def to_json(self) -> dict[str, Any]:
        """Return the sums as plain values; `usd` leaves out `unpriced` answers."""
        return {
            "answers": self.answers,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "usd": round(self.usd, 6),
            "unpriced_answers": self.unpriced,
            "seconds": round(self.seconds, 2),
        }
