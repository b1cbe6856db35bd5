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
        if self.time.day == 7 and data.contains_key("AAPL"):
            self.market_order("AAPL", 10)
        if self.time.day == 15:
            self.liquidate("AAPL")
"""


def test_selection_changes_the_securities_and_waits_for_open_positions(run):
    result = run(source=SOURCE)

    changes = result.algorithm.changes
    assert changes[0] == (7, ["AAPL", "SPY"], [])
    assert (10, ["IBM"], []) in changes
    (removal,) = [change for change in changes if change[2]]
    assert removal[2] == ["AAPL"]
    assert removal[0] >= 15
    assert str(result.orders[-1].symbol) == "AAPL"


def test_selection_by_fundamentals_is_not_imitated(run, spy_minute):
    with pytest.raises(UnsupportedLeanApi, match=r"add_universe.*supported: \(name"):
        run(spy_minute("self.add_universe(self.coarse)") + "def coarse(self, items):\n    return []\n")
