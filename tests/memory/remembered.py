"""Trades for the memory's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from llm_plugin.domain import Action, ExitReason, OutcomeKind
from llm_plugin.memory import MemoryRecord

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START_US = 1_420_000_000_000_000
HOUR_US = 3_600_000_000


def moment(hour: float) -> datetime:
    """The time `hour` hours after the start of the tests' history."""
    return EPOCH + timedelta(microseconds=int(START_US + hour * HOUR_US))


def unit(values: Any) -> np.ndarray:
    """Return a vector of length 1."""
    array = np.asarray(values, np.float64)
    return (array / np.linalg.norm(array)).astype(np.float32)


def random_vectors(count: int, seed: int = 0) -> list[np.ndarray]:
    """Unit vectors that drift, as those of successive bars do."""
    rng = np.random.default_rng(seed)
    state, found = rng.normal(size=64), []
    for _ in range(count):
        state = 0.95 * state + 0.3 * rng.normal(size=64)
        found.append(unit(state))
    return found


def make_record(number: int, vector: np.ndarray, hour: float | None = None, symbol_id: str = "X") -> MemoryRecord:
    """The trade that closed `hour` (by default `number`) hours after the start."""
    return MemoryRecord(
        decision_id=f"decision-{number:06d}",
        symbol_id=symbol_id,
        action=Action.BUY if number % 2 else Action.SELL,
        setup=f"BUY+/high/{number % 24:02d}",
        kind=OutcomeKind.REALISED if number % 3 else OutcomeKind.SHADOW,
        r_multiple=number / 7 - 1,
        pnl=number / 3,
        closed_us=int(START_US + (number if hour is None else hour) * HOUR_US),
        exit_reason=ExitReason.TARGET,
        vector=vector,
        reasoning="because",
    )
