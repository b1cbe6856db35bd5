"""The best of many worthless trials is not believed, and an edge that is there is."""

from __future__ import annotations

import numpy as np
import pytest

from llm_plugin.optimize.overfit import aligned_returns, is_market_day, judge, overfitting


def _noise(trials: int, days: int = 1000, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {f"t{number}": random.normal(0, 0.01, days) for number in range(trials)}


def _best(returns: dict[str, np.ndarray]) -> str:
    return max(returns, key=lambda name: returns[name].mean() / returns[name].std())


def test_the_best_of_worthless_trials_is_hardly_ever_believed():
    verdicts = []
    for seed in range(40):
        returns = _noise(50, 500, seed)
        verdicts.append(judge(_best(returns), returns).verdict)

    assert sum(verdict == "not believed" for verdict in verdicts) >= 38
    assert "holds up" not in verdicts


def test_a_single_look_at_the_same_series_would_have_believed_it():
    """The twin: what deflation is for. Undeflated, the best of fifty looks like a discovery."""
    fooled = 0
    for seed in range(40):
        returns = _noise(50, 500, seed)
        best = _best(returns)
        probability = judge(best, {best: returns[best]}).deflated.probability
        fooled += probability is not None and probability > 0.95
    assert fooled >= 30


def test_a_real_edge_among_worthless_trials_holds_up():
    returns = _noise(20, 2000)
    returns["skill"] = np.random.default_rng(99).normal(0.0015, 0.01, 2000)
    found = judge("skill", returns)

    assert found.verdict == "holds up"
    assert found.overfitting.probability < 0.05
    assert "The best trial holds up: the Sharpe ratio of a day of the best of 21 trials" in found.sentence


def test_overfitting_is_a_coin_toss_for_noise_and_none_for_skill():
    chances = [overfitting(_noise(30, 600, seed)).probability for seed in range(12)]
    ordered = {f"s{n}": values + 0.002 * n for n, values in enumerate(_noise(8, 600).values())}

    assert 0.35 < float(np.mean(chances)) < 0.65
    assert overfitting(ordered).probability == 0.0
    assert overfitting(ordered).combinations == 924


@pytest.mark.parametrize(
    ("returns", "reason"),
    [
        ({}, "fewer than two trials"),
        (_noise(1), "fewer than two trials"),
        (_noise(3, 40), "40 days are too few, 60 are needed"),
        ({"a": np.ones(100), "b": np.ones(100)}, "all trials did the same"),
    ],
)
def test_what_cannot_be_told_is_none_with_its_reason(returns, reason):
    found = overfitting(returns)

    assert found.probability is None
    assert found.reason == reason


def test_a_trial_that_never_traded_is_not_judged():
    returns = {"a": np.zeros(200), "b": np.zeros(200)}

    found = judge("a", returns)
    assert (found.verdict, found.deflated.probability) == ("cannot be judged", None)
    assert "a series that never moves" in found.sentence


def test_curves_are_compared_on_the_days_that_they_share():
    curves = {
        "a": (("2024-01-04", "2024-01-05", "2024-01-06", "2024-01-08"), (100.0, 110.0, 110.0, 99.0)),
        "b": (("2024-01-05", "2024-01-06", "2024-01-08", "2024-01-09"), (100.0, 100.0, 150.0, 150.0)),
        "empty": ((), ()),
    }
    found = aligned_returns(curves)

    assert set(found) == {"a", "b"}
    assert found["a"].tolist() == pytest.approx([-0.1])
    assert found["b"].tolist() == pytest.approx([0.5])


def test_weekends_count_only_where_something_moved():
    days = ["2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08"]

    assert is_market_day(days, np.array([0.0, 0.0, 0.1, 0.0])).tolist() == [True, False, True, True]
