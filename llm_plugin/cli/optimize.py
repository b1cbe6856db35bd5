"""`lean-llm optimize`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, err, out, parameter_pairs, table

__all__ = ["register"]

_SHOWN_ROWS = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("optimize")(optimize)


def optimize(
    project: Path = typer.Argument(..., help="A LEAN project folder."),
    param: list[str] = typer.Option(
        [], "--param", help="What varies: name=low:high:step or name=a,b,c; may be repeated."
    ),
    method: str = typer.Option("grid", help="grid tries everything, random draws --trials of it."),
    trials: int | None = typer.Option(None, min=1, help="How many trials at most; random needs it."),
    seed: int = typer.Option(0, min=0, help="Seed of the random draw."),
    target: str = typer.Option("Sharpe Ratio", help="The statistic that is sought, as LEAN names it."),
    direction: str = typer.Option("max", help="max or min of the target."),
    constraint: list[str] = typer.Option(
        [], "--constraint", help="What a trial must keep: 'Drawdown<0.2'; may be repeated."
    ),
    start: str = typer.Option("", help="First day, YYYY-MM-DD; default: the algorithm's own."),
    end: str = typer.Option("", help="Last day, YYYY-MM-DD; default: the algorithm's own."),
    folds: int = typer.Option(
        0, "--walk-forward", min=0, help="Folds: chosen on all days before, judged on the days after; 0 = none."
    ),
    in_sample: float | None = typer.Option(None, help="Fraction of the days that chooses; the rest judges."),
    workers: int = typer.Option(2, "-j", "--workers", min=1, help="Trials that run at the same time."),
    dask: str = typer.Option("", help="Address of a Dask scheduler, or 'local' for a cluster on this machine."),
    sandbox: bool = typer.Option(False, "--sandbox", help="Let trials reach nothing but project and data."),
    trial_seconds: float | None = typer.Option(None, help="Time of one trial; default: as long as it takes."),
    step_seconds: float | None = typer.Option(None, help="Time of one time step; default: LEAN's 20 minutes."),
    memory_mib: int | None = typer.Option(None, help="Memory of one trial; default: four fifths of the machine's."),
    bad_data: str = typer.Option(
        "stop", help="What a damaged row of market data does: stop (the trial fails) or skip."
    ),
    data: Path | None = typer.Option(
        None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample."
    ),
    output: Path | None = typer.Option(
        None, help="The folder of results; finished trials in it are used again. Default: PROJECT/optimizations/latest."
    ),
    fixed: list[str] = typer.Option([], "--parameter", help="A parameter that stays: name=value; may be repeated."),
    overrides: list[str] = typer.Option([], "--set", help="Override a value of llm_config.yaml: section.key=value."),
    as_json: bool = typer.Option(False, "--json", help="Print summary.json instead of the table."),
) -> None:
    """Try parameters, choose the best, and say whether it is more than luck.

    The same command goes on where a stopped one was. A failing trial is recorded with its reason.
    """
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.engine.data.bad_data import BadData
    from llm_plugin.errors import ConfigError
    from llm_plugin.optimize.finish import REPORT_NAME, finish
    from llm_plugin.optimize.plan import OptimizeOptions
    from llm_plugin.optimize.run import optimize as run_optimization
    from llm_plugin.optimize.score import Objective, parse_constraint
    from llm_plugin.optimize.space import parse_parameters
    from llm_plugin.runs.locate import project_folder

    folder = project_folder(project)
    if direction not in ("max", "min"):
        raise ConfigError(f"--direction {direction}: choose max or min")
    options = OptimizeOptions(
        project=folder,
        data_folder=find_data_folder(folder, data),
        output=(output or folder / "optimizations" / "latest").resolve(),
        parameters=parse_parameters(param),
        method=method,
        trials=trials,
        seed=seed,
        objective=Objective(target, direction == "max", tuple(parse_constraint(text) for text in constraint)),
        start=_day("--start", start),
        end=_day("--end", end),
        folds=folds,
        in_sample_fraction=in_sample,
        workers=workers,
        dask=dask,
        sandbox=sandbox,
        trial_seconds=trial_seconds,
        step_seconds=step_seconds,
        memory_mib=memory_mib,
        bad_data=BadData(bad_data).bad,
        fixed=parameter_pairs(fixed),
        overrides=tuple(overrides),
    )
    if options.is_cut and options.start and options.end:
        options.cut()  # what cannot be cut is told before models are made
    with _Shown() as shown:
        run = run_optimization(options, shown, _validator(options))
    summary = finish(run)
    emit(summary, as_json=as_json, show=lambda summary: _show(summary, run))
    if not as_json:
        out.print(f"report: {options.output / REPORT_NAME}", markup=False, soft_wrap=True)
    if run.interrupted:
        raise typer.Exit(130)


def _day(name: str, text: str) -> str:
    from llm_plugin.errors import ConfigError

    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise ConfigError(f"{name} {text}: write a day as YYYY-MM-DD") from None


def _validator(options: Any) -> dict[str, Any]:
    """Make ready what a project with an `llm_config.yaml` needs, once for all trials."""
    from llm_plugin.errors import ConfigError
    from llm_plugin.runs.backtest import BacktestOptions
    from llm_plugin.runs.prepare import Preparation
    from llm_plugin.settings import resolve

    yaml = options.project / "llm_config.yaml"
    if not yaml.is_file():
        if options.overrides:
            raise ConfigError(f"--set changes llm_config.yaml, and {options.project} has none")
        return {}
    if options.sandbox:
        raise ConfigError(f"--sandbox runs plain algorithms: {yaml} asks for models and stores of this machine")
    backtest = BacktestOptions(options.project, options.data_folder, options.output, overrides=options.overrides)
    prepared = Preparation(backtest, say=lambda text: err.print(text, markup=False))(resolve(yaml, options.overrides))
    options.output.mkdir(parents=True, exist_ok=True)
    resolved = resolve(yaml, [*options.overrides, *prepared.overrides])
    config = resolved.write_json(options.output / "config.json")
    return {"parameters": {"llm-config": str(config)}, "run_folder": str(options.output / "runs")}


class _Shown:
    """The progress of trials: a bar in a terminal, else a line now and then."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("trials"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=err,
        )
        self._task = self._bar.add_task("trials", total=1, note="")
        self._live = err.is_terminal
        self._told = time.monotonic()

    def __enter__(self) -> _Shown:
        if self._live:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, progress: Any) -> None:
        eta = "" if progress.eta_seconds is None else f"{_span(progress.eta_seconds)} to go"
        failed = f", {progress.failed} failed" if progress.failed else ""
        best = "" if progress.best is None else f", best {progress.best:.4g}"
        note = f"{eta}{failed}{best}"
        self._bar.update(self._task, completed=progress.done, total=progress.total, note=note)
        last = progress.done == progress.total
        if not self._live and (last or time.monotonic() - self._told > 10):
            self._told = time.monotonic()
            err.print(f"{progress.done} of {progress.total} trials, {note}", markup=False)
        if progress.last is not None and progress.last.failed:
            text = ", ".join(f"{key}={value}" for key, value in progress.last.parameters.items())
            err.print(f"{text}: {progress.last.error}", markup=False)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def _show(summary: Mapping[str, Any], run: Any) -> None:
    from llm_plugin.optimize.summary import trial_rows

    names = [parameter.name for parameter in run.options.parameters]
    columns = ("Sharpe Ratio", "Drawdown", "Net Profit", "Total Orders")
    if summary["folds"]:
        rows = [
            (
                fold["number"],
                f"{fold['test']['start']} to {fold['test']['end']}",
                *((fold["chosen"] or {}).get(name, "–") for name in names),
                *("–" if fold[key] is None else f"{fold[key]:.4g}" for key in ("train_target", "test_target")),
                fold["test_statistics"].get("Net Profit", "") or fold["reason"],
            )
            for fold in summary["folds"]
        ]
        table("", ("fold", "judged on", *names, "train", "test", "net profit"), rows)
    else:
        shown = trial_rows(run)[:_SHOWN_ROWS]
        rows = [(*(row[f"parameter {name}"] for name in names), *(row[name] for name in columns)) for row in shown]
        table("", (*names, *columns), rows, right=range(len(names) + len(columns)))
    counts = summary["trials"]
    out.print(
        f"{counts['finished']} trials, {counts['failed']} failed, {counts['used_again']} taken over from before",
        markup=False,
    )
    out.print(summary["verdict"]["sentence"], markup=False)
    if summary["out_of_sample"] is not None:
        out.print(summary["out_of_sample"]["sentence"], markup=False)
    if summary["interrupted"]:
        out.print("stopped by Ctrl-C: the same command goes on here", markup=False)
