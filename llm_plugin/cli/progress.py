"""The progress of arms in the terminal: one bar each, with bars a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from llm_plugin.cli.console import err

__all__ = ["ArmProgress"]

LEAST_SECONDS = 0.5  # a rate over less than this says nothing


class ArmProgress:
    """A context that shows events of arms; without a terminal it prints a line every ten seconds and at the end."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._titles = titles
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._printed = time.monotonic()
        self._live = err.is_terminal
        self._progress = Progress(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=err,
        )
        self._started: dict[str, tuple[float, int]] = {}

    def __enter__(self) -> ArmProgress:
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._progress.stop()

    def __call__(self, arm: str, event: Mapping[str, Any]) -> None:
        """Take one event of an arm; may come from any thread."""
        with self._lock:
            if arm not in self._tasks:
                self._tasks[arm] = self._progress.add_task(self._titles.get(arm, arm), total=1.0, note="")
                self._started[arm] = (time.monotonic(), event.get("bars", 0))
            if event["event"] == "progress":
                self._show(arm, event)
            elif event["event"] == "done":
                rate = event["bars"] / event["seconds"] if event["seconds"] else 0.0
                note = f"{event['bars']:,} bars, {rate:,.0f} bars/s"
                self._progress.update(self._tasks[arm], completed=1.0, note=note)
                if not self._live:
                    err.print(f"{self._titles.get(arm, arm)}: {note}, {event['seconds']:.1f} s")

    def _show(self, arm: str, event: Mapping[str, Any]) -> None:
        since, bars = self._started[arm]
        seconds = time.monotonic() - since
        rate = f"  {(event['bars'] - bars) / seconds:,.0f} bars/s" if seconds >= LEAST_SECONDS else ""
        decisions = f", {event['decisions']:,} decisions" if event.get("decisions") is not None else ""
        note = f"{event['time'][:10]}{rate}{decisions}"
        self._progress.update(self._tasks[arm], completed=event["fraction"], note=note)
        if not self._live and time.monotonic() - self._printed > 10:
            self._printed = time.monotonic()
            err.print(f"{self._titles.get(arm, arm)}: {100 * event['fraction']:.0f} %, {note}")
