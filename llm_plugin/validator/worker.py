"""Calls with a time limit: a back end that hangs costs one wait, not one per question, and never blocks the exit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from llm_plugin.errors import BackendUnavailable, RetryableError

__all__ = ["CallWorker"]

T = TypeVar("T")


class _Job(Generic[T]):
    """One call and its end."""

    def __init__(self, call: Callable[[], T]) -> None:
        self.call = call
        self.done = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.call()
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()


class CallWorker:
    """One daemon thread that makes the calls; while a timed-out call still runs, further ones are refused at once."""

    def __init__(
        self, name: str = "the language model", error: Callable[[str], RetryableError] = BackendUnavailable
    ) -> None:
        """Start nothing yet: the thread is made by the first call.

        Args:
            name: Who is called, for messages.
            error: What is raised when nobody answers.
        """
        self._name = name
        self._error = error
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._late: _Job[Any] | None = None

    def call(self, function: Callable[[], T], timeout_seconds: float) -> T:
        """Return the function's result.

        Raises:
            RetryableError: It did not answer in time, or an earlier call still hangs.
            Exception: Whatever the function raised.
        """
        if self._late is not None:
            if not self._late.done.is_set():
                raise self._error(f"{self._name} still hangs on an earlier question")
            self._late = None
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        job: _Job[T] = _Job(function)
        self._jobs.put(job)
        if not job.done.wait(timeout_seconds):
            self._late = job
            raise self._error(f"{self._name} did not answer within {timeout_seconds:g} s")
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Let the thread end; one that hangs is left to die with the process."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(timeout_seconds)
            self._thread = None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
