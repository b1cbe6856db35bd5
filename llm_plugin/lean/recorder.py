"""Writes `decisions.jsonl` of a run: every signal, decision and outcome, in the order in which they happened."""

from __future__ import annotations

import atexit
import json
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from llm_plugin.domain import Decision, DecisionRequest, Outcome, Signal
from llm_plugin.lean.rows import decision_row, outcome_row, signal_row

__all__ = ["DecisionRecorder"]

FILE_NAME = "decisions.jsonl"
OBJECT_STORE_PREFIX = "llm-plugin/runs"


class DecisionRecorder:
    """Appends rows to the run folder's file, or keeps them for LEAN's object store where no folder is given.

    Decision and outcome rows are flushed at once: what stands above the kill is on disk. Signal rows follow with
    the next decision, or at the end.
    """

    def __init__(self, folder: Path | None, store: Any = None, run_id: str = "", *, resume: bool = False) -> None:
        self.rows = 0
        self._file: IO[str] | None = None
        self._store = store if folder is None else None
        self._key = f"{OBJECT_STORE_PREFIX}/{run_id}/{FILE_NAME}"
        self._lines: list[str] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / FILE_NAME).open("a" if resume else "w", encoding="utf-8")
            atexit.register(self.close)
        elif resume and store is not None and store.contains_key(self._key):
            self._lines = [str(store.read(self._key)).rstrip("\n")]

    def signal(self, signal: Signal, bar_utc: datetime) -> None:
        """Write the signal source's answer about the bar that ended at `bar_utc`."""
        self._write(signal_row(signal, bar_utc))

    def decision(self, request: DecisionRequest, decision: Decision) -> None:
        """Write one decision with what it was asked about."""
        self._write(decision_row(request, decision))
        self.flush()

    def outcome(self, outcome: Outcome) -> None:
        """Write one outcome."""
        self._write(outcome_row(outcome))
        self.flush()

    def flush(self) -> None:
        """Hand what is buffered to the operating system."""
        if self._file is not None:
            self._file.flush()

    def save(self) -> None:
        """Save to the object store (nothing to do where a file is written)."""
        if self._store is not None and self._lines:
            self._store.save(self._key, "\n".join(self._lines) + "\n")

    def close(self) -> None:
        """Flush, save and release; idempotent."""
        self.save()
        self._store = None
        if self._file is not None:
            self._file.close()
            self._file = None
            atexit.unregister(self.close)

    def _write(self, row: dict[str, Any]) -> None:
        self.rows += 1
        line = json.dumps(row, separators=(",", ":"), allow_nan=False)
        if self._file is not None:
            self._file.write(line + "\n")
        else:
            self._lines.append(line)
