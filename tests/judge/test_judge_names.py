"""Gate 1: LEAN's names, from the stubs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from judge_attacks import HONEST, strategy

from llm_plugin.errors import ConfigError
from llm_plugin.strategies.judge import lean_names
from llm_plugin.strategies.judge.compiles import check_source, missing_modules
from llm_plugin.strategies.judge.lean_names import is_valid_member, lean_index

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ("self.set_holding(self.spy, 1)", "main.py:12: QCAlgorithm has no member 'set_holding' (did you mean"),
        ("self.portfolio[self.spy].investd", "SecurityHolding has no member 'investd' (did you mean 'invested'?)"),
        ("self.securities[self.spy].pric", "Security has no member 'pric' (did you mean 'price'?)"),
        ("x = self.rsi(self.spy, 9)\nx.curent", "RelativeStrengthIndex has no member 'curent' (did you mean 'current"),
        ("self.add_equity('SPY').symbl", "Equity has no member 'symbl'"),
        ("Resolution.DAYLY", "Resolution has no member 'DAYLY' (did you mean"),
        ("MovingAverageType.Exponentiel", "MovingAverageType has no member 'Exponentiel'"),
        ("RelativStrengthIndex(14)", "the name 'RelativStrengthIndex' is defined nowhere (did you mean"),
        ("undefined_thing + 1", "the name 'undefined_thing' is defined nowhere"),
        ("exec('1')", "'exec' may not be used in a judged strategy"),
        ("().__class__.__subclasses__()", "the attribute '__subclasses__' may not be used"),
    ],
)  # fmt: skip
def test_a_name_that_lean_lacks_is_told_with_line_and_nearest(lines, match):
    assert any(match in problem for problem in check_source(strategy(lines))), check_source(strategy(lines))


@pytest.mark.parametrize(
    ("top", "match"),
    [
        ("import os", "'os' may not be imported in a judged strategy: it reaches files, processes or the net"),
        ("import requests", "'requests' may not be imported"),
        ("from subprocess import run", "'subprocess' may not be imported"),
        ("from llm_plugin.engine import runner", "'llm_plugin.engine' may not be imported"),
        ("import pandaz", "there is no module 'pandaz' in LEAN (did you mean 'pandas'?)"),
        ("from .helpers import x", "a strategy is one file"),
        ("from QuantConnect.Indicators import Bollinger", "QuantConnect.Indicators has no 'Bollinger' (did you mean"),
    ],
)
def test_an_import_that_is_not_allowed_is_told(top, match):
    assert any(match in problem for problem in check_source(strategy(top=top)))


@pytest.mark.parametrize(
    "lines",
    [
        "self.SetHoldings(self.spy, 1)\nself.Portfolio[self.spy].Invested",
        "self.rsi = self.rsi(self.spy, 14)\nself.rsi.is_ready",
        "self.my_own = 1\nself.my_own + 1",
        "for kvp in self.portfolio: kvp.value.invested",
        "h = self.history(self.spy, 5, Resolution.DAILY)\nh.loc[self.spy].close.mean()",
        "input = 3\nself.log(input)",
        "t = self.limit_order(self.spy, 1, 1)\nt.update_limit_price(2)\nt.order_events[0].fill_price",
        "self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE, AccountType.MARGIN)",
        "self.add_alpha(EmaCrossAlphaModel(5, 10))\nself.set_execution(ImmediateExecutionModel())",
        "x = np.mean([1, 2]); y = pd.DataFrame(); z = deque(maxlen=3); w = timedelta(days=1)",
        "self.consolidate(self.spy, timedelta(7), lambda bar: self.log(bar.close))",
    ],
)
def test_what_lean_has_is_no_problem(lines):
    assert check_source(strategy(lines)) == []


def test_every_shipped_solution_has_only_names_of_lean():
    folder = ROOT / "datasets" / "strategy_tasks"
    files = sorted(file for name in ("references", "alternatives") for file in (folder / name).rglob("*.py"))
    assert len(files) >= 20
    assert {str(file): problems for file in files if (problems := check_source(file.read_text()))} == {}


def test_no_algorithm_class_is_told():
    assert check_source("class A:\n    pass") == [
        "main.py needs one class that derives from QCAlgorithm; its classes: A"
    ]
    assert check_source("x" * 200_001) == ["main.py has 200,001 characters: write at most 200,000"]
    assert check_source("(" * 5000)[0].startswith("main.py")


def test_a_module_of_leans_cloud_that_is_not_here_is_named():
    assert missing_modules("import talib_not\nimport pykalman\nimport numpy") == ("pykalman",)
    assert missing_modules("import (") == ()


def test_the_index_is_kept_by_version_and_built_anew_when_it_is_broken(own_home):
    lean_index.cache_clear()
    first = lean_index()
    kept = list((own_home / "cache").glob("lean-names-*.json"))
    assert [first.version in path.name for path in kept] == [True]
    kept[0].write_text("half a fi")
    lean_index.cache_clear()
    assert lean_index().classes == first.classes
    assert json.loads(kept[0].read_text())["version"] == first.version
    assert len(first.classes) > 3000
    assert first.find("QCAlgorithm", "add_equity") == "Equity"
    assert first.find("QCAlgorithm", "AddEquity") == "Equity"
    assert first.find("Resolution", "Daily") == "Resolution"
    assert first.find("QCAlgorithm", "add_equities") is None


def test_without_the_stubs_the_remedy_is_told(monkeypatch):
    monkeypatch.setattr(lean_names, "_PACKAGE", "quantconnect-stubs-that-nobody-has")
    lean_index.cache_clear()
    with pytest.raises(ConfigError, match="quantconnect-stubs is not installed: pip install"):
        check_source(HONEST)
    monkeypatch.undo()
    lean_index.cache_clear()


@pytest.mark.parametrize(
    ("member", "source", "valid"),
    [
        ("QCAlgorithm.add_option", "self.add_option('SPY')", True),
        ("QCAlgorithm.add_option", "self.AddOption('SPY')", True),
        ("QCAlgorithm.add_option", "self.add_equity('SPY')", False),
        ("QCAlgorithm.make_rich", "self.make_rich()", False),
        ("OptionRight", "OptionRight.CALL", True),
        ("NoSuchThing", "NoSuchThing()", False),
        ("QCAlgorithm.set_warm_up(..., Resolution.Hour)", "self.set_warm_up(3, Resolution.HOUR)", True),
    ],
)
def test_only_a_member_that_lean_has_and_the_candidate_uses_is_an_excuse(member, source, valid):
    assert is_valid_member(member, source) is valid
