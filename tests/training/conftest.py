"""A base and a dataset that all training tests share, and a home of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_world import make_base, make_dataset, sample_results


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("training") / "base")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("training") / "set", sample_results())


@pytest.fixture(autouse=True)
def quiet_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the worker's environment sets: no network, no telemetry, caches in a folder of the test's own."""
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TQDM_DISABLE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        "LEAN_LLM_HOME": str(tmp_path / "home"),
    }.items():
        monkeypatch.setenv(name, value)
