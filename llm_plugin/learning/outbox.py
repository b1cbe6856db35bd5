"""The database of the loop below its records: connection, clock, leases, and the outbox of events.

What happened is put into the outbox in the transaction in which it happened, and told later: a receiver that is down
loses nothing, and one that is told twice knows the event by its id.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from llm_plugin.errors import StoreUnavailable
from llm_plugin.learning import leases, schema
from llm_plugin.learning.leases import Lease
from llm_plugin.outcomes._rows import EPOCH, MICROSECOND, cause, dump, microseconds
from llm_plugin.outcomes.schema import create_tables, make_engine

__all__ = ["EVENT_NAMESPACE", "Event", "Outbox", "OutboxEvent", "moment"]

EVENT_NAMESPACE = uuid.UUID("a1c9dd0e-54a4-5f0e-9d0b-5b8f1d1f5a77")
Event = tuple[str, str, Mapping[str, Any]]
"""Name, id of what it is about, payload."""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """Something that happened and has to be told; `event_id` lets a receiver drop what it knows."""

    event_id: str
    event: str
    resource_id: str
    occurred_utc: datetime
    payload: Mapping[str, Any]


class Outbox:
    """Leases and events in SQLite (WAL) or PostgreSQL; the base of `LearningDatabase`.

    Args:
        url: Database URL or the path of an SQLite file.
        clock: What time it is; None takes the machine's clock, or the server's where the database has one of its own.
    """

    def __init__(self, url: str, clock: Callable[[], datetime] | None = None) -> None:
        self.url = url
        self._clock = clock
        self._engine = make_engine(url, durable=True)
        self._postgresql = self._engine.dialect.name == "postgresql"
        self._insert: Any = postgresql.insert if self._postgresql else sqlite.insert
        with self._translated():
            create_tables(self._engine, schema.METADATA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; idempotent."""
        self._engine.dispose()

    # -- the lease -------------------------------------------------------------------------------------------------

    def acquire(self, name: str, holder: str, ttl_seconds: float = 120.0) -> Lease:
        """Take a lease.

        Raises:
            LeaseHeld: Another one has it; names the holder and until when.
        """
        with self._write() as connection:
            statement = self._insert(schema.leases)
            return leases.acquire(connection, statement, name, holder, ttl_seconds, self._now_us(connection))

    def renew(self, lease: Lease) -> Lease:
        """Give a lease its whole life again.

        Raises:
            LeaseLost: Another one has it.
        """
        with self._write() as connection:
            return leases.renew(connection, lease, self._now_us(connection))

    def release(self, lease: Lease) -> None:
        """Give a lease back; one that is another's by now is left alone."""
        with self._write() as connection:
            leases.release(connection, lease)

    def check(self, lease: Lease) -> None:
        """Do nothing while the lease is its holder's.

        Raises:
            LeaseLost: Another one has it.
        """
        with self._write(lease):
            pass

    # -- events ----------------------------------------------------------------------------------------------------

    def emit(self, event: str, resource_id: str, payload: Mapping[str, Any], *, fence: Lease | None = None) -> None:
        """Put an event into the outbox; the same event with the same payload is there once."""
        self.emit_all([(event, resource_id, payload)], fence=fence)

    def emit_all(self, events: Sequence[Event], *, fence: Lease | None = None) -> None:
        """Put events into the outbox in one transaction; those that are there stay as they are."""
        with self._write(fence) as connection:
            self._emit(connection, events)

    def pending_events(self, limit: int = 1000) -> list[OutboxEvent]:
        """Return what was not delivered yet, in the order in which it happened."""
        table = schema.events
        query = sa.select(table).where(table.c.delivered_us.is_(None)).order_by(table.c.number).limit(limit)
        return self._events(query)

    def events(self, event: str | None = None) -> list[OutboxEvent]:
        """Return all events, delivered or not, oldest first."""
        query = sa.select(schema.events).order_by(schema.events.c.number)
        return self._events(query if event is None else query.where(schema.events.c.event == event))

    def mark_delivered(self, event_ids: Iterable[str]) -> None:
        """Take events out of the backlog."""
        table = schema.events
        wanted = list(event_ids)
        with self._write() as connection:
            statement = table.update().where(table.c.event_id.in_(wanted), table.c.delivered_us.is_(None))
            connection.execute(statement.values(delivered_us=self._now_us(connection)))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _emit(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        table = schema.events
        for event, resource_id, payload in events:
            text = json.dumps(json.loads(dump(payload)), sort_keys=True)
            row = {
                "event_id": str(uuid.uuid5(EVENT_NAMESPACE, f"{event}|{resource_id}|{text}")),
                "number": sa.select(sa.func.coalesce(sa.func.max(table.c.number), 0) + 1).scalar_subquery(),
                "event": event,
                "resource_id": resource_id,
                "occurred_us": self._now_us(connection),
                "payload": text,
            }
            connection.execute(self._insert(table).values(row).on_conflict_do_nothing())

    def _events(self, query: sa.Select[Any]) -> list[OutboxEvent]:
        return [
            OutboxEvent(row.event_id, row.event, row.resource_id, moment(row.occurred_us), json.loads(row.payload))
            for row in self._rows(query)
        ]

    def _now_us(self, connection: sa.Connection) -> int:
        if self._clock is not None:
            return microseconds(self._clock())
        if self._postgresql:  # holders sit on several machines: one clock for all
            return microseconds(connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one())
        return microseconds(datetime.now(UTC))

    @contextmanager
    def _write(self, fence: Lease | None = None) -> Iterator[sa.Connection]:
        with self._translated(), self._engine.begin() as connection:
            if fence is not None:
                leases.fence(connection, fence)
            yield connection

    def _rows(self, query: sa.Select[Any]) -> list[Any]:
        with self._translated(), self._engine.connect() as connection:
            return list(connection.execute(query).all())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            label = self._engine.url.render_as_string(hide_password=True)
            raise StoreUnavailable(f"learning database {label}: {cause(error)}; nothing was half-written") from error


def moment(moment_us: int) -> datetime:
    """Return the time of whole microseconds since the epoch."""
    return EPOCH + moment_us * MICROSECOND
