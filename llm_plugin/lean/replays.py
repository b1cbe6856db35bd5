"""The replays of open decisions: shadow trades of vetoes, twins of taken trades, answers to position questions.

Every entry question with an exit plan is replayed, whatever the verdict; a position question is replayed once per
legal action. All of them eat the same bars as the algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from llm_plugin.domain import (
    Action,
    Decision,
    DecisionRequest,
    ExitReason,
    Outcome,
    OutcomeKind,
    PriceBar,
)
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay import EntryFill, ReplayEntry, ReplayTrade, hold_outcome

__all__ = ["FollowedReplay", "ReplayDesk"]

PLAN_EXITS = (ExitReason.STOP, ExitReason.TARGET, ExitReason.TIMEOUT, ExitReason.TRAIL, ExitReason.BREAK_EVEN)


@dataclass(slots=True)
class FollowedReplay:
    """One replay with what it answers: an entry's own action, or one legal action of a position question."""

    trade: ReplayTrade
    kind: OutcomeKind
    taken: bool
    position_question: bool = False
    action: Action = Action.HOLD
    parent: str = ""


class ReplayDesk:
    """Feeds bars to replays and hands on their outcomes.

    Args:
        policy: Rules that move a stop by themselves.
        on_outcome: Called once per closed replay.
    """

    def __init__(self, policy: ExitPolicy, on_outcome: Callable[[Outcome, FollowedReplay], None]) -> None:
        self._policy = policy
        self._on_outcome = on_outcome
        self.open: dict[str, list[FollowedReplay]] = {}
        self.entries: dict[str, FollowedReplay] = {}
        self.latest_r: dict[str, float] = {}

    def follow(
        self,
        request: DecisionRequest,
        decision: Decision,
        costs: Costs,
        fill: EntryFill,
        quantity: float,
        atr: float,
        step: float,
    ) -> None:
        """Start the replay of an entry question; without an exit plan there is nothing to replay."""
        if request.exit is None:
            return
        entry = ReplayEntry.from_request(
            request,
            quantity=quantity,
            fill=fill,
            volatility_fraction=atr / request.market.price,
            price_increment=step,
        )
        kind = OutcomeKind.REPLAY if decision.approved else OutcomeKind.SHADOW
        trade = ReplayTrade(entry, request.exit, self._policy, costs)
        followed = FollowedReplay(trade, kind, taken=False, action=entry.action)
        self.open.setdefault(entry.symbol_id, []).append(followed)
        self.entries[entry.decision_id] = followed

    def fork(self, parent: str, request: DecisionRequest, decision: Decision, market_open: bool) -> None:
        """Start one replay per legal action of a position question, then go on with the chosen one."""
        main = self.entries.get(parent)
        if main is None or main.trade.closed or not main.trade.filled:
            return
        for action in request.legal:
            twin = main.trade.fork(request.decision_id, action, market_open)
            followed = FollowedReplay(
                twin,
                OutcomeKind.REPLAY,
                action is decision.action,
                position_question=True,
                action=action,
                parent=parent,
            )
            if twin.closed:
                self._report(followed)
            else:
                self.open[request.market.symbol_id].append(followed)
        main.trade.apply(decision.action, market_open)
        self._sweep(request.market.symbol_id)

    def mark_taken(self, decision_id: str) -> None:
        """Note that an approved entry was filled."""
        followed = self.entries.get(decision_id)
        if followed is not None:
            followed.taken = True

    def on_bar(self, symbol_id: str, bar: PriceBar, market_open: bool) -> None:
        """Feed a completed bar to all replays of its symbol."""
        followed = self.open.get(symbol_id)
        if followed:
            closed = [item.trade.update(bar, market_open) for item in followed]
            if any(closed):
                self._sweep(symbol_id)

    def exit_by_signal(self, symbol_id: str, side: int, market_open: bool, decision_id: str | None = None) -> None:
        """End the replays of a side at the last bar's quote: a newer opposite or flat signal, or an insight's end.

        Args:
            symbol_id: Security identifier.
            side: Side of the trades that end, +1 or -1.
            market_open: Whether an order fills at once.
            decision_id: Only this decision's, where given.
        """
        for item in self.open.get(symbol_id, ()):
            wanted = decision_id is None or item.trade.entry.decision_id == decision_id or item.parent == decision_id
            if wanted and item.trade.side == side:
                if item.trade.filled and not item.trade.closed:
                    item.trade.apply(Action.SELL if side > 0 else Action.BUY, market_open)
        self._sweep(symbol_id)

    def rescale(self, symbol_id: str, factor: float) -> None:
        """Bring all levels of a symbol to a new price scale."""
        for item in self.open.get(symbol_id, ()):
            item.trade.rescale(factor)

    def delist(self, symbol_id: str, price: float, time_utc: datetime) -> None:
        """Close all replays of a symbol that no longer trades."""
        for item in self.open.get(symbol_id, ()):
            item.trade.close_now(price, time_utc, ExitReason.DELISTED)
        self._sweep(symbol_id)

    def end(self) -> None:
        """Cut off what is still open: the run is over."""
        for symbol_id, items in list(self.open.items()):
            for item in items:
                item.trade.end_of_data()
            self._sweep(symbol_id)

    def closed_by_plan(self, decision_id: str) -> ExitReason | None:
        """Return which rule of its exit plan has ended a decision's replay; None while none has."""
        followed = self.entries.get(decision_id)
        reason = None if followed is None else followed.trade.exit_reason
        return reason if reason in PLAN_EXITS else None

    def forget(self, decision_id: str) -> None:
        """Drop a decision that is settled on both sides."""
        followed = self.entries.get(decision_id)
        if followed is not None and followed.trade.closed:
            del self.entries[decision_id]

    def state(self) -> list[dict[str, Any]]:
        """Return all open replays as plain JSON types."""
        return [
            {
                "trade": item.trade.state(),
                "kind": item.kind.value,
                "taken": item.taken,
                "position_question": item.position_question,
                "action": item.action.value,
                "parent": item.parent,
            }
            for items in self.open.values()
            for item in items
        ]

    def restore(self, rows: list[dict[str, Any]]) -> None:
        """Take over what `state()` returned."""
        for row in rows:
            item = FollowedReplay(
                ReplayTrade.restore(row["trade"]),
                OutcomeKind(row["kind"]),
                bool(row["taken"]),
                bool(row["position_question"]),
                Action(row["action"]),
                str(row["parent"]),
            )
            self.open.setdefault(item.trade.entry.symbol_id, []).append(item)
            if not item.position_question:
                self.entries[item.trade.entry.decision_id] = item

    def drop(self, decision_ids: set[str]) -> None:
        """Take out replays of decisions that are asked anew."""
        for symbol_id, items in self.open.items():
            kept = [i for i in items if i.trade.entry.decision_id not in decision_ids and i.parent not in decision_ids]
            self.open[symbol_id] = kept
        for decision_id in decision_ids:
            self.entries.pop(decision_id, None)

    def _sweep(self, symbol_id: str) -> None:
        items = self.open.get(symbol_id, [])
        self.open[symbol_id] = [item for item in items if not item.trade.closed]
        for item in items:
            if item.trade.closed:
                self._report(item)

    def _report(self, item: FollowedReplay) -> None:
        outcome = item.trade.outcome(item.kind, item.taken)
        if item.position_question:
            outcome = replace(outcome, action=item.action)
        else:
            self.latest_r[outcome.decision_id] = outcome.r_multiple
            hold = hold_outcome(item.trade.entry, taken=item.kind is OutcomeKind.SHADOW)
            self._on_outcome(hold, item)
        self._on_outcome(outcome, item)
