"""What was judged once: a file that only grows, so that a killed curation goes on, on whatever version of the judge."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from llm_plugin.errors import BackendUnavailable, StoreUnavailable
from llm_plugin.strategies.curate.examples import Example

__all__ = ["FILE", "IN_A_ROW", "Admissions", "example_key"]

FILE = "admissions.jsonl"
IN_A_ROW = 40
"""So many failures without an admission between them say that the judge is broken, not the strategies."""


def example_key(example: Example) -> str:
    """Return a hash of what an admission is about: code, requirements, period and cash."""
    row = example.row
    given = [example.code, row.requirements, row.start, row.end, row.cash]
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()


class Admissions:
    """Verdicts by example, in a folder.

    Args:
        folder: Where the file is; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / FILE if folder is not None else None
        self._known = self._read()
        self._waiting: list[str] = []
        self._failed = 0

    def _read(self) -> dict[str, dict[str, Any]]:
        if self._path is None or not self._path.is_file():
            return {}
        found = {}
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                found[str(entry["key"])] = {
                    "orders": int(entry["orders"]),
                    "gate": entry["gate"],
                    "reason": entry["reason"],
                }
            except (ValueError, KeyError, TypeError):
                continue  # half a line of a killed machine: that example is judged again
        return found

    def get(self, example: Example) -> dict[str, Any] | None:
        """Return orders, gate and reason of an example that was judged before."""
        return self._known.get(example_key(example))

    def put(self, example: Example, orders: int, gate: str, reason: str) -> None:
        """Keep a verdict: an admission at once, a failure with the next admission, see `settle`.

        Raises:
            BackendUnavailable: Too many failed in a row: then it is not they who are broken.
            StoreUnavailable: It cannot be written.
        """
        key = example_key(example)
        entry = {"orders": orders, "gate": gate, "reason": reason}
        self._known[key] = entry
        self._failed = self._failed + 1 if gate else 0
        self._waiting.append(json.dumps({"key": key, "id": example.row.id, **entry}))
        if self._failed >= IN_A_ROW:
            raise BackendUnavailable(
                f"{self._failed} strategies in a row failed, the last one at the gate '{gate}': {reason}; "
                "the judge or the data folder is broken: mend it and run again; these failures are not kept"
            )
        if not gate:
            self.settle()

    def settle(self) -> None:
        """Write what waits; it is on the disk when this returns."""
        lines, self._waiting = self._waiting, []
        if self._path is None or not lines:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A line of its own also after half a one.
            text = ("" if self._whole() else "\n") + "".join(line + "\n" for line in lines)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreUnavailable(f"cannot write {self._path}: {error.strerror}; free space and run again") from error

    def _whole(self) -> bool:
        if self._path is None or not self._path.is_file() or not self._path.stat().st_size:
            return True
        with self._path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"
