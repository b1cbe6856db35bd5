"""What a stretch holds back or finds ahead is what bars one by one would have given."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from llm_plugin.engine.base.enums import TradeDirection
from llm_plugin.engine.loop.stretches import Stretches
from llm_plugin.engine.portfolio.value_guard import ValueGuard
from llm_plugin.engine.statistics.open_trades import OpenPosition, OpenTrade
from llm_plugin.engine.statistics.trades import Trade


def _position(direction: TradeDirection, entry: str) -> OpenPosition:
    price = Decimal(entry)
    trade = Trade(None, None, price, direction, Decimal(1))  # type: ignore[arg-type]
    return OpenPosition([OpenTrade(trade)], price, price)


@pytest.mark.parametrize("direction", [TradeDirection.LONG, TradeDirection.SHORT])
@pytest.mark.parametrize("entry", ["100.00", "100.015", "99.9"])
def test_many_prices_leave_what_they_leave_one_by_one(direction: TradeDirection, entry: str) -> None:
    rng = random.Random(7)
    for length in (1, 7, 8, 9, 40, 200):
        one, many = _position(direction, entry), _position(direction, entry)
        for _ in range(4):
            values = [10_000 + rng.randint(-60, 60) for _ in range(length)]
            prices = [Decimal(value).scaleb(-2) for value in values]
            for price in prices:
                low, high = one.quiet
                if not low < float(price) < high:
                    one.follow(price)
            many.follow_many(values, 2, prices.__getitem__)
            assert str((one.lowest, one.highest, one.open[0].best, one.open[0].drawdown)) == str(
                (many.lowest, many.highest, many.open[0].best, many.open[0].drawdown)
            )


def test_an_account_with_room_is_left_alone_and_one_without_is_watched(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bands: list[float | None] = []
    widest = ValueGuard._widest

    def kept(self: ValueGuard, value: float, gross: float, margin_used: float) -> float | None:
        bands.append(widest(self, value, gross, margin_used))
        return bands[-1]

    monkeypatch.setattr(ValueGuard, "_widest", kept)
    text = """
def initialize(self):
    self.set_start_date(2013, 10, 1)
    self.set_end_date(2013, 10, 5)
    self.set_cash(100000)
    self.pair = self.add_forex('EURUSD', Resolution.HOUR, Market.OANDA).symbol

def on_data(self, data):
    if not self.portfolio.invested:
        self.market_order(self.pair, UNITS)
"""
    run(text.replace("UNITS", "1000"))
    roomy, bands[:] = list(bands), []
    run(text.replace("UNITS", "3200000"))
    assert roomy[-1] is not None
    assert roomy[-1] >= 0.1
    assert None in bands


def test_what_user_code_changes_ends_the_stretch(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[tuple[bool | None, int]] = []
    go = Stretches._go

    def told(self: Stretches, take: Any) -> bool | None:
        plain = go(self, take)
        ends.append((plain, len(self._times) - (self._streams[0].place - self._first)))
        return plain

    monkeypatch.setattr(Stretches, "_go", told)
    run("""
def initialize(self):
    self.set_start_date(2013, 10, 1)
    self.set_end_date(2013, 10, 31)
    self.pair = self.add_forex('EURUSD', Resolution.HOUR, Market.OANDA).symbol

def on_data(self, data):
    if self.time.day == 8 and self.time.hour == 3:
        self.limit_order(self.pair, 1000, 1.0)
""")
    assert (False, 0) not in ends
    stopped = [left for plain, left in ends if plain is False]
    assert len(stopped) == 1
    assert stopped[0] > 0
