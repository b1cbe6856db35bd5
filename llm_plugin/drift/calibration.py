"""Drift of the calibration: do trades still pay as often as the calibrator said?

A bet against the calibrator is placed on every matured decision for each of a few ways to be wrong: too hopeful, too
gloomy, too sure, without skill, inverted. The bets are fair, or worse than that, as long as the true probability lies
within a tolerance of the stated one; what they have won, restarted at every decision and averaged over the ways, is an
e-detector (Shin, Ramdas, Rinaldo 2024): without drift it needs at least 1 / level decisions, on average, to reach
1 / level. Decisions whose trades overlap share a price path; together they place one bet, the geometric mean of
theirs, which is fair whatever their dependence (Hölder).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llm_plugin.drift.points import OutcomePoint

__all__ = ["Miscalibration", "find_miscalibration"]

WAYS = (
    ("too hopeful", 1.0, -0.5),
    ("far too hopeful", 1.0, -1.0),
    ("too gloomy", 1.0, 0.5),
    ("far too gloomy", 1.0, 1.0),
    ("too sure", 0.5, 0.0),
    ("without skill", 0.0, 0.0),
    ("inverted", -1.0, 0.0),
)
TOLERANCE = 0.25  # in log-odds: six points of a hundred at one half; a calibrator fitted on a hundred rows errs so much
MOST_TOGETHER = 20
LEAST_PROBABILITY = 0.01


@dataclass(frozen=True, slots=True)
class Miscalibration:
    """What the bets have won.

    Attributes:
        evidence: The e-detector now, or where it first reached its threshold.
        threshold: 1 / level.
        found: Whether it reached it.
        place: First decision of the stretch that the winning bet lives on.
        noticed: The decision at which it was found; the last one where it was not.
        way: How the calibrator is wrong, by the bet that won most.
        expected: Mean stated probability since `place`.
        seen: Share that paid since `place`.
    """

    evidence: float
    threshold: float
    found: bool
    place: int
    noticed: int
    way: str
    expected: float
    seen: float


def find_miscalibration(points: Sequence[OutcomePoint], level: float) -> Miscalibration | None:
    """Bet on decisions in order; stop at the first alarm.

    Args:
        points: By decision time; those without a calibrated probability are passed over. `place` and `noticed` count
            among the given points.
        level: False alarms come at most once in 1 / level decisions, on average.

    Returns:
        What the bets have won, None without any calibrated decision.
    """
    places = [place for place, point in enumerate(points) if math.isfinite(point.probability)]
    if not places:
        return None
    totals = [0.0] * len(WAYS)  # logarithms of the e-detectors plus one would overflow late: kept plain, capped by stop
    starts, best = [places[0]] * len(WAYS), [0.0] * len(WAYS)
    evidence, last = 0.0, places[-1]
    for group in _together(points, places):
        for way in range(len(WAYS)):
            bet = math.exp(sum(_log_bet(points[place], way) for place in group) / len(group))
            totals[way] = (totals[way] + 1.0) * bet
            best[way], starts[way] = _run(best[way], starts[way], math.log(bet), group[0])
        evidence = sum(totals) / len(totals)
        if evidence >= 1 / level:
            last = group[-1]
            break
    winner = max(range(len(WAYS)), key=lambda way: totals[way])
    stretch = [place for place in places if starts[winner] <= place <= last]
    return Miscalibration(
        evidence=evidence,
        threshold=1 / level,
        found=evidence >= 1 / level,
        place=starts[winner],
        noticed=last,
        way=WAYS[winner][0],
        expected=sum(points[place].probability for place in stretch) / len(stretch),
        seen=sum(points[place].net_r > 0 for place in stretch) / len(stretch),
    )


def _together(points: Sequence[OutcomePoint], places: Sequence[int]) -> list[list[int]]:
    """Group decisions whose trades overlap in time."""
    groups: list[list[int]] = []
    until = None
    for place in places:
        point = points[place]
        if until is None or point.time_utc >= until or len(groups[-1]) >= MOST_TOGETHER:
            groups.append([place])
            until = point.closed_utc
        else:
            groups[-1].append(place)
            until = max(until, point.closed_utc)
    return groups


def _log_bet(point: OutcomePoint, way: int) -> float:
    """Log of alternative over null, where the null is the nearest to the alternative that the tolerance allows."""
    _, slope, shift = WAYS[way]
    stated = math.log(_inside(point.probability) / (1 - _inside(point.probability)))
    claimed = slope * stated + shift
    if abs(claimed - stated) <= TOLERANCE:
        return 0.0
    null = stated + math.copysign(TOLERANCE, claimed - stated)
    won = point.net_r > 0
    return _log_likelihood(claimed, won) - _log_likelihood(null, won)


def _run(best: float, start: int, gain: float, place: int) -> tuple[float, int]:
    """One step of a CUSUM: where the present run of gains began."""
    return (max(0.0, best) + gain, place) if best <= 0.0 else (best + gain, start)


def _log_likelihood(logit: float, won: bool) -> float:
    value = logit if won else -logit
    return -math.log1p(math.exp(-value)) if value > -30 else value


def _inside(probability: float) -> float:
    return min(1 - LEAST_PROBABILITY, max(LEAST_PROBABILITY, probability))
