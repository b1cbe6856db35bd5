"""Identical questions are asked once: the same model, prompt and legal actions give the same scores."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from llm_plugin.domain import Action
from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText

__all__ = ["ScoringCache"]

_Key = tuple[str, tuple[Action, ...]]
_Answers = OrderedDict[_Key, ActionScores]
SWEEP = 64  # answers of retired versions that one store forgets: dropping thousands at once would hold up everybody


class ScoringCache:
    """A bounded, thread-safe cache in front of a model; answers of another model version are never reused.

    Over `Generations`, one call is answered by one generation, cached answers included, and the answers of generations
    that can no longer serve are forgotten.
    """

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
        self._size = 0
        self._versions: OrderedDict[str, _Answers] = OrderedDict()  # the one asked last stands last
        self._retired: list[_Answers] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of kept answers."""
        return self._size

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score like the model; a failure of the model is raised and nothing is stored."""
        keys = [(prompt.hash, tuple(actions)) for prompt, actions in zip(prompts, legal, strict=True)]
        with _pinned(self.model) as model:
            version = model.version
            answers = self._known(version, keys)
            missing = list(dict.fromkeys(key for key in keys if key not in answers))
            answers.update(_asked(model, missing, keys, prompts, legal))
            if any(answers[key].model_version != version for key in missing) and len(missing) < len(answers):
                # Somebody else serves by now: what the cache knew is of another generation than what was just asked.
                missing = list(answers)
                answers.update(_asked(model, missing, keys, prompts, legal))
        # A model that changed between the look-up and the answer must not be filed under the old version.
        own = {key: answers[key] for key in missing if answers[key].model_version == version}
        with self._lock:
            self.misses += len(missing)
            self.hits += len(keys) - len(missing)
            if self.capacity:
                self._store(version, own)
        seen: set[_Key] = set()
        result = []
        for key in keys:
            result.append(replace(answers[key], cached=True) if key in seen else answers[key])
            seen.add(key)
        return result

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._versions.clear()
            self._retired.clear()
            self._size = 0

    def _known(self, version: str, keys: Sequence[_Key]) -> dict[_Key, ActionScores]:
        with self._lock:
            kept = self._versions.get(version)
            if kept is None:
                self._retire_all_but({version, *getattr(self.model, "versions", ())})
                return {}
            self._versions.move_to_end(version)
            found = {}
            for key in keys:
                if key in kept:
                    kept.move_to_end(key)
                    found[key] = replace(kept[key], cached=True)
            return found

    def _retire_all_but(self, living: set[str]) -> None:
        for version in [name for name in self._versions if name not in living]:
            answers = self._versions.pop(version)
            self._size -= len(answers)
            self._retired.append(answers)

    def _store(self, version: str, answers: dict[_Key, ActionScores]) -> None:
        kept = self._versions.setdefault(version, OrderedDict())
        before = len(kept)
        kept.update(answers)
        self._size += len(kept) - before
        while self._size > self.capacity:
            oldest = next(known for known in self._versions.values() if known)
            oldest.popitem(last=False)
            self._size -= 1
        for _ in range(SWEEP):
            if not self._retired:
                return
            if self._retired[-1]:
                self._retired[-1].popitem()
            else:
                self._retired.pop()


def _asked(
    model: LanguageModel,
    wanted: Sequence[_Key],
    keys: Sequence[_Key],
    prompts: Sequence[PromptText],
    legal: Sequence[tuple[Action, ...]],
) -> dict[_Key, ActionScores]:
    if not wanted:
        return {}
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    rows = [first[key] for key in wanted]
    fresh = model.score([prompts[row] for row in rows], [legal[row] for row in rows])
    return dict(zip(wanted, fresh, strict=True))


@contextmanager
def _pinned(model: LanguageModel) -> Iterator[Any]:
    """Hold a hot-swapped model's current generation for a whole call; any other model is one generation."""
    pin = getattr(model, "pin", None)
    if pin is None:
        yield model
    else:
        with pin() as generation:
            yield generation
