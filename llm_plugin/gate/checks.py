"""The checks of the gate. Each looks at one thing, says what it measured, and refuses by itself."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llm_plugin.gate.chance import permuted_p, sign_flip_p
from llm_plugin.gate.decision import Check, GateSlice
from llm_plugin.learning.types import MaturedDecision, PolicyAnswer

if TYPE_CHECKING:
    from llm_plugin.gate.health import ModelHealth
    from llm_plugin.gate.paired import Paired
    from llm_plugin.settings import GateSettings

__all__ = [
    "action_mass",
    "approval",
    "calibration",
    "enough",
    "gain_checks",
    "latency",
    "parse_rate",
    "selectivity",
    "slice_check",
    "slice_masks",
]

MOST_REPETITIONS = 1_000_000
MIN_SLICE_DAYS = 5
Floats = NDArray[np.float64]


def enough(paired: Paired, settings: GateSettings, level: float, tried: int) -> list[Check]:
    """Return what has to be there before a single outcome is compared."""
    count, days = len(paired.decisions), paired.days
    moved = np.unique(paired.day[paired.champion != paired.challenger]).size
    rows = [
        Check(
            "outcomes",
            count >= settings.min_outcomes,
            count,
            settings.min_outcomes,
            f"{count} outcomes can be judged, {settings.min_outcomes} are needed{_left_out(paired.left_out)}",
            needed=True,
        ),
        Check(
            "days",
            days >= settings.min_days,
            days,
            settings.min_days,
            f"they lie on {days} days, {settings.min_days} are needed",
            needed=True,
        ),
        Check(
            "account",
            level * MOST_REPETITIONS >= 1,
            tried,
            None,
            f"{tried} challengers were tried on this window before, so this one is tested at level {level:.3g}"
            + ("" if level * MOST_REPETITIONS >= 1 else ": the window is used up, wait for fresh outcomes"),
            needed=True,
        ),
    ]
    if moved == 0:
        text = "champion and challenger decide alike everywhere: there is nothing to gain"
        return [*rows, Check("difference", False if count else None, 0, 1, text)]
    fewest = math.ceil(-math.log2(level))
    text = f"they differ on {moved} days; a gain can be told from chance at this level from {fewest} on"
    return [*rows, Check("difference", moved >= fewest, moved, fewest, text, needed=True)]


def gain_checks(
    paired: Paired, samples: Floats, settings: GateSettings, level: float, repetitions: int
) -> tuple[list[Check], tuple[float, float]]:
    """Return the three checks of the gain, and its interval."""
    gain = float(paired.gains.mean())
    p = sign_flip_p(paired.day_sums(paired.gains), repetitions, settings.seed)
    low, high = (float(value) for value in np.nanquantile(samples, [level, 1 - level]))
    scale = float(np.abs(paired.net_r * paired.champion).mean())
    bar = settings.min_gain_fraction * scale
    size = f"the gain is {gain:+.3f} R a decision; {settings.min_gain_fraction:.0%} of the champion's mean absolute"
    rows = [
        Check("gain", p <= level, p, level, f"sign-flip test on day sums: p = {p:.4f}, must be at most {level:.3g}"),
        Check(
            "interval",
            low > 0,
            low,
            0.0,
            f"gain {gain:+.3f} R a decision, interval over days from {low:+.3f} to {high:+.3f}; must lie above 0",
        ),
        Check("size", gain > 0 and gain >= bar, gain, bar, f"{size} utility is {bar:.3f}"),
    ]
    return rows, (low, high)


def selectivity(paired: Paired, settings: GateSettings, tried: int, repetitions: int) -> Check:
    """Compare the challenger with its own verdicts dealt out at random: vetoing all, or any, is no skill."""
    level = settings.selectivity_level / 2**tried
    p = permuted_p(paired.challenger, paired.net_r, repetitions, settings.seed + 1)
    text = f"against its own verdicts dealt out at random: p = {p:.4f}, must be at most {level:.3g}"
    return Check("selectivity", p <= level, p, level, text)


def approval(paired: Paired, settings: GateSettings) -> Check:
    """Compare how many signals are taken.

    A ratio to a champion that takes next to nothing would lock it in for ever, so the upper bound counts from
    `approval_floor`: such a champion can be followed by one that takes a little more, and that one by the next.
    """
    ours, theirs = float((paired.champion > 0).mean()), float((paired.challenger > 0).mean())
    low = settings.approval_low * ours
    high = min(1.0, settings.approval_high * max(ours, settings.approval_floor))
    inside = low <= theirs <= high
    text = f"takes {theirs:.0%} of the signals, the champion {ours:.0%}; must lie from {low:.0%} to {high:.0%}"
    if settings.any_approval_rate:
        return Check("approval", None, theirs, None, f"{text} (waived by gate.any_approval_rate)")
    return Check("approval", inside, theirs, low if theirs < low else high, text)


def slice_masks(
    paired: Paired, regimes: Callable[[MaturedDecision], Mapping[str, str]], settings: GateSettings
) -> dict[str, NDArray[np.bool_]]:
    """Return the rows of each slice; those of one dimension that are too small are pooled."""
    found: dict[str, dict[str, list[int]]] = {}
    for row, decision in enumerate(paired.decisions):
        for dimension, value in regimes(decision).items():
            found.setdefault(dimension, {}).setdefault(value, []).append(row)
    masks: dict[str, NDArray[np.bool_]] = {}
    for dimension, values in sorted(found.items()):
        small = sorted(value for value, rows in values.items() if len(rows) < settings.min_slice)
        pooled = [row for value in small for row in values[value]]
        named = {f"{dimension}: {value}": rows for value, rows in sorted(values.items()) if value not in small}
        if pooled:
            named[f"{dimension}: {small[0] if len(small) == 1 else 'others'}"] = pooled
        for name, rows in named.items():
            if len(rows) == len(paired.decisions):
                continue  # the whole window is no slice of it
            masks[name] = np.isin(np.arange(len(paired.decisions)), rows)
    return masks


def slice_check(
    paired: Paired, masks: Mapping[str, NDArray[np.bool_]], samples: Floats, settings: GateSettings
) -> tuple[Check, tuple[GateSlice, ...]]:
    """Refuse where a slice is credibly worse: its Bonferroni upper bound lies below minus the tolerance.

    Args:
        paired: The decisions.
        masks: Rows of each slice.
        samples: Bootstrap means, one column a slice.
        settings: The gate's.
    """
    sizes = {name: (int(mask.sum()), int(np.unique(paired.day[mask]).size)) for name, mask in masks.items()}
    judged = [n for n, (count, days) in sizes.items() if count >= settings.min_slice and days >= MIN_SLICE_DAYS]
    slices = []
    for column, (name, mask) in enumerate(masks.items()):
        high = None
        if name in judged:
            high = float(np.nanquantile(samples[:, column], 1 - settings.level / len(judged)))
        slices.append(GateSlice(name, *sizes[name], float(paired.gains[mask].mean()), high))
    bounds = {item.name: item.high for item in slices if item.high is not None}
    if not bounds:
        return Check("slices", None, None, None, f"no slice holds {settings.min_slice} decisions"), tuple(slices)
    bar = -settings.slice_tolerance_r
    worst = min(bounds, key=lambda name: bounds[name])
    bad = [f"{name} (upper bound {high:+.3f} R)" for name, high in bounds.items() if high < bar]
    text = f"credibly worse in {', '.join(bad)}" if bad else f"credibly worse in none of {len(bounds)} slices"
    return Check("slices", not bad, bounds[worst], bar, text), tuple(slices)


def calibration(paired: Paired, settings: GateSettings, repetitions: int) -> Check:
    """Compare the calibrated probabilities of a profit by their paired Brier score."""
    ours, theirs = _probabilities(paired.champion_answers), _probabilities(paired.challenger_answers)
    has_ours, has_theirs = bool(np.isfinite(ours).all()), bool(np.isfinite(theirs).all())
    if has_ours and not has_theirs:
        text = "the champion's probabilities are calibrated, the challenger's are not: thresholds would change meaning"
        return Check("calibration", False, None, None, text)
    if not has_ours:
        text = "the champion has no calibrated probabilities to compare with"
        return Check("calibration", None, None, None, text)
    won = (np.array([row.net_r or 0.0 for row in paired.decisions]) > 0).astype(np.float64)
    worse = (theirs - won) ** 2 - (ours - won) ** 2
    p = sign_flip_p(paired.day_sums(worse), repetitions, settings.seed + 2)
    text = (
        f"Brier score {_brier(theirs, won):.4f}, the champion's {_brier(ours, won):.4f} (log loss "
        f"{_log_loss(theirs, won):.4f} and {_log_loss(ours, won):.4f}); p of being worse {p:.4f}, "
        f"must be above {settings.level:.3g}"
    )
    return Check("calibration", p > settings.level, p, settings.level, text)


def parse_rate(health: ModelHealth, settings: GateSettings) -> Check:
    """Refuse a challenger that can no longer write a readable answer."""
    rate, bar = health.parse_rate, settings.min_parse_rate
    if not health.writes:
        return Check("parse_rate", None, None, bar, "the back end only scores: it writes no answer that could break")
    if rate is None:
        return Check("parse_rate", False, None, bar, "no written answer was sampled", needed=True)
    faults = f" ({', '.join(f'{n} {name}' for name, n in health.faults.items())})" if health.faults else ""
    text = f"{health.parsed} of {health.sampled} written answers parse{faults}; at least {bar:.0%} must"
    return Check("parse_rate", rate >= bar, rate, bar, text)


def action_mass(paired: Paired, settings: GateSettings) -> Check:
    """Refuse a challenger whose next words are too often no legal action."""
    bar = settings.min_action_mass
    mass = statistics.fmean(answer.action_mass for answer in paired.challenger_answers)
    text = f"the next words are a legal action with probability {mass:.3f} in the mean; at least {bar:g} is needed"
    return Check("action_mass", mass >= bar, mass, bar, text)


def latency(paired: Paired, settings: GateSettings) -> Check:
    """Compare the time of an answer where nothing else ran: the quickest batch, for other processes only add to it."""
    bar = settings.max_latency_ratio
    ours, theirs = (
        min(answer.seconds for answer in answers) for answers in (paired.champion_answers, paired.challenger_answers)
    )
    if ours == theirs == 0:
        return Check("latency", None, None, bar, "no times were measured")
    ratio = theirs / ours if ours > 0 else math.inf
    budget = settings.latency_budget_seconds
    text = (
        f"takes {theirs * 1000:.2f} ms an answer, {ratio:.2f} times the champion's; allowed are {bar:g} times, "
        f"or {budget * 1000:g} ms"
    )
    return Check("latency", ratio <= bar or theirs <= budget, ratio, bar, text)


def _left_out(causes: Mapping[str, int]) -> str:
    return f" (left out: {', '.join(f'{count} {cause}' for cause, count in sorted(causes.items()))})" if causes else ""


def _probabilities(answers: Sequence[PolicyAnswer]) -> Floats:
    return np.array([answer.profit_probability for answer in answers], dtype=np.float64)


def _brier(probabilities: Floats, won: Floats) -> float:
    return float(((probabilities - won) ** 2).mean())


def _log_loss(probabilities: Floats, won: Floats) -> float:
    inside = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return float(-(won * np.log(inside) + (1 - won) * np.log(1 - inside)).mean())
