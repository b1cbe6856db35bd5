"""The journal of a paper account: one JSON row for each change, appended at once, folded when a process starts.

A row holds everything that belongs together (an order, its event, the cash and the holding they moved), so that a
process that is killed between two rows leaves a consistent account. A last line that was cut off never happened.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError, StoreUnavailable

__all__ = ["AccountState", "Journal"]

SCHEMA = "1"
Row = dict[str, Any]


@dataclass
class AccountState:
    """What the rows of a journal add up to; values as `state_codec` writes them."""

    began: Row = field(default_factory=dict)
    time_us: int | None = None
    cash: dict[str, str] = field(default_factory=dict)
    unsettled: dict[str, str] = field(default_factory=dict)
    held: dict[str, list[str]] = field(default_factory=dict)
    tickers: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, list[Any]] = field(default_factory=dict)
    orders: dict[int, Row] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)
    fills: list[list[Any]] = field(default_factory=list)
    records: list[list[Any]] = field(default_factory=list)
    series: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    sampler: Row = field(default_factory=dict)
    ended: bool = False

    def fold(self, row: Row) -> None:
        """Take over one row."""
        self.began = row.get("start", self.began)
        self.time_us = row.get("t", self.time_us)
        self.ended = bool(row.get("end", False))
        for name in ("cash", "unsettled", "held", "tickers", "waiting"):
            getattr(self, name).update(row.get(name, {}))
        for order in row.get("orders", ()):
            self.orders[int(order["id"])] = order
        self.events += row.get("events", [])
        self.fills += row.get("fills", [])
        self.records += row.get("records", [])
        self.sampler = row.get("sampler", self.sampler)
        for line in row.get("series", ()):
            key = (line["owner"], line["chart"], line["name"])
            known = self.series.setdefault(key, {**line, "values": []})
            values = known["values"]
            for point in line["values"]:
                if values and values[-1][0] == point[0]:
                    values[-1] = point
                else:
                    values.append(point)


class Journal:
    """An append-only file of rows; `state` is what they add up to.

    Raises:
        DataError: A row before the last one is damaged, or the file is of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = AccountState()
        self.rows = 0
        whole = self._read()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(self._descriptor, whole)
        os.lseek(self._descriptor, 0, os.SEEK_END)

    @property
    def is_new(self) -> bool:
        """Whether nothing has been written yet."""
        return self.rows == 0

    def append(self, row: Row, *, durable: bool = False) -> None:
        """Write one row at once.

        Args:
            row: The parts that changed.
            durable: Also wait for the disk: orders and fills survive a power cut.

        Raises:
            StoreUnavailable: It cannot be written; the file ends with the row before.
        """
        text = (json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n").encode()
        size = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        try:
            view = memoryview(text)
            while view:
                view = view[os.write(self._descriptor, view) :]
            if durable:
                os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            os.lseek(self._descriptor, size, os.SEEK_SET)
            raise StoreUnavailable(f"cannot write {self.path}: {error.strerror}; free space and start again") from error
        self.rows += 1

    def close(self) -> None:
        """Release the file; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> int:
        """Fold the rows and return how many bytes of the file are whole rows."""
        if not self.path.is_file():
            return 0
        whole = 0
        with self.path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith(b"\n"):
                    break
                self._fold(line, number)
                whole += len(line)
        return whole

    def _fold(self, line: bytes, number: int) -> None:
        try:
            row = json.loads(line)
            if number == 1 and row["start"]["schema"] != SCHEMA:
                raise DataError(f"{self.path} has schema {row['start']['schema']!r}, this program reads {SCHEMA!r}")
            self.state.fold(row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{self.path}, line {number}, is damaged ({error!r}): put back a copy, or start anew with --new"
            ) from error
        self.rows += 1
