"""Is a benchmark task in the dataset? By its words, and by the code of its solutions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from llm_plugin.strategies.curate.duplicates import Index, Match
from llm_plugin.strategies.curate.normalise import shingles

__all__ = ["PROMPT_THRESHOLD", "Benchmark"]

PROMPT_THRESHOLD = 0.8
"""From this Jaccard similarity of five-word runs on, two prompts are the same one."""
_RUN = 5


class Benchmark:
    """Prompts and solutions of benchmark tasks, as what no row may resemble.

    Args:
        tasks: `Task` objects.
    """

    def __init__(self, tasks: Sequence[Any]) -> None:
        self.count = len(tasks)
        self._codes, self._prompts = Index(), Index(PROMPT_THRESHOLD)
        for task in tasks:
            self._prompts.add(task.id, _words(task.prompt))
            for place, code in enumerate([task.reference, *task.alternatives]):
                if code:
                    self._codes.add(f"{task.id}#{place}", shingles(code))

    @classmethod
    def read(cls, path: Path | None) -> Benchmark:
        """Read tasks from a file or folder; without a path there is nothing to compare with."""
        from llm_plugin.strategies.tasks import load_tasks

        return cls(load_tasks(path) if path is not None else [])

    def code(self, items: frozenset[int]) -> Match | None:
        """Return the solution that a program is a near-duplicate of."""
        return self._codes.nearest(items)

    def prompts(self, texts: Iterable[str]) -> Match | None:
        """Return the prompt that one of the texts repeats."""
        return next((found for text in texts if (found := self._prompts.nearest(_words(text))) is not None), None)


def _words(text: str) -> frozenset[int]:
    words = re.findall(r"[a-z0-9%]+(?:\.\d+)?", text.lower())
    runs = (" ".join(words[at : at + _RUN]) for at in range(max(1, len(words) - _RUN + 1)))
    return frozenset(int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "big") for run in runs)
