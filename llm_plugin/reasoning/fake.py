"""A language model for tests: no weights, no libraries, the same answer every time."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence

from llm_plugin.domain import Action
from llm_plugin.reasoning.base import ActionScores, PromptText, make_scores
from llm_plugin.reasoning.calibrator import Calibrator

__all__ = ["FakeModel"]

Rule = Callable[[PromptText, tuple[Action, ...]], Mapping[Action, float]]


class FakeModel:
    """Answers by a rule, or by a hash of the prompt; can be told to fail or to hang."""

    def __init__(
        self,
        rule: Rule | None = None,
        *,
        version: str = "fake@1",
        calibrator: Calibrator | None = None,
        error: Exception | None = None,
        fail_from_call: int = 0,
        delay_seconds: float = 0.0,
    ) -> None:
        """Set the behaviour.

        Args:
            rule: Gives each legal action a weight above zero; default: from the prompt's hash.
            version: What `version` says.
            calibrator: What `calibrator` says.
            error: Raised by `score` from call number `fail_from_call` on.
            fail_from_call: 0 = from the first call on.
            delay_seconds: How long each call takes.
        """
        self._rule = rule or _hash_rule
        self.version = version
        self.calibrator = calibrator
        self.error = error
        self.fail_from_call = fail_from_call
        self.delay_seconds = delay_seconds
        self.calls = 0
        self.seen: list[PromptText] = []

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score by the rule.

        Raises:
            Exception: The error given to the constructor.
        """
        call, self.calls = self.calls, self.calls + 1
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        if self.error is not None and call >= self.fail_from_call:
            raise self.error
        self.seen.extend(prompts)
        scores = []
        for prompt, actions in zip(prompts, legal, strict=True):
            weights = self._rule(prompt, actions)
            total = sum(weights[action] for action in actions)
            logs = {action: math.log(weights[action] / total) for action in actions}
            scores.append(make_scores(logs, self.version, self.calibrator))
        return scores

    def generate_reasons(
        self, prompts: Sequence[PromptText], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Return one fixed sentence per question, cut to the token limit as words."""
        return [
            " ".join(f"fake reason for {action.value} on {prompt.hash[:8]}".split()[:max_new_tokens])
            for prompt, action in zip(prompts, actions, strict=True)
        ]

    def generate_reason(self, prompt: PromptText, action: Action, max_new_tokens: int = 50) -> str:
        """Return one reason."""
        return self.generate_reasons([prompt], [action], max_new_tokens)[0]


def _hash_rule(prompt: PromptText, actions: tuple[Action, ...]) -> dict[Action, float]:
    digest = hashlib.sha256((prompt.prefix + prompt.suffix).encode()).digest()
    return {action: 1.0 + digest[index] / 64 for index, action in enumerate(sorted(actions))}
