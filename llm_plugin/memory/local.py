"""The exact in-process back end: one matrix, one scan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from llm_plugin.memory.records import (
    DIMENSIONS,
    MemoryHit,
    MemoryRecord,
    Vector,
    check_vector,
    microseconds,
    rank,
)

__all__ = ["LocalMemory"]

ROUNDING = 1e-4  # more than float32 products of unit vectors can be off
BLOCK = 256


class LocalMemory:
    """Trades in one float32 matrix, kept in the order of their closing so that as-of times are a prefix."""

    def __init__(self) -> None:
        self._records: list[MemoryRecord] = []
        self._rows: dict[str, int] = {}
        self._vectors = np.zeros((1024, DIMENSIONS), np.float32)
        self._closed = np.zeros(1024, np.int64)
        self._symbols = np.zeros(1024, np.int32)
        self._symbol_codes: dict[str, int] = {}
        self._sorted = True

    def add(self, record: MemoryRecord) -> None:
        """Remember a closed trade; the same decision again replaces it."""
        vector = check_vector(record.vector)
        row = self._rows.get(record.decision_id, len(self._records))
        if row == len(self._records):
            self._records.append(record)
            self._rows[record.decision_id] = row
            self._grow(row + 1)
        else:
            self._records[row] = record
        self._vectors[row] = vector
        self._closed[row] = record.closed_us
        self._symbols[row] = self._symbol_codes.setdefault(record.symbol_id, len(self._symbol_codes))
        count = len(self._records)
        before = row == 0 or self._closed[row - 1] <= record.closed_us
        after = row == count - 1 or record.closed_us <= self._closed[row + 1]
        self._sorted = self._sorted and bool(before and after)

    def add_many(self, records: Sequence[MemoryRecord]) -> None:
        """Remember many."""
        for record in records:
            self.add(record)

    def search(self, vector: Vector, k: int, as_of_utc: datetime, symbol_id: str | None = None) -> list[MemoryHit]:
        """Return the k nearest trades that closed strictly before `as_of_utc`."""
        query = check_vector(vector)
        as_of = microseconds(as_of_utc)
        if not self._sorted:
            self._sort()
        visible = int(np.searchsorted(self._closed[: len(self._records)], as_of, side="left"))
        if visible == 0 or k <= 0:
            return []
        cosines = self._vectors[:visible] @ query
        code = None if symbol_id is None else self._symbol_codes.get(symbol_id)
        if code is not None:
            own = _nearest(np.where(self._symbols[:visible] == code, cosines, -np.inf), k)
            rows = own if len(own) >= k else np.union1d(own, _nearest(cosines, k))
        else:
            rows = _nearest(cosines, k)
        return rank(query, [self._records[row] for row in rows], k, symbol_id)

    def count(self) -> int:
        """Return the number of trades held."""
        return len(self._records)

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    def close(self) -> None:
        """Nothing to release."""

    def _grow(self, count: int) -> None:
        capacity = len(self._closed)
        if count <= capacity:
            return
        self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
        self._closed = np.concatenate([self._closed, np.zeros_like(self._closed)])
        self._symbols = np.concatenate([self._symbols, np.zeros_like(self._symbols)])

    def _sort(self) -> None:
        count = len(self._records)
        order = np.argsort(self._closed[:count], kind="stable")
        self._records = [self._records[row] for row in order]
        self._rows = {record.decision_id: row for row, record in enumerate(self._records)}
        for values in (self._vectors, self._closed, self._symbols):
            values[:count] = values[:count][order]
        self._sorted = True


def _nearest(cosines: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return all rows that could be among the k nearest, given the rounding of float32.

    The k-th best of the blocks' maxima bounds the k-th best of all from below, without sorting.
    """
    whole = len(cosines) // BLOCK * BLOCK
    tops = cosines[:whole].reshape(-1, BLOCK).max(axis=1) if whole else cosines[:0]
    tops = np.concatenate([tops, cosines[whole:]])
    bound = np.partition(tops, len(tops) - k)[len(tops) - k] if len(tops) > k else tops.min()
    if not np.isfinite(bound):
        return np.flatnonzero(np.isfinite(cosines))
    return np.flatnonzero(cosines >= bound - ROUNDING)
