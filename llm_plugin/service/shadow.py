"""The previous generation's answers to the questions of today, off the answers' path and kept for the watch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_plugin.domain import DecisionRequest, QuestionKind
from llm_plugin.errors import LeanLlmError
from llm_plugin.learning.types import PolicyAnswer, StoredPrompt

if TYPE_CHECKING:
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.generations import Generation
    from llm_plugin.service.metrics import Metrics
    from llm_plugin.settings import Settings

__all__ = ["Shadow"]

_LOG = logging.getLogger("llm_plugin.service")
QUIET_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 2.0
BATCH = 16


@dataclass(frozen=True, slots=True)
class _Waiting:
    decision_id: str
    since: float


class Shadow:
    """Asks the previous generation what was asked of the serving one, while nobody waits for an answer.

    What waits is only remembered by id: the question and its prompt lie in the store. A question that was not answered
    before a restart is found there again by `catch_up`.
    """

    def __init__(
        self,
        settings: Settings,
        store: OutcomeStore,
        database: LearningDatabase,
        metrics: Metrics,
        generation: Callable[[], Generation | None],
        idle: Callable[[], bool],
        prefix: str,
        most: int = 10_000,
    ) -> None:
        """Start nothing yet.

        Args:
            settings: Fusion, sizing and tie band.
            store: Questions and prompts.
            database: Keeps the answers.
            metrics: Counters.
            generation: The one that answers in shadow, None where there is none.
            idle: Whether nobody waits for an answer now.
            prefix: The prompts' shared start.
            most: Questions that may wait; the oldest gives way.
        """
        self._settings = settings
        self._store = store
        self._database = database
        self._metrics = metrics
        self._generation = generation
        self._idle = idle
        self._prefix = prefix
        self._waiting: deque[_Waiting] = deque(maxlen=most)
        self._awake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, request: DecisionRequest, prompt_hash: str) -> None:
        """Remember an answered question; returns at once."""
        if request.kind is QuestionKind.ENTRY and prompt_hash and self._generation() is not None:
            self._waiting.append(_Waiting(request.decision_id, time.monotonic()))
            self._metrics.shadows_waiting.set(len(self._waiting))
            self._awake.set()

    def catch_up(self, model_version: str) -> int:
        """Remember what the serving version has decided and the one before has not answered yet; return how many.

        Args:
            model_version: What the serving version's decisions call it.
        """
        generation = self._generation()
        if generation is None:
            return 0
        waiting = {item.decision_id for item in self._waiting}
        missing = [name for name in unanswered(self._store, model_version, generation.label) if name not in waiting]
        self._waiting.extend(_Waiting(name, time.monotonic()) for name in missing)
        self._metrics.shadows_waiting.set(len(self._waiting))
        self._awake.set()
        return len(missing)

    def flush(self) -> int:
        """Answer everything that waits, now; return how many."""
        done = 0
        while self._waiting:
            done += self._answer_some()
        return done

    def close(self) -> None:
        """End; what still waits is answered after the next start."""
        self._stop.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            if not self._waiting:
                self._awake.wait()
                self._awake.clear()
                continue
            patient = time.monotonic() - self._waiting[0].since < LONGEST_WAIT_SECONDS
            if patient and not self._idle():
                self._stop.wait(QUIET_SECONDS)
                continue
            self._answer_some()

    def _answer_some(self) -> int:
        ids = [self._waiting.popleft().decision_id for _ in range(min(BATCH, len(self._waiting)))]
        self._metrics.shadows_waiting.set(len(self._waiting))
        generation = self._generation()
        if generation is None or not ids:
            return 0
        try:
            return self._ask(generation, ids)
        except LeanLlmError as error:
            _LOG.warning("shadow answers of %s failed: %s", generation.label, error)
            return 0

    def _ask(self, generation: Generation, ids: list[str]) -> int:
        from llm_plugin.gate.policy import policy_answer

        stored = [row for row in map(self._store.decision, ids) if row is not None and row.prompt_text is not None]
        if not stored:
            return 0
        started = time.perf_counter()
        prompts = [self._prompt(row.prompt_text or "", row.decision.prompt_hash) for row in stored]
        scores = generation.score(prompts, [row.request.legal for row in stored])
        seconds = (time.perf_counter() - started) / len(stored)
        for row, scored in zip(stored, scores, strict=True):
            answer: PolicyAnswer = policy_answer(row.request, scored, self._settings, generation.label, None, seconds)
            if self._database.save_shadow(answer, time_utc=row.request.market.time_utc):
                self._metrics.shadows.inc()
        return len(stored)

    def _prompt(self, text: str, prompt_hash: str) -> StoredPrompt:
        prefix = self._prefix if text.startswith(self._prefix) else ""
        return StoredPrompt(prefix, text.removeprefix(prefix), prompt_hash)


def unanswered(store: OutcomeStore, model_version: str, shadow: str) -> list[str]:
    """Return the entry questions that one version decided and another has no stored answer to, oldest first.

    Args:
        store: Questions; shadow answers lie in the same database.
        model_version: Who decided, as decisions say it.
        shadow: Who shall answer beside it, by its registry version.
    """
    import sqlalchemy as sa

    from llm_plugin.learning import schema as learning
    from llm_plugin.outcomes import schema
    from llm_plugin.service.figures import decided_by

    decided = schema.decisions
    known = sa.select(learning.shadows.c.decision_id).where(learning.shadows.c.version == shadow)
    query = (
        sa.select(decided.c.decision_id)
        .where(decided.c.kind == QuestionKind.ENTRY.value, decided.c.prompt_hash.is_not(None))
        .where(decided_by(model_version), decided.c.decision_id.not_in(known))
        .order_by(decided.c.time_us, decided.c.decision_id)
    )
    return [row[0] for row in store.select(query)]
