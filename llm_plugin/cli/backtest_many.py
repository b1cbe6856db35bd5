"""`lean-llm backtest A B C`: many projects beside each other, and a table of how they ended."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, out, table
from llm_plugin.cli.progress import ArmProgress

if TYPE_CHECKING:
    from llm_plugin.runs.many import Job, Outcome

__all__ = ["ManyOptions", "backtest_many"]

_UNDERSTOOD = frozenset(
    {"projects", "start", "end", "engine", "data", "output", "ablation", "baseline", "overrides", "parameters"}
    | {"allow_lookahead", "jobs", "dask", "as_json"}
)
_ERROR_WIDTH = 160


@dataclass(frozen=True)
class ManyOptions:
    """What the command line asks for; `plugin_options` are handed on to projects that use the plugin."""

    projects: Sequence[Path]
    data: Path | None
    output: Path | None
    start: str
    end: str
    parameters: Mapping[str, str]
    jobs: int
    dask: str
    as_json: bool
    engine: str = "embedded"
    plugin_options: Sequence[str] = field(default_factory=tuple)


def backtest_many(context: typer.Context, options: ManyOptions) -> None:
    """Run every project in a process and a folder of its own.

    The exit code is 0 if all ended well, else that of the first one that did not; 130 after Ctrl-C.
    """
    _refuse_others(context, options.engine)
    from llm_plugin.runs.cluster import dask_address
    from llm_plugin.runs.many import run_many, run_on_dask
    from llm_plugin.runs.pace import STOPPED

    jobs = _jobs(options)
    address = dask_address(options.dask)
    with ArmProgress({job.name: job.name for job in jobs}) as progress:

        def tell(name: str, event: Mapping[str, Any]) -> None:
            if event["event"] != "error":
                progress(name, event)

        if address:
            outcomes, interrupted = run_on_dask(jobs, address, options.jobs, tell)
        else:
            outcomes, interrupted = run_many(jobs, options.jobs, tell)
    emit([asdict(item) for item in outcomes], as_json=options.as_json, show=lambda _: _show(outcomes))
    failed = next((item.exit_code for item in outcomes if item.exit_code), 0)
    if interrupted or failed:
        raise typer.Exit(STOPPED if interrupted else failed)


def _refuse_others(context: typer.Context, engine: str) -> None:
    """Name the options that were given and that only a single project has: none is dropped in silence."""
    from llm_plugin.errors import ConfigError

    wrong = []
    if engine != "embedded":
        wrong.append(f"--engine {engine}: several projects run on the embedded engine; give real LEAN one at a time")
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if parameter.name not in _UNDERSTOOD and source is not None and source.name == "COMMANDLINE":
            wrong.append(f"{parameter.opts[0]}: only a single project has it; run that one alone")
    if wrong:
        raise ConfigError(wrong)


def _jobs(options: ManyOptions) -> list[Job]:
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.runs.locate import new_run_folder, project_folder
    from llm_plugin.runs.many import Job

    folders = [project_folder(path) for path in options.projects]
    jobs = []
    for folder, name in zip(folders, _names(folders), strict=True):
        parent = options.output / name if options.output is not None else folder / "backtests"
        data = find_data_folder(folder, options.data)
        run_folder = new_run_folder(parent)
        command = _command(folder, data, run_folder, options) if (folder / "llm_config.yaml").is_file() else ()
        jobs.append(
            Job(
                name=name,
                project=str(folder),
                data_folder=str(data),
                run_folder=str(run_folder),
                parameters=dict(options.parameters),
                start=options.start,
                end=options.end,
                command=command,
            )
        )
    return jobs


def _names(folders: Sequence[Path]) -> list[str]:
    """Folder names; one that occurs again gets a number."""
    seen: dict[str, int] = {}
    names = []
    for folder in folders:
        count = seen[folder.name] = seen.get(folder.name, 0) + 1
        names.append(folder.name if count == 1 else f"{folder.name}-{count}")
    return names


def _command(folder: Path, data: Path, run_folder: Path, options: ManyOptions) -> tuple[str, ...]:
    """A project with a configuration runs with its arms and its report, as it does alone."""
    program = [sys.executable, "-c", "from llm_plugin.cli import main; main()", "backtest", str(folder)]
    given = ["--data", str(data), "--output", str(run_folder), "--parallel", "1", "--json"]
    for name, value in (("--start", options.start), ("--end", options.end)):
        given += [name, value] if value else []
    for key, value in options.parameters.items():
        given += ["--parameter", f"{key}={value}"]
    return (*program, *given, *options.plugin_options)


def _show(outcomes: Sequence[Outcome]) -> None:
    rows = []
    for item in outcomes:
        net, sharpe = item.statistics.get("Net Profit", "–"), item.statistics.get("Sharpe Ratio", "–")
        state = item.status if not item.exit_code else f"{item.status} ({item.exit_code})"
        rows.append((item.name, state, f"{item.bars:,}", item.orders, net, sharpe, f"{item.seconds:.1f}"))
    columns = ("project", "status", "bars", "orders", "net profit", "Sharpe", "seconds")
    table("", columns, rows, right=range(2, 7))
    for item in outcomes:
        if item.error:
            first = item.error.strip().splitlines()[0]
            out.print(f"{item.name}: {first[:_ERROR_WIDTH]}", markup=False, soft_wrap=True)
    well = sum(not item.exit_code for item in outcomes)
    out.print(f"{well} of {len(outcomes)} projects ended well", markup=False)
