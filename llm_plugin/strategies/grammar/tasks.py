"""Benchmark tasks of the grammar, from compositions that no training row has."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from llm_plugin.strategies.grammar.catalogue import FAMILIES, strategies
from llm_plugin.strategies.grammar.draft import Strategy
from llm_plugin.strategies.requirements import Requirements
from llm_plugin.strategies.tasks import Task

__all__ = ["grammar_tasks"]

_LOOK = 60


def grammar_tasks(count: int, seed: int = 6, families: tuple[str, ...] = ()) -> list[Task]:
    """Return tasks with references, spread over the families, and over the difficulties within each.

    All come from the test split of the grammar: signal, filter and exit of a task never stand together in a row that
    is trained on. References have requirements, but nobody has run them here: the judge has the last word.

    Args:
        count: How many.
        seed: The same seed gives the same tasks; a larger count appends.
        families: Which; none = all.
    """
    wanted = families or FAMILIES
    share = -(-count // len(wanted))
    columns = [_spread(family, share, seed) for family in wanted]
    rows = [column[place] for place in range(share) for column in columns]
    return [_task(found, number % len(found.instructions)) for number, found in enumerate(rows[:count])]


def _spread(family: str, count: int, seed: int) -> list[Strategy]:
    """Return strategies of a family whose difficulties take turns as far as the family has them."""
    pool = strategies(f"benchmark/{seed}", families=(family,), splits=("test",))
    found = [item for item in islice(pool, _LOOK + 2 * count) if item.requirements is not None]
    taken: Counter[int] = Counter()
    chosen: list[Strategy] = []
    while len(chosen) < count:
        item = min(found, key=lambda one: (taken[one.difficulty], found.index(one)))
        found.remove(item)
        taken[item.difficulty] += 1
        chosen.append(item)
    return chosen


def _task(found: Strategy, wording: int) -> Task:
    return Task(
        id=f"g-{found.id}",
        family=found.family,
        difficulty=found.difficulty,
        prompt=found.instructions[wording],
        requirements=Requirements.from_json(found.requirements),
        start=found.start,
        end=found.end,
        cash=float(found.cash),
        origin="grammar",
        reference=found.source,
    )
