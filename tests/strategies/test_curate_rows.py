"""Rows: the same bytes from the same rows, and no damaged row is read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from curate_fakes import DIP, TREND, program, row

from llm_plugin.errors import DataError
from llm_plugin.strategies.curate.rows import read_rows, write_rows

ROWS = [
    row("b", program(DIP), paraphrases=("one", "two")),
    row("a", program(TREND), split="test", requirements={"x": 1}),
]


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_rows(ROWS, tmp_path / "rows.jsonl.gz")
    assert read_rows(tmp_path) == sorted(ROWS, key=lambda each: each.id)


def test_equal_rows_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    first = write_rows(ROWS, tmp_path / "one.jsonl.gz")
    assert write_rows(reversed(ROWS), tmp_path / "two.jsonl.gz") == first
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": "dev"}, "split is 'dev'"),
        ({"source": "web"}, "source is 'web'"),
        ({"instruction": " "}, "the instruction is empty"),
        ({"completion": "print(1)"}, "not what its sha256 says"),
        ({"completion": ""}, "the completion is empty"),
        ({"familly": "trend"}, "no key 'familly'.*did you mean 'family'"),
        ({"family": 3}, "lacks a text for family"),
    ],
)
def test_a_broken_row_is_refused_with_file_and_line(tmp_path: Path, change: dict[str, object], words: str) -> None:
    good, bad = ROWS[0].to_json(), {**ROWS[1].to_json(), **change}
    (tmp_path / "rows.jsonl").write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    with pytest.raises(DataError, match=rf"rows\.jsonl, line 2.*{words}"):
        read_rows(tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    with pytest.raises(DataError, match="holds no rows"):
        read_rows(tmp_path)
    path.write_bytes(gzip.compress(b"{}" * 50)[:-9])
    with pytest.raises(DataError, match=r"cannot read the rows .*rows\.jsonl\.gz"):
        read_rows(tmp_path)
    path.write_bytes(gzip.compress(b'{"id": \n'))
    with pytest.raises(DataError, match="line 1: not JSON"):
        read_rows(tmp_path)


def test_an_id_is_used_once_in_a_folder(tmp_path: Path) -> None:
    write_rows(ROWS, tmp_path / "one.jsonl")
    write_rows(ROWS[:1], tmp_path / "two.jsonl")
    with pytest.raises(DataError, match="the id 'b' is used twice"):
        read_rows(tmp_path)


def test_a_row_by_reference_needs_no_code(tmp_path: Path) -> None:
    reference = row("lean-x", "", source="lean", reference="Algorithm.Python/X.py")
    write_rows([reference], tmp_path / "lean.jsonl")
    assert read_rows(tmp_path)[0].reference == "Algorithm.Python/X.py"
