"""One cycle from the rule to the pointer, journaled stage by stage.

A cycle that is killed anywhere, and started again, goes on after the last stage in its journal: what it had done
without journaling gives the same result once more. Two started together never both go on: the lease lets one through
and refuses the other by name, and one that was displaced can neither write to the journal nor move the pointer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_plugin.cycle.heartbeat import Heartbeat
from llm_plugin.cycle.journal import begin, cycle_folder, settings_of, tell_changes
from llm_plugin.cycle.rule import due
from llm_plugin.cycle.steps import Bench, judge_challenger, make_pairs, register_challenger, train_challenger
from llm_plugin.cycle.words import (
    CHALLENGER_REGISTERED,
    CYCLE_ENDED,
    GATE_DECIDED,
    STAGES,
    CycleParts,
    CycleRequest,
    CycleResult,
)
from llm_plugin.errors import (
    ConfigError,
    GateRefused,
    InsufficientData,
    LeanLlmError,
    LeaseHeld,
    LeaseLost,
)
from llm_plugin.learning.leases import Lease, holder_name
from llm_plugin.learning.outbox import Event
from llm_plugin.learning.types import CycleStatus

__all__ = ["MOST_STARTS", "lease_name", "run_cycle"]

MOST_STARTS = 20
"""A cycle that was started so often and never ended is given up: what kills it would kill it again."""


def lease_name(model: str) -> str:
    """Return the name of the lease that one cycle of a model holds."""
    return f"cycle:{model}"


def run_cycle(request: CycleRequest, parts: CycleParts) -> CycleResult:
    """Run one cycle, or go on with the one that was interrupted.

    Args:
        request: What is asked.
        parts: What it works with.

    Returns:
        How it ended. Training that broke is `failed`, too few outcomes are `insufficient_data`; the champion stays.

    Raises:
        ConfigError: `stop_after` names no stage.
        LeaseHeld: Another cycle of this model runs; names who.
        LeaseLost: Another cycle took over while this one stood still; it wrote nothing since.
        StoreUnavailable: The database does not answer; the cycle goes on when it is started again.
    """
    if request.stop_after is not None and request.stop_after not in STAGES:
        raise ConfigError(f"stop_after is {request.stop_after!r}; stages are {', '.join(STAGES)}")
    learning = parts.settings.learning
    lease = parts.database.acquire(lease_name(learning.model), holder_name(request.holder), learning.lease_seconds)
    with Heartbeat(parts.database, lease) as beat:
        result = _under_lease(request, parts, lease, beat)
    if parts.mirror is not None:
        parts.mirror.deliver()  # what MLflow misses now it is told by the next one
    return result


def _under_lease(request: CycleRequest, parts: CycleParts, lease: Lease, beat: Heartbeat) -> CycleResult:
    learning = parts.settings.learning
    tell_changes(parts.registry, parts.database)
    row = parts.database.open_cycle(learning.model)
    resumed = row is not None
    if row is None:
        rule = due(
            learning,
            parts.stores,
            parts.database,
            as_of_utc=request.as_of_utc,
            trigger=request.trigger,
            run_ids=request.run_ids,
            data_folder=parts.data_folder,
        )
        if not rule.start:
            status: CycleStatus = "insufficient_data" if rule.why_not == "count" else "not_due"
            facts = {"count": rule.count, "needed": rule.needed, "wait_until_utc": rule.wait_until_utc}
            return CycleResult(status, rule.reason, champion=parts.registry.pointer().champion, facts=facts)
        row = begin(parts, request, rule, lease)
    parts = replace(parts, settings=settings_of(row, parts.settings))
    bench = Bench(row, parts, cycle_folder(parts, row.cycle_id), lease, beat.check)
    return _Run(bench, request.stop_after, resumed).to_end()


class _Paused(Exception):
    """The cycle has come to the stage after which it was asked to stop."""


class _Run:
    """The stages in their order; each is done unless the journal has it."""

    def __init__(self, bench: Bench, stop_after: str | None, resumed: bool) -> None:
        self._bench = bench
        self._cycle_id = bench.row.cycle_id
        self._resource = f"lean-llm.model.{bench.row.model}"
        self._stop_after = stop_after
        self._resumed = resumed
        self._done = bench.database.stages(bench.row.cycle_id)

    def to_end(self) -> CycleResult:
        """Do what is left, and record how it ended."""
        starts = sum(name.startswith("start-") for name in self._done)
        if starts >= MOST_STARTS:
            return self._end("failed", f"was started {starts} times and never ended: something stops it each time")
        self._journal(f"start-{starts + 1:02d}", {"holder": self._bench.lease.holder})
        try:
            return self._stages()
        except _Paused:
            text = f"stopped after {self._stop_after}; the next cycle goes on here"
            return self._result("waiting", text, {})
        except (LeaseHeld, LeaseLost):
            raise
        except InsufficientData as error:
            return self._end("insufficient_data", str(error), {"count": error.count, "needed": error.needed})
        except LeanLlmError as error:
            return self._end("failed", f"{type(error).__name__}: {error}")
        except OSError as error:
            named = f" ({error.filename})" if error.filename else ""
            return self._end("failed", f"{error.strerror or error}{named}: see to the disk and run again")

    def _stages(self) -> CycleResult:
        bench = self._bench
        pairs = self._stage("pairs", lambda: make_pairs(bench))
        trained = self._stage("trained", lambda: train_challenger(bench, pairs))
        registered = self._stage(
            "registered", lambda: register_challenger(bench, pairs, trained), event=CHALLENGER_REGISTERED
        )
        challenger = str(registered["version"])
        judged = self._stage("judged", lambda: judge_challenger(bench, pairs, challenger), event=GATE_DECIDED)
        decided = self._stage("decided", lambda: self._decide(challenger, judged))
        facts = {**pairs, "figures": judged["figures"], "challenger": challenger, "newest_utc": pairs["newest_utc"]}
        return self._end(decided["status"], decided["reason"], facts)

    def _decide(self, challenger: str, judged: Mapping[str, Any]) -> dict[str, Any]:
        """Move the pointer where the gate passed it, once: what an operator undid meanwhile stays undone."""
        registry, fence = self._bench.parts.registry, self._bench.lease.token
        self._bench.check()
        if judged["verdict"] != "pass":
            if registry.pointer().champion != challenger:
                registry.retire(challenger, reason=f"gate: {judged['verdict']}", fence=fence)
            status = "cannot_judge" if judged["verdict"] == "cannot_judge" else "refused"
            return {"status": status, "reason": judged["reason"]}
        promoted = any(row.what == "promoted" and row.version == challenger for row in registry.history())
        if not promoted:
            try:
                registry.promote(challenger, reason=f"{self._cycle_id}: {judged['reason']}", fence=fence)
            except GateRefused as error:
                return {"status": "refused", "reason": str(error)}
        return {"status": "promoted", "reason": judged["reason"]}

    def _stage(self, name: str, work: Callable[[], dict[str, Any]], event: str | None = None) -> dict[str, Any]:
        bench = self._bench
        if name not in self._done:
            bench.check()
            bench.parts.on_stage(name, 0.0)
            begun = time.perf_counter()
            facts = work()
            facts["seconds"] = round(time.perf_counter() - begun, 3)
            told = {key: value for key, value in facts.items() if key != "seconds"}
            self._journal(name, facts, [(event, self._resource, {**told, "cycle_id": self._cycle_id})] if event else [])
            self._done = bench.database.stages(self._cycle_id)
            bench.parts.on_stage(name, 1.0)
        if name == self._stop_after:
            raise _Paused
        return self._done[name]

    def _journal(self, stage: str, facts: Mapping[str, Any], events: Sequence[Event] = ()) -> None:
        self._bench.database.finish_stage(self._cycle_id, stage, facts, fence=self._bench.lease, events=events)

    def _end(self, status: CycleStatus, reason: str, facts: Mapping[str, Any] | None = None) -> CycleResult:
        """Close the cycle, with its event, and tell what happened to the pointer."""
        bench = self._bench
        known = {**bench.row.request, **(facts or {})}
        known.pop("settings", None)
        known["seconds"] = {name: row["seconds"] for name, row in self._done.items() if "seconds" in row}
        told = {"cycle_id": self._cycle_id, "status": status, "reason": reason}
        events = [(CYCLE_ENDED, self._resource, {**told, "challenger": known.get("challenger")})]
        tell_changes(bench.parts.registry, bench.database)
        bench.database.end_cycle(self._cycle_id, status, reason, known, fence=bench.lease, events=events)
        return self._result(status, reason, known)

    def _result(self, status: CycleStatus, reason: str, facts: Mapping[str, Any]) -> CycleResult:
        registered = self._done.get("registered", {})
        return CycleResult(
            status=status,
            reason=reason,
            cycle_id=self._cycle_id,
            champion=self._bench.parts.registry.pointer().champion,
            challenger=registered.get("version"),
            facts=dict(facts),
            resumed=self._resumed,
        )
