"""Shadow trades, replay twins and position questions, symbol by symbol."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from llm_plugin.domain import (
    Action,
    Decision,
    DecisionRequest,
    ExitPlan,
    ExitReason,
    OutcomeKind,
    PriceBar,
    QuestionKind,
    Verdict,
)
from llm_plugin.errors import DataError
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.outcomes.tracker import ReplayTracker

Make = Callable[..., tuple[DecisionRequest, Decision]]
SYMBOL = "EURUSD 8G"
HOUR = timedelta(hours=1)


def bar(request: DecisionRequest, hour: int, high: float, low: float, close: float) -> PriceBar:
    """The bar that starts `hour` hours after a decision."""
    start = request.signal.time_utc + hour * HOUR
    return PriceBar(start, start + HOUR, 1.2, high, low, close, 1.2, high, low, close)


def test_veto_becomes_a_shadow_with_the_same_result_as_the_twin_of_an_approval(make_decision: Make) -> None:
    results = {}
    for verdict in (Verdict.VETO, Verdict.APPROVE):
        request, decision = make_decision(verdict=verdict)
        tracker = ReplayTracker()
        tracker.follow(request, decision, quantity=1000)
        assert tracker.update(SYMBOL, bar(request, 0, 1.205, 1.195, 1.2)) == []
        results[verdict] = tracker.update(SYMBOL, bar(request, 1, 1.22, 1.195, 1.218))
        assert len(tracker) == 0
    shadow, shadow_hold = results[Verdict.VETO]
    twin, twin_hold = results[Verdict.APPROVE]
    assert (shadow.kind, shadow.taken, shadow_hold.taken) == (OutcomeKind.SHADOW, False, True)
    assert (twin.kind, twin.taken, twin_hold.taken) == (OutcomeKind.REPLAY, True, False)
    assert shadow.r_multiple == twin.r_multiple > 0
    assert shadow_hold.action is Action.HOLD
    assert shadow_hold.r_multiple == 0.0


def test_symbols_never_mix(make_decision: Make) -> None:
    tracker = ReplayTracker()
    request, decision = make_decision()
    tracker.follow(request, decision)
    tracker.follow(*make_decision(symbol_id="OTHER"))
    closed = tracker.update("OTHER", bar(request, 0, 1.3, 1.1, 1.2))
    assert {outcome.symbol_id for outcome in closed} == {"OTHER"}
    assert len(tracker) == 1
    assert tracker.update("UNKNOWN", bar(request, 0, 1.3, 1.1, 1.2)) == []


def position_question(request: DecisionRequest, decision: Decision, action: Action) -> tuple[DecisionRequest, Decision]:
    """A later question about the position that an entry opened."""
    legal = (Action.HOLD, Action.MOVE_TO_BE, Action.ENABLE_TRAIL, Action.SELL)
    asked = dataclasses.replace(request, decision_id="question", kind=QuestionKind.POSITION, legal=legal)
    answer = dataclasses.replace(decision, decision_id="question", kind=QuestionKind.POSITION, action=action)
    return asked, answer


def test_position_question_gets_an_outcome_for_every_legal_action(make_decision: Make) -> None:
    request, decision = make_decision()
    tracker = ReplayTracker()
    tracker.follow(request, decision)
    tracker.update(SYMBOL, bar(request, 0, 1.207, 1.195, 1.206))
    closed = tracker.follow_position(*position_question(request, decision, Action.MOVE_TO_BE), decision.decision_id)
    assert [outcome.action for outcome in closed] == [Action.SELL], "closing is done at once"
    closed += tracker.update(SYMBOL, bar(request, 1, 1.207, 1.185, 1.19))
    by_action = {o.action: o for o in closed if o.decision_id == "question"}
    assert set(by_action) == {Action.HOLD, Action.MOVE_TO_BE, Action.ENABLE_TRAIL, Action.SELL}
    assert [action for action, outcome in by_action.items() if outcome.taken] == [Action.MOVE_TO_BE]
    assert by_action[Action.HOLD].r_multiple < by_action[Action.MOVE_TO_BE].r_multiple
    twin = next(o for o in closed if o.decision_id == decision.decision_id and o.action is Action.BUY)
    assert twin.exit_reason is ExitReason.BREAK_EVEN, "the twin did what was decided"


def test_question_about_a_position_nobody_follows_is_refused(make_decision: Make) -> None:
    request, decision = make_decision()
    with pytest.raises(DataError, match=f"no open replay of entry {decision.decision_id}"):
        ReplayTracker().follow_position(*position_question(request, decision, Action.HOLD), decision.decision_id)


def test_entry_is_followed_once_and_needs_a_plan(make_decision: Make) -> None:
    request, decision = make_decision()
    tracker = ReplayTracker()
    tracker.follow(request, decision)
    with pytest.raises(DataError, match="followed already"):
        tracker.follow(request, decision)
    other, answer = make_decision(1)
    with pytest.raises(DataError, match="exit plan"):
        tracker.follow(dataclasses.replace(other, exit=None), answer)
    tracker.follow(dataclasses.replace(other, exit=None), answer, plan=ExitPlan(1.19))
    assert len(tracker) == 2


def test_expired_signal_leaves_at_the_market(make_decision: Make) -> None:
    request, decision = make_decision()
    tracker = ReplayTracker()
    tracker.follow(request, decision)
    tracker.update(SYMBOL, bar(request, 0, 1.206, 1.195, 1.205))
    outcome = tracker.leave(decision.decision_id)[0]
    assert (outcome.exit_reason, outcome.exit_price) == (ExitReason.SIGNAL, 1.205)
    assert tracker.leave(decision.decision_id) == []


def test_approval_that_was_never_executed_is_not_taken(make_decision: Make) -> None:
    request, decision = make_decision()
    tracker = ReplayTracker()
    tracker.follow(request, decision)
    tracker.mark_not_taken(decision.decision_id)
    outcome = tracker.update(SYMBOL, bar(request, 0, 1.3, 1.195, 1.29))[0]
    assert not outcome.taken


def test_delisting_and_the_end_of_data_close_everything(make_decision: Make) -> None:
    tracker = ReplayTracker()
    request, decision = make_decision()
    tracker.follow(request, decision)
    tracker.follow(*make_decision(symbol_id="OTHER"))
    tracker.update(SYMBOL, bar(request, 0, 1.205, 1.195, 1.2))
    delisted = tracker.delist(SYMBOL, 1.197, request.signal.time_utc + 2 * HOUR)
    assert delisted[0].exit_reason is ExitReason.DELISTED
    assert [o.exit_reason for o in tracker.finish() if o.action is not Action.HOLD] == [ExitReason.END_OF_DATA]
    assert len(tracker) == 0


def test_restart_in_the_middle_gives_the_same_outcomes(make_decision: Make) -> None:
    def run(restart: bool) -> list[object]:
        request, decision = make_decision(verdict=Verdict.VETO)
        tracker = ReplayTracker()
        tracker.follow(request, decision, quantity=500, volatility_fraction=0.004)
        out: list[object] = []
        for hour in range(60):
            if restart and hour == 7:
                saved = json.dumps(tracker.state())
                tracker = ReplayTracker()
                tracker.restore(json.loads(saved))
            tracker.rescale(SYMBOL, 1.0)
            out += tracker.update(SYMBOL, bar(request, hour, 1.205, 1.195, 1.2 + hour / 1e5))
        return out

    assert run(restart=True) == run(restart=False) != []
    with pytest.raises(DataError, match="version '9'"):
        ReplayTracker().restore({"version": "9", "trades": []})


def test_outcomes_enter_the_store_once_each(make_decision: Make, tmp_path: object) -> None:
    request, decision = make_decision(verdict=Verdict.VETO)
    tracker = ReplayTracker()
    tracker.follow(request, decision)
    closed = tracker.update(SYMBOL, bar(request, 0, 1.3, 1.195, 1.29))
    with OutcomeStore(f"{tmp_path}/store.sqlite") as store:
        store.save_decision(request, decision)
        assert [store.save_outcome(outcome) for outcome in closed] == [True, True]
        assert [store.save_outcome(outcome) for outcome in closed] == [False, False]
        assert store.open_decisions("run") == []
