"""Parameters, trials, targets, constraints, folds: what is written, and what is refused by name."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.errors import ConfigError
from llm_plugin.optimize.plan import split, walk_forward_folds
from llm_plugin.optimize.score import Objective, parse_constraint, statistic
from llm_plugin.optimize.space import choose_trials, parse_parameters

STATISTICS = {"Sharpe Ratio": "0.876", "Drawdown": "11.400%", "Net Profit": "-3.5%", "Total Fees": "$2,287.30"}


def test_ranges_and_lists_are_read_exactly():
    fast, rate, kind = parse_parameters(["fast=5:20:5", "rate=0.1:0.3:0.1", "kind=a, b,c"])

    assert fast.values == ("5", "10", "15", "20")
    assert rate.values == ("0.1", "0.2", "0.3")
    assert kind.values == ("a", "b", "c")
    assert (fast.is_number, kind.is_number) == (True, False)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("fast", "fast: write name=low:high:step"),
        ("fast=", "write name=low:high:step"),
        ("fast=5:1:1", "low <= high"),
        ("fast=1:5:0", "step above 0"),
        ("fast=1:x:1", "'1:x:1' must be three numbers"),
        ("fast=1:nan:1", "low <= high|three numbers"),
        ("fast=a,a", "given twice"),
        ("fast=a,,b", "a value is empty"),
        ("fast=0:1000000:1", "1,000,001 values"),
    ],
)
def test_wrong_parameters_are_named(text, match):
    with pytest.raises(ConfigError, match=match):
        parse_parameters([text])


def test_all_wrong_parameters_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_parameters(["a", "b=5:1:1", "c=1", "c=2"])

    assert len(caught.value.problems) == 3


def test_a_grid_holds_everything_once_and_a_random_draw_a_part_of_it():
    parameters = parse_parameters(["a=1:10:1", "b=1:10:1"])
    grid = choose_trials(parameters)
    drawn = choose_trials(parameters, "random", 30, seed=4)

    assert len(set(grid)) == len(grid) == 100
    assert len(set(drawn)) == len(drawn) == 30
    assert set(drawn) < set(grid)
    assert drawn == choose_trials(parameters, "random", 30, seed=4) != choose_trials(parameters, "random", 30, seed=5)
    assert set(choose_trials(parameters, "random", 1000)) == set(grid)


def test_a_method_that_is_not_there_or_lacks_its_count_is_named():
    parameters = parse_parameters(["a=1:3:1"])
    with pytest.raises(ConfigError, match="--method euler: choose grid or random"):
        choose_trials(parameters, "euler")
    with pytest.raises(ConfigError, match="--method random needs --trials"):
        choose_trials(parameters, "random")
    with pytest.raises(ConfigError, match="the grid has 1,000,000 trials"):
        choose_trials(parse_parameters(["a=1:100:1", "b=1:100:1", "c=1:100:1"]))


def test_statistics_are_read_as_numbers():
    assert statistic(STATISTICS, "sharpe ratio") == 0.876
    assert statistic(STATISTICS, "Drawdown") == pytest.approx(0.114)
    assert statistic(STATISTICS, "NetProfit") == pytest.approx(-0.035)
    assert statistic(STATISTICS, "Total Fees") == 2287.30
    assert statistic(STATISTICS, "Nonsense") is None


def test_constraints_and_direction_decide_what_counts():
    strict, loose = parse_constraint("Drawdown<0.1"), parse_constraint("Drawdown <= 12%")

    assert Objective(constraints=(strict,)).score(STATISTICS) is None
    assert Objective(constraints=(loose,)).score(STATISTICS) == 0.876
    assert Objective("Drawdown", maximize=False).score(STATISTICS) == pytest.approx(-0.114)
    with pytest.raises(ConfigError, match="no statistic 'Sharp Ratio' \\(did you mean 'Sharpe Ratio'"):
        Objective("Sharp Ratio").require_known(STATISTICS)
    with pytest.raises(ConfigError, match="--constraint Drawdown: write"):
        parse_constraint("Drawdown")


@given(st.integers(60, 4000), st.integers(1, 5))
def test_folds_judge_only_days_after_those_that_chose(days, count):
    start = date(2000, 1, 1)
    end = start + timedelta(days=days - 1)
    if days // (count + 1) < 10:
        with pytest.raises(ConfigError, match="use fewer folds"):
            walk_forward_folds(start, end, count)
        return
    folds = walk_forward_folds(start, end, count)

    assert len(folds) == count
    for fold in folds:
        assert fold.train.start == start.isoformat()
        assert date.fromisoformat(fold.train.end) + timedelta(days=1) == date.fromisoformat(fold.test.start)
        assert fold.test.start <= fold.test.end
    for earlier, later in pairwise(folds):
        assert later.train.end == earlier.test.end
    assert folds[-1].test.end == end.isoformat()


def test_a_split_cuts_once_and_refuses_empty_parts():
    fold = split(date(2020, 1, 1), date(2020, 4, 9), 0.7)

    assert (fold.train.end, fold.test.start, fold.test.end) == ("2020-03-10", "2020-03-11", "2020-04-09")
    with pytest.raises(ConfigError, match=r"--in-sample 0\.99"):
        split(date(2020, 1, 1), date(2020, 4, 9), 0.99)
