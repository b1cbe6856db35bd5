"""Triple-barrier labels on candle tables, purged splits, calibration and the choice of trades."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signal_bars import candles, market, small

from llm_plugin.errors import DataError
from llm_plugin.features.reference import BarColumns
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.signals.calibration import fit_platt, fit_sides
from llm_plugin.signals.labels import BarLabels, label_bars
from llm_plugin.signals.selection import choose_threshold, entries_above, trade_metrics
from llm_plugin.signals.splits import Fold, walk_forward

FLAT = (1.0, 1.0, 1.0, 1.0)
LONG, SHORT = 0, 1
CONFIG = small(exit=ExitPolicy(stop_atr=2.0, target_atr=3.0, timeout_bars=3))


def label(rows, spread: float = 0.0) -> BarLabels:
    """Label bar 0 with an ATR of 0.01: stop 0.02, target 0.03 away."""
    columns = candles([FLAT, *rows], spread)
    atr = np.full(len(columns), np.nan)
    atr[0] = 0.01
    return label_bars(columns, atr, CONFIG)


@pytest.mark.parametrize(
    ("rows", "long_r", "short_r"),
    [
        ([(1.0, 1.04, 1.0, 1.035), FLAT, FLAT, FLAT], 1.5, -1.75),
        ([(1.0, 1.0, 0.96, 0.965), FLAT, FLAT, FLAT], -1.75, 1.5),
        ([(1.0, 1.04, 0.97, 1.0), FLAT, FLAT, FLAT], -1.0, -1.0),
        ([FLAT, FLAT, (1.0, 1.01, 1.0, 1.01), FLAT], 0.5, -0.5),
    ],
    ids=[
        "rises to the target",
        "falls to the target",
        "both barriers in one bar",
        "time runs out",
    ],
)
def test_a_candle_table_gives_the_expected_results(rows, long_r, short_r):
    labels = label(rows)

    assert labels.matured[:, 0].all()
    assert labels.net_r[:, 0] == pytest.approx([long_r, short_r])
    assert labels.pays[:, 0].tolist() == [int(long_r > 0), int(short_r > 0)]


def test_each_side_pays_the_spread_once():
    rows = [FLAT, FLAT, (1.0, 1.01, 1.0, 1.01), FLAT]
    free, paid = label(rows), label(rows, spread=0.004)

    assert paid.net_r[:, 0] == pytest.approx(free.net_r[:, 0] - 0.2)


def test_a_trade_that_the_data_cut_short_has_no_label():
    labels = label([FLAT])

    assert not labels.matured[:, 0].any()
    assert np.isnan(labels.net_r[:, 0]).all()


def test_a_mirrored_market_swaps_the_sides():
    columns = market(5, 400, rule=False)
    mirrored = 2.4 - columns.prices[:, [4, 6, 5, 7, 0, 2, 1, 3]]
    atr = np.full(400, 0.001)

    here = label_bars(columns, atr, CONFIG)
    there = label_bars(BarColumns(columns.start_seconds, columns.end_seconds, mirrored, columns.volume), atr, CONFIG)
    both = here.matured.all(axis=0)
    np.testing.assert_allclose(here.net_r[LONG, both], there.net_r[SHORT, both], atol=1e-9)
    assert 0.2 < here.pays[LONG, both].mean() < 0.6


def test_labels_do_not_depend_on_bars_after_their_end():
    columns = market(6, 500, rule=True)
    whole = label_bars(columns, np.full(500, 0.001), CONFIG)
    cut = label_bars(columns.head(300), np.full(300, 0.001), CONFIG)
    known = cut.matured

    assert known[:, :290].all()
    np.testing.assert_array_equal(whole.net_r[:, :300][known], cut.net_r[known])


def test_bars_without_an_atr_cannot_be_labelled():
    with pytest.raises(DataError, match="none of 5 bars has an ATR"):
        label_bars(candles([FLAT] * 5), np.full(5, np.nan), CONFIG)


def leaks(folds: list[Fold], label_end: np.ndarray, embargo: int) -> list[int]:
    """Return the folds that train on a label which ended within the embargo before the predicted block, or on it."""
    return [fold.number for fold in folds if (label_end[fold.train] + embargo >= fold.test[0]).any()]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(0, 50), st.integers(1, 3))
def test_no_training_label_reaches_into_its_predicted_block(seed, folds, embargo, stride):
    rng = np.random.default_rng(seed)
    usable = np.arange(300, 4000)
    label_end = np.arange(4100) + rng.integers(1, 60, 4100)
    found = walk_forward(usable, label_end, folds, embargo, stride)

    assert len(found) == folds
    assert leaks(found, label_end, embargo) == []
    assert np.array_equal(np.concatenate([fold.test for fold in found]), usable[usable >= found[0].test[0]])


def test_a_split_without_purging_would_be_noticed():
    label_end = np.arange(1000) + 48
    naive = [Fold(1, np.arange(500), np.arange(500, 1000))]

    assert leaks(naive, label_end, 24) == [1]


def test_too_little_data_for_the_folds_is_an_error():
    with pytest.raises(DataError, match=r"fold 1 has \d+ training samples"):
        walk_forward(np.arange(400), np.arange(400) + 48, 5, 24, 4)


def test_calibration_recovers_the_probabilities_and_keeps_the_order():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.2, 0.8, 40_000)
    distorted = truth**2 / (truth**2 + (1 - truth) ** 2)
    scale = fit_platt(distorted, (rng.random(40_000) < truth).astype(np.int8))

    assert np.abs(scale(distorted) - truth).mean() < 0.01
    assert (np.diff(scale(np.linspace(0, 1, 101))) >= 0).all()


def test_scores_without_skill_keep_their_order_around_the_base_rate():
    rng = np.random.default_rng(1)
    score = rng.uniform(0.4, 0.6, 5000)
    inverted = (rng.random(5000) < 0.3 - 0.5 * (score - 0.5)).astype(np.int8)
    scale = fit_platt(score, inverted)

    assert scale.slope > 0
    assert float(scale(score).mean()) == pytest.approx(inverted.mean(), abs=0.01)


def test_calibration_needs_both_classes():
    with pytest.raises(DataError, match="0 of 50 positive"):
        fit_platt(np.full(50, 0.5), np.zeros(50, dtype=np.int8))


def test_sides_that_are_drift_neutral_share_a_base_rate():
    rng = np.random.default_rng(2)
    score = rng.uniform(0.3, 0.7, (2, 20_000)) + np.array([[0.1], [-0.1]])
    label_ = (rng.random((2, 20_000)) < score).astype(np.int8)
    neutral, own = fit_sides(score, label_, True), fit_sides(score, label_, False)

    def means(scales):
        return [float(scale(side).mean()) for scale, side in zip(scales, score, strict=True)]

    assert means(neutral) == pytest.approx([0.5, 0.5], abs=0.02)
    assert means(own) == pytest.approx([0.6, 0.4], abs=0.02)


def test_a_flat_account_takes_no_second_trade_before_the_first_has_ended():
    exit_bar = np.array([[4, 9, 9, 9, 8, 9, 9, 9, 9, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]])
    labels = BarLabels(np.ones((2, 10)), np.ones((2, 10), dtype=np.int8), exit_bar, np.ones((2, 10), dtype=bool))
    probability = np.full((2, 10), 0.1)
    probability[LONG, [0, 2, 4]] = 0.9
    probability[SHORT, 8] = 0.8

    assert entries_above(probability, labels, np.arange(10), 0.5) == [(0, LONG), (4, LONG), (8, SHORT)]
    assert entries_above(probability, labels, np.arange(10), 0.85) == [(0, LONG), (4, LONG)]


def test_the_threshold_meets_the_wanted_rate():
    rng = np.random.default_rng(4)
    n = 5000
    labels = BarLabels(
        rng.normal(size=(2, n)),
        rng.integers(0, 2, (2, n)).astype(np.int8),
        np.tile(np.arange(n) + 12, (2, 1)),
        np.ones((2, n), dtype=bool),
    )
    probability = rng.uniform(0.3, 0.6, (2, n))
    threshold = choose_threshold(probability, labels, np.arange(n), 40)
    figures = trade_metrics(probability, labels, np.arange(n), threshold)

    assert figures["entries_per_1000_bars"] == pytest.approx(40, rel=0.05)
    assert trade_metrics(probability, labels, np.arange(n), 0.99)["win_rate"] is None
