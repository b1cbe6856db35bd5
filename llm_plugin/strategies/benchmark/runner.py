"""Run a benchmark: the model answers while the judges judge; what is done is kept and not asked for again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.errors import BackendUnavailable, ConfigError, DataError
from llm_plugin.files import write_whole
from llm_plugin.strategies.benchmark.calibrate import Judging
from llm_plugin.strategies.benchmark.samples import Sample, prompt_hash, read_samples, write_samples
from llm_plugin.strategies.generate.answers import take_code
from llm_plugin.strategies.generate.messages import code_messages
from llm_plugin.strategies.judge.verdict import Candidate, Verdict
from llm_plugin.strategies.models import StrategyModel
from llm_plugin.strategies.tasks import Task, pack_hash

__all__ = ["BenchmarkOptions", "folder_name", "run_benchmark"]

ANSWERS, RESULTS, RUN = "answers.jsonl", "results.jsonl", "run.json"
# Foreign prompts name no period: they are tried on one where the sample data is complete.
_START, _END = date(2014, 1, 1), date(2014, 12, 31)
_MOST_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class BenchmarkOptions:
    """How a model is asked and judged.

    Attributes:
        samples: Answers for each task.
        temperature: 0 is greedy; several answers need more.
        max_new_tokens: Limit of an answer.
        seed: Of the first answer; the others follow.
        gates: How far answers are judged.
    """

    samples: int = 1
    temperature: float = 0.0
    max_new_tokens: int = 2048
    seed: int = 0
    gates: int = 5

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.samples <= 1000:
            problems.append(f"samples is {self.samples}: write 1 to 1000")
        if not 0 <= self.temperature <= 2:
            problems.append(f"temperature is {self.temperature}: write 0 to 2")
        if self.samples > 1 and self.temperature == 0:
            problems.append("several samples at temperature 0 are all the same: set a temperature such as 0.8")
        if not 1 <= self.max_new_tokens <= 100_000:
            problems.append(f"max_new_tokens is {self.max_new_tokens}: write 1 to 100000")
        if not 1 <= self.gates <= 5:
            problems.append(f"gates is {self.gates}: write 1 to 5")
        if problems:
            raise ConfigError(problems)


def folder_name(model: str, options: BenchmarkOptions, tasks: Sequence[Task]) -> str:
    """Return a name for a run's folder that tells runs apart."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", model).strip("-")[:60]
    return f"{slug}-k{options.samples}-s{options.seed}-{pack_hash(tasks)[:8]}"


def run_benchmark(
    model: StrategyModel,
    tasks: Sequence[Task],
    judge: Judging,
    folder: Path,
    options: BenchmarkOptions,
    *,
    name: str = "",
    on_sample: Callable[[Sample, int, int], None] | None = None,
) -> list[Sample]:
    """Ask and judge; the same call goes on where a stopped one was.

    Args:
        model: Who answers.
        tasks: What is asked.
        judge: The judge's pool.
        folder: Answers and results; made if it is not there.
        options: How to ask.
        name: The model's text as the user wrote it; default: the model's own name.
        on_sample: Called with each judged sample, how many are done, and of how many.

    Returns:
        All samples with their verdicts, in the order of tasks and numbers.

    Raises:
        ConfigError: The folder holds a run with other options.
        BackendUnavailable: The model did not answer several times in a row; what is done is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, name or model.name, tasks, options)
    known = _known_answers(folder / ANSWERS, tasks)
    total = len(tasks) * options.samples
    done: dict[str, Sample] = {}

    def finish(sample: Sample) -> None:
        done[sample.id] = sample
        if on_sample is not None:
            on_sample(sample, len(done), total)

    asked: dict[str, Sample] = {}

    def candidates() -> Iterator[Candidate]:
        for task, sample in _answers(model, tasks, options, folder / ANSWERS, known):
            if not sample.code:
                finish(sample)
                continue
            asked[sample.id] = sample
            yield Candidate(sample.code, task, **_period(task), gates=options.gates, id=sample.id)

    def on_verdict(candidate: Candidate, verdict: Verdict) -> None:
        finish(asked[candidate.id].with_verdict(verdict))

    judge.judge_many(candidates(), on_verdict)
    ordered = [done[f"{task.id}/{number}"] for task in tasks for number in range(options.samples)
               if f"{task.id}/{number}" in done]  # fmt: skip
    write_samples(ordered, folder / RESULTS)
    return ordered


def _period(task: Task) -> dict[str, Any]:
    if task.start is not None and task.end is not None:
        return {}
    return {"start": _START.isoformat(), "end": _END.isoformat()}


def _claim(folder: Path, name: str, tasks: Sequence[Task], options: BenchmarkOptions) -> None:
    """Write what this run is, or see that the folder's run is the same."""
    own = {"model": name, "pack": pack_hash(tasks), **asdict(options)}
    path = folder / RUN
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} is damaged ({error}): remove the folder and run again") from error
        other = [f"{key} was {found.get(key)!r}, now {own[key]!r}" for key in own if found.get(key) != own[key]]
        if other:
            raise ConfigError(f"{folder} holds another run ({'; '.join(other)}): choose another --output")
        return
    write_whole(path, json.dumps(own, indent=2, sort_keys=True) + "\n")


def _known_answers(path: Path, tasks: Sequence[Task]) -> dict[str, Sample]:
    if not path.is_file():
        return {}
    hashes = {task.id: prompt_hash(task) for task in tasks}
    known = {s.id: s for s in read_samples(path) if hashes.get(s.task) == s.prompt_sha}
    # Whole lines only, so that a line cut off by a kill does not run into the next.
    write_samples(list(known.values()), path)
    return known


def _answers(
    model: StrategyModel,
    tasks: Sequence[Task],
    options: BenchmarkOptions,
    path: Path,
    known: Mapping[str, Sample],
) -> Iterator[tuple[Task, Sample]]:
    failures = 0
    for task in tasks:
        for number in range(options.samples):
            sample = known.get(f"{task.id}/{number}")
            if sample is None:
                try:
                    sample = _ask(model, task, number, options)
                except BackendUnavailable:
                    failures += 1
                    if failures >= _MOST_FAILURES_IN_A_ROW:
                        raise
                    continue
                failures = 0
                with path.open("a", encoding="utf-8", newline="\n") as stream:
                    stream.write(json.dumps(sample.to_json(), sort_keys=True) + "\n")
            yield task, sample


def _ask(model: StrategyModel, task: Task, number: int, options: BenchmarkOptions) -> Sample:
    start, end = task.start or _START, task.end or _END
    messages = code_messages(task.prompt, None, start, end, chat=not getattr(model, "single_turn", False))
    answer = model.complete(
        messages,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        seed=options.seed + number,
    )
    taken = take_code(answer.text, answer.stop_reason)
    return Sample(
        task=task.id,
        number=number,
        prompt_sha=prompt_hash(task),
        family=task.family,
        difficulty=task.difficulty,
        origin=task.origin,
        code=taken.code,
        problem=taken.problem if not taken.code else "",
        tokens_in=answer.tokens_in,
        tokens_out=answer.tokens_out,
        seconds=answer.seconds,
        cost_usd=answer.cost_usd,
        stop_reason=answer.stop_reason,
    )
