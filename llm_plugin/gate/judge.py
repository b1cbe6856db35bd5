"""Whether a challenger replaces the champion: both answer the same fresh holdout, and all checks must pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from llm_plugin.errors import DataError
from llm_plugin.gate import checks
from llm_plugin.gate.chance import bootstrap_means
from llm_plugin.gate.decision import Check, GateDecision, GateSlice, verdict_of
from llm_plugin.gate.health import ModelHealth
from llm_plugin.gate.paired import Paired, pair, regimes_of
from llm_plugin.gate.portfolio import portfolio
from llm_plugin.learning.types import MaturedDecision, PolicyAnswer

if TYPE_CHECKING:
    from llm_plugin.settings import GateSettings

__all__ = ["judge"]


def judge(
    champion: Sequence[PolicyAnswer],
    challenger: Sequence[PolicyAnswer],
    decisions: Sequence[MaturedDecision],
    settings: GateSettings,
    *,
    tried: int,
    window_id: str,
    health: ModelHealth,
    judged_utc: datetime | None = None,
    regimes: Callable[[MaturedDecision], Mapping[str, str]] = regimes_of,
) -> GateDecision:
    """Judge a challenger.

    Args:
        champion: Answers of the version in service.
        challenger: Answers of the version that wants its place, to the same questions.
        decisions: The holdout window.
        settings: `settings.gate`.
        tried: How many challengers were judged on this window before; each halves the level.
        window_id: The window.
        health: The challenger's, from `measure_health`.
        judged_utc: As of when; None = now. Decisions must have matured by then.
        regimes: Gives the slices that a decision lies in.

    Raises:
        DataError: The two did not answer the same questions, answers that make no sense, or a decision that is not
            matured.
    """
    if tried < 0:
        raise DataError(f"tried = {tried}: the number of challengers judged before cannot be negative")
    now = judged_utc if judged_utc is not None else datetime.now(UTC)
    paired = pair(champion, challenger, decisions, now)
    level = settings.level / 2**tried
    rows = checks.enough(paired, settings, level, tried)
    figures: dict[str, float] = {}
    slices: tuple[GateSlice, ...] = ()
    if not any(row.needed and row.passed is False for row in rows):
        found, slices, figures = _compared(paired, settings, level, tried, regimes)
        rows += found
    rows.append(checks.parse_rate(health, settings))
    if paired.decisions:
        rows += [checks.action_mass(paired, settings), checks.latency(paired, settings)]
        figures |= _rates(paired)
    return GateDecision(
        verdict=verdict_of(rows),
        champion=champion[0].version if champion else "",
        challenger=challenger[0].version if challenger else "",
        window_id=window_id,
        tried=tried,
        level=level,
        judged_utc=now,
        outcomes=len(paired.decisions),
        days=paired.days,
        left_out=paired.left_out,
        from_utc=paired.decisions[0].time_utc if paired.decisions else None,
        to_utc=paired.decisions[-1].time_utc if paired.decisions else None,
        checks=tuple(rows),
        slices=slices,
        portfolios=tuple(portfolio(paired.decisions, answers) for answers in (champion, challenger) if answers),
        **figures,
    )


def _compared(
    paired: Paired,
    settings: GateSettings,
    level: float,
    tried: int,
    regimes: Callable[[MaturedDecision], Mapping[str, str]],
) -> tuple[list[Check], tuple[GateSlice, ...], dict[str, float]]:
    """Everything that looks at outcomes."""
    repetitions = min(max(settings.repetitions, math.ceil(20 / level)), checks.MOST_REPETITIONS)
    masks = checks.slice_masks(paired, regimes, settings)
    whole = np.ones(len(paired.decisions), dtype=np.bool_)
    sums, counts = (
        np.stack([paired.day_sums(np.where(mask, values, 0.0)) for mask in (whole, *masks.values())], axis=1)
        for values in (paired.gains, np.ones(len(paired.decisions)))
    )
    samples = bootstrap_means(sums, counts, repetitions, settings.seed + 3)
    gain_rows, (low, high) = checks.gain_checks(paired, samples[:, 0], settings, level, repetitions)
    slice_row, slices = checks.slice_check(paired, masks, samples[:, 1:], settings)
    rows = [
        *gain_rows,
        checks.selectivity(paired, settings, tried, repetitions),
        checks.approval(paired, settings),
        slice_row,
        checks.calibration(paired, settings, repetitions),
    ]
    figures = {
        "gain": float(paired.gains.mean()),
        "gain_low": low,
        "gain_high": high,
        "p_value": float(gain_rows[0].value or 0.0),
        "champion_mean": float((paired.net_r * paired.champion).mean()),
        "challenger_mean": float((paired.net_r * paired.challenger).mean()),
    }
    return rows, slices, figures


def _rates(paired: Paired) -> dict[str, float]:
    return {
        "champion_approval": float((paired.champion > 0).mean()),
        "challenger_approval": float((paired.challenger > 0).mean()),
        "disagreement": float((paired.champion != paired.challenger).mean()),
    }
