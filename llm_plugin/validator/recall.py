"""Similar trades for a question; if the memory's server dies, an exact local index made from the store takes over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from llm_plugin.domain import DecisionRequest, Outcome, QuestionKind
from llm_plugin.errors import LookaheadError, MemoryUnavailable
from llm_plugin.memory.local import LocalMemory
from llm_plugin.memory.rebuild import is_remembered, record_of
from llm_plugin.validator.worker import CallWorker

if TYPE_CHECKING:
    from llm_plugin.memory.records import MemoryHit, TradeMemory, Vector

__all__ = ["Recall"]

T = TypeVar("T")
CLOSE_SECONDS = 1.0
ADDING = 3  # a full buffer is sent at once, which takes longer than a search
_LOG = logging.getLogger("llm_plugin.memory")


class Recall:
    """The memory as the validator uses it: as of the question's time, for entries, with its fall-back.

    Attributes:
        failures: Calls that the memory did not answer; after the first the local index answers.
        state: `primary`, or `local` after a failure.
    """

    def __init__(
        self,
        memory: TradeMemory,
        transform: Callable[[DecisionRequest], Vector],
        rebuild: Callable[[], TradeMemory],
        *,
        k: int = 3,
        same_symbol_first: bool = True,
        shadow: bool = True,
        timeout_seconds: float = 5.0,
        seeded_until: datetime | None = None,
    ) -> None:
        """Wrap a memory.

        Args:
            memory: The configured back end.
            transform: The setup of a question as a vector.
            rebuild: Makes the exact local index from the outcome store; the stored outcomes are complete at any time.
            k: Hits per question.
            same_symbol_first: Hits of the question's symbol come first.
            shadow: Remember shadow trades too.
            timeout_seconds: Longest wait for one search; a client that retries on its own would wait for a minute.
            seeded_until: When the last trade of the run that seeded the memory closed.
        """
        self._memory = memory
        self._transform = transform
        self._rebuild = rebuild
        self._k = k
        self._same_symbol_first = same_symbol_first
        self._shadow = shadow
        self._seeded_until = seeded_until
        self._closing: threading.Thread | None = None
        self._timeout_seconds = timeout_seconds
        self._worker = CallWorker("the trade memory", MemoryUnavailable)
        self.failures = 0
        self.state = "primary"

    def check_seed(self, request: DecisionRequest) -> None:
        """Refuse a memory seeded with trades of the run's own time; asked at the first question.

        Raises:
            LookaheadError: The seeding run closed trades at or after it.
        """
        until, self._seeded_until = self._seeded_until, None
        if until is not None and until >= request.market.time_utc:
            raise LookaheadError(
                f"memory.seed_run closed trades until {until.isoformat()}, but this run asks its first question at "
                f"{request.market.time_utc.isoformat()}; seed with a run that ended before"
            )

    def hits(self, request: DecisionRequest) -> tuple[MemoryHit, ...]:
        """Return similar trades that closed strictly before the question; none for questions about a position.

        Raises:
            MemoryUnavailable: Neither the memory nor its replacement answers.
        """
        if request.kind is not QuestionKind.ENTRY:
            return ()
        vector = self._transform(request)
        symbol = request.market.symbol_id if self._same_symbol_first else None
        as_of = request.market.time_utc
        return tuple(self._try(lambda memory: memory.search(vector, self._k, as_of, symbol), self._timeout_seconds))

    def remember(self, request: DecisionRequest, outcome: Outcome) -> bool:
        """Remember a closed trade; call it once the outcome is in the store.

        Returns:
            False where the outcome is none to remember: a replay, HOLD, a trade that did not run to its end, or a
            shadow where shadows are off.
        """
        if not is_remembered(request, outcome, self._shadow):
            return False
        record = record_of(request, outcome, self._transform)
        self._try(lambda memory: memory.add(record), ADDING * self._timeout_seconds)
        return True

    def close(self) -> None:
        """Release the memory; one that is dead by now has lost nothing, for the store holds all of it."""
        _close_quietly(self._memory)
        if self._closing is not None:
            self._closing.join(CLOSE_SECONDS)
        self._worker.close(0.0)

    def close_replacement(self) -> None:
        """Release only what this object made itself; the memory given to it is its caller's."""
        if self.state == "local":
            self.close()

    def _try(self, call: Callable[[TradeMemory], T], timeout_seconds: float) -> T:
        try:
            memory = self._memory
            if isinstance(memory, LocalMemory):
                return call(memory)
            return self._worker.call(lambda: call(memory), timeout_seconds)
        except MemoryUnavailable as error:
            self.failures += 1
            if self.state == "local":
                raise
            _LOG.warning("memory: %s; going on with the exact local index, rebuilt from the outcome store", error)
            dead, self._memory, self.state = self._memory, self._rebuild(), "local"
            # A dead client tries for half a minute to send what it buffers; nobody has to wait for that.
            self._closing = threading.Thread(target=_close_quietly, args=(dead,), name="memory-close", daemon=True)
            self._closing.start()
        return call(self._memory)


def _close_quietly(memory: TradeMemory) -> None:
    try:
        memory.close()
    except MemoryUnavailable as error:
        _LOG.warning("memory: not closed in order (%s); `lean-llm memory rebuild` makes it whole again", error)
