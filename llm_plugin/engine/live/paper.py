"""Paper trading: recorded data against the wall clock, through the live seam, with an account that outlives it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.engine.live.account import PaperAccount
from llm_plugin.engine.live.seam import LiveSession, LiveStatus, Pace
from llm_plugin.engine.runner import BacktestResult, run_backtest
from llm_plugin.errors import ConfigError, DataError

__all__ = ["ACCOUNT_NAME", "LOCK_NAME", "STORE_NAME", "deployment_lock", "run_paper"]

ACCOUNT_NAME = "account.jsonl"
STORE_NAME = "object-store"
LOCK_NAME = "paper.lock"


@contextmanager
def deployment_lock(folder: Path) -> Iterator[None]:
    """Hold a deployment's folder for this process.

    Raises:
        ConfigError: Another process trades on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_NAME).open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            raise ConfigError(
                f"{folder} is being traded by process {stream.read().strip() or 'unknown'}: stop that one, or name "
                "another --output"
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def run_paper(
    project: Path,
    *,
    data_folder: Path,
    folder: Path,
    pace: Pace,
    parameters: Mapping[str, Any] | None = None,
    start: date | None = None,
    end: date | None = None,
    on_moment: Callable[[LiveStatus], None] | None = None,
    write_every_seconds: float = 30.0,
) -> BacktestResult:
    """Play recorded data until they end, or until `pace.stop()`; a second call on the same folder goes on from there.

    Args:
        project: LEAN CLI project folder or a Python file.
        data_folder: LEAN-format data.
        folder: The deployment: account, object store, results and log.
        pace: The clock.
        parameters: Override those of config.json.
        start: First day of the data, for a new deployment; None is the algorithm's own.
        end: Last day; None is the algorithm's own.
        on_moment: Called after each moment.
        write_every_seconds: Wall seconds between two writes of the result files.

    Raises:
        ConfigError: Another process trades on this folder, or it belongs to another project.
        DataError: The account's journal is damaged, or the data have ended.
        LeanLlmError: What the algorithm or the engine raised; results and account are kept.
    """
    with deployment_lock(folder):
        account = PaperAccount(folder / ACCOUNT_NAME, {"project": Path(project).resolve().name})
        _check(account, folder, project)
        log = _Log(folder)
        # Log and results are for people: the account is in the journal already.
        session = LiveSession(
            pace,
            account,
            on_begin=log.begin,
            on_moment=lambda status: _tell(log, session, status, on_moment),
            on_results=lambda run: run.result(folder, 0.0),
            write_every_seconds=write_every_seconds,
        )
        result: BacktestResult | None = None
        try:
            result = run_backtest(
                project,
                data_folder=data_folder,
                results_folder=folder,
                parameters=parameters,
                start=start if not account.resumed else None,
                end=end,
                live=session,
                object_store_folder=folder / STORE_NAME,
            )
        finally:
            session.close(_status(result))
        result.interrupted = result.interrupted or pace.stopped
        return result


def _status(result: BacktestResult | None) -> Any:
    from llm_plugin.engine.base.enums import AlgorithmStatus

    completed = result is not None and result.status == str(AlgorithmStatus.COMPLETED)
    return AlgorithmStatus.COMPLETED if completed else AlgorithmStatus.STOPPED


def _check(account: PaperAccount, folder: Path, project: Path) -> None:
    began = account.journal.state.began
    name = Path(project).resolve().name
    if account.resumed and began.get("project") != name:
        raise ConfigError(f"{folder} is a deployment of {began.get('project')!r}, not of {name!r}: name another folder")
    if account.ended:
        raise DataError(f"{folder} has come to the end of its data ({began.get('end')}): start another one with --new")


def _tell(log: _Log, session: LiveSession, status: LiveStatus, then: Callable[[LiveStatus], None] | None) -> None:
    log.follow(session.run.core.log_lines)
    if then is not None:
        then(status)


class _Log:
    """Appends the algorithm's log lines to its log file as they come; earlier processes' lines come first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder
        self._written = 0

    def begin(self, run: Any) -> None:
        """Take up what earlier processes wrote."""
        self._path = self._folder / f"{run.name}-log.txt"
        before = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
        run.core.log_lines[:0] = before
        self._written = len(before)

    def follow(self, lines: list[str]) -> None:
        """Write what is new."""
        if len(lines) > self._written:
            with self._path.open("a", encoding="utf-8") as stream:  # the file is replaced with each write of results
                stream.writelines(f"{line}\n" for line in lines[self._written :])
            self._written = len(lines)
