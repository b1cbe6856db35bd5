"""Matured decisions as the detectors of outcomes and calibration see them, ordered by decision time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from llm_plugin.learning.types import MaturedDecision

__all__ = ["OutcomePoint", "of_newest_version", "outcome_points"]


@dataclass(frozen=True, slots=True)
class OutcomePoint:
    """One matured decision.

    Attributes:
        decision_id: Unique for ever.
        time_utc: When it was asked.
        closed_utc: When its replay ended.
        net_r: Replayed net R of the signal's action, taken or not.
        approved: Whether it was taken.
        probability: Calibrated probability, at the time, that net R is above zero; NaN without a calibrator.
        version: Model that answered, empty where none did.
    """

    decision_id: str
    time_utc: datetime
    closed_utc: datetime
    net_r: float
    approved: bool
    probability: float = math.nan
    version: str = ""

    @property
    def gain(self) -> float:
        """What the decision was worth against the opposite one: net R where taken, the loss spared where vetoed."""
        return self.net_r if self.approved else -self.net_r


def outcome_points(decisions: Iterable[MaturedDecision]) -> list[OutcomePoint]:
    """Return the replayed ones by decision time; the symmetric replay of vetoes counts like that of trades."""
    points = [
        OutcomePoint(
            decision.decision_id,
            decision.time_utc,
            decision.closed_utc,
            decision.net_r,
            decision.decision.approved,
            _probability(decision),
            decision.decision.model_version,
        )
        for decision in decisions
        if decision.net_r is not None
    ]
    return sorted(points, key=lambda point: (point.time_utc, point.decision_id))


def of_newest_version(points: Sequence[OutcomePoint]) -> list[OutcomePoint]:
    """Return those that the model of the newest answer gave: another model's worth and calibration are not its own."""
    version = next((point.version for point in reversed(points) if point.version), "")
    return [point for point in points if version and point.version == version]


def _probability(decision: MaturedDecision) -> float:
    """A confidence that equals the model's plain share was never calibrated."""
    answer = decision.decision
    if answer.llm_action is None or not math.isfinite(answer.llm_confidence):
        return math.nan
    if answer.action_probabilities.get(answer.llm_action.value) == answer.llm_confidence:
        return math.nan
    return answer.llm_confidence if answer.llm_action.side else 1 - answer.llm_confidence
