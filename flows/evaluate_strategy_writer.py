"""How good is a model at writing strategies? Each model runs the benchmark; the second is compared with the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from flows.shared import RETRIES, Progress, table_rows
from llm_plugin.strategies.benchmark.compare import compare_samples
from llm_plugin.strategies.benchmark.evaluate import evaluate
from llm_plugin.strategies.benchmark.runner import RESULTS, BenchmarkOptions
from llm_plugin.strategies.benchmark.samples import read_samples
from llm_plugin.strategies.benchmark.summary import headline

__all__ = ["evaluate_strategy_writer"]


@task(name="benchmark", timeout_seconds=86_400, **RETRIES)
def benchmark(model: str, data_folder: Path, options: dict[str, Any], tasks: Path | None, jobs: int) -> dict[str, Any]:
    """Run the benchmark for one model and return its headline figures; a retry goes on where it stopped."""
    progress = Progress()
    found = evaluate(
        model,
        data_folder,
        BenchmarkOptions(**options),
        tasks_file=tasks,
        jobs=jobs,
        leaderboard=Path("benchmarks") / "leaderboard.jsonl",
        on_sample=lambda sample, done, total: progress(f"{model}: judged", done / total),
    )
    return {"folder": str(found.folder), "missing": found.missing, **headline(found.summary)}


@task(name="compare", timeout_seconds=600)
def compare(a: str, b: str) -> list[dict[str, Any]]:
    """Return the differences of two runs, gate by gate."""
    found = compare_samples(list(read_samples(Path(a) / RESULTS)), list(read_samples(Path(b) / RESULTS)))
    return [one.to_json() for one in found]


@flow(name="evaluate-strategy-writer", timeout_seconds=172_800)
def evaluate_strategy_writer(
    models: list[str],
    data_folder: Path = Path("datasets/market"),
    tasks: Path | None = None,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    jobs: int = 2,
) -> list[dict[str, Any]]:
    """Run the benchmark for each model, leave a table in the UI, and compare every later model with the first.

    Args:
        models: Short texts of models, as `lean-llm benchmark strategies --model` takes them.
        data_folder: LEAN's data folder.
        tasks: Tasks or foreign prompts; None = the shipped ones.
        samples: Answers for each task.
        temperature: 0 is greedy; several answers need more.
        seed: Of the first answer.
        jobs: Judges beside each other.
    """
    options = {"samples": samples, "temperature": temperature, "seed": seed}
    rows = [benchmark(model, data_folder, options, tasks, jobs) for model in models]
    create_table_artifact(table_rows(rows), key="strategy-benchmark", description="pass@1 by gate, in percent")
    for model, row in zip(models[1:], rows[1:], strict=True):
        gaps = compare(rows[0]["folder"], row["folder"])
        create_table_artifact(
            table_rows(gaps),
            key="strategy-benchmark-difference",
            description=f"{model} minus {models[0]}, paired by task",
        )
    return rows


if __name__ == "__main__":
    evaluate_strategy_writer(models=["references"])
