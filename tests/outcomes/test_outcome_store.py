"""The outcome store: once, whole, and in the right order."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kills import kill_and_count

from llm_plugin.domain import Action, Decision, DecisionRequest, Outcome, OutcomeKind, Verdict
from llm_plugin.errors import ConfigError, DataError, StoreUnavailable
from llm_plugin.outcomes import schema
from llm_plugin.outcomes.store import OutcomeStore

START = datetime(2015, 1, 5, tzinfo=UTC)
Make = Callable[..., tuple[DecisionRequest, Decision]]
MakeOutcome = Callable[..., Outcome]


@pytest.fixture
def store(tmp_path: Path) -> OutcomeStore:
    """An empty SQLite store."""
    return OutcomeStore(f"sqlite:///{tmp_path / 'store.sqlite'}")


def test_decision_comes_back_as_it_was(store: OutcomeStore, make_decision: Make) -> None:
    request, decision = make_decision(prompt_hash="abc", action_probabilities={"BUY": 0.7, "HOLD": 0.3})
    assert store.save_decision(request, decision, "the prompt", "t1", "s1")
    stored = store.decision(decision.decision_id)
    assert stored is not None
    assert stored.request == request
    assert stored.decision.action_probabilities == decision.action_probabilities
    assert (stored.prompt_text, stored.template_version, stored.schema_version) == ("the prompt", "t1", "s1")
    assert store.decision("unknown") is None


def test_second_write_of_a_decision_changes_nothing(store: OutcomeStore, make_decision: Make) -> None:
    request, decision = make_decision()
    assert store.save_decision(request, decision)
    _, other = make_decision(verdict=Verdict.VETO)
    assert not store.save_decision(request, other)
    stored = store.decision(decision.decision_id)
    assert stored is not None
    assert stored.decision.verdict is Verdict.APPROVE


def test_outcome_is_booked_once_per_action_and_kind(
    store: OutcomeStore, make_decision: Make, make_outcome: MakeOutcome
) -> None:
    request, decision = make_decision()
    store.save_decision(request, decision)
    outcome = make_outcome(decision)
    assert store.save_outcome(outcome)
    assert not store.save_outcome(outcome)
    assert store.save_outcome(make_outcome(decision, kind=OutcomeKind.REPLAY))
    assert store.save_outcome(make_outcome(decision, kind=OutcomeKind.REPLAY, action=Action.HOLD))
    assert len(store.outcomes("run")) == 3
    assert store.outcomes("run", kinds=[OutcomeKind.REALISED]) == [outcome]


def test_outcome_needs_its_own_decision(store: OutcomeStore, make_decision: Make, make_outcome: MakeOutcome) -> None:
    request, decision = make_decision()
    with pytest.raises(DataError, match=f"outcome for decision {decision.decision_id}: no such decision"):
        store.save_outcome(make_outcome(decision))
    store.save_decision(request, decision)
    with pytest.raises(DataError, match="run other, EURUSD 8G names decision"):
        store.save_outcome(make_outcome(decision, run_id="other"))
    assert store.outcomes("run") == []


def test_decision_of_another_question_is_refused(store: OutcomeStore, make_decision: Make) -> None:
    request, _ = make_decision(0)
    _, decision = make_decision(1)
    with pytest.raises(DataError, match="does not answer"):
        store.save_decision(request, decision)


def test_prompt_belongs_to_its_own_decision(store: OutcomeStore, make_decision: Make) -> None:
    """Trap: a pair whose prompt is another trade's. The clean twin stores both under their own hashes."""
    first, second = make_decision(0, prompt_hash="one"), make_decision(1, prompt_hash="two")
    store.save_decision(*first, "prompt of the first")
    store.save_decision(*second, "prompt of the second")
    texts = [row.prompt_text for row in store.decisions("run")]
    assert texts == ["prompt of the first", "prompt of the second"]
    offender = make_decision(2, prompt_hash="three")
    store.save_decision(*offender, "prompt of the third")
    with OutcomeStore(store.url) as other, pytest.raises(DataError, match="prompt hash three is known for another"):
        other.save_decision(*make_decision(3, prompt_hash="three"), "prompt of the first")
    assert store.decision(make_decision(3)[1].decision_id) is None, "nothing of it was written"
    with pytest.raises(DataError, match="no prompt_hash"):
        store.save_decision(*make_decision(4), "a prompt")


def test_reason_comes_after_the_decision(store: OutcomeStore, make_decision: Make) -> None:
    request, decision = make_decision()
    store.save_decision(request, decision)
    store.save_reason(decision.decision_id, "trend and room to the target")
    stored = store.decision(decision.decision_id)
    assert stored is not None
    assert stored.decision.reason == "trend and room to the target"
    with pytest.raises(DataError, match="reason for decision nobody"):
        store.save_reason("nobody", "x")


def test_times_without_a_zone_are_refused(store: OutcomeStore, make_decision: Make, make_outcome: MakeOutcome) -> None:
    request, decision = make_decision()
    store.save_decision(request, decision)
    with pytest.raises(DataError, match="has no zone"):
        store.save_outcome(make_outcome(decision, closed_utc=datetime(2015, 1, 6)))


def test_open_decisions_are_those_without_an_outcome(
    store: OutcomeStore, make_decision: Make, make_outcome: MakeOutcome
) -> None:
    pairs = [make_decision(i) for i in range(3)]
    for pair in reversed(pairs):
        store.save_decision(*pair)
    store.save_outcome(make_outcome(pairs[1][1], kind=OutcomeKind.REPLAY))
    store.save_outcome(make_outcome(pairs[2][1], kind=OutcomeKind.REPLAY, action=Action.HOLD))
    still_open = [row.request.sequence for row in store.open_decisions("run")]
    assert still_open == [0, 2], "HOLD's outcome closes nothing"
    unrealised = [row.request.sequence for row in store.open_decisions("run", kinds=[OutcomeKind.REALISED])]
    assert unrealised == [0, 1, 2]


def test_one_outcome_counts_per_decision(store: OutcomeStore, make_decision: Make, make_outcome: MakeOutcome) -> None:
    approved, vetoed = make_decision(0), make_decision(1, verdict=Verdict.VETO)
    for pair in (approved, vetoed):
        store.save_decision(*pair)
        store.save_outcome(make_outcome(pair[1], kind=OutcomeKind.REPLAY, action=Action.HOLD))
    store.save_outcome(make_outcome(approved[1], kind=OutcomeKind.REPLAY))
    store.save_outcome(make_outcome(approved[1], kind=OutcomeKind.REALISED))
    store.save_outcome(make_outcome(vetoed[1], kind=OutcomeKind.SHADOW))
    assert [item.kind for item in store.primary_outcomes("run")] == [OutcomeKind.REALISED, OutcomeKind.SHADOW]
    counts = store.counts("run")
    assert counts == {
        **{"decisions": 2, "approve": 1, "veto": 1, "adjust": 0},
        **{"realised": 1, "shadow": 1, "replay": 3, "open": 0},
    }


def test_only_matured_decisions_count(store: OutcomeStore, make_decision: Make, make_outcome: MakeOutcome) -> None:
    """Stopped-out trades close first: the newest closed ones are the losers, the matured ones are all."""
    for i in range(100):
        pair = make_decision(i)
        store.save_decision(*pair)
        won = i % 2 == 0
        held = timedelta(hours=40 if won else 1)
        store.save_outcome(make_outcome(pair[1], 1.5 if won else -1.0, held))
    as_of = START + timedelta(hours=100)
    matured = store.outcomes("run", matured_before=as_of)
    assert len(matured) == 53, "older than the 48 hours of the barrier"
    assert sum(o.r_multiple for o in matured[:52]) / 52 == pytest.approx(0.25)
    newest = [o for o in store.outcomes("run") if o.closed_utc < as_of][-20:]
    assert sum(o.r_multiple for o in newest) / 20 == -1.0, "the planted offender: the newest that are closed"


def test_matured_outcomes_never_depend_on_what_closed_later(
    store: OutcomeStore, make_decision: Make, make_outcome: MakeOutcome
) -> None:
    as_of = START + timedelta(hours=60)
    for i in range(50):
        pair = make_decision(i)
        store.save_decision(*pair)
        store.save_outcome(make_outcome(pair[1], held=timedelta(hours=5)))
    before = store.outcomes("run", matured_before=as_of)
    late = make_decision(51)
    store.save_decision(*late)
    store.save_outcome(make_outcome(late[1], held=timedelta(hours=500)))
    assert store.outcomes("run", matured_before=as_of) == before
    assert before


def test_longest_holding_seen_extends_the_barrier_over_closed_hours(
    store: OutcomeStore, make_decision: Make, make_outcome: MakeOutcome
) -> None:
    for i, held in enumerate([100, 1, 1]):
        pair = make_decision(i * 60)
        store.save_decision(*pair)
        store.save_outcome(make_outcome(pair[1], held=timedelta(hours=held)))
    as_of = START + timedelta(hours=170)
    assert len(store.outcomes("run", matured_before=as_of)) == 2


def test_runs_and_sessions_are_kept(store: OutcomeStore) -> None:
    assert store.start_run("run", {"risk": {"cooldown_bars": 24}}, {"llm_plugin": "0.1.0"})
    assert not store.start_run("run", {"risk": {}}, {})
    known = store.run("run")
    assert known is not None
    assert known["config"] == {"risk": {"cooldown_bars": 24}}
    assert store.run_ids() == ["run"]
    assert store.session("run") is None
    store.save_session("run", {"losses": 1})
    store.save_session("run", {"losses": 2})
    assert store.session("run") == {"losses": 2}


@pytest.mark.parametrize("commit", ["each", "group"])
def test_what_was_written_is_there_after_reopening(
    tmp_path: Path, make_decision: Make, make_outcome: MakeOutcome, commit: str
) -> None:
    url = str(tmp_path / "deep" / "store.sqlite")
    with OutcomeStore(url, commit=commit) as store:  # type: ignore[arg-type]
        for i in range(450):
            pair = make_decision(i)
            store.save_decision(*pair)
            store.save_outcome(make_outcome(pair[1]))
    with OutcomeStore(url) as again:
        assert again.counts("run")["realised"] == 450


def test_several_threads_write_through_one_store(store: OutcomeStore, make_decision: Make) -> None:
    def write(first: int) -> None:
        for i in range(first, first + 40):
            store.save_decision(*make_decision(i))

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.counts("run")["decisions"] == 80


@pytest.mark.parametrize("commit", ["each", "group"])
def test_full_disk_is_said_plainly_and_leaves_nothing_half_written(
    tmp_path: Path, make_decision: Make, commit: str
) -> None:
    url = str(tmp_path / "store.sqlite")
    store = OutcomeStore(url, commit=commit)  # type: ignore[arg-type]
    store.save_decision(*make_decision(0))
    store.flush()
    raw = store._open().connection.dbapi_connection
    raw.execute("PRAGMA max_page_count=60")  # type: ignore[union-attr]
    saved = 1

    def fill() -> None:
        nonlocal saved
        for i in range(1, 500):
            store.save_decision(*make_decision(i))
            saved += 1

    with pytest.raises(StoreUnavailable, match=r"disk is full.*nothing was half-written"):
        fill()
    raw.execute("PRAGMA max_page_count=100000")  # type: ignore[union-attr]
    assert store.save_decision(*make_decision(499)), "with space again it goes on"
    store.close()
    with OutcomeStore(url) as again:
        stored = [row.request.sequence for row in again.decisions("run")]
    assert stored == [*range(saved), 499]
    assert saved > 1


def test_locked_database_is_said_plainly(tmp_path: Path, make_decision: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_SECONDS", 0.2)
    path = tmp_path / "store.sqlite"
    with OutcomeStore(str(path)) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"another process held the database for more than 0.2 s"):
            store.save_decision(*make_decision())
        holder.execute("ROLLBACK")
        holder.close()
        assert store.save_decision(*make_decision())


def test_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database " * 500)
    with pytest.raises(StoreUnavailable, match=r"store\.sqlite.*no SQLite database"):
        OutcomeStore(str(path))


@pytest.mark.parametrize(
    ("url", "message"),
    [("mysql://host/x", "'mysql': supported are sqlite and postgresql"), ("://", "is not a database URL")],
)
def test_unknown_database_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OutcomeStore(url)


def test_closed_store_says_so(store: OutcomeStore, make_decision: Make) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="is closed"):
        store.save_decision(*make_decision())


def test_kill_nine_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    report = kill_and_count(str(tmp_path / "store.sqlite"), kills=8)
    assert report.acknowledged > 10
    assert (report.lost, report.doubled, report.torn) == (0, 0, 0)


def test_a_store_that_acknowledges_before_it_commits_would_be_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted offender: group commit where each write is promised to be durable."""
    script = tmp_path / "offender.py"
    source = (Path(__file__).parent / "killed_writer.py").read_text()
    script.write_text(source.replace("OutcomeStore(url)", 'OutcomeStore(url, commit="group")'))
    monkeypatch.setattr("kills.WRITER", script)
    report = kill_and_count(str(tmp_path / "store.sqlite"), kills=3)
    assert report.lost > 0
