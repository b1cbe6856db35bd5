"""Hashes that say whether two runs decided the same. Standard library only."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Protocol

__all__ = ["decisions_hash"]


class _Decided(Protocol):
    @property
    def action(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def size_multiplier(self) -> float: ...
    @property
    def confidence(self) -> float: ...


def decisions_hash(decisions: Iterable[_Decided]) -> str:
    """Hash a run's decisions in the order given: action, verdict, size and confidence, numbers to three decimals.

    Reasons, latencies, ids, the source and the model's name are outside, so that another memory back end, a warm cache
    or another machine must give the same hash.

    Args:
        decisions: `domain.Decision` objects in the order of their questions.
    """
    digest = hashlib.sha256()
    for decision in decisions:
        size, confidence = _number(decision.size_multiplier), _number(decision.confidence)
        row = f"{_text(decision.action)}|{_text(decision.verdict)}|{size}|{confidence}\n"
        digest.update(row.encode())
    return digest.hexdigest()


def _text(value: str) -> str:
    return str(getattr(value, "value", value))


def _number(value: float) -> str:
    """Three decimals; every spelling of zero and of not-a-number is one."""
    if math.isnan(value):
        return "nan"
    text = f"{value:.3f}"
    return "0.000" if text == "-0.000" else text
