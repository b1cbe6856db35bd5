"""`ValidatorService`: what the service does, in plain Python. HTTP and MCP are thin shells over it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import (
    Decision,
    DecisionRequest,
    MarketContext,
    Outcome,
    QuestionKind,
    Signal,
    Source,
    to_jsonable,
)
from llm_plugin.errors import DataError, StoreUnavailable
from llm_plugin.service.errors import Conflict, Refused, UnknownDecision
from llm_plugin.service.outcomes import Recorded, TradeResult, outcome_of_result
from llm_plugin.service.reports import DEFAULT_RUN, Report, ReportBook, question_of, tell
from llm_plugin.service.runs import Runs
from llm_plugin.validator.cutoffs import SeenData, refuse_lookahead, seen_data

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import OutcomeStore, StoredDecision
    from llm_plugin.service.learner import Learner
    from llm_plugin.service.metrics import Metrics
    from llm_plugin.service.model import BatchedModel
    from llm_plugin.settings import Settings
    from llm_plugin.validator import SignalSource

__all__ = ["ValidatorService"]

_LOG = logging.getLogger("llm_plugin.service")
OWN_SOURCES = (Source.FALLBACK, Source.WARMING, Source.RULE)


class ValidatorService:
    """Decisions and outcomes of any number of runs, over one store and one model; safe to call from any thread."""

    def __init__(
        self,
        settings: Settings,
        store: OutcomeStore,
        model: BatchedModel | None,
        *,
        signals: Callable[[], SignalSource | None],
        metrics: Metrics,
        learner: Learner | None = None,
    ) -> None:
        """Put a service together; most callers want `service.build.open_service`.

        Args:
            settings: The configuration.
            store: The outcome store, with live commits.
            model: The model that all runs share, None in the arms that ask none.
            signals: Loads the signal source; called by the first question for a signal.
            metrics: Counters.
            learner: The closed loop's part: who serves, shadows, watch, retraining; None serves one fixed model.
        """
        self.settings = settings.model_copy(
            update={"validator": settings.validator.model_copy(update={"mode": _mode(settings)})}
        )
        self.store = store
        self.model = model
        self.metrics = metrics
        self.learner = learner
        self.draining = False
        self._signals = _Once(signals)
        self._reports = ReportBook(store.url)
        self.runs = Runs(self.settings, store, model, self._signals, self._reports)
        self._closed = False

    # -- decisions -------------------------------------------------------------------------------------------------

    def signal(self, market: MarketContext) -> Signal | None:
        """Return the configured signal model's signal for a bar, None where none is configured."""
        return self._signals.signal(market)

    def validate(self, request: DecisionRequest) -> Decision:
        """Answer one question; the same id gets the same decision for ever, also after a restart.

        Raises:
            Conflict: The id belongs to another question.
            LookaheadError: The run's memory was seeded with trades of its own time.
        """
        stored = self._stored(request.decision_id)
        if stored is not None:
            _same_question(stored.request, request)
            self.metrics.repeated.inc()
            return stored.decision
        with self.runs.use(request.run_id) as run:
            decision = run.validator.validate(request)
        self.metrics.decided(decision)
        if self.learner is not None:
            self.learner.answered(request, decision)
        return decision

    def validate_many(self, requests: Sequence[DecisionRequest]) -> list[Decision]:
        """Answer questions in their order."""
        return [self.validate(request) for request in requests]

    def adopt(self, request: DecisionRequest, decision: Decision) -> str:
        """Store a decision that a client made by itself because the service did not answer in time.

        Returns:
            `recorded`, or `duplicate` where the id is known; what was written first stays.

        Raises:
            DataError: It is none that a client can have made, or does not answer its request.
        """
        if decision.source not in OWN_SOURCES:
            raise DataError(
                f"decision.source: {decision.source.value} is the service's own word; a client reports "
                f"{', '.join(source.value for source in OWN_SOURCES)}"
            )
        stored = self._stored(request.decision_id)
        if stored is not None:
            _same_question(stored.request, request)
            return "duplicate"
        with self.runs.use(request.run_id) as run:
            if run.parts.ledger.known(request.decision_id) is not None:
                return "duplicate"
            run.parts.tracker.observe(request)
            run.parts.ledger.save(request, decision, None)
        self.metrics.decided(decision)
        return "recorded"

    def open_run(self, run_id: str, start_utc: datetime | None) -> dict[str, Any]:
        """Return whether a run is known, and who answers it.

        Raises:
            LookaheadError: It starts before the data cutoff of a model of this service.
        """
        if start_utc is not None:
            allowed = self.settings.signals.allow_lookahead
            refuse_lookahead([*seen_data(self.settings), *self._adapter_data()], start_utc, allowed)
        version = "" if self.model is None else self.model.version
        return {"run_id": run_id, "known": self.store.run(run_id) is not None, "version": version}

    def _adapter_data(self) -> list[SeenData]:
        """What the serving generation has seen beyond its base."""
        generation = getattr(getattr(self.model, "model", None), "current", None)
        manifest = getattr(getattr(generation, "model", None), "manifest", None)
        if generation is None or manifest is None or not manifest.data_cutoff_utc:
            return []
        cutoff = datetime.fromisoformat(manifest.data_cutoff_utc.replace("Z", "+00:00"))
        return [SeenData("version", generation.label, cutoff)]

    def open_decisions(self, run_id: str) -> list[StoredDecision]:
        """Return a run's entry decisions that have no outcome yet, oldest first; none for an unknown run."""
        rows = self.store.open_decisions(run_id)
        return [row for row in rows if row.request.kind is QuestionKind.ENTRY]

    # -- outcomes --------------------------------------------------------------------------------------------------

    def record(self, outcome: Outcome) -> Recorded:
        """Store an outcome exactly once; session and memory of its run learn it. It is on disk before this returns.

        Raises:
            UnknownDecision: No such decision was ever made here.
            Conflict: The decision is of another run or symbol.
            StoreUnavailable: It is not stored; send it again.
        """
        stored = self._must_know(outcome)
        if self._known_outcome(outcome):
            self.metrics.outcomes.labels(outcome.kind.value, "duplicate").inc()
            return Recorded("duplicate", self.buffer_size(), outcome.r_multiple)
        _check_times(outcome, stored)
        with self.runs.use(outcome.run_id) as run:
            run.parts.ledger.drain()  # it may wait there since the store did not answer
            if self._known_outcome(outcome):
                return Recorded("duplicate", self.buffer_size(), outcome.r_multiple)
            run.validator.record_outcome(outcome)
            if run.parts.ledger.backlog:
                raise StoreUnavailable(f"outcome of {outcome.decision_id} waits for the store; send it again")
        self.metrics.outcomes.labels(outcome.kind.value, "recorded").inc()
        if self.learner is not None:
            self.learner.matured(outcome)
        return Recorded("recorded", self.buffer_size(), outcome.r_multiple)

    def record_result(self, decision_id: str, result: TradeResult) -> Recorded:
        """Store how the trade of a known decision ended.

        Raises:
            UnknownDecision: No such decision.
            DataError: The result does not fit the decision.
        """
        stored = self.store.decision(decision_id)
        if stored is None:
            raise UnknownDecision(decision_id)
        outcome, source = outcome_of_result(stored, result)
        return replace(self.record(outcome), r_source=source)

    def report(self, report: Report) -> Recorded:
        """Keep an outcome that names no decision: it feeds memory and session, never preference pairs."""
        with self.runs.use(report.run_id) as run:
            if not self._reports.save(report):
                self.metrics.outcomes.labels("report", "duplicate").inc()
                return Recorded("duplicate", self.buffer_size(), report.r, report.r_source)
            self._reports.recall(report.run_id, run)
            tell(run, report)
        self.metrics.outcomes.labels("report", "recorded").inc()
        return Recorded("recorded", self.buffer_size(), report.r, report.r_source)

    def context(self, question: Report) -> dict[str, Any]:
        """Return similar trades and the session's line as of a time, for a signal of a run.

        Args:
            question: A signal in the words of a report; its profit is not looked at.
        """
        request = replace_time(question_of(question), question.time_utc)
        with self.runs.use(question.run_id) as run:
            self._reports.recall(question.run_id, run)
            hits = () if run.parts.recall is None else run.parts.recall.hits(request)
            section = run.parts.tracker.section(question.time_utc, request)
            statistics = run.parts.tracker.statistics(question.time_utc)
        trades = [
            {
                "decision_id": hit.record.decision_id,
                "symbol": hit.record.symbol_id,
                "signal": hit.record.action.value,
                "setup": hit.record.setup,
                "outcome": hit.record.exit_reason.value,
                "kind": hit.record.kind.value,
                "pnl": to_jsonable(hit.record.pnl),
                "r_multiple": to_jsonable(hit.record.r_multiple),
                "reasoning": hit.record.reasoning,
                "timestamp": to_jsonable(hit.record.closed_utc),
                "similarity": round(hit.similarity, 6),
            }
            for hit in hits
        ]
        facts = to_jsonable(statistics)
        facts["losses"] = statistics.losses
        return {"similar_trades": trades, "session_context": {"text": section, **facts}}

    # -- learning --------------------------------------------------------------------------------------------------

    def buffer_size(self) -> int:
        """Return how many decisions with an outcome have come since the last training."""
        return 0 if self.learner is None else self.learner.buffer_size()

    def trigger_retrain(self, *, force: bool = False, reason: str = "asked by an operator") -> dict[str, Any]:
        """Start a cycle in a process of its own, or say why not."""
        return self._learner().trigger_retrain(force=force, reason=reason)

    def stats(self) -> dict[str, Any]:
        """Return how the tuning stands."""
        return {**self._learner().stats(), "health": self.runs.health()}

    def versions(self) -> dict[str, Any]:
        """Return every version of the adapter, and who serves."""
        return self._learner().versions()

    def rollback(self, version: str | None = None, reason: str = "") -> dict[str, Any]:
        """Let an earlier version serve again."""
        return self._learner().rollback(version, reason)

    def metrics_text(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return self.metrics.text()

    def _learner(self) -> Learner:
        if self.learner is None:
            raise Refused("this service serves one fixed model: there is no registry behind it")
        return self.learner

    # -- life cycle ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to follow the registry and to answer in shadow."""
        if self.learner is not None:
            self.learner.start()

    def ready(self) -> tuple[bool, str]:
        """Return whether questions can be answered now, and why not."""
        if self._closed or self.draining:
            return False, "shutting down"
        try:
            self.store.run(DEFAULT_RUN)
        except StoreUnavailable as error:
            return False, str(error)
        if self.model is not None:
            try:
                _ = self.model.version
            except Exception as error:
                return False, f"no model serves: {error}"
        return True, "ready"

    def close(self) -> None:
        """Finish what is in progress, write what waits, release everything; idempotent.

        Raises:
            StoreUnavailable: Something could not be written.
        """
        if self._closed:
            return
        self._closed = self.draining = True
        try:
            if self.learner is not None:
                self.learner.close()
            self.runs.close()
        finally:
            self._reports.close()
            self.store.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _stored(self, decision_id: str) -> StoredDecision | None:
        """A store that does not answer now is no reason to refuse a question: the validator says what follows."""
        try:
            return self.store.decision(decision_id)
        except StoreUnavailable as error:
            _LOG.warning("%s", error)
            return None

    def _must_know(self, outcome: Outcome) -> StoredDecision:
        stored = self.store.decision(outcome.decision_id)
        if stored is None:
            raise UnknownDecision(outcome.decision_id)
        if (stored.request.run_id, stored.request.market.symbol_id) != (outcome.run_id, outcome.symbol_id):
            raise Conflict(
                f"decision {outcome.decision_id} is of run {stored.request.run_id}, {stored.request.market.symbol_id}; "
                f"its outcome names run {outcome.run_id}, {outcome.symbol_id}",
                "run_id" if stored.request.run_id != outcome.run_id else "symbol_id",
            )
        return stored

    def _known_outcome(self, outcome: Outcome) -> bool:
        known = self.store.outcomes(outcome.run_id, kinds=(outcome.kind,), decision_id=outcome.decision_id)
        return any(row.action is outcome.action for row in known)


class _Once:
    """A signal source that is loaded by its first question, once, and asked by one thread at a time."""

    def __init__(self, load: Callable[[], SignalSource | None]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._source: SignalSource | None = None
        self._loaded = False

    def signal(self, market: MarketContext) -> Signal | None:
        """Return the signal of a bar, None where no source is configured."""
        with self._lock:
            if not self._loaded:
                self._source, self._loaded = self._load(), True
            return None if self._source is None else self._source.signal(market)


def _mode(settings: Settings) -> str:
    """The file that LEAN reads says `service` or `record`; here is the process that they mean."""
    return "none" if settings.validator.mode == "none" else "in_process"


def _same_question(known: DecisionRequest, asked: DecisionRequest) -> None:
    for name, one, two in (
        ("run_id", known.run_id, asked.run_id),
        ("kind", known.kind, asked.kind),
        ("market.symbol_id", known.market.symbol_id, asked.market.symbol_id),
        ("signal.action", known.signal.action, asked.signal.action),
    ):
        if one != two:
            raise Conflict(
                f"decision id {asked.decision_id} belongs to another question: {name} {one}, not {two}", name
            )


def _check_times(outcome: Outcome, stored: StoredDecision) -> None:
    """A clock that went backwards is an error of the sender: an outcome cannot be older than its question."""
    if outcome.closed_utc < stored.request.market.time_utc:
        raise DataError(
            f"closed_utc: outcome of {outcome.decision_id} closed at {outcome.closed_utc.isoformat()}, before its "
            f"decision at {stored.request.market.time_utc.isoformat()}: check the sender's clock"
        )


def replace_time(request: DecisionRequest, time_utc: datetime) -> DecisionRequest:
    """Return a question as of another time."""
    market = replace(request.market, time_utc=time_utc.astimezone(UTC))
    return replace(request, market=market, signal=replace(request.signal, time_utc=market.time_utc))
