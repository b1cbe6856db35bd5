"""The pipeline: verdicts, order of the steps, sources, and what is stored."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from conftest_validator import Make, Script, one, taking
from questions import FEATURES, question, result

from llm_plugin.domain import Action, DecisionBackend, PositionState, QuestionKind, Source, Verdict
from llm_plugin.errors import ConfigError, DataError, ModelError
from llm_plugin.hashing import decisions_hash
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.reasoning import Calibrator, FakeModel
from llm_plugin.settings import resolve
from llm_plugin.validator import Validator

HOLD, BUY, SELL = Action.HOLD, Action.BUY, Action.SELL


def test_it_is_a_decision_backend(make: Make) -> None:
    assert isinstance(make(), DecisionBackend)


def test_a_sure_model_approves_an_unsure_one_adjusts_a_contrary_one_vetoes(make: Make) -> None:
    approve, veto = make(model=taking(0.9)), make(model=taking(0.1), run_id="b")
    adjust = make(model=taking(0.51), run_id="c")
    first = approve.validate(question(confidence=0.7))
    assert (first.verdict, first.action, first.size_multiplier, first.source) == (Verdict.APPROVE, BUY, 1.0, Source.LLM)
    second = veto.validate(question(confidence=0.6, run_id="b"))
    assert (second.verdict, second.action, second.size_multiplier) == (Verdict.VETO, HOLD, 0.0)
    assert not second.approved
    assert second.quantity(1000) == 0
    third = adjust.validate(question(confidence=0.53, run_id="c"))
    assert (third.verdict, third.action, third.size_multiplier) == (Verdict.ADJUST, BUY, 0.75)
    assert third.approved


def test_a_decision_records_both_sides(make: Make) -> None:
    decision = make(model=taking(0.2)).validate(question(confidence=0.6))
    assert (decision.signal_action, decision.signal_confidence) == (BUY, 0.6)
    assert (decision.llm_action, decision.llm_confidence) == (HOLD, pytest.approx(0.8))
    assert decision.action_probabilities == pytest.approx({"BUY": 0.2, "HOLD": 0.8})
    assert (decision.fusion_rule, decision.model_version) == ("llm_confident", "fake@1")
    assert decision.action_mass == pytest.approx(1.0)
    assert decision.latency_seconds > 0
    assert len(decision.prompt_hash) == 64


def test_a_validation_that_is_constant_is_told_from_one_that_judges(make: Make) -> None:
    """Planted offender: answers that do not depend on the question. The clean twin's follow the market."""

    def rule(prompt: Any, legal: Any) -> Any:
        share = 0.9 if "VOL=-1" in prompt.suffix else 0.1
        return {a: share if a.side else 1 - share for a in legal}

    def verdicts(validator: Validator, run_id: str) -> set[Verdict]:
        regimes = (-1.0, 0.0, 1.0)
        asked = [
            question(h, features={**FEATURES, "volatility_regime": r}, run_id=run_id) for h, r in enumerate(regimes)
        ]
        return {validator.validate(request).verdict for request in asked}

    assert len(verdicts(make(model=taking(0.9)), "run")) == 1
    assert len(verdicts(make(model=FakeModel(rule), run_id="clean"), "clean")) == 2


def test_what_is_stored_is_what_was_decided(make: Make, store: OutcomeStore) -> None:
    """Planted offender: a log that writes APPROVE whatever was decided, and leaves vetoes out."""

    def long_only(prompt: Any, legal: Any) -> Any:
        share = 0.95 if "SIG=BUY" in prompt.suffix else 0.05
        return {a: share if a.side else 1 - share for a in legal}

    validator = make(model=FakeModel(long_only))
    asked = [question(hour, BUY if hour % 2 else SELL) for hour in range(6)]
    decisions = [validator.validate(request) for request in asked]
    stored = [row.decision for row in store.decisions("run")]
    assert stored == decisions
    assert {decision.verdict for decision in stored} == {Verdict.APPROVE, Verdict.VETO}
    assert decisions_hash(stored) == decisions_hash(decisions)
    offender = [Verdict.APPROVE for decision in decisions if decision.approved]
    assert offender != [decision.verdict for decision in decisions]


def test_the_stored_prompt_is_the_one_that_was_asked(make: Make, store: OutcomeStore) -> None:
    """Planted offender: pairing each decision with the prompt of its neighbour."""
    model = taking(0.9)
    validator = make(model=model)
    decisions = [
        validator.validate(question(hour, features={**FEATURES, "rsi_14": 30.0 + 5 * hour})) for hour in range(4)
    ]
    rows = list(store.decisions("run"))
    assert [row.prompt_text for row in rows] == [prompt.prefix + prompt.suffix for prompt in model.seen]
    assert [row.decision.prompt_hash for row in rows] == [prompt.hash for prompt in model.seen]
    assert all(f"RSI={30 + 5 * i}" in (row.prompt_text or "") for i, row in enumerate(rows))
    neighbours = [rows[i - 1].prompt_text for i in range(len(rows))]
    assert neighbours != [row.prompt_text for row in rows]
    assert [row.request.decision_id for row in rows] == [decision.decision_id for decision in decisions]


def test_an_identical_question_is_answered_from_the_cache(make: Make) -> None:
    model = taking(0.9)
    validator = make(model=model)
    first, second = validator.validate(question(0)), validator.validate(question(0, sequence=1))
    assert (first.source, second.source) == (Source.LLM, Source.CACHE)
    assert model.calls == 1
    assert decisions_hash([first]) == decisions_hash([second])
    assert make("reasoning.cache_size=0", run_id="b").validate(question(0, run_id="b")).source is Source.LLM


def test_a_tie_is_hold(make: Make) -> None:
    assert make("fusion.strategy=llm", model=taking(0.5)).validate(question()).verdict is Verdict.VETO
    wide = make("fusion.strategy=llm", "reasoning.tie_tolerance=0.1", model=taking(0.51), run_id="b")
    assert wide.validate(question(run_id="b")).verdict is Verdict.VETO


def test_a_calibrator_gives_the_confidence(make: Make) -> None:
    calibrator = Calibrator("platt", slope=0.0, offset=0.0)
    decision = make(model=taking(0.9, calibrator=calibrator)).validate(question())
    assert decision.confidence == 0.5
    assert decision.llm_confidence == 0.5


def test_risk_comes_before_the_model(make: Make) -> None:
    model = taking(0.9)
    decision = make(model=model).validate(question(equity=1.0))
    assert (decision.source, decision.verdict, decision.risk_rule) == (Source.RISK, Verdict.VETO, "drawdown_buffer")
    assert "drawdown buffer is left" in decision.reason
    assert model.calls == 0


def test_losses_block_and_trading_resumes(make: Make) -> None:
    validator = make("risk.cooldown_bars=5")
    for hour in range(3):
        request = question(hour)
        validator.validate(request)
        validator.record_outcome(result(request, -1.0, 0.5))
    answers = [validator.validate(question(hour)) for hour in range(4, 12)]
    assert [answer.risk_rule for answer in answers] == ["consecutive_losses"] * 5 + [""] * 3
    assert validator.health()["risk_vetoes"] == {"consecutive_losses": 5}


def test_features_that_warm_up_are_no_ground_for_a_question(make: Make) -> None:
    model = taking(0.9)
    decision = make(model=model).validate(question(ready=False))
    assert (decision.source, decision.verdict) == (Source.WARMING, Verdict.VETO)
    follow = make("validator.on_failure=follow_signal", model=model, run_id="b")
    assert follow.validate(question(ready=False, run_id="b")).verdict is Verdict.APPROVE
    assert follow.validate(question(1, ready=False, run_id="b", equity=1.0)).source is Source.RISK
    assert model.calls == 0


def test_an_exit_that_the_signal_wants_is_never_held_back(make: Make) -> None:
    model = taking(0.001)
    request = question(
        0, SELL, kind=QuestionKind.POSITION, legal=(HOLD, SELL), position=PositionState(1000, 1.38), equity=1.0
    )
    decision = make(model=model).validate(request)
    assert (decision.action, decision.approved, decision.source) == (SELL, True, Source.RULE)
    assert decision.quantity(1000) == 1000
    assert model.calls == 0


def test_a_position_question_gets_one_of_its_legal_actions(make: Make) -> None:
    model = FakeModel(lambda prompt, legal: {a: 9.0 if a is Action.MOVE_TO_BE else 0.5 for a in legal})
    legal = (HOLD, SELL, Action.MOVE_TO_BE)
    request = question(
        0, HOLD, confidence=0.5, kind=QuestionKind.POSITION, legal=legal, position=PositionState(1000, 1.36)
    )
    decision = make(model=model).validate(request)
    assert (decision.action, decision.verdict, decision.size_multiplier) == (Action.MOVE_TO_BE, Verdict.APPROVE, 1.0)


def test_the_same_question_gets_the_same_answer_and_is_stored_once(make: Make, store: OutcomeStore) -> None:
    model = Script(one(), one(probabilities={BUY: 0.1, HOLD: 0.9}, log_probabilities={BUY: -2.3, HOLD: -0.1}))
    validator = make("reasoning.cache_size=0", model=model)
    assert validator.validate(question()) == validator.validate(question())
    assert len(list(store.decisions("run"))) == 1


def test_questions_and_outcomes_of_another_run_are_refused(make: Make) -> None:
    validator = make()
    with pytest.raises(DataError, match="is of run other, this is run"):
        validator.validate(question(run_id="other"))
    with pytest.raises(DataError, match="is of run other, this is run"):
        validator.record_outcome(result(question(run_id="other"), 1.0))
    with pytest.raises(DataError, match="its outcome belongs to nothing"):
        validator.record_outcome(result(question(), 1.0))


@pytest.mark.parametrize(
    "overrides",
    [
        ("memory.k=1",),
        ("session.enabled=false",),
        ("prompts.style=full",),
        ("fusion.strategy=regime",),
        ("reasoning.mode=every_n",),
    ],
)
def test_settings_reach_the_prompt_or_the_decision(make: Make, overrides: tuple[str, ...]) -> None:
    def decide(*changes: str, run_id: str) -> list[Any]:
        model = FakeModel()
        validator = make(*changes, model=model, run_id=run_id)
        answers = []
        for hour in range(0, 40, 2):
            request = question(hour, run_id=run_id, features={**FEATURES, "rsi_14": 30.0 + hour, "adx_14": 10.0 + hour})
            answers.append(validator.validate(request))
            validator.record_outcome(result(request, 1.0 if hour % 4 else -0.5, 1))
        return [(a.source, a.fusion_rule, p.suffix) for a, p in zip(answers, model.seen, strict=False)]

    assert decide(run_id="plain") != decide(*overrides, run_id="changed")


@pytest.mark.parametrize("key", ["log_llm_queries", "log_decision_fusion", "log_risk_veto", "log_latency"])
def test_each_logging_switch_logs_its_event(make: Make, caplog: pytest.LogCaptureFixture, key: str) -> None:
    event = {"log_llm_queries": "llm_query", "log_decision_fusion": "fusion", "log_risk_veto": "risk_veto"}
    wanted = f'"event": "{event.get(key, "latency")}"'

    def logged(run_id: str, *overrides: str) -> str:
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "llm_plugin"):
            validator = make("logging.log_risk_veto=false", *overrides, run_id=run_id)
            validator.validate(question(0, run_id=run_id))
            validator.validate(question(1, run_id=run_id, equity=1.0))
        return caplog.text

    assert wanted not in logged("off")
    assert wanted in logged("on", f"logging.{key}=true")
    assert wanted in logged("verbose", "development.verbose_logging=true")


def test_reasons_are_written_afterwards_and_change_no_hash(make: Make, store: OutcomeStore) -> None:
    validator = make()
    decisions = [validator.validate(question(hour)) for hour in range(3)]
    validator.validate(question(5, equity=1.0))
    assert validator.write_reasons() == 3
    assert validator.write_reasons() == 0
    rows = [row.decision for row in store.decisions("run")]
    assert all(row.reason.startswith("fake reason for BUY") for row in rows[:3])
    assert "drawdown" in rows[3].reason
    assert decisions_hash(rows[:3]) == decisions_hash(decisions)


def test_modes_of_other_back_ends_are_refused(make: Make) -> None:
    for mode in ("service", "record"):
        with pytest.raises(ConfigError, match=f"validator.mode = '{mode}'"):
            make(f"validator.mode={mode}", "validator.url=http://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"fusion\.strategy = 'magic'"):
        make("fusion.strategy=magic")


def test_a_missing_model_is_named_with_its_remedy(store: OutcomeStore) -> None:
    settings = resolve(env={}).settings
    with pytest.raises(ModelError, match="lean-llm model bootstrap"):
        Validator.from_settings(settings, "run", store=store)


def test_without_a_given_store_one_is_opened_in_the_run_folder(tmp_path: Any) -> None:
    overrides = ["memory.backend=none", "signals.kind=none"]
    settings = resolve(overrides=overrides, env={})
    validator = Validator.from_settings(settings, "run", model=taking(0.9), run_folder=tmp_path / "out")
    validator.validate(question())
    assert validator.signal(question().market) is None
    validator.close()
    validator.close()
    with OutcomeStore(f"sqlite:///{tmp_path / 'out' / 'store.sqlite'}") as store:
        assert len(list(store.decisions("run"))) == 1
