"""Which decision a fill belongs to, and what became of it.

An approval binds to the first opening fill of the same direction on its symbol within `match_bars`, or to the
order that carries its tag; where several approvals wait, the newest one takes the fill. A fill that only closes
binds nothing. What one order fills in parts is one lot; a fill across zero closes the old lot and opens a new one.

A lot is *realised* when its decision alone made the position from flat to flat. Where decisions, or fills that
nobody was asked about, share a position, the lot says so (`shared`) and its decision is judged by its own replay;
the position's profit is booked once, here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llm_plugin.domain import Action, ExitReason, PriceBar, from_jsonable, to_jsonable

__all__ = ["EXIT_TAG", "Approval", "Fill", "Lot", "PositionBook", "exit_tag", "parse_tag"]

EXIT_TAG = "llm-exit"
ENTRY_TAG = "llm"
DUST = 1e-9
IN_BAR_EXITS = (ExitReason.STOP, ExitReason.TARGET)
"""Exits that fill inside a bar, before the bar itself is seen: it counts as held."""


def exit_tag(reason: ExitReason | str, decision_id: str) -> str:
    """Return the tag of an order that closes the position of a decision."""
    return f"{EXIT_TAG}:{reason}:{decision_id}"


def parse_tag(tag: str) -> tuple[str | None, ExitReason | None, str | None]:
    """Split an order tag into (decision id it opens, reason it closes for, decision id it closes)."""
    parts = tag.split(":")
    if len(parts) == 2 and parts[0] == ENTRY_TAG:
        return parts[1], None, None
    if len(parts) == 3 and parts[0] == EXIT_TAG:
        known = {reason.value: reason for reason in ExitReason}
        return None, known.get(parts[1]), parts[2]
    return None, None, None


@dataclass(slots=True)
class Approval:
    """An approved entry that waits for its fill."""

    decision_id: str
    action: Action
    approved_utc: datetime
    bars_left: int
    order_ids: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill as the book needs it: signed quantity, price in quote currency, fee in account currency."""

    order_id: int
    tag: str
    quantity: float
    price: float
    fee: float
    time_utc: datetime


@dataclass(slots=True)
class Lot:
    """What one order opened. `value` fields are quantity times price; `decision_id` is None where nobody was asked.

    `price_factor` is what splits and dividends have made of a price of the decision's time.
    """

    decision_id: str | None
    order_id: int
    side: int
    opened_utc: datetime
    quantity: float
    entry_quantity: float
    entry_value: float
    fees: float
    shared: bool = False
    exit_quantity: float = 0.0
    exit_value: float = 0.0
    exit_reason: ExitReason = ExitReason.SIGNAL
    closed_utc: datetime | None = None
    bars_held: int = 0
    best: float = math.nan
    worst: float = math.nan
    price_factor: float = 1.0

    @property
    def entry_price(self) -> float:
        """Average entry price."""
        return self.entry_value / self.entry_quantity

    @property
    def exit_price(self) -> float:
        """Average exit price of what is closed so far, NaN before."""
        return self.exit_value / self.exit_quantity if self.exit_quantity else math.nan

    @property
    def gross(self) -> float:
        """Profit of the closed part in quote currency times quantity, before fees."""
        return self.side * (self.exit_value - self.entry_price * self.exit_quantity)

    def observe(self, bar: PriceBar) -> None:
        """Follow the best and the worst price on the side of the quote at which the lot would close."""
        high, low = (bar.bid_high, bar.bid_low) if self.side > 0 else (bar.ask_high, bar.ask_low)
        best, worst = (high, low) if self.side > 0 else (low, high)
        if not self.side * (self.best - best) >= 0:
            self.best = best
        if not self.side * (worst - self.worst) >= 0:
            self.worst = worst
        self.bars_held += 1


class PositionBook:
    """The lots and waiting approvals of one symbol; reports what happened through three callbacks."""

    __slots__ = (
        "_join_adds",
        "_on_bound",
        "_on_closed",
        "_on_lost",
        "approvals",
        "booked_gross",
        "lots",
        "rebalancing_fills",
        "unvalidated_fills",
    )

    def __init__(
        self,
        on_bound: Callable[[Lot], None],
        on_closed: Callable[[Lot], None],
        on_lost: Callable[[Approval], None],
        *,
        join_adds: bool = False,
    ) -> None:
        """Create an empty book.

        Args:
            on_bound: A decision got its first fill.
            on_closed: A lot is flat (any lot, also shared ones and those nobody was asked about).
            on_lost: An approval will not be executed any more.
            join_adds: Whether an unasked fill joins the one decision that is open (a portfolio model rebalances), or is
                a position nobody was asked about.
        """
        self._on_bound = on_bound
        self._on_closed = on_closed
        self._on_lost = on_lost
        self._join_adds = join_adds
        self.approvals: list[Approval] = []
        self.lots: list[Lot] = []
        self.booked_gross = 0.0
        self.rebalancing_fills = 0
        self.unvalidated_fills = 0

    @property
    def net(self) -> float:
        """Signed open quantity."""
        return sum(lot.side * lot.quantity for lot in self.lots)

    @property
    def idle(self) -> bool:
        """True if there is nothing to follow."""
        return not self.lots and not self.approvals

    def approve(self, approval: Approval) -> None:
        """Let an approved entry wait for its fill."""
        self.approvals.append(approval)

    def order_opened(self, order_id: int, tag: str) -> None:
        """Note an accepted order: as long as it is open, the approval that it is tagged with does not expire."""
        for approval in self._tagged(tag):
            approval.order_ids.add(order_id)

    def order_ended(self, order_id: int, tag: str) -> None:
        """Note an invalid or cancelled order: a tagged approval without another order and without a fill is lost."""
        for approval in self._tagged(tag):
            approval.order_ids.discard(order_id)
            if not approval.order_ids:
                self._lose(approval)

    def on_bar(self, bar: PriceBar) -> None:
        """Age approvals and follow the prices of open lots."""
        for lot in self.lots:
            if lot.opened_utc < bar.end_utc:
                lot.observe(bar)
        for approval in list(self.approvals):
            if approval.approved_utc < bar.end_utc:
                approval.bars_left -= 1
                if approval.bars_left < 0 and not approval.order_ids:
                    self._lose(approval)

    def on_fill(self, fill: Fill) -> None:
        """Book one fill: reduce first, then open with what is left."""
        side = 1 if fill.quantity > 0 else -1
        left = abs(fill.quantity)
        closing = min(left, max(0.0, -side * self.net))
        if closing > DUST:
            self._reduce(fill, closing, fill.fee * closing / left)
        opening = left - closing
        if opening > DUST:
            self._open(fill, side, opening, fill.fee * opening / left)

    def rescale(self, price_factor: float, quantity_factor: float) -> None:
        """Apply a split (both factors) or a dividend under raw prices (quantity factor 1)."""
        for lot in self.lots:
            for name in ("best", "worst", "price_factor"):
                setattr(lot, name, getattr(lot, name) * price_factor)
            for name in ("quantity", "entry_quantity", "exit_quantity"):
                setattr(lot, name, getattr(lot, name) * quantity_factor)
            lot.entry_value *= price_factor * quantity_factor
            lot.exit_value *= price_factor * quantity_factor

    def settle_fraction(self, held: float) -> None:
        """Follow the brokerage after a split: it keeps whole shares and pays the fraction in cash."""
        difference = held - self.net
        if self.lots and 0 < abs(difference) < 1:
            lot = self.lots[-1]
            lot.quantity += lot.side * difference
            lot.entry_value *= lot.quantity / (lot.quantity - lot.side * difference)
            lot.entry_quantity += lot.side * difference

    def give_up(self) -> None:
        """End all waiting approvals: the run is over, or the security is gone."""
        for approval in list(self.approvals):
            self._lose(approval)

    def state(self) -> dict[str, Any]:
        """Return approvals and lots as plain JSON types."""
        approvals = [{**to_jsonable(approval), "order_ids": sorted(approval.order_ids)} for approval in self.approvals]
        return {
            "approvals": approvals,
            "lots": [to_jsonable(lot) for lot in self.lots],
            "booked_gross": self.booked_gross,
            "unvalidated_fills": self.unvalidated_fills,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state()` returned."""
        self.lots = [from_jsonable(Lot, row) for row in state["lots"]]
        self.approvals = [from_jsonable(Approval, {**row, "order_ids": None}) for row in state["approvals"]]
        for approval, row in zip(self.approvals, state["approvals"], strict=True):
            approval.order_ids = set(row["order_ids"])
        self.booked_gross = state["booked_gross"]
        self.unvalidated_fills = state["unvalidated_fills"]

    def _tagged(self, tag: str) -> list[Approval]:
        opens = parse_tag(tag)[0]
        return [approval for approval in self.approvals if opens is not None and approval.decision_id == opens]

    def _lose(self, approval: Approval) -> None:
        self.approvals.remove(approval)
        self._on_lost(approval)

    def _open(self, fill: Fill, side: int, quantity: float, fee: float) -> None:
        same_order = next((lot for lot in self.lots if lot.order_id == fill.order_id and lot.side == side), None)
        approval = None if same_order is not None else self._match(fill, side)
        if same_order is None and approval is None:
            if self._join_adds and len(self.lots) == 1 and self.lots[0].decision_id is not None:
                same_order = self.lots[0]
                self.rebalancing_fills += 1
            else:
                self.unvalidated_fills += not fill.tag.startswith(EXIT_TAG)
        if same_order is not None:
            same_order.quantity += quantity
            same_order.entry_quantity += quantity
            same_order.entry_value += quantity * fill.price
            same_order.fees += fee
            return
        lot = Lot(
            decision_id=None if approval is None else approval.decision_id,
            order_id=fill.order_id,
            side=side,
            opened_utc=fill.time_utc,
            quantity=quantity,
            entry_quantity=quantity,
            entry_value=quantity * fill.price,
            fees=fee,
        )
        self.lots.append(lot)
        if len(self.lots) > 1:
            for each in self.lots:
                each.shared = True
        if approval is not None:
            self.approvals.remove(approval)
            self._on_bound(lot)

    def _match(self, fill: Fill, side: int) -> Approval | None:
        tagged = self._tagged(fill.tag)
        if tagged:
            return tagged[0]
        if parse_tag(fill.tag) != (None, None, None) or fill.tag.startswith(EXIT_TAG):
            return None  # the order names another purpose: no waiting approval may claim its fill
        for approval in reversed(self.approvals):
            if approval.action.side == side:
                return approval
        return None

    def _reduce(self, fill: Fill, quantity: float, fee: float) -> None:
        _, reason, closes = parse_tag(fill.tag)
        named = [lot for lot in self.lots if closes is not None and (lot.decision_id or "none") == closes]
        total = quantity
        for lot in [*named, *(lot for lot in self.lots if lot not in named)]:
            if quantity <= DUST:
                break
            part = min(quantity, lot.quantity)
            quantity -= part
            lot.quantity -= part
            lot.exit_quantity += part
            lot.exit_value += part * fill.price
            lot.fees += fee * part / total
            lot.exit_reason = reason or ExitReason.SIGNAL
            if lot.quantity <= DUST:
                lot.bars_held += reason in IN_BAR_EXITS
                lot.quantity = 0.0
                lot.closed_utc = fill.time_utc
                self.booked_gross += lot.gross
        closed = [lot for lot in self.lots if lot.quantity == 0.0]
        self.lots = [lot for lot in self.lots if lot.quantity > 0.0]
        for lot in closed:
            self._on_closed(lot)
