"""`lean-llm paper`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, err, out, parameter_pairs

if TYPE_CHECKING:
    from llm_plugin.engine.live.seam import LiveStatus

__all__ = ["StatusLine", "register"]

EVERY_SECONDS = 0.5
EVERY_SECONDS_WITHOUT_TERMINAL = 10.0
STOPPED = 128


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("paper")(paper)


def paper(
    project: Path = typer.Argument(..., help="A LEAN project folder."),
    speed: str = typer.Option("1", help="Simulated seconds per real second; max waits for nothing."),
    start: str = typer.Option("", help="First day, YYYY-MM-DD, of a new deployment; default: the algorithm's own."),
    end: str = typer.Option("", help="Last day, YYYY-MM-DD; default: the algorithm's own."),
    data: Path | None = typer.Option(
        None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample."
    ),
    output: Path | None = typer.Option(None, help="Where deployments lie; default: PROJECT/paper."),
    new: bool = typer.Option(False, "--new", help="Start another deployment instead of going on with the last one."),
    overrides: list[str] = typer.Option([], "--set", help="Override a value: section.key=value; may be repeated."),
    parameters: list[str] = typer.Option([], "--parameter", help="Algorithm parameter: name=value; may be repeated."),
    allow_lookahead: bool = typer.Option(False, "--allow-lookahead", help="Play days that a model was trained on."),
    write_every: float = typer.Option(30.0, min=0.0, help="Seconds between two writes of the result files."),
    as_json: bool = typer.Option(False, "--json", help="Print the summary as JSON."),
) -> None:
    """Trade recorded data against the wall clock, as live; a second call goes on where the first one stopped."""
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.engine.live.seam import Pace
    from llm_plugin.report.finish import finish
    from llm_plugin.runs.locate import project_folder
    from llm_plugin.runs.paper import PaperOptions, find_deployment, parse_speed, stopping, trade
    from llm_plugin.runs.prepare import Preparation

    folder = project_folder(project)
    extra = ("signals.allow_lookahead=true",) if allow_lookahead else ()
    options = PaperOptions(
        project=folder,
        data_folder=find_data_folder(folder, data),
        speed=parse_speed(speed),
        start=start,
        end=end,
        overrides=(*overrides, *extra),
        parameters=parameter_pairs(parameters),
        write_every_seconds=write_every,
    )
    deployment = find_deployment(output or folder / "paper", new=new)
    _say(f"{'going on with' if deployment.resumed else 'new deployment'} {deployment.folder}")
    line = StatusLine(options.speed)
    pace = Pace(options.speed, on_tick=line.tick)
    with stopping(pace, _say) as signals:
        summary = trade(
            options,
            deployment,
            pace,
            prepare=lambda resolved, backtest: Preparation(backtest, _say)(resolved),
            report=finish,
            on_moment=line,
        )
    line.end()
    emit(summary, as_json=as_json, show=_show)
    if summary["interrupted"]:
        raise typer.Exit(STOPPED + (signals[0] if signals else 2))


def _say(text: str) -> None:
    err.print(text, markup=False)


class StatusLine:
    """One line that says how things stand; without a terminal one every ten seconds."""

    def __init__(self, speed: float) -> None:
        self._speed = f"x{speed:g}" if speed else "max"
        self._status: LiveStatus | None = None
        self._every = EVERY_SECONDS if err.is_terminal else EVERY_SECONDS_WITHOUT_TERMINAL
        self._printed = time.monotonic() - self._every

    def __call__(self, status: LiveStatus) -> None:
        """Take the status after a moment."""
        self._status = status
        self.tick()

    def tick(self) -> None:
        """Print where it is time."""
        now = time.monotonic()
        if self._status is not None and now - self._printed >= self._every:
            self._printed = now
            err.print(self.text(self._status), markup=False, end="\r" if err.is_terminal else "\n")

    def end(self) -> None:
        """Print the last status."""
        if self._status is not None:
            err.print(self.text(self._status), markup=False)

    def text(self, status: LiveStatus) -> str:
        """Return the line."""
        late = f"  {status.lag_seconds:.1f} s late" if status.lag_seconds >= 1 else ""
        return (
            f"{status.time:%Y-%m-%d %H:%M:%S} UTC  {self._speed}  equity {status.equity:,.2f}  "
            f"{status.positions} positions  {status.open_orders} open orders  {status.orders} orders{late}   "
        )


def _show(summary: Mapping[str, Any]) -> None:
    statistics = summary["statistics"]
    out.print(
        f"{summary['status']}: {statistics.get('Total Orders', '0')} orders, net profit "
        f"{statistics.get('Net Profit', '–')}, end equity {statistics.get('End Equity', '–')}",
        markup=False,
    )
    if "decisions" in summary:
        out.print(
            f"{summary['decisions']:,} entry decisions: {summary['approved']:,} approved, "
            f"{summary['vetoed']:,} vetoed, {summary['adjusted']:,} adjusted",
            markup=False,
        )
    out.print(f"results: {summary['run_folder']}", markup=False, soft_wrap=True)
