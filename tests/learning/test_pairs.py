"""Pairs are symmetric, weighted by size, and say nothing of the outcome in their words."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matured_samples import after, matured, series

from llm_plugin.domain import Action
from llm_plugin.errors import DataError
from llm_plugin.learning.answers import ModelAnswers, stored_answers
from llm_plugin.learning.pairs import Pairs, build_pairs, training_rows
from llm_plugin.learning.regimes import draw_replay, regime_of
from llm_plugin.learning.split import split_window
from llm_plugin.learning.types import MaturedDecision
from llm_plugin.prompts.parser import parse_answer
from llm_plugin.reasoning.base import ActionScores, make_scores
from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.settings import LearningSettings

SETTINGS = LearningSettings(holdout=20, window_decisions=300)


def learned_approval(pairs: Pairs) -> float:
    """What pairs of one and the same state teach: the probability of the signal at the weighted optimum."""
    wins = sum(row.weight for row in pairs.rows if row.net_r > 0)
    return wins / sum(row.weight for row in pairs.rows)


def test_profit_prefers_the_signal_and_loss_prefers_hold() -> None:
    pairs = build_pairs([matured(0, 1.2), matured(1, -0.8, action=Action.SELL)], SETTINGS)
    assert [row.chosen.split()[0] for row in pairs.rows] == ["BUY", "HOLD"]
    assert [row.rejected.split()[0] for row in pairs.rows] == ["HOLD", "SELL"]
    assert [row.weight for row in pairs.rows] == [1.2, 0.8]


def test_weights_are_clipped_and_noise_makes_no_pair() -> None:
    pairs = build_pairs([matured(0, 7.0), matured(1, 0.1), matured(2, -0.1), matured(3, 0.11)], SETTINGS)
    assert [row.weight for row in pairs.rows] == [3.0, 0.11]
    assert pairs.left_out == {"noise_band": 2}


def test_seldom_and_much_is_not_vetoed() -> None:
    """40 % wins at 2:1 are worth +0.15 R; counted one by one they would be a veto."""
    results = [1.95] * 40 + [-1.05] * 60
    assert math.isclose(sum(results) / 100, 0.15)
    pairs = build_pairs(series(results), SETTINGS)
    assert learned_approval(pairs) > 0.5
    assert sum(row.net_r > 0 for row in pairs.rows) / len(pairs.rows) < 0.5


def test_often_and_little_is_not_approved() -> None:
    """75 % wins at 0.3 R before costs are worth -0.07 R; counted one by one they would be approved."""
    results = [0.24] * 75 + [-1.0] * 25
    assert math.isclose(sum(results) / 100, -0.07)
    pairs = build_pairs(series(results), SETTINGS)
    assert learned_approval(pairs) < 0.5
    assert sum(row.net_r > 0 for row in pairs.rows) / len(pairs.rows) > 0.5


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=60))
def test_weighted_preference_has_the_sign_of_the_expectation(results: list[float]) -> None:
    pairs = build_pairs(series(results), SETTINGS.model_copy(update={"noise_band_r": 0.0}))
    total = sum(results)
    if pairs.rows and abs(total) > 1e-6:
        assert (learned_approval(pairs) > 0.5) == (total > 0)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_mirrored_results_give_mirrored_pairs(results: list[float]) -> None:
    pairs, mirrored = (build_pairs(series(values), SETTINGS) for values in (results, [-value for value in results]))
    assert [(a.chosen, a.rejected, a.weight) for a in pairs.rows] == [
        (b.rejected, b.chosen, b.weight) for b in mirrored.rows
    ]


def test_each_decision_counts_once() -> None:
    pairs = build_pairs([matured(0, 1.0), matured(0, 1.0), matured(1, None)], SETTINGS)
    assert len(pairs.rows) == 1
    assert pairs.left_out == {"twice": 1, "no_outcome": 1}


def test_unreplayable_trades_become_rows_for_kto() -> None:
    rows = [matured(0, None, realised_r=0.9), matured(1, None, realised_r=-4.0), matured(2, None, realised_r=0.05)]
    pairs = build_pairs(rows, SETTINGS)
    assert [(row.label, row.weight, row.completion.split()[0]) for row in pairs.kto] == [
        (True, 0.9, "BUY"),
        (False, 3.0, "BUY"),
    ]
    assert not pairs.rows
    off = build_pairs(rows, SETTINGS.model_copy(update={"kto": False}))
    assert not off.kto
    assert off.left_out == {"kto_off": 3}


def test_prompt_of_a_pair_is_its_own_decisions() -> None:
    decisions = series([1.0, -1.0, 0.7, -0.4])
    random.Random(3).shuffle(decisions)
    by_id = {d.decision_id: d for d in decisions}
    for row in build_pairs(decisions, SETTINGS).rows:
        prompt = by_id[row.decision_id].prompt
        assert prompt is not None
        assert row.prompt == prompt.text


class Speaker:
    """A model that says what it was asked, with a confidence by the prompt."""

    def __init__(self, calibrator: Calibrator | None = None, reason: str = "because of {action}") -> None:
        self.calibrator, self.reason, self.batches = calibrator, reason, []
        self.version = "speaker"

    def score(self, prompts: Sequence[object], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        self.batches.append(len(prompts))
        return [make_scores({actions[0]: -0.5, Action.HOLD: -1.5}, "speaker", self.calibrator) for actions in legal]

    def generate_reasons(self, prompts: Sequence[object], actions: Sequence[Action], max_new_tokens: int) -> list[str]:
        return [self.reason.format(action=action.value) for action in actions]

    def generate_reason(self, prompt: object, action: Action, max_new_tokens: int = 50) -> str:
        return self.generate_reasons([prompt], [action], max_new_tokens)[0]


def test_model_writes_both_reasons_under_the_forced_action() -> None:
    speaker = Speaker()
    pairs = build_pairs(series([1.0, -1.0, 1.0]), SETTINGS, ModelAnswers(speaker, batch_size=2))
    assert speaker.batches == [2, 1]
    assert pairs.answered_by == "speaker"
    assert (pairs.rows[0].chosen, pairs.rows[0].rejected) == (
        " BUY | 0.73 | because of BUY",
        " HOLD | 0.27 | because of HOLD",
    )


class Writer(Speaker):
    """A model that writes whole answers; after HOLD it may forget the form."""

    def __init__(self, hold: str = " 0.88 | stand aside") -> None:
        super().__init__()
        self.hold, self.asked = hold, []

    def complete(self, texts: Sequence[str], max_new_tokens: int = 50) -> list[str]:
        self.asked += texts
        return [self.hold if text.endswith(" HOLD |") else " 0.91 | go with it " for text in texts]


def test_whole_answers_of_the_model_stay_as_they_were_written() -> None:
    writer = Writer()
    (row,) = build_pairs([matured(0, -1.0)], SETTINGS, ModelAnswers(writer)).rows
    assert (row.chosen, row.rejected) == (" HOLD | 0.88 | stand aside", " BUY | 0.91 | go with it")
    prompt = matured(0, -1.0).prompt
    assert prompt is not None
    assert writer.asked == [f"{prompt.text} BUY |", f"{prompt.text} HOLD |"]


@pytest.mark.parametrize("hold", ["", " aside", " 0. to its exit", " 1.7 | aside", " 0.88 | aside | 7"])
def test_where_one_answer_is_out_of_form_both_are_put_into_it(hold: str) -> None:
    (row,) = build_pairs([matured(0, 1.0)], SETTINGS, ModelAnswers(Writer(hold))).rows
    assert (row.chosen, row.rejected) == (" BUY | 0.73 | because of BUY", " HOLD | 0.27 | because of HOLD")


def test_words_do_not_tell_the_outcome() -> None:
    """Winner and loser of the same state have the same two answers; only their order differs."""
    calibrated = Calibrator("platt", slope=1.0, offset=-0.5)
    won, lost = build_pairs([matured(0, 1.0), matured(1, -1.0)], SETTINGS, ModelAnswers(Speaker(calibrated))).rows
    assert (won.chosen, won.rejected) == (lost.rejected, lost.chosen)
    assert won.chosen.startswith(" BUY | 0.62 |")


@given(
    reason=st.text(max_size=120),
    net=st.floats(-3, 3).filter(lambda value: abs(value) > 0.1),
    action=st.sampled_from([Action.BUY, Action.SELL]),
)
def test_every_answer_can_be_read_back(reason: str, net: float, action: Action) -> None:
    escaped = reason.replace("{", "(").replace("}", ")")
    (row,) = build_pairs([matured(0, net, action=action)], SETTINGS, ModelAnswers(Speaker(reason=escaped))).rows
    for text in (row.chosen, row.rejected):
        assert text.startswith(" ")
        assert "\n" not in text
        assert parse_answer(text, (action, Action.HOLD)).ok, text


def test_stored_answers_have_no_words_on_either_side() -> None:
    (answer,) = stored_answers([matured(0, 1.0)])
    assert (answer.signal.strip(), answer.hold.strip()) == ("BUY | 0.60 |", "HOLD | 0.40 |")


def mixed(hours: Sequence[int], adx: float, volatility: float) -> list[MaturedDecision]:
    return [matured(hour, 1.0, adx=adx, volatility=volatility) for hour in hours]


def test_regimes_are_trend_times_volatility() -> None:
    names = [
        regime_of(matured(0, 1.0, adx=adx, volatility=v).request.market) for adx, v in ((30, 1), (22, 0), (10, -1))
    ]
    assert names == ["trend/high", "neutral/normal", "range/low"]


def test_replay_first_gives_what_the_window_lacks() -> None:
    older = mixed(range(100), 30, 0) + mixed(range(100, 150), 10, 0)
    window = mixed(range(200, 300), 30, 0)
    drawn = draw_replay(older, window, 25)
    assert len(drawn) == 25
    lacking = [d for d in drawn if regime_of(d.request.market) == "range/normal"]
    assert len(lacking) == 20  # its share of all 250 is a fifth, the window has none


def test_replay_after_a_change_keeps_out_of_the_windows_own_regimes() -> None:
    older, window = mixed(range(100), 30, 0), mixed(range(200, 300), 30, 0)
    assert draw_replay(older, window, 25, only_missing=True) == []
    assert len(draw_replay(older, window, 25)) == 25


def test_replay_is_the_same_for_any_order() -> None:
    older = mixed(range(80), 30, 0) + mixed(range(80, 140), 10, 1) + mixed(range(140, 150), 22, -1)
    window = mixed(range(200, 260), 30, 0)
    shuffled = random.Random(1).sample(older, len(older))
    assert draw_replay(older, window, 40) == draw_replay(shuffled, window, 40)


def test_replay_has_its_share_of_the_training_rows() -> None:
    decisions = series([0.5, -1.0] * 300)
    split = split_window(decisions, SETTINGS, as_of_utc=after(decisions))
    rows = training_rows(split, SETTINGS)
    share = sum(row.time_utc < split.train_start_utc for row in rows) / len(rows)
    assert math.isclose(share, SETTINGS.replay_fraction, abs_tol=0.01)
    assert [row.time_utc for row in rows] == sorted(row.time_utc for row in rows)


def test_context_rows_of_the_training_time_are_added_up_to_the_limit() -> None:
    decisions = series([0.5, -1.0] * 150)
    split = split_window(decisions, SETTINGS, as_of_utc=after(decisions))
    context = [matured(hour + 0.5, 1.0, origin="context") for hour in range(100)]
    wanted = SETTINGS.model_copy(update={"context_rows": 30, "replay_fraction": 0.0})
    rows = training_rows(split, wanted, context)
    assert sum(row.origin == "context" for row in rows) == 30


def test_context_row_of_the_holdouts_time_is_refused() -> None:
    decisions = series([0.5, -1.0] * 150)
    split = split_window(decisions, SETTINGS, as_of_utc=after(decisions))
    planted = matured(290.5, 1.0, origin="context")
    with pytest.raises(DataError, match=f"context row {planted.decision_id}"):
        training_rows(split, SETTINGS, [planted])
    assert training_rows(split, SETTINGS, [matured(10.5, 1.0, origin="context")])
