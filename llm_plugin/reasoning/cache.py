"""Identical questions are asked once: the same model, prompt and legal actions give the same scores."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from llm_plugin.domain import Action
from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText

__all__ = ["ScoringCache"]

_Key = tuple[str, str, tuple[Action, ...]]


class ScoringCache:
    """A bounded, thread-safe cache in front of a model; answers of another model version are never reused."""

    def __init__(self, model: LanguageModel, capacity: int = 20_000) -> None:
        """Wrap a model.

        Args:
            model: Who answers what is not known.
            capacity: How many answers are kept; 0 switches the cache off.

        Raises:
            ValueError: A negative capacity.
        """
        if capacity < 0:
            raise ValueError(f"cache capacity {capacity} must be 0 or more")
        self.model = model
        self.capacity = capacity
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[_Key, ActionScores] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of kept answers."""
        return len(self._entries)

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score like the model; a failure of the model is raised and nothing is stored."""
        version = self.model.version
        keys = [(version, prompt.hash, tuple(actions)) for prompt, actions in zip(prompts, legal, strict=True)]
        answers: dict[_Key, ActionScores] = {}
        with self._lock:
            for key in keys:
                if key in self._entries:
                    self._entries.move_to_end(key)
                    answers[key] = replace(self._entries[key], cached=True)
        missing = list(dict.fromkeys(key for key in keys if key not in answers))
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        if missing:
            rows = [first[key] for key in missing]
            fresh = self.model.score([prompts[row] for row in rows], [legal[row] for row in rows])
            answers.update(zip(missing, fresh, strict=True))
        with self._lock:
            self.misses += len(missing)
            self.hits += len(keys) - len(missing)
            for key in missing:
                # A model swapped between the look-up and the answer must not be filed under the old version.
                if self.capacity and answers[key].model_version == version:
                    self._entries[key] = answers[key]
            while len(self._entries) > self.capacity:
                self._entries.popitem(last=False)
        seen: set[_Key] = set()
        result = []
        for key in keys:
            result.append(replace(answers[key], cached=True) if key in seen else answers[key])
            seen.add(key)
        return result

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
