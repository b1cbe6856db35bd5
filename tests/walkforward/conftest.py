"""One market and one honest run of the loop for all tests that only look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from loop_world import TINY, tiny_base, train_threshold

from llm_plugin.proofs.loop_cell import run_loop_cell
from llm_plugin.proofs.loop_config import LOOP_VARIANTS


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the honest run keeps its training."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory, kept: Path) -> dict[str, Any]:
    """Every arm over one shift."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", str(tmp_path_factory.mktemp("home")))
        work = tmp_path_factory.mktemp("cell") / "work"
        return run_loop_cell(TINY, LOOP_VARIANTS["shifts"], 1, work, kept, base=tiny_base, train=train_threshold)
