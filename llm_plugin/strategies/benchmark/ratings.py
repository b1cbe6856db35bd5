"""Human ratings: a form to fill in, which does not show what the judge said, and what came back."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.files import write_whole
from llm_plugin.strategies.benchmark.samples import Sample
from llm_plugin.strategies.benchmark.scores import bootstrap_interval

__all__ = ["COLUMNS", "read_form", "summarise_ratings", "write_form"]

COLUMNS = ("sample", "prompt", "code", "rater", "does_what_was_asked", "readable", "would_use", "comment")
_SCALES = {"does_what_was_asked": (1, 5), "readable": (1, 5), "would_use": (0, 1)}


def write_form(samples: Sequence[Sample], prompts: Mapping[str, str], path: Path, *, most: int, seed: int = 0) -> int:
    """Write a CSV form with samples drawn by chance, one a task as far as they go.

    Args:
        samples: Those with code are drawn from.
        prompts: Prompt by task.
        path: The file.
        most: How many rows at most.
        seed: Of the draw.

    Returns:
        How many rows were written.

    Raises:
        DataError: No sample has code.
    """
    with_code = [sample for sample in samples if sample.code]
    if not with_code:
        raise DataError("no sample holds code: there is nothing to rate")
    drawn = random.Random(seed)  # noqa: S311 - a draw that can be repeated
    drawn.shuffle(with_code)
    chosen = sorted(with_code, key=lambda sample: sample.number)[:most]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample in chosen:
        writer.writerow([sample.id, prompts.get(sample.task, ""), sample.code, "", "", "", "", ""])
    write_whole(path, stream.getvalue())
    return len(chosen)


def read_form(path: Path, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Read a form that was filled in; rows without any rating are left out.

    Raises:
        DataError: A column is missing, a sample is unknown, or a rating is out of its scale; names the row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the form {path}: {error}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}: fill in the form as it was written")
    known = {sample.id for sample in samples}
    rows = []
    for number, row in enumerate(reader, 2):
        if row["sample"] not in known:
            raise DataError(f"{path}, row {number}: no sample {row['sample']!r} in this run")
        given = {name: (row[name] or "").strip() for name in _SCALES}
        if any(given.values()):
            values = {name: _rating(path, number, name, text) for name, text in given.items()}
            rows.append({"sample": row["sample"], "rater": row["rater"], "comment": row["comment"], **values})
    if not rows:
        raise DataError(f"{path} holds no rating: fill in {', '.join(_SCALES)}")
    return rows


def _rating(path: Path, row: int, name: str, text: str) -> int | None:
    if not text:
        return None
    low, high = _SCALES[name]
    if not text.isdigit() or not low <= int(text) <= high:
        raise DataError(f"{path}, row {row}: {name} is {text!r}; write {low} to {high}")
    return int(text)


def summarise_ratings(rows: Sequence[Mapping[str, Any]], samples: Sequence[Sample]) -> dict[str, Any]:
    """Return means with intervals, and how often "does what was asked" (4 or 5) agrees with the judge's fourth gate."""
    found: dict[str, Any] = {"ratings": len(rows), "raters": len({row["rater"] for row in rows})}
    for name in _SCALES:
        values = [float(row[name]) for row in rows if row[name] is not None]
        if values:
            low, high = bootstrap_interval(values)
            found[name] = {"mean": sum(values) / len(values), "low": low, "high": high, "count": len(values)}
    judged = {sample.id: sample.passed("means_it") for sample in samples}
    pairs = [
        (row["does_what_was_asked"] >= 4, judged[row["sample"]])
        for row in rows
        if row["does_what_was_asked"] is not None and judged.get(row["sample"]) is not None
    ]
    found["agrees_with_judge"] = sum(human == judge for human, judge in pairs) / len(pairs) if pairs else None
    return found
