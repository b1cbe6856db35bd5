"""`lean-llm benchmark`: how good a model is at writing strategies, and how good the judge is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, err, out, table

__all__ = ["register"]

benchmark_app = typer.Typer(
    no_args_is_help=True, help="How good models are at writing strategies; the judge's own test."
)
_TASKS = typer.Option(None, "--tasks", help="Tasks (.jsonl, .jsonl.gz, or a folder); default: the shipped ones.")
_DATA = typer.Option(None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample.")
_JOBS = typer.Option(2, "-j", "--jobs", min=1, help="Judges beside each other.")
_DASK = typer.Option("", help="Address of a Dask scheduler, or 'local' for a cluster on this machine.")
_JSON = typer.Option(False, "--json", help="Print the results as JSON.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(benchmark_app, name="benchmark")


@benchmark_app.command("calibrate")
def calibrate(
    tasks: Path | None = _TASKS,
    kind: list[str] = typer.Option([], "--kind", help="Only mutants of this kind; may be repeated."),
    part: str = typer.Option("", help="Only tasks whose id begins so."),
    output: Path | None = typer.Option(
        None, "-o", "--output", help="Folder of the results; default: benchmarks/calibration."
    ),
    figures: Path | None = typer.Option(None, help="JSON file into which the three figures are merged."),
    jobs: int = _JOBS,
    dask: str = _DASK,
    data: Path | None = _DATA,
    as_json: bool = _JSON,
) -> None:
    """Judge references, alternatives and planted wrong solutions, and say what was missed.

    Finished verdicts are kept: the same command goes on where a stopped one was.
    """
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.strategies.benchmark.calibrate import BARS, calibrate, planted, write_calibration
    from llm_plugin.strategies.benchmark.places import shipped_tasks, verdict_cache
    from llm_plugin.strategies.judge import JudgePool
    from llm_plugin.strategies.tasks import load_tasks

    folder = find_data_folder(Path.cwd(), data)
    given = [task for task in load_tasks(tasks or shipped_tasks()) if task.id.startswith(part)]
    mutants = planted(given, folder, kind)
    target = output or Path("benchmarks") / "calibration"
    total = len(mutants) + sum(1 + len(task.alternatives) for task in given if task.reference)
    done = {"count": 0, "wrong": 0}

    def on_row(row: Any) -> None:
        done["count"] += 1
        if row["outcome"] == "wrong":
            done["wrong"] += 1
            err.print(f"{done['count']}/{total} {row['id']}: {row['gate'] or 'passed'} {row['note']}", markup=False)

    with JudgePool(folder, jobs, verdict_cache(), dask=dask) as pool:
        found = calibrate(pool, given, mutants, on_row=on_row)
    write_calibration(found, target)
    if figures is not None:
        from llm_plugin.proofs.loop_report import figure, write_figures

        write_figures(figures, {name: figure(v, "%", BARS[name], "higher") for name, v in found.figures.items()})

    def show(_: Any) -> None:
        rows = [(name, *counts.values()) for name, counts in sorted(found.by_kind().items())]
        table(
            "Planted wrong solutions",
            ("kind", "planted", "equivalent", "unjudged", "caught", "elsewhere", "missed"),
            rows,
        )
        for name, value in found.figures.items():
            out.print(f"{name}: {value:.2f} % (bar {BARS[name]:g} %)")
        out.print(f"results: {target / 'calibration.json'}")

    emit(found.to_json(), as_json=as_json, show=show)
