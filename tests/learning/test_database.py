"""Leases with fencing tokens, the journal, the gate's account, shadows, drift, the outbox."""

from __future__ import annotations

import math
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_plugin.domain import Action
from llm_plugin.errors import ConfigError, DataError, LeaseHeld, LeaseLost, StoreUnavailable
from llm_plugin.learning.database import LearningDatabase
from llm_plugin.learning.leases import holder_is_dead, holder_name
from llm_plugin.learning.types import PolicyAnswer

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Said:
    """A gate decision."""

    verdict: str = "fail"

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "gain": math.nan}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[LearningDatabase]:
    with LearningDatabase(str(tmp_path / "store.sqlite"), clock) as opened:
        yield opened


def test_a_lease_is_held_by_one_and_named_to_the_other(database: LearningDatabase) -> None:
    lease = database.acquire("cycle", "first", 60)
    with pytest.raises(LeaseHeld, match=r"cycle is held by first until 2026-03-02T12:01:00\+00:00") as refused:
        database.acquire("cycle", "second", 60)
    assert (refused.value.holder, refused.value.until_utc) == ("first", lease.until_utc)
    assert database.acquire("other", "second", 60).token == lease.token


def test_a_released_lease_is_free_and_its_token_grows(database: LearningDatabase) -> None:
    first = database.acquire("cycle", "first", 60)
    database.release(first)
    second = database.acquire("cycle", "second", 60)
    assert second.token == first.token + 1
    database.release(first)
    database.check(second)


def test_an_expired_lease_can_be_taken_and_the_old_holder_is_stopped(database: LearningDatabase, clock: Clock) -> None:
    old = database.acquire("cycle", "old", 60)
    database.begin_cycle("c1", model="m", number=1, as_of_utc=NOW, request={}, fence=old)
    clock.now += timedelta(seconds=61)
    database.check(old)  # late, but nobody took it: its work stays good
    new = database.acquire("cycle", "new", 60)
    writes = (
        lambda: database.check(old),
        lambda: database.renew(old),
        lambda: database.begin_cycle("c2", model="m", number=2, as_of_utc=NOW, request={}, fence=old),
        lambda: database.finish_stage("c1", "pairs", {}, fence=old, events=[("e", "r", {})]),
        lambda: database.end_cycle("c1", "promoted", "", {}, fence=old, events=[("e", "r", {})]),
        lambda: database.save_gate(Said(), window_id="w", champion="a", challenger="b", fence=old),
        lambda: database.save_watch("w", {}, fence=old),
        lambda: database.emit("e", "r", {}, fence=old),
    )
    for write in writes:
        with pytest.raises(LeaseLost, match=rf"old \(token {old.token}\) has passed to new with token {new.token}"):
            write()
    assert database.stages("c1") == {}
    assert [row.cycle_id for row in database.cycles()] == ["c1"]
    assert database.pending_events() == []
    assert database.gates() == []
    assert database.watch("w") is None


def test_a_renewed_lease_lives_on(database: LearningDatabase, clock: Clock) -> None:
    lease = database.acquire("cycle", "first", 60)
    clock.now += timedelta(seconds=50)
    assert database.renew(lease).until_utc == clock.now + timedelta(seconds=60)
    clock.now += timedelta(seconds=50)
    with pytest.raises(LeaseHeld, match="held by first"):
        database.acquire("cycle", "second", 60)


def test_a_clock_that_goes_backwards_ends_a_dead_holders_lease_after_one_life(
    database: LearningDatabase, clock: Clock
) -> None:
    database.acquire("cycle", "dead", 60)
    clock.now -= timedelta(days=3)
    with pytest.raises(LeaseHeld, match="held by dead until 2026-02-27T12:01:00"):
        database.acquire("cycle", "second", 60)
    clock.now += timedelta(seconds=61)
    assert database.acquire("cycle", "second", 60).holder == "second"


def test_a_clock_that_goes_backwards_leaves_a_live_holder_its_lease(database: LearningDatabase, clock: Clock) -> None:
    lease = database.acquire("cycle", "alive", 60)
    clock.now -= timedelta(days=3)
    for _ in range(5):
        clock.now += timedelta(seconds=20)
        database.renew(lease)
        with pytest.raises(LeaseHeld, match="held by alive"):
            database.acquire("cycle", "second", 60)
    database.check(lease)


def test_a_new_database_hands_out_later_tokens(tmp_path: Path, clock: Clock) -> None:
    with LearningDatabase(str(tmp_path / "a.sqlite"), clock) as old:
        first = old.acquire("cycle", "first", 1)
    clock.now += timedelta(minutes=5)
    with LearningDatabase(str(tmp_path / "b.sqlite"), clock) as new:
        assert new.acquire("cycle", "second", 1).token > first.token


def _race(url: str, place: int, barrier: Any, results: Any) -> None:
    with LearningDatabase(url) as database:
        barrier.wait()
        try:
            results.put((place, database.acquire("cycle", f"racer-{place}", 60).token))
        except LeaseHeld as error:
            results.put((place, str(error)))


def test_of_processes_that_start_together_exactly_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    url = str(tmp_path / "store.sqlite")
    for _ in range(3):
        barrier, results = context.Barrier(4), context.Queue()
        racers = [context.Process(target=_race, args=(url, place, barrier, results)) for place in range(4)]
        for racer in racers:
            racer.start()
        found = [results.get(timeout=30) for _ in racers]
        for racer in racers:
            racer.join()
        won = [place for place, what in found if isinstance(what, int)]
        assert len(won) == 1, found
        assert all(f"racer-{won[0]}" in what for _, what in found if isinstance(what, str))
        with LearningDatabase(url) as database:  # the winner has exited: its lease is free at once only by its end
            with pytest.raises(LeaseHeld):
                database.acquire("cycle", "next", 60)
            _end_leases(database)


def _end_leases(database: LearningDatabase) -> None:
    from llm_plugin.learning import schema

    with database._engine.begin() as connection:
        connection.execute(schema.leases.update().values(until_us=0, renewed_us=0))


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    url = str(tmp_path / "store.sqlite")
    code = (
        "import sys; from llm_plugin.learning.database import LearningDatabase as D; "
        "from llm_plugin.learning.leases import holder_name as h; "
        f"print(D({url!r}).acquire('cycle', h('cli'), 600).holder, flush=True); sys.stdin.read()"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=root, env={**os.environ}
    ) as process:
        assert process.stdout is not None
        holder = process.stdout.readline().strip()
        with LearningDatabase(url) as database:
            assert not holder_is_dead(holder)
            with pytest.raises(LeaseHeld, match="held by cli"):
                database.acquire("cycle", "second", 60)
            process.kill()
            process.wait()
            assert holder_is_dead(holder)
            assert database.acquire("cycle", "second", 60).holder == "second"


@pytest.mark.parametrize("holder", ["somebody", "cli host/x/y/1 abc", "cli a/b/c/d e", ""])
def test_a_holder_elsewhere_is_never_called_dead(holder: str) -> None:
    assert not holder_is_dead(holder)
    assert not holder_is_dead(holder_name("cli"))


def test_stages_are_journaled_once_with_their_events(database: LearningDatabase, clock: Clock) -> None:
    lease = database.acquire("cycle", "first", 60)
    database.begin_cycle("c1", model="m", number=1, as_of_utc=NOW, request={"why": "x"}, fence=lease)
    for facts in ({"count": 1}, {"count": 2}):
        database.finish_stage("c1", "pairs", facts, fence=lease, events=[("e", "r", {"when": "once"})])
        clock.now += timedelta(seconds=1)
    assert database.stages("c1") == {"pairs": {"count": 1}}
    assert [row.payload for row in database.pending_events()] == [{"when": "once"}]
    row = database.open_cycle("m")
    assert row is not None
    assert (row.status, row.request, row.ended_utc) == ("running", {"why": "x"}, None)
    database.end_cycle("c1", "promoted", "won", {"a": 1}, fence=lease)
    database.end_cycle("c1", "failed", "again", {}, fence=lease, events=[("e", "r", {"when": "late"})])
    assert database.open_cycle("m") is None
    ended = database.cycle("c1")
    assert ended is not None
    assert (ended.status, ended.reason, ended.facts) == ("promoted", "won", {"a": 1})
    assert len(database.pending_events()) == 1


def test_a_cycle_number_belongs_to_one_cycle(database: LearningDatabase) -> None:
    lease = database.acquire("cycle", "first", 60)
    database.begin_cycle("c1", model="m", number=1, as_of_utc=NOW, request={}, fence=lease)
    with pytest.raises(DataError, match=r"c2: number 1 of m belongs to another cycle"):
        database.begin_cycle("c2", model="m", number=1, as_of_utc=NOW, request={}, fence=lease)


def test_the_account_counts_a_challenger_once_per_window(database: LearningDatabase) -> None:
    for challenger in ("v1", "v2", "v1"):
        database.save_gate(Said(), window_id="w", champion="base", challenger=challenger)
    assert [(row.challenger, row.number) for row in database.gates("w")] == [("v1", 1), ("v2", 2)]
    assert (database.tried("w"), database.tried("w", excluding="v1"), database.tried("other")) == (2, 1, 0)
    assert database.gates("w")[0].decision == {"verdict": "fail", "gain": None}


def test_who_could_not_be_judged_is_not_in_the_account(database: LearningDatabase) -> None:
    database.save_gate(Said("cannot_judge"), window_id="w", champion="base", challenger="v1")
    assert (len(database.gates("w")), database.tried("w")) == (1, 0)


def test_windows_that_share_decisions_share_the_account(database: LearningDatabase) -> None:
    day = timedelta(days=1)
    database.save_gate(Said(), window_id="a", champion="base", challenger="v1", span=(NOW, NOW + 10 * day))
    assert database.tried("b", span=(NOW + 9 * day, NOW + 20 * day)) == 1
    assert database.tried("b", span=(NOW + 11 * day, NOW + 20 * day)) == 0
    assert database.tried("b") == 0


def test_shadow_answers_come_back_in_order_of_time(database: LearningDatabase) -> None:
    answers = [PolicyAnswer(f"d{place}", "v1", Action.BUY, 1.0, 0.5, 0.9, math.nan) for place in range(3)]
    for place in (2, 0, 1):
        assert database.save_shadow(answers[place], time_utc=NOW + timedelta(hours=place))
    assert not database.save_shadow(answers[0], time_utc=NOW)
    assert [row.decision_id for row in database.shadows("v1")] == ["d0", "d1", "d2"]
    later = database.shadows("v1", NOW + timedelta(hours=1))
    assert [row.decision_id for row in later] == ["d1", "d2"]
    assert math.isnan(later[0].profit_probability)
    assert database.shadows("v2") == []


def test_drift_checks_are_kept_with_their_event(database: LearningDatabase) -> None:
    for place, found in enumerate((False, True)):
        events = [("lean-llm.drift.found", "m", {"place": place})] if found else []
        for _ in range(2):
            database.save_drift({"kinds": []}, found=found, checked_utc=NOW + timedelta(hours=place), events=events)
    assert [row["found"] for row in database.drift_checks()] == [False, True]
    assert [row["checked_utc"] for row in database.drift_checks(found=True)] == [NOW + timedelta(hours=1)]
    assert database.drift_checks(NOW + timedelta(hours=2)) == []
    assert len(database.pending_events()) == 1


def test_delivered_events_leave_the_backlog(database: LearningDatabase) -> None:
    for place in range(3):
        database.emit("e", "r", {"place": place})
    first, *rest = database.pending_events()
    database.mark_delivered([first.event_id])
    database.mark_delivered([])
    assert database.pending_events() == rest
    assert [row.payload["place"] for row in database.events("e")] == [0, 1, 2]


def test_a_watch_keeps_its_last_state(database: LearningDatabase) -> None:
    assert database.watch("w") is None
    database.save_watch("w", {"value": 1.0})
    database.save_watch("w", {"value": 2.0})
    assert database.watch("w") == {"value": 2.0}


OPENER = """
import os, sys
from llm_plugin.learning.database import LearningDatabase

print("ready", flush=True)
sys.stdin.readline()
with LearningDatabase(sys.argv[1]) as database:
    database.emit("e", "r", {"pid": os.getpid()})
"""


def test_those_that_open_a_new_database_together_all_get_it(tmp_path: Path) -> None:
    url = str(tmp_path / "store.sqlite")
    openers = [_opener(url) for _ in range(6)]
    assert [opener.stdout.readline() for opener in openers if opener.stdout] == ["ready\n"] * 6
    for opener in openers:
        print("go", file=opener.stdin, flush=True)
    assert [(opener.communicate(timeout=120)[1], opener.returncode) for opener in openers] == [("", 0)] * 6
    with LearningDatabase(url) as database:
        assert {row.payload["pid"] for row in database.events("e")} == {opener.pid for opener in openers}


def _opener(url: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", OPENER, url], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_database_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mysql"):
        LearningDatabase("mysql://nowhere/x")
    (tmp_path / "text.sqlite").write_text("this is no database, but a text that is long enough to be read as one")
    with pytest.raises(StoreUnavailable, match="no SQLite database"):
        LearningDatabase(str(tmp_path / "text.sqlite"))


def test_the_outcome_store_and_the_loop_share_one_file(tmp_path: Path) -> None:
    from llm_plugin.outcomes.store import OutcomeStore

    url = str(tmp_path / "store.sqlite")
    with OutcomeStore(url) as store, LearningDatabase(url) as database:
        store.start_run("run", {}, {})
        database.emit("e", "r", {})
        assert (store.run_ids(), len(database.pending_events())) == (["run"], 1)
