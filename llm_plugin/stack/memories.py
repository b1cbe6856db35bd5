"""The memory of the loop's runs, made again from their outcome store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_plugin.errors import ConfigError, MemoryUnavailable, RecordError, did_you_mean

if TYPE_CHECKING:
    from llm_plugin.memory.records import MemoryRecord
    from llm_plugin.stack.loop import Loop

__all__ = ["Rebuilt", "rebuild_runs"]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One run's memory: what it held before and what it holds now."""

    run: str
    before: int
    trades: int
    reports: int


def rebuild_runs(
    loop: Loop, runs: Sequence[str] = (), on_stage: Callable[[str, float], None] = lambda stage, fraction: None
) -> list[Rebuilt]:
    """Replace what the memory holds of runs by what the store says.

    Args:
        loop: Store, settings.
        runs: Run ids; none named = all of the store.
        on_stage: Called with a run's id and the fraction done.

    Raises:
        ConfigError: The configuration has no memory that outlives a process.
        RecordError: The store does not know a run.
        MemoryUnavailable: Weaviate cannot be had; nothing was changed.
    """
    backend = loop.settings.memory.backend
    if backend != "weaviate":
        raise ConfigError(f"memory.backend is {backend}: there is nothing to rebuild; only weaviate keeps memories")
    known = loop.store.run_ids()
    for name in runs:
        if name not in known:
            raise RecordError(f"{loop.url} knows no run '{name}'{did_you_mean(name, known)}")
    wanted, done = list(runs) or known, []
    for number, run_id in enumerate(wanted):
        on_stage(run_id, number / len(wanted))
        done.append(_rebuild(loop, run_id))
    on_stage("rebuilt", 1.0)
    return done


def _rebuild(loop: Loop, run_id: str) -> Rebuilt:
    from llm_plugin.memory.local import LocalMemory
    from llm_plugin.memory.opening import open_memory
    from llm_plugin.memory.rebuild import rebuild

    told: list[str] = []
    memory = open_memory(loop.settings.memory, run_id, live=True, fresh=False, tell=told.append)
    try:
        if isinstance(memory, LocalMemory):
            raise MemoryUnavailable(told[-1] if told else "Weaviate cannot be had")
        before, reports = memory.count(), _reported(loop, run_id)
        trades = rebuild(loop.store, memory, run_id, shadow=loop.settings.memory.shadow)
        memory.add_many(reports)
    finally:
        memory.close()
    return Rebuilt(run_id, before, trades, len(reports))


def _reported(loop: Loop, run_id: str) -> list[MemoryRecord]:
    """Outcomes that name no decision are remembered too; they lie beside the store."""
    from llm_plugin.memory.rebuild import record_of
    from llm_plugin.memory.vector import VectorTransform
    from llm_plugin.service.reports import ReportBook, outcome_of, question_of

    book, transform = ReportBook(loop.url), VectorTransform()
    try:
        return [
            record_of(question_of(report), outcome_of(report), transform, report.llm_reasoning)
            for report in book.of(run_id)
            if report.taken or loop.settings.memory.shadow
        ]
    finally:
        book.close()
