"""Each alpha as a LEAN algorithm: it stands alone, computes the same numbers, and trades by them."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alpha_panels import random_panel

from llm_plugin.alphas.catalogue import alpha, alphas
from llm_plugin.alphas.evaluate import evaluate
from llm_plugin.alphas.examples import alpha_examples, varied_plan
from llm_plugin.alphas.panel import Panel, load_panel
from llm_plugin.alphas.plans import plan_of
from llm_plugin.alphas.source import DEFAULT_TICKERS, AlgorithmPlan, algorithm_source
from llm_plugin.engine.importer import lean_imports
from llm_plugin.engine.runner import BacktestResult, run_backtest
from llm_plugin.errors import ConfigError


def _namespace(source: str, tmp_path: Path) -> dict[str, Any]:
    """Run a generated file as the engine would and return its names."""
    names: dict[str, Any] = {}
    with lean_imports(tmp_path):
        exec(compile(source, "main.py", "exec"), names)
    return names


def _random_plan(panel: Panel) -> AlgorithmPlan:
    groups = {
        name: tuple(str(panel.groups[level][place]) for level in ("sector", "industry", "subindustry"))
        for place, name in enumerate(panel.names)
    }
    return AlgorithmPlan(date(2019, 1, 2), date(2019, 6, 28), groups, panel.names)  # type: ignore[arg-type]


def test_the_written_formula_gives_the_evaluators_values_to_the_last_bit(tmp_path: Path) -> None:
    panel = random_panel()
    plan = _random_plan(panel)
    for each in alphas():
        names = _namespace(algorithm_source(each, plan), tmp_path)
        fields = [panel.fields[name][-names["LOOKBACK"] :] for name in names["FIELDS"]]
        with np.errstate(all="ignore"):
            values = names["alpha"](*fields)[-1]
        np.testing.assert_array_equal(values, evaluate(each.formula, panel)[-1], err_msg=str(each.number))


def test_a_file_stands_alone_and_holds_nothing_that_it_does_not_use() -> None:
    seen = set()
    for example in alpha_examples():
        tree = ast.parse(example.source)
        imported = {
            name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
        }  # fmt: skip
        assert imported <= {"AlgorithmImports", "functools", "numpy", "pandas"}
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        assert defined <= used, example.number
        assigned = {
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        assert assigned - used <= {"TICKERS"}, example.number
        assert "".join(example.formula.split()) in "".join(example.source.split())
        assert max(map(len, example.source.splitlines())) <= 110
        assert "Floats" not in example.source
        seen.add(example.number)
    assert seen == set(range(1, 102))


def test_examples_have_different_instructions_that_name_universe_and_rule() -> None:
    examples = list(alpha_examples(weightings=("dollar-neutral", "long-only")))
    assert len(examples) == 202
    texts = [text for example in examples for text in example.instructions]
    assert len(set(texts)) == len(texts) >= 1_000
    assert all("AAPL" in text and "WM" in text and "weekly" in text.lower() for text in texts)
    assert {example.facts["direction"] for example in examples} == {"both", "long"}


def test_varied_examples_differ_and_each_has_something_to_rank(market_data: Path) -> None:
    panel = load_panel(market_data, DEFAULT_TICKERS, plan_of().classification, date(2013, 7, 1), date(2020, 6, 30))
    plans = [varied_plan(each) for each in alphas()]
    assert plans == [varied_plan(each) for each in alphas()]
    assert len({(plan.tickers, plan.start) for plan in plans}) > 95
    for each, plan in zip(alphas(), plans, strict=True):
        names = [panel.names.index(name) for name in plan.tickers]
        groups = {level: values[names] for level, values in panel.groups.items()}
        fields = {name: values[:, names] for name, values in panel.fields.items()}
        values = evaluate(each.formula, Panel(panel.days, plan.tickers, fields, groups))
        starts = [
            row for row, day in enumerate(panel.days)
            if plan.start <= day <= plan.end and panel.days[row - 1].weekday() > day.weekday()
        ]  # fmt: skip
        assert len(starts) >= 18
        assert any(len(set(values[row][np.isfinite(values[row])])) > 1 for row in starts), each.number
    examples = list(alpha_examples(varied=True))
    assert [example.number for example in examples] == list(range(1, 102))
    assert examples[0].facts["symbols"] == list(plans[0].tickers)


def _run(source: str, tmp_path: Path, data: Path) -> BacktestResult:
    project = tmp_path / "project"
    project.mkdir(parents=True, exist_ok=True)
    (project / "main.py").write_text(source)
    return run_backtest(project, data_folder=data, results_folder=None)


def test_the_first_orders_buy_the_upper_half_of_the_ranking_and_sell_the_lower(
    tmp_path: Path, market_data: Path
) -> None:
    tickers = ("AAPL", "BAC", "GOOG", "IBM", "SPY", "WM")
    plan = replace(plan_of(tickers=tickers), start=date(2018, 3, 1), end=date(2018, 3, 9))
    result = _run(algorithm_source(alpha(101), plan), tmp_path, market_data)
    panel = load_panel(market_data, tickers, plan.classification, date(2018, 2, 1), date(2018, 3, 1))
    values = dict(zip(tickers, evaluate(alpha(101).formula, panel)[-1], strict=True))
    ranking = sorted(tickers, key=values.__getitem__)
    first = {str(order.symbol.value): order for order in result.orders[: len(tickers)]}
    assert {order.time.date() for order in first.values()} == {date(2018, 3, 1)}
    assert {name for name, order in first.items() if order.quantity < 0} == set(ranking[:3])
    assert {name for name, order in first.items() if order.quantity > 0} == set(ranking[3:])
    value = {
        name: float(order.quantity) * panel.fields["close"][-1, tickers.index(name)] for name, order in first.items()
    }
    assert sum(value.values()) == pytest.approx(0, abs=5_000)
    assert sum(map(abs, value.values())) == pytest.approx(1_000_000, rel=0.05)
    later = {order.time.date() for order in result.orders[len(tickers) :]}
    assert later == {date(2018, 3, 5)}


def test_long_only_holds_the_best_fifth_in_equal_parts(tmp_path: Path, market_data: Path) -> None:
    plan = plan_of(weighting="long-only", rebalance="month", start=date(2018, 3, 1), end=date(2018, 3, 20))
    result = _run(algorithm_source(alpha(41), plan), tmp_path, market_data)
    panel = load_panel(market_data, plan.tickers, plan.classification, date(2018, 2, 1), date(2018, 3, 1))
    values = evaluate(alpha(41).formula, panel)[-1]
    best = {name for name, value in zip(plan.tickers, values, strict=True) if (values <= value).mean() > 0.8}
    assert {str(order.symbol.value) for order in result.orders} == best
    assert all(order.quantity > 0 for order in result.orders)


def test_long_only_takes_a_fifth_of_equals_too(tmp_path: Path) -> None:
    names = _namespace(algorithm_source(alpha(61), plan_of(weighting="long-only")), tmp_path)
    model = names["Alpha061Model"]([])
    weights = model._weights(np.array([0, 0, 1, 1, 1, 1, 1, 0, 0, np.nan]))
    assert weights.tolist() == [0, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 0]
    assert model._weights(np.full(10, np.nan)).tolist() == [0] * 10
    neutral = _namespace(algorithm_source(alpha(61), plan_of()), tmp_path)["Alpha061Model"]([])
    assert neutral._weights(np.array([3, 1, np.nan, 2, 2])).tolist() == [0.5, -0.5, 0, 0, 0]
    assert neutral._weights(np.array([2.0, 2, 2])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"weighting": "short"}, "weighting is 'short': give dollar-neutral or long-only"),
        ({"rebalance": "hour"}, "rebalance is 'hour': give day, week, month"),
        ({"end": date(2018, 1, 1)}, "the backtest ends on 2018-01-01, which is not after 2018-01-02"),
        ({"tickers": ("SPY",)}, "at least two different tickers, here are SPY"),
        ({"tickers": ("SPY", "TSLA")}, "no classification for TSLA"),
    ],
)
def test_an_impossible_plan_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        replace(plan_of(), **changes)


def test_all_problems_of_a_plan_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        replace(plan_of(), weighting="x", rebalance="y", tickers=("SPY",))
    assert len(caught.value.problems) == 3
