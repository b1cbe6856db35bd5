"""Adapters and registries for these tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cycle"))

from cycle_world import write_adapter

from llm_plugin.registry.store import Registry

MakeAdapter = Callable[..., Path]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def make_adapter(tmp_path: Path) -> MakeAdapter:
    """Write an adapter whose weights are one number; another number is another adapter."""

    def make(threshold: float = 30.0, name: str | None = None, **options: object) -> Path:
        folder = tmp_path / (name or f"adapter-{threshold}")
        write_adapter(folder, threshold, "d" * 64, "templates-1", **options)  # type: ignore[arg-type]
        return folder

    return make
