"""Gate decisions as they lie in the learning database: found by id, by version, by window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llm_plugin.errors import DataError, did_you_mean
from llm_plugin.gate.decision import GateDecision

if TYPE_CHECKING:
    from llm_plugin.learning.database import LearningDatabase

__all__ = ["find_decision", "window_decisions"]


def window_decisions(database: LearningDatabase, window: str | None = None) -> list[GateDecision]:
    """Return the account of a window, oldest first; without a window every decision.

    Args:
        database: Where they lie.
        window: A window's id, or the beginning of one.

    Raises:
        DataError: No such window, or the beginning of several.
    """
    rows = database.gates()
    if window is not None:
        found = sorted({row.window_id for row in rows if row.window_id.startswith(window)})
        _one(found, window, "window", {row.window_id for row in rows})
        rows = [row for row in rows if row.window_id == found[0]]
    return [GateDecision.from_json(row.decision) for row in rows]


def find_decision(database: LearningDatabase, name: str | None = None) -> GateDecision:
    """Return one decision.

    Args:
        database: Where they lie.
        name: A gate id, a challenger's version, or the beginning of either; None = the newest. Of a version that was
            judged on several windows the newest decision is given.

    Raises:
        DataError: There is none, or the beginning of several.
    """
    decisions = window_decisions(database)
    if not decisions:
        raise DataError("no challenger was judged yet; `lean-llm retrain` trains and judges one")
    if name is None:
        return decisions[-1]
    matches = [item for item in decisions if item.gate_id.startswith(name) or item.challenger.startswith(name)]
    versions = sorted({item.challenger for item in matches})
    exact = [version for version in versions if version == name]
    known = {item.challenger for item in decisions} | {item.gate_id for item in decisions}
    _one(exact or versions, name, "gate decision", known)
    return [item for item in matches if item.challenger == (exact or versions)[0]][-1]


def _one(found: Sequence[str], wanted: str, what: str, known: set[str]) -> None:
    if not found:
        raise DataError(f"no {what} {wanted!r}{did_you_mean(wanted, known)}; `lean-llm gate show` lists the newest")
    if len(found) > 1:
        raise DataError(f"{what} {wanted!r} is the beginning of {len(found)}: {', '.join(found)}; give more of it")
