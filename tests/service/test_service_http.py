"""The HTTP routes: decisions once for ever, outcomes exactly once, the S0 operations with their fields."""

from __future__ import annotations

from typing import Any

import pytest
from questions import question, result
from service_tools import body_of

from llm_plugin.domain import Action, OutcomeKind, to_jsonable
from llm_plugin.service import examples


def ask(client: Any, request: Any) -> dict[str, Any]:
    answer = client.post("/v1/validate", json=body_of(request))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_question_is_answered_by_the_serving_version(client: Any) -> None:
    decision = ask(client, question())
    assert (decision["verdict"], decision["action"], decision["source"]) == ("approve", "BUY", "llm")
    assert decision["model_version"] == "fake+base"


def test_the_same_id_gets_the_same_decision_whatever_serves_by_then(client: Any, service: Any, swapper: Any) -> None:
    first = ask(client, question())
    swapper.shares["v2"] = 0.1
    served = service.model.model
    served.swap(served.build(None, "v2"))
    assert ask(client, question()) == first
    assert ask(client, question(hours=1))["verdict"] == "veto"


def test_several_questions_are_answered_in_their_order(client: Any) -> None:
    requests = [question(hours=hour, action=side) for hour, side in enumerate((Action.BUY, Action.SELL, Action.BUY))]
    answer = client.post("/v1/validate", json={"questions": [body_of(request) for request in requests]}).json()
    assert [row["decision_id"] for row in answer["decisions"]] == [request.decision_id for request in requests]
    assert [row["signal_action"] for row in answer["decisions"]] == ["BUY", "SELL", "BUY"]


def test_an_id_of_another_question_is_a_conflict(client: Any) -> None:
    ask(client, question())
    other = body_of(question(symbol="GBPUSD")) | {"decision_id": question().decision_id}
    answer = client.post("/v1/validate", json=other)
    assert answer.status_code == 409
    assert answer.json()["error"]["field"] == "market.symbol_id"


def test_an_outcome_counts_once(client: Any, service: Any) -> None:
    request = question()
    ask(client, request)
    outcome = to_jsonable(result(request, 1.2))
    assert client.post("/v1/outcomes", json=outcome).json()["status"] == "recorded"
    assert client.post("/v1/outcomes", json=outcome).json()["status"] == "duplicate"
    assert len(service.store.outcomes("run")) == 1


@pytest.mark.parametrize("name", ["QUESTION", "OUTCOME", "REPORT"])
def test_the_examples_of_the_document_are_accepted(client: Any, name: str) -> None:
    assert client.post("/v1/validate", json=examples.QUESTION).status_code == 200
    route = "/v1/validate" if name == "QUESTION" else "/v1/outcomes"
    answer = client.post(route, json=getattr(examples, name))
    assert answer.status_code == 200, answer.text


def test_stats_and_versions(client: Any) -> None:
    stats = client.get("/v1/stats").json()
    assert (stats["current_version"], stats["buffer_size"], stats["last_retrain"]) == ("base", 0, None)
    versions = client.get("/v1/versions").json()
    assert versions["champion"] == "base"
    assert [row["serving"] for row in versions["versions"]] == [True]


def test_signal_is_null_without_a_model(client: Any) -> None:
    assert client.post("/v1/signal", json=to_jsonable(question().market)).json() == {"signal": None}


def test_open_decisions_of_a_run(client: Any) -> None:
    first, second = question(), question(hours=1)
    ask(client, first)
    ask(client, second)
    client.post("/v1/outcomes", json=to_jsonable(result(first, -1.0, kind=OutcomeKind.REALISED)))
    found = client.get("/v1/open", params={"run_id": "run"}).json()["open"]
    assert [row["decision"]["decision_id"] for row in found] == [second.decision_id]
    assert client.get("/v1/open", params={"run_id": "nobody"}).json()["open"] == []
