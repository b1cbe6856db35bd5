"""The pointer file and its journal: one change at a time, whole or not at all, and never by a cycle that was displaced.

The pointer is the truth and carries its own last change; the journal is written after it. Where a writer was killed
between the two, the next one writes the missing row. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import LeaseLost, ModelError
from llm_plugin.registry.files import append_line, locked, replace_file
from llm_plugin.registry.words import Change, Pointer, Stage, change_from_json, pointer_from_json, pointer_to_json

__all__ = ["PointerFile"]

ChangeRule = Callable[[Pointer, dict[str, Stage]], Pointer]


class PointerFile:
    """Who serves, on the disk.

    Args:
        folder: The registry of one model.
        clock: What time it is, for the record only.
    """

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._clock = clock
        self._path = folder / "pointer.json"
        self._journal_path = folder / "journal.jsonl"

    def read(self) -> Pointer:
        """Return who serves.

        Raises:
            ModelError: The file is damaged.
        """
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Pointer()
        except ValueError:
            data = {}
        return pointer_from_json(data if isinstance(data, dict) else {}, self._path)

    def recovered(self) -> Pointer:
        """Return the pointer, or where its file is damaged what the journal says of it."""
        try:
            return self.read()
        except ModelError:
            rows = self._journal()
            return _of_change(max(rows, key=lambda row: row.sequence)) if rows else Pointer()

    def history(self) -> list[Change]:
        """Return every change, oldest first."""
        rows = {row.sequence: row for row in self._journal()}
        last = self.read().change
        if last is not None:
            rows[last.sequence] = last
        return [rows[number] for number in sorted(rows)]

    def write(
        self,
        what: str,
        version: str,
        change: ChangeRule,
        fence: int | None,
        *,
        done: Callable[[Pointer], bool],
        recover: bool = False,
    ) -> Pointer:
        """Change the pointer under the lock.

        Args:
            what: Name of the change.
            version: Whom it is about.
            change: Gives the new pointer from the old one and a copy of its stages, which it may change.
            fence: Fencing token of a cycle; None is an operator.
            done: True where the change has happened already; then nothing is written.
            recover: Start from the journal where the file is damaged.

        Raises:
            LeaseLost: `fence` is older than one that wrote before.
        """
        with locked(self._folder):
            old = self.recovered() if recover else self.read()
            if fence is not None and fence < old.fencing_token:
                raise LeaseLost(
                    f"fencing token {fence} is older than {old.fencing_token}, which wrote {self._path}: another cycle "
                    "has taken over and this one must stop"
                )
            self._repair_journal(old)
            if done(old) and not (recover and self._is_damaged()):
                return old
            stages = dict(old.stages)
            new = replace(change(old, stages), stages=stages, sequence=old.sequence + 1, changed_utc=self._clock())
            new = replace(new, fencing_token=max(old.fencing_token, fence or 0))
            new = replace(new, change=_change(what, version, new))
            replace_file(self._path, json.dumps(pointer_to_json(new), indent=2, sort_keys=True) + "\n")
            append_line(self._journal_path, to_jsonable(new.change))
            return new

    def _is_damaged(self) -> bool:
        try:
            self.read()
        except ModelError:
            return True
        return False

    def _journal(self) -> list[Change]:
        rows = []
        for line in self._journal_path.read_bytes().splitlines() if self._journal_path.is_file() else []:
            try:
                rows.append(change_from_json(json.loads(line)))
            except (ValueError, TypeError, KeyError):
                continue  # the line in which a writer was killed; the pointer holds the same change
        return rows

    def _repair_journal(self, pointer: Pointer) -> None:
        """Write the change that a killed writer did not come to write; the pointer carries it."""
        if pointer.change is not None and pointer.change.sequence not in {row.sequence for row in self._journal()}:
            append_line(self._journal_path, to_jsonable(pointer.change))


def _of_change(change: Change) -> Pointer:
    stages: dict[str, Stage] = {}
    if change.challenger is not None:
        stages[change.challenger] = "validation"
    if change.previous is not None:
        stages[change.previous] = "staging"
    stages[change.champion] = "production"
    return Pointer(
        champion=change.champion,
        previous=change.previous,
        challenger=change.challenger,
        sequence=change.sequence,
        changed_utc=change.changed_utc,
        reason=change.reason,
        fencing_token=change.fencing_token,
        forced=change.forced,
        stages=stages,
        change=change,
    )


def _change(what: str, version: str, pointer: Pointer) -> Change:
    return Change(
        sequence=pointer.sequence,
        changed_utc=pointer.changed_utc,
        what=what,
        version=version,
        champion=pointer.champion,
        previous=pointer.previous,
        challenger=pointer.challenger,
        reason=pointer.reason,
        forced=pointer.forced,
        fencing_token=pointer.fencing_token,
    )
