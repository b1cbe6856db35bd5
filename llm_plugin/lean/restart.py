"""Restart: what is open is saved after each change, and reconciled with the brokerage when a new process starts.

LEAN restarts with a new process, the brokerage's holdings and re-read orders, perhaps without tags. What does not fit
the saved state is adopted or closed by a named policy, logged, and counted; never silently.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from llm_plugin.domain import Decision, DecisionRequest, from_jsonable, to_jsonable
from llm_plugin.errors import BackendUnavailable, ConfigError, DataError
from llm_plugin.lean.bracket import Bracket
from llm_plugin.lean.compat import each, number, utc_now
from llm_plugin.lean.desk import Desk
from llm_plugin.lean.features import Feed
from llm_plugin.lean.ledger import Asked
from llm_plugin.lean.positions import Approval, Fill, exit_tag
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
        desk, ledger = self.desk, self.desk.ledger
        desk.account.peak_equity = max(desk.account.peak_equity, state["peak_equity"])
        desk.account.start_equity = state["start_equity"]
        desk.counts.update(state["counts"])
        desk.overruled.update(state["overruled"])
        ledger.asked.update({key: _asked_of(row) for key, row in state["asked"].items()})
        for key, row in state["books"].items():
            ledger.book(key).restore(row)
        ledger.replays.restore(state["replays"])
        for security in list(each(desk.algorithm.securities.values())):
            if str(security.symbol.id) in {*state["books"], *state["brackets"]} or state["replays"]:
                desk.hub.add(security)
        desk.before_first = lambda: self._reconcile(state)

    # -- reconciliation ----------------------------------------------------------------------------------------------

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
        self.desk.ledger.orders.start_from_now()
        known = {*state["books"], *state["brackets"]}
        for security in list(each(algorithm.securities.values())):
            identifier = str(security.symbol.id)
            held = float(algorithm.portfolio[security.symbol].quantity)
            if identifier in known or held:
                feed = self.desk.hub.get(security.symbol)
                self._match_holding(feed, held)
                self._match_orders(feed, state["brackets"].get(identifier))

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
        if feed.symbol_id in ledger.brackets.brackets or not managed:
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
        ledger.brackets.brackets[feed.symbol_id] = bracket
        for ticket in (bracket.stop_ticket, bracket.target_ticket):
            if ticket is not None:
                ledger.orders.adopt(int(ticket.order_id))
        if bracket.stop_ticket is None or (bracket.target is not None and bracket.target_ticket is None):
            self._note(f"{feed.ticker}: a protective order is missing: it is sent again")
            ledger.brackets.complete(bracket)

    def _note(self, message: str) -> None:
        self.mismatches.append(message)
        self.desk.counts["restart_mismatches"] += 1
        self.desk.algorithm.log(f"restart ({self.policy}): {message}")


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
