"""Why it decided as it did: written by the model afterwards, while nobody asks, outside every hash."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_plugin.domain import Decision, Source
from llm_plugin.errors import LeanLlmError
from llm_plugin.learning.types import StoredPrompt
from llm_plugin.prompts.parser import MAX_REASON_WORDS

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import OutcomeStore, StoredDecision
    from llm_plugin.reasoning.base import LanguageModel

__all__ = ["ReasonQueue"]

_LOG = logging.getLogger("llm_plugin.service")
LOOK_SECONDS = 0.5
BATCH = 4


class ReasonQueue:
    """Decisions that wait for their reason; the oldest gives way where there are too many."""

    def __init__(
        self,
        store: OutcomeStore,
        model: LanguageModel,
        quiet: Callable[[], bool],
        prefix: str,
        max_new_tokens: int,
        most: int = 1000,
    ) -> None:
        """Start nothing yet.

        Args:
            store: Prompts, and where reasons are kept.
            model: Writes; only about what its own version decided.
            quiet: Whether nobody has asked for a while.
            prefix: The prompts' shared start.
            max_new_tokens: Length of a reason.
            most: Decisions that may wait.
        """
        self._store = store
        self._model = model
        self._quiet = quiet
        self._prefix = prefix
        self._max_new_tokens = max_new_tokens
        self._waiting: deque[str] = deque(maxlen=most)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="reasons", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, decision: Decision) -> None:
        """Remember a decision; returns at once."""
        if decision.source in (Source.LLM, Source.CACHE) and decision.prompt_hash and not decision.reason:
            self._waiting.append(decision.decision_id)

    def close(self) -> None:
        """End; what still waits stays without a reason."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def write_some(self) -> int:
        """Write a few reasons now; return how many."""
        ids = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        rows = [row for row in map(self._store.decision, ids) if row is not None and self._wants(row)]
        if not rows:
            return 0
        prompts = [self._prompt(row) for row in rows]
        texts = self._model.generate_reasons(prompts, [row.decision.action for row in rows], self._max_new_tokens)
        for row, text in zip(rows, texts, strict=True):
            self._store.save_reason(row.decision.decision_id, " ".join(text.split()[:MAX_REASON_WORDS]))
        return len(rows)

    def _work(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                while self._waiting and self._quiet() and not self._stop.is_set():
                    self.write_some()
            except LeanLlmError as error:
                _LOG.warning("reasons: %s", error)

    def _wants(self, row: StoredDecision) -> bool:
        decision = row.decision
        return row.prompt_text is not None and not decision.reason and decision.model_version == self._model.version

    def _prompt(self, row: StoredDecision) -> StoredPrompt:
        text = row.prompt_text or ""
        prefix = self._prefix if text.startswith(self._prefix) else ""
        return StoredPrompt(prefix, text.removeprefix(prefix), row.decision.prompt_hash)
