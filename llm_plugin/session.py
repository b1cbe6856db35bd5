"""The run so far as of a time: win rate, streak, regime, hot and cold patterns, and the line that the model reads.

Nothing that closed at or after the asked time is seen, so that a decision depends on no later bar. Rates are made of
matured trades only, in the order of their decisions: the newest closed trades hold the stopped-out ones first. Streaks
follow the order of closing. Shadow trades are kept apart and end blocks where the settings say so.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.domain import Action, DecisionRequest, ExitReason, Outcome, OutcomeKind, from_jsonable, to_jsonable
from llm_plugin.errors import DataError

__all__ = ["Pattern", "SessionStatistics", "SessionTracker", "TradeRow", "pattern_of", "regime_of"]

STATE_SCHEMA = "1"
RECENT = 20
_UNFINISHED = (ExitReason.END_OF_DATA, ExitReason.NOT_EXECUTED)
_REGIMES = {-1: "low", 0: "normal", 1: "high"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Matured trades of one setup, regime and part of the day."""

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

    decided_utc: datetime
    closed_utc: datetime
    decision_id: str
    action: Action
    r_multiple: float
    horizon: timedelta
    pattern: str = ""

    @property
    def won(self) -> bool:
        """True where the net result is above zero."""
        return self.r_multiple > 0


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """Figures as of a time. Rates are None before the first matured trade.

    Attributes:
        as_of_utc: Nothing that closed at or after this is in the figures.
        total_trades: Realised trades that closed before.
        trades: The newest matured ones of them, as many as `session.recent_trades`.
        wins: Those of `trades` above zero, net.
        win_rate: wins / trades.
        recent_win_rate: The same over the newest twenty.
        mean_r: Mean result of `trades` in R.
        last_r: Result of the trade that closed last, in R.
        last_closed_utc: When it closed.
        consecutive_losses: Losses in a row, by closing time.
        consecutive_wins: Wins in a row, by closing time.
        regime: low, normal or high volatility at the newest question; empty before it.
        hot: Patterns that win, best first.
        cold: Patterns that lose, worst first.
    """

    as_of_utc: datetime
    total_trades: int = 0
    trades: int = 0
    wins: int = 0
    win_rate: float | None = None
    recent_win_rate: float | None = None
    mean_r: float | None = None
    last_r: float | None = None
    last_closed_utc: datetime | None = None
    consecutive_losses: int = 0
    consecutive_wins: int = 0
    regime: str = ""
    hot: tuple[Pattern, ...] = ()
    cold: tuple[Pattern, ...] = ()

    @property
    def losses(self) -> int:
        """trades - wins."""
        return self.trades - self.wins


def regime_of(features: Mapping[str, float]) -> str:
    """Return low, normal or high by the feature `volatility_regime`, empty where it is unavailable."""
    value = features.get("volatility_regime", math.nan)
    return _REGIMES.get(round(value), "") if math.isfinite(value) else ""


def pattern_of(request: DecisionRequest) -> str:
    """Return the pattern of a question: setup, regime and four hours of the UTC day, as `BUY+/high/12`."""
    action = request.signal.action
    trend = request.market.features.get("trend_direction", math.nan) * action.side
    mark = "+" if trend > 0 else "-" if trend < 0 else ""
    hour = request.market.time_utc.hour // 4 * 4
    return f"{action.value}{mark}/{regime_of(request.market.features) or 'unknown'}/{hour:02d}"


@dataclass
class _Trades:
    """Rows in the order of closing and in that of their decisions, with the longest horizon known at each closing."""

    by_close: list[tuple[datetime, str, TradeRow]] = field(default_factory=list)
    by_decision: list[tuple[datetime, str, TradeRow]] = field(default_factory=list)
    horizons: list[timedelta] = field(default_factory=list)

    def add(self, row: TradeRow) -> None:
        entry = (row.closed_utc, row.decision_id, row)
        place = bisect_left(self.by_close, entry[:2], key=lambda item: item[:2])
        self.by_close.insert(place, entry)
        insort(self.by_decision, (row.decided_utc, row.decision_id, row), key=lambda item: item[:2])
        del self.horizons[place:]
        longest = self.horizons[-1] if self.horizons else timedelta(0)
        for _, _, later in self.by_close[place:]:
            longest = max(longest, later.horizon, later.closed_utc - later.decided_utc)
            self.horizons.append(longest)

    def closed(self, as_of: datetime) -> int:
        """Number of rows that closed strictly before."""
        return bisect_left(self.by_close, as_of, key=lambda item: item[0])

    def horizon(self, as_of: datetime) -> timedelta:
        count = self.closed(as_of)
        return self.horizons[count - 1] if count else timedelta(0)

    def matured(self, as_of: datetime, horizon: timedelta, limit: int) -> list[TradeRow]:
        """Newest decisions that are older than the horizon and closed before, newest first."""
        rows: list[TradeRow] = []
        place = bisect_right(self.by_decision, as_of - horizon, key=lambda item: item[0])
        while place and len(rows) < limit:
            place -= 1
            row = self.by_decision[place][2]
            if row.closed_utc < as_of:
                rows.append(row)
        return rows

    def streak(self, as_of: datetime) -> int:
        """Wins (+) or losses (-) in a row, newest backwards."""
        count = self.closed(as_of)
        if not count:
            return 0
        won, length = self.by_close[count - 1][2].won, 0
        while length < count and self.by_close[count - 1 - length][2].won == won:
            length += 1
        return length if won else -length


class SessionTracker:
    """Collects outcomes and answers as of any time; the same outcome twice counts once."""

    def __init__(
        self,
        recent_trades: int = 50,
        pattern_min_trades: int = 5,
        hot_win_rate: float = 0.65,
        cold_win_rate: float = 0.35,
        style: str = "compact",
    ) -> None:
        """Take the values of the configuration's `session`; `style` is that of the prompts."""
        self.recent_trades = recent_trades
        self.pattern_min_trades = pattern_min_trades
        self.hot_win_rate = hot_win_rate
        self.cold_win_rate = cold_win_rate
        self.style = style
        self._known: set[tuple[str, bool]] = set()
        self._realised = _Trades()
        self._shadow = _Trades()
        self._patterns: dict[str, _Trades] = {}
        self._regimes: list[tuple[datetime, str]] = []
        self._memo: SessionStatistics | None = None

    def observe(self, request: DecisionRequest) -> None:
        """Note the regime at a question."""
        regime, time = regime_of(request.market.features), request.market.time_utc
        place = bisect_right(self._regimes, time, key=lambda item: item[0])
        if regime and (place == 0 or self._regimes[place - 1][1] != regime):
            self._regimes.insert(place, (time, regime))
            self._memo = None

    def record(self, outcome: Outcome, request: DecisionRequest) -> bool:
        """Take in one outcome.

        Args:
            outcome: Realised outcomes make the figures; shadow ones are kept for `shadow_wins`. Replays, outcomes of
                HOLD and trades that were not executed or did not run to their end are passed over.
            request: The question that it belongs to.

        Returns:
            True if it was new and counts.

        Raises:
            DataError: It belongs to another question, or its R is not finite.
        """
        if outcome.decision_id != request.decision_id:
            raise DataError(f"outcome of {outcome.decision_id} was recorded with request {request.decision_id}")
        if outcome.kind is OutcomeKind.REPLAY or not outcome.action.side or outcome.exit_reason in _UNFINISHED:
            return False
        if not math.isfinite(outcome.r_multiple):
            raise DataError(f"outcome of {outcome.decision_id} has r_multiple {outcome.r_multiple}; it must be finite")
        plan = request.exit
        horizon = plan.timeout if plan is not None and plan.timeout is not None else timedelta(0)
        row = TradeRow(
            decided_utc=request.market.time_utc,
            closed_utc=outcome.closed_utc,
            decision_id=outcome.decision_id,
            action=outcome.action,
            r_multiple=outcome.r_multiple,
            horizon=horizon,
            pattern=pattern_of(request),
        )
        return self._add(row, outcome.kind is OutcomeKind.REALISED)

    def _add(self, row: TradeRow, realised: bool) -> bool:
        key = (row.decision_id, realised)
        if key in self._known:
            return False
        self._known.add(key)
        (self._realised if realised else self._shadow).add(row)
        if realised:
            self._patterns.setdefault(row.pattern, _Trades()).add(row)
        self._memo = None
        return True

    def statistics(self, as_of: datetime) -> SessionStatistics:
        """Return the figures as of a time."""
        if self._memo is not None and self._memo.as_of_utc == as_of:
            return self._memo
        trades = self._realised
        closed, horizon = trades.closed(as_of), trades.horizon(as_of)
        rows = trades.matured(as_of, horizon, self.recent_trades)
        wins, recent = sum(row.won for row in rows), rows[:RECENT]
        last = trades.by_close[closed - 1][2] if closed else None
        streak = trades.streak(as_of)
        hot, cold = self._hot_and_cold(as_of, horizon)
        regime = bisect_right(self._regimes, as_of, key=lambda item: item[0])
        statistics = SessionStatistics(
            as_of_utc=as_of,
            total_trades=closed,
            trades=len(rows),
            wins=wins,
            win_rate=wins / len(rows) if rows else None,
            recent_win_rate=sum(row.won for row in recent) / len(recent) if recent else None,
            mean_r=math.fsum(row.r_multiple for row in rows) / len(rows) if rows else None,
            last_r=last.r_multiple if last else None,
            last_closed_utc=last.closed_utc if last else None,
            consecutive_losses=max(0, -streak),
            consecutive_wins=max(0, streak),
            regime=self._regimes[regime - 1][1] if regime else "",
            hot=hot,
            cold=cold,
        )
        self._memo = statistics
        return statistics

    def section(self, as_of: datetime, request: DecisionRequest | None = None) -> str:
        """Return the session's line of the prompt, with the standing of the question's own pattern."""
        statistics = self.statistics(as_of)
        here = self._standing(statistics, pattern_of(request)) if request is not None else ""
        return _full_line(statistics, here) if self.style == "full" else _compact_line(statistics, here)

    def shadow_wins(self, since: datetime, as_of: datetime) -> int:
        """Return how many shadow trades won in a row by `as_of`, counting those that closed after `since`."""
        wins = 0
        for place in range(self._shadow.closed(as_of) - 1, -1, -1):
            row = self._shadow.by_close[place][2]
            if row.closed_utc <= since or not row.won:
                break
            wins += 1
        return wins

    def state(self) -> dict[str, Any]:
        """Return everything as plain JSON types, for a restart."""
        rows = [(kind, row) for kind, trades in self._both() for _, _, row in trades.by_close]
        return {
            "schema": STATE_SCHEMA,
            "trades": [{"kind": kind, **to_jsonable(row)} for kind, row in rows],
            "regimes": [[to_jsonable(time), regime] for time, regime in self._regimes],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take in what `state` returned; what is known already counts once.

        Raises:
            DataError: The state is of another schema or damaged.
        """
        if state.get("schema") != STATE_SCHEMA:
            raise DataError(f"session state has schema {state.get('schema')!r}, this version reads {STATE_SCHEMA!r}")
        try:
            for item in state["trades"]:
                values = {key: value for key, value in item.items() if key != "kind"}
                self._add(from_jsonable(TradeRow, values), item["kind"] == OutcomeKind.REALISED.value)
            regimes = {datetime.fromisoformat(time.replace("Z", "+00:00")): name for time, name in state["regimes"]}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"session state is damaged ({error}); rebuild it from the outcome store") from error
        self._regimes = sorted({**dict(self._regimes), **regimes}.items())
        self._memo = None

    def _both(self) -> Iterable[tuple[str, _Trades]]:
        return ((OutcomeKind.REALISED.value, self._realised), (OutcomeKind.SHADOW.value, self._shadow))

    def _hot_and_cold(self, as_of: datetime, horizon: timedelta) -> tuple[tuple[Pattern, ...], tuple[Pattern, ...]]:
        found = []
        for key, trades in self._patterns.items():
            rows = trades.matured(as_of, horizon, RECENT)
            if len(rows) >= self.pattern_min_trades:
                found.append(Pattern(key, len(rows), sum(row.won for row in rows)))
        hot = [pattern for pattern in found if pattern.win_rate >= self.hot_win_rate]
        cold = [pattern for pattern in found if pattern.win_rate <= self.cold_win_rate]
        hot.sort(key=lambda pattern: (-pattern.win_rate, -pattern.trades, pattern.key))
        cold.sort(key=lambda pattern: (pattern.win_rate, -pattern.trades, pattern.key))
        return tuple(hot), tuple(cold)

    @staticmethod
    def _standing(statistics: SessionStatistics, key: str) -> str:
        if any(pattern.key == key for pattern in statistics.hot):
            return "hot"
        return "cold" if any(pattern.key == key for pattern in statistics.cold) else "plain"


def _streak(statistics: SessionStatistics) -> int:
    return statistics.consecutive_wins - statistics.consecutive_losses


def _compact_line(statistics: SessionStatistics, here: str) -> str:
    """Trades, wins in twentieths, streak, mean in tenths of R, regime and standing, as 12:11:-2:3:high:hot."""
    if statistics.win_rate is None or statistics.mean_r is None:
        return "none"
    figures = (statistics.trades, round(statistics.win_rate * 20), _streak(statistics), round(statistics.mean_r * 10))
    words = [word for word in (statistics.regime, here) if word]
    return ":".join([*map(str, figures), *words])


def _full_line(statistics: SessionStatistics, here: str) -> str:
    if statistics.win_rate is None or statistics.mean_r is None:
        return "no matured trades yet"
    streak = _streak(statistics)
    parts = [
        f"{statistics.trades} trades, win rate {statistics.win_rate:.0%}, mean {statistics.mean_r:+.2f} R",
        f"{abs(streak)} {'wins' if streak > 0 else 'losses'} in a row",
    ]
    if statistics.regime:
        parts.append(f"{statistics.regime} volatility")
    parts += [f"{name}: {_patterns(found)}" for name, found in _named(statistics) if found]
    if here:
        parts.append(f"this pattern is {here}")
    return "; ".join(parts)


def _named(statistics: SessionStatistics) -> Sequence[tuple[str, tuple[Pattern, ...]]]:
    return (("hot", statistics.hot[:2]), ("cold", statistics.cold[:2]))


def _patterns(patterns: Iterable[Pattern]) -> str:
    return ", ".join(f"{pattern.key} ({pattern.wins} of {pattern.trades})" for pattern in patterns)
