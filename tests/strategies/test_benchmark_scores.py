"""Scores: unbiased pass@k, intervals that hold what they promise, and a paired comparison."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from witness_sources import verdict

from llm_plugin.errors import DataError
from llm_plugin.strategies.benchmark.compare import compare_samples
from llm_plugin.strategies.benchmark.samples import Sample
from llm_plugin.strategies.benchmark.scores import bootstrap_interval, pass_at_k, score_gate, wilson
from llm_plugin.strategies.benchmark.summary import sharpe_figures, summarise


def sample(task: str, number: int = 0, failed: str = "", **change: object) -> Sample:
    plain = Sample(
        task, number, "sha-" + task, "trend", 1, "hand", "code", "", 100, 50, 2.0, 0.01, "stop", verdict(failed)
    )
    return replace(plain, **change)  # type: ignore[arg-type]


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_one(case: tuple[int, int, int]) -> None:
    answers, right, k = case
    draws = list(itertools.combinations([True] * right + [False] * (answers - right), k))
    assert pass_at_k(answers, right, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws))


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(DataError, match="pass@3 of 1 right ones among 2"):
        pass_at_k(2, 1, 3)
    with pytest.raises(DataError, match="5 of 4 is no share"):
        wilson(5, 4)


def test_wilson_holds_the_true_share_as_often_as_it_says() -> None:
    from scipy.stats import binom

    ends = [wilson(count, 60) for count in range(61)]
    held = [
        sum(binom.pmf(count, 60, share) for count, (low, high) in enumerate(ends) if low <= share <= high)
        for share in np.linspace(0.05, 0.95, 91)
    ]
    assert 0.94 < np.mean(held) < 0.96
    assert wilson(0, 10)[0] == pytest.approx(0.0, abs=1e-12)
    assert wilson(10, 10)[1] == 1.0


def test_the_bootstrap_resamples_tasks_and_repeats_itself() -> None:
    low, high = bootstrap_interval([0.0, 1.0] * 20, seed=3)
    assert low < 0.5 < high
    assert bootstrap_interval([0.0, 1.0] * 20, seed=3) == (low, high)
    assert bootstrap_interval([1.0] * 5) == (1.0, 1.0)


def test_one_answer_a_task_takes_wilson_and_several_the_bootstrap() -> None:
    one = score_gate({"a": [True], "b": [False]}, 1)
    several = score_gate({"a": [True, False], "b": [False, False]}, 2)
    assert (one.method, one.value) == ("wilson", 0.5)
    assert (several.method, several.value, several.tasks) == ("bootstrap", 0.5, 2)
    assert score_gate({"a": [True]}, 2).value is None


def test_gates_count_those_before_them_and_unsupported_is_nobodys_fault() -> None:
    lacking = verdict("backtests")
    gates = (lacking.gates[0], replace(lacking.gates[1], passed=None), *lacking.gates[2:])
    samples = [
        sample("a"),
        sample("b", failed="trades"),
        sample("c", verdict=replace(lacking, gates=gates, unsupported=("QCAlgorithm.add_option",))),
        sample("d", code="", problem="prose", verdict=None),
    ]
    found = summarise(samples, {"model": "m"}, {})
    shares = {gate: score["pass@1"]["value"] for gate, score in found["scores"].items()}
    assert shares == {"compiles": 0.75, "backtests": 2 / 3, "trades": 1 / 3, "means_it": 1 / 3, "honest": 1 / 3}
    assert found["unsupported"] == {"QCAlgorithm.add_option": 1}
    assert (found["without_code"], found["tokens_in"], found["cost_usd"]) == (1, 400, 0.04)


def test_a_cost_that_is_not_known_is_not_zero() -> None:
    assert summarise([sample("a", cost_usd=None), sample("b")], {}, {})["cost_usd"] is None


def test_the_best_of_many_sharpe_ratios_is_deflated() -> None:
    def with_sharpe(task: str, value: float) -> Sample:
        return sample(task, verdict=replace(verdict(), statistics={"Sharpe Ratio": str(value)}))

    days = {"t0": 252}
    alone = sharpe_figures([with_sharpe("t0", 2.0)], days)
    among = sharpe_figures([with_sharpe(f"t{i}", 2.0 - 0.2 * i) for i in range(20)], days)
    assert alone["best"] == among["best"] == 2.0
    assert 0.95 < alone["deflated"] < 1.0
    assert among["deflated"] < alone["deflated"] - 0.3
    assert sharpe_figures([], days)["strategies"] == 0


def test_a_comparison_is_paired_by_task() -> None:
    a = [sample(f"t{i}", failed="means_it" if i % 2 else "") for i in range(40)]
    b = [sample(f"t{i}", failed="means_it" if i % 8 == 1 else "") for i in range(40)]
    found = {one.gate: one for one in compare_samples(a, b)}
    assert (found["means_it"].better, found["means_it"].worse, found["means_it"].tasks) == (15, 0, 40)
    assert found["means_it"].difference == pytest.approx(15 / 40)
    assert found["means_it"].verdict == "B is better"
    assert found["compiles"].verdict == "no credible difference"
    back = {one.gate: one for one in compare_samples(b, a)}
    assert back["means_it"].verdict == "A is better"


def test_runs_of_other_tasks_are_not_compared() -> None:
    with pytest.raises(DataError, match="share no task"):
        compare_samples([sample("a")], [sample("a", prompt_sha="other")])
