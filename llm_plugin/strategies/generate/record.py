"""How a strategy came to be: every message, answer and verdict, one line each, on disk before the next step begins.

The same command continues from it: what was answered and judged already is read, not asked again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from llm_plugin.errors import ConfigError, RecordError, StoreUnavailable

__all__ = ["NAME", "Record", "digest"]

NAME = "record.jsonl"
VERSION = "1"


def digest(value: Any) -> str:
    """Return a short hash of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Record:
    """An append-only file of events; answers and verdicts are found again by their key."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        """Open the record of a folder, or begin one.

        Args:
            folder: The unfinished project.
            header: What makes a record another one: prompt, settings, data.

        Raises:
            ConfigError: The folder holds the record of another prompt or other settings, or somebody else writes it.
            StoreUnavailable: It cannot be written.
        """
        self.path = folder / NAME
        self._known: dict[str, dict[str, Any]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("a+", encoding="utf-8", newline="\n")
        except OSError as error:
            raise StoreUnavailable(f"cannot write {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._stream.close()
            raise ConfigError(
                f"{folder}: another `lean-llm generate` writes it; wait for it, or name another -o"
            ) from error
        try:
            self._begin(folder, header)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was added is on disk already."""
        self._stream.close()

    @property
    def resumed(self) -> int:
        """How many answers and verdicts were there at the start."""
        return len(self._known)

    def add(self, event: str, **values: Any) -> None:
        """Append an event and have it on disk.

        Raises:
            StoreUnavailable: It cannot be written, say because the disk is full.
        """
        row = {"event": event, "utc": datetime.now(UTC).isoformat(timespec="milliseconds"), **values}
        try:
            self._stream.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise StoreUnavailable(f"cannot write {self.path}: {error.strerror}; free space and run again") from error
        if "key" in values:
            self._known[f"{event} {values['key']}"] = row

    def recall(self, event: str, key: str) -> dict[str, Any] | None:
        """Return what was recorded under a key, None where nothing was."""
        return self._known.get(f"{event} {key}")

    def rows(self) -> list[dict[str, Any]]:
        """Return every event so far."""
        return list(read_record(self.path))

    def _begin(self, folder: Path, header: Mapping[str, Any]) -> None:
        rows = list(read_record(self.path))
        stamp = digest({"version": VERSION, **header})
        if not rows:
            self._stream.truncate(0)  # at most an unfinished first line
            self.add("begun", header=dict(header), stamp=stamp)
            return
        if rows[0].get("stamp") != stamp:
            told = _differences(rows[0].get("header") or {}, header)
            raise ConfigError(
                f"{folder} is the unfinished work of another command ({told}): remove it, or name another -o"
            )
        self._drop_unfinished_line()
        self._known = {f"{row['event']} {row['key']}": row for row in rows if "key" in row}
        self.add("continued", known=len(self._known))

    def _drop_unfinished_line(self) -> None:
        content = self.path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self.path, content.rfind(b"\n") + 1)


def read_record(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a record; an unfinished last line is left out.

    Raises:
        RecordError: Another line is no JSON.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            if path.read_text(encoding="utf-8").rstrip("\n").endswith(line):
                return
            raise RecordError(f"{path}:{number} is not JSON: remove the folder and run again") from error


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return f"other {', '.join(names)}" if names else "of another version"
