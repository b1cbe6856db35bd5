"""The routes: each turns a body into one call of the service and its result into an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Discriminator, Tag

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import DataError
from llm_plugin.service.answers import (
    Context,
    Decisions,
    OpenDecisions,
    OutcomeStatus,
    OutcomeStatuses,
    Problem,
    RetrainAnswer,
    RollbackAnswer,
    RunAnswer,
    SignalAnswer,
    Stats,
    Status,
    Versions,
)
from llm_plugin.service.core import ValidatorService
from llm_plugin.service.deps import MostQuestions, Service, check_batch
from llm_plugin.service.errors import Refused
from llm_plugin.service.outcomes import Recorded
from llm_plugin.service.schemas import (
    ContextQuestion,
    DecisionBody,
    MarketBody,
    OutcomeBody,
    Outcomes,
    OwnDecision,
    Question,
    Questions,
    ResultBody,
    RetrainBody,
    RollbackBody,
    RunBody,
)

__all__ = ["health_router", "router"]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (400, "The configuration or the body's syntax is wrong."),
        (401, "No key, or a wrong one."),
        (403, "A host name that is not served without a key."),
        (404, "No such decision, run or version."),
        (409, "It contradicts what is known, or somebody else does it."),
        (413, "The body is too large."),
        (422, "A field is wrong; `field` names it."),
        (429, "Too many requests; Retry-After says when to go on."),
        (503, "Not now; Retry-After says when."),
    )
}
router = APIRouter(prefix="/v1", responses=PROBLEMS)
health_router = APIRouter()


def _questions_or_one(value: Any) -> str:
    given = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "many" if "questions" in given else "one"


def _outcome_form(value: Any) -> str:
    given = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    if "outcomes" in given:
        return "many"
    return "result" if {"actual_outcome", "timestamp", "ml_confidence"} & set(given) else "outcome"


OneOrMany = Annotated[
    Annotated[Question, Tag("one")] | Annotated[Questions, Tag("many")], Discriminator(_questions_or_one), Body()
]
AnyOutcome = Annotated[
    Annotated[OutcomeBody, Tag("outcome")] | Annotated[ResultBody, Tag("result")] | Annotated[Outcomes, Tag("many")],
    Discriminator(_outcome_form),
    Body(),
]


@router.post("/validate", response_model=DecisionBody | Decisions, summary="Answer one question, or several")
def validate(body: OneOrMany, service: Service, most: MostQuestions) -> Response:
    """Answer; a decision id that is known gets the decision that it got first. Several are answered in their order."""
    if isinstance(body, Questions):
        check_batch("questions", len(body.questions), most)
        decisions = service.validate_many([question.domain() for question in body.questions])
        return JSONResponse({"decisions": [to_jsonable(decision) for decision in decisions]})
    return JSONResponse(to_jsonable(service.validate(body.domain())))


@router.post("/signal", response_model=SignalAnswer, summary="Ask the configured signal model about a bar")
def signal(market: MarketBody, service: Service) -> Response:
    """Return the signal of a bar: HOLD = none; null where the service has no signal model."""
    return JSONResponse({"signal": to_jsonable(service.signal(market.domain()))})


@router.post("/decisions", response_model=Status, summary="Report a decision made without the service")
def decisions(body: OwnDecision, service: Service) -> Response:
    """Store a decision that a client made by `on_failure`, so that its outcome has something to belong to."""
    request, decision = body.request.domain(), body.decision.domain()
    if (request.decision_id, request.run_id) != (decision.decision_id, decision.run_id):
        raise Refused(f"decision.decision_id: {decision.decision_id} does not answer {request.decision_id}")
    return JSONResponse({"status": service.adopt(request, decision)})


@router.post("/outcomes", response_model=OutcomeStatus | OutcomeStatuses, summary="Record what became of decisions")
def outcomes(body: AnyOutcome, service: Service, most: MostQuestions) -> Response:
    """Store exactly once. `recorded` and `duplicate` both mean that it is on disk."""
    if isinstance(body, Outcomes):
        check_batch("outcomes", len(body.outcomes), most)
        return JSONResponse({"outcomes": [_one_of_many(service, one) for one in body.outcomes]})
    if isinstance(body, ResultBody):
        if body.decision_id is None:
            return JSONResponse(_recorded(service.report(body.report())))
        return JSONResponse(_recorded(service.record_result(body.decision_id, body.result())))
    return JSONResponse(_recorded(service.record(body.domain())))


@router.post("/context", response_model=Context, summary="Similar trades and the session, for a signal")
def context(body: ContextQuestion, service: Service) -> Response:
    """Return what the model would be shown; nothing that closed at or after the signal's time is in it."""
    return JSONResponse(service.context(body.report(datetime.now(UTC))))


@router.post("/runs", response_model=RunAnswer, summary="Announce a run")
def runs(body: RunBody, service: Service) -> Response:
    """Refuse a backtest that starts before the data cutoff of a model here (409, type LookaheadError)."""
    return JSONResponse(service.open_run(body.run_id, body.start_utc))


@router.get("/open", response_model=OpenDecisions, summary="Open decisions of a run, for restarts")
def open_decisions(
    service: Service, run_id: Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
) -> Response:
    """Return the entry decisions of a run that have no outcome yet, with their questions, oldest first."""
    rows = service.open_decisions(run_id)
    found = [{"request": to_jsonable(row.request), "decision": to_jsonable(row.decision)} for row in rows]
    return JSONResponse({"run_id": run_id, "open": found})


@router.post("/retrain", response_model=RetrainAnswer, summary="Start a retraining cycle")
def retrain(service: Service, body: RetrainBody | None = None) -> Response:
    """Return `started` with a task id, `insufficient_data` with the count, or `refused` with who holds the lease."""
    given = body or RetrainBody()
    return JSONResponse(service.trigger_retrain(force=given.force, reason=given.reason))


@router.get("/stats", response_model=Stats, summary="How the tuning stands")
def stats(service: Service) -> Response:
    """Return version, buffer, last retrain, win-rate change with its interval, and when the next retrain is due."""
    return JSONResponse(service.stats())


@router.get("/versions", response_model=Versions, summary="All versions of the adapter")
def versions(service: Service) -> Response:
    """Return every version with its stage and lineage, and who serves."""
    return JSONResponse(service.versions())


@router.post("/rollback", response_model=RollbackAnswer, summary="Go back to an earlier version")
def rollback(service: Service, body: RollbackBody | None = None) -> Response:
    """Let the previous version, or a named one, serve again."""
    given = body or RollbackBody()
    return JSONResponse(service.rollback(given.version, given.reason))


@health_router.get("/healthz", response_model=Status, summary="Whether the process lives")
def healthz() -> Response:
    """Return ok."""
    return JSONResponse({"status": "ok"})


@health_router.get(
    "/readyz", response_model=Status, summary="Whether questions can be answered", responses={503: {"model": Status}}
)
def readyz(service: Service) -> Response:
    """Return ready, or 503 with the reason."""
    ready, reason = service.ready()
    return JSONResponse({"status": reason}, 200 if ready else 503)


@health_router.get("/metrics", summary="Figures for Prometheus", responses={200: {"content": {"text/plain": {}}}})
def metrics(service: Service) -> Response:
    """Return Prometheus' text format."""
    return Response(service.metrics_text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _recorded(recorded: Recorded) -> dict[str, Any]:
    found: dict[str, Any] = to_jsonable(recorded)
    return found


def _one_of_many(service: ValidatorService, body: OutcomeBody) -> dict[str, Any]:
    """A refused outcome stands beside stored ones; a store that does not answer stops the batch."""
    row: dict[str, Any] = {"decision_id": body.decision_id, "action": body.action.value, "kind": body.kind.value}
    try:
        return {**row, **_recorded(service.record(body.domain()))}
    except DataError as error:
        return {**row, "status": "refused", "reason": str(error)}
