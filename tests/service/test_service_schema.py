"""The OpenAPI document is true: generated requests never break the service, and answers are what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families
from questions import question, result
from schemathesis import GenerationMode, checks
from service_tools import body_of

from llm_plugin.domain import to_jsonable

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.mark.integration
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "wrong"])
def test_generated_requests_are_answered_as_documented(
    make_service: Any, serve: Callable[..., str], mode: GenerationMode
) -> None:
    service = make_service(launch=lambda spec, folder: subprocess.Popen([sys.executable, "-c", ""]))
    loaded = schemathesis.openapi.from_url(f"{serve(service)}/openapi.json")
    labels = []
    for found in loaded.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (len(operation.body) or len(operation.query)):
            continue  # nothing can be wrong with a request that says nothing
        labels.append(operation.label)

        @settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        answered()
    assert len(labels) >= 9


def test_every_route_is_documented_with_its_errors(client: Any) -> None:
    document = client.get("/openapi.json").json()
    paths = document["paths"]
    wanted = ("validate", "signal", "outcomes", "context", "retrain", "stats", "versions", "rollback", "open", "runs")
    assert {f"/v1/{name}" for name in wanted} <= set(paths)
    for path, methods in paths.items():
        for operation in methods.values():
            assert operation["summary"], path
            if path.startswith("/v1/"):
                assert {"401", "422", "429", "503"} <= set(operation["responses"]), path
    examples = [name for name, model in document["components"]["schemas"].items() if model.get("examples")]
    assert {"Question", "DecisionBody", "OutcomeBody", "ResultBody"} <= set(examples)


def test_prometheus_reads_the_figures(client: Any, service: Any) -> None:
    request = question()
    client.post("/v1/validate", json=body_of(request))
    client.post("/v1/validate", json=body_of(request))
    client.post("/v1/outcomes", json=to_jsonable(result(request, 1.0)))
    client.get("/v1/nothing")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    labels = (("kind", "entry"), ("source", "llm"), ("verdict", "approve"))
    assert samples["lean_llm_decisions_total", labels] == 1
    assert samples["lean_llm_repeated_decisions_total", ()] == 1
    assert samples["lean_llm_outcomes_total", (("kind", "realised"), ("status", "recorded"))] == 1
    assert samples["lean_llm_requests_total", (("route", "/v1/validate"), ("status", "200"))] == 2
    assert samples["lean_llm_requests_total", (("route", "other"), ("status", "404"))] == 1
    assert samples["lean_llm_serving", (("version", "base"),)] == 1
    assert samples["lean_llm_in_flight", ()] == 1
