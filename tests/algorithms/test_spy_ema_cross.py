"""`spy_ema_cross` on the embedded engine: the three-line promise."""

from __future__ import annotations

import pytest
from lean_projects import PROJECTS, RuleBackend, execute

from llm_plugin.domain import OutcomeKind, Verdict

PERIOD = ("2012-01-03", "2012-12-31")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return execute(tmp_path_factory.mktemp("spy_ema_cross") / "run", "spy_ema_cross", *PERIOD, backend=RuleBackend())


def test_entries_are_asked_and_orders_follow(run):
    assert run.result.status == "Completed"
    assert len(run.entries) >= 10
    assert run.result.orders
    verdicts = {d.verdict for d in run.entries}
    assert {Verdict.APPROVE, Verdict.VETO} <= verdicts


def test_no_position_is_opened_without_a_question(run):
    """A FLAT that ends before the insight that it ends would let the portfolio model open the position again."""
    assert sum(d.verdict is Verdict.VETO and d.signal_action.side != 0 for d in run.entries) >= 5
    report = run.result.algorithm.validated.desk.report()
    assert report["unvalidated_fills"] == 0
    assert report["executed"] == sum(d.approved for d in run.entries)


def test_vetoing_everything_trades_nothing(run_project):
    run = run_project("spy_ema_cross", *PERIOD, backend=RuleBackend(entries=False))
    assert len(run.entries) >= 10
    assert not run.result.orders
    assert {o.kind for o in run.outcomes if o.action.side} == {OutcomeKind.SHADOW}


def test_adjusted_entries_are_half_as_large(run):
    equities = {row["decision_id"]: row["equity"] for row in run.rows if row["kind"] == "decision"}
    verdicts = {d.decision_id: d.verdict for d in run.entries}
    shares = {Verdict.ADJUST: [], Verdict.APPROVE: []}
    for outcome in run.outcomes:
        if outcome.kind is OutcomeKind.REALISED:
            share = abs(outcome.quantity) * outcome.entry_price / equities[outcome.decision_id]
            shares[verdicts[outcome.decision_id]].append(share)
    assert shares[Verdict.ADJUST] == pytest.approx([0.5] * len(shares[Verdict.ADJUST]), abs=0.05)
    assert shares[Verdict.APPROVE] == pytest.approx([1.0] * len(shares[Verdict.APPROVE]), abs=0.1)
    assert all(shares.values())


def test_forwarding_order_events_gives_the_same_outcomes(run_project, run, tmp_path):
    project = tmp_path / "forwarding"
    project.mkdir()
    for name in ("llm_config.yaml", "config.json"):
        (project / name).write_text((PROJECTS / "spy_ema_cross" / name).read_text())
    text = (PROJECTS / "spy_ema_cross" / "main.py").read_text()
    text += "\n    def on_order_event(self, order_event):\n        self.validated.on_order_event(order_event)\n"
    (project / "main.py").write_text(text)
    again = run_project(project, *PERIOD, name="again", backend=RuleBackend())
    assert again.result.order_list_hash == run.result.order_list_hash

    def known(one):
        return sorted((o.decision_id, o.action, o.kind, o.closed_utc, round(o.r_multiple, 9)) for o in one.outcomes)

    assert known(again) == known(run)
    assert len(known(run)) > 20


def test_the_record_gives_the_same_orders(run_project, run):
    again = run_project("spy_ema_cross", *PERIOD, name="again", llm_decisions_from=str(run.folder))
    assert again.result.order_list_hash == run.result.order_list_hash


def test_replay_and_reality_differ_where_the_plan_is_carried_out_at_a_bars_end(run):
    """A framework algorithm has no stop order: the plan is carried out one bar's end later than in the replay."""
    ledger = run.result.algorithm.validated.desk.ledger
    by_plan = {o.decision_id for o in run.outcomes if o.exit_reason.value in ("stop", "target", "timeout")}
    others = [error for key, error in ledger.replay_errors.items() if key not in by_plan]
    assert len(others) >= 8
    assert max(others) < 0.15
    assert max(ledger.replay_errors.values()) < 1.0
