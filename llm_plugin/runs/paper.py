"""`lean-llm paper`: one deployment of a project on recorded data, stopped, killed and taken up again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

from llm_plugin.engine.live.journal import Journal
from llm_plugin.engine.live.paper import ACCOUNT_NAME, run_paper
from llm_plugin.engine.live.seam import LiveStatus, Pace
from llm_plugin.engine.runner import BacktestResult
from llm_plugin.errors import ConfigError
from llm_plugin.files import write_whole
from llm_plugin.lean.identity import RECORDED_DATA
from llm_plugin.runs.backtest import BacktestOptions, BacktestRun, write_versions
from llm_plugin.runs.locate import new_run_folder
from llm_plugin.runs.record import ArmRecord
from llm_plugin.settings import Resolved, resolve

__all__ = ["Deployment", "PaperOptions", "find_deployment", "parse_speed", "stopping", "trade"]

FASTEST = "max"
MAIN_ARM = "llm"
Say = Callable[[str], None]


@dataclass(frozen=True)
class PaperOptions:
    """What the command line asks for; `speed` in simulated seconds a second, 0 as fast as it goes."""

    project: Path
    data_folder: Path
    speed: float = 1.0
    start: str = ""
    end: str = ""
    overrides: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    write_every_seconds: float = 30.0


@dataclass(frozen=True)
class Deployment:
    """A folder that a project trades in; `resumed` if an earlier process has traded there."""

    folder: Path
    resumed: bool


def parse_speed(text: str) -> float:
    """Return simulated seconds a second; `max` and 0 wait for nothing.

    Raises:
        ConfigError: It is no number of 0 or more.
    """
    if text.strip().lower() == FASTEST:
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        raise ConfigError(f"--speed {text}: give simulated seconds per real second, 0 or more, or max")
    return speed


def find_deployment(parent: Path, *, new: bool) -> Deployment:
    """Return the newest deployment below a folder that has not come to its end, else a new one.

    Raises:
        DataError: Its account is damaged.
    """
    if not new:
        for path in sorted(parent.glob(f"*/{ACCOUNT_NAME}"), reverse=True):
            journal = Journal(path)
            journal.close()
            if not journal.state.ended:
                return Deployment(path.parent.resolve(), resumed=journal.state.time_us is not None)
    return Deployment(new_run_folder(parent), resumed=False)


@contextmanager
def stopping(pace: Pace, say: Say) -> Iterator[list[int]]:
    """Let Ctrl-C and SIGTERM end the waiting; a second Ctrl-C interrupts at once. Yields the signals that came."""
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt
        pace.stop()
        say("stopping after this moment; the account is kept")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def trade(
    options: PaperOptions,
    deployment: Deployment,
    pace: Pace,
    *,
    prepare: Callable[[Resolved, BacktestOptions], Any],
    report: Callable[[BacktestOptions, BacktestRun], dict[str, Any]],
    on_moment: Callable[[LiveStatus], None] | None = None,
) -> dict[str, Any]:
    """Trade until the data end or somebody stops it, and return the summary, which is written beside the results.

    Args:
        options: What to trade.
        deployment: Where.
        pace: The clock; whoever calls its `stop` ends the run.
        prepare: Makes models and servers ready for a configuration; returns `models`, `notes` and `overrides`.
        report: Writes summary and report of what was traded; returns the summary.
        on_moment: Called after each moment.

    Raises:
        LeanLlmError: The configuration is wrong, or the algorithm raised; what was traded is kept.
    """
    folder = deployment.folder
    folder.mkdir(parents=True, exist_ok=True)
    as_backtest = BacktestOptions(
        project=options.project,
        data_folder=options.data_folder,
        output=folder,
        start=options.start,
        end=options.end,
        overrides=options.overrides,
        parameters=options.parameters,
        baseline=False,
    )
    parameters = {**options.parameters, "llm-run-dir": str(folder), RECORDED_DATA: "true"}
    yaml = options.project / "llm_config.yaml"
    resolved, prepared = None, None
    if yaml.is_file():
        resolved = resolve(yaml, options.overrides)
        prepared = prepare(resolved, as_backtest)
        final = resolve(yaml, [*options.overrides, *prepared.overrides])
        parameters["llm-config"] = str(final.write_json(folder / "config.json"))
    write_versions(folder / "versions.json")
    result = run_paper(
        options.project,
        data_folder=options.data_folder,
        folder=folder,
        pace=pace,
        parameters=parameters,
        start=date.fromisoformat(options.start) if options.start else None,
        end=date.fromisoformat(options.end) if options.end else None,
        on_moment=on_moment,
        write_every_seconds=options.write_every_seconds,
    )
    if resolved is None or prepared is None or not (folder / "decisions.jsonl").is_file():
        return _plain_summary(options.project, folder, result)
    run = BacktestRun(
        folder, resolved, {MAIN_ARM: _record(folder, result)}, prepared.models, prepared.notes, result.interrupted
    )
    times, _ = run.records[MAIN_ARM].equity
    if len({moment.date() for moment in times}) < 2:  # a report needs more than one day
        return _plain_summary(options.project, folder, result)
    return report(as_backtest, run)


def _record(folder: Path, result: BacktestResult) -> ArmRecord:
    return ArmRecord(
        name=MAIN_ARM,
        title="paper",
        folder=folder,
        algorithm_id=result.algorithm_id,
        bars=result.bars,
        seconds=result.seconds,
        orders_hash=result.order_list_hash,
        status=result.status,
        error=result.error or "",
        statistics=dict(result.statistics),
    )


def _plain_summary(project: Path, folder: Path, result: BacktestResult) -> dict[str, Any]:
    summary = {
        "project": project.name,
        "run_folder": str(folder),
        "status": result.status,
        "interrupted": result.interrupted,
        "orders_hash": result.order_list_hash,
        "bars": result.bars,
        "statistics": dict(result.statistics),
    }
    write_whole(folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    return summary
