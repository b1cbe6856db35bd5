"""The dataset as training reads it: rows of instruction and completion, checked, with one hash over all of them.

A row's `paraphrases` are other wordings of the same request; each is a row of its own in training.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError

__all__ = ["SPLITS", "StrategyRow", "read_rows", "rows_sha256", "split_rows"]

SPLITS = ("train", "validation", "test")
_TEXTS = ("id", "instruction", "completion", "family", "split")
_REMEDY = "make the dataset again with `lean-llm curate`, or remove the row"


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """One example.

    Attributes:
        id: Unique.
        instruction: What is asked for.
        completion: The whole `main.py`.
        family: Compositions that are alike; a family is in one split only.
        split: `train`, `validation` or `test`.
        source: Where it comes from.
    """

    id: str
    instruction: str
    completion: str
    family: str
    split: str
    source: str = ""


def read_rows(path: Path) -> list[StrategyRow]:
    """Read JSON lines, plain or gzipped; a folder means all of its `*.jsonl` and `*.jsonl.gz`, by name.

    Raises:
        DataError: Nothing there, or a row is broken; names file, line and field.
    """
    files = _files(path)
    rows: list[StrategyRow] = []
    seen: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            for row in _rows(line, f"{file}:{number}"):
                if row.id in seen:
                    raise DataError(f"{file}:{number}: id {row.id!r} is in {seen[row.id]} already; {_REMEDY}")
                seen[row.id] = f"{file.name}:{number}"
                rows.append(row)
    if not any(row.split == "train" for row in rows):
        raise DataError(f"{path} holds {len(rows)} rows and none of the split 'train': nothing to learn from")
    return rows


def split_rows(rows: Sequence[StrategyRow], split: str) -> list[StrategyRow]:
    """Return the rows of one split, in their order."""
    return [row for row in rows if row.split == split]


def rows_sha256(rows: Sequence[StrategyRow]) -> str:
    """Hash what training can see of the rows, whatever file they came from."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda item: item.id):
        digest.update(json.dumps([row.id, row.instruction, row.completion, row.family, row.split]).encode() + b"\n")
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")]) if path.is_dir() else []
    if not found:
        raise DataError(f"{path} holds no dataset (*.jsonl or *.jsonl.gz): make one with `lean-llm curate`")
    return found


def _lines(file: Path) -> Iterator[str]:
    opened = gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8")
    try:
        with opened as stream:
            yield from stream
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read ({error}): it is damaged; {_REMEDY}") from error


def _rows(line: str, where: str) -> list[StrategyRow]:
    try:
        data: Any = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: no JSON ({error}); {_REMEDY}") from error
    if not isinstance(data, Mapping):
        raise DataError(f"{where}: a {type(data).__name__}, not an object; {_REMEDY}")
    for name in _TEXTS:
        value = data.get(name)
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{where}: {name} is {value!r}, not a text with something in it; {_REMEDY}")
    if data["split"] not in SPLITS:
        raise DataError(f"{where}: split {data['split']!r} is none of {', '.join(SPLITS)}; {_REMEDY}")
    texts = {name: str(data[name]) for name in _TEXTS}
    row = StrategyRow(**texts, source=str(data.get("source", "")))
    others = data.get("paraphrases") or []
    if not isinstance(others, list) or not all(isinstance(text, str) and text.strip() for text in others):
        raise DataError(f"{where}: paraphrases is {str(others)[:80]!r}, not a list of texts; {_REMEDY}")
    if row.split != "train":  # one wording of each is enough to look at
        return [row]
    return [row, *(replace(row, id=f"{row.id}~p{number}", instruction=text) for number, text in enumerate(others))]
