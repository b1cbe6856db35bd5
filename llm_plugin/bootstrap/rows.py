"""Training decisions: the question, what it led to, and when that was known; and their slices in time."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.bootstrap.config import BootstrapConfig
from llm_plugin.domain import Action, DecisionRequest, to_jsonable
from llm_plugin.errors import DataError

__all__ = ["DecisionRow", "Slices", "rows_sha256", "slice_rows"]


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One entry question with its replayed outcome.

    Attributes:
        request: The question as it would be asked; features as of its bar.
        net_r: Replayed net R of the signal's action; HOLD is 0.
        closed_utc: When that outcome was known.
        is_signal: False for a bar without a signal, asked "had the signal fired here".
        outcome: The replayed `Outcome`, which memory and session statistics are fed with; None for such a bar.
    """

    request: DecisionRequest
    net_r: float
    closed_utc: datetime
    is_signal: bool = True
    outcome: Any = None

    @property
    def time_utc(self) -> datetime:
        """When the question was asked."""
        return self.request.market.time_utc

    @property
    def action(self) -> Action:
        """What the signal wants."""
        return self.request.signal.action


@dataclass(frozen=True, slots=True)
class Slices:
    """Decisions in time: training, then calibration, then an embargo up to the cutoff."""

    train: tuple[DecisionRow, ...]
    calibration: tuple[DecisionRow, ...]
    calibration_start_utc: datetime
    calibration_end_utc: datetime
    cutoff_utc: datetime


def slice_rows(rows: Sequence[DecisionRow], cutoff_utc: datetime, config: BootstrapConfig) -> Slices:
    """Check and slice the rows.

    Args:
        rows: In any order.
        cutoff_utc: Nothing after this may be known.
        config: Shares and embargo.

    Raises:
        DataError: A row known only after the cutoff, that is no entry question or has no finite outcome; or too few.
    """
    ordered = sorted(rows, key=lambda row: (row.time_utc, row.request.decision_id, row.action.value))
    for row in ordered:
        _check(row, cutoff_utc)
    signals = [row for row in ordered if row.is_signal]
    if len(signals) < config.min_signals:
        raise DataError(
            f"{len(signals)} signals before {cutoff_utc:%Y-%m-%d} are too few for a bootstrap model, "
            f"{config.min_signals} are needed; use more data or a lower signal threshold"
        )
    longest = max((row.closed_utc - row.time_utc for row in ordered), default=timedelta(0))
    end = cutoff_utc - max(config.embargo, longest)
    usable = [row for row in signals if row.time_utc < end]
    place = int(len(usable) * (1 - config.calibration_fraction))
    if place < config.min_signals * (1 - config.calibration_fraction) or place >= len(usable):
        raise DataError(
            f"{len(usable)} signals before the embargo at {end:%Y-%m-%d} are too few; use more data or start earlier"
        )
    start = usable[place].time_utc
    train = tuple(row for row in ordered if row.closed_utc < start)
    calibration = tuple(row for row in usable if row.time_utc >= start)
    return Slices(train, calibration, start, end, cutoff_utc)


def rows_sha256(rows: Sequence[DecisionRow]) -> str:
    """Hash questions and outcomes: the same rows give the same data set hash."""
    digest = hashlib.sha256()
    for row in rows:
        entry = [to_jsonable(row.request), repr(row.net_r), row.closed_utc.isoformat(), row.is_signal]
        digest.update(json.dumps(entry, sort_keys=True).encode())
    return digest.hexdigest()


def _check(row: DecisionRow, cutoff_utc: datetime) -> None:
    name = row.request.decision_id
    if row.closed_utc > cutoff_utc:
        raise DataError(
            f"decision {name} closed at {row.closed_utc.isoformat()}, after the cutoff {cutoff_utc.isoformat()}: "
            "it would leak the future into the model; drop it or move the cutoff"
        )
    if row.closed_utc < row.time_utc:
        raise DataError(f"decision {name} closed at {row.closed_utc.isoformat()}, before it was asked")
    if not row.action.side:
        raise DataError(f"decision {name} asks about {row.action.value}; only BUY and SELL open a trade")
    if not math.isfinite(row.net_r):
        raise DataError(f"decision {name} has a net R of {row.net_r}; replay it to its end")
