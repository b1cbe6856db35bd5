"""The memory is an index derived from the outcome store: make its records from there, in whole or for a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from llm_plugin.domain import DecisionRequest, ExitReason, Outcome, OutcomeKind, QuestionKind
from llm_plugin.errors import LookaheadError
from llm_plugin.memory.records import MemoryRecord, TradeMemory, microseconds

if TYPE_CHECKING:
    from llm_plugin.memory.records import Vector
    from llm_plugin.outcomes.store import OutcomeStore

__all__ = ["is_remembered", "rebuild", "record_of", "seed", "stored_records"]

Transform = Callable[[DecisionRequest], "Vector"]
UNFINISHED = (ExitReason.END_OF_DATA, ExitReason.NOT_EXECUTED)


def is_remembered(request: DecisionRequest, outcome: Outcome, shadow: bool = True) -> bool:
    """Return whether an outcome enters the memory: a realised or shadow trade of an entry that ran to its end."""
    wanted = outcome.kind is OutcomeKind.REALISED or (shadow and outcome.kind is OutcomeKind.SHADOW)
    ended = outcome.exit_reason not in UNFINISHED
    return wanted and ended and outcome.action.side != 0 and request.kind is QuestionKind.ENTRY


def record_of(request: DecisionRequest, outcome: Outcome, transform: Transform, reasoning: str = "") -> MemoryRecord:
    """Return what is remembered of a closed trade."""
    from llm_plugin.session import pattern_of

    return MemoryRecord(
        decision_id=outcome.decision_id,
        symbol_id=outcome.symbol_id,
        action=outcome.action,
        setup=pattern_of(request),
        kind=outcome.kind,
        r_multiple=outcome.r_multiple,
        pnl=outcome.pnl,
        closed_us=microseconds(outcome.closed_utc),
        exit_reason=outcome.exit_reason,
        vector=transform(request),
        reasoning=reasoning,
    )


def stored_records(
    store: OutcomeStore, run_id: str, transform: Transform | None = None, shadow: bool = True
) -> Iterator[MemoryRecord]:
    """Yield what the memory of a run holds, in the order of closing."""
    if transform is None:
        from llm_plugin.memory.vector import VectorTransform

        transform = VectorTransform()
    stored = {row.request.decision_id: row for row in store.decisions(run_id)}
    for outcome in sorted(store.outcomes(run_id), key=lambda item: (item.closed_utc, item.decision_id)):
        row = stored[outcome.decision_id]
        if is_remembered(row.request, outcome, shadow):
            yield record_of(row.request, outcome, transform, row.decision.reason)


def rebuild(
    store: OutcomeStore,
    memory: TradeMemory,
    run_id: str,
    transform: Transform | None = None,
    shadow: bool = True,
) -> int:
    """Replace what a memory holds by what the store says; return the number of trades."""
    records = list(stored_records(store, run_id, transform, shadow))
    memory.clear()
    memory.add_many(records)
    return memory.count()


def seed(
    store: OutcomeStore,
    memory: TradeMemory,
    run_id: str,
    before_utc: datetime,
    transform: Transform | None = None,
    shadow: bool = True,
) -> int:
    """Add the trades of an earlier run; return their number.

    Raises:
        LookaheadError: A trade of that run closed at or after `before_utc`, the start of this one.
    """
    records = list(stored_records(store, run_id, transform, shadow))
    late = [record for record in records if record.closed_us >= microseconds(before_utc)]
    if late:
        raise LookaheadError(
            f"memory.seed_run {run_id!r} holds {len(late)} trades that closed at or after {before_utc.isoformat()}, "
            f"the last at {max(late, key=lambda item: item.closed_us).closed_utc.isoformat()}; "
            "seed with a run that ended before this one starts"
        )
    memory.add_many(records)
    return len(records)
