"""Small models made once, a home that holds them, and a Weaviate server of the session's own."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_tools import PROJECTS, market_with

REAL_HOME = os.environ.get("LEAN_LLM_HOME")


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a small ensemble and a small bootstrap model, both trained on EURUSD up to the end of 2012."""
    from llm_plugin.bootstrap import config as bootstrap_config
    from llm_plugin.runs import training
    from llm_plugin.settings import resolve
    from llm_plugin.signals import EnsembleConfig

    base = tmp_path_factory.mktemp("trained")
    data = market_with(base / "data", lambda lines: [line for line in lines if "20110701" <= line[:8] < "20130101"])
    settings = resolve(PROJECTS / "eurusd_ensemble" / "llm_config.yaml", env={}).settings
    small_trees = functools.partial(EnsembleConfig, trees=16, folds=3, min_leaf=20, entries_per_1000_bars=200.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", str(base / "home"))
        patch.setattr("llm_plugin.signals.EnsembleConfig", small_trees)
        patch.setattr(bootstrap_config, "BootstrapConfig", functools.partial(_tiny, bootstrap_config.BootstrapConfig))
        recipe = training.RECIPES["eurusd_hour"]
        training.train_signal_model(recipe, settings, data, _silent)
        training.bootstrap_from_ensemble("eurusd_hour", settings, data, _silent)
    return base / "home"


def _tiny(kind: Any, **given: Any) -> Any:
    small = {"hidden": 32, "layers": 1, "batch": 16, "max_training_tokens": 60_000, "min_signals": 60}
    return kind(**{**given, **small, "max_context_rows": 300, "threads": 1})


def _silent(stage: str, fraction: float) -> None:
    """Nobody watches."""


@pytest.fixture
def shared_home(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this test and the processes that it starts use the trained models."""
    monkeypatch.setenv("LEAN_LLM_HOME", str(trained_home))
    return trained_home


@pytest.fixture
def weaviate(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A real Weaviate server in the shared home, stopped after the test; it is never downloaded or built here."""
    from llm_plugin.memory.binary import find_binary
    from llm_plugin.memory.server import start, stop

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
