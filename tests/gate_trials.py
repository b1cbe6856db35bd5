"""Holdout windows with known truth for gate and watch: who has skill, who has none, and what trades pay.

A trade stops at -1 R or reaches its target at 1.5 R, 0.05 R of costs included; 15 % end by time between -0.6 and 0.9 R.
All trades of a day share a push of the market along their side.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from questions import FEATURES, question

from llm_plugin.domain import Action, Decision, QuestionKind, Source, Verdict
from llm_plugin.learning.types import MaturedDecision, PolicyAnswer, StoredPrompt

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
WIN, LOSS, TIMED, TIME_LOW, TIME_HIGH = 1.45, -1.05, 0.15, -0.6, 0.9
TICKERS = ("EURUSD", "GBPUSD", "USDJPY")


@functools.cache
def window(count: int = 100, per_day: int = 3, seed: int = 0) -> tuple[MaturedDecision, ...]:
    """Matured decisions without outcomes, evenly spread over weekdays, in all regimes, on three symbols."""
    rng, made = np.random.default_rng(seed), []
    for number in range(count):
        day, slot = divmod(number, per_day)
        hours = (day // 5 * 7 + day % 5) * 24 + slot * 24 // per_day
        features = {**FEATURES, "adx_14": float(rng.uniform(10, 40)), "volatility_percentile": float(rng.random())}
        side = Action.BUY if rng.random() < 0.5 else Action.SELL
        symbol = TICKERS[number % len(TICKERS)]
        made.append(matured(hours, side, symbol=symbol, features=features))
    return tuple(made)


def matured(
    hours: float,
    side: Action = Action.BUY,
    net_r: float | None = None,
    *,
    symbol: str = "EURUSD",
    features: dict[str, float] | None = None,
    run_id: str = "run",
) -> MaturedDecision:
    """One matured decision."""
    request = question(hours, side, symbol=symbol, features=features, run_id=run_id)
    time = request.market.time_utc
    decision = Decision(
        decision_id=request.decision_id,
        run_id=run_id,
        kind=QuestionKind.ENTRY,
        symbol_id=symbol,
        time_utc=time,
        verdict=Verdict.APPROVE,
        action=side,
        size_multiplier=1.0,
        confidence=0.6,
        source=Source.LLM,
        signal_action=side,
        signal_confidence=0.6,
    )
    prompt = StoredPrompt("prefix ", f"question {request.decision_id}", request.decision_id)
    closed, ripe = time + timedelta(hours=5), time + timedelta(hours=24)
    return MaturedDecision(request, decision, prompt, "1", "1", net_r, None, closed, ripe)


def with_outcomes(decisions: Sequence[MaturedDecision], net_r: Floats) -> list[MaturedDecision]:
    """The same decisions with what their trades paid."""
    return [replace(decision, net_r=float(r)) for decision, r in zip(decisions, net_r, strict=True)]


def answers(
    decisions: Sequence[MaturedDecision],
    take: Bools | Sequence[bool],
    version: str,
    pays: Floats | None = None,
    *,
    mass: float = 0.98,
    seconds: float = 0.01,
) -> list[PolicyAnswer]:
    """A policy that takes the signals marked; `pays` are its calibrated probabilities."""
    chances = pays if pays is not None else np.full(len(decisions), np.nan)
    return [
        PolicyAnswer(
            decision_id=decision.decision_id,
            version=version,
            action=decision.signal_action if taken else Action.HOLD,
            size=1.0 if taken else 0.0,
            margin=1.0 if taken else -1.0,
            action_mass=mass,
            profit_probability=float(chance),
            seconds=seconds,
        )
        for decision, taken, chance in zip(decisions, take, chances, strict=True)
    ]


def mean_to_chance(mean_r: Floats | float) -> Floats:
    """Return the winners' share at which trades pay so much in the mean."""
    timed = TIMED * (TIME_LOW + TIME_HIGH) / 2
    share = ((np.asarray(mean_r, dtype=np.float64) - timed) / (1 - TIMED) - LOSS) / (WIN - LOSS)
    if np.any((share < 0) | (share > 1)):
        raise ValueError(f"no such trades can pay {mean_r} R in the mean")
    return share


def trades(rng: np.random.Generator, mean_r: Floats, push: Floats | float = 0.0) -> Floats:
    """Draw what trades pay, given what they pay in the mean, and the market's push on each."""
    won = rng.random(mean_r.shape) < mean_to_chance(mean_r)
    timed = rng.random(mean_r.shape) < TIMED
    drawn = np.where(timed, rng.uniform(TIME_LOW, TIME_HIGH, mean_r.shape), np.where(won, WIN, LOSS))
    return drawn + push


def day_push(rng: np.random.Generator, decisions: Sequence[MaturedDecision], spread_r: float) -> Floats:
    """Draw one push a day and apply it along each trade's side."""
    days = [decision.time_utc.date() for decision in decisions]
    index = {day: number for number, day in enumerate(dict.fromkeys(days))}
    pushes = rng.normal(0.0, spread_r, len(index))
    return np.array([pushes[index[day]] * row.signal_action.side for day, row in zip(days, decisions, strict=True)])


@dataclass(frozen=True)
class Trial:
    """One window with both sides' answers."""

    decisions: list[MaturedDecision]
    champion: list[PolicyAnswer]
    challenger: list[PolicyAnswer]


def readers(
    rng: np.random.Generator,
    *,
    champion_skill: float,
    challenger_skill: float,
    mean_r: float = 0.0,
    spread_r: float = 0.5,
    push_r: float = 0.3,
    count: int = 100,
    per_day: int = 3,
) -> Trial:
    """Two policies that read a hidden quality of each signal, each with noise of its own.

    Args:
        rng: Randomness.
        champion_skill: Correlation of what the champion reads with the quality.
        challenger_skill: The same of the challenger; equal skills are exchangeable, a negative one is inverted.
        mean_r: What signals pay in the mean.
        spread_r: Spread of that mean over the quality.
        push_r: Spread of the market's daily push.
        count: Decisions.
        per_day: Decisions a day.
    """
    base = window(count, per_day)
    quality = rng.normal(size=count)
    means = np.clip(mean_r + spread_r * quality, -0.85, 1.2)
    decisions = with_outcomes(base, trades(rng, means, day_push(rng, base, push_r)))
    sides = []
    for name, skill in (("champion", champion_skill), ("challenger", challenger_skill)):
        read = skill * quality + np.sqrt(1 - skill * skill) * rng.normal(size=count)
        pays = mean_to_chance(np.clip(mean_r + spread_r * abs(skill) * read, -0.85, 1.2))
        sides.append(answers(decisions, read > 0, name, pays))
    return Trial(decisions, *sides)


def disagreeing(
    rng: np.random.Generator,
    *,
    disagree: float = 0.5,
    gain_r: float = 0.5,
    mean_r: float = 0.0,
    push_r: float = 0.3,
    count: int = 100,
    per_day: int = 3,
) -> Trial:
    """Two policies that differ on a share of decisions, where the challenger is right by so many R in the mean.

    Half of these it takes and the champion does not (they pay +gain), half the other way round (they pay -gain). On
    the rest both decide alike without any skill: half are taken, and taken or not they pay the same in the mean.
    """
    base = window(count, per_day)
    differ, ours = rng.random(count) < disagree, rng.random(count) < 0.5
    theirs = np.where(differ, ~ours, ours)
    means = np.where(differ, np.where(theirs, gain_r, -gain_r), mean_r)
    decisions = with_outcomes(base, trades(rng, means, day_push(rng, base, push_r)))
    chances = [mean_to_chance(np.where(take, 0.2, -0.2)) for take in (ours, theirs)]
    champion = answers(decisions, ours, "champion", chances[0])
    return Trial(decisions, champion, answers(decisions, theirs, "challenger", chances[1]))


def offender(
    rng: np.random.Generator, kind: str, *, mean_r: float, champion_skill: float = 0.0, count: int = 100
) -> Trial:
    """A challenger that must not pass, against a champion that takes every signal, or reads some of its quality.

    Args:
        rng: Randomness.
        kind: `hold` vetoes all; `random` vetoes 45 %; `inverted` learned from inverted labels; `shuffled` from
            shuffled ones, so that it reads something, but nothing of worth.
        mean_r: What signals pay in the mean.
        champion_skill: 0 = it takes every signal.
        count: Decisions.
    """
    base, quality, noise = window(count), rng.normal(size=count), rng.normal(size=count)
    decisions = with_outcomes(base, trades(rng, np.clip(mean_r + 0.5 * quality, -0.85, 1.2), day_push(rng, base, 0.3)))
    champion = np.ones(count, dtype=bool)
    if champion_skill:
        champion = champion_skill * quality + np.sqrt(1 - champion_skill**2) * rng.normal(size=count) > 0
    verdicts = {
        "hold": np.zeros(count, dtype=bool),
        "random": rng.random(count) >= 0.45,
        "inverted": -0.7 * quality + np.sqrt(0.51) * noise > -0.1,
        "shuffled": noise > -0.1,
    }
    return Trial(decisions, answers(decisions, champion, "champion"), answers(decisions, verdicts[kind], kind))
