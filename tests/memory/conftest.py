"""Records, and both back ends: `local`, and `weaviate` on a real server that the session starts for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from weaviate_here import weaviate_binary

from llm_plugin.memory import LocalMemory, TradeMemory
from llm_plugin.memory.server import ServerInfo, start, stop


@pytest.fixture(scope="session")
def weaviate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInfo]:
    """A real Weaviate server for the session."""
    binary = weaviate_binary()
    home: Path = tmp_path_factory.mktemp("weaviate-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", str(home))
        patch.setenv("WEAVIATE_BINARY", binary)
        info = start()
    yield info
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", str(home))
        stop()


@pytest.fixture
def open_weaviate(weaviate: ServerInfo) -> Iterator[Callable[..., Any]]:
    """Open tenants on the session's server; closed after the test."""
    from llm_plugin.memory.weaviate_store import WeaviateMemory, connect

    opened: list[WeaviateMemory] = []

    def opener(tenant: str | None = None, index: str = "flat", buffer: int = 1) -> WeaviateMemory:
        client = connect(weaviate.url, weaviate.grpc_port)
        memory = WeaviateMemory(client, tenant or f"run-{uuid4()}", index, buffer)  # type: ignore[arg-type]
        opened.append(memory)
        return memory

    yield opener
    for memory in opened:
        memory.close()


BACKENDS = [
    "local",
    pytest.param("flat", marks=pytest.mark.integration),
    pytest.param("flat, buffered", marks=pytest.mark.integration),
    pytest.param("hnsw", marks=pytest.mark.integration),
]


@pytest.fixture(params=BACKENDS)
def memory(request: pytest.FixtureRequest) -> TradeMemory:
    """An empty memory of each back end."""
    if request.param == "local":
        return LocalMemory()
    index, _, buffered = request.param.partition(", ")
    opener = request.getfixturevalue("open_weaviate")
    result: TradeMemory = opener(index=index, buffer=37 if buffered else 1)
    return result
