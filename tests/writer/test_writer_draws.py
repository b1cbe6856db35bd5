"""Rows that the grammar draws for a training: of its training compositions, and nothing of the benchmark."""

from __future__ import annotations

import hashlib
from pathlib import Path

from llm_plugin.strategies.curate.contamination import Benchmark
from llm_plugin.strategies.curate.normalise import shingles
from llm_plugin.strategies.grammar import SPLITS, draw
from llm_plugin.writer.draws import drawn_rows
from llm_plugin.writer.rows import StrategyRow

TASKS = Path(__file__).resolve().parents[2] / "datasets" / "strategy_tasks"
ROWS = [StrategyRow("r", "Buy IBM and SPY.", 'add("IBM")\nadd("SPY")\n', "f", "train")]


def test_a_seed_gives_the_same_rows_and_a_larger_count_appends() -> None:
    made = drawn_rows(ROWS, 30, 3)
    assert made == drawn_rows(ROWS, 40, 3)[:30]
    assert made != drawn_rows(ROWS, 30, 4)
    assert len({row.id for row in made}) == len({row.completion for row in made}) == 30
    assert len({row.family for row in made}) > 8
    assert drawn_rows(ROWS, 0, 3) == []


def test_rows_are_of_training_compositions_and_half_of_them_are_changed() -> None:
    made = drawn_rows(ROWS, 60, 1)
    splits = dict.fromkeys(SPLITS, 0)
    known = {}
    for number in range(400):
        for family in {row.family for row in made}:
            found = draw(family, f"writer/1/{number}")
            known[found.id] = found
    for row in made:
        assert row.split == "train"
        drawn = known[row.id.removeprefix("drawn-").partition("~")[0]]
        splits[drawn.split] += 1
        assert hashlib.sha256(drawn.source.encode()).hexdigest()[:12] in row.id
        assert ("~" in row.id) or (row.completion == drawn.source and row.instruction in drawn.instructions)
    assert splits == {"train": 60, "validation": 0, "test": 0}
    assert sum("~" in row.id for row in made) == 30


def test_program_of_the_rows_is_not_drawn_again() -> None:
    first = drawn_rows(ROWS, 1, 5)[0]
    own = [*ROWS, StrategyRow("s", "x", first.completion, "f", "train")]
    assert first.completion not in {row.completion for row in drawn_rows(own, 5, 5)}


def test_what_resembles_the_benchmark_is_left_out() -> None:
    benchmark = Benchmark.read(TASKS)
    assert benchmark.count > 200
    raw = [draw(row.family, f"writer/0/{number}") for number, row in enumerate(drawn_rows(ROWS, 1, 0) * 900)]
    assert any(benchmark.code(shingles(found.source)) for found in raw)  # the guard has something to catch
    for row in drawn_rows(ROWS, 300, 0)[::2]:
        assert benchmark.code(shingles(row.completion)) is None
        assert benchmark.prompts([row.instruction]) is None
