"""The run so far as of a time: win rate, streak, regime, hot and cold patterns, and the line that the model reads.

Realised trades count; shadow trades are kept apart, for a block that wins of shadows may end. Nothing that closed at or
after the asked time is seen, so that a decision depends on no later bar.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import Action, DecisionRequest, Outcome, OutcomeKind, from_jsonable, to_jsonable

if TYPE_CHECKING:
    from llm_plugin.settings import SessionSettings

__all__ = ["Pattern", "SessionStatistics", "SessionTracker", "TradeRow", "regime_of"]

SCHEMA_VERSION = "1"
_REGIME_MARKS = {-1: "low", 0: "normal", 1: "high"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Trades of one setup, regime and part of the day."""

    key: str
    trades: int
    wins: int

    @property
    def win_rate(self) -> float:
        """Share of winners."""
        return self.wins / self.trades


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One closed trade as the session remembers it."""

    closed_utc: datetime
    decision_id: str
    action: Action
    r_multiple: float
    realised: bool
    pattern: str = ""

    @property
    def won(self) -> bool:
        """True where the net result is above zero."""
        return self.r_multiple > 0


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """Figures as of a time; `win_rate` and `mean_r` are None before the first trade.

    Attributes:
        as_of_utc: Nothing that closed at or after this is in the figures.
        trades: Realised trades.
        wins: Those above zero, net.
        losses: The others.
        win_rate: wins / trades.
        consecutive_losses: Losses in a row, newest backwards.
        consecutive_wins: Wins in a row.
        mean_r: Mean result of the recent trades in R.
        last_r: Result of the newest trade in R.
        last_closed_utc: When the newest trade closed.
        regime: low, normal or high volatility, of the newest question; empty before it.
        hot: Patterns that win, best first.
        cold: Patterns that lose, worst first.
        shadow_wins: Shadow trades won in a row, newest backwards.
        recent_win_rate: Win rate of the newest twenty.
        line: The prompt's session line.
    """

    as_of_utc: datetime
    trades: int = 0
    wins: int = 0
    losses: int = 0
    win_rate: float | None = None
    consecutive_losses: int = 0
    consecutive_wins: int = 0
    mean_r: float | None = None
    last_r: float | None = None
    last_closed_utc: datetime | None = None
    regime: str = ""
    hot: tuple[Pattern, ...] = ()
    cold: tuple[Pattern, ...] = ()
    shadow_wins: int = 0
    recent_win_rate: float | None = None
    line: str = "none"
