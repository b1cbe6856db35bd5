"""More training rows from the grammar: strategies of its training compositions, drawn for this training only.

They are not executed and belong to no dataset: a small model needs more different programs than anyone would execute.
What is held out stays held out: compositions of validation and test are not drawn, nor what a benchmark's solution or
prompt resembles.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from llm_plugin.writer.rows import StrategyRow
from llm_plugin.writer.variations import tickers_of, varied

__all__ = ["drawn_rows"]


def drawn_rows(rows: Sequence[StrategyRow], count: int, seed: int) -> list[StrategyRow]:
    """Return rows of the split `train`; every second one has other tickers and numbers on both sides.

    Args:
        rows: Of the training split: their programs are not drawn again, their tickers are used.
        count: How many.
        seed: The same seed gives the same rows; a larger count appends.
    """
    if not count:
        return []
    from llm_plugin.data.shipped import shipped_dataset
    from llm_plugin.strategies.curate.contamination import Benchmark
    from llm_plugin.strategies.curate.normalise import shingles
    from llm_plugin.strategies.grammar import FAMILIES, draw

    benchmark = Benchmark.read(shipped_dataset("strategy_tasks", "tasks.jsonl"))
    rng, pool = random.Random(seed), tickers_of(rows)  # noqa: S311 - for texts, not for secrets
    known = {row.completion for row in rows}
    made: list[StrategyRow] = []
    number = 0
    while len(made) < count:
        found = draw(FAMILIES[number % len(FAMILIES)], f"writer/{seed}/{number}")
        number += 1
        if found.split != "train" or found.source in known:
            continue
        known.add(found.source)
        if benchmark.code(shingles(found.source)) or benchmark.prompts(found.instructions):
            continue
        asked = rng.choice(found.instructions)
        row = StrategyRow(f"drawn-{found.id}", asked, found.source, found.family, "train", "drawn")
        made.append(varied(row, pool, rng) if len(made) % 2 else row)
    return made
