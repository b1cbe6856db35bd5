"""The six operations over HTTP and over MCP, by the SDK's own client on both transports: the same words, one truth."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from questions import question, result

from llm_plugin.domain import Action, OutcomeKind, to_jsonable
from llm_plugin.service.examples import REPORT

OPERATIONS = {"record_outcome", "get_context", "trigger_retrain", "get_tuning_stats", "lora_versions", "rollback"}


def report(**fields: Any) -> dict[str, Any]:
    return {**REPORT, **fields}


def post(client: Any, path: str, body: Any, status: int = 200) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_outcome_without_a_decision_feeds_memory_and_session_and_no_pairs(client: Any, service: Any) -> None:
    from datetime import UTC, datetime

    from llm_plugin.learning.read import matured_rows

    first = post(client, "/v1/outcomes", report())
    assert (first["status"], first["buffer_size"], first["r_source"]) == ("recorded", 0, "sign")
    assert post(client, "/v1/outcomes", report())["status"] == "duplicate"
    context = post(
        client, "/v1/context", {"signal": {"symbol": "EURUSD", "action": "BUY", "time_utc": "2014-03-04T00:00:00Z"}}
    )
    (trade,) = context["similar_trades"]
    assert (trade["symbol"], trade["outcome"], trade["pnl"], trade["r_multiple"]) == ("EURUSD", "target", 59.0, 1.0)
    assert (context["session_context"]["trades"], context["session_context"]["wins"]) == (1, 1)
    assert matured_rows([service.store], as_of_utc=datetime.now(UTC)).rows == []


def test_context_sees_nothing_of_its_own_future(client: Any) -> None:
    post(client, "/v1/outcomes", report())
    early = {"symbol": "EURUSD", "action": "BUY", "time_utc": "2014-03-03T19:00:00Z"}
    context = post(client, "/v1/context", {"signal": early})
    assert context["similar_trades"] == []
    assert context["session_context"]["trades"] == 0


def test_reports_of_a_run_reach_its_questions_and_survive_a_restart(make_service: Any) -> None:
    from llm_plugin.service.schemas import ResultBody

    first = make_service()
    body = ResultBody.model_validate(report(run_id="run", timestamp="2014-03-01T10:00:00Z"))
    first.report(body.report())
    (hit,) = first.validate(question()).memory_hits
    assert hit == body.report().report_id
    first.close()
    second = make_service()
    assert second.validate(question(hours=1)).memory_hits == (hit,)


def test_a_vetoed_trade_is_a_shadow(client: Any) -> None:
    post(client, "/v1/outcomes", report(llm_decision="veto"))
    later = {"symbol": "EURUSD", "action": "BUY", "time_utc": "2014-03-09T00:00:00Z"}
    context = post(client, "/v1/context", {"signal": later})
    assert context["similar_trades"][0]["kind"] == "shadow"
    assert context["session_context"]["trades"] == 0


@pytest.mark.parametrize(
    ("fields", "r_multiple", "source"),
    [
        ({"actual_outcome": "target"}, 1.5, "plan"),
        ({"actual_outcome": "stop", "pnl": -40.0}, -1.0, "plan"),
        ({"actual_outcome": "timeout", "pnl": -4.0}, -1.0, "sign"),
        ({"entry_price": 1.37, "exit_price": 1.372}, 0.5, "prices"),
        ({"r_multiple": 0.7}, 0.7, "given"),
    ],
    ids=lambda value: str(value),
)
def test_an_outcome_of_a_decision_belongs_to_it(
    client: Any, service: Any, fields: dict[str, Any], r_multiple: float, source: str
) -> None:
    request = question()
    service.validate(request)
    body = report(decision_id=request.decision_id, timestamp="2014-03-03T09:00:00Z", **fields)
    answer = post(client, "/v1/outcomes", body)
    assert answer["r_multiple"] == pytest.approx(r_multiple)
    assert answer["r_source"] == source
    (stored,) = service.store.outcomes("run")
    assert (stored.kind, stored.action, stored.pnl) == (OutcomeKind.REALISED, Action.BUY, body["pnl"])


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"decision_id": "nobody"}, 404, "decision_id"),
        ({"signal": "SELL"}, 422, "signal"),
        ({"symbol": "GBPUSD"}, 422, "symbol"),
        ({"timestamp": "2014-03-02T00:00:00Z"}, 422, "timestamp"),
    ],
    ids=lambda value: str(value),
)
def test_an_outcome_that_does_not_fit_its_decision_is_refused(
    client: Any, service: Any, fields: dict[str, Any], status: int, field: str
) -> None:
    request = question()
    service.validate(request)
    body = report(**{"decision_id": request.decision_id, "timestamp": "2014-03-03T09:00:00Z", **fields})
    assert post(client, "/v1/outcomes", body, status)["error"]["field"] == field
    assert service.store.outcomes("run") == []


def test_an_outcome_older_than_its_decision_is_a_clock_that_went_backwards(client: Any, service: Any) -> None:
    request = question(hours=10)
    service.validate(request)
    early = result(request, 1.0, hours=-2, bars_held=0)
    assert post(client, "/v1/outcomes", to_jsonable(early), 422)["error"]["field"] == "closed_utc"
    fine = result(request, 1.0, hours=2)
    assert post(client, "/v1/outcomes", to_jsonable(fine))["status"] == "recorded"
    assert fine.closed_utc - early.closed_utc == timedelta(hours=4)


def test_in_a_batch_a_bad_outcome_stands_beside_good_ones(client: Any, service: Any) -> None:
    known, unknown = question(), question(hours=3)
    service.validate(known)
    rows = [to_jsonable(result(unknown, 1.0)), to_jsonable(result(known, 1.0)), to_jsonable(result(known, 1.0))]
    found = post(client, "/v1/outcomes", {"outcomes": rows})["outcomes"]
    assert [row["status"] for row in found] == ["refused", "recorded", "duplicate"]
    assert "no decision" in found[0]["reason"]


# Over MCP


async def every_operation(client: Any) -> dict[str, dict[str, Any]]:
    tools = await client.list_tools()
    assert {tool.name for tool in tools.tools} == OPERATIONS
    assert all(tool.description for tool in tools.tools)
    signal = {"symbol": "EURUSD", "action": "BUY", "time_utc": "2014-03-04T00:00:00Z"}
    told = {
        "record_outcome": REPORT,
        "get_context": {"signal": signal},
        "trigger_retrain": {},
        "get_tuning_stats": {},
        "lora_versions": {},
    }
    answers = {}
    for name, arguments in told.items():
        answer = await client.call_tool(name, arguments)
        assert not answer.is_error, answer.content[0].text
        answers[name] = json.loads(answer.content[0].text)
    wrong = await client.call_tool("rollback", {"version": "v9999-none"})
    assert wrong.is_error
    answers["rollback"] = {"error": wrong.content[0].text}
    bad = await client.call_tool("record_outcome", {**REPORT, "timestamp": "yesterday"})
    assert bad.is_error
    assert "timestamp" in bad.content[0].text
    return answers


def check(answers: dict[str, dict[str, Any]]) -> None:
    assert (answers["record_outcome"]["status"], answers["record_outcome"]["buffer_size"]) == ("recorded", 0)
    assert len(answers["get_context"]["similar_trades"]) == 1
    assert answers["get_context"]["session_context"]["trades"] == 1
    assert (answers["trigger_retrain"]["status"], answers["trigger_retrain"]["count"]) == ("insufficient_data", 0)
    assert answers["get_tuning_stats"]["current_version"] == "base"
    assert answers["lora_versions"]["champion"] == "base"
    assert "v9999-none" in answers["rollback"]["error"]


@pytest.mark.integration
def test_the_operations_over_streamable_http_need_the_same_key(make_service: Any, serve: Callable[..., str]) -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    url = f"{serve(make_service('service.api_key=secret'))}/mcp"

    async def ask(key: str) -> dict[str, dict[str, Any]]:
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http:
            async with Client(streamable_http_client(url, http_client=http)) as client:
                return await every_operation(client)

    check(anyio.run(ask, "secret"))
    with pytest.raises(BaseException, match=r"401|Unauthorized|[Uu]nhandled"):
        anyio.run(ask, "wrong")


@pytest.mark.integration
def test_the_operations_over_stdio(tmp_path: Path) -> None:
    from mcp import Client, StdioServerParameters, stdio_client

    arguments = ["-c", "from llm_plugin.cli.app import run; run()", "serve", "--mcp-stdio"]
    for override in ("memory.backend=local", "llm_model.provider=fake", "llm_model.name=fake", "signals.kind=none"):
        arguments += ["--set", override]
    environment = {**os.environ, "LEAN_LLM_HOME": str(tmp_path / "home")}
    server = StdioServerParameters(command=sys.executable, args=arguments, env=environment)

    async def ask() -> dict[str, dict[str, Any]]:
        async with Client(stdio_client(server)) as client:
            return await every_operation(client)

    check(anyio.run(ask))


@pytest.mark.integration
def test_stdio_hands_on_to_a_service_that_runs_already(make_service: Any, serve: Callable[..., str]) -> None:
    """One memory, one session: what is recorded over stdio is what the running service knows."""
    from mcp import Client, StdioServerParameters, stdio_client

    service = make_service("service.api_key=secret")
    port = serve(service).rsplit(":", 1)[1]
    arguments = ["-c", "from llm_plugin.cli.app import run; run()", "serve", "--mcp-stdio", "--port", port]
    environment = {**os.environ, "LEAN_LLM__SERVICE__API_KEY": "secret"}
    server = StdioServerParameters(command=sys.executable, args=arguments, env=environment)

    async def ask() -> dict[str, dict[str, Any]]:
        async with Client(stdio_client(server)) as client:
            return await every_operation(client)

    check(anyio.run(ask))
    with service.runs.use("reports") as run:
        assert len(run.parts.tracker.state()["trades"]) == 1
