"""The validator by URL (`validator.mode: service`): a `DecisionBackend` that needs no model and no library inside LEAN.

A question waits `validator.timeout_seconds` at most, retries included; where no answer came, `on_failure` decides and
the decision says so. Outcomes, and decisions that were made here, wait in an outbox until the service has them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from llm_plugin.domain import (
    Action,
    Decision,
    DecisionRequest,
    MarketContext,
    Outcome,
    QuestionKind,
    Signal,
    Source,
    Verdict,
    from_jsonable,
    to_jsonable,
)
from llm_plugin.errors import BackendUnavailable, ConfigError, LookaheadError, StoreUnavailable
from llm_plugin.lean.http import Breaker, JsonClient, ServiceRefused
from llm_plugin.lean.outbox import FileKeeper, Outbox, StoreKeeper

__all__ = ["ServiceBackend", "make_service_backend"]

KEY_VARIABLE = "LEAN_LLM__VALIDATOR__API_KEY"
MASK = "**********"
OUTBOX_NAME = "outbox.jsonl"
OBJECT_STORE_PREFIX = "llm-plugin/outbox"
BATCH = 32
DELIVERY_SHARE, MOST_DELIVERY_SECONDS = 0.5, 2.0
"""Of a question's time, how much may go into what waits before it; and never more than so much."""

_DECISION_FIELDS = frozenset(Decision.__dataclass_fields__)


class ServiceBackend:
    """Asks a service.

    Attributes:
        counts: Answers by source, failures, deliveries.
    """

    def __init__(
        self,
        client: JsonClient,
        outbox: Outbox,
        run_id: str,
        *,
        timeout_seconds: float = 10.0,
        follow_signal: bool = False,
        breaker: Breaker | None = None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Take what is asked and what waits.

        Args:
            client: The service's address.
            outbox: What the service must still be told.
            run_id: The run.
            timeout_seconds: Longest wait for one question, retries included.
            follow_signal: `on_failure`: take entries that nobody answered, instead of vetoing them.
            breaker: Keeps a service that is gone from costing every question its time.
            warn: Told what a person should know.
        """
        self.run_id = run_id
        self.counts: Counter[str] = Counter()
        self._client = client
        self._outbox = outbox
        self._timeout = timeout_seconds
        self._delivery_seconds = min(MOST_DELIVERY_SECONDS, timeout_seconds * DELIVERY_SHARE)
        self._follow_signal = follow_signal
        self._breaker = breaker or Breaker()
        self._warn = warn
        self._closed = False

    # -- DecisionBackend -------------------------------------------------------------------------------------------

    def signal(self, market: MarketContext) -> Signal | None:
        """Return the service's signal for a bar; HOLD where it does not answer, None where it has no signal model."""
        try:
            answer = self._ask("POST", "/v1/signal", to_jsonable(market), self._timeout)
        except BackendUnavailable as error:
            self._failed("signal", error)
            source = f"unavailable: {type(error).__name__}"
            return Signal(market.symbol_id, market.ticker, market.time_utc, Action.HOLD, 0.0, source)
        found = answer.get("signal")
        return None if found is None else from_jsonable(Signal, found)

    def validate(self, request: DecisionRequest) -> Decision:
        """Answer one question; where the service does not, `on_failure` decides."""
        if len(self._outbox):
            self.deliver(self._delivery_seconds)
        try:
            body = self._ask("POST", "/v1/validate", to_jsonable(request), self._timeout)
            decision = _decision(body, request)
        except BackendUnavailable as error:
            self._failed("decision", error)
            return self._by_itself(request, error)
        self.counts[decision.source.value] += 1
        return decision

    def record_outcome(self, outcome: Outcome) -> None:
        """Keep an outcome, then tell the service; what it does not take now is told later.

        Raises:
            StoreUnavailable: It could neither be kept nor delivered.
        """
        self._keep({"op": "outcome", "body": to_jsonable(outcome)})

    def close(self) -> None:
        """Tell the service what still waits; what it does not take stays for the next start. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if len(self._outbox) and not self.deliver(self._timeout):
            self._warn(f"{len(self._outbox)} outcomes wait in {self._outbox.where}: they are sent with the next start")
        self._client.disconnect()

    # -- beyond it -------------------------------------------------------------------------------------------------

    def check(self) -> str:
        """Return the version that serves.

        Raises:
            ConfigError: The key is wrong, or this is no such service.
            BackendUnavailable: Nobody answers.
        """
        try:
            stats = self._client.ask("GET", "/v1/versions", None, self._timeout)
        except ServiceRefused as refused:
            if refused.status in (401, 403):
                raise ConfigError(
                    f"validator.api_key: {self._client.url} refuses it ({refused.told}): set {KEY_VARIABLE}, or the "
                    "algorithm parameter llm-api-key, to the service's service.api_key"
                ) from refused
            raise ConfigError(f"validator.url: {self._client.url} is no lean-llm service: {refused}") from refused
        return str(stats.get("champion", ""))

    def refuse_lookahead(self, start_utc: datetime) -> None:
        """Refuse a run that starts before the data cutoff of one of the service's models.

        Raises:
            LookaheadError: Names the models, the dates and the remedy.
        """
        body = {"run_id": self.run_id, "start_utc": to_jsonable(start_utc)}
        try:
            answer = self._client.ask("POST", "/v1/runs", body, self._timeout)
        except ServiceRefused as refused:
            if refused.kind == "LookaheadError":
                raise LookaheadError(refused.told) from refused
            raise
        if answer.get("known"):
            self._warn(
                f"run {self.run_id} is known to the service: what was decided before is given again, whoever serves "
                "now; name another run with the parameter llm-run-id"
            )

    def open_decisions(self) -> list[tuple[DecisionRequest, Decision]]:
        """Return this run's entry questions that have no outcome yet, oldest first; for a restart.

        Raises:
            BackendUnavailable: The service does not answer.
        """
        self.deliver(self._timeout)
        answer = self._ask("GET", f"/v1/open?run_id={quote(self.run_id, safe='')}", None, self._timeout)
        found = []
        for row in answer.get("open", []):
            request: DecisionRequest = from_jsonable(DecisionRequest, row["request"])
            found.append((request, _decision(row["decision"], request)))
        return found

    def deliver(self, budget_seconds: float) -> bool:
        """Tell the service what waits; True where nothing waits any longer."""
        clock = self._client.clock
        end = clock() + budget_seconds
        try:
            while len(self._outbox) and (left := end - clock()) > 0:
                rows = self._outbox.head(BATCH)
                self._send(rows, left)
                self._outbox.drop(len(rows))
                self.counts["delivered"] += len(rows)
        except BackendUnavailable as error:
            self._failed("delivery", error)
        return not len(self._outbox)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _keep(self, row: dict[str, Any]) -> None:
        unkept: StoreUnavailable | None = None
        try:
            self._outbox.add(row)
        except StoreUnavailable as error:
            unkept = error
        delivered = self.deliver(self._delivery_seconds)
        self.counts["waiting"] = len(self._outbox)
        if unkept is not None and not delivered:
            raise unkept

    def _send(self, rows: list[dict[str, Any]], budget_seconds: float) -> None:
        """Deliver rows of one kind; what the service refuses for good is told to a person and never sent again."""
        if rows[0]["op"] == "outcome":
            body = {"outcomes": [row["body"] for row in rows]}
            try:
                answers = self._ask("POST", "/v1/outcomes", body, budget_seconds)["outcomes"]
            except ServiceRefused as refused:
                self._check_key(refused)
                if len(rows) > 1:
                    for row in rows:
                        self._send([row], budget_seconds)
                    return
                answers = [{"status": "refused", "reason": refused.told}]
            for row, answer in zip(rows, answers, strict=True):
                if answer["status"] == "refused":
                    self._refused(f"outcome of {row['body']['decision_id']}", str(answer.get("reason")))
            return
        for row in rows:
            try:
                self._ask("POST", "/v1/decisions", row["body"], budget_seconds)
            except ServiceRefused as refused:
                self._check_key(refused)
                self._refused(f"decision {row['body']['decision']['decision_id']}", refused.told)

    def _refused(self, what: str, reason: str) -> None:
        self.counts["refused"] += 1
        self._warn(f"the service refused the {what}: {reason}")

    @staticmethod
    def _check_key(refused: ServiceRefused) -> None:
        """A wrong key is nobody's row: everything waits until it is put right."""
        if refused.status in (401, 403):
            raise BackendUnavailable(str(refused)) from refused

    def _ask(self, method: str, path: str, body: Any, budget_seconds: float) -> dict[str, Any]:
        if not self._breaker.closed:
            raise BackendUnavailable(f"{self._client.url} has not answered lately; it is asked again in a while")
        try:
            answer = self._client.ask(method, path, body, budget_seconds)
        except ServiceRefused:
            self._breaker.succeeded()
            raise
        except BackendUnavailable:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return answer

    def _failed(self, what: str, error: BackendUnavailable) -> None:
        self.counts[f"failed_{what}"] += 1
        if self.counts[f"failed_{what}"] == 1 or isinstance(error, ServiceRefused):
            self._warn(f"{what}: {error}")

    def _by_itself(self, request: DecisionRequest, error: BackendUnavailable) -> Decision:
        """Decide by `on_failure`, and keep the decision for the service: its outcome must belong to something."""
        decision = own_decision(request, self._follow_signal, str(error))
        self.counts[Source.FALLBACK.value] += 1
        known = isinstance(error, ServiceRefused) and error.status in (409, 422)
        if not known:
            row = {"op": "decision", "body": {"request": to_jsonable(request), "decision": to_jsonable(decision)}}
            try:
                self._outbox.add(row)
            except StoreUnavailable as unkept:
                self._warn(str(unkept))
        return decision


def own_decision(request: DecisionRequest, follow_signal: bool, reason: str) -> Decision:
    """Return the decision on a question that nobody answered: entries by `on_failure`, a wish to reduce is followed."""
    entry = request.kind is QuestionKind.ENTRY
    wanted = request.signal.action if request.signal.action in request.legal else Action.HOLD
    action = wanted if follow_signal or not entry else Action.HOLD
    vetoed = entry and not action.side
    return Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=request.kind,
        symbol_id=request.market.symbol_id,
        time_utc=request.market.time_utc,
        verdict=Verdict.VETO if vetoed else Verdict.APPROVE,
        action=action,
        size_multiplier=0.0 if vetoed else 1.0,
        confidence=request.signal.confidence if action is not Action.HOLD else 0.0,
        source=Source.FALLBACK,
        signal_action=request.signal.action,
        signal_confidence=request.signal.confidence,
        reason=reason,
        fusion_rule="on_failure",
        lot_size=request.market.lot_size,
    )


def make_service_backend(algorithm: Any, config: Any, run_id: str, run_folder: Path | None) -> ServiceBackend:
    """Make the backend of a run.

    Args:
        algorithm: The running algorithm.
        config: Resolved configuration.
        run_id: The run.
        run_folder: Where the outbox lies; None takes the object store.

    Raises:
        ConfigError: No address, a wrong key, or in a backtest nobody who answers.
    """
    url = algorithm.get_parameter("llm-service-url") or config.get("validator.url")
    if not url:
        raise ConfigError(
            "validator.mode is 'service', but validator.url names none: start `lean-llm serve` and set "
            "validator.url=http://127.0.0.1:8900 (from LEAN's container http://host.docker.internal:8900)"
        )
    live = bool(algorithm.live_mode)
    if run_folder is not None:
        run_folder.mkdir(parents=True, exist_ok=True)
        keeper: FileKeeper | StoreKeeper = FileKeeper(run_folder / OUTBOX_NAME, durable=live)
    else:
        keeper = StoreKeeper(algorithm.object_store, f"{OBJECT_STORE_PREFIX}/{run_id}.jsonl")

    def warn(text: str) -> None:
        algorithm.error(text)

    backend = ServiceBackend(
        JsonClient(str(url), _key(algorithm, config)),
        Outbox(keeper, warn),
        run_id,
        timeout_seconds=float(config.get("validator.timeout_seconds")),
        follow_signal=config.get("validator.on_failure") == "follow_signal",
        warn=warn,
    )
    try:
        algorithm.debug(f"validator: {url} serves {backend.check()}")
    except BackendUnavailable as error:
        if not live:
            raise ConfigError(f"validator.url: {error}: start `lean-llm serve`, or name another address") from error
        algorithm.error(f"validator: {error}; on_failure decides until it answers")
    return backend


def _key(algorithm: Any, config: Any) -> str | None:
    """The environment, the algorithm's parameter, or the configuration, where a resolved one holds a mask."""
    given = os.environ.get(KEY_VARIABLE) or algorithm.get_parameter("llm-api-key") or config.get("validator.api_key")
    return None if not given or given == MASK else str(given)


def _decision(body: dict[str, Any], request: DecisionRequest) -> Decision:
    known = {name: value for name, value in body.items() if name in _DECISION_FIELDS}
    try:
        decision: Decision = from_jsonable(Decision, known)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise BackendUnavailable(f"the service's answer cannot be read: {error}") from error
    if decision.decision_id != request.decision_id:
        raise BackendUnavailable(f"the service answered {decision.decision_id}, asked was {request.decision_id}")
    return replace(decision, lot_size=request.market.lot_size)
