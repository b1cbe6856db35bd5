"""`lean-llm models …` and `lean-llm retrain`: what they say, what they refuse, and their exit codes."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "cycle"))

from cycle_world import fill_store, world_settings, write_adapter

from llm_plugin.cli.app import app
from llm_plugin.errors import DataError, GateRefused, LeaseHeld, ModelError
from llm_plugin.learning.database import LearningDatabase
from llm_plugin.learning.stores import learning_url
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.registry.store import Registry

runner = CliRunner()
CONFIG = "registry:\n  mirror: false\nllm_model:\n  provider: fake\nlearning:\n  busy_hours: []\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "llm_config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def versions(tmp_path: Path, own_home: Path) -> list[str]:
    """Two adapters, of which nobody has been judged."""
    found = []
    for place in range(2):
        folder = tmp_path / f"adapter-{place}"
        write_adapter(folder, 30.0 + 3 * place, "d" * 64, "templates", found[-1] if found else None)
        found.append(Registry().register(folder, parent=found[-1] if found else "base").id)
    return found


def told(config: Path, *arguments: str) -> Any:
    return runner.invoke(app, [*arguments, "--config", str(config)])


def told_json(config: Path, *arguments: str) -> Any:
    result = told(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_list_shows_stage_alias_and_parent(config: Path, versions: list[str]) -> None:
    shown = told(config, "models", "list").stdout
    assert all(version in shown for version in versions)
    assert "base serves (nothing was promoted yet)" in shown
    data = told_json(config, "models", "list")
    assert [(row["id"], row["stage"], row["parent"]) for row in data["versions"]] == [
        ("base", "production", None),
        (versions[0], "training", "base"),
        (versions[1], "training", versions[0]),
    ]


def test_promotion_without_a_pass_is_refused(config: Path, versions: list[str]) -> None:
    result = told(config, "models", "promote", versions[0], "--reason", "I like it")
    assert isinstance(result.exception, GateRefused)
    assert "was never judged" in str(result.exception)
    assert Registry().pointer().champion == "base"


def test_a_forced_promotion_is_recorded_and_told(config: Path, versions: list[str]) -> None:
    result = told(config, "models", "promote", versions[0], "--reason", "a test", "--force")
    assert f"{versions[0]} serves (a test, past the gate); base is the one to go back to" in _line(result)
    assert Registry().pointer().forced
    from llm_plugin.settings import Settings

    with LearningDatabase(learning_url(Settings())) as database:
        (event,) = database.pending_events()
    assert (event.event, event.payload["forced"]) == ("lean-llm.champion.promoted", True)


def test_rollback_goes_back_and_says_so(config: Path, versions: list[str]) -> None:
    for version in versions:
        told(config, "models", "promote", version, "--reason", "a test", "--force")
    data = told_json(config, "models", "rollback", "--reason", "worse")
    assert (data["champion"], data["reason"]) == (versions[0], "worse")
    result = told(config, "models", "rollback", "--reason", "worse")
    assert isinstance(result.exception, ModelError)
    assert "has no previous version to go back to: name one with --to" in str(result.exception)
    assert told_json(config, "models", "rollback", "--to", "base")["champion"] == "base"


def test_show_tells_lineage_and_what_was_done(config: Path, versions: list[str]) -> None:
    told(config, "models", "promote", versions[1], "--reason", "a test", "--force")
    Registry().set_challenger(versions[0])
    assert f"{versions[1]} serves (a test, past the gate)" in _line(told(config, "models", "list"))
    data = told_json(config, "models", "show", "champion")
    assert told_json(config, "models", "show", "v0002") == data
    assert (data["id"], data["parent"], data["stage"]) == (versions[1], versions[0], "production")
    assert [row["what"] for row in data["history"]] == ["promoted"]
    assert "a test (forced)" in told(config, "models", "show", versions[1]).stdout
    told(config, "models", "rollback", "--reason", "worse")
    history = told_json(config, "models", "show", versions[1])["history"]
    assert [row["what"] for row in history] == ["promoted", "rolled-back"]


def test_show_refuses_a_damaged_version(config: Path, versions: list[str]) -> None:
    weights = Registry().folder / "versions" / versions[0] / "adapter_model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    result = told(config, "models", "show", versions[0])
    assert isinstance(result.exception, ModelError)
    assert "it is damaged" in str(result.exception)


def test_diff_tells_settings_and_distance(config: Path, versions: list[str]) -> None:
    data = told_json(config, "models", "diff", versions[0], versions[1])
    assert data["fields"]["parent"] == ["base", versions[0]]
    assert data["figures"]["manifest.training.threshold"] == [30.0, 33.0]
    assert data["distance"] > 0
    same = told_json(config, "models", "diff", versions[0], versions[0])
    assert (same["fields"], same["distance"], same["relative"]) == ({}, 0.0, 0.0)
    assert told_json(config, "models", "diff", "base", versions[0])["relative"] == pytest.approx(1.0)
    assert "relative to the larger" in told(config, "models", "diff", versions[0], versions[1]).stdout


def test_retrain_without_a_store_says_where_one_would_be(config: Path) -> None:
    result = told(config, "retrain")
    assert isinstance(result.exception, DataError)
    assert "no outcome store at" in str(result.exception)


def test_retrain_with_too_few_outcomes_ends_with_its_code(config: Path, tmp_path: Path) -> None:
    with OutcomeStore(str(tmp_path / "store.sqlite"), "group") as store:
        fill_store(store, world_settings(), count=50)
    result = told(config, "retrain", "--store", str(tmp_path / "store.sqlite"))
    assert result.exit_code == 9
    assert "Too few outcomes yet" in result.stdout
    assert "44 new matured decisions, 500 are needed" in " ".join(result.stdout.split())
    assert Registry().pointer().champion == "base"


def test_retrain_beside_another_cycle_is_refused_by_name(config: Path, tmp_path: Path) -> None:
    from llm_plugin.settings import Settings

    with OutcomeStore(str(tmp_path / "store.sqlite"), "group") as store:
        fill_store(store, world_settings(), count=5)
    with LearningDatabase(learning_url(Settings())) as database:
        lease = database.acquire("cycle:validator", "prefect worker-3", 60)
        result = told(config, "retrain", "--force", "--store", str(tmp_path / "store.sqlite"))
        database.release(lease)
    assert isinstance(result.exception, LeaseHeld)
    assert "cycle:validator is held by prefect worker-3 until" in str(result.exception)
    assert result.exception.until_utc > datetime.now(UTC) - timedelta(minutes=1)


def _line(result: Any) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())
