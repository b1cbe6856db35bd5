"""A cycle that is killed and started again ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cycle_kills import faults_of, half_of, kill_and_count, state_of
from cycle_world import at, make_parts

from llm_plugin.cycle.run import run_cycle


def test_a_dozen_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    report = kill_and_count(tmp_path, kills=12, seed=5)
    assert report.kills == 12
    assert len(report.points) >= 4, report.points
    assert report.faults == []


@pytest.fixture(name="finished")
def finished_world(tmp_path: Path) -> Path:
    parts, as_of = make_parts(tmp_path / "world")
    assert run_cycle(at(as_of, trigger="operator"), parts).status == "promoted"
    parts.database.close()
    parts.stores[0].close()
    return tmp_path / "world"


def test_the_count_sees_a_doubled_event(finished: Path) -> None:
    expected = state_of(finished)
    assert faults_of(finished, expected) == []
    from llm_plugin.learning.database import LearningDatabase

    with LearningDatabase(str(finished / "store.sqlite")) as database:
        database.emit("lean-llm.champion.promoted", "lean-llm.model.validator", {"again": True})
    assert any("events" in fault for fault in faults_of(finished, expected))


def test_the_count_sees_a_half_version(finished: Path) -> None:
    version = next((finished / "registry" / "validator" / "versions").glob("v0001-*"))
    weights = version / "adapter_model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-3])
    assert any("truncated" in fault for fault in half_of(finished))


def test_the_count_sees_a_lost_pointer(finished: Path) -> None:
    expected = state_of(finished)
    (finished / "registry" / "validator" / "pointer.json").unlink()
    assert any("champion" in fault for fault in faults_of(finished, expected))


def test_the_count_sees_a_second_version(finished: Path) -> None:
    expected = state_of(finished)
    versions = finished / "registry" / "validator" / "versions"
    first = next(versions.glob("v0001-*"))
    shutil.copytree(first, versions / "v0002-aaaaaaaa")
    assert any("versions" in fault for fault in faults_of(finished, expected))
    assert json.loads((versions / "v0002-aaaaaaaa" / "version.json").read_text())["parent"] == "base"
