"""The loop runs by itself: a drift event makes Prefect retrain, judge and promote, and the running service swaps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect_world import ask, fill_shifted, make_base, now_shifted, write_config

from llm_plugin.domain import to_jsonable
from llm_plugin.settings import resolve

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 420.0
pytestmark = [pytest.mark.integration, pytest.mark.slow]


@dataclass(frozen=True)
class Running:
    """A stack that runs: addresses, configuration, and how to call the program."""

    config: Path
    url: str
    service: str
    prefect: str
    call: Callable[..., subprocess.CompletedProcess[str]]

    def get(self, path: str) -> Any:
        """Ask the service."""
        return httpx.get(f"{self.service}{path}", timeout=10, trust_env=False).json()

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Return the runs of a flow that events started."""
        query = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}}
        found = httpx.post(f"{self.prefect}/api/flow_runs/filter", json=query, timeout=10, trust_env=False).json()
        return [run for run in found if not run["auto_scheduled"]]

    def artifact(self, key: str) -> str:
        """Return the newest artifact under a key."""
        answer = httpx.get(f"{self.prefect}/api/artifacts/{key}/latest", timeout=10, trust_env=False)
        return str(answer.json()["data"])

    def until(self, true: Callable[[], Any], what: str) -> Any:
        """Wait for something; what the flows say is told where it does not come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            seen = true()
            if seen:
                return seen
            states = {flow: self.runs(flow) for flow in ("retrain-validator", "promote", "canary-report")}
            bad = [run for runs in states.values() for run in runs if run["state_type"] in ("FAILED", "CRASHED")]
            assert not bad, bad
            time.sleep(1.0)
        raise AssertionError(f"{what} did not come: { {k: [r['state'] for r in v] for k, v in states.items()} }")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Prefect, worker, deployments and service on a world whose rule has turned round."""
    folder = tmp_path_factory.mktemp("loop")
    url = f"sqlite:///{folder}/store.sqlite"
    config = write_config(folder / "llm_config.yaml", folder / "base", url)
    settings = resolve(config, env={}).settings
    make_base(folder / "base", settings)
    fill_shifted(url, settings)
    environment = {**os.environ, "LEAN_LLM_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    for name in ("PREFECT_API_URL", "LEAN_LLM_CONFIG"):
        environment.pop(name, None)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from llm_plugin.cli import main; main()", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)

    ports = ("--port", "prefect=0", "--port", "service=0")
    started = call("up", "worker", "service", *ports, "--config", str(config), "--json")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        address = {row["part"]: row["url"] for row in json.loads(started.stdout)}
        yield Running(config, url, address["service"], address["prefect"], call)
    finally:
        call("down")


def validate(stack: Running, place: int, run_id: str) -> dict[str, Any]:
    """Ask the service one of the world's questions."""
    request, _ = ask(place, resolve(stack.config, env={}).settings, run_id)
    answer = httpx.post(f"{stack.service}/v1/validate", json=to_jsonable(request), timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def serving(stack: Running) -> str:
    """Who answers in the service."""
    return next(row["version"] for row in stack.get("/v1/versions")["versions"] if row["serving"])


def approvals(stack: Running, run_id: str) -> tuple[list[bool], set[str]]:
    """Return whether each of forty verdicts is right since the shift, and who gave them."""
    answers = [(place, validate(stack, place, run_id)) for place in range(40)]
    right = [(answer["verdict"] == "approve") == now_shifted(place) for place, answer in answers]
    return right, {answer["model_version"] for _, answer in answers}


def tell_drift(stack: Running) -> None:
    """Record that drift was found, and deliver the event of it."""
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.stack.drifting import DRIFT_FOUND
    from llm_plugin.stack.events import deliver_events

    moment = datetime.now(UTC) - timedelta(seconds=1)
    with LearningDatabase(stack.url) as database:
        report = {"kinds": ["outcomes"], "change_point_utc": None, "text": "the rule has turned round"}
        event = (DRIFT_FOUND, "lean-llm.model.validator", report)
        database.save_drift(report, found=True, checked_utc=moment, events=[event])
        assert deliver_events(database, f"{stack.prefect}/api") == 1


def test_a_drift_event_ends_in_a_better_adapter_in_the_running_service(
    stack: Running, record_property: Callable[[str, object], None]
) -> None:
    before, old = approvals(stack, "before")
    assert sum(before) <= 4
    assert serving(stack) == "base"

    tell_drift(stack)
    began = time.monotonic()
    version = stack.until(lambda: serving(stack) if serving(stack) != "base" else None, "the swap")
    seconds = time.monotonic() - began
    assert version.startswith("v0001-")
    assert stack.get("/v1/versions")["champion"] == version

    after, new = approvals(stack, "after")
    assert sum(after) >= 36
    assert len(new) == 1
    assert new.isdisjoint(old)

    (retrained,) = stack.runs("retrain-validator")
    assert retrained["state"]["name"] == "Challenger registered"
    assert retrained["parameters"]["drift"] is True
    promoted = stack.until(lambda: [r for r in stack.runs("promote") if r["state_type"] == "COMPLETED"], "the gate")
    assert [run["state"]["name"] for run in promoted] == ["Promoted"]
    reported = stack.until(
        lambda: [r for r in stack.runs("canary-report") if r["state_type"] == "COMPLETED"], "the canary report"
    )
    assert len(reported) == 1
    assert f"{version} against base: passed" in stack.artifact("gate-decision")
    canary = stack.artifact("canary-report")
    assert f"## {version} serves" in canary
    assert f"{stack.service} serves {version}" in canary
    record_property("drift_event_to_swap_seconds", round(seconds, 1))
