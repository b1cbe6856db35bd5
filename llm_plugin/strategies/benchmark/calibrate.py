"""Is the judge right? References and alternatives must pass, planted wrong solutions must fail at their gate."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from llm_plugin.errors import DataError
from llm_plugin.files import write_whole
from llm_plugin.strategies.judge.verdict import GATES, Candidate, Verdict
from llm_plugin.strategies.mutants import KINDS, MEANING_GATES, Mutant, mutants_of
from llm_plugin.strategies.tasks import Task, pack_hash

__all__ = ["BARS", "Calibration", "Judging", "calibrate", "planted"]

BARS: Mapping[str, float] = {
    "benchmark_reference_pass": 100.0,
    "benchmark_alternative_pass": 95.0,
    "benchmark_planted_caught": 98.0,
}
_HASH = "OrderListHash"


class Judging(Protocol):
    """What judges many candidates; `JudgePool` does."""

    def judge_many(
        self, candidates: Iterable[Candidate], on_done: Callable[[Candidate, Verdict], None] | None = None
    ) -> list[Verdict]:
        """Judge candidates and return their verdicts in order."""


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes:
        rows: One a candidate: id, group (reference, alternative, planted), kind, task, outcome, gate, reason, note.
        pack: Hash of the tasks.
    """

    rows: tuple[Mapping[str, Any], ...]
    pack: str

    def group(self, name: str) -> list[Mapping[str, Any]]:
        """Return the rows of a group that count: equivalents and verdicts without an answer left out."""
        return [row for row in self.rows if row["group"] == name and row["outcome"] in ("right", "wrong")]

    def share(self, name: str) -> float | None:
        """Return the percentage of right outcomes of a group, None where it is empty."""
        rows = self.group(name)
        return 100.0 * sum(row["outcome"] == "right" for row in rows) / len(rows) if rows else None

    @property
    def figures(self) -> dict[str, float]:
        """The three figures by name, those that could be measured."""
        shares = {
            "benchmark_reference_pass": self.share("reference"),
            "benchmark_alternative_pass": self.share("alternative"),
            "benchmark_planted_caught": self.share("planted"),
        }
        return {name: share for name, share in shares.items() if share is not None}

    def by_kind(self) -> dict[str, dict[str, int]]:
        """Return for each kind of mutant: planted, equivalent, unjudged, caught, elsewhere (another gate), missed."""
        table: dict[str, dict[str, int]] = {}
        for row in self.rows:
            if row["group"] != "planted":
                continue
            counts = table.setdefault(
                row["kind"], dict.fromkeys(("planted", "equivalent", "unjudged", "caught", "elsewhere", "missed"), 0)
            )
            counts["planted"] += 1
            if row["outcome"] in ("equivalent", "unjudged"):
                counts[row["outcome"]] += 1
            elif row["outcome"] == "right":
                counts["caught"] += 1
            else:
                counts["missed" if row["gate"] is None else "elsewhere"] += 1
        return table

    def to_json(self) -> dict[str, Any]:
        """Return figures, the table by kind, and every outcome that is not right."""
        wrong = [dict(row) for row in self.rows if row["outcome"] not in ("right", "equivalent")]
        counts = {name: len(self.group(name)) for name in ("reference", "alternative", "planted")}
        return {
            "schema": "calibration-1",
            "pack": self.pack,
            "figures": self.figures,
            "bars": dict(BARS),
            "judged": counts,
            "by_kind": self.by_kind(),
            "wrong": wrong,
        }


def planted(
    tasks: Sequence[Task], data_folder: Path, kinds: Sequence[str] = (), *, most: int | None = None, seed: int = 0
) -> list[Mutant]:
    """Return the mutants of all tasks.

    Args:
        tasks: With references.
        data_folder: Where the market data lies.
        kinds: Only these; empty is all.
        most: Draw so many by chance; None is all.
        seed: Of the draw.

    Raises:
        DataError: An unknown kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise DataError(f"no mutant is of kind {kind!r}; kinds: {', '.join(KINDS)}")
    mutants = [mutant for task in tasks for mutant in mutants_of(task, data_folder)]
    chosen = [mutant for mutant in mutants if not kinds or mutant.kind in kinds]
    if most is None or most >= len(chosen):
        return chosen
    places = random.Random(seed).sample(range(len(chosen)), most)  # noqa: S311 - a draw that can be repeated
    return [chosen[place] for place in places]


def calibrate(
    judge: Judging,
    tasks: Sequence[Task],
    mutants: Sequence[Mutant],
    *,
    on_row: Callable[[Mapping[str, Any]], None] | None = None,
) -> Calibration:
    """Judge references, alternatives and mutants.

    Args:
        judge: The judge's pool.
        tasks: With references; those without are left out.
        mutants: Planted wrong solutions, as `planted` gives them.
        on_row: Called with each row as soon as it is known.

    Raises:
        DataError: No task has a reference.
    """
    solved = [task for task in tasks if task.reference is not None and task.requirements is not None]
    if not solved:
        raise DataError("no task has a reference solution: there is nothing to calibrate with")
    rows: list[Mapping[str, Any]] = []

    def tell(row: Mapping[str, Any]) -> None:
        rows.append(row)
        if on_row is not None:
            on_row(row)

    right = [Candidate(str(task.reference), task, id=f"reference/{task.id}") for task in solved]
    right += [
        Candidate(text, task, id=f"alternative/{task.id}/{number}")
        for task in solved
        for number, text in enumerate(task.alternatives, 1)
    ]
    hashes: dict[str, str] = {}

    def on_right(candidate: Candidate, verdict: Verdict) -> None:
        group, task = candidate.id.split("/")[:2]
        if group == "reference":
            hashes[task] = verdict.statistics.get(_HASH, "")
        tell(_row_of_right(candidate.id, group, task, verdict))

    judge.judge_many(right, on_right)
    given = {f"planted/{mutant.kind}/{mutant.task.id}/{number}": mutant for number, mutant in enumerate(mutants)}

    def on_planted(candidate: Candidate, verdict: Verdict) -> None:
        mutant = given[candidate.id]
        tell(_row_of_planted(candidate.id, mutant, verdict, hashes.get(mutant.task.id, "")))

    wrong = [Candidate(m.source, m.task, gates=_gates_needed(m), id=name) for name, m in given.items()]
    judge.judge_many(wrong, on_planted)
    return Calibration(tuple(rows), pack_hash(solved))


def _gates_needed(mutant: Mutant) -> int:
    return max(GATES.index(gate) for gate in mutant.gates) + 1


def _row_of_right(name: str, group: str, task: str, verdict: Verdict) -> dict[str, Any]:
    failure = verdict.failure
    outcome = "right" if verdict.reached == len(GATES) and failure is None else "wrong"
    if verdict.unsupported:
        outcome = "unjudged"
    return {
        "id": name,
        "group": group,
        "kind": group,
        "task": task,
        "outcome": outcome,
        "gate": failure.name if failure is not None else None,
        "reason": failure.reason if failure is not None else ", ".join(verdict.unsupported),
        "note": "",
    }


def _row_of_planted(name: str, mutant: Mutant, verdict: Verdict, reference_hash: str) -> dict[str, Any]:
    failure = verdict.failure
    same = bool(reference_hash) and verdict.statistics.get(_HASH) == reference_hash
    if failure is not None:
        outcome = "right" if failure.name in mutant.gates else "wrong"
    elif verdict.unsupported:
        outcome = "unjudged"
    elif same and mutant.gates == MEANING_GATES:
        outcome = "equivalent"
    else:
        outcome = "wrong"
    return {
        "id": name,
        "group": "planted",
        "kind": mutant.kind,
        "task": mutant.task.id,
        "outcome": outcome,
        "gate": failure.name if failure is not None else None,
        "reason": failure.reason[:500] if failure is not None else ", ".join(verdict.unsupported),
        "note": mutant.note,
    }


def write_calibration(found: Calibration, folder: Path) -> None:
    """Write `calibration.json` and `rows.jsonl`, whole or not at all.

    Raises:
        StoreUnavailable: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(dict(row), sort_keys=True) for row in found.rows]
    write_whole(folder / "rows.jsonl", "\n".join(lines) + "\n")
    write_whole(folder / "calibration.json", json.dumps(found.to_json(), indent=2, sort_keys=True) + "\n")
