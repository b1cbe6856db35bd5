"""The real stack out of the built wheel: server, worker, deployments, MLflow; an event starts a flow; it all stops."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip would unpack it: nothing of the checkout is in reach."""
    folder = tmp_path_factory.mktemp("wheel")
    boot = ROOT / ".venvs" / "boot" / "bin" / "python"
    if boot.is_file():
        command = [str(boot), "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    elif shutil.which("uv"):
        command = ["uv", "build", "-q", "--wheel", "-o", str(folder), str(ROOT)]
    else:
        pytest.skip("left out: building a wheel needs pip or uv; run `make setup` once")
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    zipfile.ZipFile(wheel).extractall(target)
    return target


class Stack:
    """The program of the wheel in a home of its own."""

    def __init__(self, installed: Path, home: Path, cwd: Path) -> None:
        self.cwd = cwd
        self.environment = {**os.environ, "LEAN_LLM_HOME": str(home), "PYTHONPATH": str(installed)}

    def __call__(self, *arguments: str, check: bool = True) -> str:
        command = [sys.executable, "-c", "from llm_plugin.cli import main; main()", *arguments]
        done = subprocess.run(
            command, cwd=self.cwd, env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def stack(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    program = Stack(installed, folder / "home", folder)
    program("init", "mine", "--flows")
    yield program
    program("down", check=False)


def state(shown: str) -> dict[str, dict[str, Any]]:
    """Part -> what was told of it."""
    return {row["part"]: row for row in json.loads(shown)}


@pytest.fixture(scope="module")
def up(stack: Stack) -> dict[str, dict[str, Any]]:
    arguments = ("up", "mlflow", "worker", "--flows", "mine", "--port", "prefect=0", "--port", "mlflow=0", "--json")
    return state(stack(*arguments))


def test_init_writes_flows_that_are_those_of_the_checkout(stack: Stack, installed: Path) -> None:
    written = {path.name: path.read_text() for path in (stack.cwd / "mine" / "flows").glob("*.py")}
    assert written == {path.name: path.read_text() for path in (ROOT / "flows").glob("*.py")}
    assert (stack.cwd / "mine" / "prefect.yaml").read_text() == (ROOT / "prefect.yaml").read_text()
    where = subprocess.run(
        [sys.executable, "-c", "import llm_plugin; print(llm_plugin.__file__)"],
        cwd=stack.cwd,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(installed))


def test_every_part_runs_and_every_deployment_is_there(up: dict[str, dict[str, Any]], stack: Stack) -> None:
    assert {name: row["state"] for name, row in up.items()} == {
        **dict.fromkeys(("mlflow", "prefect", "worker"), "running"),
        "flows": "deployed",
    }
    rows = httpx.post(f"{up['prefect']['url']}/api/deployments/filter", json={}, trust_env=False).json()
    wanted = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert {row["name"] for row in rows} == {row["name"] for row in wanted}
    for row in rows:
        (step,) = row["pull_steps"]
        assert step["prefect.deployments.steps.set_working_directory"]["directory"] == str(stack.cwd / "mine")
        assert row["work_pool_name"] == "lean-llm"
        assert row["description"]
        assert row["tags"]
    assert httpx.get(f"{up['mlflow']['url']}/health", trust_env=False).text == "OK"


def test_schedules_and_triggers_are_as_written(up: dict[str, dict[str, Any]]) -> None:
    api = f"{up['prefect']['url']}/api"
    rows = httpx.post(f"{api}/deployments/filter", json={}, trust_env=False).json()
    crons = {row["name"]: {s["schedule"]["cron"]: s["active"] for s in row["schedules"]} for row in rows}
    assert crons["retrain-validator"] == {"0 */4 * * *": True}

    assert crons["check-drift"] == {"*/30 * * * *": True}
    assert crons["watch-and-roll-back"] == {"15,45 * * * *": True}
    assert crons["train-models"] == {"0 3 * * 6": False}
    names = {row["id"]: row["name"] for row in rows}
    automations = httpx.post(f"{api}/automations/filter", json={}, trust_env=False).json()
    assert {
        (row["trigger"]["expect"][0], names[row["actions"][0]["deployment_id"]], row["enabled"]) for row in automations
    } == {
        ("lean-llm.drift.found", "retrain-validator", True),
        ("lean-llm.challenger.registered", "promote", True),
        ("lean-llm.champion.promoted", "canary-report", True),
    }


def test_an_event_starts_its_flow_once_and_the_worker_runs_it(up: dict[str, dict[str, Any]]) -> None:
    api = f"{up['prefect']['url']}/api"
    event = {
        "id": str(uuid.uuid4()),
        "event": "lean-llm.challenger.registered",
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": "lean-llm.model.validator"},
        "payload": {},
    }
    for _ in range(2):  # as a delivery that broke off would
        httpx.post(f"{api}/events", json=[event], trust_env=False).raise_for_status()
    deadline = time.monotonic() + 120
    runs: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        query = {"flows": {"name": {"any_": ["promote"]}}}
        runs = httpx.post(f"{api}/flow_runs/filter", json=query, trust_env=False).json()
        if runs and all(run["state_type"] in ("COMPLETED", "FAILED", "CRASHED") for run in runs):
            break
        time.sleep(1)
    assert [(run["state_type"], run["state_name"]) for run in runs] == [("COMPLETED", "Not due")], runs


def test_a_second_up_leaves_everything_as_it_is(up: dict[str, dict[str, Any]], stack: Stack) -> None:
    again = state(stack("up", "mlflow", "worker", "--flows", "mine", "--json"))
    assert {name: row["pid"] for name, row in again.items()} == {name: row["pid"] for name, row in up.items()}
    shown = state(stack("status", "--json"))
    assert {name for name, row in shown.items() if row["state"] in ("running", "deployed")} == set(up)


def test_only_loopback_listens_and_down_stops_all(up: dict[str, dict[str, Any]], stack: Stack) -> None:
    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=False).stdout
    for name in ("prefect", "mlflow"):
        port = up[name]["url"].rpartition(":")[2]
        assert {line.split()[3] for line in listening.splitlines() if f":{port} " in line} <= {f"127.0.0.1:{port}"}
    stack("down")
    shown = state(stack("status", "--json"))
    assert {row["state"] for row in shown.values()} == {"stopped", "none"}
    for name in ("prefect", "mlflow"):
        with pytest.raises(httpx.ConnectError):
            httpx.get(up[name]["url"], trust_env=False)
