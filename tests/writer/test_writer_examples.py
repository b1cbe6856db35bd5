"""Labels: the completion only, whole rows only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_strategies import toy_rows, write_rows

from llm_plugin.errors import TrainingFailed
from llm_plugin.writer.chat import ChatFormat
from llm_plugin.writer.examples import IGNORED, arranged, encode_rows, encode_texts
from llm_plugin.writer.network import base_texts, build_code_tokenizer
from llm_plugin.writer.rows import StrategyRow, read_rows


@pytest.fixture
def rows(tmp_path: Path) -> list[StrategyRow]:
    return read_rows(write_rows(tmp_path / "rows.jsonl.gz", toy_rows(120)))


@pytest.fixture
def tokenizer(rows: list[StrategyRow], tmp_path: Path) -> Any:
    texts = [text for row in rows for text in (row.instruction, row.completion)]
    return build_code_tokenizer(texts, tmp_path / "tok", 600, 512)


def test_loss_is_on_the_completion_and_its_end_only(rows: list[StrategyRow], tokenizer: Any) -> None:
    found = encode_rows(rows, ChatFormat(tokenizer), 512)
    for row, ids, labels in zip(rows, *found.columns.values(), strict=True):
        learned = [token for token in labels if token != IGNORED]
        assert tokenizer.decode(learned[:-1]) == row.completion
        assert learned[-1] == tokenizer.eos_token_id
        assert ids[-len(learned) :] == learned
        assert labels[: -len(learned)] == [IGNORED] * (len(ids) - len(learned))
        assert row.instruction in tokenizer.decode(ids[: -len(learned)])


def test_rows_that_are_too_long_are_left_out_whole(rows: list[StrategyRow], tokenizer: Any) -> None:
    whole = encode_rows(rows, ChatFormat(tokenizer), 512)
    lengths = sorted(len(ids) for ids in whole.columns["input_ids"])
    part = encode_rows(rows, ChatFormat(tokenizer), lengths[10])
    assert part.longest == lengths[10]
    assert part.too_long == 120 - len(part) > 0
    with pytest.raises(TrainingFailed, match="none of 120 rows has at most 20 tokens"):
        encode_rows(rows, ChatFormat(tokenizer), 20)


def test_batches_hold_like_lengths_in_no_order_of_length(rows: list[StrategyRow], tokenizer: Any) -> None:
    plain = encode_rows(rows, ChatFormat(tokenizer), 512)
    found = arranged(plain, 4, seed=1)
    key = sorted(zip(*plain.columns.values(), strict=True))
    assert sorted(zip(*found.columns.values(), strict=True)) == key
    assert found == arranged(plain, 4, seed=1) != arranged(plain, 4, seed=2)
    lengths = [len(ids) for ids in found.columns["input_ids"]]
    batches = [lengths[i : i + 4] for i in range(0, len(lengths), 4)]
    whole = max(lengths) - min(lengths)
    assert sum(max(part) - min(part) for part in batches) / len(batches) < whole / 3
    assert batches != sorted(batches)
    assert batches != sorted(batches, reverse=True)


def test_base_reads_code_and_no_instruction(rows: list[StrategyRow], tokenizer: Any) -> None:
    texts = base_texts(rows, 3)
    assert len(texts) == len(rows)
    assert texts == base_texts(rows, 3) != base_texts(rows, 4)
    said = "\n".join(part for parts in texts for part in parts)
    both = [(inside.splitlines(), code) for inside, code in texts if inside]
    assert 0.3 < len(both) / len(texts) < 0.7
    assert all(line in code for lines, code in both for line in lines)
    assert "Buy " not in said
    assert "go long" not in said
    encoded = encode_texts(texts, ChatFormat(tokenizer), 2000)
    for (_, code), ids, labels in zip(texts, *encoded.columns.values(), strict=True):
        assert ids.count(tokenizer.bos_token_id) == 1
        assert tokenizer.decode([token for token in labels if token != IGNORED][:-1]) == code
        assert ids[-1] == labels[-1] == tokenizer.eos_token_id


def test_numbers_and_symbols_are_the_same_tokens_in_a_question_and_in_code(tokenizer: Any) -> None:
    asked = tokenizer("Buy SPY when RSI(14) falls below 30.")["input_ids"]
    coded = tokenizer('self.add_equity("SPY", Resolution.DAILY)\nself.rsi(self._symbol, 14) < 30')["input_ids"]
    for text in ("SPY", "14", "30"):
        tokens = tokenizer(text)["input_ids"]
        for ids in (asked, coded):
            assert tokens in [ids[i : i + len(tokens)] for i in range(len(ids))]
    assert len(tokenizer("2013")["input_ids"]) == 1  # in every program
    assert len(tokenizer("9173")["input_ids"]) == 4  # never seen: digit by digit
    assert tokenizer("0.14")["input_ids"][-2:] == tokenizer("14")["input_ids"]  # 14 % is copied too


def test_names_of_members_are_the_same_tokens_where_they_are_made_and_used(tokenizer: Any) -> None:
    name = tokenizer("symbol")["input_ids"]
    assert len(name) == 1
    for line in ("\n        self._symbol = 1", "            self.liquidate(self._symbol)", "elif self._symbol:"):
        assert name[0] in tokenizer(line)["input_ids"]


def test_line_that_recurs_is_one_token_with_its_break_and_indentation(tokenizer: Any) -> None:
    for line in ("\n            return", "\n        self.set_cash("):
        assert len(tokenizer(line)["input_ids"]) == 1
    code = toy_rows(1)[0]["completion"]
    assert tokenizer.decode(tokenizer(code)["input_ids"]) == code
    assert len(tokenizer(code)["input_ids"]) < len(code) / 8
