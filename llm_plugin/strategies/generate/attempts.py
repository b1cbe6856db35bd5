"""One turn of a model: its answer, the file in it, what the judge said, what goes back."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from llm_plugin.strategies.generate.facts import broken_facts
from llm_plugin.strategies.generate.reading import Fact
from llm_plugin.strategies.judge.verdict import GATES, Verdict

__all__ = ["Attempt", "Judge", "Request", "same_code"]

_SHOWN_CHARACTERS = 1500


class Judge(Protocol):
    """What `JudgePool` offers."""

    def judge(
        self,
        source: str,
        task: Any,
        *,
        start: date | None = None,
        end: date | None = None,
        cash: float | None = None,
        gates: int = 5,
    ) -> Verdict:
        """Judge one file."""


@dataclass(frozen=True)
class Request:
    """What is asked for, and how an answer is judged.

    Attributes:
        prompt: The request in words.
        start: First day of the gates' run.
        end: Last day.
        cash: Its starting cash.
        data_folder: LEAN-format data.
        task: The prompt as a task with requirements; None where it was not read whole.
        facts: What is certain in any case.
        unread: Words of the prompt that nothing here checks.
        notes: Remarks for the person.
    """

    prompt: str
    start: date
    end: date
    cash: float
    data_folder: Path
    task: Any = None
    facts: tuple[Fact, ...] = ()
    unread: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Attempt:
    """One turn.

    Attributes:
        number: Over all models, from 1.
        model: Who was asked.
        turn: Of this model, from 0.
        code: The file; empty where the answer held none.
        problem: Why there is no file to judge.
        verdict: The gates' verdict; None where there was nothing to judge.
        broken: Facts of the prompt that the code lacks.
        notes: What was done with the answer.
        answer: The model's words.
    """

    number: int
    model: str
    turn: int
    code: str = ""
    problem: str = ""
    verdict: Verdict | None = None
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    answer: str = field(default="", repr=False)

    @property
    def passed(self) -> bool:
        """Whether it passed every gate and keeps the prompt's facts."""
        verdict = self.verdict
        whole = verdict is not None and verdict.passed and verdict.reached == len(GATES)
        return whole and not self.broken and not self.problem

    @property
    def reached(self) -> int:
        """How many gates in a row were passed; broken facts count as the fourth gate."""
        if self.verdict is None:
            return 0
        return min(self.verdict.reached, GATES.index("means_it")) if self.broken else self.verdict.reached

    @property
    def merit(self) -> tuple[int, int, int, int]:
        """Sorts attempts: gates, then no member that the engine lacks, then fewer broken facts, then the later one."""
        unsupported = len(self.verdict.unsupported) if self.verdict is not None else 99
        return (self.reached, -unsupported, -len(self.broken), self.number if self.code else -1)

    def what_failed(self) -> tuple[str, str]:
        """Return which step failed and why, in words for the model and for the person."""
        if self.problem:
            return "That answer cannot be used.", self.problem
        if self.verdict is None:
            return "That answer was not judged.", ""
        if self.verdict.unsupported:
            names = ", ".join(self.verdict.unsupported)
            return (
                "Valid in LEAN, but the engine here lacks a member that the file uses.",
                f"Do without {names}; use other members of LEAN that do the same.",
            )
        failure = self.verdict.failure
        if failure is None and self.broken:
            return "It runs, but it is not what was asked for (gate 4 of 5, means_it).", "\n".join(self.broken)
        if failure is None:
            return "No gate failed.", ""
        place = GATES.index(failure.name) + 1
        reason = "\n".join([failure.reason, *self.broken])[:_SHOWN_CHARACTERS]
        return f"That file failed at gate {place} of {len(GATES)} ({failure.name}).", reason

    def judge_with(self, judge: Judge, request: Request) -> None:
        """Ask the judge; the verdict and the broken facts are kept here."""
        self.verdict = judge.judge(
            self.code, request.task, start=request.start, end=request.end, cash=request.cash, gates=len(GATES)
        )
        self.look_for_facts(request.facts)

    def look_for_facts(self, facts: Sequence[Fact]) -> None:
        """Look the prompt's facts up, unless an earlier gate failed: one thing after the other."""
        if self.verdict is not None and self.verdict.reached >= GATES.index("means_it"):
            self.broken = tuple(broken_facts(self.code, facts))


def same_code(code: str) -> str:
    """Return a hash that is equal for files that differ in layout and comments only."""
    try:
        text = ast.dump(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = "\n".join(line.rstrip() for line in code.splitlines() if line.strip())
    return hashlib.sha256(text.encode()).hexdigest()
