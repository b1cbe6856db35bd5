"""Decision ids and run ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import lean_fakes as fakes

from llm_plugin.domain import QuestionKind
from llm_plugin.lean.compat import local_to_utc, utc_now
from llm_plugin.lean.identity import Identity, resolve_run_id

BAR = datetime(2013, 1, 7, 15, tzinfo=UTC)


def test_ids_follow_from_run_security_bar_kind_and_sequence():
    first, second = Identity("run"), Identity("run")
    assert first.next("A 1", BAR, QuestionKind.ENTRY) == second.next("A 1", BAR, QuestionKind.ENTRY)
    other = Identity("other").next("A 1", BAR, QuestionKind.ENTRY)
    assert other[0] != Identity("run").next("A 1", BAR, QuestionKind.ENTRY)[0]


def test_the_same_bar_asked_again_gets_the_next_sequence():
    identity = Identity("run")
    asked = [identity.next("A 1", BAR, QuestionKind.ENTRY) for _ in range(3)]
    assert [sequence for _, sequence in asked] == [0, 1, 2]
    assert len({identifier for identifier, _ in asked}) == 3


def test_symbols_at_different_bars_do_not_reset_each_other():
    identity = Identity("run")
    daily = BAR - timedelta(hours=3)
    seen = [identity.next(s, t, QuestionKind.ENTRY) for s, t in (("A", BAR), ("B", daily), ("A", BAR), ("B", daily))]
    assert len({identifier for identifier, _ in seen}) == 4


def test_entry_and_position_questions_count_apart():
    identity = Identity("run")
    entry = identity.next("A", BAR, QuestionKind.ENTRY)
    position = identity.next("A", BAR, QuestionKind.POSITION)
    assert entry[1] == position[1] == 0
    assert entry[0] != position[0]


def test_a_backtest_repeats_its_run_id():
    assert resolve_run_id(fakes.FakeAlgorithm(), "abc") == resolve_run_id(fakes.FakeAlgorithm(), "abc")
    assert resolve_run_id(fakes.FakeAlgorithm(), "abc") != resolve_run_id(fakes.FakeAlgorithm(), "abd")


def test_the_parameter_names_the_run():
    assert resolve_run_id(fakes.FakeAlgorithm({"llm-run-id": "mine"}), "abc") == "mine"


def test_run_id_of_a_live_deployment_survives_restarts():
    store = fakes.ObjectStore()
    first = resolve_run_id(fakes.FakeAlgorithm(live=True, store=store), "abc")
    assert resolve_run_id(fakes.FakeAlgorithm(live=True, store=store), "other settings") == first
    assert resolve_run_id(fakes.FakeAlgorithm(live=True), "abc") != first


def test_stored_times_are_aware_utc_whatever_the_zone():
    algorithm = fakes.FakeAlgorithm()
    assert utc_now(algorithm) == fakes.START
    assert utc_now(algorithm).tzinfo is UTC
    naive_new_york = datetime(2013, 7, 1, 9, 30)
    assert local_to_utc(naive_new_york, ZoneInfo("America/New_York")) == datetime(2013, 7, 1, 13, 30, tzinfo=UTC)
