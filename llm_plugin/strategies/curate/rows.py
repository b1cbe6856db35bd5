"""Rows of the dataset: JSON lines, compressed to the same bytes from the same rows, checked when read."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError, StoreUnavailable, did_you_mean

__all__ = ["SOURCES", "SPLITS", "Row", "code_hash", "file_hash", "read_rows", "write_rows"]

SPLITS = ("train", "validation", "test")
SOURCES = ("alpha", "pattern", "lean", "added")


@dataclass(frozen=True, slots=True)
class Row:
    """One instruction with the code that answers it.

    Attributes:
        id: Unique in the dataset.
        instruction: What is asked for.
        completion: Text of `main.py`; empty where `reference` says where it lies.
        family: Kind of strategy.
        split: `train`, `validation` or `test`.
        source: `alpha`, `pattern`, `lean` or `added`.
        requirements: What a judge may hold an answer to, as JSON; None where a machine cannot check it.
        sha256: Of the completion.
        core: What decided on the split; rows of one core are never separated.
        paraphrases: The same request in other words.
        start: First day that it was run on, ISO; empty = the code's own.
        end: Last day.
        cash: Starting cash of that run; 0 = the code's own.
        orders: Orders of that run.
        reference: Path in a LEAN checkout, for rows whose code is not kept here.
    """

    id: str
    instruction: str
    completion: str
    family: str
    split: str
    source: str
    requirements: Mapping[str, Any] | None = None
    sha256: str = ""
    core: str = ""
    paraphrases: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    cash: float = 0.0
    orders: int = 0
    reference: str = ""

    @classmethod
    def from_json(cls, values: Any) -> Row:
        """Build a row, checked.

        Raises:
            DataError: An unknown key, a missing or wrong value, or code that is not what its hash says.
        """
        names = [part.name for part in fields(cls)]
        if not isinstance(values, Mapping):
            raise DataError(f"a row must be an object, not {str(values)[:80]!r}")
        for key in values:
            if key not in names:
                raise DataError(f"a row has no key {key!r}{did_you_mean(str(key), names)}; it has {', '.join(names)}")
        missing = [name for name in names[:6] if not isinstance(values.get(name), str)]
        if missing:
            raise DataError(f"row {values.get('id', '?')!r} lacks a text for {', '.join(missing)}")
        row = cls(**{**values, "paraphrases": tuple(values.get("paraphrases", ()))})
        row.check()
        return row

    def check(self) -> None:
        """Raise `DataError` if a value is none that a row may have."""
        where = f"row {self.id!r}"
        if self.split not in SPLITS:
            raise DataError(f"{where}: split is {self.split!r}; write one of {', '.join(SPLITS)}")
        if self.source not in SOURCES:
            raise DataError(f"{where}: source is {self.source!r}; write one of {', '.join(SOURCES)}")
        if not self.instruction.strip():
            raise DataError(f"{where}: the instruction is empty")
        if not self.completion.strip() and not self.reference:
            raise DataError(f"{where}: the completion is empty, and no reference says where the code lies")
        if self.completion and self.sha256 != code_hash(self.completion):
            raise DataError(f"{where}: the completion is not what its sha256 says; the row was edited or damaged")

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain values; what is empty is left out."""
        values = asdict(self)
        values["paraphrases"] = list(self.paraphrases)
        always = ("id", "instruction", "completion", "family", "split", "source", "requirements", "sha256")
        return {key: value for key, value in values.items() if value or key in always}


def code_hash(source: str) -> str:
    """Return the SHA-256 of a program's text."""
    return hashlib.sha256(source.encode()).hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_rows(rows: Iterable[Row], path: Path) -> str:
    """Write rows sorted by id, whole or not at all, and return the file's SHA-256: equal rows give equal bytes.

    Raises:
        StoreUnavailable: The file cannot be written.
    """
    lines = [json.dumps(row.to_json(), ensure_ascii=False, sort_keys=True) for row in sorted(rows, key=lambda r: r.id)]
    text = "".join(line + "\n" for line in lines).encode()
    # No name and no time in the header: they would make the bytes of every run different.
    content = gzip.compress(text, compresslevel=9, mtime=0) if path.suffix == ".gz" else text
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreUnavailable(f"cannot write {path}: {error.strerror}; nothing was half-written") from error
    return hashlib.sha256(content).hexdigest()


def read_rows(path: Path) -> list[Row]:
    """Read a file of rows, or all files of a folder (`*.jsonl`, `*.jsonl.gz`).

    Raises:
        DataError: A file or a row is damaged, or two rows share an id; names file and line.
    """
    files = [path] if path.is_file() else sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")])
    if not files:
        raise DataError(f"{path} holds no rows (*.jsonl, *.jsonl.gz); `lean-llm curate` makes them")
    found: dict[str, Row] = {}
    for file in files:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            try:
                row = Row.from_json(json.loads(line))
                if row.id in found:
                    raise DataError(f"the id {row.id!r} is used twice")
            except ValueError as error:
                raise DataError(f"{file}, line {number}: not JSON ({error}); write one object per line") from error
            except DataError as error:
                raise DataError(f"{file}, line {number}: {error}") from error
            found[row.id] = row
    return list(found.values())


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8").split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the rows {path}: {error}") from error
