"""The LEAN client: answers within its time, never a silent approval, no outcome lost or doubled."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty import FaultyServer
from questions import question, result

from llm_plugin.domain import Action, OutcomeKind, QuestionKind, Source, to_jsonable
from llm_plugin.errors import BackendUnavailable, ConfigError, LookaheadError, StoreUnavailable
from llm_plugin.lean.http import Breaker, JsonClient, ServiceRefused
from llm_plugin.lean.outbox import FileKeeper, Outbox
from llm_plugin.lean.service import ServiceBackend

Backend = Callable[..., ServiceBackend]


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def backend(tmp_path: Path, warned: list[str]) -> Iterator[Backend]:
    made: list[ServiceBackend] = []

    def make(url: str, run_id: str = "run", key: str | None = None, **options: Any) -> ServiceBackend:
        keeper = FileKeeper(tmp_path / "outbox.jsonl", durable=False)
        values = {"timeout_seconds": 0.4, **options}
        made.append(
            ServiceBackend(JsonClient(url, key), Outbox(keeper, warned.append), run_id, warn=warned.append, **values)
        )
        return made[-1]

    yield make
    for one in made:
        one._outbox._rows.clear()
        one.close()


@pytest.fixture
def faulty() -> Iterator[Callable[..., FaultyServer]]:
    made: list[FaultyServer] = []

    def make(script: Any) -> FaultyServer:
        made.append(FaultyServer(script))
        return made[-1]

    yield make
    for server in made:
        server.close()


def always(answer: Any) -> Callable[[str, Any], Any]:
    return lambda path, body: answer


def test_service_and_client_agree_on_a_decision(service: Any, serve: Any, backend: Backend) -> None:
    client = backend(serve(service), timeout_seconds=10.0)
    decision = client.validate(question())
    assert decision == service.store.decision(question().decision_id).decision
    assert decision.approved
    assert client.validate(question()) == decision


def test_outcome_arrives_and_feeds_the_next_question(service: Any, serve: Any, backend: Backend) -> None:
    client = backend(serve(service), timeout_seconds=10.0)
    request = question()
    client.validate(request)
    client.record_outcome(result(request, 1.5))
    client.record_outcome(result(request, 1.5))
    assert len(service.store.outcomes("run")) == 1
    later = client.validate(question(hours=48))
    assert later.memory_hits == (request.decision_id,)


def test_a_service_that_is_gone_is_a_veto_that_says_so(backend: Backend, warned: list[str]) -> None:
    client = backend("http://127.0.0.1:9")
    decision = client.validate(question())
    assert (decision.verdict.value, decision.action, decision.source) == ("veto", Action.HOLD, Source.FALLBACK)
    assert "did not answer within 0.4 s" in decision.reason
    assert any("did not answer" in text for text in warned)


def test_follow_signal_takes_the_entry_and_says_who_decided(backend: Backend) -> None:
    decision = backend("http://127.0.0.1:9", follow_signal=True).validate(question(action=Action.SELL))
    assert (decision.action, decision.source, decision.size_multiplier) == (Action.SELL, Source.FALLBACK, 1.0)


def test_a_wish_to_reduce_is_followed_without_an_answer(backend: Backend) -> None:
    wish = question(action=Action.SELL, kind=QuestionKind.POSITION, legal=(Action.HOLD, Action.SELL))
    assert backend("http://127.0.0.1:9").validate(wish).action is Action.SELL
    other = question(action=Action.BUY, kind=QuestionKind.POSITION, legal=(Action.HOLD, Action.SELL))
    assert backend("http://127.0.0.1:9").validate(other).action is Action.HOLD


@pytest.mark.parametrize("fault", ["hang", "drop", "nonsense", (500, {}), (503, {}), (200, {"decision_id": "other"})])
def test_no_fault_of_the_service_approves_or_costs_more_than_its_time(
    faulty: Any, backend: Backend, fault: Any
) -> None:
    client = backend(faulty(always(fault)).url)
    started = time.monotonic()
    decision = client.validate(question())
    assert time.monotonic() - started < 2.0
    assert not decision.approved
    assert decision.source is Source.FALLBACK


def test_retries_within_the_budget(service: Any, serve: Any, faulty: Any, backend: Backend) -> None:
    url = serve(service)
    answered = backend(url, timeout_seconds=10.0).validate(question())
    answers = [(503, {}), "drop", (429, {}), (200, to_jsonable(answered))]
    server = faulty(lambda path, body: answers.pop(0))
    client = backend(server.url, timeout_seconds=5.0)
    assert client.validate(question()) == answered
    assert len({json.dumps(body, sort_keys=True) for _, body in server.asked}) == 1
    assert client.counts["llm"] == 1


def test_the_breaker_opens_and_one_question_finds_out() -> None:
    now = [0.0]
    breaker = Breaker(failures=2, first_seconds=4.0, longest_seconds=8.0, clock=lambda: now[0])
    breaker.failed()
    assert breaker.closed
    breaker.failed()
    assert not breaker.closed
    now[0] = 4.0
    assert breaker.closed
    breaker.failed()
    assert not breaker.closed
    now[0] = 11.9
    assert not breaker.closed
    now[0] = 12.0
    breaker.succeeded()
    breaker.failed()
    assert breaker.closed


def test_an_open_breaker_costs_no_time(faulty: Any, backend: Backend) -> None:
    server = faulty(always((503, {})))
    client = backend(server.url, breaker=Breaker(failures=1, first_seconds=60.0))
    client.validate(question())
    asked = len(server.asked)
    started = time.monotonic()
    assert not any(client.validate(question(hours=hour)).approved for hour in range(1, 51))
    assert time.monotonic() - started < 2.0  # one that tried its 0.4 s each time would take twenty
    assert len(server.asked) == asked


def test_what_the_service_missed_is_delivered_later_and_survives_a_restart(
    service: Any, serve: Any, backend: Backend, tmp_path: Path
) -> None:
    request = question()
    before = backend("http://127.0.0.1:9")
    before.validate(request)
    before.record_outcome(result(request, -1.0, kind=OutcomeKind.SHADOW))
    rows = [json.loads(line)["op"] for line in (tmp_path / "outbox.jsonl").read_text().splitlines()]
    assert rows == ["decision", "outcome"]
    after = backend(serve(service), timeout_seconds=10.0)
    assert after.deliver(10.0)
    stored = service.store.decision(request.decision_id)
    assert stored.decision.source is Source.FALLBACK
    assert [row.kind for row in service.store.outcomes("run")] == [OutcomeKind.SHADOW]
    assert not (tmp_path / "outbox.jsonl").exists()


def test_an_outcome_that_was_delivered_and_not_struck_out_counts_once(
    service: Any, serve: Any, backend: Backend, tmp_path: Path
) -> None:
    client = backend(serve(service), timeout_seconds=10.0)
    request = question()
    client.validate(request)
    client.record_outcome(result(request, 1.0))
    (tmp_path / "outbox.jsonl").write_text(
        json.dumps({"op": "outcome", "body": to_jsonable(result(request, 1.0))}) + '\n{"op": "outco'
    )
    again = backend(client._client.url, timeout_seconds=10.0)
    assert again.deliver(10.0)
    assert len(service.store.outcomes("run")) == 1


def test_a_refused_outcome_is_told_and_holds_nothing_up(
    service: Any, serve: Any, backend: Backend, warned: list[str]
) -> None:
    client = backend(serve(service), timeout_seconds=10.0)
    unknown, known = question(hours=5), question()
    client.validate(known)
    client.record_outcome(result(unknown, 1.0))
    client.record_outcome(result(known, 1.0))
    assert client.counts["refused"] == 1
    assert any("no decision" in text and unknown.decision_id in text for text in warned)
    assert len(service.store.outcomes("run")) == 1


def test_a_wrong_key_is_an_error_and_loses_no_outcome(
    make_service: Any, serve: Any, backend: Backend, tmp_path: Path
) -> None:
    url = serve(make_service("service.api_key=right"))
    wrong = backend(url, key="wrong")
    with pytest.raises(ConfigError, match=r"validator\.api_key: .*the key is wrong"):
        wrong.check()
    wrong.record_outcome(result(question(), 1.0))
    assert len((tmp_path / "outbox.jsonl").read_text().splitlines()) == 1
    assert backend(url, key="right", timeout_seconds=10.0).check() == "base"


def test_an_outcome_that_can_be_neither_kept_nor_delivered_is_an_error(tmp_path: Path, warned: list[str]) -> None:
    keeper = FileKeeper(tmp_path / "no" / "folder", durable=True)
    client = ServiceBackend(
        JsonClient("http://127.0.0.1:9", None), Outbox(keeper, warned.append), "run", timeout_seconds=0.1
    )
    with pytest.raises(StoreUnavailable, match="no/folder cannot be written"):
        client.record_outcome(result(question(), 1.0))


def test_a_backtest_inside_the_training_data_is_refused(
    make_service: Any, serve: Any, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    from llm_plugin.service import core
    from llm_plugin.validator.cutoffs import SeenData

    seen = SeenData("ensemble", "x", datetime(2015, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(core, "seen_data", lambda settings: [seen])
    client = backend(serve(make_service()), timeout_seconds=10.0)
    with pytest.raises(LookaheadError, match="has seen data up to 2015"):
        client.refuse_lookahead(datetime(2014, 1, 1, tzinfo=UTC))
    client.refuse_lookahead(datetime(2016, 1, 1, tzinfo=UTC))


def test_a_backtest_that_was_run_before_is_told_what_it_gets(
    service: Any, serve: Any, backend: Backend, warned: list[str]
) -> None:
    from datetime import UTC, datetime

    client = backend(serve(service), timeout_seconds=10.0)
    client.refuse_lookahead(datetime(2016, 1, 1, tzinfo=UTC))
    assert warned == []
    client.validate(question())
    client.refuse_lookahead(datetime(2016, 1, 1, tzinfo=UTC))
    assert "run run is known to the service" in warned[0]


def test_open_decisions_come_back_after_a_restart(service: Any, serve: Any, backend: Backend) -> None:
    client = backend(serve(service), timeout_seconds=10.0)
    first, second = question(), question(hours=1)
    decisions = [client.validate(request) for request in (first, second)]
    client.record_outcome(result(first, 1.0))
    assert client.open_decisions() == [(second, decisions[1])]


def test_a_signal_that_did_not_come_is_hold(backend: Backend) -> None:
    signal = backend("http://127.0.0.1:9").signal(question().market)
    assert signal is not None
    assert (signal.action, signal.source) == (Action.HOLD, "unavailable: BackendUnavailable")


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"validator\.url is 'ftp://x'"):
        JsonClient("ftp://x", None)


def test_a_refusal_is_not_asked_again(faulty: Any) -> None:
    server = faulty(always((409, {"error": {"type": "Conflict", "message": "other question", "field": "kind"}})))
    with pytest.raises(ServiceRefused, match="other question"):
        JsonClient(server.url, "key").ask("POST", "/v1/validate", {}, 5.0)
    assert len(server.asked) == 1
    assert server.headers[0]["Authorization"] == "Bearer key"
    assert issubclass(ServiceRefused, BackendUnavailable)
