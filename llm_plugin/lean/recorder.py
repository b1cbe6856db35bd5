"""Writes `decisions.jsonl` of a run: every signal, decision and outcome, in the order in which they happened."""

from __future__ import annotations

import atexit
import json
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

from llm_plugin.domain import Decision, DecisionRequest, Outcome, Signal
from llm_plugin.errors import StoreUnavailable
from llm_plugin.lean.rows import decision_row, outcome_row, signal_row

__all__ = ["DecisionRecorder"]

FILE_NAME = "decisions.jsonl"
OBJECT_STORE_PREFIX = "llm-plugin/runs"
BUFFER_BYTES = 1 << 16


class DecisionRecorder:
    """Appends rows to the run folder's file, or keeps them for LEAN's object store where no folder is given.

    Decision and outcome rows are flushed at once: what stands above the kill is on disk. Signal rows follow with
    the next decision, or at the end. The file always ends with a whole row: what does not fit is taken back.
    """

    def __init__(self, folder: Path | None, store: Any = None, run_id: str = "", *, resume: bool = False) -> None:
        self.rows = 0
        self._path = Path() if folder is None else folder / FILE_NAME
        self._file: FileIO | None = None
        self._waiting = bytearray()
        self._size = 0
        self._store = store if folder is None else None
        self._key = f"{OBJECT_STORE_PREFIX}/{run_id}/{FILE_NAME}"
        self._lines: list[str] = []
        self._known: set[tuple[str, ...]] | None = set() if resume else None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            if resume:
                self._take_up()
            self._file = FileIO(self._path, "a" if resume else "w")
            self._size = self._path.stat().st_size
            atexit.register(self.close)
        elif resume and store is not None and store.contains_key(self._key):
            self._lines = str(store.read(self._key)).splitlines()
            for line in self._lines:
                self._is_known(json.loads(line))

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
        """Hand what is buffered to the operating system.

        Raises:
            StoreUnavailable: It cannot be written; the file ends with the last row that could.
        """
        if self._file is None:
            return
        try:
            while self._waiting:
                del self._waiting[: self._file.write(self._waiting)]
        except OSError as error:
            self._waiting.clear()
            self._file.truncate(self._size)
            raise StoreUnavailable(
                f"cannot write {self._path}: {error.strerror}; it ends with a whole row: free space and run again"
            ) from error
        self._size = self._path.stat().st_size

    def save(self) -> None:
        """Save to the object store (nothing to do where a file is written)."""
        if self._store is not None and self._lines:
            self._store.save(self._key, "\n".join(self._lines) + "\n")

    def close(self) -> None:
        """Flush, save and release; idempotent."""
        self.save()
        self._store = None
        if self._file is not None:
            file = self._file
            try:
                self.flush()
            finally:
                self._file = None
                file.close()
                atexit.unregister(self.close)

    def _take_up(self) -> None:
        """Learn what an earlier process wrote; a last line that its end cut off is taken back."""
        if not self._path.is_file():
            return
        whole = 0
        with self._path.open("rb+") as stream:
            for line in stream:
                try:
                    self._is_known(json.loads(line))
                except ValueError:
                    break
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
            stream.truncate(whole)

    def _is_known(self, row: dict[str, Any]) -> bool:
        """Whether an earlier process, or this one, wrote this row; it counts as written from now on."""
        if self._known is None:
            return False
        if row["kind"] == "signal":
            key: tuple[str, ...] = ("signal", str(row["symbol_id"]), str(row["time_utc"]))
        else:
            key = tuple(str(row.get(name, "")) for name in ("kind", "decision_id", "outcome_kind", "action"))
        known = key in self._known
        self._known.add(key)
        return known

    def _write(self, row: dict[str, Any]) -> None:
        if self._is_known(row):
            return
        self.rows += 1
        line = json.dumps(row, separators=(",", ":"), allow_nan=False)
        if self._file is not None:
            self._waiting += line.encode() + b"\n"
            if len(self._waiting) >= BUFFER_BYTES:
                self.flush()
        else:
            self._lines.append(line)
