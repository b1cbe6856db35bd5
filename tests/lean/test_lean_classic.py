"""`LLMPlugin`, the classic style."""

from __future__ import annotations

import json
from datetime import timedelta

import lean_fakes as fakes
import pytest

from llm_plugin.domain import Action, ExitPlan, ExitReason, OutcomeKind, QuestionKind, Source, Verdict
from llm_plugin.errors import DataError

STOP, TARGET = 1.298, 1.303  # ATR 0.001, 2 ATR and 3 ATR from 1.3


def rows(tmp_path, kind=None):
    lines = (tmp_path / "run" / "decisions.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [row for row in found if kind in (None, row["kind"])]


def outcomes(backend, kind):
    """The outcomes of the signals' own actions."""
    entries = {request.decision_id for request in backend.entries}
    return [o for o in backend.outcomes if o.kind is kind and o.action is not Action.HOLD and o.decision_id in entries]


# -- verdicts and actions --------------------------------------------------------------------------------------------


def test_legal_set_of_an_entry_is_the_signal_or_hold(make_plugin):
    _, plugin, backend = make_plugin()
    plugin.validate("EURUSD", Action.BUY, 0.7)
    (request,) = backend.requests
    assert request.legal == (Action.BUY, Action.HOLD)
    assert request.kind is QuestionKind.ENTRY


@pytest.mark.parametrize(
    ("answer", "verdict", "approved", "quantity"),
    [(1.0, Verdict.APPROVE, True, 1001.0), (0.5, Verdict.ADJUST, True, 500.0), (0.0, Verdict.VETO, False, 0.0)],
)
def test_approve_adjust_and_veto(make_plugin, answer, verdict, approved, quantity):
    _, plugin, _ = make_plugin(lambda _: answer)
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    assert (decision.verdict, decision.approved) == (verdict, approved)
    assert decision.quantity(1001) == quantity


def test_quantity_rounds_to_the_lot_towards_zero(make_plugin):
    algorithm, plugin, _ = make_plugin(lambda _: 0.75)
    algorithm.securities["EURUSD"].symbol_properties.lot_size = 1000.0
    decision = plugin.validate("EURUSD", Action.SELL, 0.7)
    assert decision.quantity(-2500) == -1000.0


def test_opposite_action_on_a_position_means_close_and_is_never_vetoed(make_plugin):
    algorithm, plugin, backend = make_plugin(lambda _: 1.0)
    plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm.market_order(algorithm.symbol, 1000)
    backend.answer = lambda _: 0.0
    decision = plugin.validate("EURUSD", Action.SELL, 0.7)
    assert decision.approved
    assert decision.fusion_rule == "exit_never_vetoed"
    assert len(backend.entries) == 1
    algorithm.market_order(algorithm.symbol, -1000)
    assert not plugin.validate("EURUSD", Action.SELL, 0.7).approved  # flat: now it is an entry, and may be vetoed


def test_a_backend_that_raises_is_no_approval(make_plugin):
    def broken(_):
        raise RuntimeError("model on fire")

    algorithm, plugin, _ = make_plugin(broken)
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    assert (decision.approved, decision.source) == (False, Source.FALLBACK)
    assert "model on fire" in algorithm.messages[0]


def test_a_backend_that_raises_follows_the_signal_only_where_told(make_plugin):
    def broken(_):
        raise RuntimeError("model on fire")

    config = {"validator": {"mode": "none", "on_failure": "follow_signal"}}
    _, plugin, _ = make_plugin(broken, config=config)
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    assert (decision.approved, decision.source) == (True, Source.FALLBACK)


@pytest.mark.parametrize("answer", [Action.SELL, 0.6, Action.MOVE_TO_BE], ids=["other side", "odd size", "not legal"])
def test_an_illegal_answer_is_refused(make_plugin, answer):
    algorithm, plugin, _ = make_plugin(lambda _: answer)
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    assert (decision.approved, decision.source) == (False, Source.FALLBACK)
    assert plugin.desk.counts["illegal_answers"] == 1
    assert "refused" in algorithm.messages[0]


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_a_confidence_that_is_no_probability_is_refused(make_plugin, confidence):
    with pytest.raises(DataError, match=str(confidence)):
        make_plugin()[1].validate("EURUSD", Action.BUY, confidence)


def test_an_unknown_symbol_is_named(make_plugin):
    with pytest.raises(DataError, match="GBPUSD"):
        make_plugin()[1].validate("GBPUSD", Action.BUY, 0.7)


def test_hold_is_no_entry_question(make_plugin):
    with pytest.raises(DataError, match="HOLD"):
        make_plugin()[1].validate("EURUSD", Action.HOLD, 0.7)


# -- exit plan -------------------------------------------------------------------------------------------------------


def test_default_exit_plan_follows_from_the_atr(make_plugin):
    _, plugin, backend = make_plugin()
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    plan = plugin.exit_plan(decision)
    price = backend.requests[0].market.price
    assert plan.stop == pytest.approx(price - 0.002)
    assert plan.target == pytest.approx(price + 0.003)
    assert plan.timeout == timedelta(hours=48)


def test_a_given_exit_plan_is_taken_and_a_wrong_one_refused(make_plugin):
    _, plugin, _ = make_plugin()
    plan = ExitPlan(1.29, 1.32)
    assert plugin.exit_plan(plugin.validate("EURUSD", Action.BUY, 0.7, exit=plan)) == plan
    with pytest.raises(DataError, match=r"1\.29"):
        plugin.validate("EURUSD", Action.SELL, 0.7, exit=plan)


# -- shadow trades and replay ----------------------------------------------------------------------------------------


def test_a_vetoed_trade_is_followed_as_a_shadow(make_plugin, tmp_path):
    algorithm, plugin, backend = make_plugin(lambda _: 0.0)
    plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm.bar(1.2999, 1.3045, 1.3040)
    (shadow,) = outcomes(backend, OutcomeKind.SHADOW)
    assert (shadow.exit_reason, shadow.taken) == (ExitReason.TARGET, False)
    assert shadow.r_multiple == pytest.approx(1.45, abs=0.06)
    recorded = [row for row in rows(tmp_path, "outcome") if row["outcome_kind"] == "shadow"]
    assert recorded[0]["r_multiple"] == pytest.approx(shadow.r_multiple)


def test_an_approval_that_is_not_executed_ends_with_its_replay(make_plugin):
    algorithm, plugin, backend = make_plugin()
    plugin.validate("EURUSD", Action.BUY, 0.7)
    for _ in range(4):
        algorithm.bar(1.2995, 1.3005, 1.3)
    assert plugin.desk.counts["not_executed"] == 1
    algorithm.bar(1.297, 1.3, 1.2975)
    (replayed,) = outcomes(backend, OutcomeKind.REPLAY)
    assert (replayed.taken, replayed.exit_reason) == (False, ExitReason.STOP)
    assert not outcomes(backend, OutcomeKind.REALISED)


def test_every_entry_gets_the_outcome_of_hold_too(make_plugin):
    algorithm, plugin, backend = make_plugin(lambda _: 0.0)
    plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm.bar(1.297, 1.3, 1.2975)
    (hold,) = [o for o in backend.outcomes if o.action is Action.HOLD]
    assert (hold.r_multiple, hold.taken) == (0.0, True)


def test_the_algorithms_own_exit_rule_ends_shadow_and_taken_alike(make_plugin):
    algorithm, plugin, backend = make_plugin(lambda _: 0.0)
    plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm.bar(1.2995, 1.301, 1.3008)
    backend.answer = lambda _: 1.0
    plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm.market_order(algorithm.symbol, 1000)
    algorithm.bar(1.3000, 1.3012, 1.3011)
    plugin.close("EURUSD", 1)
    (shadow,) = outcomes(backend, OutcomeKind.SHADOW)
    (replayed,) = outcomes(backend, OutcomeKind.REPLAY)
    (realised,) = outcomes(backend, OutcomeKind.REALISED)
    assert {o.exit_reason for o in (shadow, replayed, realised)} == {ExitReason.SIGNAL}
    assert realised.r_multiple == pytest.approx(replayed.r_multiple, abs=1e-9)
    assert plugin.desk.ledger.replay_errors


# -- managed positions -----------------------------------------------------------------------------------------------


def entered(make_plugin, answer=lambda request: 1.0 if request.kind is QuestionKind.ENTRY else Action.HOLD, **options):
    algorithm, plugin, backend = make_plugin(answer, **options)
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    plugin.enter(decision, 10_000)
    algorithm.finish()
    return algorithm, plugin, backend


def test_enter_sends_stop_and_target_when_the_entry_has_filled(make_plugin):
    algorithm, _, _ = entered(make_plugin)
    entry, stop, target = algorithm.tickets.values()
    assert entry.tag.startswith("llm:")
    assert (stop.order_type, stop.quantity, stop.stop) == (2, -10_000, pytest.approx(1.2981, abs=2e-4))
    assert (target.order_type, target.quantity, target.limit) == (1, -10_000, pytest.approx(1.3031, abs=2e-4))
    assert stop.order_id < target.order_id


def test_realised_and_replayed_agree(make_plugin):
    algorithm, plugin, backend = entered(make_plugin)
    algorithm.bar(1.2990, 1.3010, 1.3005)
    algorithm.finish()
    algorithm.bar(1.3000, 1.3060, 1.3050)
    algorithm.finish()
    (realised,), (replayed,) = outcomes(backend, OutcomeKind.REALISED), outcomes(backend, OutcomeKind.REPLAY)
    assert realised.exit_reason is replayed.exit_reason is ExitReason.TARGET
    assert abs(realised.r_multiple - replayed.r_multiple) < 1e-9
    assert plugin.on_end()["replay_error_r_max"] < 1e-9
    assert [t.status for t in algorithm.tickets.values()] == [3, 5, 3]


def test_stop_and_target_in_one_bar_do_not_flip_the_position(make_plugin):
    """LEAN's trap: the cancel of the target is queued while the scan goes on."""
    algorithm, plugin, backend = entered(make_plugin)
    algorithm.bar(1.2970, 1.3060, 1.3040)
    algorithm.finish()
    assert algorithm.portfolio["EURUSD"].quantity == 0
    assert plugin.desk.ledger.brackets.double_fills == 1
    assert not plugin.desk.ledger.book("EURUSD 8G").lots
    (realised,) = outcomes(backend, OutcomeKind.REALISED)
    assert realised.exit_reason is ExitReason.STOP  # the stop came first
    (replayed,) = outcomes(backend, OutcomeKind.REPLAY)
    assert realised.r_multiple == pytest.approx(replayed.r_multiple)


def test_without_the_repair_the_same_bar_would_flip(make_plugin, monkeypatch):
    """The planted offender of the test above."""
    algorithm, plugin, _ = entered(make_plugin)
    monkeypatch.setattr(plugin.desk.ledger.brackets, "repair", lambda *_: None)
    algorithm.bar(1.2970, 1.3060, 1.3040)
    algorithm.finish()
    assert algorithm.portfolio["EURUSD"].quantity == -10_000


def test_timeout_closes_at_the_vertical_barrier(make_plugin):
    algorithm, _, backend = entered(make_plugin)
    for _ in range(48):
        algorithm.bar(1.2995, 1.3005, 1.3)
        algorithm.finish()
    (realised,), (replayed,) = outcomes(backend, OutcomeKind.REALISED), outcomes(backend, OutcomeKind.REPLAY)
    assert realised.exit_reason is replayed.exit_reason is ExitReason.TIMEOUT
    assert realised.r_multiple == pytest.approx(replayed.r_multiple)
    assert all(ticket.status in (3, 5) for ticket in algorithm.tickets.values())


def test_position_questions_come_every_query_interval_bars(make_plugin):
    algorithm, _, backend = entered(make_plugin)
    for _ in range(11):
        algorithm.bar(1.2995, 1.3005, 1.3)
        algorithm.finish()
    asked = [r for r in backend.requests if r.kind is QuestionKind.POSITION]
    assert len(asked) == 2
    assert asked[0].legal == (Action.HOLD, Action.MOVE_TO_BE, Action.ENABLE_TRAIL, Action.SELL)


def test_position_questions_come_at_once_on_a_change_of_state(make_plugin):
    algorithm, plugin, backend = entered(make_plugin)
    plugin.signal("EURUSD")
    algorithm.bar(1.2995, 1.3005, 1.3)
    assert not [r for r in backend.requests if r.kind is QuestionKind.POSITION]
    backend.next_signal = Action.SELL
    plugin.signal("EURUSD")
    algorithm.bar(1.2995, 1.3005, 1.3)
    assert len([r for r in backend.requests if r.kind is QuestionKind.POSITION]) == 1


def test_entries_are_always_asked(make_plugin):
    _, plugin, backend = make_plugin(lambda _: 0.0)
    for _ in range(3):
        plugin.validate("EURUSD", Action.BUY, 0.7)
    assert [r.sequence for r in backend.entries] == [0, 1, 2]


def moving(action):
    return lambda request: 1.0 if request.kind is QuestionKind.ENTRY else action


def test_move_to_break_even_moves_the_stop_to_the_entry(make_plugin):
    algorithm, plugin, backend = entered(make_plugin, moving(Action.MOVE_TO_BE))
    for _ in range(5):
        algorithm.bar(1.3010, 1.3020, 1.3015)
        algorithm.finish()
    bracket = plugin.desk.ledger.brackets.brackets["EURUSD 8G"]
    assert bracket.managed.at_break_even
    assert bracket.stop_ticket.stop == pytest.approx(1.3002)
    algorithm.bar(1.2990, 1.3015, 1.3012)
    algorithm.finish()
    (realised,) = outcomes(backend, OutcomeKind.REALISED)
    assert realised.exit_reason is ExitReason.BREAK_EVEN
    assert realised.r_multiple == pytest.approx(0.0, abs=1e-9)


def test_a_stop_that_the_last_bar_has_crossed_is_replaced_so_that_it_works_from_the_next_bar(make_plugin):
    algorithm, _, backend = entered(make_plugin, moving(Action.MOVE_TO_BE))
    for _ in range(5):
        algorithm.bar(1.2999, 1.3020, 1.3015)  # its low lies below the entry at 1.3002
        algorithm.finish()
    assert algorithm.portfolio["EURUSD"].quantity == 10_000
    stops = [t for t in algorithm.tickets.values() if t.order_type == 2]
    assert [t.status for t in stops] == [5, 1]
    algorithm.bar(1.2990, 1.3015, 1.3012)
    algorithm.finish()
    (realised,), (replayed,) = outcomes(backend, OutcomeKind.REALISED), outcomes(backend, OutcomeKind.REPLAY)
    assert realised.r_multiple == pytest.approx(replayed.r_multiple, abs=1e-9)


def test_trailing_follows_by_stop_updates_and_can_be_switched_off(make_plugin):
    algorithm, plugin, backend = entered(make_plugin, moving(Action.ENABLE_TRAIL))
    for n in range(5):
        algorithm.bar(1.3005 + n * 1e-4, 1.3012 + n * 1e-4, 1.3010 + n * 1e-4)
        algorithm.finish()
    bracket = plugin.desk.ledger.brackets.brackets["EURUSD 8G"]
    assert bracket.managed.trailing
    before = bracket.stop_ticket.stop
    backend.answer = moving(Action.HOLD)
    algorithm.bar(1.3014, 1.3025, 1.3024)
    algorithm.finish()
    assert bracket.stop_ticket.stop > before
    backend.answer = moving(Action.DISABLE_TRAIL)
    for _ in range(5):
        algorithm.bar(1.3022, 1.3026, 1.3024)
        algorithm.finish()
    assert not bracket.managed.trailing
    frozen = bracket.stop_ticket.stop
    backend.answer = moving(Action.HOLD)
    algorithm.bar(1.3024, 1.3029, 1.3028)
    algorithm.finish()
    assert bracket.stop_ticket.stop == frozen


def test_sell_on_a_long_position_closes_and_never_reverses(make_plugin):
    algorithm, _, backend = entered(make_plugin, moving(Action.SELL))
    for _ in range(6):
        algorithm.bar(1.2995, 1.3005, 1.3)
        algorithm.finish()
    assert algorithm.portfolio["EURUSD"].quantity == 0
    (realised,) = outcomes(backend, OutcomeKind.REALISED)
    assert realised.exit_reason is ExitReason.SIGNAL


def test_every_legal_action_of_a_position_question_is_replayed(make_plugin):
    algorithm, _, backend = entered(make_plugin)
    for _ in range(6):
        algorithm.bar(1.3008, 1.3012, 1.3010)
        algorithm.finish()
    algorithm.bar(1.2970, 1.3010, 1.2995)
    algorithm.finish()
    question = next(r for r in backend.requests if r.kind is QuestionKind.POSITION)
    answers = {o.action: o for o in backend.outcomes if o.decision_id == question.decision_id}
    assert set(answers) == set(question.legal)
    assert answers[Action.MOVE_TO_BE].r_multiple > answers[Action.HOLD].r_multiple
    assert [action for action, outcome in answers.items() if outcome.taken] == [Action.HOLD]


def test_a_failing_validator_holds_the_position_and_its_stop(make_plugin):
    def broken(request):
        if request.kind is QuestionKind.POSITION:
            raise RuntimeError("gone")
        return 1.0

    algorithm, plugin, _ = entered(make_plugin, broken)
    for _ in range(6):
        algorithm.bar(1.2995, 1.3005, 1.3)
        algorithm.finish()
    assert algorithm.portfolio["EURUSD"].quantity == 10_000
    assert plugin.desk.ledger.brackets.brackets["EURUSD 8G"].stop_ticket.status == 1


def test_a_refused_stop_order_closes_the_position(make_plugin):
    algorithm, plugin, _ = make_plugin()
    algorithm.refuse = {2}
    plugin.enter(plugin.validate("EURUSD", Action.BUY, 0.7), 10_000)
    algorithm.finish()
    assert algorithm.portfolio["EURUSD"].quantity == 0
    assert plugin.on_end()["refused_stops"] == 1


def test_a_vetoed_decision_cannot_be_entered(make_plugin):
    _, plugin, _ = make_plugin(lambda _: 0.0)
    with pytest.raises(DataError, match="veto"):
        plugin.enter(plugin.validate("EURUSD", Action.BUY, 0.7), 10_000)


def test_an_adjusted_decision_is_entered_at_its_size(make_plugin):
    algorithm, plugin, _ = make_plugin(lambda _: 0.5)
    plugin.enter(plugin.validate("EURUSD", Action.SELL, 0.7), 10_000)
    assert algorithm.portfolio["EURUSD"].quantity == -5_000


def test_partial_exits_by_hand_shrink_the_protective_orders(make_plugin):
    algorithm, _, _ = entered(make_plugin)
    algorithm.market_order(algorithm.symbol, -4_000)
    algorithm.finish()
    _, stop, target, _ = algorithm.tickets.values()
    assert (stop.quantity, target.quantity) == (-6_000, -6_000)


def test_an_outcome_is_recorded_exactly_once(make_plugin, tmp_path):
    algorithm, plugin, _ = entered(make_plugin)
    algorithm.bar(1.2970, 1.3010, 1.2975)
    algorithm.finish()
    for ticket in algorithm.tickets.values():
        for event in ticket.order_events:
            plugin.on_order_event(event)  # LEAN, or a careless user, forwards twice
    plugin.on_end()
    plugin.on_end()
    keys = [(r["decision_id"], r["action"], r["outcome_kind"]) for r in rows(tmp_path, "outcome")]
    assert len(keys) == len(set(keys)) == 3


def test_end_of_run_cuts_open_replays_and_says_so(make_plugin):
    algorithm, plugin, backend = make_plugin(lambda _: 0.0)
    plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm.bar(1.2995, 1.3005, 1.3)
    plugin.on_end()
    (shadow,) = outcomes(backend, OutcomeKind.SHADOW)
    assert shadow.exit_reason is ExitReason.END_OF_DATA
    assert backend.closed


def test_what_was_counted_lies_in_the_run_folder(make_plugin, tmp_path):
    algorithm, plugin, _ = entered(make_plugin)
    algorithm.bar(1.2970, 1.3010, 1.2975)
    report = plugin.on_end()
    assert json.loads((tmp_path / "run" / "lean_side.json").read_text()) == report
    assert report["executed"] == report["outcomes_realised"] == 1


def test_mode_none_approves_everything_and_still_records(lean, tmp_path):
    from llm_plugin.lean import LLMPlugin

    algorithm = fakes.FakeAlgorithm({"llm-run-dir": str(tmp_path / "run")})
    algorithm.history_bars = fakes.flat_history()
    plugin = LLMPlugin(algorithm, {"validator": {"mode": "none"}})
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    assert (decision.approved, decision.source, decision.size_multiplier) == (True, Source.RULE, 1.0)
    plugin.on_end()
    assert [row["kind"] for row in rows(tmp_path)] == ["decision", "outcome", "outcome"]


def test_a_barrier_in_closed_hours_is_put_off_until_the_exchange_is_open(make_plugin):
    algorithm, plugin, _ = make_plugin()
    algorithm.securities["EURUSD"].exchange.hours.is_open = lambda local, extended: local.hour not in (9, 10)
    plan = plugin.exit_plan(plugin.validate("EURUSD", Action.BUY, 0.7))
    assert plan.timeout == timedelta(hours=50)  # 09:00 in New York, 48 hours after 09:00


def test_a_closed_exchange_leaves_the_stop_working(make_plugin):
    algorithm, plugin, _ = entered(make_plugin)
    exchange = algorithm.securities["EURUSD"].exchange
    for n in range(49):
        exchange.exchange_open = n < 40
        algorithm.bar(1.2995, 1.3005, 1.3)
        algorithm.finish()
    assert plugin.desk.ledger.brackets.brackets["EURUSD 8G"].stop_ticket.status == 1
    exchange.exchange_open = True
    algorithm.bar(1.2995, 1.3005, 1.3)
    algorithm.finish()
    assert algorithm.portfolio["EURUSD"].quantity == 0


def test_an_outcome_that_cannot_be_stored_does_not_stop_the_algorithm(make_plugin, tmp_path):
    from llm_plugin.errors import RetryableError

    def refuse(outcome):
        raise RetryableError("the store is away")

    algorithm, plugin, backend = make_plugin(lambda _: 0.0)
    backend.record_outcome = refuse
    plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm.bar(1.2970, 1.3010, 1.2990)
    assert plugin.desk.counts["backend_errors"] == 2
    assert "the store is away" in algorithm.messages[0]
    assert len(rows(tmp_path, "outcome")) == 2


def test_what_has_to_be_fixed_stops_the_run(make_plugin):
    from llm_plugin.errors import LookaheadError

    def ahead(_):
        raise LookaheadError("the model knows this period")

    with pytest.raises(LookaheadError, match="knows this period"):
        make_plugin(ahead)[1].validate("EURUSD", Action.BUY, 0.7)
