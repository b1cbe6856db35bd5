"""Semantics 17.7: universes select at their trigger times."""

from __future__ import annotations

import shutil

import pytest

from llm_plugin.errors import UnsupportedLeanApi

SOURCE = """
class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 16)
        self.universe_settings.resolution = Resolution.DAILY
        self.changes = []
        self.add_universe("mine", Resolution.DAILY, self.select)

    def select(self, date):
        return ["SPY", "AAPL"] if date.day < 10 else ["SPY", "IBM"]

    def on_securities_changed(self, changes):
        added = [s.symbol.value for s in changes.added_securities]
        removed = [s.symbol.value for s in changes.removed_securities]
        self.changes.append((self.time.day, added, removed))

    def on_data(self, data):
        if data.contains_key("AAPL"):
            self.last_aapl_bar = self.time.day
        if self.time.day == 7 and data.contains_key("AAPL"):
            self.market_order("AAPL", 10)
        if self.time.day == 15:
            self.liquidate("AAPL")
"""


def test_deselected_security_is_told_at_once_and_goes_when_its_position_is_closed(run):
    result = run(source=SOURCE)

    changes = result.algorithm.changes
    assert changes[0] == (7, ["AAPL", "SPY"], [])
    # LEAN tells the removal at the selection, although AAPL stays while it is held.
    assert [change for change in changes if change[2]] == [(10, ["IBM"], ["AAPL"])]
    assert str(result.orders[-1].symbol) == "AAPL"
    assert result.algorithm.last_aapl_bar >= 15


def test_selection_by_company_figures_is_refused_by_name(run, spy_minute):
    with pytest.raises(UnsupportedLeanApi, match=r"add_universe.*supported: a universe"):
        run(spy_minute("self.add_universe(self.coarse, self.coarse)") + "def coarse(self, items):\n    return []\n")


def test_a_list_of_stocks_is_a_universe_from_the_midnight_after_it(run, data_folder, tmp_path):
    """A list of NONE selects nothing; a day without a list changes nothing."""
    market = tmp_path / "market"
    shutil.copytree(data_folder, market, symlinks=True)
    lists = market / "equity" / "usa" / "universes" / "daily" / "mine"
    lists.mkdir(parents=True)
    (lists / "20131007.csv").write_text("AAPL,AAPL R735QTJ8XC9X\nSPY,SPY R735QTJ8XC9X\nnothing\n")
    (lists / "20131009.csv").write_text("NONE,NONE 0\n")
    body = """
    class Algorithm(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 11)
            self.changes = []
            name = "qc-universe-mine"
            symbol = Symbol(SecurityIdentifier.generate_constituent_identifier(name, SecurityType.EQUITY, "usa"), name)
            self.universe_settings.resolution = Resolution.DAILY
            self.add_universe(ConstituentsUniverse(symbol, self.universe_settings{filter}))

        def on_securities_changed(self, changes):
            for what, securities in (("+", changes.added_securities), ("-", changes.removed_securities)):
                for security in securities:
                    self.changes.append(f"{{self.time.day}} {{what}}{{security.symbol.value}}")
    """

    def changes(chosen=""):
        return run(source=body.format(filter=chosen), data_folder=market).algorithm.changes

    assert changes() == ["8 +AAPL", "8 +SPY", "10 -AAPL", "10 -SPY"]
    only = ", lambda stocks: [stock.symbol for stock in stocks if stock.symbol.value == 'SPY']"
    assert changes(only) == ["8 +SPY", "10 -SPY"]
