"""What may become a row: examples of the grammar and of the alphas, before anybody has run them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from llm_plugin.strategies.curate.rows import Row, code_hash
from llm_plugin.strategies.grammar import FAMILIES, Strategy, strategies
from llm_plugin.strategies.grammar.draft import split_of

__all__ = ["Example", "alpha_rows", "pattern_examples"]

SEED = "curate/1"
_ALPHAS_END = date(2018, 3, 29)


@dataclass(frozen=True)
class Example:
    """A candidate for the dataset.

    Attributes:
        row: The row that it becomes.
        difficulty: 1 to 3.
        source_text: The code, where the row itself holds only a reference to it.
    """

    row: Row
    difficulty: int = 1
    source_text: str = ""

    @property
    def code(self) -> str:
        """The program."""
        return self.row.completion or self.source_text


def pattern_examples(families: Sequence[str] = (), seed: str = SEED) -> Iterator[Example]:
    """Yield strategies of the grammar without end, its families in turn."""
    for found in strategies(seed, families=tuple(families) or FAMILIES):
        yield Example(_pattern_row(found), found.difficulty)


def _pattern_row(found: Strategy) -> Row:
    wording = int(hashlib.sha256(found.id.encode()).hexdigest()[:4], 16) % len(found.instructions)
    others = tuple(text for text in found.instructions if text != found.instructions[wording])
    return Row(
        id=found.id,
        instruction=found.instructions[wording],
        completion=found.source,
        family=found.family,
        split=found.split,
        source="pattern",
        requirements=found.requirements,
        sha256=code_hash(found.source),
        core=f"{found.family}|{found.core}",
        paraphrases=others,
        start=found.start.isoformat(),
        end=found.end.isoformat(),
        cash=float(found.cash),
    )


def alpha_rows() -> Iterator[Example]:
    """Yield the 101 formulaic alphas as LEAN algorithms, over a quarter of daily bars."""
    from llm_plugin.alphas.examples import alpha_examples, default_plan

    for each in alpha_examples(replace(default_plan(), end=_ALPHAS_END)):
        core = f"alpha|{each.number}"
        wording = each.number % len(each.instructions)
        facts: Mapping[str, Any] = each.facts
        row = Row(
            id=f"alpha-{each.number:03d}",
            instruction=each.instructions[wording],
            completion=each.source,
            family="formulaic_alphas",
            split=split_of("formulaic_alphas", core),
            source="alpha",
            sha256=code_hash(each.source),
            core=core,
            paraphrases=tuple(text for place, text in enumerate(each.instructions) if place != wording),
            start=str(facts["start"]),
            end=str(facts["end"]),
        )
        yield Example(row, 3)
