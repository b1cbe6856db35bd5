"""`lean-llm backtest`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.backtest_many import ManyOptions, backtest_many
from llm_plugin.cli.console import emit, err, out, parameter_pairs, table
from llm_plugin.cli.progress import ArmProgress
from llm_plugin.cli.sandboxed import run_in_sandbox

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)


def backtest(
    context: typer.Context,
    projects: list[Path] = typer.Argument(..., help="A LEAN project folder; several run beside each other."),
    start: str = typer.Option("", help="First day, YYYY-MM-DD; default: the algorithm's own."),
    end: str = typer.Option("", help="Last day, YYYY-MM-DD; default: the algorithm's own."),
    engine: str = typer.Option("auto", help="auto, embedded, local (LEAN_LAUNCHER) or docker (LEAN CLI)."),
    data: Path | None = typer.Option(
        None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample."
    ),
    output: Path | None = typer.Option(None, help="Where the run's folder is made; default: PROJECT/backtests."),
    ablation: bool = typer.Option(False, "--ablation", help="Run the other arms too, each with an interval."),
    baseline: bool = typer.Option(True, "--baseline/--no-baseline", help="Run the arm without the LLM beside it."),
    overrides: list[str] = typer.Option([], "--set", help="Override a value: section.key=value; may be repeated."),
    parameters: list[str] = typer.Option([], "--parameter", help="Algorithm parameter: name=value; may be repeated."),
    decisions_from: Path | None = typer.Option(None, help="Take signals and verdicts from a recorded run's folder."),
    allow_lookahead: bool = typer.Option(
        False, "--allow-lookahead", help="Run before a model's data cutoff, and say so."
    ),
    jobs: int = typer.Option(2, "--jobs", "-j", min=1, help="Projects that run at the same time."),
    dask: str = typer.Option(
        "", help="Dask scheduler for several projects, or local; default: LEAN_LLM_DASK_ADDRESS, else processes here."
    ),
    parallel: int = typer.Option(2, min=1, help="Arms that run at the same time."),
    sandbox: bool = typer.Option(
        False, "--sandbox", help="Let a plain algorithm reach nothing but its project and the data."
    ),
    bad_data: str = typer.Option("stop", help="What a damaged row of market data does: stop, or skip and count."),
    missing_data: str = typer.Option("tell", help="What a missing data file does: tell, or stop."),
    step_seconds: float | None = typer.Option(None, min=0.1, help="Time of one time step; default: LEAN's 20 minutes."),
    run_seconds: float | None = typer.Option(None, min=0.1, help="Time of the run; default: as long as it takes."),
    memory_mib: int | None = typer.Option(
        None, min=64, help="Memory of the run; default: four fifths of the machine's, 4096 with --sandbox."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print summary.json instead of the table."),
) -> None:
    """Run a project with and without its LLM validator, and write a report; or several projects beside each other."""
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.report.finish import finish
    from llm_plugin.runs.arms import arms_for
    from llm_plugin.runs.backtest import BacktestOptions, run
    from llm_plugin.runs.engines import choose_engine
    from llm_plugin.runs.locate import new_run_folder, project_folder
    from llm_plugin.runs.prepare import Preparation
    from llm_plugin.runs.run_options import RunOptions

    chosen = choose_engine(engine)
    extra = ("signals.allow_lookahead=true",) if allow_lookahead else ()
    if len(projects) > 1 or dask:
        settings = [part for item in (*overrides, *extra) for part in ("--set", item)]
        arms = [*(["--ablation"] if ablation else []), *([] if baseline else ["--no-baseline"])]
        many = ManyOptions(projects, data, output, start, end, parameter_pairs(parameters), jobs, dask, as_json)
        backtest_many(context, replace(many, engine=chosen, plugin_options=(*settings, *arms)))
        return
    folder = project_folder(projects[0])
    options = BacktestOptions(
        project=folder,
        data_folder=find_data_folder(folder, data),
        output=new_run_folder(output or folder / "backtests"),
        start=start,
        end=end,
        overrides=(*overrides, *extra),
        parameters=parameter_pairs(parameters),
        ablation=ablation,
        baseline=baseline,
        decisions_from=decisions_from,
        parallel=parallel,
        engine=chosen,
        run_options=RunOptions(step_seconds, run_seconds, memory_mib, bad_data, missing_data),
    )
    options.run_options.policy()
    if sandbox:
        raise typer.Exit(run_in_sandbox(options, as_json=as_json))
    preparation = Preparation(options, say=lambda text: err.print(text, markup=False))
    with ArmProgress({arm.name: arm.title for arm in arms_for(True)}) as progress:
        done = run(options, progress, preparation)
    summary = finish(options, done)
    emit(summary, as_json=as_json, show=_show)
    if not as_json:
        out.print(f"report: {done.folder / 'report.html'}", markup=False, soft_wrap=True)
    if done.interrupted:
        raise typer.Exit(130)


def _show(summary: Mapping[str, Any]) -> None:
    rows = []
    for row in summary["comparison"]:
        gain = row["gain_daily_return"]
        judged = gain is not None and gain["low"] is not None
        interval = f"{1e4 * gain['mean']:+.2f} [{1e4 * gain['low']:+.2f}, {1e4 * gain['high']:+.2f}]" if judged else "–"
        veto = "–" if row["veto_rate"] is None else f"{100 * row['veto_rate']:.0f} %"
        rows.append((row["title"], row["entries"], veto, row["net_profit"], row["sharpe"], row["drawdown"], interval))
    columns = ("arm", "entries", "vetoed", "net profit", "Sharpe", "drawdown", "gain, bps a day [95 %]")
    table("", columns, rows, right=range(1, 7))
    share = "–" if summary["llm_share"] is None else f"{100 * summary['llm_share']:.0f} %"
    out.print(
        f"{summary['decisions']:,} entry decisions: {summary['approved']:,} approved, {summary['vetoed']:,} vetoed, "
        f"{summary['adjusted']:,} adjusted; {share} answered by the LLM; "
        f"{summary['bars']:,} bars at {summary['bars_per_second']:,.0f} bars/s",
        markup=False,
    )
    out.print(f"orders {summary['orders_hash']}  decisions {summary['decisions_hash']}", markup=False)
    for note in summary["notes"]:
        out.print(f"note: {note}", markup=False)
