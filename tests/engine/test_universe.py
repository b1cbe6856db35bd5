"""Semantics 17.7: universes select at their trigger times."""

from __future__ import annotations

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
