"""Restart: the process dies, the brokerage goes on, and nothing is lost, doubled, or silent."""

from __future__ import annotations

import json

import lean_fakes as fakes
import pytest

from llm_plugin.domain import Action, ExitReason, OutcomeKind, QuestionKind
from llm_plugin.errors import BackendUnavailable, ConfigError, DataError
from llm_plugin.lean import LLMPlugin

CONFIG = {"validator": {"mode": "none"}}
PLAIN = {"validator": {"mode": "none"}, "fusion": {"use_selective_querying": True, "query_interval": 1000}}


@pytest.fixture
def start(lean, scripted, tmp_path):
    """Start a live process on an account; `Account` survives, the process does not."""

    def start(algorithm=None, backend=None, **options):
        algorithm = algorithm or fakes.FakeAlgorithm(live=True)
        algorithm.history_bars = algorithm.history_bars or fakes.flat_history()
        algorithm.forward = None
        algorithm.consolidators.clear()
        plugin = LLMPlugin(algorithm, PLAIN, backend=backend or scripted(), **options)
        algorithm.forward = plugin.on_order_event
        plugin.desk.hub.get(algorithm.symbol)
        plugin.desk.begin()  # the first bar, event or question: LEAN knows the holdings only then
        return algorithm, plugin, plugin.desk.backend

    return start


def enter(algorithm, plugin):
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    plugin.enter(decision, 10_000)
    algorithm.finish()
    return decision


def realised(backend):
    return [o for o in backend.outcomes if o.kind is OutcomeKind.REALISED]


def test_state_is_saved_after_each_change_and_only_where_needed(start, make_plugin):
    algorithm, plugin, _ = start()
    enter(algorithm, plugin)
    assert plugin.state.saves > 3
    state = json.loads(algorithm.object_store.read(plugin.state.key))
    assert state["brackets"]["EURUSD 8G"]["stop_order_id"] == 2
    backtest, quiet, _ = make_plugin()
    quiet.validate("EURUSD", Action.BUY, 0.7)
    assert quiet.state.saves == 0
    assert not backtest.object_store.texts


def test_an_open_position_goes_on_with_its_own_orders_after_a_restart(start):
    algorithm, plugin, _ = start()
    decision = enter(algorithm, plugin)
    algorithm, again, backend = start(algorithm)
    assert again.desk.identity.run_id == plugin.desk.identity.run_id
    assert not again.state.mismatches
    assert len(algorithm.tickets) == 3
    algorithm.bar(1.2999, 1.3060, 1.3050)
    algorithm.finish()
    (outcome,) = realised(backend)
    assert (outcome.decision_id, outcome.exit_reason) == (decision.decision_id, ExitReason.TARGET)
    assert algorithm.tickets[2].status == 5
    assert again.on_end()["replay_error_r_max"] < 1e-9


def test_kill_between_order_and_fill_adopts_the_fill(start):
    """The decision is saved, the order is sent, the process dies, the brokerage fills."""
    algorithm, plugin, _ = start()
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    plugin.desk.ledger.asked[decision.decision_id].managed = True
    plugin.desk.changed()
    algorithm.forward = None  # nobody hears the fill
    algorithm.portfolio.fill(algorithm.symbol, 10_000, 1.3002)
    algorithm, again, backend = start(algorithm)
    assert any("10000 held, 0 known" in message for message in algorithm.messages)
    (lot,) = again.desk.ledger.book("EURUSD 8G").lots
    assert lot.decision_id == decision.decision_id
    stop, target = algorithm.tickets.values()
    assert (stop.order_type, target.order_type) == (2, 1)
    algorithm.bar(1.2970, 1.3010, 1.2990)
    algorithm.finish()
    (outcome,) = realised(backend)
    assert outcome.exit_reason is ExitReason.STOP
    assert again.desk.counts["restart_mismatches"] >= 1


def test_a_vetoed_trades_shadow_goes_on_after_a_restart(start, scripted):
    algorithm, plugin, _ = start(backend=scripted(lambda _: 0.0))
    plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm, _, backend = start(algorithm)
    algorithm.bar(1.2970, 1.3010, 1.2990)
    (shadow,) = [o for o in backend.outcomes if o.kind is OutcomeKind.SHADOW]
    assert shadow.exit_reason is ExitReason.STOP


def test_protective_orders_are_found_again_without_tags_and_ids(start):
    algorithm, plugin, _ = start()
    enter(algorithm, plugin)
    for old, new in ((2, 12), (3, 13)):  # re-read from the brokerage: other ids, no tags
        ticket = algorithm.tickets.pop(old)
        ticket.order_id, ticket.tag = new, ""
        algorithm.tickets[new] = ticket
    algorithm.transactions.last_order_id = 13
    algorithm, again, _ = start(algorithm)
    bracket = again.desk.ledger.brackets.brackets["EURUSD 8G"]
    assert (bracket.stop_ticket.order_id, bracket.target_ticket.order_id) == (12, 13)
    assert not again.state.mismatches


def test_a_missing_stop_is_sent_again_and_said(start):
    algorithm, plugin, _ = start()
    enter(algorithm, plugin)
    algorithm.forward = None
    algorithm.tickets[2].cancel()
    algorithm.finish()
    algorithm, again, _ = start(algorithm)
    assert any("missing" in message for message in again.state.mismatches)
    stops = [t for t in algorithm.tickets.values() if t.order_type == 2]
    assert [t.status for t in stops] == [5, 1]


def test_a_position_closed_while_nobody_watched_is_booked_and_said(start):
    algorithm, plugin, _ = start()
    decision = enter(algorithm, plugin)
    algorithm.forward = None
    algorithm.portfolio.fill(algorithm.symbol, -10_000, 1.3030)
    algorithm, again, backend = start(algorithm)
    (outcome,) = realised(backend)
    assert outcome.decision_id == decision.decision_id
    assert "0 held, 10000 known" in again.state.mismatches[0]


@pytest.mark.parametrize(("policy", "held"), [("adopt", 5_000), ("close", 0)])
def test_an_unknown_position_follows_the_named_policy(start, policy, held):
    algorithm, _, _ = start()
    algorithm.object_store.save("llm-plugin/x", "")
    _, plugin, _ = start(algorithm)
    plugin.desk.changed()
    algorithm.forward = None
    algorithm.portfolio.fill(algorithm.symbol, 5_000, 1.3002)
    algorithm, again, _ = start(algorithm, restart_policy=policy)
    assert algorithm.portfolio["EURUSD"].quantity == held
    assert again.desk.ledger.book("EURUSD 8G").net == held
    assert f"restart ({policy}): EURUSD: 5000 held, 0 known" in algorithm.messages
    assert again.desk.ledger.brackets.double_fills == 0


def test_an_unknown_policy_is_refused(start):
    with pytest.raises(ConfigError, match="'hope'"):
        start(restart_policy="hope")


@pytest.mark.parametrize(("text", "message"), [("{", "damaged"), ('{"schema": "7"}', "'7'")])
def test_a_damaged_state_stops_the_start(start, text, message):
    algorithm, plugin, _ = start()
    algorithm.object_store.save(plugin.state.key, text)
    with pytest.raises(DataError, match=message):
        start(algorithm)


def test_session_figures_come_back(start):
    algorithm, plugin, _ = start()
    plugin.desk.account.peak_equity = 123_456.0
    enter(algorithm, plugin)
    before = dict(plugin.desk.counts)
    _, again, _ = start(algorithm)
    assert again.desk.account.peak_equity == 123_456.0
    assert {key: again.desk.counts[key] for key in before} == before


def test_position_questions_go_on_after_a_restart(lean, scripted):
    def answer(request):
        return 1.0 if request.kind is QuestionKind.ENTRY else Action.MOVE_TO_BE

    algorithm = fakes.FakeAlgorithm(live=True)
    algorithm.history_bars = fakes.flat_history()
    plugin = LLMPlugin(algorithm, CONFIG, backend=scripted(answer))
    algorithm.forward = plugin.on_order_event
    enter(algorithm, plugin)
    algorithm.consolidators.clear()
    algorithm.forward = None
    again = LLMPlugin(algorithm, CONFIG, backend=scripted(answer))
    algorithm.forward = again.on_order_event
    for _ in range(6):
        algorithm.bar(1.3008, 1.3014, 1.3012)
        algorithm.finish()
    assert again.desk.ledger.brackets.brackets["EURUSD 8G"].managed.at_break_even


def test_nothing_is_reconciled_before_lean_knows_the_holdings(start):
    """LEAN runs `initialize` first and reads holdings and orders from the brokerage afterwards."""
    algorithm, plugin, _ = start()
    enter(algorithm, plugin)
    held = algorithm.portfolio.pop("EURUSD")
    algorithm.forward = None
    algorithm.consolidators.clear()
    again = LLMPlugin(algorithm, PLAIN, backend=plugin.desk.backend)
    assert again.desk.ledger.book("EURUSD 8G").net == 10_000
    algorithm.portfolio["EURUSD"] = held
    algorithm.bar(1.2995, 1.3005, 1.3)
    assert not again.state.mismatches
    assert again.desk.ledger.brackets.brackets["EURUSD 8G"].stop_ticket.order_id == 2


def test_an_event_that_holdings_contain_already_counts_once(start):
    algorithm, plugin, _ = start()
    enter(algorithm, plugin)
    algorithm, again, _ = start(algorithm)
    for event in algorithm.tickets[1].order_events:
        again.on_order_event(event)
    assert again.desk.ledger.book("EURUSD 8G").net == 10_000


def test_without_a_saved_state_a_holding_finds_its_decision_by_the_service(start, scripted):
    """The object store is lost; the service still knows what was asked, and which of it is open."""
    algorithm, plugin, _ = start()
    older = plugin.validate("EURUSD", Action.BUY, 0.7)
    algorithm.bar(1.2999, 1.3002, 1.3)
    newer = plugin.validate("EURUSD", Action.BUY, 0.7)
    other = plugin.validate("EURUSD", Action.SELL, 0.7)
    known = [(asked.request, asked.decision) for asked in plugin.desk.ledger.asked.values()]
    assert [decision.decision_id for _, decision in known] == [d.decision_id for d in (older, newer, other)]
    run_id = plugin.desk.identity.run_id
    algorithm.object_store.texts.clear()
    algorithm.parameters["llm-run-id"] = run_id
    algorithm.portfolio.fill(algorithm.symbol, 10_000, 1.3002)
    service = scripted()
    service.open_decisions = lambda: known
    algorithm, again, backend = start(algorithm, backend=service)
    (lot,) = again.desk.ledger.book("EURUSD 8G").lots
    assert lot.decision_id == newer.decision_id
    assert any("the service knows 3 open decisions" in message for message in algorithm.messages)
    algorithm.market_order(algorithm.symbol, -10_000)
    algorithm.finish()
    assert [outcome.decision_id for outcome in realised(backend)] == [newer.decision_id]


def test_a_service_that_is_gone_does_not_stop_a_restart(start, scripted):
    algorithm, _, _ = start()
    algorithm.object_store.texts.clear()
    algorithm.portfolio.fill(algorithm.symbol, 10_000, 1.3002)
    service = scripted()

    def gone():
        raise BackendUnavailable("nobody answers")

    service.open_decisions = gone
    algorithm, again, _ = start(algorithm, backend=service)
    assert any("open decisions are not known (nobody answers)" in message for message in again.state.mismatches)
    assert any("10000 held, 0 known" in message for message in again.state.mismatches)
