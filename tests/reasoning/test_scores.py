"""Scores, choice, cache, registry and the fake: no model needed."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ConfigError
from llm_plugin.reasoning import (
    Calibrator,
    FakeModel,
    LanguageModel,
    ScoringCache,
    create_model,
    make_scores,
    register_backend,
    registry,
)
from llm_plugin.reasoning.base import choose_action

from .conftest import ENTRY, prompt_of


def test_best_action_is_chosen() -> None:
    scores = make_scores({Action.BUY: -0.2, Action.HOLD: -2.0}, "m@1")
    assert scores.action is Action.BUY
    assert scores.probabilities[Action.BUY] == pytest.approx(1 / (1 + math.exp(-1.8)))
    assert scores.action_mass == pytest.approx(math.exp(-0.2) + math.exp(-2.0))


@pytest.mark.parametrize(("gap", "expected"), [(0.00009, Action.HOLD), (0.0002, Action.SELL)], ids=["tie", "ahead"])
def test_tie_is_hold(gap: float, expected: Action) -> None:
    assert choose_action({Action.SELL: -0.6, Action.HOLD: -0.6 - gap}) is expected


def test_tie_between_two_others_is_hold_too() -> None:
    logs = {Action.HOLD: -3.0, Action.MOVE_TO_BE: -0.7, Action.ENABLE_TRAIL: -0.7}
    assert choose_action(logs) is Action.HOLD


@given(st.dictionaries(st.sampled_from(list(Action)), st.floats(-50, 0), min_size=1))
def test_choice_is_legal_and_probabilities_sum_to_one(logs: dict[Action, float]) -> None:
    scores = make_scores({Action.HOLD: -1.0, **logs}, "m@1")
    assert scores.action in scores.legal
    assert sum(scores.probabilities.values()) == pytest.approx(1)


def test_question_without_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"HOLD must be legal; got \['BUY'\]"):
        make_scores({Action.BUY: -0.1}, "m@1")


def test_nan_is_no_score() -> None:
    with pytest.raises(ValueError, match="is NaN"):
        make_scores({Action.BUY: math.nan, Action.HOLD: -1.0}, "m@1")


def test_confidence_is_calibrated_for_entries_only() -> None:
    calibrator = Calibrator("platt", slope=0.5, offset=-0.4)
    entry = make_scores({Action.BUY: -0.1, Action.HOLD: -2.5}, "m@1", calibrator)
    assert entry.profit_probability == pytest.approx(1 / (1 + math.exp(-(0.5 * 2.4 - 0.4))))
    assert entry.confidence == entry.profit_probability
    veto = make_scores({Action.BUY: -2.5, Action.HOLD: -0.1}, "m@1", calibrator)
    assert veto.confidence == pytest.approx(1 - veto.profit_probability)
    position = make_scores({Action.MOVE_TO_BE: -0.1, Action.HOLD: -2.5}, "m@1", calibrator)
    assert math.isnan(position.profit_probability)
    assert position.confidence == position.probabilities[Action.MOVE_TO_BE]
    close = make_scores({Action.SELL: -0.1, Action.HOLD: -2.5}, "m@1", calibrator, calibrate=False)
    assert math.isnan(close.profit_probability)


def test_fake_is_a_language_model_and_repeats_itself() -> None:
    fake = FakeModel()
    assert isinstance(fake, LanguageModel)
    prompts = [prompt_of(i) for i in range(5)]
    assert fake.score(prompts, [ENTRY] * 5) == FakeModel().score(prompts, [ENTRY] * 5)
    assert len({scores.margin for scores in fake.score(prompts, [ENTRY] * 5)}) > 1


def test_fake_fails_when_told_to() -> None:
    fake = FakeModel(error=BackendUnavailable("planted"), fail_from_call=1)
    fake.score([prompt_of(0)], [ENTRY])
    with pytest.raises(BackendUnavailable, match="planted"):
        fake.score([prompt_of(0)], [ENTRY])


def test_identical_questions_are_asked_once() -> None:
    fake = FakeModel()
    cache = ScoringCache(fake)
    prompts = [prompt_of(0), prompt_of(1), prompt_of(0)]
    first = cache.score(prompts, [ENTRY] * 3)
    assert [scores.cached for scores in first] == [False, False, True]
    assert len(fake.seen) == 2
    again = cache.score(prompts, [ENTRY] * 3)
    assert all(scores.cached for scores in again)
    assert [a.log_probabilities for a in again] == [b.log_probabilities for b in first]
    assert (cache.hits, cache.misses) == (4, 2)


def test_other_legal_actions_are_another_question() -> None:
    fake = FakeModel()
    cache = ScoringCache(fake)
    cache.score([prompt_of(0)], [ENTRY])
    assert not cache.score([prompt_of(0)], [(Action.SELL, Action.HOLD)])[0].cached


def test_new_model_version_answers_for_itself() -> None:
    fake = FakeModel(rule=lambda prompt, legal: {Action.BUY: 9.0, Action.HOLD: 1.0})
    cache = ScoringCache(fake)
    assert cache.score([prompt_of(0)], [ENTRY])[0].action is Action.BUY
    fake.version, fake._rule = "fake@2", lambda prompt, legal: {Action.BUY: 1.0, Action.HOLD: 9.0}
    assert cache.score([prompt_of(0)], [ENTRY])[0].action is Action.HOLD


def test_failures_are_not_cached() -> None:
    fake = FakeModel(error=BackendUnavailable("down"))
    cache = ScoringCache(fake)
    with pytest.raises(BackendUnavailable, match="down"):
        cache.score([prompt_of(0)], [ENTRY])
    assert len(cache) == 0
    fake.error = None
    assert not cache.score([prompt_of(0)], [ENTRY])[0].cached


def test_cache_is_bounded_and_forgets_the_oldest() -> None:
    cache = ScoringCache(FakeModel(), capacity=2)
    for index in range(4):
        cache.score([prompt_of(index)], [ENTRY])
    assert len(cache) == 2
    assert cache.score([prompt_of(3)], [ENTRY])[0].cached
    assert not cache.score([prompt_of(0)], [ENTRY])[0].cached


def test_capacity_zero_keeps_nothing() -> None:
    cache = ScoringCache(FakeModel(), capacity=0)
    cache.score([prompt_of(0)], [ENTRY])
    assert len(cache) == 0
    with pytest.raises(ValueError, match="-1 must be 0 or more"):
        ScoringCache(FakeModel(), capacity=-1)


def test_back_ends_register_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_BACKENDS", dict(registry._BACKENDS))
    register_backend("mine", lambda **options: FakeModel(version=f"mine:{options['name']}"))
    assert create_model("mine", name="x").version == "mine:x"
    with pytest.raises(ConfigError, match="'mine' exists already"):
        register_backend("mine", lambda **options: FakeModel())


def test_unknown_back_end_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'transformer' is unknown \(did you mean 'transformers'\?\)"):
        create_model("transformer", name="x")


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, llm_plugin.reasoning; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
