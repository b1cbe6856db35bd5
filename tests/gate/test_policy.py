"""Stored questions answered again: what the validator decided is what `answer_policy` says."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from gate_trials import matured
from questions import FEATURES, question, result

from llm_plugin.domain import Action, DecisionRequest, PositionState, QuestionKind, Source
from llm_plugin.errors import BackendUnavailable, DataError
from llm_plugin.fusion import FusionInput, Proposal, register_fusion, unregister_fusion
from llm_plugin.gate import ModelHealth, answer_policy, measure_health, policy_answer, session_statistics
from llm_plugin.learning.types import MaturedDecision, StoredPrompt
from llm_plugin.memory.local import LocalMemory
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.reasoning import Calibrator, FakeModel
from llm_plugin.settings import Settings, resolve
from llm_plugin.validator import Validator

HOLD, BUY, SELL = Action.HOLD, Action.BUY, Action.SELL


def spread(prompt: Any, legal: Any) -> dict[Action, float]:
    """Shares from 0.02 to 0.98 by the prompt, some of them exact ties."""
    digest = hashlib.sha256(prompt.suffix.encode()).digest()
    share = 0.5 if digest[1] < 20 else 0.02 + 0.96 * digest[0] / 255
    return {action: share if action.side else 1 - share for action in legal}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OutcomeStore]:
    with OutcomeStore(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened


def asked(count: int) -> list[DecisionRequest]:
    made = []
    for number in range(count):
        features = {**FEATURES, "adx_14": (13.0, 22.0, 31.0)[number % 3], "rsi_14": 20.0 + number}
        confidence = 0.5 + 0.05 * (number % 10)
        made.append(question(number, (BUY, SELL)[number % 2], confidence=confidence, features=features))
    return made


def decided(
    settings: Settings, model: FakeModel, store: OutcomeStore, requests: list[DecisionRequest]
) -> list[MaturedDecision]:
    """Let a real validator decide, with outcomes in between, and read the matured decisions back from its store."""
    validator = Validator.from_settings(settings, "run", store=store, memory=LocalMemory(), model=model)
    for number, request in enumerate(requests):
        validator.validate(request)
        if number % 4 == 0:
            validator.record_outcome(result(request, 1.5 if number % 8 else -1.0, hours=0.5))
    validator.close()
    rows = []
    for row in store.decisions("run"):
        digest, text = row.decision.prompt_hash, row.prompt_text
        prompt = StoredPrompt("", text, digest) if text is not None else None
        time = row.request.market.time_utc
        ends = time + timedelta(hours=1), time + timedelta(hours=24)
        rows.append(MaturedDecision(row.request, row.decision, prompt, "1", "1", 0.5, None, *ends))
    return rows


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("strategy", ["weighted", "regime", "llm", "signal"])
def test_it_decides_what_the_validator_decided(strategy: str, calibrated: bool, store: OutcomeStore) -> None:
    words = [f"fusion.strategy={strategy}", "signals.kind=none", f"fusion.llm_confidence={_words(calibrated)}"]
    words += ["risk.min_trades_for_win_rate=50", "risk.max_consecutive_losses=50"]
    settings = resolve(overrides=words, env={}).settings
    calibrator = Calibrator("platt", slope=0.8, offset=-0.2) if calibrated else None
    # The rule reads the suffix; stored prompts come as one text, so the model that answers again gets the same text.
    model = FakeModel(lambda prompt, legal: spread(_Whole(prompt), legal), calibrator=calibrator)
    decisions = decided(settings, model, store, asked(60))
    answers = answer_policy(model, decisions, settings)
    judged = [row for row in decisions if row.prompt is not None]
    assert len(answers) == len(judged) == 60
    for row, answer in zip(judged, answers, strict=True):
        assert row.decision.source in (Source.LLM, Source.CACHE)
        assert (answer.action, answer.size) == (row.decision.action, row.decision.size_multiplier)
        assert answer.version == row.decision.model_version
        assert answer.action_mass == pytest.approx(row.decision.action_mass)
    assert strategy == "signal" or {answer.action for answer in answers} == {HOLD, BUY, SELL}
    assert strategy == "signal" or {0.0, 1.0} <= {answer.size for answer in answers}


def _words(calibrated: bool) -> str:
    return "calibrated" if calibrated else "choice"


class _Whole:
    """A prompt whose suffix is its whole text, however it was cut."""

    def __init__(self, prompt: Any) -> None:
        self.suffix = prompt.prefix + prompt.suffix


def test_a_strategy_of_ones_own_sees_the_session_as_it_stood(store: OutcomeStore) -> None:
    """Planted offender: an empty session decides otherwise than the validator did."""

    def hot_hand(inputs: FusionInput, _: Any) -> Proposal:
        take = inputs.statistics.consecutive_wins > 0
        return Proposal({}, "hot_hand", inputs.request.signal.action if take else HOLD)

    register_fusion("hot_hand", hot_hand)
    try:
        words = ["fusion.strategy=hot_hand", "signals.kind=none", "risk.max_consecutive_losses=50"]
        settings = resolve(overrides=[*words, "risk.min_trades_for_win_rate=50"], env={}).settings
        model = FakeModel()
        decisions = decided(settings, model, store, asked(40))
        wanted = [row.decision.action for row in decisions]
        known = answer_policy(model, decisions, settings, statistics=session_statistics(store, settings))
        blind = answer_policy(model, decisions, settings)
    finally:
        unregister_fusion("hot_hand")
    assert len(set(wanted)) > 1
    assert [answer.action for answer in known] == wanted
    assert [answer.action for answer in blind] != wanted


def test_questions_without_a_prompt_are_passed_over_and_batches_are_kept() -> None:
    settings = resolve(overrides=["reasoning.batch_size=8"], env={}).settings
    rows = [matured(hour, net_r=1.0) for hour in range(20)]
    rows[3] = replace(rows[3], prompt=None)
    sizes: list[int] = []

    class Counting(FakeModel):
        def score(self, prompts: Any, legal: Any) -> Any:
            sizes.append(len(prompts))
            return super().score(prompts, legal)

    steps: list[tuple[int, int]] = []
    answers = answer_policy(
        Counting(), rows, settings, version="v1", on_progress=lambda done, total: steps.append((done, total))
    )
    assert [answer.decision_id for answer in answers] == [row.decision_id for row in rows if row.prompt is not None]
    assert {answer.version for answer in answers} == {"v1"}
    assert sizes == [1, 8, 8, 3]  # the first warms up
    assert steps == [(8, 19), (16, 19), (19, 19)]
    assert all(answer.seconds > 0 for answer in answers)


def test_no_questions_give_no_answers() -> None:
    settings = resolve(env={}).settings
    model = FakeModel(error=BackendUnavailable("asked"))
    assert answer_policy(model, [replace(matured(0), prompt=None)], settings) == []


def test_a_failing_model_is_not_guessed_for() -> None:
    settings = resolve(env={}).settings
    rows = [matured(hour) for hour in range(3)]
    with pytest.raises(BackendUnavailable, match="gone"):
        answer_policy(FakeModel(error=BackendUnavailable("gone")), rows, settings)

    class Short(FakeModel):
        def score(self, prompts: Any, legal: Any) -> Any:
            return super().score(prompts, legal)[:1]

    with pytest.raises(BackendUnavailable, match="1 answers to 3 questions"):
        answer_policy(Short(), rows, settings)


def test_rubbish_scores_are_refused() -> None:
    settings = resolve(env={}).settings
    request = question()
    (scores,) = FakeModel().score([StoredPrompt("a", "b", "c")], [(BUY, HOLD)])
    broken = replace(scores, log_probabilities={BUY: math.nan, HOLD: -0.1})
    with pytest.raises(BackendUnavailable, match="log-probability nan"):
        policy_answer(request, broken, settings, "v")
    with pytest.raises(BackendUnavailable, match="asked for"):
        policy_answer(question(action=SELL), scores, settings, "v")


def test_a_question_asked_twice_is_refused() -> None:
    row = matured(0)
    with pytest.raises(DataError, match=f"decision {row.decision_id} is asked twice"):
        answer_policy(FakeModel(), [row, row], resolve(env={}).settings)


class Writer(FakeModel):
    """A model that writes one text for all questions."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = texts
        self.asked: list[str] = []

    def complete(self, texts: Any, max_new_tokens: int = 50) -> list[str]:
        """Return the texts in turn."""
        self.asked = list(texts)
        return [self.texts[number % len(self.texts)] for number in range(len(texts))]


def test_health_counts_what_parses() -> None:
    rows = [matured(hour) for hour in range(100)]
    fine = measure_health(Writer(" BUY | 0.61 | trend agrees"), rows, sample=40)
    assert (fine.sampled, fine.parsed, fine.parse_rate, fine.faults) == (40, 40, 1.0, {})
    broken = measure_health(Writer(" HOLD | 0.40 | weak", " buy now!", " SELL | 0.6 | not legal", ""), rows, sample=40)
    assert (broken.sampled, broken.parsed, broken.parse_rate) == (40, 10, 0.25)
    assert broken.faults == {"empty": 10, "form": 10, "illegal": 10}


def test_the_sample_is_spread_over_the_whole_window() -> None:
    rows = [matured(hour) for hour in range(100)]
    writer = Writer(" HOLD | 0.40 | weak")
    measure_health(writer, rows, sample=10)
    texts = [row.prompt.text for row in rows if row.prompt is not None]
    assert writer.asked == texts[::10]


def test_a_back_end_that_only_scores_says_so_and_an_empty_window_gives_no_rate() -> None:
    assert measure_health(FakeModel(), [matured(0)]) == ModelHealth(0, 0, writes=False)
    assert measure_health(Writer("x"), [replace(matured(0), prompt=None)]).parse_rate is None


def test_positions_do_not_enter_the_session(store: OutcomeStore) -> None:
    entry = question(0)
    position = question(1, kind=QuestionKind.POSITION, position=PositionState(quantity=1.0), legal=(HOLD, SELL))
    chosen = resolve(overrides=["signals.kind=none"], env={}).settings
    validator = Validator.from_settings(chosen, "run", store=store, memory=LocalMemory(), model=FakeModel())
    validator.validate(entry)
    validator.validate(position)
    validator.record_outcome(result(entry, 1.0, hours=2))
    validator.close()
    at = session_statistics([store], chosen)
    assert at(question(1.5)).total_trades == 0  # nothing had closed
    assert at(question(30)).total_trades == 1
