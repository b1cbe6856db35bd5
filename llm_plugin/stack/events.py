"""The outbox goes to Prefect: each event once, in order, whenever the server can be reached.

Events are written to the learning database in the transaction that makes them true. Prefect may be down then; the
backlog waits. A delivery that broke off after the server had the events asks it which ids it knows before it sends
them again: Prefect stores an event id once, but its triggers would fire twice.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from llm_plugin.errors import BackendUnavailable, LeaseHeld
from llm_plugin.stack.prefect_api import PrefectApi

__all__ = ["Outbox", "deliver_events", "prefect_event"]

BATCH = 50
LEASE_SECONDS = 60.0
LEASE = "event-delivery"
NAMESPACE = uuid.UUID("6d1f6f3e-5d5a-4f0e-8f39-3a6a3f0d8c11")


class OutboxEvent(Protocol):
    """One event that waits."""

    @property
    def event_id(self) -> str:
        """Unique for ever."""

    @property
    def event(self) -> str:
        """Its name, as `lean-llm.drift.found`."""

    @property
    def resource_id(self) -> str:
        """What it happened to."""

    @property
    def occurred_utc(self) -> datetime:
        """When."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """Its facts."""


class Outbox(Protocol):
    """What is asked of the learning database."""

    def pending_events(self) -> Sequence[OutboxEvent]:
        """Return what is not delivered yet, oldest first."""

    def mark_delivered(self, ids: Iterable[str]) -> None:
        """Take these off."""

    def acquire(self, name: str, holder: str, ttl: float) -> Any:
        """Take a lease, or raise LeaseHeld."""

    def release(self, lease: Any) -> None:
        """Give it back."""


def deliver_events(database: Outbox, api_url: str | None) -> int:
    """Send the backlog to Prefect and return how many events the server has now that it had not.

    Two deliverers never send the same event: the second finds the lease taken and leaves it to the first.

    Args:
        database: The outbox.
        api_url: Prefect's API address; None = there is no Prefect, the backlog stays.

    Raises:
        BackendUnavailable: Prefect does not answer; the backlog stays.
    """
    if api_url is None or not database.pending_events():
        return 0
    with suppress(LeaseHeld):
        lease = database.acquire(LEASE, f"events-{uuid.uuid4().hex[:12]}", LEASE_SECONDS)
        try:
            return _deliver(database, PrefectApi(api_url))
        finally:
            database.release(lease)
    return 0


def prefect_event(event: OutboxEvent) -> dict[str, Any]:
    """Return an event in Prefect's words."""
    return {
        "id": _event_uuid(event.event_id),
        "event": event.event,
        "occurred": event.occurred_utc.isoformat(),
        "resource": {"prefect.resource.id": event.resource_id, "prefect.resource.name": event.resource_id},
        "related": [],
        "payload": json.loads(json.dumps(dict(event.payload), default=str)),
    }


def _deliver(database: Outbox, api: PrefectApi) -> int:
    """Send batch after batch; each is marked before the next one goes."""
    sent, seen = 0, set[str]()
    while batch := [row for row in database.pending_events() if row.event_id not in seen][:BATCH]:
        seen.update(row.event_id for row in batch)
        rows = {prefect_event(row)["id"]: row for row in batch}
        known = _known(api, rows)
        fresh = [prefect_event(row) for key, row in rows.items() if key not in known]
        if fresh:
            api.post_events(fresh)
        database.mark_delivered([row.event_id for row in batch])
        sent += len(fresh)
    return sent


def _known(api: PrefectApi, rows: Mapping[str, OutboxEvent]) -> set[str]:
    if not api.healthy():
        raise BackendUnavailable(f"Prefect at {api.url} does not answer: {len(rows)} events wait for it")
    oldest = min(row.occurred_utc for row in rows.values()) - timedelta(seconds=1)
    return api.known_events(list(rows), oldest.astimezone(UTC).isoformat())


def _event_uuid(event_id: str) -> str:
    try:
        return str(uuid.UUID(event_id))
    except ValueError:
        return str(uuid.uuid5(NAMESPACE, event_id))
