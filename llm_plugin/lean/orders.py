"""Follows LEAN's orders: each order event reaches the position books once, forwarded or found on the tickets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from llm_plugin.lean.compat import CANCELED, FILLED, INVALID, each, number

__all__ = ["OrderWatch"]

CLOSED = (FILLED, CANCELED, INVALID)


class OrderWatch:
    """Hands on each order event exactly once.

    An alpha model gets no order events, so tickets are read at each bar; where the algorithm forwards
    `on_order_event` as well, the same event arrives twice and counts once.
    """

    def __init__(self, algorithm: Any, on_event: Callable[[Any, int, str, datetime], None]) -> None:
        """Start behind the orders that exist already.

        Args:
            algorithm: The running algorithm.
            on_event: Called with (event, status number, order tag, time in UTC).
        """
        self._algorithm = algorithm
        self._on_event = on_event
        self._seen: dict[int, int] = {}
        self._open: set[int] = set()
        self._last_id = int(algorithm.transactions.last_order_id)
        self._forwarded = False

    @property
    def last_order_id(self) -> int:
        """The newest order id that was looked at."""
        return self._last_id

    def forward(self, event: Any) -> None:
        """Take an event from the algorithm's `on_order_event`; from the first one on, tickets need no reading."""
        if not self._forwarded:
            self.poll()
            self._forwarded = True
        order_id = int(event.order_id)
        self._register_up_to(order_id)
        self._take(order_id, event, self._tag(order_id))

    def poll(self) -> None:
        """Read what the tickets hold beyond the events that are known."""
        if self._forwarded:
            return
        newest = int(self._algorithm.transactions.last_order_id)
        if newest > self._last_id:
            self._register_up_to(newest)
        for order_id in sorted(self._open):
            ticket = self._algorithm.transactions.get_order_ticket(order_id)
            if ticket is None:
                self._open.discard(order_id)
                continue
            for event in list(each(ticket.order_events)):
                self._take(order_id, event, str(ticket.tag))
            if number(ticket.status) in CLOSED:
                self._open.discard(order_id)

    def start_from_now(self, heard: Mapping[int, int] | None = None, last_id: int | None = None) -> None:
        """Pass over what has happened so far: holdings say it already. Open orders are followed on.

        Where the brokerage still knows the orders of an earlier process with all their events, the events that that
        process did not hear are handed on instead: price, fee and tag are then known exactly.

        Args:
            heard: Order id -> number of its last event that the earlier process heard.
            last_id: The last order id that it knew.
        """
        known = dict(heard or {})
        self._last_id = int(self._algorithm.transactions.last_order_id)
        self._open.clear()
        for order_id in range(1, self._last_id + 1):
            ticket = self._algorithm.transactions.get_order_ticket(order_id)
            if ticket is None:
                continue
            events = list(each(ticket.order_events))
            newest = max((int(event.id) for event in events), default=0)
            before = known.get(order_id, 0 if last_id is not None and order_id > last_id else newest)
            self._seen[order_id] = min(before, newest)
            if number(ticket.status) not in CLOSED:
                self._open.add(order_id)
            for event in events:
                self._take(order_id, event, str(ticket.tag))

    def state(self) -> dict[str, int]:
        """Return the last event heard of each order that is open, as far as this process knows, as JSON types."""
        return {str(order_id): self._seen.get(order_id, 0) for order_id in sorted(self._open)}

    def adopt(self, order_id: int) -> None:
        """Follow an order of an earlier process again."""
        self._open.add(order_id)

    def _register_up_to(self, order_id: int) -> None:
        self._open.update(range(self._last_id + 1, order_id + 1))
        self._last_id = max(self._last_id, order_id)

    def _take(self, order_id: int, event: Any, tag: str) -> None:
        event_id = int(event.id)
        if event_id <= self._seen.get(order_id, 0):
            return
        self._seen[order_id] = event_id
        status = number(event.status)
        if status in CLOSED:
            self._open.discard(order_id)
        moment: datetime = event.utc_time
        when = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        self._on_event(event, status, tag, when)

    def _tag(self, order_id: int) -> str:
        ticket = self._algorithm.transactions.get_order_ticket(order_id)
        return "" if ticket is None else str(ticket.tag)
