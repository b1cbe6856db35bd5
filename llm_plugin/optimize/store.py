"""Finished trials on disk: one line each, appended as they end, so that a killed optimisation goes on."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.errors import StoreUnavailable
from llm_plugin.optimize.plan import Task

__all__ = ["TrialResult", "TrialStore"]


@dataclass(frozen=True)
class TrialResult:
    """What one backtest of an optimisation gave; a failed one says why."""

    key: str
    parameters: dict[str, str]
    start: str
    end: str
    status: str
    statistics: dict[str, str] = field(default_factory=dict)
    orders: int = 0
    orders_hash: str = ""
    bars: int = 0
    seconds: float = 0.0
    days: tuple[str, ...] = ()
    equity: tuple[float, ...] = ()
    error: str = ""
    kind: str = ""

    @property
    def failed(self) -> bool:
        """True if it did not come to its end, or saw no data."""
        return bool(self.error) or self.status != "Completed"

    @classmethod
    def of(cls, task: Task, answer: Mapping[str, Any]) -> TrialResult:
        """Make a result of a task and what its process answered."""
        error, kind = str(answer.get("error") or ""), str(answer.get("kind") or "")
        if not error and not answer.get("bars"):
            error, kind = "the run saw no bar: there is no data for these dates", "DataError"
        return cls(
            key=task.key,
            parameters=dict(task.trial),
            start=task.window.start,
            end=task.window.end,
            status=str(answer.get("status") or ""),
            statistics=dict(answer.get("statistics") or {}),
            orders=int(answer.get("orders") or 0),
            orders_hash=str(answer.get("orders_hash") or ""),
            bars=int(answer.get("bars") or 0),
            seconds=float(answer.get("seconds") or 0.0),
            days=tuple(answer.get("days") or ()),
            equity=tuple(answer.get("equity") or ()),
            error=error,
            kind=kind,
        )

    def returns(self) -> NDArray[np.float64]:
        """Daily returns of the equity curve, one per sampled day after the first."""
        values = np.asarray(self.equity, dtype=np.float64)
        return values[1:] / values[:-1] - 1 if len(values) > 1 else np.zeros(0)


class TrialStore:
    """`trials.jsonl`; safe to append from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known = {result.key: result for result in self._read()}
        self._mend()

    def get(self, key: str) -> TrialResult | None:
        """Return a finished trial, None if it has to be run."""
        return self._known.get(key)

    def add(self, result: TrialResult) -> None:
        """Keep a trial for good before it counts.

        Raises:
            StoreUnavailable: It cannot be written.
        """
        line = json.dumps(asdict(result), separators=(",", ":")) + "\n"
        with self._lock:
            try:
                with self._path.open("a", encoding="utf-8") as stream:
                    stream.write(line)
                    stream.flush()
                    os.fsync(stream.fileno())
            except OSError as error:
                raise StoreUnavailable(
                    f"cannot write {self._path}: {error.strerror}: free space and run again, finished trials are kept"
                ) from error
            self._known[result.key] = result

    def _read(self) -> Iterator[TrialResult]:
        if not self._path.is_file():
            return
        with self._path.open(encoding="utf-8") as stream:
            for line in stream:
                try:
                    values = json.loads(line)
                except ValueError:
                    continue  # cut off when the optimisation was killed: it runs again
                yield TrialResult(**{**values, "days": tuple(values["days"]), "equity": tuple(values["equity"])})

    def _mend(self) -> None:
        """End a line that was cut off, so that the next one starts where a line starts."""
        if self._path.is_file():
            with self._path.open("rb+") as stream:
                stream.seek(0, os.SEEK_END)
                if stream.tell():
                    stream.seek(-1, os.SEEK_END)
                    if stream.read(1) != b"\n":
                        stream.write(b"\n")
