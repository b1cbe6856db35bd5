"""What the closed loop remembers: leases, cycles stage by stage, gate decisions, shadow answers, drift, events to send.

It lies in the same database as the outcome store, in tables of its own. Every write has a key and is idempotent;
those of a cycle carry its lease's fencing token and happen only while the lease is still that cycle's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from llm_plugin.domain import Action
from llm_plugin.errors import DataError
from llm_plugin.learning import schema
from llm_plugin.learning.leases import Lease
from llm_plugin.learning.outbox import EVENT_NAMESPACE, Event, Outbox, OutboxEvent, moment
from llm_plugin.learning.types import PolicyAnswer
from llm_plugin.outcomes._rows import dump, microseconds

__all__ = ["CycleRow", "GateRow", "LearningDatabase", "Lease", "OutboxEvent", "answer_from_json"]


class Judged(Protocol):
    """What is kept of a gate decision: its verdict and all its numbers."""

    @property
    def verdict(self) -> str:
        """`pass`, `fail` or `cannot_judge`."""

    def to_json(self) -> Any:
        """All of it as JSON types, or as JSON text."""


@dataclass(frozen=True, slots=True)
class CycleRow:
    """One cycle as it is known; `status` is `running` until it has ended."""

    cycle_id: str
    model: str
    number: int
    as_of_utc: datetime
    started_utc: datetime
    ended_utc: datetime | None
    status: str
    reason: str
    request: Mapping[str, Any]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate decision; `number` is its place in the account of its holdout window, from 1."""

    window_id: str
    challenger: str
    champion: str
    number: int
    cycle_id: str | None
    verdict: str
    judged_utc: datetime
    decision: Mapping[str, Any]


class LearningDatabase(Outbox):
    """The loop's tables in SQLite (WAL) or PostgreSQL; safe to share between threads.

    Args:
        url: Database URL or the path of an SQLite file; that of the outcome store.
        clock: What time it is; None takes the machine's clock, or the server's where the database has one of its own.
    """

    # -- cycles ----------------------------------------------------------------------------------------------------

    def begin_cycle(
        self,
        cycle_id: str,
        *,
        model: str,
        number: int,
        as_of_utc: datetime,
        request: Mapping[str, Any],
        fence: Lease,
    ) -> CycleRow:
        """Open a cycle; one that is known is returned as it is.

        Raises:
            LeaseLost: Another cycle has the lease.
        """
        with self._write(fence) as connection:
            row = {
                "cycle_id": cycle_id,
                "model": model,
                "number": number,
                "as_of_us": microseconds(as_of_utc),
                "started_us": self._now_us(connection),
                "status": "running",
                "reason": "",
                "request": dump(request),
                "facts": "{}",
                "learning_version": schema.LEARNING_VERSION,
            }
            connection.execute(self._insert(schema.cycles).values(row).on_conflict_do_nothing())
        found = self.cycle(cycle_id)
        if found is None or found.number != number:
            raise DataError(f"cycle {cycle_id}: number {number} of {model} belongs to another cycle")
        return found

    def finish_stage(
        self,
        cycle_id: str,
        stage: str,
        facts: Mapping[str, Any],
        *,
        fence: Lease,
        events: Sequence[Event] = (),
    ) -> None:
        """Record that a stage is done, with its events, in one transaction; a stage that is done stays as it was.

        Raises:
            LeaseLost: Another cycle has the lease.
        """
        with self._write(fence) as connection:
            row = {"cycle_id": cycle_id, "stage": stage, "token": fence.token, "facts": dump(facts)}
            row["done_us"] = self._now_us(connection)
            connection.execute(self._insert(schema.stages).values(row).on_conflict_do_nothing())
            self._emit(connection, events)

    def stages(self, cycle_id: str) -> dict[str, dict[str, Any]]:
        """Return the facts of every finished stage of a cycle, in the order in which they ended."""
        table = schema.stages
        query = sa.select(table.c.stage, table.c.facts).where(table.c.cycle_id == cycle_id)
        return {name: json.loads(facts) for name, facts in self._rows(query.order_by(table.c.done_us, table.c.stage))}

    def end_cycle(
        self,
        cycle_id: str,
        status: str,
        reason: str,
        facts: Mapping[str, Any],
        *,
        fence: Lease,
        events: Sequence[Event] = (),
    ) -> None:
        """Close a cycle with its result and its events; the first end stays.

        Raises:
            LeaseLost: Another cycle has the lease.
        """
        table = schema.cycles
        with self._write(fence) as connection:
            open_one = table.update().where(table.c.cycle_id == cycle_id, table.c.status == "running")
            values = {"status": status, "reason": reason, "facts": dump(facts), "ended_us": self._now_us(connection)}
            if connection.execute(open_one.values(**values)).rowcount == 1:
                self._emit(connection, events)

    def cycle(self, cycle_id: str) -> CycleRow | None:
        """Return one cycle, None if unknown."""
        found = self._cycles(schema.cycles.c.cycle_id == cycle_id)
        return found[0] if found else None

    def cycles(self, model: str | None = None) -> list[CycleRow]:
        """Return all cycles (of one model), oldest first."""
        return self._cycles(sa.true() if model is None else schema.cycles.c.model == model)

    def open_cycle(self, model: str) -> CycleRow | None:
        """Return the cycle that was begun and has not ended, None if there is none."""
        found = self._cycles(sa.and_(schema.cycles.c.model == model, schema.cycles.c.status == "running"))
        return found[0] if found else None

    # -- the gate's account ----------------------------------------------------------------------------------------

    def save_gate(
        self,
        decision: Judged,
        *,
        window_id: str,
        champion: str,
        challenger: str,
        cycle_id: str | None = None,
        span: tuple[datetime, datetime] | None = None,
        fence: Lease | None = None,
        judged_utc: datetime | None = None,
    ) -> GateRow:
        """Enter a gate decision into the account of its window; a challenger has one entry per window, its first.

        Args:
            decision: What the gate said.
            window_id: The holdout window.
            champion: Who was compared with.
            challenger: Who was judged.
            cycle_id: The cycle that asked.
            span: Times of the window's first and last decision.
            fence: The cycle's lease.
            judged_utc: As of when; None = now.

        Raises:
            LeaseLost: Another cycle has the lease.
        """
        table = schema.gates
        with self._write(fence) as connection:
            now_us = self._now_us(connection) if judged_utc is None else microseconds(judged_utc)
            count = sa.select(sa.func.coalesce(sa.func.max(table.c.number), 0) + 1)
            row = {
                "window_id": window_id,
                "challenger": challenger,
                "champion": champion,
                "cycle_id": cycle_id,
                "verdict": str(decision.verdict),
                "judged_us": now_us,
                "decision": _json_text(decision.to_json()),
                "from_us": None if span is None else microseconds(span[0]),
                "to_us": None if span is None else microseconds(span[1]),
                "number": count.where(table.c.window_id == window_id).scalar_subquery(),
            }
            connection.execute(self._insert(table).values(row).on_conflict_do_nothing())
        return next(row for row in self.gates(window_id) if row.challenger == challenger)

    def gates(self, window_id: str | None = None) -> list[GateRow]:
        """Return gate decisions (of one holdout window), oldest first."""
        table = schema.gates
        query = sa.select(table).order_by(table.c.judged_us, table.c.number, table.c.challenger)
        if window_id is not None:
            query = query.where(table.c.window_id == window_id)
        return [
            GateRow(
                row.window_id,
                row.challenger,
                row.champion,
                row.number,
                row.cycle_id,
                row.verdict,
                moment(row.judged_us),
                json.loads(row.decision),
            )
            for row in self._rows(query)
        ]

    def tried(
        self, window_id: str, *, excluding: str | None = None, span: tuple[datetime, datetime] | None = None
    ) -> int:
        """Count the challengers that were judged on a window, or on one that shares decisions with it.

        One that could not be judged saw no outcome and does not count.

        Args:
            window_id: The holdout window.
            excluding: A challenger that is not counted: the one that is being judged.
            span: Times of the window's first and last decision; None counts this very window only.
        """
        table = schema.gates
        same = table.c.window_id == window_id
        if span is not None:
            first, last = (microseconds(time) for time in span)
            same = sa.or_(same, sa.and_(table.c.from_us <= last, table.c.to_us >= first))
        query = sa.select(sa.func.count(sa.distinct(table.c.challenger))).where(same, table.c.verdict != "cannot_judge")
        if excluding is not None:
            query = query.where(table.c.challenger != excluding)
        return int(self._rows(query)[0][0])

    # -- shadow answers, drift, watch ------------------------------------------------------------------------------

    def save_shadow(self, answer: PolicyAnswer, *, time_utc: datetime) -> bool:
        """Keep what a version that does not serve would have decided; False if it is known.

        Args:
            answer: Its answer.
            time_utc: When the question was asked.
        """
        row = {"version": answer.version, "decision_id": answer.decision_id, "time_us": microseconds(time_utc)}
        row["answer"] = dump(answer)
        with self._write() as connection:
            done = connection.execute(self._insert(schema.shadows).values(row).on_conflict_do_nothing())
            return done.rowcount == 1

    def shadows(self, version: str, since: datetime | None = None) -> list[PolicyAnswer]:
        """Return a version's shadow answers from a decision time on, in order of time."""
        table = schema.shadows
        query = sa.select(table.c.answer).where(table.c.version == version)
        if since is not None:
            query = query.where(table.c.time_us >= microseconds(since))
        return [
            answer_from_json(json.loads(row[0]))
            for row in self._rows(query.order_by(table.c.time_us, table.c.decision_id))
        ]

    def save_drift(
        self, report: Mapping[str, Any], *, found: bool, checked_utc: datetime, events: Sequence[Event] = ()
    ) -> None:
        """Keep a drift check and, in the same transaction, its events; a check of the same time is kept once."""
        check_id = str(uuid.uuid5(EVENT_NAMESPACE, f"drift|{microseconds(checked_utc)}|{dump(report)}"))
        row = {"check_id": check_id, "checked_us": microseconds(checked_utc), "found": found, "report": dump(report)}
        with self._write() as connection:
            connection.execute(self._insert(schema.drift_checks).values(row).on_conflict_do_nothing())
            self._emit(connection, events)

    def drift_checks(self, since: datetime | None = None, *, found: bool | None = None) -> list[dict[str, Any]]:
        """Return drift reports, oldest first, each with `checked_utc` and `found`."""
        table = schema.drift_checks
        query = sa.select(table).order_by(table.c.checked_us, table.c.check_id)
        if since is not None:
            query = query.where(table.c.checked_us >= microseconds(since))
        if found is not None:
            query = query.where(table.c.found == found)
        return [
            {**json.loads(row.report), "checked_utc": moment(row.checked_us), "found": bool(row.found)}
            for row in self._rows(query)
        ]

    def save_watch(self, name: str, state: Mapping[str, Any], *, fence: Lease | None = None) -> None:
        """Keep the state of a watch under its name.

        Raises:
            LeaseLost: A fence was given and another one has the lease.
        """
        with self._write(fence) as connection:
            row = {"name": name, "saved_us": self._now_us(connection), "state": dump(state)}
            changed = {key: row[key] for key in ("saved_us", "state")}
            statement = self._insert(schema.watches).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))

    def watch(self, name: str) -> dict[str, Any] | None:
        """Return the state of a watch, None if unknown."""
        rows = self._rows(sa.select(schema.watches.c.state).where(schema.watches.c.name == name))
        return json.loads(rows[0][0]) if rows else None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _cycles(self, where: Any) -> list[CycleRow]:
        query = sa.select(schema.cycles).where(where).order_by(schema.cycles.c.model, schema.cycles.c.number)
        return [
            CycleRow(
                row.cycle_id,
                row.model,
                row.number,
                moment(row.as_of_us),
                moment(row.started_us),
                None if row.ended_us is None else moment(row.ended_us),
                row.status,
                row.reason,
                json.loads(row.request),
                json.loads(row.facts),
            )
            for row in self._rows(query)
        ]


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else dump(value)


def answer_from_json(data: Mapping[str, Any]) -> PolicyAnswer:
    """Rebuild an answer from `to_jsonable`'s output."""
    numbers = {
        name: float("nan") if data[name] is None else float(data[name])
        for name in ("size", "margin", "action_mass", "profit_probability", "seconds")
    }
    return PolicyAnswer(data["decision_id"], data["version"], Action(data["action"]), **numbers)
