"""Shingles of whole collections: what most programs of a source share is their skeleton, and says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from llm_plugin.strategies.curate.normalise import shingles
from llm_plugin.strategies.curate.rows import Row

__all__ = ["SHARED", "row_shingles", "without_skeleton"]

SHARED = 0.5
"""A run of tokens in more than this part of the alphas is taken for their common frame."""


def without_skeleton(sets: Mapping[str, frozenset[int]], part: float = SHARED) -> dict[str, frozenset[int]]:
    """Return the sets without what more than `part` of them hold."""
    counts = Counter(item for items in sets.values() for item in items)
    common = {item for item, count in counts.items() if count > part * len(sets)}
    return {name: items - common or items for name, items in sets.items()}


def row_shingles(rows: Iterable[Row]) -> dict[str, frozenset[int]]:
    """Return what the rows are compared by, by id.

    The alphas are one program with a hundred formulas: for them what most of them share is left out, too. Rows whose
    code is not here (references) are not in the answer.
    """
    made = {row.id: (row, shingles(row.completion)) for row in rows if row.completion}
    alphas = without_skeleton({name: items for name, (row, items) in made.items() if row.source == "alpha"})
    return {name: alphas.get(name, items) for name, (_, items) in made.items()}
