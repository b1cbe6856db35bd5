"""Two policies on the same decisions, side by side: utilities in clipped R, day blocks, regimes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llm_plugin.domain import Action
from llm_plugin.errors import DataError
from llm_plugin.learning.types import MaturedDecision, PolicyAnswer, Utility

if TYPE_CHECKING:
    from llm_plugin.settings import FusionSettings

__all__ = ["CLIP_R", "Paired", "pair", "regimes_of", "utilities"]

CLIP_R = 3.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """Aligned columns, one row per judged decision, in the order of time.

    Attributes:
        decisions: The judged decisions.
        net_r: Replayed net R, clipped.
        champion: Size multipliers.
        challenger: Size multipliers.
        day: Index of each row's day block, from 0.
        days: Number of day blocks.
        champion_answers: Aligned.
        challenger_answers: Aligned.
        left_out: Decisions that could not be judged, by cause.
    """

    decisions: tuple[MaturedDecision, ...]
    net_r: Floats
    champion: Floats
    challenger: Floats
    day: NDArray[np.int64]
    days: int
    champion_answers: tuple[PolicyAnswer, ...]
    challenger_answers: tuple[PolicyAnswer, ...]
    left_out: Mapping[str, int]

    @property
    def gains(self) -> Floats:
        """Utility of the challenger minus that of the champion."""
        return self.net_r * (self.challenger - self.champion)

    def day_sums(self, values: Floats) -> Floats:
        """Sum a column within day blocks."""
        return np.bincount(self.day, weights=values, minlength=self.days).astype(np.float64)


def pair(
    champion: Sequence[PolicyAnswer],
    challenger: Sequence[PolicyAnswer],
    decisions: Sequence[MaturedDecision],
    as_of_utc: datetime,
) -> Paired:
    """Align two policies on the decisions that can be judged.

    Raises:
        DataError: The two did not answer the same questions, an answer fits no question, or a decision is not matured.
    """
    ours, theirs = _by_id(champion, "champion"), _by_id(challenger, "challenger")
    only = sorted(set(ours) ^ set(theirs))
    if only:
        who = "champion" if only[0] in ours else "challenger"
        raise DataError(f"{len(only)} decisions were answered by one side only (first: {only[0]}, by the {who})")
    known = {decision.decision_id: decision for decision in decisions}
    if len(known) != len(decisions):
        raise DataError(f"{len(decisions)} decisions have only {len(known)} ids; give each decision once")
    strange = sorted(set(ours) - set(known))
    if strange:
        raise DataError(f"{len(strange)} answers belong to no decision of the window (first: {strange[0]})")
    rows, left_out = [], Counter[str]()
    for decision in sorted(known.values(), key=lambda item: (item.time_utc, item.decision_id)):
        cause = _unjudged(decision, ours, as_of_utc)
        if cause:
            left_out[cause] += 1
        else:
            rows.append(decision)
    return _columns(rows, ours, theirs, left_out)


def utilities(paired: Paired) -> list[Utility]:
    """Return the rows as records."""
    return [
        Utility(row.decision_id, row.time_utc, row.request.market.symbol_id, float(net), float(net * a), float(net * b))
        for row, net, a, b in zip(paired.decisions, paired.net_r, paired.champion, paired.challenger, strict=True)
    ]


def regimes_of(decision: MaturedDecision, fusion: FusionSettings | None = None) -> dict[str, str]:
    """Return a decision's slice in each dimension; one that is unavailable is absent.

    Args:
        decision: The question.
        fusion: Its ADX bounds tell trend, range and neutral apart; None = the shipped bounds.
    """
    trend, calm = (fusion.adx_trend, fusion.adx_range) if fusion is not None else (25.0, 20.0)
    features, found = decision.request.market.features, {}
    adx = features.get("adx_14", math.nan)
    if math.isfinite(adx):
        found["regime"] = "trend" if adx >= trend else "range" if adx < calm else "neutral"
    volatility = features.get("volatility_percentile", math.nan)
    if math.isfinite(volatility):
        found["volatility"] = "high" if volatility >= 0.5 else "low"
    found["side"] = decision.signal_action.value
    found["symbol"] = decision.request.market.ticker or decision.request.market.symbol_id
    return found


def _unjudged(decision: MaturedDecision, answers: Mapping[str, PolicyAnswer], as_of_utc: datetime) -> str:
    if decision.matured_utc > as_of_utc:
        raise DataError(
            f"decision {decision.decision_id} matures at {decision.matured_utc.isoformat()}, after "
            f"{as_of_utc.isoformat()}: only matured decisions are judged"
        )
    if decision.origin != "signal":
        return "no signal of the algorithm"
    if decision.net_r is None or not math.isfinite(decision.net_r):
        return "cannot be replayed"
    if decision.decision_id not in answers:
        return "no prompt"
    return ""


def _by_id(answers: Sequence[PolicyAnswer], who: str) -> dict[str, PolicyAnswer]:
    found: dict[str, PolicyAnswer] = {}
    for answer in answers:
        if answer.decision_id in found:
            raise DataError(f"the {who} answered decision {answer.decision_id} twice")
        if answer.version != answers[0].version:
            raise DataError(f"the {who}'s answers mix versions {answers[0].version} and {answer.version}")
        if not 0 <= answer.size <= 1 or (answer.action is Action.HOLD) != (answer.size == 0):
            raise DataError(
                f"the {who} answered decision {answer.decision_id} with {answer.action.value} x {answer.size}; "
                "HOLD has size 0, an entry more than 0 and at most 1"
            )
        found[answer.decision_id] = answer
    return found


def _columns(
    rows: Sequence[MaturedDecision],
    ours: Mapping[str, PolicyAnswer],
    theirs: Mapping[str, PolicyAnswer],
    left_out: Mapping[str, int],
) -> Paired:
    champion, challenger = tuple(ours[r.decision_id] for r in rows), tuple(theirs[r.decision_id] for r in rows)
    for row, *both in zip(rows, champion, challenger, strict=True):
        for answer in both:
            if answer.approved and answer.action is not row.signal_action:
                raise DataError(
                    f"{answer.version} answered {answer.action.value} to the {row.signal_action.value} signal of "
                    f"decision {row.decision_id}; only the signal's own action and HOLD have a known end"
                )
    dates = [row.time_utc.astimezone(UTC).date() for row in rows]
    index = {date: number for number, date in enumerate(dict.fromkeys(dates))}
    net = np.array([float(row.net_r or 0.0) for row in rows], dtype=np.float64)
    return Paired(
        decisions=tuple(rows),
        net_r=np.clip(net, -CLIP_R, CLIP_R),
        champion=np.array([answer.size for answer in champion], dtype=np.float64),
        challenger=np.array([answer.size for answer in challenger], dtype=np.float64),
        day=np.array([index[date] for date in dates], dtype=np.int64),
        days=len(index),
        champion_answers=champion,
        challenger_answers=challenger,
        left_out=dict(left_out),
    )
