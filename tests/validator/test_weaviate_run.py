"""A whole run on a real Weaviate server: the same decisions as with the local memory, and through its death."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest_validator import Make
from test_learning import ask, play

from llm_plugin.hashing import decisions_hash
from llm_plugin.memory.binary import find_binary
from llm_plugin.memory.server import ServerInfo, start, stop
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.reasoning import FakeModel

pytestmark = pytest.mark.integration
REAL_HOME = os.environ.get("LEAN_LLM_HOME")


@pytest.fixture
def server(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerInfo]:
    with pytest.MonkeyPatch.context() as patch:
        if REAL_HOME is None:
            patch.delenv("LEAN_LLM_HOME", raising=False)
        else:
            patch.setenv("LEAN_LLM_HOME", REAL_HOME)
        binary = find_binary()
    if binary is None:
        pytest.skip("left out: no Weaviate server here; run `lean-llm up weaviate` once, or set WEAVIATE_BINARY")
    monkeypatch.setenv("WEAVIATE_BINARY", str(binary))
    yield start()
    stop()


def test_weaviate_and_local_decide_alike_and_a_killed_server_changes_nothing(
    make: Make, store: OutcomeStore, server: ServerInfo
) -> None:
    hours = range(80)
    local = play(make("memory.backend=local", memory=None, model=FakeModel(), run_id="local"), hours, "local")
    whole = make("memory.backend=weaviate", memory=None, model=FakeModel(), run_id="whole")
    remote = play(whole, hours, "whole")
    assert whole.health()["memory"] == "primary"
    whole.close()
    killed = make("memory.backend=weaviate", memory=None, model=FakeModel(), run_id="killed")
    asked: list[Any] = []

    def validate(request: Any) -> Any:
        asked.append(request)
        if len(asked) == 40:
            os.kill(server.pid, signal.SIGKILL)
        return type(killed).validate(killed, request)

    killed.validate = validate  # type: ignore[method-assign]
    through = play(killed, hours, "killed")
    assert killed.health()["memory"] == "local"
    assert decisions_hash(local) == decisions_hash(remote) == decisions_hash(through)
    for run_id in ("whole", "killed"):
        assert len(store.outcomes(run_id)) == len(store.outcomes("local"))
    assert sum(len(decision.memory_hits) for decision in through) > 150
    assert killed.validate(ask(200, "killed")).memory_hits
