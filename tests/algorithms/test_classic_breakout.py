"""`classic_breakout` on the embedded engine: validate, order, forward."""

from __future__ import annotations

import pytest
from lean_projects import RuleBackend, execute

from llm_plugin.domain import ExitReason, OutcomeKind

PERIOD = ("2012-01-03", "2012-12-31")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return execute(
        tmp_path_factory.mktemp("classic_breakout") / "run", "classic_breakout", *PERIOD, backend=RuleBackend()
    )


def test_approved_breakouts_are_bought_and_vetoed_ones_are_followed(run):
    assert run.result.status == "Completed"
    taken = [o for o in run.outcomes if o.kind is OutcomeKind.REALISED]
    shadows = [o for o in run.outcomes if o.kind is OutcomeKind.SHADOW]
    assert len(taken) >= 5
    assert len(shadows) == sum(not d.approved for d in run.entries)
    assert run.result.algorithm.llm.desk.report()["unvalidated_fills"] == 0


def test_vetoed_breakouts_are_judged_by_the_same_exit_rule_as_taken_ones(run):
    reasons = {
        kind: {o.exit_reason for o in run.outcomes if o.kind is kind and o.action.side}
        for kind in (OutcomeKind.REALISED, OutcomeKind.SHADOW)
    }
    assert ExitReason.SIGNAL in reasons[OutcomeKind.REALISED]
    assert ExitReason.SIGNAL in reasons[OutcomeKind.SHADOW]


def test_a_daily_signal_is_replayed_from_the_next_open(run):
    """LEAN fills an order that is sent at the close at the next day's open; the replay does, too."""
    twins = {o.decision_id: o for o in run.outcomes if o.kind is OutcomeKind.REPLAY and o.action.side}
    compared = 0
    for outcome in run.outcomes:
        if outcome.kind is OutcomeKind.REALISED:
            assert outcome.entry_price == pytest.approx(twins[outcome.decision_id].entry_price, rel=1e-6)
            compared += 1
    assert compared >= 5


def test_the_record_gives_the_same_orders(run_project, run):
    again = run_project("classic_breakout", *PERIOD, name="again", llm_decisions_from=str(run.folder))
    assert again.result.order_list_hash == run.result.order_list_hash


def test_replay_and_reality_differ_by_less_than_two_hundredths_r(run):
    """What is left is the minimum fee, which weighs more on a small order than on the replay's."""
    errors = run.result.algorithm.llm.desk.ledger.replay_errors
    assert len(errors) >= 5
    assert max(errors.values()) < 0.02


def test_every_open_position_has_its_stop(run):
    algorithm = run.result.algorithm
    held = {str(symbol) for symbol in algorithm.symbols if algorithm.portfolio[symbol].invested}
    stops = {str(ticket.symbol) for ticket in algorithm.transactions.get_open_order_tickets(lambda _: True)}
    assert held
    assert stops == held
