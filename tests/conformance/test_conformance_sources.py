"""Scope by what a source uses, expectations by what its twin says."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from planted_checkout import GOLDEN, Checkout, twin

from llm_plugin.conformance.catalogue import lean_parameters, read_tiers, survey
from llm_plugin.conformance.scope import judge_scope, read_names
from llm_plugin.conformance.twins import TwinIndex
from llm_plugin.errors import ConfigError

SIMPLE = """
from AlgorithmImports import *

class Simple(QCAlgorithm):
    '''add_option and SecurityType.FUTURE stand in a docstring only'''
    def initialize(self):
        # self.add_future("ES")
        self.add_equity("SPY", Resolution.HOUR)
"""


def scope_of(tmp_path: Path, body: str):
    path = tmp_path / "Some.py"
    path.write_text(SIMPLE + textwrap.indent(textwrap.dedent(body), "        "), encoding="utf-8")
    return judge_scope(read_names(path))


def test_comments_and_docstrings_are_no_use_of_a_member(tmp_path):
    scope = scope_of(tmp_path, "self.set_holdings('SPY', 1)")
    assert (scope.tier, scope.reasons) == (1, ())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("self.add_option('SPY')", "add_option"),
        ("self.AddFuture('ES')", "add_future"),
        ("x = SecurityType.Option", "SecurityType.OPTION"),
        ("self.add_universe(self.coarse)", "add_universe(coarse selection)"),
        ("self.add_universe(self.universe.etf('SPY'))", "universe.etf"),
        ("x = FundamentalUniverseSelectionModel(None)", "FundamentalUniverseSelectionModel"),
    ],
)
def test_derivatives_and_fundamentals_are_out_of_scope_and_named(tmp_path, line, reason):
    scope = scope_of(tmp_path, line)
    assert not scope.is_in
    assert reason in scope.reasons


def test_orders_that_a_brokerage_sends_are_out_of_scope_and_a_method_of_that_name_is_not(tmp_path):
    handler = "class Handler({base}):\n            def handle_order(self, event):\n                return True"
    sent = scope_of(tmp_path, handler.format(base="DefaultBrokerageMessageHandler"))
    assert (sent.is_in, sent.reasons) == (False, ("DefaultBrokerageMessageHandler.HANDLE_ORDER",))
    assert scope_of(tmp_path, handler.format(base="object")).is_in


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("self.add_data(Thing, 'X')", "add_data"),
        ("self.add_equity('IBM', Resolution.Tick)", "Resolution.TICK"),
        ("self.set_brokerage_model(BrokerageName.BINANCE)", "BrokerageName.BINANCE"),
        ("x = RenkoConsolidator(1)", "RenkoConsolidator"),
        ("self.add_universe('mine', lambda t: [])", "add_universe"),
    ],
)
def test_more_than_a_simple_strategy_is_tier_two(tmp_path, line, reason):
    scope = scope_of(tmp_path, line)
    assert scope.tier == 2
    assert reason in scope.reasons


def test_a_name_of_the_users_own_is_no_member_of_lean(tmp_path):
    assert scope_of(tmp_path, "self.train = 1\nprint(self.train)").tier == 1


def test_what_an_imported_parent_needs_the_child_needs(tmp_path, market_data):
    checkout = Checkout(tmp_path / "lean", market_data)
    checkout.algorithm(
        "Parent", "class Parent(QCAlgorithm):\n    def initialize(self):\n        self.add_option('X')\n"
    )
    checkout.algorithm("Child", "from Parent import Parent\nclass Child(Parent):\n    pass\n")
    checkout.buy_once("Plain")
    assert [item.name for item in survey(checkout.root)] == ["Plain"]
    assert [item.scope.tier for item in survey(checkout.root, ["Child"])] == [3]


def test_a_twin_inherits_what_it_does_not_say(tmp_path):
    folder = tmp_path / "cs"
    folder.mkdir()
    (folder / "Base.cs").write_text(twin("Base", GOLDEN, virtual="virtual "), encoding="utf-8")
    (folder / "Child.cs").write_text(
        """
        public class Child : Base
        {
            public override AlgorithmStatus AlgorithmStatus => AlgorithmStatus.RuntimeError;
            private class Inner
            {
                public Dictionary<string, string> ExpectedStatistics => new() { {"Total Orders", "9"} };
            }
        }
        public abstract class Bare { public abstract Dictionary<string, string> ExpectedStatistics { get; } }
        """,
        encoding="utf-8",
    )
    index = TwinIndex(folder)
    child = index.find("Child")
    assert child is not None
    assert (child.status, child.statistics, child.runs_locally, child.has_python) == (
        "RuntimeError",
        GOLDEN,
        True,
        True,
    )
    assert index.find("Bare") is None
    assert index.find("Commented") is None


def test_a_twin_says_where_lean_itself_cannot_judge(tmp_path):
    folder = tmp_path / "cs"
    folder.mkdir()
    (folder / "A.cs").write_text(twin("A", GOLDEN, local="false", languages="Language.CSharp"), encoding="utf-8")
    found = TwinIndex(folder).find("A")
    assert found is not None
    assert (found.runs_locally, found.has_python) == (False, False)


def test_no_checkout_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"has no Algorithm\.Python"):
        survey(tmp_path)


def test_an_unknown_name_is_said_with_the_nearest_one(tmp_path, market_data):
    checkout = Checkout(tmp_path / "lean", market_data)
    checkout.buy_once("BuyOnce")
    with pytest.raises(ConfigError, match=r"BuyOne is not in .*did you mean 'BuyOnce'"):
        survey(checkout.root, ["BuyOne"])


def test_tiers_come_from_a_csv_where_one_is_given(tmp_path, market_data):
    checkout = Checkout(tmp_path / "lean", market_data)
    checkout.buy_once("One")
    checkout.buy_once("Two")
    rows = tmp_path / "tiers.csv"
    rows.write_text("algorithm,tier\nTwo,2\n", encoding="utf-8")
    found = {item.name: (item.scope.tier, item.listed) for item in survey(checkout.root, (), read_tiers(rows))}
    assert found == {"One": (1, False), "Two": (2, True)}
    rows.write_text("name\nTwo\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="needs columns algorithm and tier"):
        read_tiers(rows)


def test_parameters_are_those_of_the_launcher(tmp_path):
    (tmp_path / "Launcher").mkdir()
    (tmp_path / "Launcher" / "config.json").write_text(
        '{\n // a remark\n "parameters": {"fast": 3}\n}', encoding="utf-8"
    )
    assert lean_parameters(tmp_path) == {"fast": "3"}
    assert lean_parameters(tmp_path / "none")["ema-fast"] == "10"
