"""Figures go to `.bench/results.json`; they are recorded, never asserted against the clock."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Benchmarks take minutes and prove nothing about behaviour: `make bench` asks for them.
collect_ignore_glob = [] if os.environ.get("LEAN_LLM_BENCH") else ["test_*.py"]

RESULTS = Path(__file__).resolve().parents[2] / ".bench" / "results.json"
RecordFigure = Callable[[str, float, str, float, str], None]


@pytest.fixture
def record_figure() -> RecordFigure:
    """Merge one figure into the results: name, value, unit, bar, and whether `higher` or `lower` is better."""

    def record(name: str, value: float, unit: str, bar: float, better: str) -> None:
        if better not in ("higher", "lower"):
            raise ValueError(f"better is {better!r}; say higher or lower")
        RESULTS.parent.mkdir(exist_ok=True)
        known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
        known[name] = {"value": round(float(value), 6), "unit": unit, "bar": bar, "better": better}
        draft = RESULTS.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        draft.replace(RESULTS)

    return record
