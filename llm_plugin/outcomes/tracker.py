"""Follows what every decision would lead to: shadow trades for vetoes, replay twins for executed trades.

Runs inside LEAN (standard library only). Each legal action of a decision gets an outcome, taken or not: for an
entry the signal's action and HOLD, for a position question a fork of the position's twin per action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llm_plugin.domain import (
    Action,
    Decision,
    DecisionRequest,
    ExitPlan,
    ExitReason,
    Outcome,
    OutcomeKind,
    PriceBar,
    QuestionKind,
)
from llm_plugin.errors import DataError
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay import EntryFill, ReplayEntry, ReplayTrade, hold_outcome

__all__ = ["ReplayTracker", "TrackedTrade"]

STATE_VERSION = "1"


@dataclass(slots=True)
class TrackedTrade:
    """One followed action of a decision; `hold_taken` is None where HOLD gets no outcome of its own here."""

    trade: ReplayTrade
    kind: OutcomeKind
    taken: bool
    hold_taken: bool | None

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes of a closed trade: its own, and HOLD's where this is an entry."""
        result = [self.trade.outcome(self.kind, self.taken)]
        if self.hold_taken is not None:
            result.append(hold_outcome(self.trade.entry, self.hold_taken))
        return result


class ReplayTracker:
    """All open replays of an algorithm, by symbol.

    Args:
        policy: Rules that move stops.
        costs: Slippage and fees.
    """

    def __init__(self, policy: ExitPolicy | None = None, costs: Costs | None = None) -> None:
        self.policy = policy or ExitPolicy()
        self.costs = costs or Costs()
        self._open: dict[str, list[TrackedTrade]] = {}

    def __len__(self) -> int:
        return sum(len(trades) for trades in self._open.values())

    def __iter__(self) -> Iterator[TrackedTrade]:
        for trades in self._open.values():
            yield from trades

    def follow(
        self,
        request: DecisionRequest,
        decision: Decision,
        *,
        plan: ExitPlan | None = None,
        quantity: float = 1.0,
        fill: EntryFill = EntryFill.QUOTE,
        volatility_fraction: float = float("nan"),
        price_increment: float = 0.0,
    ) -> TrackedTrade:
        """Follow the signal of an entry question from its decision on: a shadow if vetoed, else a twin.

        Args:
            request: The question.
            decision: Its answer.
            plan: Exit plan; the request's own where not given.
            quantity: Units of the order, or those it would have had.
            fill: When a market order sent now fills.
            volatility_fraction: ATR as a fraction of the price, for the volatility-adjusted return.
            price_increment: Smallest step of order prices, 0 where the engine does not round.

        Raises:
            DataError: The question has no exit plan, is no entry question, or is followed already.
        """
        plan = plan or request.exit
        if request.kind is not QuestionKind.ENTRY or plan is None:
            raise DataError(f"decision {request.decision_id}: only an entry question with an exit plan can be followed")
        if self.find(request.decision_id) is not None:
            raise DataError(f"decision {request.decision_id} is followed already")
        entry = ReplayEntry.from_request(request, quantity, fill, volatility_fraction, price_increment)
        trade = ReplayTrade(entry, plan, self.policy, self.costs)
        kind = OutcomeKind.REPLAY if decision.approved else OutcomeKind.SHADOW
        return self._add(TrackedTrade(trade, kind, decision.approved, not decision.approved))

    def follow_position(
        self, request: DecisionRequest, decision: Decision, entry_decision_id: str, market_open: bool | None = None
    ) -> list[Outcome]:
        """Fork the twin of an open position once per legal action, and let the twin itself do what was decided.

        Each outcome is that of the whole position, so their differences are what the action was worth.

        Returns:
            Outcomes of forks that closed at once.

        Raises:
            DataError: The position has no open twin.
        """
        twin = self.find(entry_decision_id)
        if twin is None or not twin.trade.filled:
            raise DataError(f"decision {request.decision_id}: no open replay of entry {entry_decision_id}")
        for action in request.legal:
            fork = twin.trade.fork(request.decision_id, action, market_open)
            self._add(TrackedTrade(fork, OutcomeKind.REPLAY, action is decision.action, None))
        twin.trade.apply(decision.action, market_open)
        return self._collect(request.signal.symbol_id)

    def update(self, symbol_id: str, bar: PriceBar, market_open: bool | None = None) -> list[Outcome]:
        """Feed a completed bar of one symbol; return the outcomes of what closed in it."""
        trades = self._open.get(symbol_id)
        if not trades:
            return []
        closed = False
        for tracked in trades:
            closed = tracked.trade.update(bar, market_open) or closed
        return self._collect(symbol_id) if closed else []

    def leave(self, decision_id: str, market_open: bool | None = None) -> list[Outcome]:
        """End a followed entry by a market order at the last bar: its insight expired or was turned round."""
        tracked = self.find(decision_id)
        if tracked is None:
            return []
        trade = tracked.trade
        if trade.filled:
            trade.apply(Action.SELL if trade.side > 0 else Action.BUY, market_open)
        else:
            trade.end_of_data()
        return self._collect(trade.entry.symbol_id)

    def mark_not_taken(self, decision_id: str) -> None:
        """Say that an approved entry was never executed; its replay goes on as that of an action not taken."""
        tracked = self.find(decision_id)
        if tracked is not None:
            tracked.taken = False

    def rescale(self, symbol_id: str, factor: float) -> None:
        """Multiply the prices of all replays of a symbol by a split or dividend factor."""
        for tracked in self._open.get(symbol_id, ()):
            tracked.trade.rescale(factor)

    def delist(self, symbol_id: str, price: float, time_utc: datetime) -> list[Outcome]:
        """Close all replays of a symbol at its last price."""
        for tracked in self._open.get(symbol_id, ()):
            tracked.trade.close_now(price, time_utc, ExitReason.DELISTED)
        return self._collect(symbol_id)

    def finish(self) -> list[Outcome]:
        """End everything at the last known quotes; these outcomes are cut short and say so."""
        for tracked in self:
            tracked.trade.end_of_data()
        return [outcome for symbol_id in list(self._open) for outcome in self._collect(symbol_id)]

    def find(self, decision_id: str) -> TrackedTrade | None:
        """Return the open replay of an entry decision, None if there is none."""
        for tracked in self:
            if tracked.trade.entry.decision_id == decision_id and tracked.hold_taken is not None:
                return tracked
        return None

    def state(self) -> dict[str, Any]:
        """Return all open replays as plain JSON types."""
        trades = [
            {"trade": t.trade.state(), "kind": t.kind.value, "taken": t.taken, "hold_taken": t.hold_taken} for t in self
        ]
        return {"version": STATE_VERSION, "trades": trades}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Replace all open replays by those of `state()`.

        Raises:
            DataError: The state was written by another version.
        """
        if state.get("version") != STATE_VERSION:
            raise DataError(f"tracker state has version {state.get('version')!r}; this program reads {STATE_VERSION!r}")
        self._open = {}
        for item in state["trades"]:
            trade = ReplayTrade.restore(item["trade"])
            self._add(TrackedTrade(trade, OutcomeKind(item["kind"]), bool(item["taken"]), item["hold_taken"]))

    def _add(self, tracked: TrackedTrade) -> TrackedTrade:
        self._open.setdefault(tracked.trade.entry.symbol_id, []).append(tracked)
        return tracked

    def _collect(self, symbol_id: str) -> list[Outcome]:
        trades = self._open.get(symbol_id, [])
        self._open[symbol_id] = [tracked for tracked in trades if not tracked.trade.closed]
        if not self._open[symbol_id]:
            del self._open[symbol_id]
        return [outcome for tracked in trades if tracked.trade.closed for outcome in tracked.outcomes()]
