"""Reasons, written in batches after the run or in the background: off the decision's path, outside every hash."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from llm_plugin.domain import Source
from llm_plugin.prompts.parser import MAX_REASON_WORDS
from llm_plugin.prompts.renderer import Prompt

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import StoredDecision
    from llm_plugin.reasoning import LanguageModel

__all__ = ["ReasonStore", "ReasonWriter"]


class ReasonStore(Protocol):
    """What is needed of the outcome store."""

    def decisions(self, run_id: str) -> Iterable[StoredDecision]:
        """Return a run's decisions."""

    def save_reason(self, decision_id: str, reason: str) -> None:
        """Attach a reason."""


class ReasonWriter:
    """Fills in the reasons of a run's answered decisions."""

    def __init__(
        self,
        store: ReasonStore,
        model: LanguageModel,
        run_id: str,
        prefix: str,
        *,
        batch_size: int,
        max_new_tokens: int,
    ) -> None:
        """Take what is needed.

        Args:
            store: Where decisions and prompts lie.
            model: The model that answered; decisions of another version are left alone.
            run_id: The run.
            prefix: The shared start of all its prompts.
            batch_size: Reasons per call.
            max_new_tokens: Length of one.
        """
        self._store = store
        self._model = model
        self._run_id = run_id
        self._prefix = prefix
        self._batch_size = batch_size
        self._max_new_tokens = max_new_tokens

    def write(self, limit: int | None = None) -> int:
        """Write reasons, equal prompts once; returns how many decisions got one."""
        wanting = [row for row in self._store.decisions(self._run_id) if self._wants(row)][:limit]
        written = 0
        for start in range(0, len(wanting), self._batch_size):
            part = wanting[start : start + self._batch_size]
            prompts = [self._prompt(row) for row in part]
            texts = self._model.generate_reasons(prompts, [row.decision.action for row in part], self._max_new_tokens)
            for row, text in zip(part, texts, strict=True):
                self._store.save_reason(row.decision.decision_id, " ".join(text.split()[:MAX_REASON_WORDS]))
                written += 1
        return written

    def _wants(self, row: StoredDecision) -> bool:
        decision = row.decision
        answered = decision.source in (Source.LLM, Source.CACHE) and row.prompt_text is not None
        return answered and not decision.reason and decision.model_version == self._model.version

    def _prompt(self, row: StoredDecision) -> Prompt:
        text = row.prompt_text or ""
        prefix = self._prefix if text.startswith(self._prefix) else ""
        return Prompt(prefix, text.removeprefix(prefix), row.decision.prompt_hash)
