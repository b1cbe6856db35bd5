"""prefect.yaml says what runs: every deployment has a flow, words, a limit, and events that somebody emits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


def test_every_flow_has_a_deployment() -> None:
    files = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__", "shared"}
    assert len(files) == 13
    assert {row["entrypoint"] for row in DEPLOYMENTS} == {f"flows/{name}.py:{name}" for name in files}


@pytest.mark.parametrize("row", DEPLOYMENTS, ids=lambda row: row["name"])
def test_a_deployment_is_complete(row: dict[str, Any]) -> None:
    from prefect.cli.deploy._models import DeploymentConfig

    DeploymentConfig.model_validate(row)
    assert len(row["description"]) > 20
    assert row["tags"]
    assert row["work_pool"]["name"] == "lean-llm"
    assert row["concurrency_limit"]["limit"] == 1
    assert all(schedule["slug"] and schedule["timezone"] for schedule in row.get("schedules", ()))


def test_what_runs_by_itself_is_what_the_loop_needs() -> None:
    from llm_plugin.settings import resolve

    active = {
        row["name"]: schedule["cron"]
        for row in DEPLOYMENTS
        for schedule in row.get("schedules", ())
        if schedule["active"]
    }
    assert active == {
        "retrain-validator": "0 */4 * * *",
        "check-drift": "*/30 * * * *",
        "watch-and-roll-back": "15,45 * * * *",
    }
    settings = resolve(env={}).settings
    assert settings.learning.interval_hours == 4
    assert settings.drift.check_minutes == 30


def test_triggers_wait_for_events_that_are_emitted_about_models() -> None:
    from llm_plugin.cycle.words import CHALLENGER_REGISTERED, CHAMPION_PROMOTED
    from llm_plugin.stack.drifting import DRIFT_FOUND

    triggers = {(trigger["expect"][0], row["name"]) for row in DEPLOYMENTS for trigger in row.get("triggers", ())}
    assert triggers == {
        (DRIFT_FOUND, "retrain-validator"),
        (CHALLENGER_REGISTERED, "promote"),
        (CHAMPION_PROMOTED, "canary-report"),
    }
    for row in DEPLOYMENTS:
        for trigger in row.get("triggers", ()):
            assert trigger["match"] == {"prefect.resource.id": "lean-llm.model.*"}
            assert trigger["enabled"]
            assert set(trigger.get("parameters", {})) <= set(row["parameters"])


def test_the_wheel_carries_flows_and_deployments() -> None:
    import tomllib

    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]
    assert included["flows"] == "llm_plugin/_flows/flows"
    assert included["prefect.yaml"] == "llm_plugin/_flows/prefect.yaml"


def test_alerts_ask_for_figures_that_the_service_has() -> None:
    import re

    from llm_plugin.service.metrics import Metrics

    groups = yaml.safe_load((ROOT / "deployments/prometheus/alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 4
    known = set(re.findall(r"^# TYPE (\w+) ", Metrics().text().decode(), flags=re.MULTILINE))
    for rule in rules:
        assert rule["annotations"]["summary"]
        for name in re.findall(r"lean_llm_\w+", rule["expr"]):
            assert name in known, name
