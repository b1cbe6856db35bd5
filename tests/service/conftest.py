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
