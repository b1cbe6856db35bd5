"""What must not be lost: decisions before their orders, outcomes exactly once, through outages of the store."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from llm_plugin.domain import Decision, DecisionRequest, Outcome
from llm_plugin.errors import DataError, StoreUnavailable

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import StoredDecision

__all__ = ["DecisionStore", "Ledger"]

_LOG = logging.getLogger("llm_plugin.validator")
_KEPT = 20_000


class DecisionStore(Protocol):
    """What the validator needs of `outcomes.store.OutcomeStore`."""

    def save_decision(
        self,
        request: DecisionRequest,
        decision: Decision,
        prompt_text: str | None = None,
        template_version: str = "",
        schema_version: str = "",
    ) -> bool:
        """Write a decision; False if it is known."""

    def save_outcome(self, outcome: Outcome) -> bool:
        """Write an outcome; False if it is known."""

    def decision(self, decision_id: str) -> StoredDecision | None:
        """Return a stored decision."""

    def save_session(self, run_id: str, payload: Mapping[str, Any], name: str = "session") -> None:
        """Keep a run's state under a name."""


@dataclass(frozen=True, slots=True)
class _Entry:
    request: DecisionRequest
    decision: Decision
    prompt_text: str | None


class Ledger:
    """Writes to the store; what it could not write waits here and goes first the next time."""

    def __init__(
        self, store: DecisionStore | None, template_version: str, schema_version: str, resumed: bool = False
    ) -> None:
        """Wrap a store.

        Args:
            store: None keeps the run's questions in memory only (tests, tools).
            template_version: Version of the prompt templates, stored with each prompt.
            schema_version: Version of the features, likewise.
            resumed: The store knows this run already, so that questions may have been answered before.
        """
        self._store = store
        self._resumed = resumed
        self._versions = (template_version, schema_version)
        self._recent: OrderedDict[str, _Entry] = OrderedDict()
        self._unsaved: dict[str, _Entry] = {}
        self._waiting: dict[tuple[str, str, str], Outcome] = {}
        self._seen: set[tuple[str, str, str]] = set()
        self.failures = 0

    @property
    def backlog(self) -> int:
        """Decisions and outcomes that wait for the store."""
        return len(self._unsaved) + len(self._waiting)

    def known(self, decision_id: str) -> Decision | None:
        """Return the decision already given under this id, None if there is none."""
        entry = self._recent.get(decision_id)
        if entry is not None:
            return entry.decision
        stored = self._stored(decision_id) if self._resumed else None
        return None if stored is None else stored.decision

    def request(self, decision_id: str) -> DecisionRequest:
        """Return the question of a decision.

        Raises:
            DataError: No such decision was given.
            StoreUnavailable: It is not here, and the store does not answer.
        """
        entry = self._recent.get(decision_id)
        if entry is not None:
            return entry.request
        stored = None if self._store is None else self._store.decision(decision_id)
        if stored is None:
            raise DataError(f"no decision {decision_id} was given in this run; its outcome belongs to nothing")
        return stored.request

    def save(self, request: DecisionRequest, decision: Decision, prompt_text: str | None) -> None:
        """Write a decision.

        Raises:
            StoreUnavailable: It is not on disk; no order may follow.
        """
        self.drain()
        self._write(_Entry(request, decision, prompt_text))
        self._remember(_Entry(request, decision, prompt_text))

    def defer(self, request: DecisionRequest, decision: Decision) -> None:
        """Keep a decision that leads to no new order until the store answers again."""
        entry = _Entry(request, decision, None)
        self._unsaved[request.decision_id] = entry
        self._remember(entry)

    def record(self, outcome: Outcome) -> bool:
        """Write an outcome, or keep it until the store answers; False if it is known already."""
        key = (outcome.decision_id, outcome.action.value, outcome.kind.value)
        if key in self._seen or key in self._waiting:
            return False
        try:
            self.drain()
            new = True if self._store is None else self._store.save_outcome(outcome)
        except StoreUnavailable as error:
            self._failed(error)
            self._waiting[key] = outcome
            return True
        self._seen.add(key)
        return new

    def save_state(self, run_id: str, name: str, payload: Mapping[str, Any]) -> None:
        """Keep a run's state for a restart; a store that does not answer is counted, for nothing hangs on it now."""
        if self._store is None:
            return
        try:
            self._store.save_session(run_id, payload, name)
        except StoreUnavailable as error:
            self._failed(error)

    def drain(self) -> None:
        """Write what waits.

        Raises:
            StoreUnavailable: The store still does not answer; everything is kept.
        """
        for decision_id, entry in list(self._unsaved.items()):
            self._write(entry)
            del self._unsaved[decision_id]
        for key, outcome in list(self._waiting.items()):
            if self._store is not None:
                self._store.save_outcome(outcome)
            self._seen.add(key)
            del self._waiting[key]

    def _write(self, entry: _Entry) -> None:
        if self._store is None:
            return
        try:
            self._store.save_decision(entry.request, entry.decision, entry.prompt_text, *self._versions)
        except StoreUnavailable as error:
            self._failed(error)
            raise

    def _stored(self, decision_id: str) -> StoredDecision | None:
        try:
            return None if self._store is None else self._store.decision(decision_id)
        except StoreUnavailable as error:
            self._failed(error)
            return None

    def _remember(self, entry: _Entry) -> None:
        self._recent[entry.request.decision_id] = entry
        while len(self._recent) > _KEPT:
            self._recent.popitem(last=False)

    def _failed(self, error: StoreUnavailable) -> None:
        self.failures += 1
        _LOG.error("outcome store: %s", error)
