"""Is a dataset what its card says? Rows whole, all executed, splits apart, benchmark not inside, files as recorded."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.strategies.curate.contamination import Benchmark
from llm_plugin.strategies.curate.duplicates import THRESHOLD, Index
from llm_plugin.strategies.curate.report import RECORD
from llm_plugin.strategies.curate.rows import Row, file_hash, read_rows
from llm_plugin.strategies.curate.skeleton import row_shingles

__all__ = ["MOST_ACROSS", "DatasetCheck", "check_dataset"]

MOST_ACROSS = 0.01
"""The part of the held-out rows that may have a near-duplicate in another split."""


@dataclass(frozen=True)
class DatasetCheck:
    """What was found.

    Attributes:
        rows: How many rows.
        splits: Rows of each split.
        families: Rows of each family.
        near_duplicates_across: Pairs of row ids in different splits, with their similarity.
        split_cores: Cores that are in more than one split.
        contaminated: Row id and benchmark task that it resembles.
        not_executed: Rows without orders of an admission run.
        files_changed: Files that are not what the record says.
        threshold: Similarity from which on programs are near-duplicates.
    """

    rows: int
    splits: dict[str, int]
    families: dict[str, int]
    near_duplicates_across: list[tuple[str, str, float]] = field(default_factory=list)
    split_cores: list[str] = field(default_factory=list)
    contaminated: list[tuple[str, str]] = field(default_factory=list)
    not_executed: list[str] = field(default_factory=list)
    files_changed: list[str] = field(default_factory=list)
    threshold: float = THRESHOLD

    @property
    def near_duplicate_fraction(self) -> float:
        """The part of all rows that has a near-duplicate in another split."""
        return len({name for name, _, _ in self.near_duplicates_across}) / self.rows if self.rows else 0.0

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words; empty if nothing is."""
        found = []
        if self.near_duplicate_fraction > MOST_ACROSS:
            found.append(
                f"{self.near_duplicate_fraction:.1%} of the rows have a near-duplicate in another split, "
                f"{MOST_ACROSS:.0%} may: {self.near_duplicates_across[0]}"
            )
        if self.split_cores:
            found.append(f"{len(self.split_cores)} compositions are in several splits: {self.split_cores[0]}")
        if self.contaminated:
            found.append(f"{len(self.contaminated)} rows resemble benchmark tasks: {self.contaminated[0]}")
        if self.not_executed:
            found.append(f"{len(self.not_executed)} rows were never executed: {self.not_executed[0]}")
        if self.files_changed:
            found.append(f"not as {RECORD} says: {', '.join(self.files_changed)}; run `lean-llm curate` again")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "near_duplicate_fraction": self.near_duplicate_fraction, "problems": self.problems}


def check_dataset(folder: Path, benchmark: Path | None = None) -> DatasetCheck:
    """Check a dataset.

    Raises:
        DataError: There is none, or a row is damaged; names file and line.
    """
    rows = read_rows(folder)
    return DatasetCheck(
        rows=len(rows),
        splits=dict(Counter(row.split for row in rows)),
        families=dict(Counter(row.family for row in rows)),
        near_duplicates_across=_across(rows),
        split_cores=_torn(rows),
        contaminated=_contaminated(rows, Benchmark.read(benchmark)),
        not_executed=[row.id for row in rows if row.orders < 1],
        files_changed=_changed(folder),
    )


def _across(rows: Sequence[Row]) -> list[tuple[str, str, float]]:
    sets = row_shingles(rows)
    indices: dict[str, Index] = defaultdict(Index)
    for row in rows:
        if row.id in sets:
            indices[row.split].add(row.id, sets[row.id])
    found = []
    for row in rows:
        for split, index in indices.items():
            near = index.nearest(sets[row.id]) if split != row.split and row.id in sets else None
            if near is not None:
                found.append((row.id, near.id, round(near.similarity, 3)))
    return found


def _torn(rows: Sequence[Row]) -> list[str]:
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.core:
            splits[row.core].add(row.split)
    return sorted(core for core, found in splits.items() if len(found) > 1)


def _contaminated(rows: Sequence[Row], benchmark: Benchmark) -> list[tuple[str, str]]:
    sets = row_shingles(rows)
    found = []
    for row in rows:
        match = benchmark.code(sets[row.id]) if row.id in sets else None
        match = match or benchmark.prompts([row.instruction, *row.paraphrases])
        if match is not None:
            found.append((row.id, match.id))
    return found


def _changed(folder: Path) -> list[str]:
    record = folder / RECORD
    if not record.is_file():
        return []
    try:
        files = json.loads(record.read_text(encoding="utf-8"))["files"]
        return sorted(
            name for name, digest in files.items()
            if not (folder / name).is_file() or file_hash(folder / name) != digest
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{record} is damaged ({error}): run `lean-llm curate` again") from error
