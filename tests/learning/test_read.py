"""Only matured decisions come out of the store, by decision time, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from matured_samples import PREFIX, answer, matured, sign_of_life, store_series
from questions import START, question, result

from llm_plugin.domain import Action, ExitReason, OutcomeKind, QuestionKind
from llm_plugin.errors import DataError
from llm_plugin.learning.read import count_matured, matured_decisions, matured_rows
from llm_plugin.learning.split import read_window
from llm_plugin.outcomes.replay_entry import ReplayEntry, hold_outcome
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.settings import LearningSettings


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OutcomeStore]:
    with OutcomeStore(str(tmp_path / "store.sqlite"), "group") as opened:
        yield opened


def test_stored_decisions_come_back_as_they_were_asked(store: OutcomeStore) -> None:
    written = store_series(store, [1.0, -1.0, 0.5, 2.0])
    read = matured_decisions(store, as_of_utc=START + timedelta(hours=40), prefix=PREFIX)
    assert [d.request for d in read] == [d.request for d in written]
    assert [d.net_r for d in read] == [1.0, -1.0, 0.5, 2.0]
    assert [d.prompt for d in read] == [d.prompt for d in written]
    assert read[0].matured_utc == START + timedelta(hours=24)
    assert read[0].closed_utc == START + timedelta(hours=6)


def test_quick_losers_do_not_come_before_their_time(store: OutcomeStore) -> None:
    """Losers stop out within the hour, winners take the whole day: by close, the newest would all be losers."""
    results = [1.5 if place % 2 == 0 else -1.0 for place in range(100)]
    store_series(store, results, held_hours=[24.0 if value > 0 else 1.0 for value in results])
    as_of = START + timedelta(hours=99, minutes=30)
    read = matured_decisions(store, as_of_utc=as_of)
    assert len(read) == 76
    assert sum((d.net_r or 0) > 0 for d in read) == 38
    closed = store.outcomes("run", kinds=[OutcomeKind.REPLAY, OutcomeKind.SHADOW])
    newest = sorted((o for o in closed if o.closed_utc < as_of), key=lambda o: o.closed_utc)[-24:]
    assert sum(outcome.r_multiple > 0 for outcome in newest) < 16
    assert matured_rows(store, as_of_utc=as_of).left_out == {"young": 24}


def test_decisions_cut_off_by_the_end_of_data_are_left_out_with_their_quick_neighbours(store: OutcomeStore) -> None:
    results = [1.0] * 60
    written = store_series(store, results[:50])
    end = START + timedelta(hours=60)
    for place in range(50, 60):
        decision = matured(place, -1.0)
        store.save_decision(decision.request, answer(decision.request, prompt_hash="x"), "text")
        if place % 2:  # stopped out before the end, so it looks finished
            store.save_outcome(result(decision.request, -1.0, 0.5, OutcomeKind.REPLAY))
        else:
            cut = result(decision.request, 0.3, 1, OutcomeKind.REPLAY, exit_reason=ExitReason.END_OF_DATA)
            store.save_outcome(replace(cut, closed_utc=end))
    rows = matured_rows(store, as_of_utc=START + timedelta(days=30))
    assert [row.decision_id for row in rows.rows] == [d.decision_id for d in written if d.matured_utc <= end]
    assert rows.left_out == {"end_of_data": 23}


def test_open_and_unfilled_decisions_are_counted(store: OutcomeStore) -> None:
    store_series(store, [1.0, None, -1.0, 1.0])
    unfilled = matured(2.5, 0.0)
    store.save_decision(unfilled.request, answer(unfilled.request))
    outcome = result(unfilled.request, 0.0, 1, OutcomeKind.REPLAY, exit_reason=ExitReason.NOT_EXECUTED)
    store.save_outcome(outcome)
    known = matured_rows(store, as_of_utc=START + timedelta(days=9))
    assert len(known.rows) == 3
    assert known.left_out == {"open": 1, "not_executed": 1}


def test_replay_is_the_result_and_the_fills_stand_beside_it(store: OutcomeStore) -> None:
    (decision,) = store_series(store, [1.0])
    store.save_outcome(result(decision.request, 0.8, 5, OutcomeKind.REALISED))
    store.save_outcome(hold_outcome(ReplayEntry.from_request(decision.request)))
    (read,) = matured_decisions(store, as_of_utc=START + timedelta(days=9))
    assert (read.net_r, read.realised_r) == (1.0, 0.8)


def test_decision_without_a_path_has_a_realised_result_only(store: OutcomeStore) -> None:
    decision = matured(0, None)
    store.start_run("run", {}, {})
    store.save_decision(decision.request, answer(decision.request, prompt_hash="h"), "text")
    store.save_outcome(result(decision.request, -0.7, 5, OutcomeKind.REALISED))
    sign_of_life(store, START + timedelta(days=2))
    (read,) = matured_decisions(store, as_of_utc=START + timedelta(days=9))
    assert (read.net_r, read.realised_r) == (None, -0.7)


def test_decisions_of_a_run_that_died_do_not_mature_by_waiting(store: OutcomeStore) -> None:
    """After the kill only the quick losers of the last day are on record; they must not count alone."""
    store.start_run("run", {}, {})
    for place in range(100):
        decision = matured(place, 1.0)
        store.save_decision(decision.request, answer(decision.request, prompt_hash="h"), "text")
        held = 23.0 if place % 2 else 1.0
        if place + held < 100:
            store.save_outcome(result(decision.request, 1.0 if place % 2 else -1.0, held, OutcomeKind.REPLAY))
    known = matured_rows(store, as_of_utc=START + timedelta(days=300))
    assert known.left_out == {"end_of_data": 24}
    assert sum((row.net_r or 0) > 0 for row in known.rows) == len(known.rows) // 2 == 38


def test_position_questions_are_no_decisions_of_this_kind(store: OutcomeStore) -> None:
    store_series(store, [1.0])
    asked = question(1, Action.SELL, kind=QuestionKind.POSITION)
    store.save_decision(asked, replace(answer(asked), kind=QuestionKind.POSITION))
    store.save_outcome(result(asked, 1.0, 2, OutcomeKind.REPLAY))
    assert len(matured_decisions(store, as_of_utc=START + timedelta(days=9))) == 1


def test_several_runs_and_stores_give_each_decision_once(store: OutcomeStore, tmp_path: Path) -> None:
    store_series(store, [1.0, -1.0], run_id="a")
    store_series(store, [1.0, -1.0, 1.0], run_id="b")
    with OutcomeStore(str(tmp_path / "other.sqlite"), "group") as other:
        store_series(other, [1.0, -1.0, 1.0], run_id="b")
        store_series(other, [1.0], run_id="c")
        as_of = START + timedelta(days=9)
        read = matured_decisions([store, other], as_of_utc=as_of)
        assert len(read) == 6
        assert [d.time_utc for d in read] == sorted(d.time_utc for d in read)
        assert count_matured([store, other], as_of_utc=as_of, run_ids=["b"]) == 3
        assert count_matured([store, other], as_of_utc=as_of, after_utc=START) == 3
        newest = matured_decisions([store, other], as_of_utc=as_of, newest=2)
        assert newest == read[-2:]


def test_later_knowledge_changes_nothing_of_an_earlier_moment(store: OutcomeStore) -> None:
    store_series(store, [1.0, -1.0] * 20)
    as_of = START + timedelta(hours=45)
    before = matured_decisions(store, as_of_utc=as_of)
    late = matured(44, 3.0, longest_hours=400)
    store.save_decision(late.request, answer(late.request))
    later = matured(45.5, 3.0, longest_hours=900)
    store.save_decision(later.request, answer(later.request))
    store.save_outcome(result(later.request, 3.0, 800, OutcomeKind.REPLAY))
    assert matured_decisions(store, as_of_utc=START + timedelta(hours=43, minutes=59)) == before[:20]


def test_reading_from_a_moment_on_gives_the_same_rows(store: OutcomeStore) -> None:
    store_series(store, [1.0, -1.0] * 60)
    cut = matured(70, 0.3)
    store.save_outcome(result(cut.request, 0.3, 1, OutcomeKind.REALISED, exit_reason=ExitReason.END_OF_DATA))
    as_of, since = START + timedelta(days=60), START + timedelta(hours=71)
    whole = matured_rows(store, as_of_utc=as_of).rows
    assert matured_rows(store, as_of_utc=as_of, since_utc=since).rows == [r for r in whole if r.time_utc >= since]
    assert len(whole) < 120, "the end of data at hour 71 must leave a gap"


def test_time_without_a_zone_is_refused(store: OutcomeStore) -> None:
    with pytest.raises(DataError, match="has no zone"):
        matured_decisions(store, as_of_utc=START.replace(tzinfo=None))


def test_window_is_read_without_loading_everything(store: OutcomeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_plugin.learning import read

    store_series(store, [1.0, -1.0] * 300)
    loaded: list[int] = []
    original = read._questions
    monkeypatch.setattr(read, "_questions", lambda s, ids: loaded.append(len(ids)) or original(s, ids))
    wanted = LearningSettings(holdout=20, window_decisions=150, replay_fraction=0.1)
    split = read_window(store, wanted, as_of_utc=START + timedelta(days=60), prefix=PREFIX)
    assert sum(loaded) == 150 + len(split.older) == 150 + 4 * 20
    assert split.left_out["before_window"] == 600 - 150 - 80
