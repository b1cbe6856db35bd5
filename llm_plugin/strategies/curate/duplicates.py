"""Near-duplicates: exact Jaccard similarity of shingles, found through an inverted index instead of all pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["THRESHOLD", "Index", "Match", "jaccard"]

THRESHOLD = 0.9
"""From this Jaccard similarity on, two programs count as near-duplicates."""


@dataclass(frozen=True, slots=True)
class Match:
    """The known program that is nearest."""

    id: str
    similarity: float


class Index:
    """Programs by their shingles; answers exactly which known one is nearest.

    Args:
        threshold: Similarities below it need not be found, which is what makes it fast.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self._sets: dict[str, frozenset[int]] = {}
        self._holders: dict[int, list[str]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._sets)

    def add(self, name: str, items: frozenset[int]) -> None:
        """Remember a program."""
        self._sets[name] = items
        for item in items:
            self._holders[item].append(name)

    def nearest(self, items: frozenset[int], ignore: Iterable[str] = ()) -> Match | None:
        """Return the most similar known program at or above the threshold, None if there is none.

        A set that shares at least the threshold's part must share one of any `size - needed + 1` of its items, so the
        rarest of them are enough to find every candidate.
        """
        if not items:
            return None
        left_out = set(ignore)
        needed = -int(-self.threshold * len(items) // 1)
        rare = sorted(items, key=lambda item: (len(self._holders.get(item, ())), item))
        names = {name for item in rare[: len(items) - needed + 1] for name in self._holders.get(item, ())}
        best: Match | None = None
        for name in sorted(names - left_out):
            similarity = jaccard(items, self._sets[name])
            if similarity >= self.threshold and (best is None or similarity > best.similarity):
                best = Match(name, similarity)
        return best


def jaccard(first: frozenset[int], second: frozenset[int]) -> float:
    """Return shared over all."""
    shared = len(first & second)
    whole = len(first) + len(second) - shared
    return shared / whole if whole else 1.0
