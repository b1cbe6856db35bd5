"""Leases, journal, account and outbox on a real PostgreSQL server."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from postgresql_here import running_server

from llm_plugin.errors import LeaseHeld, LeaseLost
from llm_plugin.learning.database import LearningDatabase

pytestmark = pytest.mark.integration
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    verdict: str = "fail"

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_server() as (found, _):
        yield found


def _race(url: str, name: str, place: int, barrier: Any, results: Any) -> None:
    barrier.wait()
    with LearningDatabase(url) as database:  # the tables are made by all of them at once, too
        try:
            results.put((place, database.acquire(name, f"racer-{place}", 60).token))
        except LeaseHeld as error:
            results.put((place, str(error)))


def test_of_processes_that_start_together_exactly_one_wins(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    racers = [context.Process(target=_race, args=(url, "race", place, barrier, results)) for place in range(4)]
    for racer in racers:
        racer.start()
    found = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    won = [place for place, what in found if isinstance(what, int)]
    assert len(won) == 1, found
    assert all(f"held by racer-{won[0]}" in what for _, what in found if isinstance(what, str))


def test_a_cycle_is_journaled_and_a_displaced_one_writes_nothing(url: str) -> None:
    with LearningDatabase(url) as database:
        old = database.acquire("cycle:m", "old", 0.05)
        database.begin_cycle("c1", model="m", number=1, as_of_utc=NOW, request={"a": 1}, fence=old)
        for _ in range(2):
            database.finish_stage("c1", "pairs", {"n": 1}, fence=old, events=[("e", "r", {"x": 1})])
        new = _taken(database)
        for write in (
            lambda: database.finish_stage("c1", "trained", {}, fence=old),
            lambda: database.end_cycle("c1", "promoted", "", {}, fence=old),
            lambda: database.save_gate(Said(), window_id="w", champion="a", challenger="b", fence=old),
        ):
            with pytest.raises(LeaseLost, match=r"old .* has passed to new"):
                write()
        assert database.stages("c1") == {"pairs": {"n": 1}}
        assert [row.payload for row in database.pending_events()] == [{"x": 1}]
        for challenger in ("v1", "v2", "v1"):
            database.save_gate(Said(), window_id="w", champion="a", challenger=challenger, fence=new, span=(NOW, NOW))
        assert [(row.challenger, row.number) for row in database.gates("w")] == [("v1", 1), ("v2", 2)]
        assert database.tried("other", span=(NOW, NOW)) == 2
        database.end_cycle("c1", "refused", "no", {"b": 2}, fence=new)
        row = database.cycle("c1")
        assert row is not None
        assert (row.status, row.facts, row.as_of_utc) == ("refused", {"b": 2}, NOW)
        database.save_watch("w", {"v": 1})
        database.save_watch("w", {"v": 2})
        assert database.watch("w") == {"v": 2}
        database.save_drift({"k": 1}, found=True, checked_utc=NOW)
        assert [row["found"] for row in database.drift_checks(found=True)] == [True]


def _taken(database: LearningDatabase) -> Any:
    """Take the lease once the server's clock says that it has ended."""
    for _ in range(200):
        try:
            return database.acquire("cycle:m", "new", 60)
        except LeaseHeld:
            continue
    raise AssertionError("the lease never ended")
