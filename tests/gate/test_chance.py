"""The tests of chance: exact where they can be, of the right size where they draw, and never below it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from gate_trials import disagreeing
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llm_plugin.gate import pair
from llm_plugin.gate.chance import bootstrap_means, permuted_p, sign_flip_p
from llm_plugin.gate.checks import gain_checks
from llm_plugin.settings import GateSettings


def by_hand(sums: list[float]) -> float:
    signs = itertools.product((1, -1), repeat=len(sums))
    totals = [sum(s * x for s, x in zip(sign, sums, strict=True)) for sign in signs]
    return float(np.mean([total >= sum(sums) - 1e-9 for total in totals]))


@hypothesis_settings(max_examples=40, deadline=None)
@given(sums=st.lists(st.integers(-30, 30).filter(bool), min_size=2, max_size=8))
@example(sums=[-1, 4, -5, 4, -29, 27])  # their sum is 0, and 4e-16 in floats
def test_few_blocks_are_enumerated(sums: list[int]) -> None:
    values = [value / 10 for value in sums]
    assert sign_flip_p(np.array(values), 999, 0) == pytest.approx(by_hand(values))


def test_blocks_without_a_difference_do_not_count() -> None:
    sums = np.array([0.5, 0.0, 1.2, -0.1, 0.0])
    assert sign_flip_p(sums, 999, 0) == sign_flip_p(sums[sums != 0], 999, 0)
    assert sign_flip_p(np.zeros(5), 999, 0) == 1.0
    assert (sign_flip_p(np.array([2.0]), 99, 0), sign_flip_p(np.array([-2.0]), 99, 0)) == (0.5, 1.0)


def test_the_sign_flip_test_keeps_its_level_where_a_test_of_single_trades_does_not() -> None:
    """Planted offender: trades of one day move together, so flipping each by itself finds gains that are none."""
    rng, level, day, single = np.random.default_rng(1), 0.05, [], []
    for number in range(400):
        gains = rng.normal(size=(20, 1)) + 0.3 * rng.normal(size=(20, 6))
        day.append(sign_flip_p(gains.sum(axis=1), 199, number) <= level)
        single.append(sign_flip_p(gains.ravel(), 199, number) <= level)
    assert np.mean(day) < 0.09
    assert np.mean(single) > 0.15


def test_permuted_verdicts_have_the_right_size_and_find_skill() -> None:
    rng = np.random.default_rng(1)
    blind = [permuted_p(rng.random(60) < 0.5, rng.normal(-0.4, 1, 60), 199, n) <= 0.05 for n in range(300)]
    assert np.mean(blind) < 0.085
    net = rng.normal(-0.4, 1, 60)
    assert permuted_p((net > 0.2).astype(float), net, 199, 0) <= 0.01
    assert permuted_p((net < -0.4).astype(float), net, 199, 0) > 0.9


@pytest.mark.parametrize("size", [0.0, 0.5, 1.0])
def test_constant_verdicts_are_never_selective(size: float) -> None:
    assert permuted_p(np.full(50, size), np.full(50, -1.0), 99, 0) == 1.0


def test_the_bootstrap_draws_whole_blocks() -> None:
    sums, counts = np.array([[6.0, 0.0], [0.0, 4.0]]), np.array([[3.0, 0.0], [1.0, 2.0]])
    means = bootstrap_means(sums, counts, 400, 0)
    assert means.shape == (400, 2)
    assert set(np.round(means[:, 0], 6)) == {2.0, 1.5, 0.0}  # both first, one of each, both second
    assert set(means[~np.isnan(means[:, 1]), 1]) == {2.0}
    assert np.isnan(means[:, 1]).mean() == pytest.approx(0.25, abs=0.1)  # the second column lies in one block only
    assert np.array_equal(means, bootstrap_means(sums, counts, 400, 0), equal_nan=True)


def test_an_interval_that_touches_zero_refuses() -> None:
    trial = disagreeing(np.random.default_rng(0), gain_r=0.8)
    paired = pair(trial.champion, trial.challenger, trial.decisions, max(row.matured_utc for row in trial.decisions))
    settings = GateSettings(repetitions=199)
    wide, narrow = np.linspace(-0.1, 1.0, 200), np.linspace(0.05, 1.0, 200)
    verdicts = [
        {row.name: row.passed for row in gain_checks(paired, samples, settings, 0.025, 199)[0]}
        for samples in (wide, narrow)
    ]
    assert verdicts[0] == {"gain": True, "interval": False, "size": True}
    assert verdicts[1] == {"gain": True, "interval": True, "size": True}
