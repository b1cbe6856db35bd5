"""A validator on a fake model, a real store and a local memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_plugin.domain import Action
from llm_plugin.memory.local import LocalMemory
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.reasoning import ActionScores, FakeModel
from llm_plugin.settings import resolve
from llm_plugin.validator import Validator

Make = Callable[..., Validator]


def taking(share: float, **options: Any) -> FakeModel:
    """A model that gives the entry a fixed share."""
    return FakeModel(lambda prompt, legal: {a: share if a.side else 1 - share for a in legal}, **options)


class Script:
    """A model whose answers are given one by one; an exception is raised, the last answer repeats."""

    version = "script@1"
    calibrator = None

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    def score(self, prompts: Sequence[Any], legal: Sequence[tuple[Action, ...]]) -> Any:
        """Give the next answer."""
        self.asked.extend(prompts)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def generate_reasons(
        self, prompts: Sequence[Any], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Not asked here."""
        raise NotImplementedError

    def generate_reason(self, prompt: Any, action: Action, max_new_tokens: int = 50) -> str:
        """Not asked here."""
        raise NotImplementedError


def one(**fields: Any) -> list[ActionScores]:
    """One answer to a BUY question, with fields replaced."""
    values: dict[str, Any] = {
        "legal": (Action.BUY, Action.HOLD),
        "log_probabilities": {Action.BUY: -0.2, Action.HOLD: -1.8},
        "probabilities": {Action.BUY: 0.83, Action.HOLD: 0.17},
        "action_mass": 0.98,
        "action": Action.BUY,
        "model_version": "script@1",
    }
    return [ActionScores(**{**values, **fields})]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OutcomeStore]:
    with OutcomeStore(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened


@pytest.fixture
def make(store: OutcomeStore) -> Iterator[Make]:
    """Make validators on the same store; `memory` and `model` can be replaced, other words are `--set`."""
    made: list[Validator] = []

    def build(*overrides: str, run_id: str = "run", **options: Any) -> Validator:
        settings = resolve(overrides=["signals.kind=none", *overrides], env={}).settings
        given = {"store": store, "memory": LocalMemory(), "model": taking(0.9), **options}
        validator = Validator.from_settings(settings, run_id, **given)
        made.append(validator)
        return validator

    yield build
    for validator in made:
        validator.close()
