"""Ablation arms, and mode every_n."""

from __future__ import annotations

import math
from typing import Any

import pytest
from conftest_validator import Make, taking
from hypothesis import given
from hypothesis import strategies as st
from questions import FEATURES, question

from llm_plugin.domain import Action, PositionState, QuestionKind, Source, Verdict
from llm_plugin.errors import ModelError
from llm_plugin.reasoning import FakeModel, make_scores
from llm_plugin.validator.arms import unit_draw
from llm_plugin.validator.reuse import decayed

BUY, HOLD = Action.BUY, Action.HOLD


class Label:
    """A meta-label that likes a high RSI."""

    version = "label@1"

    def probability(self, request: Any, statistics: Any = None, hits: Any = ()) -> float:
        """P(pays)."""
        return float(request.market.features["rsi_14"]) / 100

    def approve(self, request: Any, statistics: Any = None, hits: Any = ()) -> bool:
        """Above an even chance."""
        return self.probability(request) > 0.5


def test_the_control_arm_takes_every_signal_past_every_rule(make: Make) -> None:
    decision = make("validator.arm=none", model=None).validate(question(equity=1.0))
    assert (decision.verdict, decision.source, decision.size_multiplier) == (Verdict.APPROVE, Source.RULE, 1.0)
    assert make("validator.mode=none", model=None, run_id="b").validate(question(run_id="b")).approved


def test_the_risk_arm_applies_the_rules_only(make: Make) -> None:
    validator = make("validator.arm=risk", model=None)
    assert validator.validate(question()).approved
    assert validator.validate(question(1, equity=1.0)).source is Source.RISK
    assert validator.model is None


def test_the_random_arm_vetoes_at_its_rate_by_decision_and_seed(make: Make) -> None:
    def vetoes(run_id: str, rate: float, seed: int) -> list[bool]:
        overrides = (f"validator.random_veto_rate={rate}", f"validator.seed={seed}", "validator.arm=random")
        validator = make(*overrides, model=None, memory=None, run_id=run_id)
        requests = [question(hour, run_id="same") for hour in range(300)]
        validator.run_id = "same"
        return [not validator.validate(request).approved for request in requests]

    first, again, other = vetoes("a", 0.3, 0), vetoes("b", 0.3, 0), vetoes("c", 0.3, 1)
    assert first == again
    assert first != other
    assert 0.22 < sum(first) / 300 < 0.38
    assert not any(vetoes("d", 0.0, 0))
    assert all(vetoes("e", 1.0, 0))


@given(st.integers(0, 9), st.text(max_size=40))
def test_draws_lie_in_the_unit_interval(seed: int, name: str) -> None:
    assert 0 <= unit_draw(seed, name) < 1


def test_the_tabular_arm_sees_the_same_and_decides_by_its_model(make: Make) -> None:
    validator = make("validator.arm=tabular", model=None, meta_label=Label())
    good = validator.validate(question(0))
    bad = validator.validate(question(1, features={**FEATURES, "rsi_14": 30.0}))
    assert (good.verdict, good.confidence, good.model_version) == (Verdict.APPROVE, 0.66, "label@1")
    assert (bad.verdict, bad.confidence) == (Verdict.VETO, 0.7)
    assert validator.validate(question(2, equity=1.0)).source is Source.RISK


def test_a_broken_meta_label_is_a_fallback(make: Make) -> None:
    validator = make("validator.arm=tabular", model=None, meta_label=Label())
    decision = validator.validate(question(0, features={"rsi_14": 170.0}))
    assert (decision.source, decision.verdict) == (Source.FALLBACK, Verdict.VETO)
    assert "probability is 1.7" in decision.reason


def test_a_missing_meta_label_is_named(make: Make) -> None:
    with pytest.raises(ModelError, match="lean-llm model bootstrap"):
        make("validator.arm=tabular", model=None)


def test_arms_leave_positions_to_the_signal(make: Make) -> None:
    legal, position = (HOLD, Action.SELL), PositionState(1000, 1.36)
    for number, arm in enumerate(("none", "risk", "random", "tabular")):
        run_id = f"r{number}"
        overrides = (f"validator.arm={arm}", "validator.random_veto_rate=1.0")
        validator = make(*overrides, model=None, meta_label=Label(), run_id=run_id)
        close = question(0, Action.SELL, kind=QuestionKind.POSITION, legal=legal, position=position, run_id=run_id)
        keep = question(1, HOLD, kind=QuestionKind.POSITION, legal=legal, position=position, run_id=run_id)
        assert validator.validate(close).action is Action.SELL
        assert validator.validate(keep).action is HOLD


# Mode every_n


def every_n(make: Make, model: Any, *overrides: str) -> Any:
    return make("reasoning.mode=every_n", "fusion.query_interval=5", "fusion.strategy=llm", *overrides, model=model)


def test_between_questions_the_last_answer_is_used_again_less_certain(make: Make) -> None:
    model = taking(0.9)
    validator = every_n(make, model)
    answers = [validator.validate(question(hour)) for hour in range(11)]
    assert [a.source for a in answers] == [
        Source.STALE if hour % 5 else Source.LLM if hour == 0 else answers[hour].source for hour in range(11)
    ]
    assert model.calls == 3
    shares = [a.action_probabilities["BUY"] for a in answers[:5]]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(0.9)
    assert math.log(shares[1] / (1 - shares[1])) == pytest.approx(0.5 * math.log(9))
    assert all(a.prompt_hash == "" for a in answers if a.source is Source.STALE)


def test_a_stale_answer_never_reaches_another_symbol_or_side(make: Make) -> None:
    model = taking(0.9)
    validator = every_n(make, model)
    validator.validate(question(0))
    assert validator.validate(question(1, symbol="USDJPY")).source is Source.LLM
    assert validator.validate(question(1, Action.SELL, sequence=1)).source is Source.LLM
    assert validator.validate(question(2)).source is Source.STALE


def test_a_swapped_model_is_asked_afresh(make: Make) -> None:
    model = FakeModel(lambda p, legal: {a: 0.9 if a.side else 0.1 for a in legal})
    validator = every_n(make, model)
    validator.validate(question(0))
    model.version = "fake@2"
    assert validator.validate(question(1)).model_version == "fake@2"


def test_without_certainty_left_the_answer_is_hold(make: Make) -> None:
    validator = every_n(make, taking(0.9), "fusion.cache_decay_rate=0.0")
    assert validator.validate(question(0)).approved
    assert not validator.validate(question(1)).approved


@given(st.floats(0.01, 0.99), st.floats(0, 1))
def test_decay_keeps_the_order_and_the_sum(take: float, factor: float) -> None:
    scores = make_scores({BUY: math.log(take), HOLD: math.log(1 - take)}, "m")
    later = decayed(scores, factor)
    assert math.fsum(later.probabilities.values()) == pytest.approx(1)
    assert abs(later.probabilities[BUY] - 0.5) <= abs(take - 0.5) + 1e-9
    assert (later.probabilities[BUY] - 0.5) * (take - 0.5) >= -1e-12
