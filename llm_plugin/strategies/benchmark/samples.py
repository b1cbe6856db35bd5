"""One answer of a model to one task, what it cost, and what the judge said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.strategies.judge.verdict import GATES, Verdict
from llm_plugin.strategies.tasks import Task

__all__ = ["Sample", "prompt_hash", "read_samples", "write_samples"]


def prompt_hash(task: Task) -> str:
    """Return a hash of what a task asks and how it is judged: samples of two runs are paired where it is equal."""
    plain = {key: value for key, value in task.to_json().items() if key not in ("reference", "alternatives")}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Sample:
    """One answer.

    Attributes:
        task: The task's id.
        number: Which of the task's answers, from 0.
        prompt_sha: Hash of the task.
        code: The file; empty where the answer held none.
        problem: Why there is none.
        verdict: What the judge said; None before that, and where there is no code.
        cost_usd: None where the price is not known.
    """

    task: str
    number: int
    prompt_sha: str
    family: str
    difficulty: int
    origin: str
    code: str
    problem: str
    tokens_in: int
    tokens_out: int
    seconds: float
    cost_usd: float | None
    stop_reason: str
    verdict: Verdict | None = None

    @property
    def id(self) -> str:
        """Task and number."""
        return f"{self.task}/{self.number}"

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Members of LEAN that the engine lacks: the sample counts neither for nor against the model."""
        return self.verdict.unsupported if self.verdict is not None else ()

    def passed(self, gate: str) -> bool | None:
        """Whether this gate and all before it were passed; None where that does not apply."""
        if self.verdict is None:
            return False
        place = GATES.index(gate)
        results = [one.passed for one in self.verdict.gates[: place + 1]]
        if any(result is False for result in results):
            return False
        if self.unsupported:
            return True if place == 0 and results[0] else None
        return True if results[-1] else None

    def with_verdict(self, verdict: Verdict) -> Sample:
        """Return the sample with what the judge said."""
        return replace(self, verdict=verdict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {key: value for key, value in asdict(replace(self, verdict=None)).items() if key != "verdict"}
        return {**plain, "verdict": self.verdict.to_json() if self.verdict is not None else None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sample:
        """Read what `to_json` gave.

        Raises:
            DataError: Something else.
        """
        try:
            verdict = values["verdict"]
            return cls(**{**values, "verdict": Verdict.from_json(verdict) if verdict is not None else None})
        except (TypeError, KeyError) as error:
            raise DataError(f"this is no sample of a benchmark: {error}") from error


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield the samples of a file; a last line that was cut off by a kill is left out.

    Raises:
        DataError: Another line is damaged; names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the samples {path}: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise DataError(f"{path}, line {number}: {error}") from error
        yield Sample.from_json(values)


def write_samples(samples: Sequence[Sample], path: Path) -> None:
    """Write samples as JSON lines, whole or not at all.

    Raises:
        StoreUnavailable: The file cannot be written.
    """
    from llm_plugin.files import write_whole

    write_whole(path, "".join(json.dumps(sample.to_json(), sort_keys=True) + "\n" for sample in samples))
