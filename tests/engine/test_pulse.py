"""Whatever a stretch relies on says itself when it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_plugin.engine.base.pulse import PULSE, BeatingList, beat
from llm_plugin.engine.loop.plain_moments import PlainMoments
from llm_plugin.engine.loop.quiet_moments import nothing_settles
from llm_plugin.engine.loop.time_loop import TimeLoop

ALGORITHM = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 10)
    self.set_cash(100000)
    self.spy = self.add_equity('SPY', Resolution.HOUR).symbol
    self.mean = self.sma(self.spy, 3)
    self.at = 0

def on_data(self, data):
    if not data.contains_key(self.spy):
        return
    self.at += 1
    security, cash = self.securities[self.spy], self.portfolio.cash_book['USD']
    config = security.subscriptions[0]
    if self.at == 3:
        self.market_order(self.spy, 10)
    if self.at == 6:
        CHANGE
"""
# What user code can do, and the question whose answer it changes. Properties of symbols are shared: theirs stay equal.
CHANGES = {
    "self.market_order(self.spy, 5)": "account",
    "self.limit_order(self.spy, 5, 1.0)": "orders",
    "self.add_equity('AIG', Resolution.HOUR)": "plain",
    "self.remove_security(self.spy)": "plain",
    "self.quit('enough')": "plain",
    "self.emit_insights(Insight.price(self.spy, timedelta(1), InsightDirection.UP))": "plain",
    "self.set_alpha(ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, timedelta(1)))": "plain",
    "security.session.size = 2": "plain",
    "self.consolidate(self.spy, timedelta(hours=3), lambda bar: None)": "plain",
    "self.add_universe(ScheduledUniverse(self.date_rules.tomorrow, self.time_rules.noon, lambda at: []))": "universe",
    "config.consolidators.append(TradeBarConsolidator(2))": "lanes",
    "self.mean.window.size = 5": "lanes",
    "self.schedule.on(self.date_rules.tomorrow, self.time_rules.at(4, 0), lambda: None)": "scheduled",
    "cash.add_amount(5)": "account",
    "cash.set_amount(5)": "account",
    "cash.conversion_rate = 2": "account",
    "self.portfolio.cash_book.add('EUR', 1, 1)": "account",
    "security.holdings.set_holdings(100, 7)": "account",
    "security.set_leverage(1.5)": "account",
    "security.buying_power_model = BuyingPowerModel(3)": "account",
    "security.symbol_properties.contract_multiplier = 1.0": "account",
    "security.set_settlement_model(type('Own', (ImmediateSettlementModel,), {})())": "settlement",
    "security.margin_interest_rate_model = object()": "settlement",
    "security.volatility_model = StandardDeviationOfReturnsVolatilityModel(5)": "volatility",
    "security.set_market_price(3)": "price",
}


def _answers(loop: TimeLoop) -> dict[str, Any]:
    core, securities = loop.core, list(loop.core.securities.values())
    transactions, ledger = core.transactions, loop.sampler.ledger
    return {
        "plain": PlainMoments(loop).is_plain(),
        "orders": (transactions._needs_scan, len(transactions._queue)),
        "universe": core.universes.next_us,
        "scheduled": len(core.algorithm.schedule._heap),
        "account": (loop.sampler.invested, not loop.guard._held or loop.guard.is_same(), ledger.holds()),
        "settlement": nothing_settles(core),
        "volatility": [security.volatility_model for security in securities],
        "price": [security._fixed for security in securities],
        "lanes": [
            (config.lane and (config.lane.followed, config.lane.size), len(config.consolidators))
            for security in securities
            for config in security.subscriptions
        ],
    }


@pytest.mark.parametrize("change", list(CHANGES))
def test_each_change_of_user_code_is_told(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    found: list[tuple[set[str], bool]] = []
    handlers = TimeLoop._handlers

    def watched(self: TimeLoop) -> None:
        handlers(self)
        on_data = self.on_data

        def asked(data: Any) -> None:
            self.sampler.ledger.look()
            self.keep_value()
            before, mark = _answers(self), PULSE.mark
            assert on_data is not None
            on_data(data)
            after = _answers(self)
            found.append(({name for name in before if before[name] != after[name]}, PULSE.mark is not mark))

        self.on_data = asked

    monkeypatch.setattr(TimeLoop, "_handlers", watched)
    run(ALGORITHM.replace("CHANGE", change))
    changed = [names for names, _ in found]
    assert any(CHANGES[change] in names for names in changed)
    assert all(told for names, told in found if names)
    # Nobody who looks is told of changes that there are not.
    assert sum(told for _, told in found) < len(found) / 2


def test_a_list_says_when_it_is_changed() -> None:
    items = BeatingList([3, 1])
    for change in (
        lambda: items.append(2),
        lambda: items.insert(0, 5),
        lambda: items.extend([7]),
        lambda: items.pop(),
        lambda: items.remove(1),
        lambda: items.__setitem__(0, 4),
        lambda: items.__delitem__(0),
        lambda: items.clear(),
    ):
        mark = PULSE.mark
        change()
        assert PULSE.mark is not mark
    mark = PULSE.mark
    assert (list(items), len(items), PULSE.mark) == ([], 0, mark)


def test_no_mark_comes_back() -> None:
    marks = []
    for _ in range(100):
        beat()
        marks.append(PULSE.mark)
    assert len({id(mark) for mark in marks}) == 100
