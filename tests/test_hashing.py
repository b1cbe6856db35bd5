"""The hash of decisions covers action, verdict, size and confidence to three decimals, in order, and nothing else."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from questions import question

from llm_plugin.domain import Action, Decision, Source
from llm_plugin.hashing import decisions_hash
from llm_plugin.validator.answers import decide


def decision(hours: float = 0, action: Action = Action.BUY, **fields: object) -> Decision:
    return decide(question(hours), action, Source.LLM, **{"confidence": 0.61234, **fields})


@pytest.mark.parametrize(
    "changed",
    [
        decision(action=Action.HOLD),
        decision(size_multiplier=0.75),
        decision(confidence=0.6137),
    ],
    ids=["action", "size", "confidence"],
)
def test_what_is_covered_changes_the_hash(changed: Decision) -> None:
    assert decisions_hash([decision()]) != decisions_hash([changed])


def test_what_is_not_covered_does_not() -> None:
    base = decisions_hash([decision()])
    for fields in (
        {"reason": "x"},
        {"latency_seconds": 9.0},
        {"source": Source.CACHE},
        {"decision_id": "other"},
        {"confidence": 0.6124},
        {"model_version": "m@2"},
    ):
        assert decisions_hash([replace(decision(), **fields)]) == base


def test_order_and_number_count() -> None:
    first, second = decision(), decision(1, Action.HOLD)
    assert decisions_hash([first, second]) != decisions_hash([second, first])
    assert decisions_hash([first]) != decisions_hash([first, first])


def test_zero_and_not_a_number_have_one_spelling_each() -> None:
    assert decisions_hash([decision(confidence=-0.0)]) == decisions_hash([decision(confidence=0.0001)])
    assert decisions_hash([decision(confidence=math.nan)]) == decisions_hash([decision(confidence=-math.nan)])


def test_it_needs_nothing_but_the_standard_library() -> None:
    heavy = {"numpy", "pydantic", "torch", "pandas"}
    code = "import sys, llm_plugin.hashing; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "llm_plugin" in loaded
    assert loaded & heavy == set()
