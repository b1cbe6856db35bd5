"""`eurusd_ensemble` on the embedded engine: entries, brackets, actions, replay, record."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from lean_projects import RuleBackend, execute, quiet_hours

from llm_plugin.domain import Action, ExitReason, OutcomeKind, QuestionKind, Signal
from llm_plugin.errors import RecordError

PERIOD = ("2013-02-01", "2013-03-31")


@pytest.fixture(scope="module")
def quarter(tmp_path_factory):
    return execute(
        tmp_path_factory.mktemp("eurusd_ensemble") / "run", "eurusd_ensemble", *PERIOD, backend=RuleBackend()
    )


def test_a_whole_run_keeps_its_books(quarter):
    """One run, looked at from all sides: what it costs is the run."""
    desk = quarter.result.algorithm.llm.desk
    report = desk.report()
    outcomes = quarter.outcomes
    kinds = Counter(outcome.kind for outcome in outcomes)
    entries = {decision.decision_id: decision for decision in quarter.entries}

    assert len(entries) >= 30
    assert {d.verdict.value for d in entries.values()} == {"approve", "veto", "adjust"}
    assert kinds[OutcomeKind.SHADOW] == sum(not d.approved for d in entries.values())
    assert kinds[OutcomeKind.REALISED] == report["executed"] - report["open_positions"]
    assert {"backend_errors", "illegal_answers"}.isdisjoint(report)

    keys = [(o.decision_id, o.action, o.kind) for o in outcomes]
    assert len(keys) == len(set(keys))
    replayed = {o.decision_id for o in outcomes if o.kind is not OutcomeKind.REALISED and o.action.side}
    assert set(entries) <= replayed


def test_replay_and_reality_differ_by_less_than_a_thousandth_r(quarter):
    ledger = quarter.result.algorithm.llm.desk.ledger
    assert len(ledger.replay_errors) >= 40
    assert max(ledger.replay_errors.values()) < 1e-3
    reasons = {o.exit_reason for o in quarter.outcomes if o.kind is OutcomeKind.REALISED}
    assert {ExitReason.STOP, ExitReason.TARGET, ExitReason.SIGNAL, ExitReason.BREAK_EVEN} <= reasons


def test_realised_and_replayed_outcomes_agree_in_every_field_that_both_know(quarter):
    twins = {o.decision_id: o for o in quarter.outcomes if o.kind is OutcomeKind.REPLAY and o.action.side}
    realised = [o for o in quarter.outcomes if o.kind is OutcomeKind.REALISED]
    for outcome in realised:
        twin = twins[outcome.decision_id]
        assert (outcome.opened_utc, outcome.exit_reason) == (twin.opened_utc, twin.exit_reason)
        assert outcome.entry_price == pytest.approx(twin.entry_price)
        assert outcome.exit_price == pytest.approx(twin.exit_price)
        assert outcome.bars_held == twin.bars_held
    assert len(realised) >= 40


def test_every_position_has_its_stop_and_no_order_is_left_behind(quarter):
    desk = quarter.result.algorithm.llm.desk
    open_orders = [t for t in quarter.result.algorithm.transactions.get_open_order_tickets(lambda _: True)]
    assert len(open_orders) == 2 * len(desk.ledger.brackets.brackets)


def test_risk_is_one_percent_of_equity_at_the_stop(quarter):
    taken = [o for o in quarter.outcomes if o.kind is OutcomeKind.REALISED and o.exit_reason is ExitReason.STOP]
    multipliers = {d.decision_id: d.size_multiplier for d in quarter.entries}
    equities = {row["decision_id"]: row["equity"] for row in quarter.rows if row["kind"] == "decision"}
    assert taken
    for outcome in taken:
        risked = outcome.pnl / outcome.r_multiple / equities[outcome.decision_id]
        assert risked == pytest.approx(0.01 * multipliers[outcome.decision_id], rel=0.15)


def test_the_same_algorithm_from_its_record_gives_the_same_orders(run_project, quarter):
    again = run_project("eurusd_ensemble", *PERIOD, name="again", llm_decisions_from=str(quarter.folder))
    assert again.result.order_list_hash == quarter.result.order_list_hash
    assert [(d.verdict, d.action) for d in again.decisions] == [(d.verdict, d.action) for d in quarter.decisions]
    assert again.result.algorithm.llm.desk.recording


def test_a_bar_that_the_record_does_not_know_ends_the_run_and_is_named(run_project, quarter):
    with pytest.raises(RecordError, match=r"has no signal of EURUSD .* at 2013-04-01"):
        run_project(
            "eurusd_ensemble", "2013-02-01", "2013-04-02", name="longer", llm_decisions_from=str(quarter.folder)
        )


def test_two_runs_give_the_same_orders_and_decisions(run_project, quarter):
    again = run_project("eurusd_ensemble", *PERIOD, name="again", backend=RuleBackend())
    assert again.result.order_list_hash == quarter.result.order_list_hash
    assert (again.folder / "decisions.jsonl").read_text() == (quarter.folder / "decisions.jsonl").read_text()


class OneEntry(RuleBackend):
    """Buys once, at a given bar, and never moves anything."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def signal(self, market):
        wanted = market.time_utc.replace(tzinfo=None) == self.at
        action = Action.BUY if wanted else Action.HOLD
        return Signal(market.symbol_id, market.ticker, market.time_utc, action, 0.6, "once")

    def validate(self, request):
        from llm_plugin.domain import Source
        from llm_plugin.lean.backend import local_decision

        assert request.kind in (QuestionKind.ENTRY, QuestionKind.POSITION)
        return local_decision(request, Source.LLM, approve=True, rule="once")


def spiked(rows, at, prices):
    return [(start, prices if start == at else old) for start, old in rows]


ENTRY = datetime(2013, 1, 29, 10)


def with_spike(low, high, close=1.3):
    rows = quiet_hours(datetime(2013, 1, 6, 22), 500)
    return spiked(rows, ENTRY + timedelta(hours=3), (1.3, high, low, close))


def test_stop_and_target_in_one_hourly_bar_do_not_flip_the_position(run_project, hourly_data):
    """LEAN's trap: both orders fill in one scan, because the cancel is queued."""
    data = hourly_data(with_spike(low=1.2960, high=1.3060))
    run = run_project("eurusd_ensemble", "2013-01-27", "2013-01-31", backend=OneEntry(ENTRY), data=data)
    algorithm = run.result.algorithm
    assert algorithm.portfolio["EURUSD"].quantity == 0
    assert algorithm.llm.desk.report()["double_fills"] == 1
    assert len(run.result.orders) == 4  # entry, stop, target, and the one that takes the target's position back
    (realised,) = [o for o in run.outcomes if o.kind is OutcomeKind.REALISED]
    (replayed,) = [o for o in run.outcomes if o.kind is OutcomeKind.REPLAY and o.action is Action.BUY]
    assert realised.exit_reason is replayed.exit_reason is ExitReason.STOP
    assert realised.r_multiple == pytest.approx(replayed.r_multiple, abs=1e-9)


def test_target_alone_cancels_the_stop(run_project, hourly_data):
    data = hourly_data(with_spike(low=1.2995, high=1.3060))
    run = run_project("eurusd_ensemble", "2013-01-27", "2013-01-31", backend=OneEntry(ENTRY), data=data)
    assert run.result.algorithm.llm.desk.report()["double_fills"] == 0
    assert [int(order.status) for order in run.result.orders] == [3, 5, 3]
    (realised,) = [o for o in run.outcomes if o.kind is OutcomeKind.REALISED]
    assert realised.exit_reason is ExitReason.TARGET


def test_timeout_closes_after_48_hours_at_market(run_project, hourly_data):
    data = hourly_data(with_spike(low=1.2995, high=1.3005))
    run = run_project("eurusd_ensemble", "2013-01-27", "2013-02-01", backend=OneEntry(ENTRY), data=data)
    (realised,) = [o for o in run.outcomes if o.kind is OutcomeKind.REALISED]
    assert realised.exit_reason is ExitReason.TIMEOUT
    assert realised.closed_utc - realised.opened_utc == timedelta(hours=48)


def test_mode_none_is_the_same_algorithm_with_every_signal_approved(run_project, monkeypatch):
    from llm_plugin.lean.backend import ApprovingBackend

    rule = RuleBackend()
    run = run_project("eurusd_ensemble", *PERIOD, "validator.mode=none", backend=ApprovingBackend(rule))
    assert len(run.entries) > 30
    assert {d.verdict.value for d in run.entries} == {"approve"}
    assert {d.source.value for d in run.decisions} == {"rule"}
    assert max(run.result.algorithm.llm.desk.ledger.replay_errors.values()) < 1e-3
