"""What the trade memory holds, the protocol of its back ends, and the one way in which hits are ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from llm_plugin.domain import Action, ExitReason, OutcomeKind
from llm_plugin.errors import DataError

__all__ = ["DIMENSIONS", "MemoryHit", "MemoryRecord", "TradeMemory", "Vector", "check_vector", "microseconds", "rank"]

DIMENSIONS = 64
LENGTH_TOLERANCE = 1e-4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """One closed trade, real or shadow. It is visible to questions strictly after `closed_us` (microseconds, UTC)."""

    decision_id: str
    symbol_id: str
    action: Action
    setup: str
    kind: OutcomeKind
    r_multiple: float
    pnl: float
    closed_us: int
    exit_reason: ExitReason
    vector: Vector = field(compare=False, repr=False)
    reasoning: str = field(default="", compare=False)

    @property
    def closed_utc(self) -> datetime:
        """When the trade closed."""
        return EPOCH + timedelta(microseconds=self.closed_us)


@dataclass(frozen=True, slots=True)
class MemoryHit:
    """A similar trade; `distance` is the squared Euclidean distance of the unit vectors, 0 to 4."""

    record: MemoryRecord
    distance: float

    @property
    def similarity(self) -> float:
        """Cosine of the angle between the two setups, -1 to 1."""
        return 1 - self.distance / 2


@runtime_checkable
class TradeMemory(Protocol):
    """Similar past trades, as of a time. Back ends give identical hits in identical order."""

    def add(self, record: MemoryRecord) -> None:
        """Remember a closed trade; adding the same decision again changes nothing but its content."""

    def add_many(self, records: Sequence[MemoryRecord]) -> None:
        """Remember many."""

    def search(self, vector: Vector, k: int, as_of_utc: datetime, symbol_id: str | None = None) -> list[MemoryHit]:
        """Return the k nearest trades that closed strictly before `as_of_utc`.

        Args:
            vector: The question's setup, made by the same transform as the records.
            k: Number of hits.
            as_of_utc: Time of the question; nothing that closed at or after it is seen.
            symbol_id: Hits of this symbol come first, others only fill up; None treats all alike.
        """

    def count(self) -> int:
        """Return the number of trades held."""

    def clear(self) -> None:
        """Forget everything."""

    def close(self) -> None:
        """Release what is held; idempotent."""


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since the epoch.

    Raises:
        DataError: The time has no zone.
    """
    if moment.tzinfo is None:
        raise DataError(f"as-of time {moment!r} has no zone; memory compares aware UTC times only")
    return (moment - EPOCH) // timedelta(microseconds=1)


def check_vector(vector: Vector) -> Vector:
    """Return the vector as 64 float32 numbers of length 1.

    Raises:
        DataError: It has another shape or length, or holds a value that is no number.
    """
    values = np.ascontiguousarray(vector, np.float32)
    if values.shape != (DIMENSIONS,):
        raise DataError(f"a memory vector has {DIMENSIONS} numbers, this one has shape {values.shape}")
    if not np.isfinite(values).all():
        raise DataError(f"memory vector holds a value that is no number at {int(np.argmin(np.isfinite(values)))}")
    length = float(np.linalg.norm(values))
    if abs(length - 1) > LENGTH_TOLERANCE:
        raise DataError(f"memory vector has length {length:.4g}, not 1; make it with VectorTransform")
    return values


def rank(vector: Vector, records: Sequence[MemoryRecord], k: int, symbol_id: str | None = None) -> list[MemoryHit]:
    """Order candidates by exact float64 distance, then by decision id; the asked symbol's come first.

    Every back end ends here, so that they agree to the last bit whatever precision found the candidates.
    """
    if not records:
        return []
    stored = np.stack([record.vector for record in records]).astype(np.float64)
    difference = stored - vector.astype(np.float64)
    distances = np.square(difference).sum(axis=1)
    keys = [
        (symbol_id is not None and record.symbol_id != symbol_id, float(distance), record.decision_id, i)
        for i, (record, distance) in enumerate(zip(records, distances, strict=True))
    ]
    return [MemoryHit(records[i], distance) for _, distance, _, i in sorted(keys)[:k]]
