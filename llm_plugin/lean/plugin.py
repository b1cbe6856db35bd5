"""`LLMPlugin`: the classic style. Ask before the order, forward the order events, the rest follows by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_plugin.domain import Action, Decision, DecisionBackend, ExitPlan, ExitReason, Signal, Source
from llm_plugin.errors import DataError
from llm_plugin.lean.backend import local_decision
from llm_plugin.lean.compat import each
from llm_plugin.lean.config import calling_folder, load_config
from llm_plugin.lean.corporate import follow_corporate_events
from llm_plugin.lean.desk import Desk
from llm_plugin.lean.positions import exit_tag
from llm_plugin.lean.restart import StateKeeper

__all__ = ["LLMPlugin"]


class LLMPlugin:
    """An LLM validator for an algorithm that sends its own orders.

        self.llm = LLMPlugin(self, "llm_config.yaml")                                   # in initialize
        if self.llm.validate(symbol, Action.BUY, confidence=0.7).approved:              # before the order
            self.market_order(symbol, quantity)
        def on_order_event(self, event): self.llm.on_order_event(event)                 # afterwards

    Args:
        algorithm: The algorithm.
        config: Path relative to the algorithm's file, a dict, or an object-store key.
        backend: Who answers; made from the configuration where not given.
        restart_policy: What happens to a position or order that does not fit the saved state: `adopt` or `close`.
    """

    def __init__(
        self,
        algorithm: Any,
        config: str | Path | Mapping[str, Any] | None = None,
        *,
        backend: DecisionBackend | None = None,
        restart_policy: str = "adopt",
    ) -> None:
        self.algorithm = algorithm
        self.config = load_config(config, calling_folder(), algorithm)
        self.desk = Desk(algorithm, self.config, backend)
        self.state = StateKeeper(self.desk, restart_policy)

    def signal(self, symbol: Any) -> Signal | None:
        """Return the configured signal model's answer for the last completed bar; None while warming up."""
        return self.desk.signal(self._symbol(symbol))

    def validate(self, symbol: Any, action: Action | str, confidence: float, exit: ExitPlan | None = None) -> Decision:
        """Ask whether to take a signal.

        An action against an open position means close, never reverse: it is always approved, and the replays of
        that side end with it. A reversal is a close and, once flat, an entry question.

        Args:
            symbol: LEAN symbol or ticker.
            action: BUY or SELL.
            confidence: The signal's probability of paying, 0 to 1.
            exit: How the trade ends; without it stop, target and timeout follow from `outcomes.exit`.

        Returns:
            A decision: `approved`, `quantity(q)` with the size multiplier applied, `tag` for the order.
        """
        action = Action(action)
        symbol = self._symbol(symbol)
        held = float(self.algorithm.portfolio[symbol].quantity)
        if held * action.side < 0:
            return self._close_decision(symbol, action, confidence)
        return self.desk.settle(self.desk.ask_entry(symbol, action, float(confidence), exit))

    def enter(self, decision: Decision, quantity: float) -> Any:
        """Send an approved entry's market order; the plugin sends and moves its stop and target, and times it out.

        Needs `on_order_event` forwarded. Returns the ticket, None if the multiplier leaves less than one lot.
        """
        return self.desk.enter(decision, quantity)

    def exit_plan(self, decision: Decision) -> ExitPlan | None:
        """Return the exit plan of a decision, for sizing by its stop distance."""
        asked = self.desk.ledger.asked.get(decision.decision_id)
        return None if asked is None else asked.request.exit

    def exit_tag(self, decision: Decision, reason: ExitReason = ExitReason.STOP) -> str:
        """Return the tag of an order of yours that closes this decision's position for a reason (stop, target ...)."""
        return exit_tag(reason, decision.decision_id)

    def has_position(self, symbol: Any) -> bool:
        """Return whether the symbol is invested, or an entry of it waits for its fill."""
        symbol = self._symbol(symbol)
        book = self.desk.ledger.books.get(str(symbol.id))
        waiting = book is not None and any(approval.order_ids for approval in book.approvals)
        return bool(self.algorithm.portfolio[symbol].invested) or waiting

    def close(self, symbol: Any, side: int) -> None:
        """Carry out the algorithm's own exit rule for a side (+1 long, -1 short).

        Call it whenever the rule fires, in a position or not: an open position of that side is closed, and the
        replays of that side end as well, so that vetoed trades are judged by the same exits as taken ones.
        """
        if side not in (1, -1):
            raise DataError(f"side is {side!r}: give +1 to end longs or -1 to end shorts")
        symbol = self._symbol(symbol)
        held = float(self.algorithm.portfolio[symbol].quantity)
        self.desk.ledger.exit_signal(self.desk.hub.get(symbol), side)
        if held * side > 0:
            identifier = str(symbol.id)
            if identifier in self.desk.ledger.brackets.brackets:
                self.desk.ledger.brackets.apply(identifier, Action.SELL if side > 0 else Action.BUY, self._last(symbol))
            else:
                self.algorithm.liquidate(symbol)
            self.desk.ledger.orders.poll()

    def on_order_event(self, event: Any) -> None:
        """Forward every order event of the algorithm to this."""
        self.desk.begin()
        self.desk.ledger.orders.forward(event)

    def on_securities_changed(self, changes: Any) -> None:
        """Forward universe changes to this: feeds start and stop with the securities."""
        for security in each(changes.added_securities):
            self.desk.hub.add(security)
        for security in each(changes.removed_securities):
            feed = self.desk.hub.remove(security)
            if feed is not None and feed.last is not None:
                self.desk.ledger.delist(feed, feed.last.close, feed.last.end_utc)

    def on_data(self, data: Any) -> None:
        """Forward slices to this where prices are raw or live: splits, dividends and delistings reach the levels."""
        follow_corporate_events(self.desk, data)

    def on_end(self) -> dict[str, Any]:
        """Settle what is still open at the end of the run; returns what was counted."""
        self.desk.end()
        return self.desk.report()

    OnOrderEvent = on_order_event
    OnSecuritiesChanged = on_securities_changed
    OnData = on_data

    def _symbol(self, symbol: Any) -> Any:
        if hasattr(symbol, "id"):
            return symbol
        if not self.algorithm.securities.contains_key(symbol):
            raise DataError(f"{symbol!r} is not in the algorithm's securities: add it (add_equity, add_forex) first")
        return self.algorithm.securities[symbol].symbol

    def _last(self, symbol: Any) -> Any:
        return self.desk.hub.get(symbol).last

    def _close_decision(self, symbol: Any, action: Action, confidence: float) -> Decision:
        desk = self.desk
        request = desk.close_request(symbol, action, float(confidence))
        decision = replace(
            local_decision(request, Source.RULE, approve=True, rule="exit_never_vetoed"),
            action=action,
            size_multiplier=1.0,
        )
        desk.recorder.decision(request, decision)
        desk.counts["closes"] += 1
        desk.ledger.exit_signal(desk.hub.get(symbol), -action.side)
        return decision
