"""When the bars of days end: at the close, or at midnight where the setting `daily_precise_end_time` is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

DAYS = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 14)
    self.settings.daily_precise_end_time = PRECISE
    self.spy = self.add_equity('SPY', Resolution.DAILY).symbol
    self.seen, self.past, self.closes = [], [], []

def on_data(self, data):
    bar = data.bars.get(self.spy)
    if bar is None:
        return
    self.seen.append((str(self.time), str(bar.time), str(bar.end_time), bar.is_fill_forward))
    self.closes.append(bar.close)
    self.past = [(str(bar.time), str(bar.end_time), bar.close) for bar in self.history[TradeBar](self.spy, 2)]
    if len(self.seen) == 1:
        self.market_order(self.spy, 10)
"""


@pytest.mark.parametrize("precise", [True, False])
def test_bars_of_days_end_at_the_close_or_at_midnight(run: Callable[..., Any], precise: bool) -> None:
    result = run(DAYS.replace("PRECISE", str(precise)))
    seen, past = result.algorithm.seen, result.algorithm.past
    first, friday = {
        True: (
            ("2013-10-07 16:00:00", "2013-10-07 09:30:00", "2013-10-07 16:00:00", False),
            ("2013-10-11 16:00:00", "2013-10-11 09:30:00", "2013-10-11 16:00:00", False),
        ),
        False: (
            ("2013-10-08 00:00:00", "2013-10-07 00:00:00", "2013-10-08 00:00:00", False),
            ("2013-10-12 00:00:00", "2013-10-11 00:00:00", "2013-10-12 00:00:00", False),
        ),
    }[precise]
    assert seen[0] == first
    assert seen[4] == friday
    # No session, no bar and no copy of one: neither on Saturday nor on Sunday.
    assert seen[5][1][:10] == "2013-10-14"
    assert past[-1] == (*seen[-1][1:3], result.algorithm.closes[-1])
    assert len(past) == 2


def test_a_market_order_on_days_that_end_at_midnight_waits_for_the_next_open(run: Callable[..., Any]) -> None:
    fills = [e for e in run(DAYS.replace("PRECISE", "False")).order_events if e.exact_fill_quantity]
    at_the_close = [e for e in run(DAYS.replace("PRECISE", "True")).order_events if e.exact_fill_quantity]
    assert [str(event.utc_time) for event in fills] == ["2013-10-09 04:00:00"]
    assert [str(event.utc_time) for event in at_the_close] == ["2013-10-08 20:00:00"]
    # Both open with Tuesday.
    assert fills[0].exact_fill_price == at_the_close[0].exact_fill_price
