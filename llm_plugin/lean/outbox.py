"""What the service must still be told: kept on disk, or in LEAN's object store, until it has said that it has it.

Standard library only. The service knows what it was told before, so that a row which was delivered and not yet
taken out here is delivered once more and counts once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_plugin.errors import StoreUnavailable

__all__ = ["FileKeeper", "Outbox", "StoreKeeper"]

Row = dict[str, Any]


class FileKeeper:
    """Rows in a file of a run's folder; a line that was cut off by a kill was not acknowledged and is dropped."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        """Name the file.

        Args:
            path: It is there only while something waits.
            durable: Flush to the disk (live): what is kept survives a power cut too.
        """
        self.where = str(path)
        self._path = path
        self._durable = durable

    def load(self) -> list[Row]:
        """Return what an earlier process left."""
        if not self._path.is_file():
            return []
        rows = []
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
        return rows

    def append(self, row: Row, rows: list[Row]) -> None:
        """Add a row to the file."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(_line(row))
            self._flush(stream)

    def replace(self, rows: list[Row]) -> None:
        """Write the file anew."""
        if not rows:
            self._path.unlink(missing_ok=True)
            return
        partial = self._path.with_name(f"{self._path.name}.partial")
        with partial.open("w", encoding="utf-8") as stream:
            stream.writelines(map(_line, rows))
            self._flush(stream)
        partial.replace(self._path)

    def _flush(self, stream: Any) -> None:
        stream.flush()
        if self._durable:
            os.fsync(stream.fileno())


class StoreKeeper:
    """Rows under a key of LEAN's object store, which keeps whole values only."""

    def __init__(self, store: Any, key: str) -> None:
        """Name the key."""
        self.where = f"object store key {key}"
        self._store = store
        self._key = key

    def load(self) -> list[Row]:
        """Return what an earlier process left."""
        if not self._store.contains_key(self._key):
            return []
        text = str(self._store.read(self._key))
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def append(self, row: Row, rows: list[Row]) -> None:
        """Save all rows, the new one among them."""
        self.replace(rows)

    def replace(self, rows: list[Row]) -> None:
        """Save all rows."""
        if self._store.save(self._key, "".join(map(_line, rows))) is False:
            raise OSError(None, "the object store refused it", self.where)


class Outbox:
    """Rows in the order in which they must arrive."""

    def __init__(self, keeper: FileKeeper | StoreKeeper, warn: Callable[[str], None]) -> None:
        """Take up what an earlier process left.

        Args:
            keeper: Where rows are kept.
            warn: Told what a person should know.
        """
        self._keeper = keeper
        self._warn = warn
        self._rows: list[Row] = keeper.load()
        self.refused = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def where(self) -> str:
        """Where rows are kept."""
        return self._keeper.where

    def add(self, row: Row) -> None:
        """Keep a row.

        Raises:
            StoreUnavailable: It is kept in memory only; deliver it before the process ends.
        """
        self._rows.append(row)
        try:
            self._keeper.append(row, self._rows)
        except OSError as error:
            raise StoreUnavailable(
                f"{self.where} cannot be written ({error.strerror or error}): {len(self._rows)} rows wait in memory "
                "only; free space"
            ) from error

    def head(self, most: int) -> list[Row]:
        """Return the first rows that are of one kind."""
        rows: list[Row] = []
        for row in self._rows[:most]:
            if rows and row["op"] != rows[0]["op"]:
                break
            rows.append(row)
        return rows

    def drop(self, count: int) -> None:
        """Take out the first rows: the service has them. Where that cannot be written, they are sent once more."""
        del self._rows[:count]
        try:
            self._keeper.replace(self._rows)
        except OSError as error:
            self._warn(f"{self.where} cannot be written ({error.strerror or error})")


def _line(row: Row) -> str:
    return json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"
