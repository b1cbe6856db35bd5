"""Fusion: agreement, threshold, weights, regimes, own strategies; the mask comes before the choice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from questions import FEATURES, question

from llm_plugin.domain import Action, DecisionRequest, ExitPlan, PositionState, QuestionKind
from llm_plugin.errors import ConfigError
from llm_plugin.fusion import (
    Fused,
    FusionInput,
    Proposal,
    break_even,
    edge,
    fuse,
    fusion_names,
    register_fusion,
    size_multiplier,
    unregister_fusion,
)
from llm_plugin.reasoning import ActionScores, make_scores
from llm_plugin.session import SessionStatistics
from llm_plugin.settings import Settings, SizingSettings, resolve

BUY, SELL, HOLD = Action.BUY, Action.SELL, Action.HOLD


def scores(take: float, pays: float = math.nan, action: Action = BUY) -> ActionScores:
    made = make_scores({action: math.log(take), HOLD: math.log(1 - take)}, "model@1")
    return ActionScores(
        made.legal, made.log_probabilities, made.probabilities, made.action_mass, made.action, pays, "model@1"
    )


def run(request: DecisionRequest, answer: ActionScores, *overrides: str) -> Fused:
    settings = resolve(overrides=overrides, env={}).settings
    statistics = SessionStatistics(request.market.time_utc)
    return fuse(FusionInput(request, answer, answer.action, statistics), settings)


@pytest.fixture
def own() -> Iterator[str]:
    yield "own"
    unregister_fusion("own")


@pytest.mark.parametrize(
    ("signal", "take", "action", "rule"),
    [
        (0.60, 0.80, BUY, "agreement"),
        (0.30, 0.51, BUY, "agreement"),
        (0.60, 0.20, HOLD, "llm_confident"),
        (0.60, 0.31, BUY, "weight"),
        (0.55, 0.35, HOLD, "weight"),
        (0.75, 0.35, BUY, "signal_confident"),
        (0.75, 0.20, BUY, "weight"),
        (0.71, 0.001, HOLD, "weight"),
    ],
)
def test_agreement_then_threshold_then_weight(signal: float, take: float, action: Action, rule: str) -> None:
    fused = run(question(confidence=signal), scores(take))
    assert (fused.action, fused.rule) == (action, rule)


def test_the_weight_decides_between_the_same_two_sides() -> None:
    sides = (question(confidence=0.6), scores(0.35))
    assert run(*sides).action is BUY
    assert run(*sides, "fusion.llm_weight=0.8").action is HOLD
    assert run(*sides, "fusion.confidence_threshold=0.65").rule == "llm_confident"


@pytest.mark.parametrize(
    ("adx", "rule", "trust", "action"),
    [
        (30.0, "weight_trend", 0.2, BUY),
        (25.0, "weight_trend", 0.2, BUY),
        (22.0, "weight_neutral", 0.3, BUY),
        (15.0, "weight_range", 0.7, HOLD),
        (None, "weight_neutral", 0.3, BUY),
    ],
)
def test_the_regime_sets_the_weight(adx: float | None, rule: str, trust: float, action: Action) -> None:
    features = {} if adx is None else {**FEATURES, "adx_14": adx}
    fused = run(question(confidence=0.6, features=features), scores(0.35), "fusion.strategy=regime")
    assert (fused.rule, fused.action) == (rule, action)
    assert (fused.trust_llm, fused.trust_signal) == (pytest.approx(trust), pytest.approx(1 - trust))


def test_the_lone_strategies_follow_one_side() -> None:
    sides = (question(confidence=0.99), scores(0.45))
    assert run(*sides, "fusion.strategy=llm").action is HOLD
    assert run(*sides, "fusion.strategy=signal").action is BUY


def test_a_constant_answer_cannot_pass_for_fusion() -> None:
    """Planted offender: a validation that returns a constant gives one answer for every model."""

    def constant(*_: Any) -> Action:
        return BUY

    takes = (0.1, 0.4, 0.6, 0.9)
    assert {constant(take) for take in takes} == {BUY}
    assert {run(question(confidence=0.55), scores(take)).action for take in takes} == {BUY, HOLD}


# Sizes and confidences


@pytest.mark.parametrize(("value", "multiplier"), [(0.7, 1.0), (0.55, 1.0), (0.53, 0.75), (0.52, 0.75), (0.5, 0.5)])
def test_the_size_follows_the_probability(value: float, multiplier: float) -> None:
    assert size_multiplier(value, SizingSettings()) == multiplier
    assert size_multiplier(value, SizingSettings(enabled=False)) == 1.0


def test_a_calibrated_probability_is_the_confidence_and_sets_the_size() -> None:
    fused = run(question(), scores(0.8, pays=0.42), "fusion.break_even=false")
    assert fused.confidence == 0.42
    assert fused.multiplier == 0.5
    assert run(question(), scores(0.1, pays=0.42)).confidence == pytest.approx(0.58)


def test_size_counts_from_the_break_even_of_the_plan() -> None:
    """42 % winners are plenty at 1.5 to 1 and ruin at 0.3 to 1."""
    good = question(plan=ExitPlan(1.366, 1.378))
    bad = question(plan=ExitPlan(1.366, 1.3712))
    assert run(good, scores(0.8, pays=0.42)).multiplier == 1.0
    assert run(bad, scores(0.8, pays=0.42)).multiplier == 0.5


def test_break_even_counts_the_spread() -> None:
    plan = ExitPlan(1.366, 1.376)
    assert break_even(question(plan=plan)) == pytest.approx(0.00405 / 0.01)
    assert break_even(question(0, SELL, plan=ExitPlan(1.374, 1.364))) == pytest.approx(0.00405 / 0.01)
    assert break_even(question(plan=ExitPlan(1.366))) == 0.5
    assert break_even(question(plan=ExitPlan(1.375, 1.38))) == 0.5
    assert edge(0.4, 0.4) == pytest.approx(0.5)
    assert edge(0.6, 0.5) == 0.6


@given(st.floats(0, 1), st.floats(0.05, 0.95))
def test_edge_keeps_order_and_range(probability: float, neutral: float) -> None:
    value = edge(probability, neutral)
    assert 0 <= value <= 1
    if abs(probability - neutral) > 1e-6:
        assert (value > 0.5) == (probability > neutral)


def test_weights_can_be_taken_from_calibrated_probabilities() -> None:
    sides = (question(confidence=0.55, plan=ExitPlan(1.366, 1.378)), scores(0.9, pays=0.05))
    assert run(*sides).rule == "agreement"
    wrong = (sides[0], scores(0.1, pays=0.5))
    assert run(*wrong).rule == "llm_confident"
    assert run(*wrong, "fusion.llm_confidence=calibrated").rule == "weight"


# Mask and choice


def fused_by(own: str, support: dict[Action, float], request: DecisionRequest, settled: Action | None = None) -> Fused:
    register_fusion(own, lambda inputs, settings: Proposal(support, "mine", settled, 0.4, 0.6))
    return run(request, scores(0.6), "fusion.strategy=own")


def test_an_illegal_action_is_masked_before_the_choice(own: str) -> None:
    fused = fused_by(own, {SELL: 9.0, BUY: 0.2, HOLD: 0.1}, question())
    assert fused.action is BUY
    assert fused.masked == (SELL,)
    assert (fused.rule, fused.trust_signal, fused.trust_llm) == ("mine", 0.4, 0.6)


def test_an_illegal_settled_action_is_not_taken(own: str) -> None:
    fused = fused_by(own, {BUY: 0.1, HOLD: 0.2}, question(), settled=SELL)
    assert fused.action is HOLD
    assert fused.masked == (SELL,)


def test_without_legal_support_the_signal_stands_if_it_is_legal(own: str) -> None:
    assert fused_by(own, {SELL: 1.0}, question()).action is BUY


def test_a_tie_is_hold(own: str) -> None:
    assert fused_by(own, {BUY: 0.5, HOLD: 0.5 - 5e-5}, question()).action is HOLD


def test_support_that_is_no_number_is_an_error(own: str) -> None:
    with pytest.raises(ValueError, match=r"rule 'mine' gave support that is not finite: \{'BUY': nan\}"):
        fused_by(own, {BUY: math.nan, HOLD: 0.5}, question())


def test_names_are_unique_and_unknown_ones_are_refused(own: str) -> None:
    assert {"weighted", "regime", "llm", "signal"} <= set(fusion_names())
    with pytest.raises(ConfigError, match="'weighted' exists already"):
        register_fusion("weighted", lambda inputs, settings: Proposal({}, ""))
    with pytest.raises(ConfigError, match=r"fusion.strategy = 'wieghted': unknown \(did you mean 'weighted'\?\)"):
        run(question(), scores(0.6), "fusion.strategy=wieghted")


def test_a_position_question_weighs_the_legal_actions() -> None:
    legal = (HOLD, SELL, Action.ENABLE_TRAIL)
    position = PositionState(1000, 1.36, stop=1.35)
    request = question(0, HOLD, confidence=0.0, kind=QuestionKind.POSITION, legal=legal, position=position)
    logs = {HOLD: math.log(0.1), SELL: math.log(0.1), Action.ENABLE_TRAIL: math.log(0.8)}
    answer = make_scores(logs, "model@1")
    fused = run(request, answer)
    assert (fused.action, fused.rule) == (Action.ENABLE_TRAIL, "llm_confident")
    assert fused.confidence == pytest.approx(0.8)
    unsure = make_scores({HOLD: math.log(0.3), SELL: math.log(0.3), Action.ENABLE_TRAIL: math.log(0.4)}, "model@1")
    assert run(request, unsure).action is HOLD


@given(
    st.sampled_from(["weighted", "regime", "llm", "signal"]),
    st.floats(0, 1),
    st.floats(0.001, 0.999),
    st.one_of(st.just(math.nan), st.floats(0, 1)),
    st.booleans(),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_every_rule_gives_a_legal_action_and_numbers_in_range(
    strategy: str, signal: float, take: float, pays: float, long: bool, weight: float
) -> None:
    action = BUY if long else SELL
    overrides = [f"fusion.strategy={strategy}", f"fusion.llm_weight={weight}"]
    fused = run(question(0, action, confidence=signal), scores(take, pays, action), *overrides)
    assert fused.action in (action, HOLD)
    assert 0 <= fused.confidence <= 1
    assert fused.multiplier in ((0.0,) if fused.action is HOLD else (0.5, 0.75, 1.0))
    assert fused.trust_signal + fused.trust_llm == pytest.approx(1)


@given(st.floats(0, 1), st.floats(0.001, 0.999))
def test_long_and_short_are_fused_alike(signal: float, take: float) -> None:
    long = run(question(0, BUY, confidence=signal), scores(take, action=BUY))
    short = run(question(0, SELL, confidence=signal), scores(take, action=SELL))
    assert (long.action is HOLD) == (short.action is HOLD)
    assert (long.multiplier, long.rule) == (short.multiplier, short.rule)
    assert long.confidence == pytest.approx(short.confidence)


def test_the_settings_are_those_of_the_requirements() -> None:
    weights = Settings().fusion.regime_weights
    assert (weights.trend, weights.range, weights.neutral) == (0.2, 0.7, 0.3)
