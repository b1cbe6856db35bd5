"""The registry in a real MLflow: what people see there, and what happens while it is down."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cycle_world import make_parts

from llm_plugin.cycle.run import run_cycle
from llm_plugin.cycle.words import CycleParts, CycleRequest
from llm_plugin.errors import BackendUnavailable
from llm_plugin.registry.mirror import Mirror, mirror_of, mirror_uri
from llm_plugin.registry.store import Registry
from llm_plugin.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables: making them takes seconds."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def client(own_home: Path, empty_mlflow: Path) -> Any:
    from mlflow.tracking import MlflowClient

    (own_home / "mlflow").mkdir(parents=True)
    shutil.copy(empty_mlflow, own_home / "mlflow" / "mlflow.db")
    uri = mirror_uri(Settings())
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture(name="cycle")
def finished_cycle(tmp_path: Path) -> Iterator[CycleParts]:
    parts, as_of = make_parts(tmp_path / "world")
    assert run_cycle(CycleRequest(as_of_utc=as_of), parts).promoted
    yield parts
    parts.database.close()


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_versions_aliases_stages_gate_and_files_are_there(cycle: CycleParts, client: Any, tmp_path: Path) -> None:
    mirror = mirror_of(Settings(), cycle.registry)
    assert mirror is not None
    report = mirror.reconcile()
    champion = cycle.registry.verify("champion")
    assert (report.versions, report.aliases) == ((champion.id,), ("champion",))
    row = client.get_model_version_by_alias(mirror.name, "champion")
    assert row.tags["stage"] == "production"
    assert row.tags["lean_llm.version"] == champion.id
    assert (row.tags["parent"], row.tags["gate"], row.tags["cycle"]) == ("base", "pass", champion.facts["cycle_id"])
    assert row.tags["dataset"] == champion.facts["dataset"]
    run = client.get_run(row.run_id)
    assert run.data.metrics["gate_gain"] == pytest.approx(champion.gate["decision"]["gain"])  # type: ignore[index]
    assert run.data.params["threshold"] == str(champion.manifest.training["threshold"])  # type: ignore[union-attr]
    folder = Path(client.download_artifacts(row.run_id, "adapter", str(tmp_path)))
    for name in ("adapter_model.safetensors", "adapter_config.json", "manifest.json"):
        assert (folder / name).read_bytes() == (champion.folder / name).read_bytes()  # type: ignore[operator]
    gate = json.loads(Path(client.download_artifacts(row.run_id, "gate.json", str(tmp_path))).read_text())
    assert gate["verdict"] == "pass"
    assert client.get_registered_model(mirror.name).tags["previous"] == "base"


def test_telling_it_twice_changes_nothing(cycle: CycleParts, client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    mirror = Mirror(cycle.registry, str(mirror_uri(Settings())))
    assert mirror.reconcile().changed
    assert not mirror.reconcile().changed
    assert len(client.search_model_versions(f"name='{mirror.name}'")) == 1
    experiment = client.get_experiment_by_name(mirror.name)
    assert len(client.search_runs([experiment.experiment_id])) == 1
    assert capfd.readouterr().out == ""  # commands print JSON there


def test_a_rollback_moves_the_aliases(cycle: CycleParts, client: Any) -> None:
    mirror = Mirror(cycle.registry, str(mirror_uri(Settings())))
    mirror.reconcile()
    champion = cycle.registry.pointer().champion
    cycle.registry.rollback("worse")
    assert mirror.reconcile().aliases == ("champion",)
    model = client.get_registered_model(mirror.name)
    assert dict(model.aliases) == {}
    assert model.tags["champion"] == "base"
    row = client.search_model_versions(f"name='{mirror.name}'")[0]
    assert (row.tags["lean_llm.version"], row.tags["stage"]) == (champion, "retired")


def test_an_outage_is_told_at_once_and_made_good_later(cycle: CycleParts, client: Any) -> None:
    down = Mirror(cycle.registry, f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(BackendUnavailable, match=r"MLflow at http://127\.0\.0\.1:\d+ does not answer .*backlog"):
        down.reconcile()
    problem = down.deliver()
    assert problem is not None
    assert "delivered later" in problem
    up = Mirror(cycle.registry, str(mirror_uri(Settings())))
    assert up.reconcile().versions == (cycle.registry.pointer().champion,)


def test_a_run_that_was_begun_before_the_outage_is_used(
    cycle: CycleParts, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    mirror = Mirror(cycle.registry, str(mirror_uri(Settings())))

    def down(*_: Any, **__: Any) -> None:
        raise ConnectionError("the server went away")

    monkeypatch.setattr(MlflowClient, "create_model_version", down)
    with pytest.raises(BackendUnavailable, match="the server went away"):
        mirror.reconcile()
    monkeypatch.undo()
    assert len(mirror.reconcile().versions) == 1
    experiment = client.get_experiment_by_name(mirror.name)
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_a_cycle_goes_on_while_mlflow_is_down(tmp_path: Path) -> None:
    parts, as_of = make_parts(tmp_path / "world")
    down = Mirror(parts.registry, f"http://127.0.0.1:{closed_port()}")
    world = CycleParts(**{**vars(parts), "mirror": down})
    assert run_cycle(CycleRequest(as_of_utc=as_of), world).promoted
    parts.database.close()


def test_it_can_be_switched_off_and_says_nothing_of_an_empty_registry(tmp_path: Path) -> None:
    off = Settings.model_validate({"registry": {"mirror": False}})
    assert mirror_of(off) is None
    named = Settings.model_validate({"registry": {"mlflow_uri": "http://mlflow:5000"}})
    assert mirror_uri(named) == "http://mlflow:5000"
    assert not Mirror(Registry(tmp_path), f"http://127.0.0.1:{closed_port()}").reconcile().changed
