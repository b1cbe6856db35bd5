"""`lean-llm walkforward`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, err, out, parameter_pairs, table
from llm_plugin.cli.progress import ArmProgress

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("walkforward")(walkforward)


def walkforward(
    project: Path = typer.Argument(..., help="A LEAN project folder."),
    retrain_every: int | None = typer.Option(
        None, "--retrain-every", min=1, help="New matured decisions before a cycle; default: learning.min_outcomes."
    ),
    start: str = typer.Option("", help="First day, YYYY-MM-DD; default: the algorithm's own."),
    end: str = typer.Option("", help="Last day, YYYY-MM-DD; default: the algorithm's own."),
    seed: int = typer.Option(0, min=0, help="Seed of training, gate and random veto."),
    data: Path | None = typer.Option(
        None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample."
    ),
    output: Path | None = typer.Option(
        None,
        help="The run's folder; finished work in it is used again. Default: PROJECT/backtests/walkforward-seed<seed>.",
    ),
    overrides: list[str] = typer.Option([], "--set", help="Override a value: section.key=value; may be repeated."),
    parameters: list[str] = typer.Option([], "--parameter", help="Algorithm parameter: name=value; may be repeated."),
    more_trials: int = typer.Option(
        0, "--more-trials", min=0, help="Configurations tried on this period before, for the deflated Sharpe ratio."
    ),
    parallel: int = typer.Option(2, min=1, help="Arms that run at the same time."),
    as_json: bool = typer.Option(False, "--json", help="Print summary.json instead of the words."),
) -> None:
    """Backtest in simulated time with retraining on the way: learning, frozen, no LLM, random veto, tabular.

    Whenever enough decisions have matured the clock stops, a cycle runs on what is known then, and the backtest goes
    on with what the gate let through. The same command goes on where a stopped one was, and gives the same decisions.
    """
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.runs.locate import project_folder
    from llm_plugin.runs.prepare import Preparation
    from llm_plugin.walkforward.finish import finish
    from llm_plugin.walkforward.plan import ARMS, WalkForwardOptions
    from llm_plugin.walkforward.run import run_walkforward

    folder = project_folder(project)
    options = WalkForwardOptions(
        project=folder,
        data_folder=find_data_folder(folder, data),
        output=(output or folder / "backtests" / f"walkforward-seed{seed}").resolve(),
        start=start,
        end=end,
        overrides=tuple(overrides),
        parameters=parameter_pairs(parameters),
        retrain_every=retrain_every,
        seed=seed,
        parallel=parallel,
        more_trials=more_trials,
    )

    def prepare(backtest: Any, resolved: Any) -> Any:
        return Preparation(backtest, say=lambda text: err.print(text, markup=False))(resolved)

    with ArmProgress({arm.name: arm.title.split(":")[0] for arm in ARMS}) as progress:
        done = run_walkforward(options, _Events(progress), prepare)
    summary = finish(done)
    emit(summary, as_json=as_json, show=_show)
    if not as_json:
        out.print(f"report: {done.folder / 'walkforward.html'}", markup=False, soft_wrap=True)


class _Events:
    """Shows the time axis between the progress of the arms."""

    def __init__(self, progress: ArmProgress) -> None:
        self._progress = progress

    def __call__(self, arm: str, event: Mapping[str, Any]) -> None:
        if event["event"] != "timeline":
            if event.get("reused"):
                err.print(f"{arm}: was complete, used again", markup=False)
            self._progress(arm, event)
            return
        row = event["row"]
        what = f"cycle {row['cycle']}: {row['status'].replace('_', ' ')}" if row["kind"] == "cycle" else row["kind"]
        took = f" ({row['seconds']:.0f} s)" if row["seconds"] else ""
        err.print(f"  {row['time_utc'][:16]}  {what}  {row['reason']}  serving {row['version']}{took}", markup=False)


def _show(summary: Mapping[str, Any]) -> None:
    rows = []
    for name, arm in summary["arms"].items():
        approved = "–" if arm["approval"] is None else f"{100 * arm['approval']:.0f} %"
        right = "–" if arm["accuracy"] is None else f"{100 * arm['accuracy']:.0f} %"
        gap = "–" if arm["selectivity_r"] is None else f"{arm['selectivity_r']:+.3f}"
        rows.append((name, arm["entries"], approved, right, gap, arm["net_profit"], arm["sharpe"], arm["drawdown"]))
    columns = ("arm", "entries", "approved", "right", "selectivity, R", "net profit", "Sharpe", "drawdown")
    table("", columns, rows, right=range(1, 8))
    for line in summary["words"]:
        out.print(line[0].upper() + line[1:], markup=False)
    for note in summary["notes"]:
        out.print(f"note: {note}", markup=False)
