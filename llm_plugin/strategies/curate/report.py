"""What came of a curation: counts, what was left out and why, hashes; as JSON and in the dataset's card."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.files import write_whole
from llm_plugin.strategies.curate.rows import SPLITS, Row

__all__ = ["Curation", "card_table", "write_curation"]

RECORD = "curation.json"
_BEGIN, _END = "<!-- contents:begin -->", "<!-- contents:end -->"


@dataclass(frozen=True)
class Curation:
    """A finished curation.

    Attributes:
        rows: All rows, those of a LEAN checkout included.
        left_out: Id, family, gate or reason, and words of each example that is not in.
        files: SHA-256 of each file that belongs to the project.
        local_files: Of each file that stays on this machine.
        options: Seed, rows a family, threshold.
        benchmark_tasks: How many tasks the rows were compared with.
    """

    rows: Sequence[Row]
    left_out: Sequence[tuple[str, str, str, str]]
    files: Mapping[str, str]
    local_files: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    benchmark_tasks: int = 0

    def reasons(self) -> list[tuple[str, int, str]]:
        """Return each reason for leaving something out, how often, and one example."""
        counts = Counter(reason for _, _, reason, _ in self.left_out)
        examples = {reason: f"{name}: {words}" for name, _, reason, words in reversed(self.left_out)}
        return [(reason, count, examples[reason]) for reason, count in counts.most_common()]

    def by_family(self) -> list[tuple[str, int, int, int, int]]:
        """Return family, rows, and rows of each split."""
        found = sorted({row.family for row in self.rows})
        counts = Counter((row.family, row.split) for row in self.rows)
        splits = [[counts[family, split] for split in SPLITS] for family in found]
        return [
            (family, sum(row), row[0], row[1], row[2]) for family, row in zip(found, splits, strict=True)
        ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return the record; only of what belongs to the project, so that it is the same on every machine."""
        own = [row for row in self.rows if row.source in ("alpha", "pattern")]
        return {
            "examples": len(own),
            "options": dict(self.options),
            "files": dict(self.files),
            "families": {name: counts for name, *counts in Curation(own, (), {}).by_family()},
            "splits": dict(sorted(Counter(row.split for row in own).items())),
            "sources": dict(sorted(Counter(row.source for row in own).items())),
            "left_out": {reason: count for reason, count, _ in self.reasons()},
            "compared_with_benchmark_tasks": self.benchmark_tasks,
        }


def write_curation(made: Curation, folder: Path) -> None:
    """Write the record, and the table and hashes of the card where there is one."""
    write_whole(folder / RECORD, json.dumps(made.to_json(), indent=1, sort_keys=True) + "\n")
    card = folder / "README.md"
    if card.is_file():
        text = card.read_text(encoding="utf-8")
        if _BEGIN in text and _END in text:
            table = f"{_BEGIN}\n{card_table(made.to_json())}\n{_END}"
            write_whole(card, re.sub(f"{_BEGIN}.*{_END}", lambda _: table, text, flags=re.DOTALL))


def card_table(record: Mapping[str, Any]) -> str:
    """Return the card's table of families, splits and hashes."""
    lines = ["| family | rows | train | validation | test |", "|---|---:|---:|---:|---:|"]
    for name, (rows, *splits) in sorted(record["families"].items()):
        lines.append(f"| {name} | {rows} | {' | '.join(str(count) for count in splits)} |")
    totals = [record["splits"].get(split, 0) for split in SPLITS]
    lines.append(f"| **all** | **{record['examples']}** | {' | '.join(f'**{count}**' for count in totals)} |")
    lines += ["", "| file | SHA-256 |", "|---|---|"]
    lines += [f"| `{name}` | `{digest}` |" for name, digest in sorted(record["files"].items())]
    lines += ["", "| left out because | examples |", "|---|---:|"]
    lines += [f"| {reason} | {count} |" for reason, count in sorted(record["left_out"].items(), key=lambda x: -x[1])]
    return "\n".join(lines)
