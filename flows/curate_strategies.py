"""Make the dataset of strategies: draw, execute, drop near-duplicates, write, check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.shared import RETRIES, Progress
from llm_plugin.data.locate import find_data_folder
from llm_plugin.strategies.curate.check import check_dataset
from llm_plugin.strategies.curate.run import CurateOptions, CurateProgress, curate

__all__ = ["curate_strategies"]


@task(name="curate", timeout_seconds=6 * 3600, **RETRIES)
def make(options: CurateOptions) -> dict[str, Any]:
    """Execute what is not executed yet; leave tables of families and of what was left out."""
    show = Progress("curation", "Strategies executed and admitted")

    def tell(progress: CurateProgress) -> None:
        show(f"{progress.stage}: {progress.admitted} rows", progress.admitted / max(1, progress.total))

    made = curate(options, tell)
    families = [
        {"family": name, "rows": rows, "train": train, "validation": validation, "test": test}
        for name, rows, train, validation, test in made.by_family()
    ]
    create_table_artifact(families, key="strategy-families", description="Rows of each family and split")
    reasons = [{"because": why, "examples": count, "such as": words[:200]} for why, count, words in made.reasons()]
    create_table_artifact(reasons, key="strategies-left-out", description="What was left out and why")
    return made.to_json()


@task(name="check", timeout_seconds=1800)
def check(folder: Path, benchmark: Path | None) -> list[str]:
    """Return what is wrong with the dataset."""
    return check_dataset(folder, benchmark).problems


@flow(name="curate-strategies", flow_run_name="curate strategies", timeout_seconds=7 * 3600)
def curate_strategies(
    dataset: Path = Path("datasets/strategies"),
    data: Path | None = None,
    benchmark: Path | None = None,
    lean_repo: Path | None = None,
    per_family: int = 110,
    jobs: int | None = None,
) -> State[Any]:
    """Make and check the dataset; a stopped run goes on where it was, since verdicts are kept by content.

    Args:
        dataset: Folder of the dataset.
        data: LEAN's data folder; None = LEAN_DATA_FOLDER, lean.json, the sample.
        benchmark: Benchmark tasks that no row may resemble.
        lean_repo: A LEAN checkout, for its examples.
        per_family: Rows of each family of the grammar.
        jobs: Judges beside each other; None = the cores.
    """
    options = CurateOptions(
        out=dataset,
        data_folder=find_data_folder(Path.cwd(), data),
        per_family=per_family,
        lean_repo=lean_repo,
        benchmark=benchmark,
        jobs=jobs,
    )
    record = make(options)
    problems = check(dataset, benchmark)
    if problems:
        return Failed(message="; ".join(problems))
    return Completed(message=f"{record['examples']} examples", data=record)


if __name__ == "__main__":
    curate_strategies()
