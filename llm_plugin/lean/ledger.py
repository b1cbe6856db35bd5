"""The ledger: what became of every question. Books, brackets, replays and their outcomes, symbol by symbol."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llm_plugin.domain import Action, Decision, DecisionRequest, ExitReason, Outcome, PriceBar
from llm_plugin.errors import UnsupportedLeanApi
from llm_plugin.lean.bracket import BracketDesk
from llm_plugin.lean.compat import CANCELED, INVALID, SUBMITTED, number
from llm_plugin.lean.config import LeanConfig
from llm_plugin.lean.context import exit_policy, price_increment
from llm_plugin.lean.features import Feed
from llm_plugin.lean.orders import OrderWatch
from llm_plugin.lean.positions import EXIT_TAG, Approval, Fill, Lot, PositionBook
from llm_plugin.lean.realised import conversion_rate, fill_of, realised_outcome
from llm_plugin.lean.replays import FollowedReplay, ReplayDesk
from llm_plugin.outcomes.costs import BROKERAGES, Costs
from llm_plugin.outcomes.replay import EntryFill

__all__ = ["Asked", "Ledger"]

EQUITY = 1
HANDED_OVER = -2
"""Order id of a position that passes to another decision without an order."""


@dataclass(slots=True)
class Asked:
    """An entry question and its answer."""

    request: DecisionRequest
    decision: Decision
    atr: float
    managed: bool = False


class Ledger:
    """Follows decisions from the approval to the outcome.

    Args:
        algorithm: The running LEAN algorithm.
        config: Resolved configuration.
        feeds: Feeds by security identifier.
        counts: Counters of the run.
        publish: Called with each outcome.
        changed: Called after each change of what is open.
        signal_exits: Whether the algorithm's own exit of a taken trade ends its replay too (classic style).
    """

    def __init__(
        self,
        algorithm: Any,
        config: LeanConfig,
        feeds: dict[str, Feed],
        counts: Counter[str],
        publish: Callable[[Outcome], None],
        changed: Callable[[], None],
        *,
        signal_exits: bool,
    ) -> None:
        self.algorithm = algorithm
        self.config = config
        self.feeds = feeds
        self.counts = counts
        self.policy = exit_policy(config)
        self.brackets = BracketDesk(algorithm, self.policy)
        self.replays = ReplayDesk(self.policy, self._on_replayed)
        self.orders = OrderWatch(algorithm, self._on_event)
        self.books: dict[str, PositionBook] = {}
        self.asked: dict[str, Asked] = {}
        self.replay_errors: dict[str, float] = {}
        self.forced: dict[str, ExitReason] = {}
        self.explain_exit: Callable[[str, str, int], ExitReason] | None = None
        self.find_working: Callable[[Any, str, int], tuple[Any, Any]] | None = None
        self._publish = publish
        self._changed = changed
        self._signal_exits = signal_exits
        self._one_end: dict[str, float] = {}
        self._late_exits: dict[str, list[tuple[int, str]]] = {}

    def follow(self, asked: Asked) -> None:
        """Replay an answered entry question and, where it is approved, wait for its fill."""
        request, decision = asked.request, asked.decision
        feed = self.feeds[request.market.symbol_id]
        self.asked[request.decision_id] = asked
        open_now = market_open(feed)
        if not self._signal_exits:  # a newer opposite insight ends what went the other way
            self.replays.exit_by_signal(feed.symbol_id, -request.signal.action.side, open_now)
        at_quote = open_now and not (feed.resolution == "daily" and number(feed.symbol.security_type) == EQUITY)
        fill = EntryFill.QUOTE if at_quote else EntryFill.NEXT_OPEN
        quantity = replay_quantity(request, conversion_rate(self.algorithm, feed.security))
        self.replays.follow(request, decision, self._costs(), fill, quantity, asked.atr, price_increment(feed))
        if decision.approved:
            bars = int(self.config.get("outcomes.match_bars"))
            approval = Approval(decision.decision_id, decision.action, request.signal.time_utc, bars)
            self.book(feed.symbol_id).approve(approval)

    def book(self, symbol_id: str) -> PositionBook:
        """Return the book of a symbol."""
        found = self.books.get(symbol_id)
        if found is None:
            found = PositionBook(
                lambda lot: self._on_bound(symbol_id, lot),
                lambda lot: self._on_closed(symbol_id, lot),
                self._on_lost,
                join_adds=not self._signal_exits,
            )
            self.books[symbol_id] = found
        return found

    def is_open(self, symbol_id: str) -> bool:
        """Return whether anything of a symbol is followed."""
        book = self.books.get(symbol_id)
        return bool(self.replays.open.get(symbol_id)) or (book is not None and not book.idle)

    def on_bar(self, feed: Feed, bar: PriceBar) -> None:
        """Follow a completed bar: fills first, then positions, replays and protective orders."""
        self.orders.poll()
        symbol_id = feed.symbol_id
        book = self.books.get(symbol_id)
        if book is not None and not book.idle:
            book.on_bar(bar)
        if self.replays.open.get(symbol_id):
            self.replays.on_bar(symbol_id, bar, market_open(feed))
            for side, decision_id in self._late_exits.pop(symbol_id, ()):
                self.exit_signal(feed, side, decision_id)
        if symbol_id in self.brackets.brackets:
            self.brackets.on_bar(symbol_id, bar)

    def exit_signal(self, feed: Feed, side: int, decision_id: str | None = None) -> None:
        """End the replays of a side: the algorithm's own rule ends such trades now."""
        self.replays.exit_by_signal(feed.symbol_id, side, market_open(feed), decision_id)

    def hand_over(self, feed: Feed, decision: Decision) -> None:
        """Give an open position to a new decision: its insight came in the very bar in which the old one's ended.

        No order is sent, so the old decision ends and the new one begins at the same price, the quote at which the
        position would have been closed.
        """
        book = self.book(feed.symbol_id)
        side = decision.action.side
        quantity = sum(lot.quantity for lot in book.lots if lot.side == side)
        if not quantity or feed.last is None:
            return
        for lot in book.lots:
            self.forced[str(lot.decision_id)] = ExitReason.SIGNAL
        price = feed.last.bid_close if side > 0 else feed.last.ask_close
        book.on_fill(Fill(HANDED_OVER, "", -side * quantity, price, 0.0, decision.time_utc))
        book.on_fill(Fill(HANDED_OVER, decision.tag, side * quantity, price, 0.0, decision.time_utc))
        self.counts["handed_over"] += 1

    def rescale(self, feed: Feed, price_factor: float, quantity_factor: float, *, split: bool) -> None:
        """Bring everything that remembers a price to a new scale (split or dividend under raw prices)."""
        feed.rescale(price_factor, quantity_factor)
        self.replays.rescale(feed.symbol_id, price_factor)
        self.brackets.rescale(feed.symbol_id, price_factor, quantity_factor, orders_follow=split)
        book = self.books.get(feed.symbol_id)
        if book is None:
            return
        book.rescale(price_factor, quantity_factor)
        if split:
            book.settle_fraction(float(self.algorithm.portfolio[feed.symbol].quantity))
            for lot in book.lots:
                self.brackets.settle_fraction(feed.symbol_id, lot)

    def delist(self, feed: Feed, price: float, time_utc: datetime) -> None:
        """Close what is open on a symbol that no longer trades."""
        self.replays.delist(feed.symbol_id, price, time_utc)
        if feed.symbol_id in self.books:
            self.books[feed.symbol_id].give_up()

    def end(self) -> None:
        """Settle what is still open: the run is over."""
        self.orders.poll()
        for book in self.books.values():
            book.give_up()
        self.replays.end()

    def bars_held(self, symbol_id: str) -> int:
        """Return how many bars the oldest open lot of a symbol has been held."""
        book = self.books.get(symbol_id)
        return 0 if book is None else max((lot.bars_held for lot in book.lots), default=0)

    def exit_due(self, symbol_id: str) -> ExitReason | None:
        """Return why the exit plans of all open lots of a symbol say flat, None while one of them goes on."""
        book = self.books.get(symbol_id)
        reasons = [self.replays.closed_by_plan(str(lot.decision_id)) for lot in book.lots] if book is not None else []
        return reasons[0] if reasons and all(reasons) else None

    def protect(self, feed: Feed, lot: Lot, asked: Asked) -> None:
        """Send the protective orders of a lot whose exit the plugin manages."""
        request = asked.request
        if request.exit is not None:
            risk = request.exit.stop_distance(request.market.price)
            decided, step = request.signal.time_utc, price_increment(feed)
            found = self.find_working
            working = (None, None) if found is None else found(feed.symbol, request.decision_id, lot.side)
            self.brackets.open(feed.symbol_id, feed.symbol, lot, request.exit, risk, decided, step, working)

    # -- events ------------------------------------------------------------------------------------------------------

    def _on_event(self, event: Any, status: int, tag: str, when: datetime) -> None:
        symbol_id = str(event.symbol.id)
        book = self.book(symbol_id)
        order_id = int(event.order_id)
        if float(event.fill_quantity):
            before = book.net
            book.on_fill(fill_of(self.algorithm, event, tag, when))
            if tag.startswith(EXIT_TAG) and book.net != 0 and before * book.net <= 0:
                self.brackets.repair(event.symbol, tag.rsplit(":", 1)[-1], book.net)
            for lot in book.lots:
                self.brackets.resize(symbol_id, lot)
        elif status == SUBMITTED:
            book.order_opened(order_id, tag)
        elif status in (CANCELED, INVALID):
            book.order_ended(order_id, tag)
            self.counts["invalid_orders" if status == INVALID else "cancelled_orders"] += 1
        self._changed()

    def _on_bound(self, symbol_id: str, lot: Lot) -> None:
        asked = self.asked[str(lot.decision_id)]
        request = asked.request
        self.counts["executed"] += 1
        self.replays.mark_taken(request.decision_id)
        if asked.managed:
            self.protect(self.feeds[symbol_id], lot, asked)

    def _on_closed(self, symbol_id: str, lot: Lot) -> None:
        bracket = self.brackets.brackets.get(symbol_id)
        if bracket is not None and bracket.decision_id == lot.decision_id and lot.exit_reason is ExitReason.STOP:
            lot.exit_reason = bracket.managed.reason
        self.brackets.on_flat(symbol_id, lot.decision_id)
        asked = None if lot.decision_id is None else self.asked.get(lot.decision_id)
        if asked is None:
            return
        feed = self.feeds[symbol_id]
        decision_id = asked.request.decision_id
        if lot.exit_reason is ExitReason.SIGNAL:
            if decision_id in self.forced:
                lot.exit_reason = self.forced.pop(decision_id)
            elif self.explain_exit is not None:
                lot.exit_reason = self.explain_exit(decision_id, symbol_id, lot.side)
            if self._signal_exits:
                self._own_exit(feed, lot, decision_id)
        if lot.shared:
            self.counts["shared_positions"] += 1
        elif asked.request.exit is not None:
            conversion = conversion_rate(self.algorithm, feed.security)
            outcome = realised_outcome(lot, asked.request, conversion, asked.atr)
            self._publish(outcome)
            self._compare(outcome)

    def _own_exit(self, feed: Feed, lot: Lot, decision_id: str) -> None:
        """End a taken trade's replay with the algorithm's own exit; one that filled inside a bar waits for the bar."""
        inside = feed.last is not None and lot.closed_utc is not None and lot.closed_utc > feed.last.end_utc
        if inside:
            self._late_exits.setdefault(feed.symbol_id, []).append((lot.side, decision_id))
        else:
            self.exit_signal(feed, lot.side, decision_id)

    def _on_lost(self, approval: Approval) -> None:
        self.counts["not_executed"] += 1

    def _on_replayed(self, outcome: Outcome, item: FollowedReplay) -> None:
        self._publish(outcome)
        if item.taken and not item.position_question and outcome.action is not Action.HOLD:
            self._compare(outcome)

    def _compare(self, outcome: Outcome) -> None:
        key = outcome.decision_id
        other = self._one_end.pop(key, None)
        if other is None:
            self._one_end[key] = outcome.r_multiple
        else:
            self.replay_errors[key] = abs(outcome.r_multiple - other)

    def _costs(self) -> Costs:
        slippage = float(self.config.get("outcomes.slippage_bps"))
        try:
            name = str(self.algorithm.brokerage_name)
        except (AttributeError, UnsupportedLeanApi):
            name = "default"
        plain = name.rsplit(".", 1)[-1].lower().replace("_", "").removesuffix("brokerage")
        known = {item.replace("_", ""): item for item in BROKERAGES}
        if plain not in known:
            self.counts["costs_of_default_brokerage"] += 1
        return Costs(slippage_bps=slippage, brokerage=known.get(plain, "default"))


def replay_quantity(request: DecisionRequest, conversion: float) -> float:
    """Return the size at which a decision is replayed: the whole equity once, so that minimum fees weigh as they do."""
    market = request.market
    value = market.price * market.contract_multiplier * conversion
    lots = math.floor(request.account.equity / value / market.lot_size) if value > 0 else 0
    return max(lots, 1) * market.lot_size


def market_open(feed: Feed) -> bool:
    """Return whether a market order on this security fills at once."""
    return bool(feed.security.exchange.exchange_open)
