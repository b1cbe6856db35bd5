"""Admission: what runs, trades, does what is asked for and looks at nothing ahead becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from llm_plugin.strategies.curate.admissions import Admissions
from llm_plugin.strategies.curate.examples import Example
from llm_plugin.strategies.curate.rows import Row

if TYPE_CHECKING:
    from llm_plugin.strategies.judge import Candidate, Verdict

__all__ = ["Admission", "admit", "candidate_of", "default_cache"]


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of an example.

    Attributes:
        example: The example.
        row: The row, None where it was left out.
        gate: Name of the gate that it failed; empty where it was admitted.
        reason: Why it was left out.
        cached: Whether the verdict was known from before.
    """

    example: Example
    row: Row | None
    gate: str = ""
    reason: str = ""
    cached: bool = False


def candidate_of(example: Example) -> Candidate:
    """Return what the judge is given: with requirements all five gates, without them all but the fourth."""
    from llm_plugin.strategies.judge import Candidate

    row = example.row
    if row.requirements is None:
        return Candidate(example.code, None, start=row.start, end=row.end, cash=row.cash, id=row.id)
    return Candidate(example.code, _task(example), id=row.id)


def _task(example: Example) -> Any:
    from llm_plugin.strategies.requirements import Requirements
    from llm_plugin.strategies.tasks import Task

    row = example.row
    return Task(
        id=row.id,
        family=row.family,
        difficulty=1,
        prompt=row.id,  # the verdict is about the code: another wording is no other candidate
        requirements=Requirements.from_json(row.requirements),
        start=date.fromisoformat(row.start) if row.start else None,
        end=date.fromisoformat(row.end) if row.end else None,
        cash=row.cash or None,
        origin="grammar",
    )


def admit(
    pool: Any, examples: Iterable[Example], on_done: Callable[[Admission], None], known: Admissions | None = None
) -> None:
    """Judge examples beside each other and tell of each, as it is done.

    Args:
        pool: A `JudgePool`.
        examples: Read as they are needed.
        on_done: Called with each, one at a time.
        known: Verdicts of before, and where new ones are kept: what makes a killed curation go on where it was.
    """
    kept = known if known is not None else Admissions(None)
    under_way: dict[str, Example] = {}
    lock = Lock()

    def tell(admission: Admission) -> None:
        with lock:
            on_done(admission)

    def candidates() -> Iterable[Candidate]:
        for example in examples:
            entry = kept.get(example)
            if entry is None:
                under_way[example.row.id] = example
                yield candidate_of(example)
            else:
                tell(_known(example, entry))

    def done(candidate: Candidate, verdict: Verdict) -> None:
        admission = _judged(under_way.pop(candidate.id), verdict)
        orders = admission.row.orders if admission.row is not None else 0
        kept.put(admission.example, orders, admission.gate, admission.reason)
        tell(admission)

    pool.judge_many(candidates(), done)
    kept.settle()


def _known(example: Example, entry: Mapping[str, Any]) -> Admission:
    row = replace(example.row, orders=entry["orders"]) if not entry["gate"] else None
    return Admission(example, row, entry["gate"], entry["reason"], cached=True)


def _judged(example: Example, verdict: Verdict) -> Admission:
    if verdict.unsupported:
        reason = f"the engine lacks {', '.join(verdict.unsupported)}"
        return Admission(example, None, "unsupported", reason, verdict.cached)
    failed = verdict.failure
    if failed is not None:
        return Admission(example, None, failed.name, failed.reason, verdict.cached)
    wanted = ("compiles", "backtests", "trades", "honest", *(("means_it",) if example.row.requirements else ()))
    open_gates = [name for name in wanted if verdict.gate(name).passed is not True]
    if open_gates:
        name = open_gates[0]
        return Admission(example, None, name, verdict.gate(name).reason or "not judged", verdict.cached)
    return Admission(example, replace(example.row, orders=verdict.orders), cached=verdict.cached)


def default_cache() -> Path:
    """Return where the verdicts of curations are kept."""
    from llm_plugin.files import home

    return home() / "cache" / "curation"
