"""A real process with real adapters: kill -9 loses and doubles nothing, and the champion serves again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from questions import question, result
from served import Served, serve_process
from tiny_versions import make_base, make_versions, variants

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import BackendUnavailable
from llm_plugin.lean.http import JsonClient
from llm_plugin.lean.outbox import FileKeeper, Outbox
from llm_plugin.lean.service import ServiceBackend
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.registry.store import Registry

pytestmark = [pytest.mark.integration, pytest.mark.slow]
SETTINGS = (
    "memory.backend=local",
    "signals.kind=none",
    "llm_model.device=cpu",
    "service.poll_seconds=0.05",
    "risk.enable_risk_veto=false",
)


@dataclass
class World:
    """A base, and two registered versions of it."""

    folder: Path
    base: Path
    registry: Registry
    versions: list[str]

    @property
    def settings(self) -> tuple[str, ...]:
        return (*SETTINGS, f"llm_model.name={self.base}", f"learning.store_url={self.store_url}")

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder / 'store.sqlite'}"

    def serve(self) -> Any:
        return serve_process(self.folder / "logs", *self.settings)

    def outcomes(self, run_id: str = "run") -> list[Any]:
        with OutcomeStore(self.store_url) as store:
            return store.outcomes(run_id)


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    folder = tmp_path_factory.mktemp("versions")
    base = make_base(folder / "base")
    return base, make_versions(base, folder, 2)


@pytest.fixture
def world(own_home: Path, tmp_path: Path, model_files: tuple[Path, list[Path]]) -> World:
    base, adapters = model_files
    registry = Registry()
    versions = [registry.register(adapter, parent="base", base=base).id for adapter in adapters]
    return World(tmp_path, base, registry, versions)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    made: list[JsonClient] = []

    def make(served: Served) -> JsonClient:
        made.append(JsonClient(served.url, None))
        return made[-1]

    yield make
    for one in made:
        one.disconnect()


def test_a_kill_in_the_middle_loses_and_doubles_nothing(world: World, client: Any, tmp_path: Path) -> None:
    """Questions and outcomes go on while the service is killed; what it missed arrives after its restart."""
    warned: list[str] = []
    requests = variants(40)
    keeper = FileKeeper(tmp_path / "outbox.jsonl", durable=True)
    with world.serve() as served:
        url = served.url
        backend = ServiceBackend(
            JsonClient(url, None), Outbox(keeper, warned.append), "run", timeout_seconds=1.0, warn=warned.append
        )
        acknowledged = client(served)
        first = [acknowledged.ask("POST", "/v1/validate", to_jsonable(request), 20) for request in requests[:8]]
        for request in requests[:4]:
            told = acknowledged.ask("POST", "/v1/outcomes", to_jsonable(result(request, 1.0)), 20)
            assert told["status"] == "recorded"
        for number, request in enumerate(requests[8:]):
            if number == 10:
                threading.Timer(0.02, served.kill).start()
            backend.validate(request)
            backend.record_outcome(result(request, 1.0))
    assert {outcome.decision_id for outcome in world.outcomes()} >= {request.decision_id for request in requests[:4]}
    assert backend.counts["fallback"] > 0
    assert len(keeper.load()) > 0
    with serve_process(tmp_path / "logs", *world.settings, port=int(url.rsplit(":", 1)[1])) as served:
        asked = client(served)
        assert [asked.ask("POST", "/v1/validate", to_jsonable(r), 20) for r in requests[:8]] == first
        rows = [to_jsonable(result(request, 1.0)) for request in requests[:8]]
        told = asked.ask("POST", "/v1/outcomes", {"outcomes": rows}, 20)["outcomes"]
        assert [row["status"] for row in told] == ["duplicate"] * 4 + ["recorded"] * 4
        again = ServiceBackend(JsonClient(url, None), Outbox(keeper, warned.append), "run", warn=warned.append)
        assert again.deliver(30)
        assert again.counts["refused"] == 0
        again.close()
        _ends_in_order(served, asked)
    stored = world.outcomes()
    assert len(stored) == len(requests)
    assert {outcome.decision_id for outcome in stored} == {request.decision_id for request in requests}


def test_killed_in_a_swap_it_comes_back_with_the_champion_unless_that_is_corrupt(world: World, client: Any) -> None:
    old, new = world.versions
    world.registry.promote(old, reason="test", force=True)
    with world.serve() as served:
        assert client(served).ask("GET", "/v1/stats", None, 20)["current_version"] == old
        world.registry.promote(new, reason="test", force=True)
        served.kill()
    with world.serve() as served:
        asked = client(served)
        stats = asked.ask("GET", "/v1/stats", None, 20)
        assert (stats["current_version"], stats["previous_version"]) == (new, old)
        decision = asked.ask("POST", "/v1/validate", to_jsonable(question()), 20)
        assert (decision["source"], decision["model_version"]) == ("llm", stats["model_version"])
        served.kill()
    folder = world.registry.get(new).folder
    assert folder is not None
    weights = folder / "adapter_model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-8] + b"corrupt!")
    with world.serve() as served:
        asked = client(served)
        assert asked.ask("GET", "/v1/stats", None, 20)["current_version"] == old
        assert "adapter_model.safetensors" in served.text
        assert asked.ask("POST", "/v1/validate", to_jsonable(question(hours=1)), 20)["source"] == "llm"


def _ends_in_order(served: Served, client: JsonClient) -> None:
    """Asked to end while it answers, it answers first."""
    answers: list[Any] = []
    bodies = [to_jsonable(request) for request in variants(64, run_id="last")]
    thread = threading.Thread(
        target=lambda: answers.append(client.ask("POST", "/v1/validate", {"questions": bodies}, 30))
    )
    thread.start()
    _until_begun(served.url, "last")
    assert served.stop() == 0
    thread.join(30)
    assert len(answers[0]["decisions"]) == 64
    with pytest.raises(BackendUnavailable):
        client.ask("GET", "/v1/stats", None, 1)


def _until_begun(url: str, run_id: str) -> None:
    """Wait until the first of a batch's questions is stored."""
    watcher = JsonClient(url, None)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if watcher.ask("GET", f"/v1/open?run_id={run_id}", None, 20)["open"]:
            watcher.disconnect()
            return
    raise AssertionError("no question was begun within 20 s")
