"""How old a decision must be before its outcome counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from llm_plugin.outcomes import schema

__all__ = ["longest_holding_us"]


def longest_holding_us(select: Callable[[sa.Select[Any]], list[Any]], run_id: str, as_of_us: int) -> int:
    """Return the vertical barrier, or the longest holding seen by then where barriers fell into closed hours.

    Args:
        select: Runs a query.
        run_id: The run.
        as_of_us: Nothing later is known.
    """
    decided, closed = schema.decisions, schema.outcomes
    known = (decided.c.run_id == run_id, decided.c.time_us < as_of_us)
    barrier = select(sa.select(sa.func.max(decided.c.timeout_us)).where(*known))[0][0]
    seen = select(
        sa.select(sa.func.max(closed.c.closed_us - decided.c.time_us))
        .join_from(closed, decided, closed.c.decision_id == decided.c.decision_id)
        .where(*known, closed.c.closed_us < as_of_us)
    )[0][0]
    return max(int(barrier or 0), int(seen or 0))
