"""A small world for each test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from cycle_world import make_parts

from llm_plugin.cycle.words import CycleParts


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[CycleParts, datetime]]:
    parts, as_of = make_parts(tmp_path / "world")
    yield parts, as_of
    parts.database.close()
    for store in parts.stores:
        store.close()
