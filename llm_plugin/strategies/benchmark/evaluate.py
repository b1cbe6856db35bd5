"""One whole evaluation: open the model, ask, judge, sum up, add to the leaderboard. Command and flow call this."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.strategies.benchmark.leaderboard import add_to_leaderboard
from llm_plugin.strategies.benchmark.places import shipped_tasks, verdict_cache
from llm_plugin.strategies.benchmark.runner import BenchmarkOptions, folder_name, run_benchmark
from llm_plugin.strategies.benchmark.samples import Sample
from llm_plugin.strategies.benchmark.summary import summarise, write_summary
from llm_plugin.strategies.models import ModelOptions, StrategyModel, open_model
from llm_plugin.strategies.tasks import Task, load_tasks, pack_hash

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gave.

    Attributes:
        summary: As `summary.json` holds it.
        samples: All of them.
        folder: Where everything lies.
        missing: Answers that the model did not give; the same call asks for them again.
    """

    summary: dict[str, Any]
    samples: tuple[Sample, ...]
    folder: Path
    missing: int


def evaluate(
    model: str,
    data_folder: Path,
    options: BenchmarkOptions,
    *,
    tasks_file: Path | None = None,
    chosen: Callable[[Task], bool] | None = None,
    jobs: int = 2,
    dask: str = "",
    output: Path | None = None,
    leaderboard: Path | None = None,
    model_options: ModelOptions | None = None,
    on_sample: Callable[[Sample, int, int], None] | None = None,
) -> Evaluation:
    """Evaluate a model; a stopped evaluation goes on.

    Args:
        model: Short text of the model, as `open_model` takes it.
        data_folder: LEAN-format data.
        options: How it is asked.
        tasks_file: Tasks or foreign prompts; None = the shipped ones.
        chosen: Which of them; None = all.
        jobs: Judges beside each other.
        dask: Address of a Dask scheduler, or `local`; empty = processes of this machine.
        output: Folder of the run; None = one below `benchmarks/`.
        leaderboard: File to which the run is added; None adds it to none.
        model_options: Time-outs, key and price of a server.
        on_sample: Called with each judged sample, how many are done, and of how many.

    Raises:
        ConfigError: No such model, or the folder holds another run.
        DataError: The tasks are damaged or empty.
        BackendUnavailable: The model does not answer; what is done is kept.
    """
    from llm_plugin.strategies.judge import JudgePool

    given = load_tasks(tasks_file or shipped_tasks())
    tasks = [task for task in given if chosen is None or chosen(task)]
    if not tasks:
        families = ", ".join(sorted({task.family for task in given}))
        raise DataError(f"none of the {len(given)} tasks is left; families: {families}")
    opened = open_model(model, options=model_options)
    folder = output or Path("benchmarks") / folder_name(model, options, tasks)
    with JudgePool(data_folder, jobs, verdict_cache(), dask=dask) as pool:
        samples = run_benchmark(opened, tasks, pool, folder, options, name=model, on_sample=on_sample)
    about = {**_about(model, opened, data_folder, tasks), **asdict(options)}
    summary = summarise(samples, about, {task.id: _days(task) for task in tasks})
    write_summary(summary, folder)
    missing = len(tasks) * options.samples - len(samples)
    if leaderboard is not None and not missing:
        add_to_leaderboard(leaderboard, summary)
    return Evaluation(summary, tuple(samples), folder, missing)


def _about(text: str, model: StrategyModel, data_folder: Path, tasks: Sequence[Task]) -> dict[str, Any]:
    import llm_plugin
    from llm_plugin.strategies.generate.messages import VERSION
    from llm_plugin.strategies.judge.cutoff import data_hash
    from llm_plugin.strategies.judge.verdict import JUDGE_VERSION
    from llm_plugin.strategies.meaning.check import MEANING_VERSION

    kind, _, rest = text.partition(":")
    adapter = rest.rpartition("+")[2] if kind == "path" and "+" in rest else getattr(model, "adapter", None)
    if kind == "standin":
        adapter = adapter or (None if rest == "base" else "tuned")
    versions = {
        "lean-llm": llm_plugin.__version__,
        "judge": JUDGE_VERSION,
        "meaning": MEANING_VERSION,
        "prompts": VERSION,
        "python": platform.python_version(),
    }
    return {
        "model": text,
        "answers_as": model.name,
        "adapter": str(adapter) if adapter is not None else None,
        "pack": pack_hash(tasks),
        "data": data_hash(data_folder),
        "versions": versions,
    }


def _days(task: Task) -> int:
    import numpy as np

    start, end = task.start or date(2014, 1, 1), task.end or date(2014, 12, 31)
    return int(np.busday_count(start, end))
