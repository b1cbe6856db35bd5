"""From rows to token ids and labels: the loss is on the completion only, and nothing is cut."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_plugin.errors import TrainingFailed
from llm_plugin.writer.chat import ChatFormat
from llm_plugin.writer.rows import StrategyRow

__all__ = ["IGNORED", "Examples", "arranged", "encode_rows", "encode_texts"]

IGNORED = -100
_BATCHES_SORTED = 16


@dataclass(frozen=True)
class Examples:
    """Encoded rows.

    Attributes:
        columns: `input_ids` and `labels`, one list each row.
        too_long: How many rows were left out because they are longer than the limit.
        tokens: In all rows.
        longest: Tokens of the longest row.
    """

    columns: dict[str, list[list[int]]]
    too_long: int
    tokens: int
    longest: int

    def __len__(self) -> int:
        return len(self.columns["input_ids"])


def encode_rows(rows: Sequence[StrategyRow], chat: ChatFormat, max_tokens: int) -> Examples:
    """Encode pairs.

    Args:
        rows: What to encode.
        chat: Of the base.
        max_tokens: Rows beyond it are left out whole: half a strategy is no strategy.

    Raises:
        DataError: A row holds a control token of this model.
        TrainingFailed: No row is left.
    """
    ids: list[list[int]] = []
    labels: list[list[int]] = []
    for row in rows:
        prompt, answer = chat.example(row.instruction, row.completion, f"row {row.id}")
        if len(prompt) + len(answer) <= max_tokens:
            ids.append(prompt + answer)
            labels.append([IGNORED] * len(prompt) + answer)
    return _checked(ids, labels, len(rows), max_tokens)


def encode_texts(texts: Sequence[tuple[str, str]], chat: ChatFormat, max_tokens: int) -> Examples:
    """Encode the base's texts: code alone, every token learned; behind brackets, the code only.

    Args:
        texts: What stands in the brackets (empty = no brackets), and code.
        chat: Of the stand-in.
        max_tokens: Texts beyond it are left out whole.

    Raises:
        TrainingFailed: No text is left.
    """
    ids: list[list[int]] = []
    labels: list[list[int]] = []
    for inside, code in texts:
        answer = chat.answer_ids(code)
        prompt = chat.prompt_ids([{"role": "user", "content": inside}]) if inside else [chat.tokenizer.bos_token_id]
        if len(prompt) + len(answer) <= max_tokens:
            ids.append(prompt + answer)
            labels.append([IGNORED] * len(prompt) + answer)
    return _checked(ids, labels, len(texts), max_tokens)


def arranged(examples: Examples, batch: int, seed: int) -> Examples:
    """Return the rows so that each batch holds rows of like lengths and the batches come in no order of length.

    Args:
        examples: What is learned, once.
        batch: Rows of a forward pass.
        seed: Of the order.
    """
    rng = random.Random(seed)  # noqa: S311 - an order, no secret
    ids = examples.columns["input_ids"]
    order = rng.sample(range(len(ids)), len(ids))
    batches: list[list[int]] = []
    for start in range(0, len(order), batch * _BATCHES_SORTED):  # sorting all would put the same rows together always
        part = sorted(order[start : start + batch * _BATCHES_SORTED], key=lambda place: len(ids[place]))
        batches += [part[i : i + batch] for i in range(0, len(part), batch)]
    short = [part for part in batches if len(part) < batch]
    batches = [part for part in batches if len(part) == batch]
    rng.shuffle(batches)
    places = [place for part in [*batches, *short] for place in part]
    columns = {name: [rows[place] for place in places] for name, rows in examples.columns.items()}
    return replace(examples, columns=columns)


def _checked(ids: list[list[int]], labels: list[list[int]], rows: int, max_tokens: int) -> Examples:
    if not ids:
        raise TrainingFailed(
            f"none of {rows} rows has at most {max_tokens} tokens: nothing to train on; raise max_tokens"
        )
    lengths = [len(row) for row in ids]
    return Examples({"input_ids": ids, "labels": labels}, rows - len(ids), sum(lengths), max(lengths))
