"""Matured decisions out of the outcome store, by decision time: what pairs, calibrator, gate, watch and drift count.

A decision counts once it is older than the longest holding time. Whatever closed sooner waits with it: taking the
newest closed trades instead would take the stopped-out ones first. Light rows are read for all decisions, the stored
questions only for those that are wanted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from llm_plugin.domain import (
    Decision,
    DecisionRequest,
    ExitReason,
    Outcome,
    OutcomeKind,
    QuestionKind,
    from_jsonable,
)
from llm_plugin.learning.types import MaturedDecision, StoredPrompt
from llm_plugin.outcomes import schema
from llm_plugin.outcomes._rows import EPOCH, MICROSECOND, microseconds
from llm_plugin.outcomes.store import OutcomeStore

__all__ = [
    "LeftOut",
    "Matured",
    "MaturedRow",
    "count_matured",
    "load_matured",
    "load_outcomes",
    "matured_decisions",
    "matured_rows",
]

CHUNK = 400
REPLAYED = (OutcomeKind.REPLAY.value, OutcomeKind.SHADOW.value)

LeftOut = Counter[str]
"""How many decisions were left out, by reason."""


@dataclass(frozen=True, slots=True)
class MaturedRow:
    """One matured decision without its question: enough to choose which ones to load.

    Attributes:
        store: Place of its store among those given.
        decision_id: Unique for ever.
        run_id: Its run.
        time_utc: When it was asked.
        matured_utc: From when it counts.
        has_prompt: Whether a model was, or could have been, asked.
        net_r: Replayed net R of the signal's action, None where it was not replayed.
        realised_r: What the fills gave, None where nothing was filled.
        closed_utc: When the replay, or without one the trade, ended.
    """

    store: int
    decision_id: str
    run_id: str
    time_utc: datetime
    matured_utc: datetime
    has_prompt: bool
    net_r: float | None
    realised_r: float | None
    closed_utc: datetime


@dataclass(frozen=True)
class Matured:
    """Light rows ordered by decision time, and why the other entry questions do not count."""

    rows: list[MaturedRow]
    left_out: LeftOut = field(default_factory=Counter)


def matured_decisions(
    stores: OutcomeStore | Sequence[OutcomeStore],
    *,
    as_of_utc: datetime,
    run_ids: Collection[str] | None = None,
    prefix: str | None = None,
    since_utc: datetime | None = None,
    newest: int | None = None,
) -> list[MaturedDecision]:
    """Return entry questions whose outcome counts, ordered by decision time.

    Args:
        stores: One store or several; a decision that several hold counts once.
        as_of_utc: Nothing that was known later is read.
        run_ids: Only these runs; None = all.
        prefix: The system prefix of the prompts in use; stored prompts that begin with it are split there.
        since_utc: Only decisions asked at this time or later.
        newest: Only so many, the newest by decision time.

    Raises:
        DataError: A time without a zone.
        StoreUnavailable: A store does not answer.
    """
    rows = matured_rows(stores, as_of_utc=as_of_utc, run_ids=run_ids, since_utc=since_utc).rows
    return load_matured(stores, rows if newest is None else rows[-newest:], prefix=prefix)


def count_matured(
    stores: OutcomeStore | Sequence[OutcomeStore],
    *,
    as_of_utc: datetime,
    run_ids: Collection[str] | None = None,
    after_utc: datetime | None = None,
) -> int:
    """Count the matured decisions that can teach something: one per decision, never per action.

    Args:
        stores: As in `matured_decisions`.
        as_of_utc: Nothing that was known later counts.
        run_ids: Only these runs.
        after_utc: Only decisions asked later than this, such as the newest one that the last cycle used.
    """
    rows = matured_rows(stores, as_of_utc=as_of_utc, run_ids=run_ids).rows
    return sum(row.has_prompt and (after_utc is None or row.time_utc > after_utc) for row in rows)


def matured_rows(
    stores: OutcomeStore | Sequence[OutcomeStore],
    *,
    as_of_utc: datetime,
    run_ids: Collection[str] | None = None,
    since_utc: datetime | None = None,
) -> Matured:
    """Return the light rows of all matured entry questions, and the counts of those that do not count.

    Reasons: `young` (not older than the longest holding time), `end_of_data` (asked so shortly before its data or its
    run ended that only quick exits are known), `not_executed` (the order never filled), `open` (no outcome is known).
    """
    as_of_us = microseconds(as_of_utc)
    since_us = None if since_utc is None else microseconds(since_utc)
    found: dict[str, MaturedRow] = {}
    left_out: LeftOut = Counter()
    for place, store in enumerate(_stores(stores)):
        for run_id in store.run_ids():
            if run_ids is None or run_id in run_ids:
                for row in _run_rows(store, place, run_id, as_of_us, since_us, left_out):
                    found.setdefault(row.decision_id, row)
    return Matured(sorted(found.values(), key=lambda row: (row.time_utc, row.decision_id)), left_out)


def load_matured(
    stores: OutcomeStore | Sequence[OutcomeStore], rows: Iterable[MaturedRow], *, prefix: str | None = None
) -> list[MaturedDecision]:
    """Return the questions, answers and prompts of light rows, in their order."""
    wanted = list(rows)
    loaded: dict[str, MaturedDecision] = {}
    for place, store in enumerate(_stores(stores)):
        own = {row.decision_id: row for row in wanted if row.store == place}
        ids = list(own)
        for start in range(0, len(ids), CHUNK):
            for stored in _questions(store, ids[start : start + CHUNK]):
                loaded[stored.decision_id] = _matured(stored, own[stored.decision_id], prefix)
    return [loaded[row.decision_id] for row in wanted]


def load_outcomes(
    stores: OutcomeStore | Sequence[OutcomeStore],
    rows: Iterable[MaturedRow],
    kinds: Collection[OutcomeKind],
    *,
    before_utc: datetime,
) -> list[Outcome]:
    """Return outcomes of these kinds of light rows that closed before a moment, by the time of their close."""
    wanted, found = list(rows), []
    closed = schema.outcomes
    for place, store in enumerate(_stores(stores)):
        ids = [row.decision_id for row in wanted if row.store == place]
        for start in range(0, len(ids), CHUNK):
            query = sa.select(closed.c.outcome).where(
                closed.c.decision_id.in_(ids[start : start + CHUNK]),
                closed.c.kind.in_([kind.value for kind in kinds]),
                closed.c.closed_us < microseconds(before_utc),
            )
            found += [from_jsonable(Outcome, json.loads(row[0])) for row in store.select(query)]
    return sorted(found, key=lambda outcome: (outcome.closed_utc, outcome.decision_id, outcome.kind))


def _stores(stores: OutcomeStore | Sequence[OutcomeStore]) -> Sequence[OutcomeStore]:
    return [stores] if isinstance(stores, OutcomeStore) else stores


def _run_rows(
    store: OutcomeStore, place: int, run_id: str, as_of_us: int, since_us: int | None, left_out: LeftOut
) -> Iterator[MaturedRow]:
    longest_us = store.longest_holding(run_id, EPOCH + as_of_us * MICROSECOND) // MICROSECOND
    last_us = _last_sign(store, run_id, as_of_us)
    first_us = None if since_us is None else since_us - longest_us  # whose data ended can lie so much earlier
    facts = _outcome_facts(store, run_id, as_of_us, first_us)
    ends = _data_ends(facts.values())
    decided = schema.decisions
    query = sa.select(decided.c.decision_id, decided.c.symbol_id, decided.c.time_us, decided.c.prompt_hash)
    query = query.where(decided.c.run_id == run_id, decided.c.kind == QuestionKind.ENTRY.value)
    query = query.where(decided.c.time_us < as_of_us)
    if since_us is not None:
        query = query.where(decided.c.time_us >= since_us)
    for row in store.select(query):
        known = facts.get(row.decision_id, [])
        reason = _why_not(row, known, ends, longest_us)
        if row.time_us > as_of_us - longest_us:
            reason = "young"
        elif row.time_us > last_us - longest_us:
            reason = "end_of_data"
        if reason:
            left_out[reason] += 1
        else:
            yield _light(row, known, place, run_id, longest_us)


def _last_sign(store: OutcomeStore, run_id: str, as_of_us: int) -> int:
    """Return when the run was last heard of: after a run has ended or died, time alone matures nothing."""
    last = []
    for column, run in (
        (schema.decisions.c.time_us, schema.decisions.c.run_id),
        (schema.outcomes.c.closed_us, schema.outcomes.c.run_id),
    ):
        query = sa.select(sa.func.max(column)).where(run == run_id, column < as_of_us)
        last.append(int(store.select(query)[0][0] or 0))
    return max(last)


def _outcome_facts(store: OutcomeStore, run_id: str, as_of_us: int, first_us: int | None) -> dict[str, list[Any]]:
    """Return what is known by then of each decision's signal action; reasons without parsing the stored outcomes."""
    decided, closed = schema.decisions, schema.outcomes
    reasons = [
        closed.c.outcome.like(f'%"exit_reason":"{reason.value}"%').label(reason.value)
        for reason in (ExitReason.END_OF_DATA, ExitReason.NOT_EXECUTED)
    ]
    columns = (closed.c.decision_id, decided.c.symbol_id, closed.c.kind, closed.c.closed_us, closed.c.r_multiple)
    query = (
        sa.select(*columns, *reasons)
        .join_from(closed, decided, closed.c.decision_id == decided.c.decision_id)
        .where(closed.c.run_id == run_id, closed.c.closed_us < as_of_us, decided.c.kind == QuestionKind.ENTRY.value)
        .where(closed.c.action == decided.c.signal_action)
    )
    if first_us is not None:
        query = query.where(decided.c.time_us >= first_us)
    facts: dict[str, list[Any]] = {}
    for row in store.select(query):
        facts.setdefault(row.decision_id, []).append(row)
    return facts


def _data_ends(facts: Iterable[list[Any]]) -> dict[str, set[int]]:
    """Return when the data of each symbol ended, by the outcomes that it cut short."""
    ends: dict[str, set[int]] = {}
    for rows in facts:
        for row in rows:
            if row.end_of_data:
                ends.setdefault(row.symbol_id, set()).add(row.closed_us)
    return ends


def _why_not(row: Any, known: list[Any], ends: dict[str, set[int]], longest_us: int) -> str:
    if any(row.time_us <= end < row.time_us + longest_us for end in ends.get(row.symbol_id, ())):
        return "end_of_data"
    usable = [item for item in known if item.r_multiple is not None and not item.end_of_data]
    if any(not item.not_executed for item in usable):
        return ""
    return "not_executed" if usable else "open"


def _light(row: Any, known: list[Any], place: int, run_id: str, longest_us: int) -> MaturedRow:
    usable = [item for item in known if item.r_multiple is not None and not (item.end_of_data or item.not_executed)]
    replayed = [item for item in usable if item.kind in REPLAYED]
    realised = [item for item in usable if item.kind == OutcomeKind.REALISED.value]
    last = (replayed or realised)[0]
    return MaturedRow(
        store=place,
        decision_id=row.decision_id,
        run_id=run_id,
        time_utc=_time(row.time_us),
        matured_utc=_time(row.time_us + longest_us),
        has_prompt=row.prompt_hash is not None,
        net_r=float(replayed[0].r_multiple) if replayed else None,
        realised_r=float(realised[0].r_multiple) if realised else None,
        closed_utc=_time(last.closed_us),
    )


@dataclass(frozen=True, slots=True)
class _Question:
    decision_id: str
    request: DecisionRequest
    decision: Decision
    text: str | None
    template_version: str
    schema_version: str


def _questions(store: OutcomeStore, ids: Sequence[str]) -> Iterator[_Question]:
    decided, prompts = schema.decisions, schema.prompts
    columns = (decided.c.decision_id, decided.c.request, decided.c.decision, decided.c.reason)
    query = (
        sa.select(*columns, prompts.c.text, prompts.c.template_version, prompts.c.schema_version)
        .outerjoin(prompts, decided.c.prompt_hash == prompts.c.prompt_hash)
        .where(decided.c.decision_id.in_(ids))
    )
    for row in store.select(query):
        decision = from_jsonable(Decision, json.loads(row.decision))
        if row.reason is not None:
            decision = replace(decision, reason=row.reason)
        request = from_jsonable(DecisionRequest, json.loads(row.request))
        versions = row.template_version or "", row.schema_version or ""
        yield _Question(row.decision_id, request, decision, row.text, *versions)


def _matured(stored: _Question, row: MaturedRow, prefix: str | None) -> MaturedDecision:
    prompt = None
    if stored.text is not None:
        head = prefix if prefix and stored.text.startswith(prefix) else ""
        prompt = StoredPrompt(head, stored.text.removeprefix(head), stored.decision.prompt_hash)
    return MaturedDecision(
        request=stored.request,
        decision=stored.decision,
        prompt=prompt,
        template_version=stored.template_version,
        schema_version=stored.schema_version,
        net_r=row.net_r,
        realised_r=row.realised_r,
        closed_utc=row.closed_utc,
        matured_utc=row.matured_utc,
    )


def _time(moment_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=moment_us)
