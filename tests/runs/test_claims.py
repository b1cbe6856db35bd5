"""Intervals say what the data carry: a real gain is seen, noise is not, too little is not judged."""

from __future__ import annotations

import numpy as np
import pytest

from llm_plugin.errors import DataError
from llm_plugin.runs.claims import paired_gain, pooled_gain


def test_a_real_gain_has_an_interval_above_zero() -> None:
    rng = np.random.default_rng(1)
    control = rng.normal(0, 1, 500)
    gain = paired_gain(control + 0.2 + rng.normal(0, 0.5, 500), control)
    assert gain.above_zero
    assert gain.mean == pytest.approx(0.2, abs=0.06)


def test_noise_is_not_a_gain_in_most_samples() -> None:
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        control = rng.normal(0, 1, 250)
        wrong += paired_gain(control + rng.normal(0, 0.5, 250), control, repetitions=500).above_zero
    assert wrong <= 5  # nominal 2.5 %; the bound is the 99.9 % quantile of Binomial(40, 0.03)


def test_autocorrelated_differences_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    steps = rng.normal(0, 1, 600)
    smooth = np.convolve(steps, np.ones(20) / np.sqrt(20), mode="same")
    independent = paired_gain(steps, np.zeros(600))
    dependent = paired_gain(smooth, np.zeros(600))
    assert independent.low is not None
    assert independent.high is not None
    assert dependent.low is not None
    assert dependent.high is not None
    assert dependent.high - dependent.low > 1.8 * (independent.high - independent.low)


def test_too_few_days_cannot_be_judged() -> None:
    gain = paired_gain([1.0] * 10, [0.0] * 10)
    assert gain.mean is None
    assert "10 days are too few" in gain.reason
    assert not gain.above_zero


def test_arms_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match=r"30 and 29 days"):
        paired_gain(np.zeros(30), np.zeros(29))


def test_pooling_keeps_seeds_apart_and_is_reproducible() -> None:
    rng = np.random.default_rng(5)
    seeds = [rng.normal(0.1, 1, 200) for _ in range(5)]
    first, second = pooled_gain(seeds), pooled_gain(seeds)
    assert first == second
    assert first.n == 1000
    assert first.low is not None
    assert first.mean is not None
    assert first.low < first.mean
