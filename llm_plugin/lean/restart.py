"""Restart: what is open is saved after each change, and reconciled with the brokerage when a new process starts.

LEAN restarts with a new process, the brokerage's holdings and re-read orders, perhaps without tags. What does not fit
the saved state is adopted or closed by a named policy, logged, and counted; never silently.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.domain import Decision, DecisionRequest, from_jsonable, to_jsonable
from llm_plugin.errors import BackendUnavailable, ConfigError, DataError
from llm_plugin.lean.bracket import Bracket
from llm_plugin.lean.compat import each, number, utc_now
from llm_plugin.lean.desk import Desk
from llm_plugin.lean.features import Feed
from llm_plugin.lean.identity import RECORDED_DATA
from llm_plugin.lean.ledger import Asked
from llm_plugin.lean.positions import Approval, Fill, exit_tag, parse_tag
from llm_plugin.outcomes.exits import ManagedStop

__all__ = ["POLICIES", "StateKeeper"]

POLICIES = ("adopt", "close")
SCHEMA = "1"
STOP_MARKET, LIMIT = 2, 1


class StateKeeper:
    """Saves the desk's open state to the object store and restores it.

    Args:
        desk: The desk.
        policy: `adopt` keeps an unexpected position under the decision that it can belong to (or under none), `close`
            sells it at market.
        enabled: Whether to save; by default in live trading only, or where the parameter `llm-save-state` is `always`.
    """

    def __init__(self, desk: Desk, policy: str = "adopt", *, enabled: bool | None = None) -> None:
        if policy not in POLICIES:
            raise ConfigError(f"restart policy {policy!r} is unknown: choose one of {', '.join(POLICIES)}")
        self.desk = desk
        self.policy = policy
        self.key = f"llm-plugin/state/{desk.identity.run_id}.json"
        self.saves = 0
        self.mismatches: list[str] = []
        self._early: set[str] = set()
        always = desk.algorithm.get_parameter("llm-save-state") == "always"
        if enabled if enabled is not None else always or bool(desk.algorithm.live_mode):
            if desk.algorithm.object_store.contains_key(self.key):
                self.restore(str(desk.algorithm.object_store.read(self.key)))
            elif hasattr(desk.backend, "open_decisions"):
                desk.before_first = self._recover
            desk.on_change = self.save

    def save(self) -> None:
        """Write the open state; called after each change."""
        self.desk.algorithm.object_store.save(self.key, json.dumps(self.state(), separators=(",", ":")))
        self.saves += 1

    def state(self) -> dict[str, Any]:
        """Return everything that is open as plain JSON types."""
        ledger = self.desk.ledger
        books = {key: book.state() for key, book in ledger.books.items() if not book.idle}
        replays = ledger.replays.state()
        wanted = {row["decision_id"] for book in books.values() for row in (*book["approvals"], *book["lots"])}
        wanted |= {row["trade"]["entry"]["decision_id"] for row in replays}
        return {
            "schema": SCHEMA,
            "run_id": self.desk.identity.run_id,
            "asked_last": self.desk.identity.state(),
            "seen": {key: to_jsonable(moment) for key, moment in self.desk.seen.items()},
            "orders": {"last_id": ledger.orders.last_order_id, "heard": ledger.orders.state()},
            "peak_equity": self.desk.account.peak_equity,
            "start_equity": self.desk.account.start_equity,
            "counts": dict(self.desk.counts),
            "overruled": sorted(self.desk.overruled & wanted),
            "asked": {key: _asked_row(asked) for key, asked in ledger.asked.items() if key in wanted},
            "books": books,
            "replays": replays,
            "brackets": {key: _bracket_row(item) for key, item in ledger.brackets.brackets.items()},
        }

    def restore(self, text: str) -> None:
        """Take over a saved state; it is reconciled with holdings and open orders at the first bar, event or question.

        Raises:
            DataError: The state is damaged, or of another version.
        """
        try:
            state = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"saved state {self.key} is damaged ({error.msg}): delete the key to start anew") from error
        if state.get("schema") != SCHEMA:
            raise DataError(f"saved state {self.key} has schema {state.get('schema')!r}, this program reads {SCHEMA!r}")
        desk = self.desk
        desk.account.peak_equity = max(desk.account.peak_equity, state["peak_equity"])
        desk.account.start_equity = state["start_equity"]
        desk.counts.update(state["counts"])
        desk.overruled.update(state["overruled"])
        ledger = desk.ledger
        ledger.asked.update({key: _asked_of(row) for key, row in state["asked"].items()})
        for key, row in state["books"].items():
            ledger.book(key).restore(row)
        ledger.replays.restore(state["replays"])
        seen = {key: _time(text) for key, text in state.get("seen", {}).items()}
        desk.seen.update(seen)
        followed = {*state["books"], *state["brackets"], *ledger.replays.open}
        for security in list(each(desk.algorithm.securities.values())):
            identifier = str(security.symbol.id)
            if identifier in followed:
                desk.hub.add(security).follow_after = seen.get(identifier)
        desk.before_first = lambda: self._take_over(state)
        self._watch()

    # -- reconciliation ----------------------------------------------------------------------------------------------

    def _take_over(self, state: dict[str, Any]) -> None:
        """LEAN knows holdings and orders now: match them with what was restored, and make up for what was missed."""
        desk = self.desk
        now = utc_now(desk.algorithm)
        replayed = desk.algorithm.get_parameter(RECORDED_DATA) == "true"
        if replayed:
            self._forget_asked_at(now)
        desk.identity.restore(state.get("asked_last", []), now if replayed else None)
        for asked in desk.ledger.asked.values():
            desk.recorder.decision(asked.request, asked.decision)  # it knows which rows it has
        self._restore_brackets(state)
        self._reconcile(state)

    def _forget_asked_at(self, now: datetime) -> None:
        """Recorded data play a moment that was cut short once more: what it asked is asked again, under the same id."""
        ledger = self.desk.ledger
        again = {key for key, asked in ledger.asked.items() if asked.request.signal.time_utc >= now}
        for key in again:
            del ledger.asked[key]
        for book in ledger.books.values():
            book.approvals = [item for item in book.approvals if item.decision_id not in again]
        ledger.replays.drop(again)

    def _restore_brackets(self, state: dict[str, Any]) -> None:
        """Take over the brackets whose orders the brokerage still shows under their ids, open or not."""
        desk = self.desk
        for identifier, row in state["brackets"].items():
            feed = desk.hub.feeds.get(identifier)
            if feed is None:
                continue
            stop = self._same_order(feed, row["stop_order_id"], STOP_MARKET, -int(row["side"]))
            if stop is None:
                continue
            bracket = _bracket_of(row, feed, desk.ledger.policy)
            bracket.stop_ticket = stop
            bracket.target_ticket = self._same_order(feed, row["target_order_id"], LIMIT, -int(row["side"]))
            desk.ledger.brackets.brackets[identifier] = bracket
            self._early.add(identifier)

    def _same_order(self, feed: Feed, order_id: int | None, kind: int, side: int) -> Any:
        ticket = None if order_id is None else self.desk.algorithm.transactions.get_order_ticket(order_id)
        if ticket is None or str(ticket.symbol.id) != feed.symbol_id or number(ticket.order_type) != kind:
            return None
        return ticket if float(ticket.quantity) * side > 0 else None

    def _watch(self) -> None:
        """See to it that the restored state is matched within a minute: the next bar may be an hour away."""
        schedule = getattr(self.desk.algorithm, "schedule", None)
        if schedule is None:
            return
        every_minute = self.desk.algorithm.time_rules.every(timedelta(minutes=1))
        name, days = "llm-plugin restart", self.desk.algorithm.date_rules.every_day()
        events: list[Any] = []

        def look() -> None:
            if not self.desk.algorithm.is_warming_up:
                schedule.remove(events[0])
                self.desk.begin()

        events.append(schedule.on(name, days, every_minute, look))

    def _working(self, symbol: Any, decision_id: str, side: int) -> tuple[Any, Any]:
        """Return the stop and the target of a decision that stand at the brokerage already."""
        tickets = list(each(self.desk.algorithm.transactions.get_open_order_tickets(symbol)))
        own = [ticket for ticket in tickets if parse_tag(str(ticket.tag))[2] in (decision_id, None)]
        return _find(own, None, STOP_MARKET, -side), _find(own, None, LIMIT, -side)

    def _recover(self) -> None:
        """The saved state is gone, but a service knows what this run has asked: a holding finds its decision again.

        It is the newest open one of that side. Of what is not held, only the service's record remains: nothing is
        replayed from a time that nobody watched. Protective orders are not known, and none is sent.
        """
        try:
            known = self.desk.backend.open_decisions()  # type: ignore[attr-defined]
        except BackendUnavailable as error:
            self._note(f"open decisions are not known ({error})")
            known = []
        for security in list(each(self.desk.algorithm.securities.values())):
            held = float(self.desk.algorithm.portfolio[security.symbol].quantity)
            symbol_id = str(security.symbol.id)
            fitting = [
                (request, decision)
                for request, decision in known
                if request.market.symbol_id == symbol_id and decision.action.side * held > 0
            ]
            if fitting:
                self._expect(symbol_id, *fitting[-1])
        if known:
            self._note(f"the saved state is gone; the service knows {len(known)} open decisions")
        self._reconcile({"books": {}, "brackets": {}})

    def _reconcile(self, state: dict[str, Any]) -> None:
        algorithm = self.desk.algorithm
        orders = state.get("orders", {})
        heard = {int(order_id): count for order_id, count in orders.get("heard", {}).items()}
        self.desk.ledger.find_working = self._working
        self.desk.ledger.orders.start_from_now(heard, orders.get("last_id"))
        known = {*state["books"], *state["brackets"]}
        for security in list(each(algorithm.securities.values())):
            identifier = str(security.symbol.id)
            held = float(algorithm.portfolio[security.symbol].quantity)
            if identifier in known or held:
                feed = self.desk.hub.add(security)  # not filled here: its bar of this moment is yet to come
                self._match_holding(feed, held)
                self._match_orders(feed, state["brackets"].get(identifier))
        self._cancel_orphans()
        self.desk.ledger.find_working = None

    def _cancel_orphans(self) -> None:
        """Protective orders of positions that are gone would open new ones: they are cancelled."""
        ledger = self.desk.ledger
        wanted = {ticket.order_id for item in ledger.brackets.brackets.values() for ticket in _tickets(item)}
        transactions = self.desk.algorithm.transactions
        symbols = [security.symbol for security in each(self.desk.algorithm.securities.values())]
        for ticket in [item for symbol in symbols for item in each(transactions.get_open_order_tickets(symbol))]:
            _, reason, decision_id = parse_tag(str(ticket.tag))
            lots = (lot for book in ledger.books.values() for lot in book.lots)
            if reason is None or ticket.order_id in wanted or any(lot.decision_id == decision_id for lot in lots):
                continue
            self._note(f"{ticket.symbol}: order {ticket.order_id} protects nothing any more: it is cancelled")
            ticket.cancel()

    def _expect(self, symbol_id: str, request: DecisionRequest, decision: Decision) -> None:
        """Let a decision wait for the fill that is found as a holding."""
        risk = 0.0 if request.exit is None else request.exit.stop_distance(request.market.price)
        atr = risk / float(self.desk.config.get("outcomes.exit.stop_atr"))
        self.desk.ledger.asked[request.decision_id] = Asked(request, decision, atr)
        bars = int(self.desk.config.get("outcomes.match_bars"))
        approval = Approval(decision.decision_id, decision.action, request.signal.time_utc, bars)
        self.desk.ledger.book(symbol_id).approve(approval)

    def _match_holding(self, feed: Feed, held: float) -> None:
        book = self.desk.ledger.book(feed.symbol_id)
        difference = held - book.net
        if abs(difference) < 1e-9:
            return
        algorithm = self.desk.algorithm
        self._note(f"{feed.ticker}: {held:g} held, {book.net:g} known")
        price = float(algorithm.portfolio[feed.symbol].average_price) or float(feed.security.price)
        if held == 0 or (held * book.net > 0 and abs(held) < abs(book.net)):
            price = float(feed.security.price)  # closed while nobody watched: the exit price is not known
        waiting = [item for item in book.approvals if item.action.side * difference > 0]
        tag = f"llm:{waiting[-1].decision_id}" if waiting and self.policy == "adopt" else ""
        if not tag:
            tag = exit_tag("restart", "none")
        book.on_fill(Fill(-1, tag, difference, price, 0.0, utc_now(algorithm)))
        if self.policy == "close" and held * difference > 0:
            self._note(f"{feed.ticker}: policy close, {difference:g} is closed at market")
            algorithm.market_order(feed.symbol, -difference, tag=exit_tag("restart", "none"))
            self.desk.ledger.orders.poll()

    def _match_orders(self, feed: Feed, row: dict[str, Any] | None) -> None:
        """Find the protective orders of a lot again, by id or by what they are; send what is missing."""
        ledger = self.desk.ledger
        lots = [lot for lot in ledger.book(feed.symbol_id).lots if lot.decision_id in ledger.asked]
        managed = [lot for lot in lots if ledger.asked[str(lot.decision_id)].managed]
        if not managed or (feed.symbol_id in ledger.brackets.brackets and feed.symbol_id not in self._early):
            return
        lot = managed[0]
        tickets = list(each(self.desk.algorithm.transactions.get_open_order_tickets(feed.symbol)))
        if row is None:
            asked = ledger.asked[str(lot.decision_id)]
            self._note(f"{feed.ticker}: decision {lot.decision_id} has no protective orders: they are sent")
            ledger.protect(feed, lot, asked)
            return
        bracket = _bracket_of(row, feed, ledger.policy)
        bracket.quantity = lot.quantity
        bracket.stop_ticket = _find(tickets, row["stop_order_id"], STOP_MARKET, -lot.side)
        bracket.target_ticket = _find(tickets, row["target_order_id"], LIMIT, -lot.side)
        bracket.close_ticket = next((item for item in tickets if _closes(item, bracket.decision_id)), None)
        bracket.closing = bracket.close_ticket is not None
        ledger.brackets.brackets[feed.symbol_id] = bracket
        for ticket in _tickets(bracket):
            ledger.orders.adopt(int(ticket.order_id))
        if bracket.closing:
            return
        if bracket.stop_ticket is None or (bracket.target is not None and bracket.target_ticket is None):
            self._note(f"{feed.ticker}: a protective order is missing: it is sent again")
            ledger.brackets.complete(bracket)

    def _note(self, message: str) -> None:
        self.mismatches.append(message)
        self.desk.counts["restart_mismatches"] += 1
        self.desk.algorithm.log(f"restart ({self.policy}): {message}")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _closes(ticket: Any, decision_id: str) -> bool:
    """Whether an open order closes a decision's position at market."""
    if number(ticket.order_type) in (STOP_MARKET, LIMIT):
        return False
    return parse_tag(str(ticket.tag))[2] == decision_id


def _tickets(bracket: Bracket) -> list[Any]:
    return [ticket for ticket in (bracket.stop_ticket, bracket.target_ticket) if ticket is not None]


def _find(tickets: list[Any], order_id: int | None, kind: int, side: int) -> Any:
    by_id = [ticket for ticket in tickets if int(ticket.order_id) == order_id]
    alike = [t for t in tickets if number(t.order_type) == kind and float(t.quantity) * side > 0]
    return next(iter(by_id or alike), None)


def _asked_row(asked: Asked) -> dict[str, Any]:
    return {
        "request": to_jsonable(asked.request),
        "decision": to_jsonable(asked.decision),
        "atr": asked.atr,
        "managed": asked.managed,
    }


def _asked_of(row: dict[str, Any]) -> Asked:
    request = from_jsonable(DecisionRequest, row["request"])
    return Asked(request, from_jsonable(Decision, row["decision"]), row["atr"], row["managed"])


def _bracket_row(bracket: Bracket) -> dict[str, Any]:
    def order_id(ticket: Any) -> int | None:
        return None if ticket is None else int(ticket.order_id)

    return {
        "decision_id": bracket.decision_id,
        "side": bracket.side,
        "quantity": bracket.quantity,
        "managed": bracket.managed.state(),
        "target": bracket.target,
        "timeout_utc": to_jsonable(bracket.timeout_utc),
        "increment": bracket.increment,
        "stop_order_id": order_id(bracket.stop_ticket),
        "target_order_id": order_id(bracket.target_ticket),
    }


def _bracket_of(row: dict[str, Any], feed: Feed, policy: Any) -> Bracket:
    timeout = row["timeout_utc"]
    return Bracket(
        decision_id=row["decision_id"],
        symbol=feed.symbol,
        side=int(row["side"]),
        quantity=row["quantity"],
        managed=ManagedStop.restore(row["managed"], policy),
        target=row["target"],
        timeout_utc=None if timeout is None else datetime.fromisoformat(timeout.replace("Z", "+00:00")),
        increment=row["increment"],
    )
