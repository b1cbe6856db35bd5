"""Failures: the source says so, the verdict follows on_failure, exits go through, nothing is approved silently."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from conftest_validator import Make, Script, one, taking
from questions import question, result

from llm_plugin.domain import Action, Decision, DecisionRequest, PositionState, QuestionKind, Signal, Source, Verdict
from llm_plugin.errors import BackendUnavailable, StoreUnavailable
from llm_plugin.fusion import register_fusion, unregister_fusion
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.reasoning import FakeModel
from llm_plugin.validator import Validator

BUY, HOLD = Action.BUY, Action.HOLD
RUBBISH = {
    "nothing": [],
    "two-answers": one() * 2,
    "no-list": None,
    "text": ["BUY | 0.9 | sure"],
    "nan-score": one(log_probabilities={BUY: math.nan, HOLD: -1.0}),
    "infinite-score": one(log_probabilities={BUY: math.inf, HOLD: -1.0}),
    "positive-log-probability": one(log_probabilities={BUY: 3.0, HOLD: -1.0}),
    "illegal-action": one(log_probabilities={Action.SELL: -0.1, HOLD: -1.0}),
    "missing-action": one(log_probabilities={BUY: -0.1}, probabilities={BUY: 1.0}),
    "share-above-one": one(probabilities={BUY: 1.5, HOLD: -0.5}),
    "shares-that-do-not-sum": one(probabilities={BUY: 0.9, HOLD: 0.9}),
    "impossible-calibration": one(profit_probability=1.7),
}
CAUSES = {
    "raises": RuntimeError("CUDA out of memory"),
    "unavailable": BackendUnavailable("no answer"),
    "not-implemented": NotImplementedError("scores"),
}


def fails(make: Make, model: Any, *overrides: str, run_id: str = "run") -> Validator:
    return make("validator.timeout_seconds=0.2", *overrides, model=model, run_id=run_id)


@pytest.mark.parametrize("answer", [*CAUSES.values(), *RUBBISH.values()], ids=[*CAUSES, *RUBBISH])
def test_a_failing_or_raving_model_vetoes_entries_and_says_so(make: Make, answer: Any) -> None:
    validator = fails(make, Script(answer))
    decision = validator.validate(question())
    assert (decision.source, decision.verdict, decision.action) == (Source.FALLBACK, Verdict.VETO, HOLD)
    assert decision.reason
    assert decision.model_version == ""
    assert sum(validator.health()["failures"].values()) == 1


@pytest.mark.parametrize("answer", [CAUSES["raises"], RUBBISH["nan-score"]], ids=["raises", "rubbish"])
def test_following_the_signal_is_the_users_choice_and_recorded_as_fallback(make: Make, answer: Any) -> None:
    decision = fails(make, Script(answer), "validator.on_failure=follow_signal").validate(question())
    assert (decision.source, decision.verdict, decision.confidence) == (Source.FALLBACK, Verdict.APPROVE, 0.6)


def test_a_hook_that_approves_when_its_code_raises_is_told_from_this_one(make: Make) -> None:
    """Planted offender: `except: return approved`."""

    def hopeful(model: Any, request: DecisionRequest) -> str:
        try:
            return str(model.score([request], [request.legal])[0].action)
        except RuntimeError:
            return "approve"

    model = FakeModel(error=RuntimeError("boom"))
    assert hopeful(model, question()) == "approve"
    assert fails(make, model).validate(question()).verdict is Verdict.VETO


def test_a_hanging_model_costs_one_wait_and_is_used_again_when_it_is_back(make: Make) -> None:
    back = threading.Event()

    def rule(prompt: Any, legal: Any) -> Any:
        back.wait(20)
        return {a: 0.9 if a.side else 0.1 for a in legal}

    validator = fails(make, FakeModel(rule))
    started = time.monotonic()
    first = validator.validate(question(0))
    waited = time.monotonic() - started
    others = [validator.validate(question(hour)) for hour in range(1, 21)]
    assert waited >= 0.2
    assert time.monotonic() - started < 4.0  # a wait for each of them would be longer
    assert {decision.source for decision in (first, *others)} == {Source.FALLBACK}
    assert "did not answer within 0.2 s" in first.reason
    assert all("still hangs" in decision.reason for decision in others)
    back.set()
    sources = (validator.validate(question(hour)).source for hour in later(range(21, 400)))
    assert Source.LLM in sources


def later(hours: Iterable[int]) -> Iterator[int]:
    """Give one after the other, with a moment between them."""
    for hour in hours:
        time.sleep(0.05)
        yield hour


def test_a_late_answer_reaches_no_other_question(make: Make) -> None:
    back = threading.Event()

    def rule(prompt: Any, legal: Any) -> Any:
        late = "HOUR=0" in prompt.suffix
        if late:
            back.wait(20)
        return {a: 0.95 if late == bool(a.side) else 0.05 for a in legal}

    validator = fails(make, FakeModel(rule))
    assert validator.validate(question(0)).source is Source.FALLBACK
    back.set()
    decisions = (validator.validate(question(hour)) for hour in later(range(1, 20)))
    decision = next(decision for decision in decisions if decision.source is not Source.FALLBACK)
    assert (decision.source, decision.verdict) == (Source.LLM, Verdict.VETO)


@pytest.mark.parametrize("on_failure", ["veto_entries", "follow_signal"])
def test_exits_go_through_whatever_fails(make: Make, on_failure: str) -> None:
    validator = fails(make, Script(RuntimeError("dead")), f"validator.on_failure={on_failure}")
    position = PositionState(1000, 1.36)
    close = question(
        0, Action.SELL, kind=QuestionKind.POSITION, legal=(HOLD, Action.SELL), position=position, equity=1.0
    )
    assert validator.validate(close).action is Action.SELL
    keep = question(1, HOLD, kind=QuestionKind.POSITION, legal=(HOLD, Action.SELL), position=position)
    kept = validator.validate(keep)
    assert (kept.action, kept.source) == (HOLD, Source.FALLBACK)


def test_a_failure_never_passes_a_risk_rule(make: Make) -> None:
    validator = fails(make, Script(RuntimeError("dead")), "validator.on_failure=follow_signal")
    assert validator.validate(question(equity=1.0)).source is Source.RISK


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"confidence": math.nan}, "signal confidence nan"),
        ({"confidence": 1.2}, "signal confidence 1.2"),
        ({"legal": (Action.SELL, HOLD)}, "signal BUY is not among the legal actions"),
        ({"resolution": "fortnight"}, "resolution 'fortnight' is unknown"),
    ],
)
def test_an_impossible_question_is_no_approval_even_where_signals_are_followed(
    make: Make, change: dict[str, Any], reason: str
) -> None:
    validator = make("validator.on_failure=follow_signal", "risk.max_drawdown_fraction=0.2")
    decision = validator.validate(question(equity=1.0, **change))
    assert (decision.source, decision.verdict) == (Source.FALLBACK, Verdict.VETO)
    assert reason in decision.reason


def test_a_fusion_rule_that_raises_ends_in_on_failure(make: Make) -> None:
    def broken(inputs: Any, settings: Any) -> Any:
        raise ZeroDivisionError("no weights")

    register_fusion("broken", broken)
    try:
        decision = make("fusion.strategy=broken").validate(question())
    finally:
        unregister_fusion("broken")
    assert (decision.source, decision.verdict) == (Source.FALLBACK, Verdict.VETO)
    assert decision.reason == "ZeroDivisionError: no weights"


# The store


class Fragile:
    """An outcome store whose writes fail on demand."""

    def __init__(self, store: OutcomeStore) -> None:
        self.store = store
        self.down = False

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.store, name)
        if not callable(value):
            return value

        def call(*args: Any, **options: Any) -> Any:
            if self.down:
                raise StoreUnavailable("database or disk is full")
            return value(*args, **options)

        return call


def test_no_entry_is_approved_that_could_not_be_stored(make: Make, store: OutcomeStore) -> None:
    fragile = Fragile(store)
    validator = make(store=fragile)
    first = question(0)
    assert validator.validate(first).approved
    fragile.down = True
    blocked = validator.validate(question(1))
    assert (blocked.source, blocked.verdict) == (Source.FALLBACK, Verdict.VETO)
    assert "disk is full" in blocked.reason
    exit_ = question(
        2, Action.SELL, kind=QuestionKind.POSITION, legal=(HOLD, Action.SELL), position=PositionState(9, 1.3)
    )
    assert validator.validate(exit_).action is Action.SELL
    validator.record_outcome(result(first, 1.0, 2.5))
    validator.record_outcome(result(first, 1.0, 2.5))
    assert validator.health()["store_backlog"] == 3
    fragile.down = False
    assert validator.validate(question(4)).approved
    assert validator.health()["store_backlog"] == 0
    stored = {row.request.decision_id: row.decision for row in store.decisions("run")}
    assert len(stored) == 4
    assert stored[blocked.decision_id] == blocked
    assert [outcome.decision_id for outcome in store.outcomes("run")] == [first.decision_id]


def test_what_could_not_be_written_is_reported_at_the_end(make: Make, store: OutcomeStore) -> None:
    fragile = Fragile(store)
    validator = make(store=fragile)
    fragile.down = True
    validator.validate(question())
    with pytest.raises(StoreUnavailable, match="disk is full"):
        validator.close()


def test_a_signal_source_is_loaded_when_it_is_asked(make: Make) -> None:
    class Source_:
        def signal(self, market: Any) -> Signal:
            return Signal(market.symbol_id, market.ticker, market.time_utc, BUY, 0.6, "mine")

    market = question().market
    answer = make(signal_source=Source_()).signal(market)
    assert answer is not None
    assert (answer.action, answer.source) == (BUY, "mine")
    assert make(run_id="b").signal(market) is None


def test_every_answer_is_a_decision_about_its_own_question(make: Make) -> None:
    for number, model in enumerate((taking(0.9), Script(RuntimeError("x")))):
        request = question(run_id=f"r{number}", lot_size=0.01)
        decision = make(model=model, run_id=f"r{number}").validate(request)
        assert isinstance(decision, Decision)
        assert decision.decision_id == request.decision_id
        assert decision.time_utc == request.market.time_utc
        assert decision.lot_size == 0.01
