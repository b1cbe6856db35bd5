"""The alphas as pairs of an instruction and an algorithm, for the dataset of strategies."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from llm_plugin.alphas.catalogue import Alpha, alphas
from llm_plugin.alphas.plans import plan_of
from llm_plugin.alphas.source import DEFAULT_TICKERS, WEIGHTINGS, AlgorithmPlan, algorithm_source
from llm_plugin.alphas.words import in_words

__all__ = ["AlphaExample", "alpha_examples", "default_plan", "varied_plan"]

_EVERY = {"day": "daily", "week": "weekly", "month": "monthly"}


@dataclass(frozen=True, slots=True)
class AlphaExample:
    """One alpha as a request and its answer.

    Attributes:
        number: 1 to 101.
        formula: As it is printed in the paper.
        instructions: The same request in different words.
        source: The algorithm, a `main.py` that stands alone.
        facts: What the algorithm trades: `symbols`, `security_type`, `resolution`, `direction`, `rebalance`, `start`
            and `end`.
    """

    number: int
    formula: str
    instructions: tuple[str, ...]
    source: str
    facts: Mapping[str, Any]


def default_plan() -> AlgorithmPlan:
    """Return half a year of the equities that `datasets/market` has."""
    return plan_of()


def varied_plan(alpha: Alpha) -> AlgorithmPlan:
    """Return a universe, period, schedule and weighting of each alpha's own, the same whenever it is asked.

    Schedules are daily and weekly: over few names a slow alpha often ties all of them on the first day of a month.
    """
    draw = random.Random(f"worldquant alpha {alpha.number}")  # noqa: S311 - variety, no secret
    often = ("day", "week") if alpha.lookback <= 30 else ("week",)
    start = date(draw.randint(2015, 2019), draw.choice((1, 4, 7)), draw.randint(2, 28))
    return plan_of(
        tickers=tuple(sorted(draw.sample(DEFAULT_TICKERS, draw.randint(11, len(DEFAULT_TICKERS))))),
        weighting=draw.choice(tuple(WEIGHTINGS)),
        rebalance=draw.choice(often),
        start=start,
        end=start + timedelta(days=draw.randint(150, 200)),
    )


def alpha_examples(
    plan: AlgorithmPlan | None = None, *, weightings: tuple[str, ...] = ("dollar-neutral",), varied: bool = False
) -> Iterator[AlphaExample]:
    """Yield all 101 alphas in order, each once for every weighting.

    Args:
        plan: Universe and period; by default those of `default_plan`.
        weightings: Keys of `WEIGHTINGS`.
        varied: Give each alpha its own plan by `varied_plan` instead: once, with the weighting of that plan.
    """
    for each in alphas():
        if varied:
            yield _example(each, varied_plan(each))
        else:
            for weighting in weightings:
                yield _example(each, replace(plan or default_plan(), weighting=weighting))


def _example(alpha: Alpha, plan: AlgorithmPlan) -> AlphaExample:
    facts = {
        "symbols": list(plan.tickers),
        "security_type": "equity",
        "resolution": "daily",
        "direction": "long" if plan.weighting == "long-only" else "both",
        "rebalance": {"every": plan.rebalance},
        "start": plan.start.isoformat(),
        "end": plan.end.isoformat(),
    }
    return AlphaExample(alpha.number, alpha.formula, _instructions(alpha, plan), algorithm_source(alpha, plan), facts)


def _instructions(alpha: Alpha, plan: AlgorithmPlan) -> tuple[str, ...]:
    tickers, every, formula = ", ".join(plan.tickers), _EVERY[plan.rebalance], alpha.formula
    if plan.weighting == "long-only":
        sides = "hold the best fifth of the names in equal parts"
        book = "a long-only portfolio of the top quintile"
    else:
        sides = "buy the upper half of the ranking and short the lower half, dollar-neutral"
        book = "a dollar-neutral long/short portfolio"
    return (
        f"Implement WorldQuant alpha {alpha.number} as a LEAN algorithm on {tickers} with daily bars: {formula}. "
        f"Rebalance {every} and {sides}.",
        f"Rank {tickers} at the close by {formula} and {sides}; rebalance {every}.",
        f"Write a cross-sectional alpha model for {tickers} that trades the formula {formula} as {book}, "
        f"rebalanced {every}.",
        f"{every.capitalize()} rebalanced equity strategy over {tickers}, daily resolution. Score each stock with "
        f"{in_words(alpha.formula)}; {sides}.",
        f"I want {book} of {tickers}, rebalanced {every}. The signal is #{alpha.number} of the 101 formulaic alphas.",
    )
