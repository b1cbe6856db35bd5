"""One model for all runs: questions that come while it computes go together through its next pass."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable
from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText

if TYPE_CHECKING:
    from llm_plugin.reasoning.calibrator import Calibrator

__all__ = ["BatchedModel"]

Pass = Callable[[int, float, str], None]


class _Job:
    """One caller's questions. Whoever finds the model free leads a pass; the others wait for its end or their turn."""

    __slots__ = ("answers", "batch", "error", "event", "legal", "prompts")

    def __init__(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> None:
        self.prompts = list(prompts)
        self.legal = list(legal)
        self.event = threading.Event()
        self.batch: list[_Job] = []
        self.answers: list[ActionScores] | None = None
        self.error: Exception | None = None


class BatchedModel:
    """A `LanguageModel` in front of another one, safe to call from any thread.

    Nobody waits for a batch to fill: what came while a pass ran is the next batch. One pass is one call of the model
    behind, so that all its answers are of one generation. A pass that fails is repeated question by question, so that
    one caller's question never fails another's.

    Attributes:
        failures_in_a_row: Questions of the serving version that failed since the last that did not.
    """

    def __init__(self, model: LanguageModel, max_batch: int = 32, on_pass: Pass | None = None) -> None:
        """Wrap a model.

        Args:
            model: Who answers.
            max_batch: Most questions in one pass; a caller that brings more gets a pass of its own.
            on_pass: Told of every pass: questions, seconds, and the error's name or nothing.
        """
        self.model = model
        self.failures_in_a_row = 0
        self._max_batch = max_batch
        self._on_pass = on_pass
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._busy = False
        self._used = time.monotonic()

    @property
    def version(self) -> str:
        """Who answers now."""
        return self.model.version

    @property
    def calibrator(self) -> Calibrator | None:
        """That of who answers now."""
        return self.model.calibrator

    @property
    def idle(self) -> bool:
        """Whether no question is being scored."""
        return not self._busy

    @property
    def quiet_seconds(self) -> float:
        """How long nobody has asked; 0 while a question is being scored."""
        return 0.0 if self._busy else time.monotonic() - self._used

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score, together with whatever else waits.

        Raises:
            Exception: What the model raised about these very questions.
        """
        job = _Job(prompts, legal)
        self._used = time.monotonic()
        with self._lock:
            leads = not self._busy
            if leads:
                self._busy = True
                job.batch = [job]
            else:
                self._waiting.append(job)
        if not leads:
            job.event.wait()
        if job.batch:
            self._lead(job)
        if job.error is not None:
            raise job.error
        return job.answers or []

    def generate_reasons(
        self, prompts: Sequence[PromptText], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Pass on; reasons are nobody's answer and wait for nothing."""
        return self.model.generate_reasons(prompts, actions, max_new_tokens)

    def generate_reason(self, prompt: PromptText, action: Action, max_new_tokens: int = 50) -> str:
        """Pass on."""
        return self.model.generate_reason(prompt, action, max_new_tokens)

    def _lead(self, leader: _Job) -> None:
        try:
            self._run(leader.batch)
        finally:
            with self._lock:
                batch = self._next_batch()
                self._busy = bool(batch)
            if batch:
                batch[0].batch = batch
                batch[0].event.set()
            for job in leader.batch:
                job.event.set()

    def _next_batch(self) -> list[_Job]:
        batch: list[_Job] = []
        questions = 0
        while self._waiting and (not batch or questions + len(self._waiting[0].prompts) <= self._max_batch):
            job = self._waiting.popleft()
            questions += len(job.prompts)
            batch.append(job)
        return batch

    def _run(self, jobs: list[_Job]) -> None:
        try:
            self._pass(jobs)
        except Exception as error:
            if len(jobs) == 1:
                self.failures_in_a_row += len(jobs[0].prompts)
                jobs[0].error = error
                return
            for job in jobs:
                self._run([job])
        else:
            self.failures_in_a_row = 0

    def _pass(self, jobs: list[_Job]) -> None:
        prompts = [prompt for job in jobs for prompt in job.prompts]
        legal = [actions for job in jobs for actions in job.legal]
        started, failed = time.perf_counter(), "error"
        try:
            answers = self.model.score(prompts, legal)
            if len(answers) != len(prompts):
                raise BackendUnavailable(f"the language model gave {len(answers)} answers for {len(prompts)} questions")
            failed = ""
        except Exception as error:
            failed = type(error).__name__
            raise
        finally:
            if self._on_pass is not None:
                self._on_pass(len(prompts), time.perf_counter() - started, failed)
        for job in jobs:
            job.answers, answers = answers[: len(job.prompts)], answers[len(job.prompts) :]
