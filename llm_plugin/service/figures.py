"""The change of the win rate between versions, with its interval: reported, never claimed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from llm_plugin.domain import OutcomeKind
from llm_plugin.outcomes import schema

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import OutcomeStore

__all__ = ["decided_by", "newcombe", "win_rate_change"]

Z = 1.959964
LEAST_TRADES = 20


def win_rate_change(store: OutcomeStore, model_version: str) -> dict[str, Any]:
    """Return the win rate of the trades that a model version let through minus that of all others before it.

    Trades are counted as if they were independent, and the market was another one before: it describes, it proves
    nothing. The gate and the watch compare on the same questions.

    Args:
        store: The outcome store.
        model_version: What decisions call the version that serves.
    """
    own, other = _counts(store, model_version)
    answer: dict[str, Any] = {"change": None, "low": None, "high": None, "reason": None}
    answer |= {"before_trades": other[1], "after_trades": own[1]}
    if min(own[1], other[1]) < LEAST_TRADES:
        return {**answer, "reason": f"cannot judge: fewer than {LEAST_TRADES} realised trades on one side"}
    low, high = newcombe(own, other)
    return {**answer, "change": own[0] / own[1] - other[0] / other[1], "low": low, "high": high}


def newcombe(own: tuple[int, int], other: tuple[int, int]) -> tuple[float, float]:
    """Return Newcombe's 95 % interval of a difference of two shares, each given as wins and trades.

    >>> low, high = newcombe((56, 70), (48, 80))
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    p1, p2 = own[0] / own[1], other[0] / other[1]
    (low1, high1), (low2, high2) = _wilson(*own), _wilson(*other)
    below = math.sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    above = math.sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)
    return p1 - p2 - below, p1 - p2 + above


def decided_by(model_version: str) -> sa.ColumnElement[bool]:
    """Return the condition that a version gave a stored decision."""
    escaped = model_version.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return schema.decisions.c.decision.like(f'%"model_version":"{escaped}"%', escape="\\")


def _wilson(wins: int, trades: int) -> tuple[float, float]:
    share, z2 = wins / trades, Z * Z
    middle = share + z2 / (2 * trades)
    half = Z * math.sqrt(share * (1 - share) / trades + z2 / (4 * trades * trades))
    return (middle - half) / (1 + z2 / trades), (middle + half) / (1 + z2 / trades)


def _counts(store: OutcomeStore, model_version: str) -> tuple[tuple[int, int], tuple[int, int]]:
    decided, closed = schema.decisions, schema.outcomes
    own = decided_by(model_version)
    won = sa.case((closed.c.r_multiple > 0, 1), else_=0)
    query = (
        sa.select(own.label("own"), sa.func.count(), sa.func.sum(won))
        .join_from(closed, decided, closed.c.decision_id == decided.c.decision_id)
        .where(closed.c.kind == OutcomeKind.REALISED.value, closed.c.action != "HOLD", closed.c.r_multiple.is_not(None))
        .group_by(own)
    )
    found = {bool(mine): (int(wins), int(trades)) for mine, trades, wins in store.select(query)}
    return found.get(True, (0, 0)), found.get(False, (0, 0))
