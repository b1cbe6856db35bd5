"""Similar trades for a question; if the memory's server dies, an exact local index made from the store takes over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from llm_plugin.domain import DecisionRequest, Outcome, OutcomeKind, QuestionKind
from llm_plugin.errors import MemoryUnavailable
from llm_plugin.session import pattern_of

if TYPE_CHECKING:
    from llm_plugin.memory.records import MemoryHit, MemoryRecord, TradeMemory, Vector

__all__ = ["Encoder", "Recall", "SetupEncoder"]

T = TypeVar("T")
_LOG = logging.getLogger("llm_plugin.memory")


class Encoder(Protocol):
    """Turns questions into vectors and outcomes into records, by one fixed transform."""

    def vector(self, request: DecisionRequest) -> Vector:
        """Return the setup of a question."""

    def record(self, request: DecisionRequest, outcome: Outcome) -> MemoryRecord:
        """Return what is remembered of a closed trade."""


class SetupEncoder:
    """The shipped encoder: the memory's fixed transform, and the session's pattern as the name of the setup."""

    def __init__(self) -> None:
        """Make the transform."""
        from llm_plugin.memory.vector import VectorTransform

        self._transform = VectorTransform()

    def vector(self, request: DecisionRequest) -> Vector:
        """Return the setup of a question."""
        return self._transform(request)

    def record(self, request: DecisionRequest, outcome: Outcome) -> MemoryRecord:
        """Return what is remembered of a closed trade."""
        from llm_plugin.memory.records import MemoryRecord, microseconds

        return MemoryRecord(
            decision_id=outcome.decision_id,
            symbol_id=outcome.symbol_id,
            action=outcome.action,
            setup=pattern_of(request),
            kind=outcome.kind,
            r_multiple=outcome.r_multiple,
            pnl=outcome.pnl,
            closed_us=microseconds(outcome.closed_utc),
            exit_reason=outcome.exit_reason,
            vector=self._transform(request),
        )


class Recall:
    """The memory as the validator uses it: as of the question's time, for entries, with its fall-back.

    Attributes:
        failures: Calls that the memory did not answer; after the first the local index answers.
        state: `primary`, or `local` after a failure.
    """

    def __init__(
        self,
        memory: TradeMemory,
        encoder: Encoder,
        rebuild: Callable[[], TradeMemory],
        *,
        k: int = 3,
        same_symbol_first: bool = True,
        shadow: bool = True,
    ) -> None:
        """Wrap a memory.

        Args:
            memory: The configured back end.
            encoder: Vectors and records.
            rebuild: Makes the exact local index from the outcome store; the stored outcomes are complete at any time.
            k: Hits per question.
            same_symbol_first: Hits of the question's symbol come first.
            shadow: Remember shadow trades too.
        """
        self._memory = memory
        self._encoder = encoder
        self._rebuild = rebuild
        self._k = k
        self._same_symbol_first = same_symbol_first
        self._shadow = shadow
        self.failures = 0
        self.state = "primary"

    def hits(self, request: DecisionRequest) -> tuple[MemoryHit, ...]:
        """Return similar trades that closed strictly before the question; none for questions about a position.

        Raises:
            MemoryUnavailable: Neither the memory nor its replacement answers.
        """
        if request.kind is not QuestionKind.ENTRY:
            return ()
        vector = self._encoder.vector(request)
        symbol = request.market.symbol_id if self._same_symbol_first else None
        return tuple(self._try(lambda memory: memory.search(vector, self._k, request.market.time_utc, symbol)))

    def remember(self, request: DecisionRequest, outcome: Outcome) -> bool:
        """Remember a closed trade; call it once the outcome is in the store.

        Returns:
            False where the outcome is none to remember: a replay, HOLD, or a shadow where shadows are off.
        """
        wanted = outcome.kind is OutcomeKind.REALISED or (self._shadow and outcome.kind is OutcomeKind.SHADOW)
        if not wanted or not outcome.action.side or request.kind is not QuestionKind.ENTRY:
            return False
        record = self._encoder.record(request, outcome)
        self._try(lambda memory: memory.add(record))
        return True

    def close(self) -> None:
        """Release the memory."""
        self._memory.close()

    def close_replacement(self) -> None:
        """Release only what this object made itself; the memory given to it is its caller's."""
        if self.state == "local":
            self._memory.close()

    def _try(self, call: Callable[[TradeMemory], T]) -> T:
        try:
            return call(self._memory)
        except MemoryUnavailable as error:
            self.failures += 1
            if self.state == "local":
                raise
            _LOG.warning("memory: %s; going on with the exact local index, rebuilt from the outcome store", error)
            replacement = self._rebuild()
            self._close_quietly()
            self._memory, self.state = replacement, "local"
        return call(self._memory)

    def _close_quietly(self) -> None:
        try:
            self._memory.close()
        except MemoryUnavailable as error:
            _LOG.debug("memory: closing the dead connection: %s", error)
