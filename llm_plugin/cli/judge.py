"""`lean-llm judge`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, err, key_values, out, table

if TYPE_CHECKING:
    from llm_plugin.strategies.judge import Candidate, Verdict

__all__ = ["register"]

FAILED, UNSUPPORTED = 1, 7
_SHOWN = ("Total Orders", "Net Profit", "Sharpe Ratio", "Drawdown", "Total Fees")
_WORDS = {True: "passed", False: "failed", None: "–"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("judge")(judge)


def judge(
    files: list[Path] = typer.Argument(..., help="Python files, or project folders with a main.py."),
    task: str = typer.Option("", help="Id of the benchmark task that they answer: gate 4 checks its requirements."),
    tasks: Path | None = typer.Option(None, "--tasks", help="Where that task stands; default: the shipped ones."),
    start: str = typer.Option("", help="First day, YYYY-MM-DD; default: the task's, or the algorithm's own."),
    end: str = typer.Option("", help="Last day."),
    cash: float = typer.Option(0.0, min=0, help="Starting cash; 0: the task's, or the algorithm's own."),
    gates: int = typer.Option(5, min=1, max=5, help="How far to go."),
    jobs: int = typer.Option(1, "-j", "--jobs", min=1, help="Judges beside each other."),
    dask: str = typer.Option("", help="Address of a Dask scheduler, or 'local' for a cluster on this machine."),
    cache: bool = typer.Option(True, "--cache/--no-cache", help="Read verdicts that are known, and keep new ones."),
    data: Path | None = typer.Option(
        None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample."
    ),
    unsafe: bool = typer.Option(
        False, "--unsafe", help="Judge without a sandbox: the code can then read your files and forge its verdict."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the verdicts as JSON."),
) -> None:
    """Take strategies through five gates: compiles, backtests, trades, means it, honest.

    Exit code 0: all passed; 1: a gate failed; 7: the engine lacks a member of LEAN that is valid.
    """
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.strategies.benchmark.places import verdict_cache
    from llm_plugin.strategies.judge import JudgeLimits, JudgePool

    candidates = list(_candidates(files, _task(task, tasks), _day("--start", start), _day("--end", end), cash, gates))
    folder = find_data_folder(Path.cwd(), data)
    with JudgePool(folder, jobs, verdict_cache() if cache else None, JudgeLimits(), dask=dask, unsafe=unsafe) as pool:
        verdicts = pool.judge_many(candidates, lambda candidate, verdict: _tell(candidate, verdict, len(candidates)))
    emit([verdict.to_json() for verdict in verdicts], as_json=as_json, show=lambda _: _show_all(verdicts))
    if any(verdict.failure is not None for verdict in verdicts):
        raise typer.Exit(FAILED)
    if any(verdict.unsupported for verdict in verdicts):
        raise typer.Exit(UNSUPPORTED)


def _candidates(files: Iterable[Path], task: Any, start: str, end: str, cash: float, gates: int) -> Iterable[Candidate]:
    from llm_plugin.errors import ConfigError, DataError
    from llm_plugin.strategies.judge import Candidate

    for file in files:
        path = file / "main.py" if file.is_dir() else file
        if not path.is_file():
            raise ConfigError(f"{path} does not exist: name a Python file or a project folder with a main.py")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is no text in UTF-8: {error}") from error
        yield Candidate(text, task, start, end, cash, gates, str(file))


def _task(wanted: str, tasks: Path | None) -> Any:
    if not wanted:
        return None
    from llm_plugin.errors import ConfigError, did_you_mean
    from llm_plugin.strategies.benchmark.places import shipped_tasks
    from llm_plugin.strategies.tasks import load_tasks

    place = tasks if tasks is not None else shipped_tasks()
    known = {task.id: task for task in load_tasks(place)}
    if wanted not in known:
        raise ConfigError(f"--task {wanted}: {place} has no such task{did_you_mean(wanted, known)}")
    return known[wanted]


def _day(option: str, text: str) -> str:
    from llm_plugin.errors import ConfigError

    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise ConfigError(f"{option} {text}: write a date such as 2014-01-02") from None


def _tell(candidate: Candidate, verdict: Verdict, count: int) -> None:
    if count > 1:
        failure = verdict.failure
        said = failure.name if failure is not None else ", ".join(verdict.unsupported) or "passed"
        err.print(f"{candidate.id}: {said}", markup=False, soft_wrap=True)


def _show_all(verdicts: Iterable[Verdict]) -> None:
    for verdict in verdicts:
        out.print(verdict.id, style="bold", markup=False, soft_wrap=True)
        _show(verdict)


def _show(verdict: Verdict) -> None:
    rows = [(gate.name, _WORDS[gate.passed], gate.reason) for gate in verdict.gates]
    table("", ("gate", "", "reason"), rows)
    if verdict.unsupported:
        out.print(f"unsupported by the engine: {', '.join(verdict.unsupported)}", markup=False, soft_wrap=True)
    figures = {name: verdict.statistics[name] for name in _SHOWN if name in verdict.statistics}
    if figures:
        key_values("", figures)
    told = "known from before" if verdict.cached else f"{verdict.seconds:.1f} s, {verdict.cpu_seconds:.1f} s of a core"
    out.print(told, markup=False)
