"""A service on a fake model, a real store and a local memory; its application, and a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from service_tools import FakeSwapper, TinyRegistry

from llm_plugin.reasoning.generations import Generations
from llm_plugin.service.build import open_service
from llm_plugin.service.core import ValidatorService
from llm_plugin.settings import resolve

MakeService = Callable[..., ValidatorService]


@pytest.fixture
def registry(tmp_path: Path) -> TinyRegistry:
    return TinyRegistry(tmp_path / "registry")


@pytest.fixture
def swapper() -> FakeSwapper:
    return FakeSwapper()


@pytest.fixture
def make_service(registry: TinyRegistry, swapper: FakeSwapper) -> Iterator[MakeService]:
    """Make services over one home; words are `--set`, names replace parts."""
    made: list[ValidatorService] = []

    def build(*overrides: str, **options: Any) -> ValidatorService:
        settings = resolve(overrides=["memory.backend=local", "signals.kind=none", *overrides], env={}).settings
        if "model" not in options:
            served = Generations(swapper)
            label = registry.pointer().champion
            served.swap(served.build(registry.get(label).folder, label))
            options["model"] = served
        service = open_service(settings, **{"registry": registry, **options})
        made.append(service)
        return service

    yield build
    for service in made:
        service.close()


@pytest.fixture
def service(make_service: MakeService) -> ValidatorService:
    return make_service()


@pytest.fixture
def client(service: ValidatorService) -> Iterator[Any]:
    """The application's own client, with its lifespan."""
    from fastapi.testclient import TestClient

    from llm_plugin.service.app import create_app

    with TestClient(create_app(service)) as opened:
        yield opened


@pytest.fixture
def serve() -> Iterator[Callable[[ValidatorService], str]]:
    """Run a service on a socket of its own in a thread; returns its address."""
    import threading

    from llm_plugin.service.bind import open_sockets
    from llm_plugin.service.server import make_server

    running: list[tuple[Any, threading.Thread]] = []

    def start(service: ValidatorService, port: int = 0) -> str:
        urls: list[str] = []
        ready = threading.Event()

        def on_ready(found: list[str]) -> None:
            urls.extend(found)
            ready.set()

        server = make_server(service, on_ready)
        sockets = open_sockets(["127.0.0.1"], port)
        thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, daemon=True)
        thread.start()
        assert ready.wait(20), "the server did not start"
        running.append((server, thread))
        return urls[0]

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(20)
