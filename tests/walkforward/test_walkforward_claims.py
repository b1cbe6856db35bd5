"""Claims are made where there is a difference, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from llm_plugin.errors import DataError
from llm_plugin.walkforward.claims import deflated_sharpe, effective_trials, gain_over, pooled_over, sharpe


def series(mean: float, seed: int, days: int = 500) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.01, days)


def test_a_real_gain_is_claimed_and_its_mirror_image_is_a_loss() -> None:
    noise = series(0.0, 1)
    better = noise + 0.003 + 0.2 * series(0.0, 2)
    gained = gain_over("learning", better, "frozen", noise)
    assert gained.verdict == "gained"
    assert gained.net_return.mean == pytest.approx(float((better - noise).mean()))
    assert gained.sharpe.mean == pytest.approx(sharpe(better) - sharpe(noise))
    assert gain_over("frozen", noise, "learning", better).verdict == "lost"


def test_equal_arms_show_no_difference() -> None:
    values = series(0.001, 3)
    same = gain_over("learning", values, "frozen", values)
    assert same.verdict == "no difference shown"
    assert (same.net_return.mean, same.sharpe.mean) == (0.0, 0.0)
    verdicts = [gain_over("a", series(0.0, 2 * n), "b", series(0.0, 2 * n + 1)).verdict for n in range(10, 40)]
    assert verdicts.count("gained") <= 3


def test_a_higher_return_by_more_risk_alone_is_no_claim() -> None:
    base = series(0.002, 5)
    doubled = gain_over("learning", 2 * base, "frozen", base)
    assert doubled.net_return.low is not None
    assert doubled.net_return.low > 0
    assert doubled.sharpe.mean == pytest.approx(0.0, abs=1e-12)
    assert doubled.verdict == "no difference shown"


def test_too_few_days_cannot_be_judged() -> None:
    short = gain_over("learning", series(0.1, 1, 10), "frozen", series(0.0, 2, 10))
    assert short.verdict == "cannot be judged"
    assert short.net_return.reason == "10 days are too few (at least 20)"


def test_arms_of_other_days_are_refused() -> None:
    with pytest.raises(DataError, match="30 and 31 days"):
        gain_over("learning", series(0, 1, 30), "frozen", series(0, 1, 31))


def test_pooling_keeps_runs_apart_and_narrows_the_interval() -> None:
    pairs = [(series(0.0, n) + 0.0006, series(0.0, n) + 0.3 * series(0.0, 50 + n)) for n in range(5)]
    single, pooled = gain_over("a", *(pairs[0][0], "b", pairs[0][1])), pooled_over("a", "b", pairs)
    widths = [g.net_return.high - g.net_return.low for g in (single, pooled)]  # type: ignore[operator]
    assert widths[1] < 0.7 * widths[0]
    assert pooled.net_return.n == 2500
    again = pooled_over("a", "b", pairs)
    assert again == pooled


def test_more_trials_deflate_and_copies_count_once() -> None:
    good = series(0.0012, 11)
    trials = {"learning": good, "frozen": series(0.0, 12), "none": series(0.0, 13)}
    alone, many = deflated_sharpe(good, trials), deflated_sharpe(good, trials, more_trials=200)
    assert alone.probability is not None
    assert many.probability is not None
    assert alone.probability > many.probability
    assert (alone.trials, many.trials) == (3, 203)
    copies = {**trials, **{f"copy{n}": good + 1e-5 * series(0.0, 20 + n) for n in range(5)}}
    assert effective_trials(trials) == 3
    assert effective_trials(copies) == 3
    assert deflated_sharpe(np.zeros(100), {"a": np.zeros(100)}).probability is None


def test_the_deflated_sharpe_of_a_lonely_trial_is_the_probabilistic_one() -> None:
    values = series(0.001, 31, 1000)
    alone = deflated_sharpe(values, {"learning": values})
    assert alone.threshold_day == 0.0
    from scipy.stats import norm

    assert alone.probability == pytest.approx(float(norm.cdf(sharpe(values) * np.sqrt(999))), abs=0.01)
