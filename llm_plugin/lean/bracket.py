"""Stop, target and vertical barrier of a position as real orders, moved by the six actions.

LEAN trap: cancels are queued, so within one bar stop and target can both fill, and the second one flips the
position. Both orders stand in the market all the same (a stop that only exists in Python protects nobody, a target
checked at the bar's end fills elsewhere). The stop has the lower id, so it fills first; when the second fill leaves a
position on the other side, that is closed in the same instant, counted (`double_fills`), and booked beside the trade.

Oanda has no trailing-stop order: trails are stop updates. An updated order is checked against the bar that has just
ended, so in a backtest a stop that this bar has already crossed is replaced by a new order, which works from the next
bar on, as the replay's does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llm_plugin.domain import Action, ExitPlan, ExitReason, PriceBar
from llm_plugin.lean.compat import CANCELED, FILLED, INVALID, number
from llm_plugin.lean.positions import Lot, exit_tag
from llm_plugin.outcomes.exits import ExitPolicy, ManagedStop, round_to_increment

__all__ = ["Bracket", "BracketDesk"]

EQUITY = 1


@dataclass(slots=True)
class Bracket:
    """The protective orders of one decision's position."""

    decision_id: str
    symbol: Any
    side: int
    quantity: float
    managed: ManagedStop
    target: float | None
    timeout_utc: datetime | None
    increment: float
    stop_ticket: Any = None
    target_ticket: Any = None
    closing: bool = False
    close_ticket: Any = None
    bars_since_question: int = 0
    asked_state: tuple[Any, ...] = ()

    @property
    def stop_level(self) -> float:
        """The stop as it is sent: rounded to the instrument's step."""
        return round_to_increment(self.managed.stop, self.increment)


class BracketDesk:
    """Sends, moves and ends the protective orders of all symbols; at most one bracket a symbol."""

    def __init__(self, algorithm: Any, policy: ExitPolicy) -> None:
        self._algorithm = algorithm
        self._policy = policy
        self.brackets: dict[str, Bracket] = {}
        self.double_fills = 0
        self.failed_stops = 0

    def open(
        self,
        symbol_id: str,
        symbol: Any,
        lot: Lot,
        plan: ExitPlan,
        risk: float,
        decided: datetime,
        step: float,
        working: tuple[Any, Any] = (None, None),
    ) -> Bracket:
        """Protect a freshly filled lot.

        Args:
            symbol_id: Security identifier.
            symbol: LEAN's symbol.
            lot: What was opened.
            plan: Its exit plan.
            risk: 1 R in price units.
            decided: Decision time, from which the vertical barrier counts.
            step: Price increment, 0 for none.
            working: Its stop and target where they stand in the market already.
        """
        bracket = Bracket(
            decision_id=str(lot.decision_id),
            symbol=symbol,
            side=lot.side,
            quantity=lot.quantity,
            managed=ManagedStop(lot.side, lot.entry_price, risk, plan.stop, self._policy),
            target=plan.target,
            timeout_utc=None if plan.timeout is None else decided + plan.timeout,
            increment=step,
            stop_ticket=working[0],
            target_ticket=working[1],
        )
        self.brackets[symbol_id] = bracket
        self.complete(bracket)
        return bracket

    def complete(self, bracket: Bracket) -> None:
        """Send the protective orders that a bracket lacks, the stop first."""
        if bracket.stop_ticket is None:
            self._send_stop(bracket)
        if bracket.target is not None and bracket.target_ticket is None and not bracket.closing:
            bracket.target_ticket = self._algorithm.limit_order(
                bracket.symbol,
                -bracket.side * bracket.quantity,
                round_to_increment(bracket.target, bracket.increment),
                tag=exit_tag(ExitReason.TARGET, bracket.decision_id),
            )

    def resize(self, symbol_id: str, lot: Lot) -> None:
        """Follow further partial fills of the entry, or partial exits by hand."""
        bracket = self.brackets.get(symbol_id)
        if bracket is None or bracket.closing or lot.decision_id != bracket.decision_id:
            return
        if abs(bracket.quantity - lot.quantity) > 1e-9:
            bracket.quantity = lot.quantity
            bracket.managed.entry_price = lot.entry_price
            for ticket in (bracket.stop_ticket, bracket.target_ticket):
                if ticket is not None and not _closed(ticket):
                    ticket.update_quantity(-bracket.side * lot.quantity)

    def on_flat(self, symbol_id: str, decision_id: str | None) -> None:
        """End the bracket of a lot that is closed: what still works is cancelled."""
        bracket = self.brackets.get(symbol_id)
        if bracket is not None and bracket.decision_id == decision_id:
            del self.brackets[symbol_id]
            self._cancel(bracket)

    def repair(self, symbol: Any, decision_id: str, net: float) -> None:
        """Close what the second of two exit fills has opened on the other side."""
        self.double_fills += 1
        self._algorithm.market_order(symbol, -net, tag=exit_tag("repair", decision_id))

    def on_bar(self, symbol_id: str, bar: PriceBar) -> None:
        """Apply the vertical barrier and the automatic stop rules at a bar's end."""
        bracket = self.brackets.get(symbol_id)
        if bracket is None:
            return
        if bracket.closing:
            self._retry_close(symbol_id, bracket)
            return
        bracket.bars_since_question += 1
        if bracket.timeout_utc is not None and bar.end_utc >= bracket.timeout_utc and self._can_close(bracket):
            self.close(symbol_id, ExitReason.TIMEOUT)
        elif bracket.managed.on_close(_exit_close(bracket, bar)):
            self._move_stop(bracket, bar)

    def apply(self, symbol_id: str, action: Action, bar: PriceBar) -> bool:
        """Carry out MOVE_TO_BE, ENABLE_TRAIL, DISABLE_TRAIL or the closing side; False if nothing changes."""
        bracket = self.brackets.get(symbol_id)
        if bracket is None or bracket.closing or action is Action.HOLD:
            return False
        if action.side:
            if action.side == bracket.side:
                return False
            self.close(symbol_id, ExitReason.SIGNAL)
            return True
        before = bracket.managed.stop
        changed = bracket.managed.apply(action, _exit_close(bracket, bar))
        if bracket.managed.stop != before:
            self._move_stop(bracket, bar)
        return changed

    def close(self, symbol_id: str, reason: ExitReason) -> None:
        """Close the bracket's position at market: cancels first, the synchronous order drains them."""
        bracket = self.brackets[symbol_id]
        bracket.closing = True
        self._cancel(bracket)
        quantity = -bracket.side * bracket.quantity
        tag = exit_tag(reason, bracket.decision_id)
        bracket.close_ticket = self._algorithm.market_order(bracket.symbol, quantity, tag=tag)

    def rescale(self, symbol_id: str, price_factor: float, quantity_factor: float, *, orders_follow: bool) -> None:
        """Bring the levels to a new price scale; LEAN itself adjusts open orders on a split, not on a dividend."""
        bracket = self.brackets.get(symbol_id)
        if bracket is None:
            return
        bracket.managed.rescale(price_factor)
        bracket.quantity *= quantity_factor
        bracket.target = None if bracket.target is None else bracket.target * price_factor
        if orders_follow or bracket.closing:
            return
        if bracket.stop_ticket is not None:
            bracket.stop_ticket.update_stop_price(bracket.stop_level)
        if bracket.target_ticket is not None and bracket.target is not None:
            bracket.target_ticket.update_limit_price(round_to_increment(bracket.target, bracket.increment))

    def settle_fraction(self, symbol_id: str, lot: Lot) -> None:
        """Follow the whole shares that a split has left; the open orders follow by themselves."""
        bracket = self.brackets.get(symbol_id)
        if bracket is not None and bracket.decision_id == lot.decision_id:
            bracket.quantity = lot.quantity

    def _can_close(self, bracket: Bracket) -> bool:
        """Only equities take a closing order while their exchange is closed; elsewhere the stop goes on working."""
        security = self._algorithm.securities[bracket.symbol]
        return bool(security.exchange.exchange_open) or number(bracket.symbol.security_type) == EQUITY

    def _move_stop(self, bracket: Bracket, bar: PriceBar) -> None:
        level = bracket.stop_level
        low, high = (bar.bid_low, bar.bid_high) if bracket.side > 0 else (bar.ask_low, bar.ask_high)
        crossed = low <= level if bracket.side > 0 else high >= level
        if bracket.stop_ticket is not None and not (crossed and not self._algorithm.live_mode):
            response = bracket.stop_ticket.update_stop_price(level)
            if response is None or getattr(response, "is_success", True):
                return
        if bracket.stop_ticket is not None:
            bracket.stop_ticket.cancel()
        self._send_stop(bracket)

    def _send_stop(self, bracket: Bracket) -> None:
        tag = exit_tag(ExitReason.STOP, bracket.decision_id)
        quantity = -bracket.side * bracket.quantity
        bracket.stop_ticket = self._algorithm.stop_market_order(bracket.symbol, quantity, bracket.stop_level, tag=tag)
        if number(bracket.stop_ticket.status) == INVALID:  # an unprotected position is closed, whatever it costs
            self.failed_stops += 1
            self._algorithm.error(f"stop order of {bracket.symbol} was refused: the position is closed at market")
            bracket.closing = True
            close = exit_tag(ExitReason.STOP, bracket.decision_id)
            bracket.close_ticket = self._algorithm.market_order(bracket.symbol, quantity, tag=close)

    def _retry_close(self, symbol_id: str, bracket: Bracket) -> None:
        ticket = bracket.close_ticket
        if ticket is not None and number(ticket.status) in (INVALID, CANCELED):
            self._algorithm.error(f"closing order of {bracket.symbol} was refused: sent again")
            self.close(symbol_id, ExitReason.TIMEOUT)

    def _cancel(self, bracket: Bracket) -> None:
        for ticket in (bracket.stop_ticket, bracket.target_ticket):
            if ticket is not None and not _closed(ticket):
                ticket.cancel()


def _exit_close(bracket: Bracket, bar: PriceBar) -> float:
    return bar.bid_close if bracket.side > 0 else bar.ask_close


def _closed(ticket: Any) -> bool:
    return number(ticket.status) in (FILLED, CANCELED, INVALID)
