"""Reading rows: what is broken is named by file, line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_strategies import toy_rows, write_rows

from llm_plugin.errors import DataError
from llm_plugin.writer.rows import read_rows, rows_sha256, split_rows


def test_rows_of_a_folder_are_read_in_the_order_of_its_files(tmp_path: Path) -> None:
    rows = toy_rows(20)
    write_rows(tmp_path / "b.jsonl.gz", rows[:5])
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows[5:]) + "\n\n", encoding="utf-8")
    found = read_rows(tmp_path)
    assert [row.id for row in found] == [row["id"] for row in [*rows[5:], *rows[:5]]]
    assert {split: len(split_rows(found, split)) for split in ("train", "validation", "test")} == {
        "train": 16,
        "validation": 2,
        "test": 2,
    }


def test_hash_follows_the_content_and_not_the_order(tmp_path: Path) -> None:
    rows = toy_rows(20)
    one = rows_sha256(read_rows(write_rows(tmp_path / "a.jsonl.gz", rows)))
    assert rows_sha256(read_rows(write_rows(tmp_path / "b.jsonl.gz", rows[::-1]))) == one
    rows[3]["completion"] += "# changed\n"
    assert rows_sha256(read_rows(write_rows(tmp_path / "c.jsonl.gz", rows))) != one


def test_paraphrases_are_rows_of_their_own_in_training(tmp_path: Path) -> None:
    rows = [{**row, "paraphrases": ["One.", "Two."]} for row in toy_rows(10)]
    found = read_rows(write_rows(tmp_path / "rows.jsonl.gz", rows))
    assert len(split_rows(found, "train")) == 24
    assert len(split_rows(found, "validation")) == len(split_rows(found, "test")) == 1
    assert [(row.id, row.instruction) for row in found[1:3]] == [("toy-0000~p0", "One."), ("toy-0000~p1", "Two.")]
    assert len({row.completion for row in found[:3]}) == 1


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ("{broken", r"rows\.jsonl\.gz:2: no JSON"),
        ("[1, 2]", r":2: a list, not an object"),
        ({"instruction": "  "}, r":2: instruction is '  ', not a text"),
        ({"completion": None}, r":2: completion is None"),
        ({"split": "training"}, r":2: split 'training' is none of train, validation, test"),
        ({"paraphrases": ["", 3]}, r":2: paraphrases is "),
        ({"id": "toy-0000"}, r":2: id 'toy-0000' is in rows\.jsonl\.gz:1 already"),
    ],
    ids=["json", "list", "empty", "missing", "split", "paraphrases", "twice"],
)
def test_broken_row_is_named(planted: Any, told: str, tmp_path: Path) -> None:
    rows: list[Any] = list(toy_rows(3))
    rows[1] = planted if isinstance(planted, str) else {**rows[1], **planted}
    with pytest.raises(DataError, match=told):
        read_rows(write_rows(tmp_path / "rows.jsonl.gz", rows))


def test_cut_file_is_damaged(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl.gz", toy_rows(50))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"rows\.jsonl\.gz cannot be read .* it is damaged"):
        read_rows(path)


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no dataset"):
        read_rows(tmp_path)
    tests_only = [{**row, "split": "test"} for row in toy_rows(4)]
    with pytest.raises(DataError, match="holds 4 rows and none of the split 'train'"):
        read_rows(write_rows(tmp_path / "rows.jsonl.gz", tests_only))
