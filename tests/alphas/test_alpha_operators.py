"""Every operator against values worked out on paper, in both implementations."""

from __future__ import annotations

from collections.abc import Callable
from math import log, nan, sqrt

import numpy as np
import pytest
from alpha_panels import paper_panel

from llm_plugin.alphas.evaluate import evaluate
from llm_plugin.alphas.operators import Floats
from llm_plugin.alphas.panel import Panel
from llm_plugin.alphas.polars_evaluate import PolarsAlphas

Evaluator = Callable[[str, Panel], Floats]


def _polars(formula: str, panel: Panel) -> Floats:
    return PolarsAlphas(panel).evaluate(formula)


@pytest.fixture(params=[evaluate, _polars], ids=["numpy", "polars"])
def evaluator(request: pytest.FixtureRequest) -> Evaluator:
    chosen: Evaluator = request.param
    return chosen


# close: A 1 2 4 4 8 · B 10 8 8 12 6 · C 5 5 5 5 5; volume: A 1 2 3 4 5 · B 6 6 6 9 6 · C 2 4 6 8 10
# open = close + 1, high = close + 3, low = close - 1; A and B are of one sector and industry, C of another.
GOLDEN = {
    "delay(close, 2)": ([nan, nan, 1, 2, 4], [nan, nan, 10, 8, 8], [nan, nan, 5, 5, 5]),
    "delta(close, 2)": ([nan, nan, 3, 2, 4], [nan, nan, -2, 4, -2], [nan, nan, 0, 0, 0]),
    "sum(close, 3)": ([nan, nan, 7, 10, 16], [nan, nan, 26, 28, 26], [nan, nan, 15, 15, 15]),
    "product(close, 3)": ([nan, nan, 8, 32, 128], [nan, nan, 640, 768, 576], [nan, nan, 125, 125, 125]),
    "ts_min(close, 3)": ([nan, nan, 1, 2, 4], [nan, nan, 8, 8, 6], [nan, nan, 5, 5, 5]),
    "ts_max(close, 3)": ([nan, nan, 4, 4, 8], [nan, nan, 10, 12, 12], [nan, nan, 5, 5, 5]),
    "min(close, 3)": ([nan, nan, 1, 2, 4], [nan, nan, 8, 8, 6], [nan, nan, 5, 5, 5]),
    "max(close, 3)": ([nan, nan, 4, 4, 8], [nan, nan, 10, 12, 12], [nan, nan, 5, 5, 5]),
    "min(close, volume)": ([1, 2, 3, 4, 5], [6, 6, 6, 9, 6], [2, 4, 5, 5, 5]),
    "max(close, volume)": ([1, 2, 4, 4, 8], [10, 8, 8, 12, 6], [5, 5, 6, 8, 10]),
    # the first of equals counts, 1 is the oldest day
    "ts_argmax(close, 3)": ([nan, nan, 3, 2, 3], [nan, nan, 1, 3, 2], [nan, nan, 1, 1, 1]),
    "ts_argmin(close, 3)": ([nan, nan, 1, 1, 1], [nan, nan, 2, 1, 3], [nan, nan, 1, 1, 1]),
    # 2 4 4: one below, two equal, so place (2 + 3) / 2 of 3
    "ts_rank(close, 3)": ([nan, nan, 1, 2.5 / 3, 1], [nan, nan, 0.5, 1, 1 / 3], [nan, nan, 2 / 3, 2 / 3, 2 / 3]),
    # 1 2 4: mean 7/3, squares 16/9 + 1/9 + 25/9 = 42/9, halved 7/3
    "stddev(close, 3)": (
        [nan, nan, sqrt(7 / 3), sqrt(4 / 3), sqrt(16 / 3)],
        [nan, nan, sqrt(4 / 3), sqrt(16 / 3), sqrt(28 / 3)],
        [nan, nan, 0, 0, 0],
    ),
    # A, day 3: deviations of close -4/3 -1/3 5/3, of volume -1 0 1: products 3, halved 3/2
    # B, day 4: 8 8 12 with 6 6 9: means 28/3 and 7, products 4/3 + 4/3 + 16/3 = 8, halved 4
    # B, day 5: 8 12 6 with 6 9 6: means 26/3 and 7, products 2/3 + 20/3 + 8/3 = 10, halved 5
    "covariance(close, volume, 3)": ([nan, nan, 1.5, 1, 2], [nan, nan, 0, 4, 5], [nan, nan, 0, 0, 0]),
    # 3/2 / (sqrt(7/3) 1), 1 / (sqrt(4/3) 1), 2 / (sqrt(16/3) 1); 4 / (sqrt(16/3) sqrt(3)) = 1; 5 / sqrt(28)
    "correlation(close, volume, 3)": (
        [nan, nan, 1.5 / sqrt(7 / 3), sqrt(3 / 4), sqrt(3 / 4)],
        [nan, nan, 0, 1, 5 / sqrt(28)],
        [nan, nan, 0, 0, 0],
    ),
    # (1 x 1 + 2 x 2 + 3 x 4) / 6
    "decay_linear(close, 3)": ([nan, nan, 17 / 6, 22 / 6, 6], [nan, nan, 50 / 6, 10, 50 / 6], [nan, nan, 5, 5, 5]),
    "rank(close)": ([1 / 3, 1 / 3, 1 / 3, 1 / 3, 1], [1, 1, 1, 1, 2 / 3], [2 / 3, 2 / 3, 2 / 3, 2 / 3, 1 / 3]),
    "scale(close - 5)": ([-4 / 9, -3 / 6, -1 / 4, -1 / 8, 3 / 4], [5 / 9, 3 / 6, 3 / 4, 7 / 8, 1 / 4], [0] * 5),
    "scale(close - 5, 2)": ([-8 / 9, -1, -0.5, -0.25, 1.5], [10 / 9, 1, 1.5, 1.75, 0.5], [0] * 5),
    "IndNeutralize(close, IndClass.sector)": ([-4.5, -3, -2, -4, 1], [4.5, 3, 2, 4, -1], [0] * 5),
    "indneutralize(close, IndClass.subindustry)": ([0] * 5, [0] * 5, [0] * 5),
    "SignedPower(close - 5, 2.)": ([-16, -9, -1, -1, 9], [25, 9, 9, 49, 1], [0] * 5),
    "abs(close - 5)": ([4, 3, 1, 1, 3], [5, 3, 3, 7, 1], [0] * 5),
    "sign(close - 5)": ([-1, -1, -1, -1, 1], [1] * 5, [0] * 5),
    "log(close - 1)": ([nan, 0, log(3), log(3), log(7)], [log(9), log(7), log(7), log(11), log(5)], [log(4)] * 5),
    "(close - 5)^2": ([16, 9, 1, 1, 9], [25, 9, 9, 49, 1], [0] * 5),
    "(close - 5)^0.5": ([nan, nan, nan, nan, sqrt(3)], [sqrt(5), sqrt(3), sqrt(3), sqrt(7), 1], [0] * 5),
    "1^delay(close, 1)": ([nan, 1, 1, 1, 1],) * 3,
    "1 / (close - 5)": ([-1 / 4, -1 / 3, -1, -1, 1 / 3], [1 / 5, 1 / 3, 1 / 3, 1 / 7, 1], [nan] * 5),
    "returns": ([nan, 1, 1, 0, 1], [nan, -0.2, 0, 0.5, -0.5], [nan, 0, 0, 0, 0]),
    "adv2": ([nan, 1.5, 2.5, 3.5, 4.5], [nan, 6, 6, 7.5, 7.5], [nan, 3, 5, 7, 9]),
    # (close + 3 + close - 1 + close) / 3
    "vwap - close": ([2 / 3] * 5,) * 3,
    "open + high - low": ([6, 7, 9, 9, 13], [15, 13, 13, 17, 11], [10] * 5),
    "cap": ([nan] * 5,) * 3,
    "close < 5": ([1, 1, 1, 1, 0], [0] * 5, [0] * 5),
    "close <= 5": ([1, 1, 1, 1, 0], [0] * 5, [1] * 5),
    "close > 5": ([0, 0, 0, 0, 1], [1] * 5, [0] * 5),
    "close >= 5": ([0, 0, 0, 0, 1], [1] * 5, [1] * 5),
    "close == 5": ([0] * 5, [0] * 5, [1] * 5),
    "close != 5": ([1] * 5, [1] * 5, [0] * 5),
    "not close == 5": ([1] * 5, [1] * 5, [0] * 5),
    "(close < 3) || (close == 5)": ([1, 1, 0, 0, 0], [0] * 5, [1] * 5),
    "close < 6 and volume > 3": ([0, 0, 0, 1, 0], [0] * 5, [0, 1, 1, 1, 1]),
    "(delay(close, 1) < 3) ? 7 : close": ([nan, 7, 7, 4, 8], [nan, 8, 8, 12, 6], [nan, 5, 5, 5, 5]),
    "(close < 5) ? delay(close, 1) : 0": ([nan, 1, 2, 4, 0], [0] * 5, [0] * 5),
    "-close * -1": ([1, 2, 4, 4, 8], [10, 8, 8, 12, 6], [5] * 5),
}


@pytest.mark.parametrize("formula", GOLDEN)
def test_an_operator_gives_what_was_worked_out_on_paper(formula: str, evaluator: Evaluator) -> None:
    values = evaluator(formula, paper_panel())
    np.testing.assert_allclose(values, np.array(GOLDEN[formula], dtype=np.float64).T, rtol=0, atol=1e-10)


def test_days_are_rounded_down(evaluator: Evaluator) -> None:
    panel = paper_panel()
    np.testing.assert_array_equal(evaluator("sum(close, 3.99)", panel), evaluator("sum(close, 3)", panel))


def test_ties_of_a_day_share_their_mean_rank_and_the_unknown_do_not_count(evaluator: Evaluator) -> None:
    panel = paper_panel()
    # day 1: A is unknown, B and C are 9 and 4; day 2: 0 7 4 are all different
    ranks = evaluator("rank(sign(log(close - 1)))", panel)
    np.testing.assert_allclose(ranks[0], [nan, 0.75, 0.75])
    np.testing.assert_allclose(ranks[1], [1 / 3, 2.5 / 3, 2.5 / 3])


def test_one_missing_day_makes_every_window_over_it_unknown(evaluator: Evaluator) -> None:
    panel = paper_panel()
    panel.fields["close"][2, 1] = nan
    for formula in (
        "sum(close, 2)",
        "stddev(close, 2)",
        "ts_rank(close, 2)",
        "ts_argmax(close, 2)",
        "ts_max(close, 2)",
    ):
        values = evaluator(formula, panel)
        assert np.isnan(values[:, 1]).tolist() == [True, False, True, True, False]
        assert np.isnan(values[:, 0]).tolist() == [True, False, False, False, False]


def test_a_group_mean_leaves_out_the_unknown(evaluator: Evaluator) -> None:
    panel = paper_panel()
    panel.fields["close"][0, 1] = nan
    values = evaluator("indneutralize(close, IndClass.sector)", panel)
    np.testing.assert_array_equal(values[0], [0, nan, 0])


def test_a_correlation_of_two_days_is_exactly_one(evaluator: Evaluator) -> None:
    rng = np.random.default_rng(1)
    panel = paper_panel()
    panel.fields["close"][:] = rng.normal(100, 1, (5, 3))
    panel.fields["volume"][:] = rng.normal(1e9, 1e3, (5, 3))
    assert set(np.abs(evaluator("correlation(close, volume, 2)", panel)[1:]).ravel()) == {1.0}


def test_what_does_not_move_has_no_deviation_whatever_its_digits(evaluator: Evaluator) -> None:
    panel = paper_panel()
    panel.fields["close"][:, 2] = 0.1
    assert evaluator("stddev(close, 3)", panel)[4, 2] == 0.0
    assert evaluator("correlation(volume, close, 5)", panel)[4, 2] == 0.0
