"""Two models on the same tasks: the difference of each gate, paired by task, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.strategies.benchmark.samples import Sample
from llm_plugin.strategies.benchmark.scores import LEVEL, bootstrap_interval
from llm_plugin.strategies.judge.verdict import GATES

__all__ = ["Difference", "compare_samples"]


@dataclass(frozen=True, slots=True)
class Difference:
    """B minus A at one gate.

    Attributes:
        gate: Its name; it counts the gates before it.
        a: Mean share of A on the shared tasks.
        b: Of B.
        difference: b - a.
        low: Lower end of the 95 % interval over tasks.
        high: Upper end.
        tasks: Shared tasks that both were judged on.
        better: Tasks on which B is better.
        worse: Tasks on which it is worse.
    """

    gate: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    tasks: int
    better: int
    worse: int

    @property
    def verdict(self) -> str:
        """`B is better`, `A is better`, or `no credible difference`."""
        if self.low > 0:
            return "B is better"
        return "A is better" if self.high < 0 else "no credible difference"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "verdict": self.verdict}


def compare_samples(a: Sequence[Sample], b: Sequence[Sample], *, seed: int = 0) -> list[Difference]:
    """Return the differences of all gates that both runs were judged by.

    Args:
        a: Samples of the model in use.
        b: Samples of the other one.
        seed: Of the resampling.

    Raises:
        DataError: The runs share no task: same id, prompt, requirements and period.
    """
    shared = {(s.task, s.prompt_sha) for s in a} & {(s.task, s.prompt_sha) for s in b}
    if not shared:
        raise DataError("the two runs share no task with the same prompt and requirements: run both on the same tasks")
    found = []
    for gate in GATES:
        left, right = _means(a, gate, shared), _means(b, gate, shared)
        tasks = sorted(set(left) & set(right))
        if not tasks:
            continue
        gaps = [right[task] - left[task] for task in tasks]
        low, high = bootstrap_interval(gaps, level=LEVEL, seed=seed)
        found.append(
            Difference(
                gate=gate,
                a=sum(left[task] for task in tasks) / len(tasks),
                b=sum(right[task] for task in tasks) / len(tasks),
                difference=sum(gaps) / len(gaps),
                low=low,
                high=high,
                tasks=len(tasks),
                better=sum(gap > 0 for gap in gaps),
                worse=sum(gap < 0 for gap in gaps),
            )
        )
    return found


def _means(samples: Sequence[Sample], gate: str, shared: set[tuple[str, str]]) -> dict[str, float]:
    passed: dict[str, list[bool]] = {}
    for sample in samples:
        answer = sample.passed(gate)
        if (sample.task, sample.prompt_sha) in shared and answer is not None:
            passed.setdefault(sample.task, []).append(answer)
    return {task: sum(answers) / len(answers) for task, answers in passed.items()}
