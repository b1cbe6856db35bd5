"""The outcome store: every decision before its order, every outcome exactly once.

The store is the truth; memory and session statistics are derived from it and can be rebuilt. All writes are
idempotent by key, so whatever was interrupted can simply be sent again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NoReturn

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from llm_plugin.domain import Action, Decision, DecisionRequest, Outcome, OutcomeKind, from_jsonable
from llm_plugin.errors import DataError, StoreUnavailable
from llm_plugin.outcomes import schema
from llm_plugin.outcomes._maturity import longest_holding_us
from llm_plugin.outcomes._rows import (
    EPOCH,
    MICROSECOND,
    StoredDecision,
    cause,
    decision_row,
    dump,
    microseconds,
    outcome_row,
    primary_rank,
)

__all__ = ["OutcomeStore", "StoredDecision"]

GROUP_SIZE = 200
GROUP_SECONDS = 1.0


class OutcomeStore:
    """Decisions, prompts, outcomes, runs and session snapshots in SQLite (WAL) or PostgreSQL.

    Args:
        url: Database URL or the path of an SQLite file.
        commit: `each` makes every write durable before it returns (live: nothing that is acted upon can be lost).
            `group` commits every 200 writes or second (backtests, where a killed run is run again).
    """

    def __init__(self, url: str, commit: Literal["each", "group"] = "each") -> None:
        self.url = url
        self._group = commit == "group"
        self._lock = threading.RLock()
        self._journal: list[tuple[Any, Mapping[str, Any] | None]] = []  # done since the last commit
        self._undone = False  # the journal was rolled back and must be written again
        self._last_commit = time.monotonic()
        self._prompts_seen: set[str] = set()
        self._engine = schema.make_engine(url, durable=not self._group)
        self._insert: Any = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        try:
            schema.create_tables(self._engine, schema.METADATA)
            self._connection: sa.Connection | None = self._engine.connect().execution_options(preserve_rowcount=True)
        except sa.exc.SQLAlchemyError as error:
            self._engine.dispose()
            raise StoreUnavailable(f"cannot open the outcome store {self._label}: {cause(error)}") from error

    def __enter__(self) -> OutcomeStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing ---------------------------------------------------------------------------------------------------

    def start_run(self, run_id: str, config: Mapping[str, Any], versions: Mapping[str, str]) -> bool:
        """Record a run's configuration and versions; False if the run is known (a restart keeps the first)."""
        row = {
            "run_id": run_id,
            "started_us": microseconds(datetime.now(UTC)),
            "config": dump(config),
            "versions": dump(versions),
            "store_version": schema.STORE_VERSION,
        }
        with self._write() as connection:
            return self._add(connection, schema.runs, row)

    def save_decision(
        self,
        request: DecisionRequest,
        decision: Decision,
        prompt_text: str | None = None,
        template_version: str = "",
        schema_version: str = "",
    ) -> bool:
        """Write a decision; call it before the order is sent.

        Returns:
            False if this decision id is known already; what was written first stays.

        Raises:
            DataError: Request and decision belong to different questions, or a prompt comes without its hash.
            StoreUnavailable: Nothing was written; do not send the order.
        """
        if request.decision_id != decision.decision_id or request.run_id != decision.run_id:
            raise DataError(
                f"decision {decision.decision_id} of run {decision.run_id} does not answer "
                f"request {request.decision_id} of run {request.run_id}"
            )
        if prompt_text is not None and not decision.prompt_hash:
            raise DataError(f"decision {decision.decision_id} has a prompt but no prompt_hash")
        row = decision_row(request, decision)
        with self._write() as connection:
            if prompt_text is not None and decision.prompt_hash not in self._prompts_seen:
                prompt = {"prompt_hash": decision.prompt_hash, "text": prompt_text}
                prompt |= {"template_version": template_version, "schema_version": schema_version}
                self._add_prompt(connection, prompt)
            added = self._add(connection, schema.decisions, row)
        if prompt_text is not None:
            self._prompts_seen.add(decision.prompt_hash)
        return added

    def save_outcome(self, outcome: Outcome) -> bool:
        """Write an outcome exactly once per decision, action and kind; False if it is known already.

        Raises:
            DataError: Its decision was never stored, or belongs to another run or symbol.
            StoreUnavailable: Nothing was written; send it again.
        """
        row = outcome_row(outcome)
        table = schema.decisions
        with self._write() as connection:
            query = sa.select(table.c.run_id, table.c.symbol_id).where(table.c.decision_id == outcome.decision_id)
            owner = connection.execute(query).one_or_none()
            if owner is None:
                raise DataError(f"outcome for decision {outcome.decision_id}: no such decision in {self._label}")
            if tuple(owner) != (outcome.run_id, outcome.symbol_id):
                raise DataError(
                    f"outcome of run {outcome.run_id}, {outcome.symbol_id} names decision {outcome.decision_id}, "
                    f"which belongs to run {owner[0]}, {owner[1]}"
                )
            return self._add(connection, schema.outcomes, row)

    def save_reason(self, decision_id: str, reason: str) -> None:
        """Attach the reason that was generated after the decision.

        Raises:
            DataError: No such decision.
        """
        statement = schema.decisions.update().where(schema.decisions.c.decision_id == decision_id)
        with self._write() as connection:
            if self._execute(connection, statement.values(reason=reason)) == 0:
                raise DataError(f"reason for decision {decision_id}: no such decision in {self._label}")

    def save_session(self, run_id: str, payload: Mapping[str, Any], name: str = "session") -> None:
        """Keep the latest snapshot of a run's state under a name."""
        row = {"run_id": run_id, "name": name, "saved_us": microseconds(datetime.now(UTC)), "payload": dump(payload)}
        statement = self._insert(schema.sessions).values(row)
        changed = {key: row[key] for key in ("saved_us", "payload")}
        statement = statement.on_conflict_do_update(index_elements=["run_id", "name"], set_=changed)
        with self._write() as connection:
            self._execute(connection, statement)

    # -- reading ---------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> dict[str, Any] | None:
        """Return `config`, `versions` and `started_utc` of a run, None if unknown."""
        rows = self._rows(sa.select(schema.runs).where(schema.runs.c.run_id == run_id))
        if not rows:
            return None
        config, versions = json.loads(rows[0].config), json.loads(rows[0].versions)
        return {"config": config, "versions": versions, "started_utc": EPOCH + rows[0].started_us * MICROSECOND}

    def run_ids(self) -> list[str]:
        """Return all runs, oldest first."""
        return [row[0] for row in self._rows(sa.select(schema.runs.c.run_id).order_by(schema.runs.c.started_us))]

    def session(self, run_id: str, name: str = "session") -> dict[str, Any] | None:
        """Return the latest snapshot, None if there is none."""
        table = schema.sessions
        rows = self._rows(sa.select(table.c.payload).where(table.c.run_id == run_id, table.c.name == name))
        return json.loads(rows[0][0]) if rows else None

    def decision(self, decision_id: str) -> StoredDecision | None:
        """Return one question with its answer and prompt, None if unknown."""
        found = list(self._decisions(schema.decisions.c.decision_id == decision_id))
        return found[0] if found else None

    def decisions(self, run_id: str) -> Iterator[StoredDecision]:
        """Yield a run's decisions in order of time."""
        yield from self._decisions(schema.decisions.c.run_id == run_id)

    def open_decisions(self, run_id: str, kinds: Collection[OutcomeKind] | None = None) -> list[StoredDecision]:
        """Return decisions still without an outcome of what they were about, oldest first.

        Args:
            run_id: The run.
            kinds: Look for outcomes of these kinds only, e.g. REALISED after a restart; None = any.
        """
        table = schema.outcomes
        known = sa.select(table.c.decision_id).where(table.c.run_id == run_id, table.c.action != Action.HOLD.value)
        if kinds is not None:
            known = known.where(table.c.kind.in_([kind.value for kind in kinds]))
        where = sa.and_(schema.decisions.c.run_id == run_id, schema.decisions.c.decision_id.not_in(known))
        return list(self._decisions(where))

    def outcomes(
        self,
        run_id: str,
        matured_before: datetime | None = None,
        kinds: Collection[OutcomeKind] | None = None,
        decision_id: str | None = None,
    ) -> list[Outcome]:
        """Return outcomes ordered by the time of their decision, not of their close.

        Args:
            run_id: The run.
            matured_before: Only decisions that were older than the longest holding time at that moment. Taking the
                newest closed trades instead would take the stopped-out ones first.
            kinds: Restrict to these kinds.
            decision_id: Restrict to one decision.
        """
        decided, closed = schema.decisions, schema.outcomes
        query = (
            sa.select(closed.c.outcome)
            .join_from(closed, decided, closed.c.decision_id == decided.c.decision_id)
            .where(closed.c.run_id == run_id)
            .order_by(decided.c.time_us, decided.c.decision_id, closed.c.action, closed.c.kind)
        )
        if kinds is not None:
            query = query.where(closed.c.kind.in_([kind.value for kind in kinds]))
        if decision_id is not None:
            query = query.where(closed.c.decision_id == decision_id)
        if matured_before is not None:
            as_of = microseconds(matured_before)
            limit = as_of - longest_holding_us(self.select, run_id, as_of)
            query = query.where(decided.c.time_us <= limit, closed.c.closed_us < as_of)
        return [from_jsonable(Outcome, json.loads(row[0])) for row in self._rows(query)]

    def primary_outcomes(self, run_id: str, matured_before: datetime | None = None) -> list[Outcome]:
        """Return one outcome per decision, that of its signal: realised, else shadow, else the replay of it.

        This is what counts towards "so many new outcomes"; rows of the actions not meant never do.
        """
        best: dict[str, Outcome] = {}
        for outcome in self.outcomes(run_id, matured_before):
            known = best.get(outcome.decision_id)
            if outcome.action is Action.HOLD:
                continue
            if known is None or primary_rank(outcome) < primary_rank(known):
                best[outcome.decision_id] = outcome
        return list(best.values())

    def counts(self, run_id: str) -> dict[str, int]:
        """Count decisions by verdict, outcomes by kind, and what is still open."""
        decided, closed = schema.decisions, schema.outcomes
        by_verdict = sa.select(decided.c.verdict, sa.func.count()).where(decided.c.run_id == run_id)
        by_kind = sa.select(closed.c.kind, sa.func.count()).where(closed.c.run_id == run_id)
        result = {"decisions": 0, "approve": 0, "veto": 0, "adjust": 0, "realised": 0, "shadow": 0, "replay": 0}
        for name, number in self._rows(by_verdict.group_by(decided.c.verdict)):
            result[name] = number
            result["decisions"] += number
        for name, number in self._rows(by_kind.group_by(closed.c.kind)):
            result[name] = number
        result["open"] = len(self.open_decisions(run_id))
        return result

    def select(self, query: sa.Select[Any]) -> list[Any]:
        """Return the rows of a reading query over the tables of `llm_plugin.outcomes.schema`."""
        return self._rows(query)

    def longest_holding(self, run_id: str, as_of: datetime) -> timedelta:
        """Return how old a decision of a run must be to count: the vertical barrier, or the longest holding seen."""
        return longest_holding_us(self.select, run_id, microseconds(as_of)) * MICROSECOND

    # -- life cycle ------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Commit what a group commit still holds."""
        with self._lock, self._translated():
            if self._journal:
                self._restored()
                self._commit()

    def close(self) -> None:
        """Flush and close; idempotent."""
        with self._lock:
            if self._connection is None:
                return
            try:
                self.flush()
            finally:
                self._connection.close()
                self._connection = None
                self._engine.dispose()

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _label(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    def _open(self) -> sa.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"the outcome store {self._label} is closed")
        return self._connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._lock, self._translated():
            connection = self._restored()
            yield connection
            due = time.monotonic() - self._last_commit >= GROUP_SECONDS
            if not self._group or due or len(self._journal) >= GROUP_SIZE:
                self._commit()

    def _commit(self) -> None:
        self._open().commit()
        self._journal.clear()
        self._last_commit = time.monotonic()

    def _restored(self) -> sa.Connection:
        """Return the connection, with what a failure undid of the open group written again."""
        connection = self._open()
        if self._undone:
            for statement, row in self._journal:
                connection.execute(statement, row)
            self._undone = False
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, DataError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> NoReturn:
        """Leave no half-written transaction behind and say what happened; an open group is kept for the next write."""
        if self._connection is not None:
            self._connection.rollback()
        if not self._group:
            self._journal.clear()
        self._undone = bool(self._journal)
        self._prompts_seen.clear()
        if isinstance(error, DataError):
            raise error
        raise StoreUnavailable(f"outcome store {self._label}: {cause(error)}; nothing was half-written") from error

    def _add(self, connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
        return self._execute(connection, self._insert(table).on_conflict_do_nothing(), row) == 1

    def _execute(self, connection: sa.Connection, statement: Any, row: Mapping[str, Any] | None = None) -> int:
        count = int(connection.execute(statement, row).rowcount)
        self._journal.append((statement, row))
        return count

    def _add_prompt(self, connection: sa.Connection, prompt: Mapping[str, str]) -> None:
        if self._add(connection, schema.prompts, prompt):
            return
        column = schema.prompts.c
        query = sa.select(column.text).where(column.prompt_hash == prompt["prompt_hash"])
        if connection.execute(query).scalar_one() != prompt["text"]:
            raise DataError(
                f"prompt hash {prompt['prompt_hash']} is known for another text: a prompt is stored verbatim"
            )

    def _rows(self, query: sa.Select[Any]) -> list[Any]:
        with self._lock, self._translated():
            connection = self._restored()
            rows = list(connection.execute(query).all())
            if not self._journal:
                connection.commit()  # a reader must not hold a snapshot for ever
            return rows

    def _decisions(self, where: Any) -> Iterator[StoredDecision]:
        decided, prompts = schema.decisions, schema.prompts
        query = (
            sa.select(decided, prompts.c.text, prompts.c.template_version, prompts.c.schema_version)
            .outerjoin(prompts, decided.c.prompt_hash == prompts.c.prompt_hash)
            .where(where)
            .order_by(decided.c.time_us, decided.c.decision_id)
        )
        for row in self._rows(query):
            decision = from_jsonable(Decision, json.loads(row.decision))
            if row.reason is not None:
                decision = replace(decision, reason=row.reason)
            request = from_jsonable(DecisionRequest, json.loads(row.request))
            yield StoredDecision(request, decision, row.text, row.template_version or "", row.schema_version or "")
