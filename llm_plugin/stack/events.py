"""The outbox goes to Prefect: each event once, in order, whenever the server can be reached.

Events are written to the learning database in the transaction that makes them true. Prefect may be down then; the
backlog waits. A delivery that broke off after the server had the events is made good by the next one, which asks the
server which ids it knows before it sends them again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import BackendUnavailable, LeaseHeld
from llm_plugin.stack.prefect_api import PrefectApi

if TYPE_CHECKING:
    from llm_plugin.learning.leases import Lease
    from llm_plugin.learning.outbox import Outbox, OutboxEvent

__all__ = ["deliver_events", "prefect_event"]

BATCH = 50
LEASE_SECONDS = 60.0
LEASE = "event-delivery"
NAMESPACE = uuid.UUID("6d1f6f3e-5d5a-4f0e-8f39-3a6a3f0d8c11")


def deliver_events(database: Outbox, api_url: str | None) -> int:
    """Send the backlog to Prefect and return how many events the server has now that it had not.

    Two deliverers never send the same event: the second finds the lease taken and leaves it to the first.

    Args:
        database: The outbox.
        api_url: Prefect's API address; None = there is no Prefect, the backlog stays.

    Raises:
        BackendUnavailable: Prefect does not answer; the backlog stays.
        LeaseLost: Another deliverer took over meanwhile.
    """
    if api_url is None or not database.pending_events():
        return 0
    with suppress(LeaseHeld):
        lease = database.acquire(LEASE, f"events-{uuid.uuid4().hex[:12]}", LEASE_SECONDS)
        try:
            return _deliver(database, PrefectApi(api_url), lease)
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


def _deliver(database: Outbox, api: PrefectApi, lease: Lease) -> int:
    """Send batch after batch; each is marked before the next one goes."""
    sent = 0
    while batch := database.pending_events(BATCH):
        database.renew(lease)
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
