"""When a consolidator learns that its bar's time is over."""

from __future__ import annotations

import pytest
from rule_table import rule
from tiny_market import DAY, source, steady

DAYS = [("20131007", 10, 10, 10, 10, 1), ("20131008", 20, 20, 20, 20, 1), ("20131009", 30, 30, 30, 30, 1)]
BY_DAY = """
def prepare(self):
    self.add_equity("XYZ", Resolution.DAILY)
    self.bars = TradeBarConsolidator(timedelta(days=1))
    self.bars.data_consolidated += lambda sender, bar: self.stamp(bar.close)
    if {early}:
        self.subscription_manager.add_consolidator("XYZ", self.bars)

def on_data(self, data):
    if self.time.day == 7 and not {early}:
        self.subscription_manager.add_consolidator("XYZ", self.bars)
        self.bars.update(data["XYZ"])
"""


@rule("18.11")
@pytest.mark.parametrize(
    ("early", "told"), [(True, ["08 00:00 10.0", "09 00:00 20.0"]), (False, ["08 16:00 10.0", "09 00:00 20.0"])]
)
def test_a_bar_that_was_over_when_the_loop_first_looked_waits_for_data(run, market, early, told):
    """The midnight sample comes before the first look: LEAN takes the bar's end as missed and plans the next day."""
    market.days("xyz", DAYS)
    assert run(source("", BY_DAY.format(early=early), last=9), market).algorithm.seen == told


@rule("18.11")
def test_a_bar_ends_at_its_own_time_after_the_slice_that_lacks_its_symbol(run, market):
    market.minutes("xyz", DAY, steady(10, count=4))
    market.minutes("abc", DAY, steady(20, count=8))
    prepare = """
def prepare(self):
    self.add_equity("ABC", Resolution.MINUTE)
    self.add_equity("XYZ", Resolution.MINUTE, fill_forward=False)
    self.consolidate("XYZ", timedelta(minutes=5), lambda bar: self.stamp(f"bar {bar.end_time:%H:%M}"))
"""
    body = """
def on_data(self, data):
    self.stamp("data")
"""
    seen = run(source(body, prepare), market).algorithm.seen
    first = seen.index("07 09:35 data")
    # The next slice finds out, with the clock set back to the end of the bar.
    assert seen[first : first + 3] == ["07 09:35 data", "07 09:35 bar 09:35", "07 09:36 data"]
