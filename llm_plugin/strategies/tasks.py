"""Benchmark tasks: JSON lines, one task each; a foreign file with nothing but prompts is read too."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.files import write_whole
from llm_plugin.strategies.requirement_parts import known_keys, number, one_of
from llm_plugin.strategies.requirements import Requirements

__all__ = ["DIFFICULTIES", "Task", "load_tasks", "pack_hash", "save_tasks"]

DIFFICULTIES = (1, 2, 3)
_ORIGINS = ("grammar", "hand", "foreign")
_PROMPT_KEYS = ("prompt", "instruction", "question", "description", "input", "text")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Task:
    """A prompt, what a right answer must do, and the period it is judged on.

    `requirements` is None for a foreign prompt: it is judged by all gates but "means it". `reference` and
    `alternatives` are source texts. `family` groups tasks of one kind of strategy; `difficulty` is 1 to 3.
    """

    id: str
    family: str
    difficulty: int
    prompt: str
    requirements: Requirements | None = None
    start: date | None = None
    end: date | None = None
    cash: float | None = None
    origin: str = "hand"
    reference: str | None = None
    alternatives: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise DataError(f"task id {self.id!r} must be letters, digits, '.', '_' and '-', at most 100")
        where = f"task {self.id}"
        if not self.prompt.strip():
            raise DataError(f"{where}: the prompt is empty")
        if self.difficulty not in DIFFICULTIES:
            raise DataError(f"{where}: difficulty is {self.difficulty!r}; write 1, 2 or 3")
        one_of(f"{where}: origin", self.origin, _ORIGINS)
        if self.cash is not None:
            number(f"{where}: cash", self.cash, above=0)
        if self.start is not None and self.end is not None and self.end < self.start:
            raise DataError(f"{where}: the end {self.end} is before the start {self.start}")

    @classmethod
    def from_json(cls, values: Any, folder: Path | None = None) -> Task:
        """Build a task from its JSON object.

        Args:
            values: The object. `reference` and `alternatives` hold source texts or names of `.py` files, as do
                `reference_file` and `alternative_files`.
            folder: Where those files lie.

        Raises:
            DataError: An unknown key, a missing or bad value, or a file that is not there.
        """
        given = dict(known_keys("a task", values, (*_FIELDS, "reference_file", "alternative_files")))
        missing = [key for key in ("id", "family", "difficulty", "prompt", "requirements") if key not in given]
        if missing:
            raise DataError(f"task {given.get('id', '?')!r} lacks {', '.join(missing)}")
        try:
            return cls(**_texts(_converted(given), folder))
        except DataError as error:
            if str(given["id"]) in str(error):
                raise
            raise DataError(f"task {given['id']}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        values = {name: getattr(self, name) for name in _FIELDS}
        values["requirements"] = self.requirements.to_json() if self.requirements is not None else None
        for name in ("start", "end"):
            values[name] = values[name].isoformat() if values[name] is not None else None
        values["alternatives"] = list(self.alternatives)
        optional = ("start", "end", "cash", "reference", "alternatives")
        return {key: value for key, value in values.items() if value or key not in optional}


_FIELDS = (
    "id",
    "family",
    "difficulty",
    "prompt",
    "requirements",
    "start",
    "end",
    "cash",
    "origin",
    "reference",
    "alternatives",
)


def _converted(given: dict[str, Any]) -> dict[str, Any]:
    for name in ("start", "end"):
        if given.get(name) is not None:
            try:
                given[name] = date.fromisoformat(str(given[name]))
            except ValueError:
                raise DataError(f"{name} is {given[name]!r}; write a date such as 2013-01-02") from None
    for name in ("id", "family", "prompt"):
        if not isinstance(given[name], str):
            raise DataError(f"{name} is {given[name]!r}; write a text")
    if given["requirements"] is not None:
        given["requirements"] = Requirements.from_json(given["requirements"])
    return given


def _texts(given: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    one, more = given.pop("reference_file", None), given.pop("alternative_files", None)
    reference = given.get("reference") if one is None else one
    if reference is not None:
        given["reference"] = _solution(reference, folder)
    given["alternatives"] = tuple(
        _solution(value, folder) for value in (*(given.get("alternatives") or ()), *(more or ()))
    )
    return given


def _solution(value: Any, folder: Path | None) -> str:
    """Return a source text: the value itself, or what the file holds that it names."""
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"a solution is {value!r}; write the source or the name of a .py file")
    return value if "\n" in value or not value.endswith(".py") else _text_of(value, folder)


def _text_of(name: Any, folder: Path | None) -> str:
    path = (folder or Path()) / str(name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the solution {path}: {error}") from error


def load_tasks(path: Path) -> list[Task]:
    """Read a tasks file (`.jsonl`, `.jsonl.gz`), or the `tasks.jsonl` of a folder.

    A row without requirements and family is a foreign prompt: its text is taken from `prompt`, `instruction`,
    `question`, `description`, `input` or `text`, or the row is a JSON string.

    Raises:
        DataError: The file or a row is damaged, or two tasks share an id; names file and line.
    """
    if path.is_dir():
        path = path / "tasks.jsonl"
    tasks: dict[str, Task] = {}
    for line, values in _rows(path):
        try:
            foreign = not isinstance(values, Mapping) or not {"family", "requirements"} & set(values)
            task = _foreign(values, line) if foreign else Task.from_json(values, path.parent)
            if task.id in tasks:
                raise DataError(f"the id {task.id!r} is used twice")
        except DataError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        tasks[task.id] = task
    if not tasks:
        raise DataError(f"{path} holds no tasks; write one JSON object per line")
    return list(tasks.values())


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the tasks {path}: {error}") from error
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            yield line, json.loads(row)
        except ValueError as error:
            raise DataError(f"{path}, line {line}: not JSON ({error}); write one object per line") from error


def _foreign(values: Any, line: int) -> Task:
    if isinstance(values, str):
        return Task(f"prompt-{line}", "foreign", 1, values, origin="foreign")
    if not isinstance(values, Mapping):
        raise DataError(f"a row must be an object or a text, not {values!r}")
    for key in _PROMPT_KEYS:
        if isinstance(values.get(key), str):
            name = str(values.get("id", values.get("task_id", f"prompt-{line}")))
            safe = re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:100] or f"prompt-{line}"
            return Task(safe, "foreign", 1, values[key], origin="foreign")
    raise DataError(f"no prompt in the row: it has none of the keys {', '.join(_PROMPT_KEYS)}")


def save_tasks(tasks: Iterable[Task], path: Path) -> None:
    """Write tasks as JSON lines, whole or not at all.

    Raises:
        StoreUnavailable: The file cannot be written.
    """
    rows = [json.dumps(task.to_json(), ensure_ascii=False, sort_keys=True) for task in tasks]
    write_whole(path, "\n".join(rows) + "\n")


def pack_hash(tasks: Iterable[Task]) -> str:
    """Return a hash of prompts, requirements and periods: two results are comparable where it is equal."""
    digest = hashlib.sha256()
    for task in sorted(tasks, key=lambda task: task.id):
        values = {key: value for key, value in task.to_json().items() if key not in ("reference", "alternatives")}
        digest.update(json.dumps(values, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
