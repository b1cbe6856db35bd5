"""`lean-llm prove loop`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, out, table
from llm_plugin.cli.proofs import ProofLines, prove_app

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """The command hangs on `prove`, which `cli.proofs` adds."""


@prove_app.command("loop")
def loop(
    part: list[str] = typer.Option([], help="Only this part; may be repeated. Default: all. See the docs for names."),
    seed: list[int] = typer.Option([], help="Only this seed; may be repeated. Default: 1 to 5."),
    jobs: int | None = typer.Option(None, min=1, help="Cores to keep busy; default: all."),
    folder: Path | None = typer.Option(None, help="Where results lie; default: proofs/loop in the home."),
    project: Path = typer.Option(Path("lean_algorithms/eurusd_ensemble"), help="Project of the part `eurusd`."),
    data: Path | None = typer.Option(None, help="LEAN's data folder of the part `eurusd`."),
    retrain_every: int = typer.Option(200, min=1, help="Matured decisions between two cycles of the part `eurusd`."),
    set_: list[str] = typer.Option([], "--set", help="A setting of the planted walk-forward: section.key=value."),
    show_only: bool = typer.Option(False, "--show-only", help="Run nothing, show what is complete."),
    write: Path | None = typer.Option(None, help="Put the tables into this page, e.g. docs/experiments.md."),
    as_json: bool = typer.Option(False, "--json", help="Print all figures as JSON."),
) -> None:
    """Show that the closed loop learns where there is something to learn, and that it does not where there is not.

    Parts: `shift` (one cycle after a flipped rule), `walkforward` (several shifts, learning against every control),
    `shuffled` (the same with outcomes in random order), `eurusd` (real data, as it comes out), `benches` (kills, gate,
    watch, drift, swap; from a checkout). What is complete is not run again. Exit code 1: something is not as expected.
    """
    from llm_plugin.proofs.loop_parts import Choice, bench_results, loop_tasks, summarise_parts, write_page
    from llm_plugin.proofs.loop_report import write_figures
    from llm_plugin.proofs.loop_run import load_tasks, run_tasks
    from llm_plugin.runs.locate import home

    choice = Choice(tuple(part), tuple(seed), project, data, retrain_every, tuple(set_))
    tasks = loop_tasks(choice)
    place = folder or home() / "proofs" / "loop"
    if show_only:
        results = load_tasks(place, tasks)
    else:
        results = run_tasks(place, tasks, jobs=jobs or _cores(), on_task=ProofLines(len(tasks)))
    summary = summarise_parts(tasks, results)
    results_file = bench_results(Path.cwd())
    if results_file is not None:
        write_figures(results_file, summary["figures"])
    if write is not None:
        write_page(write, summary, datetime.now(UTC).date())
    emit(summary, as_json=as_json, show=_show)
    if any(value is False for value in summary["as_expected"].values()):
        raise typer.Exit(1)


def _cores() -> int:
    import os

    return os.cpu_count() or 1


def _show(summary: dict[str, Any]) -> None:
    from llm_plugin.proofs.loop_report import COLUMNS, WORDS, loop_rows

    if summary.get("walkforward"):
        table("the loop over several shifts", COLUMNS, loop_rows(summary["walkforward"]), right=range(2, len(COLUMNS)))
    for line in summary["words"]:
        out.print(line, markup=False)
    rows = [
        (name, f"{figure['value']:g}", figure["unit"], f"{figure['bar']:g}", figure["better"])
        for name, figure in sorted(summary["figures"].items())
    ]
    table("figures", ("name", "value", "unit", "bar", "better"), rows, right=(1, 3))
    for name, value in summary["as_expected"].items():
        out.print(f"{name}: {WORDS[value]}", markup=False)
    if summary["missing"]:
        out.print(f"missing: {', '.join(summary['missing'])}", markup=False)
