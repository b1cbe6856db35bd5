"""One more row: a project that somebody wrote, or a strategy that did well live, through the same admission."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.strategies.curate.admit import Admission, admit
from llm_plugin.strategies.curate.contamination import Benchmark
from llm_plugin.strategies.curate.duplicates import Index
from llm_plugin.strategies.curate.examples import Example
from llm_plugin.strategies.curate.normalise import shingles
from llm_plugin.strategies.curate.rows import Row, code_hash, read_rows, write_rows
from llm_plugin.strategies.curate.skeleton import row_shingles

__all__ = ["ADDED", "add_project", "project_source"]

ADDED = "added.jsonl"


def project_source(project: Path) -> str:
    """Return the code of a project folder or of a file.

    Raises:
        DataError: There is none, or it imports from files beside it, which a row cannot hold.
    """
    path = project / "main.py" if project.is_dir() else project
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}; give a LEAN project folder or its main.py") from error
    beside = {other.stem for other in path.parent.glob("*.py") if other != path}
    used = sorted(name for name in beside if f"import {name}" in text or f"from {name} " in text)
    if used:
        raise DataError(f"{path} imports {', '.join(used)} from its folder: a row is one file, put it into main.py")
    return text


def add_project(
    project: Path,
    prompt: str,
    folder: Path,
    data_folder: Path,
    *,
    family: str = "added",
    requirements: Any = None,
    start: date | None = None,
    end: date | None = None,
    benchmark: Path | None = None,
    unsafe: bool = False,
) -> Row:
    """Judge a project and append it to the dataset.

    Args:
        project: Folder or `main.py`.
        prompt: What it answers.
        folder: Of the dataset.
        data_folder: LEAN-format data.
        family: Kind of strategy.
        requirements: JSON object of `Requirements`; with it gate 4 is judged, too.
        start: First day to run on, instead of the code's.
        end: Last day.
        benchmark: Tasks that it may not resemble.
        unsafe: Judge without a sandbox where none can be built.

    Raises:
        DataError: The prompt is empty, the code is a near-duplicate or a gate failed; nothing is written then.
    """
    if not prompt.strip():
        raise DataError("the prompt is empty: say with --prompt what the project does")
    text = project_source(project)
    digest = code_hash(text)
    row = Row(
        id=f"added-{digest[:12]}",
        instruction=prompt.strip(),
        completion=text,
        family=family,
        split="train",
        source="added",
        requirements=requirements,
        sha256=digest,
        core=f"added|{digest[:12]}",
        start=start.isoformat() if start else "",
        end=end.isoformat() if end else "",
    )
    known = read_rows(folder) if any(folder.glob("*.jsonl*")) else []
    _refuse_known(row, known, benchmark)
    admitted = _judged(Example(row), data_folder, unsafe)
    path = folder / ADDED
    before = read_rows(path) if path.is_file() else []
    write_rows([*before, admitted], path)
    return admitted


def _refuse_known(row: Row, known: list[Row], benchmark: Path | None) -> None:
    items = shingles(row.completion)
    index = Index()
    for name, those in row_shingles(known).items():
        index.add(name, those)
    near = index.nearest(items)
    if near is not None:
        raise DataError(f"the code is a near-duplicate ({near.similarity:.2f}) of the row {near.id}: nothing to add")
    tasks = Benchmark.read(benchmark)
    match = tasks.code(items) or tasks.prompts([row.instruction])
    if match is not None:
        raise DataError(
            f"this is the benchmark task {match.id.split('#')[0]} (similarity {match.similarity:.2f}): a model that "
            "learned it could not be measured any more"
        )


def _judged(example: Example, data_folder: Path, unsafe: bool) -> Row:
    from llm_plugin.strategies.judge import JudgePool

    found: list[Admission] = []
    with JudgePool(data_folder, 1, unsafe=unsafe) as pool:
        admit(pool, [example], found.append)
    done = found[0]
    if done.row is None:
        raise DataError(f"not admitted at the gate '{done.gate}': {done.reason}")
    return replace(done.row)
