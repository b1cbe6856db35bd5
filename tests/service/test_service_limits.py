"""Key, host, size, rate, error bodies, binding: each guard with its offender and its clean twin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from questions import question
from service_tools import body_of

from llm_plugin.errors import ConfigError
from llm_plugin.service.app import create_app
from llm_plugin.service.bind import addresses, bridge_address, is_loopback, open_sockets
from llm_plugin.service.limits import RateLimit
from llm_plugin.settings import resolve


@contextmanager
def client_of(service: Any, **options: Any) -> Iterator[TestClient]:
    with TestClient(create_app(service), **options) as client:
        yield client


def error_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer secret"}, {"X-API-Key": "secret"}])
def test_the_key_lets_in(make_service: Any, headers: dict[str, str]) -> None:
    with client_of(make_service("service.api_key=secret")) as client:
        assert client.get("/v1/stats", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/v1/stats", "/metrics", "/openapi.json", "/docs", "/mcp", "/nothing"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer Secret"}, {"X-API-Key": ""}])
def test_without_the_key_nothing_is_told(make_service: Any, path: str, headers: dict[str, str]) -> None:
    with client_of(make_service("service.api_key=secret")) as client:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["WWW-Authenticate"]
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").json() == {"status": "ready"}


def test_a_foreign_host_name_is_refused_without_a_key(make_service: Any) -> None:
    with client_of(make_service(), base_url="http://evil.example") as client:
        assert error_of(client.get("/v1/stats"))["type"] == "ForeignHost"
    with client_of(make_service("service.api_key=secret"), base_url="http://lab.example") as client:
        assert client.get("/v1/stats", headers={"X-API-Key": "secret"}).status_code == 200


def test_a_body_that_is_too_large_is_refused_by_length_and_in_pieces(make_service: Any) -> None:
    with client_of(make_service("service.max_request_bytes=2000")) as client:
        fitting = body_of(question())
        assert len(str(fitting)) < 2000
        assert client.post("/v1/validate", json=fitting).status_code == 200
        large = b'{"x": "' + b"a" * 3000 + b'"}'
        whole = client.post("/v1/validate", content=large, headers={"Content-Type": "application/json"})
        pieces = client.post(
            "/v1/validate",
            content=(large[i : i + 500] for i in range(0, len(large), 500)),
            headers={"Content-Type": "application/json"},
        )
        assert (whole.status_code, pieces.status_code) == (413, 413)
        assert "service.max_request_bytes (2000)" in error_of(pieces)["message"]


def test_too_many_requests_wait(make_service: Any) -> None:
    with client_of(make_service("service.requests_per_minute=5")) as client:
        codes = [client.get("/v1/versions").status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        assert int(client.get("/v1/versions").headers["Retry-After"]) >= 1
        assert client.get("/healthz").status_code == 200


def test_the_bucket_fills_evenly_and_clients_do_not_share_it() -> None:
    now = [0.0]
    limit = RateLimit(2, clock=lambda: now[0], most_clients=2)
    assert [limit.wait_seconds("a") for _ in range(2)] == [0.0, 0.0]
    assert limit.wait_seconds("a") == pytest.approx(30.0)
    assert limit.wait_seconds("b") == 0.0
    now[0] = 30.0
    assert limit.wait_seconds("a") == 0.0
    assert limit.wait_seconds("a") > 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"signal": {"confidence": 1.2}}, "body.signal.confidence"),
        ({"market": {"time_utc": "2014-03-03T12:00:00"}}, "body.market.time_utc"),
        ({"market": {"price": "1e999"}}, "body.market.price"),
        ({"legal": ["BUY", "JUMP"]}, "body.legal.1"),
        ({"colour": "red"}, "body.colour"),
        ({"run_id": "a\u0000b"}, "body.run_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_named(client: Any, change: dict[str, Any], field: str) -> None:
    body = body_of(question())
    for name, value in change.items():
        body[name] = {**body[name], **value} if isinstance(value, dict) else value
    answer = client.post("/v1/validate", json=body)
    assert answer.status_code == 422
    assert error_of(answer)["field"] == field


def test_a_broken_body_and_an_unknown_route_are_told(client: Any) -> None:
    broken = client.post("/v1/validate", content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 422
    assert error_of(broken)["type"] == "InvalidRequest"
    assert error_of(client.get("/v1/nothing"))["message"] == "Not Found"
    assert client.get("/v1/validate").status_code == 405


def test_a_batch_has_a_limit(make_service: Any) -> None:
    with client_of(make_service("service.max_batch=2")) as client:
        bodies = [body_of(question(hours=hour)) for hour in range(3)]
        assert client.post("/v1/validate", json={"questions": bodies[:2]}).status_code == 200
        answer = client.post("/v1/validate", json={"questions": bodies})
        assert answer.status_code == 422
        assert "at most 2 (service.max_batch)" in error_of(answer)["message"]


def test_a_configuration_that_cannot_be_followed_is_told_with_its_field(make_service: Any) -> None:
    with client_of(make_service("memory.seed_run=nowhere")) as client:
        answer = client.post("/v1/validate", json=body_of(question()))
        assert answer.status_code == 400
        assert error_of(answer)["field"] == "memory.seed_run"


def test_an_unforeseen_error_tells_a_number_and_no_more(
    service: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("the inside of the machine")

    monkeypatch.setattr(service, "stats", fail)
    with client_of(service, raise_server_exceptions=False) as client:
        answer = client.get("/v1/stats")
    assert answer.status_code == 500
    number = error_of(answer)["message"].rsplit(" ", 1)[1]
    assert "inside" not in answer.text
    assert number in caplog.text


def test_while_it_shuts_down_it_says_so(service: Any) -> None:
    with client_of(service) as client:
        service.draining = True
        assert client.get("/v1/stats").status_code == 503
        assert client.get("/readyz").json() == {"status": "shutting down"}
        assert client.get("/healthz").status_code == 200


def settings_of(*overrides: str) -> Any:
    return resolve(overrides=list(overrides), env={}).settings.service


def test_loopback_needs_no_key_and_anything_else_does() -> None:
    assert addresses(settings_of()) == ["127.0.0.1"]
    with pytest.raises(ConfigError, match=r"service\.api_key: none is set, but 0\.0\.0\.0 can be reached"):
        addresses(settings_of("service.host=0.0.0.0"))
    assert addresses(settings_of("service.host=0.0.0.0", "service.api_key=k")) == ["0.0.0.0"]
    with pytest.raises(ConfigError, match=r"service\.api_key"):
        addresses(settings_of("service.host=0.0.0.0", "service.api_key=''"))


def test_for_docker_binds_the_bridge_and_needs_a_key() -> None:
    def bridge() -> str:
        return "172.17.0.1"

    found = addresses(settings_of("service.api_key=k"), for_docker=True, bridge=bridge)
    assert found == ["127.0.0.1", "172.17.0.1"]
    with pytest.raises(ConfigError, match=r"172\.17\.0\.1 can be reached by others"):
        addresses(settings_of(), for_docker=True, bridge=bridge)
    with pytest.raises(ConfigError, match="no bridge 'docker0'"):
        addresses(settings_of("service.api_key=k"), for_docker=True, bridge=lambda: None)


def test_an_interface_is_found_by_its_name() -> None:
    assert bridge_address("lo") == "127.0.0.1"
    assert bridge_address("no-such-if") is None
    assert [is_loopback(host) for host in ("127.0.0.5", "::1", "localhost", "10.0.0.1", "lab")] == [True] * 3 + [
        False
    ] * 2


def test_a_port_that_is_taken_is_named() -> None:
    (taken,) = open_sockets(["127.0.0.1"], 0)
    with taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            open_sockets(["127.0.0.1"], port)
