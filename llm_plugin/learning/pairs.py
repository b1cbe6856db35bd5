"""From matured decisions to preference pairs: one prompt, {signal, HOLD}, weighted by the difference in R.

HOLD is 0 R, so the difference is the replayed net R of the signal's action: above the noise band the signal is the
chosen answer, below it HOLD, within it there is no pair. The weight is the size of the difference, clipped. Weighted
so, what is learned is the expectation; counted one by one it would be the frequency of winning, which vetoes 40 % wins
at 2:1 and approves 75 % wins at 0.3 R.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from llm_plugin.domain import Action
from llm_plugin.errors import DataError, InsufficientData
from llm_plugin.learning.answers import AnswerPair, AnswerWriter, stored_answers
from llm_plugin.learning.regimes import draw_replay
from llm_plugin.learning.types import MaturedDecision, Origin

if TYPE_CHECKING:
    from llm_plugin.learning.read import LeftOut
    from llm_plugin.learning.split import Split
    from llm_plugin.settings import LearningSettings

__all__ = ["MIN_PAIRS", "KtoRow", "Pairs", "PreferenceRow", "build_pairs", "require_pairs", "training_rows"]

MIN_PAIRS = 8


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """One pair. `weight` is |difference in R|, clipped; `action` the signal's; `net_r` its replayed result."""

    prompt: str
    chosen: str
    rejected: str
    weight: float
    decision_id: str
    time_utc: datetime
    net_r: float
    action: Action
    origin: Origin = "signal"


@dataclass(frozen=True, slots=True)
class KtoRow:
    """One answer that was carried out and whose path cannot be replayed; `label` is True where it paid."""

    prompt: str
    completion: str
    label: bool
    weight: float
    decision_id: str
    time_utc: datetime
    realised_r: float


@dataclass(frozen=True)
class Pairs:
    """What trains, ordered by decision time, and what was left out, by reason.

    Attributes:
        rows: Preference pairs.
        kto: Rows without a counterpart.
        left_out: Counts.
        answered_by: Version of the model that wrote the answers, `stored` without one.
    """

    rows: list[PreferenceRow]
    kto: list[KtoRow]
    left_out: LeftOut = field(default_factory=Counter)
    answered_by: str = "stored"


def require_pairs(pairs: Pairs) -> int:
    """Return how many rows train.

    Raises:
        InsufficientData: Too few.
    """
    count = len(pairs.rows) + len(pairs.kto)
    if count < MIN_PAIRS:
        raise InsufficientData(count, MIN_PAIRS, "pairs outside the noise band")
    return count


def training_rows(
    split: Split, settings: LearningSettings, context: Sequence[MaturedDecision] = ()
) -> list[MaturedDecision]:
    """Return what pairs are made of: the training side, bars without a signal, and older regimes.

    Args:
        split: The window.
        settings: Section `learning`: `context_rows` and `replay_fraction`.
        context: Bars without a signal, rendered as decisions, of the training side's time.

    Raises:
        DataError: A context row that was not known when the calibration slice began, or that is no context row.
    """
    for row in context:
        if row.origin != "context" or row.matured_utc > split.calibration_start_utc:
            raise DataError(
                f"context row {row.decision_id} (origin {row.origin}) matured at {row.matured_utc.isoformat()}; "
                f"wanted are bars without a signal known by {split.calibration_start_utc.isoformat()}"
            )
    extra = _spread(context, settings.context_rows)
    own = [*split.train, *extra]
    count = round(len(own) * settings.replay_fraction / (1 - settings.replay_fraction))
    replayable = [decision for decision in split.older if decision.net_r is not None]
    old = draw_replay(replayable, own, count, only_missing=split.since_utc is not None)
    return sorted([*own, *old], key=lambda row: (row.time_utc, row.decision_id))


def build_pairs(
    rows: Sequence[MaturedDecision], settings: LearningSettings, reasons: AnswerWriter | None = None
) -> Pairs:
    """Make pairs and, where nothing can be replayed, rows for KTO.

    Args:
        rows: Training rows; each counts once.
        settings: Section `learning`: noise band, clip, KTO.
        reasons: Writes the answers, such as `ModelAnswers`; None takes the stored confidence and no words.

    Returns:
        Pairs and the counts of what made none: `twice`, `no_prompt`, `noise_band`, `no_outcome`, `kto_off`.
    """
    left_out: LeftOut = Counter()
    kept: list[MaturedDecision] = []
    seen: set[str] = set()
    for row in rows:
        reason = "twice" if row.decision_id in seen else _why_not(row, settings)
        seen.add(row.decision_id)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(row)
    kept.sort(key=lambda row: (row.time_utc, row.decision_id))
    answers = (reasons or stored_answers)(kept)
    pairs = [_preference(row, answer, settings) for row, answer in zip(kept, answers, strict=True) if _replayed(row)]
    kto = [_kto(row, answer, settings) for row, answer in zip(kept, answers, strict=True) if not _replayed(row)]
    return Pairs(pairs, kto, left_out, getattr(reasons, "version", "stored") if reasons else "stored")


def _why_not(row: MaturedDecision, settings: LearningSettings) -> str:
    if row.prompt is None:
        return "no_prompt"
    value = row.net_r if row.net_r is not None else row.realised_r
    if value is None or not math.isfinite(value):
        return "no_outcome"
    if row.net_r is None and not settings.kto:
        return "kto_off"
    return "noise_band" if abs(value) <= settings.noise_band_r else ""


def _replayed(row: MaturedDecision) -> bool:
    return row.net_r is not None


def _preference(row: MaturedDecision, answer: AnswerPair, settings: LearningSettings) -> PreferenceRow:
    net = row.net_r if row.net_r is not None else math.nan
    paid = net > 0
    return PreferenceRow(
        prompt=_text(row),
        chosen=answer.signal if paid else answer.hold,
        rejected=answer.hold if paid else answer.signal,
        weight=min(abs(net), settings.clip_r),
        decision_id=row.decision_id,
        time_utc=row.time_utc,
        net_r=net,
        action=row.signal_action,
        origin=row.origin,
    )


def _kto(row: MaturedDecision, answer: AnswerPair, settings: LearningSettings) -> KtoRow:
    realised = row.realised_r if row.realised_r is not None else math.nan
    return KtoRow(
        prompt=_text(row),
        completion=answer.signal,
        label=realised > 0,
        weight=min(abs(realised), settings.clip_r),
        decision_id=row.decision_id,
        time_utc=row.time_utc,
        realised_r=realised,
    )


def _text(row: MaturedDecision) -> str:
    return "" if row.prompt is None else row.prompt.text


def _spread(rows: Sequence[MaturedDecision], count: int) -> list[MaturedDecision]:
    """Return at most `count` rows, evenly over time."""
    ordered = sorted(rows, key=lambda row: (row.time_utc, row.decision_id))
    if len(ordered) <= count:
        return ordered
    return [ordered[place * len(ordered) // count] for place in range(count)]
