"""The learning window, split in time: train, calibration, embargo, holdout; no decision on two sides."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import DataError, InsufficientData
from llm_plugin.learning.types import MaturedDecision
from llm_plugin.reasoning.calibrator import MIN_CALIBRATION_ROWS

if TYPE_CHECKING:
    from llm_plugin.learning.read import LeftOut
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.settings import LearningSettings

__all__ = ["MIN_TRAIN_ROWS", "SIDES", "Split", "check_split", "read_window", "split_window", "window_id_of"]

MIN_TRAIN_ROWS = 20
POOL_FACTOR = 4  # older decisions loaded per decision that is replayed, so that rare regimes are among them
SIDES = ("older", "train", "calibration", "embargo", "holdout")


@dataclass(frozen=True)
class Split:
    """The sides of one window, each ordered by decision time.

    Attributes:
        train: What pairs are made of; those without a replay can become rows for KTO.
        calibration: Replayed decisions that only the calibrator sees.
        embargo: Their outcomes could still have been running when the holdout began: nobody sees them.
        holdout: The newest replayed decisions, which only the gate sees.
        older: Before the window; for replay against forgetting.
        left_out: How many decisions were left out, by reason.
        window_id: Of the holdout: the k-th challenger judged on the same holdout meets the same id.
        as_of_utc: Nothing later was known.
        since_utc: The change point at which the window had to begin, None without drift.
        train_start_utc: When the window begins; the first decision's time.
        calibration_start_utc: Training rows matured before it.
        holdout_start_utc: When the holdout begins.
        settings: The `learning` section that it was made with.
    """

    train: tuple[MaturedDecision, ...]
    calibration: tuple[MaturedDecision, ...]
    embargo: tuple[MaturedDecision, ...]
    holdout: tuple[MaturedDecision, ...]
    older: tuple[MaturedDecision, ...]
    left_out: LeftOut
    window_id: str
    as_of_utc: datetime
    since_utc: datetime | None
    train_start_utc: datetime
    calibration_start_utc: datetime
    holdout_start_utc: datetime
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt_version(self) -> str:
        """Template version of all prompts of the window."""
        return self.holdout[-1].template_version


def read_window(
    stores: OutcomeStore | Sequence[OutcomeStore],
    settings: LearningSettings,
    *,
    as_of_utc: datetime,
    run_ids: Collection[str] | None = None,
    prefix: str | None = None,
    since_utc: datetime | None = None,
    prompt_version: str | None = None,
) -> Split:
    """Read what one cycle needs of a store, however large, and split it: see `split_window`.

    Of the decisions before the window an even sample in time is loaded, enough to replay from.

    Args:
        stores: One store or several.
        settings: Section `learning`.
        as_of_utc: Nothing that was known later is read.
        run_ids: Only these runs.
        prefix: System prefix of the prompts in use.
        since_utc: Change point at which the window begins.
        prompt_version: Template version of the prompts in use; None = that of the newest decision.

    Raises:
        InsufficientData: Too few decisions have matured.
    """
    from llm_plugin.learning.read import load_matured, matured_rows

    known = matured_rows(stores, as_of_utc=as_of_utc, run_ids=run_ids)
    left_out = Counter(known.left_out)
    asked = [row for row in known.rows if row.has_prompt]
    left_out["no_prompt"] += len(known.rows) - len(asked)
    recent = asked if since_utc is None else [row for row in asked if row.time_utc >= since_utc]
    recent = recent[-settings.window_decisions :]
    start = recent[0].time_utc if recent else as_of_utc
    before = [row for row in asked if row.time_utc < start]
    pool = _even(before, POOL_FACTOR * max(MIN_TRAIN_ROWS, round(len(recent) * settings.replay_fraction)))
    left_out["before_window"] += len(asked) - len(recent) - len(pool)
    decisions = load_matured(stores, [*pool, *recent], prefix=prefix)
    return split_window(
        decisions,
        settings,
        as_of_utc=as_of_utc,
        since_utc=since_utc,
        prompt_version=prompt_version,
        left_out=left_out,
    )


def split_window(
    decisions: Sequence[MaturedDecision],
    settings: LearningSettings,
    *,
    as_of_utc: datetime,
    since_utc: datetime | None = None,
    prompt_version: str | None = None,
    left_out: LeftOut | None = None,
) -> Split:
    """Split matured decisions in time.

    The newest `holdout` replayed decisions are the holdout. Before it lies the embargo, one longest holding time long
    unless set otherwise; before that the calibration slice; before that the training rows, which matured before the
    calibration slice began. Whatever is dropped at a boundary is dropped by the time of the decision, never by the
    time of its close.

    Args:
        decisions: In any order; matured, asked by a signal.
        settings: Section `learning`.
        as_of_utc: Nothing later was known.
        since_utc: Change point at which the window begins.
        prompt_version: Template version of the prompts in use; None = that of the newest decision.
        left_out: Counts so far.

    Raises:
        InsufficientData: With the count and what is needed.
        DataError: A decision that has not matured by then, or one of a bar without a signal.
    """
    counts: LeftOut = Counter(left_out or {})
    usable = _usable(decisions, as_of_utc, prompt_version, counts)
    recent = [d for d in usable if since_utc is None or d.time_utc >= since_utc][-settings.window_decisions :]
    needed = settings.holdout + MIN_CALIBRATION_ROWS + MIN_TRAIN_ROWS
    replayed = [d for d in recent if d.net_r is not None]
    if len(replayed) < needed:
        raise InsufficientData(len(replayed), needed, _what(since_utc))
    start = recent[0].time_utc
    holdout_start = replayed[-settings.holdout].time_utc
    embargo_start = holdout_start - _embargo(recent, settings)
    before = [d for d in replayed if d.time_utc < embargo_start]
    size = max(MIN_CALIBRATION_ROWS, round(settings.calibration_fraction * len(before)))
    if len(before) < size + MIN_TRAIN_ROWS:
        raise InsufficientData(len(before), size + MIN_TRAIN_ROWS, f"{_what(since_utc)} before the embargo")
    calibration_start = before[-size].time_utc
    train = [d for d in recent if d.matured_utc <= calibration_start and d.time_utc < calibration_start]
    if sum(d.net_r is not None for d in train) < MIN_TRAIN_ROWS:
        what = f"{_what(since_utc)} that matured before the calibration slice"
        raise InsufficientData(sum(d.net_r is not None for d in train), MIN_TRAIN_ROWS, what)
    counts["overlaps_calibration"] += sum(
        d.time_utc < calibration_start and d.matured_utc > calibration_start for d in recent
    )
    counts["not_replayed"] += sum(
        d.net_r is None and (calibration_start <= d.time_utc < embargo_start or d.time_utc >= holdout_start)
        for d in recent
    )
    older = tuple(d for d in usable if d.time_utc < start)
    counts["before_window"] += len(usable) - len(recent) - len(older)  # asked at the very moment it begins
    holdout = tuple(d for d in replayed if d.time_utc >= holdout_start)
    split = Split(
        train=tuple(train),
        calibration=tuple(d for d in before if d.time_utc >= calibration_start),
        embargo=tuple(d for d in recent if embargo_start <= d.time_utc < holdout_start),
        holdout=holdout,
        older=older,
        left_out=+counts,
        window_id=window_id_of(holdout),
        as_of_utc=as_of_utc,
        since_utc=since_utc,
        train_start_utc=start,
        calibration_start_utc=calibration_start,
        holdout_start_utc=holdout_start,
        settings=settings.model_dump(mode="json"),
    )
    check_split(split)
    return split


def window_id_of(holdout: Sequence[MaturedDecision]) -> str:
    """Return the id of a holdout: a hash of its decision ids in order."""
    return hashlib.sha256("\n".join(decision.decision_id for decision in holdout).encode()).hexdigest()[:16]


def check_split(split: Split) -> None:
    """Refuse a split that leaks.

    Raises:
        DataError: A decision on two sides, sides out of order in time, a training outcome that was still running when
            the calibration slice began, or one known only later than the split.
    """
    seen: dict[str, str] = {}
    for side in SIDES:
        for decision in getattr(split, side):
            if decision.decision_id in seen:
                raise DataError(
                    f"decision {decision.decision_id} is on two sides, {seen[decision.decision_id]} and {side}"
                )
            seen[decision.decision_id] = side
            _check_known(decision, split.as_of_utc)
    filled = [(side, getattr(split, side)) for side in SIDES if getattr(split, side)]
    for (name, earlier), (later_name, later) in pairwise(filled):
        last, first = max(d.time_utc for d in earlier), min(d.time_utc for d in later)
        if last >= first:
            raise DataError(f"{name} reaches to {last.isoformat()}, but {later_name} begins at {first.isoformat()}")
    for decision in split.train:
        if decision.matured_utc > split.calibration_start_utc:
            raise DataError(
                f"training decision {decision.decision_id} matured at {decision.matured_utc.isoformat()}, after the "
                f"calibration slice began at {split.calibration_start_utc.isoformat()}"
            )


def _usable(
    decisions: Sequence[MaturedDecision], as_of_utc: datetime, prompt_version: str | None, counts: LeftOut
) -> list[MaturedDecision]:
    unique = {decision.decision_id: decision for decision in decisions}
    counts["twice"] += len(decisions) - len(unique)
    ordered = sorted(unique.values(), key=lambda d: (d.time_utc, d.decision_id))
    for decision in ordered:
        _check_known(decision, as_of_utc)
        if decision.origin != "signal":
            raise DataError(
                f"decision {decision.decision_id} is of a bar without a signal: such rows train only; "
                "add them to the training rows after the split"
            )
    asked = [decision for decision in ordered if decision.prompt is not None]
    counts["no_prompt"] += len(ordered) - len(asked)
    version = prompt_version or (asked[-1].template_version if asked else "")
    usable = [decision for decision in asked if decision.template_version == version]
    counts["other_prompt_version"] += len(asked) - len(usable)
    return usable


def _check_known(decision: MaturedDecision, as_of_utc: datetime) -> None:
    if decision.matured_utc > as_of_utc or decision.closed_utc >= as_of_utc:
        raise DataError(
            f"decision {decision.decision_id} closed at {decision.closed_utc.isoformat()} and matures at "
            f"{decision.matured_utc.isoformat()}: it is not known at {as_of_utc.isoformat()}"
        )


def _embargo(recent: Sequence[MaturedDecision], settings: LearningSettings) -> timedelta:
    if settings.embargo_hours is not None:
        return timedelta(hours=settings.embargo_hours)
    return max(decision.matured_utc - decision.time_utc for decision in recent)


def _what(since_utc: datetime | None) -> str:
    after = "" if since_utc is None else f" since the change at {since_utc.isoformat()}"
    return f"matured and replayed decisions{after}"


def _even(rows: Sequence[Any], count: int) -> list[Any]:
    if len(rows) <= count:
        return list(rows)
    return [rows[place * len(rows) // count] for place in range(count)]
