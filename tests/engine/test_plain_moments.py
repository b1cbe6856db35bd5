"""Moments that are gone through in one go leave what the general way leaves, whatever user code does between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_plugin.engine.base.json_text import to_json_text
from llm_plugin.engine.loop.plain_moments import PlainMoments
from llm_plugin.engine.loop.stretches import Stretches
from llm_plugin.engine.orders.scan import OrderScan
from llm_plugin.engine.results.charts import charts_to_json
from llm_plugin.engine.results.files import order_json
from llm_plugin.engine.statistics.open_trades import OpenPosition
from llm_plugin.engine.statistics.trades import TradeBuilder

HOURLY = """
def initialize(self):
    self.set_start_date(2013, 10, 1)
    self.set_end_date(2013, 10, 31)
    self.set_cash(100000)
    self.pair = self.add_forex('EURUSD', Resolution.HOUR, Market.OANDA).symbol
    self.fast, self.slow = self.ema(self.pair, 5), self.ema(self.pair, 15)
    self.seen = []
    self.prepare()

def prepare(self):
    pass

def cross(self):
    wanted = 20000 if self.fast.current.value > self.slow.current.value else -20000
    held = self.portfolio[self.pair].quantity
    if self.slow.is_ready and held != wanted:
        self.market_order(self.pair, wanted - held)
"""
DAILY = """
def initialize(self):
    self.set_start_date(2013, 1, 1)
    self.set_end_date(2014, 3, 31)
    self.set_cash(100000)
    self.spy = self.add_equity('SPY', Resolution.DAILY).symbol
    self.roc_ = self.roc(self.spy, 3)
    self.seen = []

def on_data(self, data):
    if not data.contains_key(self.spy) or data[self.spy] is None:
        return
    self.seen.append((self.time, data[self.spy].close, self.portfolio.total_portfolio_value))
    side = 1 if self.roc_.current.value < 0 else -1
    if self.roc_.is_ready and not self.transactions.get_open_orders() and self.portfolio[self.spy].quantity * side <= 0:
"""
MINUTE = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 9)
    self.spy = self.add_equity('SPY', Resolution.MINUTE).symbol
    self.mean = self.sma(self.spy, 20)
    self.seen = []
"""
USES = {
    "forex that turns": HOURLY + "\ndef on_data(self, data):\n    self.cross()\n",
    "order events that send orders": HOURLY
    + """
def on_order_event(self, event):
    if event.status == OrderStatus.FILLED and len(self.seen) < 4:
        self.seen.append((self.time, event.fill_price))
        self.securities[self.pair].set_leverage(20 + len(self.seen))
        self.market_order(self.pair, 1000)

def on_data(self, data):
    self.cross()
""",
    "margin calls": HOURLY
    + """
def on_margin_call(self, requests):
    self.seen.append((self.time, len(requests)))
    return requests

def on_data(self, data):
    if not self.portfolio.invested and self.time.day < 20:
        self.market_order(self.pair, 3500000 if self.time.day % 2 else -3500000)
""",
    "models that are set on the way": HOURLY
    + """
def prepare(self):
    algorithm = self

    class Scanned(ImmediateSettlementModel):
        def scan(self, parameters):
            algorithm.seen.append(parameters.utc_time)

    class Watching:
        volatility = 0.0
        def update(self, security, data):
            algorithm.seen.append((data.end_time, security.price))
        def get_history_requirements(self, security, now):
            return []

    self.models = Scanned(), Watching()

def on_data(self, data):
    security = self.securities[self.pair]
    if self.time.day == 10:
        security.set_settlement_model(self.models[0])
    if self.time.day == 20:
        security.set_volatility_model(self.models[1])
    self.cross()
""",
    "money from outside, statistics on the way": HOURLY
    + """
def on_data(self, data):
    self.cross()
    if self.time.hour == 7:
        self.portfolio.cash_book['USD'].add_amount(100)
    if self.time.day == 15 and self.time.hour == 1:
        self.seen.append(dict(self.statistics.summary.items()))
""",
    "another security comes and goes": HOURLY
    + """
def on_data(self, data):
    self.cross()
    self.seen.append((self.time, sorted(str(key) for key in data.keys())))
    if self.time.day == 8 and self.time.hour == 3:
        self.add_equity('SPY', Resolution.HOUR)
    if self.time.day == 16 and self.time.hour == 3:
        self.remove_security('SPY')
""",
    "insights and an alpha": HOURLY
    + """
def on_data(self, data):
    if self.time.day == 10:
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel())
    if self.time.day > 7 and self.time.hour == 5:
        self.emit_insights(Insight.price(self.pair, timedelta(hours=30), InsightDirection.UP))
""",
    "a consolidator of time and a session": HOURLY
    + """
def on_data(self, data):
    self.cross()
    if self.time.day == 9 and self.time.hour == 9:
        self.consolidate(self.pair, timedelta(hours=3), lambda bar: self.seen.append((self.time, bar.close)))
        self.securities[self.pair].session.size = 2
    if self.time.day > 10:
        self.seen.append(self.securities[self.pair].session.close)
""",
    "the end before the end": HOURLY
    + """
def on_data(self, data):
    self.cross()
    if self.time.day == 21:
        self.quit('enough')
""",
    "orders for the open": DAILY + "        self.market_order(self.spy, 100 * side)\n",
    "fills at the open that change the run": DAILY
    + """        self.market_order(self.spy, 100 * side)

def on_order_event(self, event):
    self.seen.append((self.time, str(event.status), self.portfolio.total_portfolio_value))
    if event.status != OrderStatus.FILLED:
        return
    count = event.order_id
    if count == 3:
        self.portfolio.cash_book['USD'].add_amount(500)
    if count == 5:
        self.mean = self.sma(self.spy, 4)
    if count == 7:
        self.consolidate(self.spy, timedelta(days=3), lambda bar: self.seen.append((self.time, bar.close)))
    if count == 9:
        self.add_equity('AAPL', Resolution.DAILY)
    if count == 11:
        self.securities[self.spy].set_leverage(3)
    if count == 13:
        self.seen.append(dict(self.statistics.summary.items()))
    if count == 15:
        self.market_order(self.spy, 7)
    if count == 17:
        self.schedule.on(self.date_rules.every_day(), self.time_rules.at(10, 0), lambda: self.seen.append(self.time))
    if count == 30:
        self.quit('enough')
""",
    "orders for the open of two securities, one of them withdrawn": DAILY
    + """        self.market_order(self.spy, 100 * side)
        self.other = self.other or self.add_equity('AAPL', Resolution.DAILY).symbol
        self.market_on_open_order(self.other, 3 * side)
        if self.time.day % 3 == 0:
            self.transactions.cancel_open_orders(self.other)

def on_end_of_day(self, symbol):
    self.seen.append((self.time, len(self.transactions.get_open_orders())))

other = None
""",
    "dividends and splits of raw prices": """
def initialize(self):
    self.set_start_date(2013, 1, 1)
    self.set_end_date(2014, 12, 31)
    self.set_cash(100000)
    for ticker in ('SPY', 'AAPL'):
        self.add_equity(ticker, Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW)
    self.roc_ = self.roc('SPY', 3)
    self.seen = []

def on_dividends(self, dividends):
    for symbol, dividend in dividends.items():
        self.seen.append((self.time, str(symbol), dividend.distribution, self.portfolio.cash))
        if len(self.seen) == 4:
            self.mean = self.sma('SPY', 4)

def on_splits(self, splits):
    self.seen += [(self.time, str(symbol), self.portfolio[symbol].quantity) for symbol in splits.keys()]

def on_data(self, data):
    if data.contains_key('SPY') and data['SPY'] is not None and self.roc_.is_ready:
        side = 1 if self.roc_.current.value < 0 else -1
        for ticker, size in ('SPY', 100), ('AAPL', 30):
            if not self.transactions.get_open_orders(ticker) and self.portfolio[ticker].quantity * side <= 0:
                self.market_order(ticker, size * side)
""",
    "orders of a day": DAILY
    + """        options = OrderProperties()
        options.time_in_force = TimeInForce.DAY
        self.market_on_open_order(self.spy, 100 * side, order_properties=options)
        self.limit_order(self.spy, 10, data[self.spy].close * 0.99, order_properties=options)
""",
    "orders that are not affordable": DAILY + "        self.market_order(self.spy, 1500 * side)\n",
    "minutes, and a second security with holes": MINUTE
    + """
    self.other = self.add_equity('AIG', Resolution.MINUTE, fill_forward=False).symbol

def on_data(self, data):
    if not self.mean.is_ready or not data.contains_key(self.spy):
        return
    side = 1 if data[self.spy].close > self.mean.current.value else -1
    if self.portfolio[self.spy].quantity * side <= 0:
        self.market_order(self.spy, 100 * side - self.portfolio[self.spy].quantity)
        self.market_order(self.other, 10 * side)
    if self.time.minute == 30:
        self.seen.append((self.portfolio[self.spy].unrealized_profit, self.securities[self.other].price))
""",
    "little money for a large position": HOURLY
    + """
def on_data(self, data):
    if self.time.hour == 9:
        self.set_holdings(self.pair, 30 if self.time.day % 2 else -30)
""",
    "a benchmark without data that is given a price": MINUTE
    + """
    self.set_end_date(2013, 10, 11)
    self.set_benchmark(SecurityType.EQUITY, 'NONE')

def on_data(self, data):
    if self.mean.is_ready and data.contains_key(self.spy):
        side = 1 if data[self.spy].close > self.mean.current.value else -1
        if self.portfolio[self.spy].quantity * side <= 0:
            self.market_order(self.spy, 100 * side - self.portfolio[self.spy].quantity)
    if self.time.day == 10 and self.time.hour == 12 and self.time.minute == 5:
        bar = data[self.spy]
        self.benchmark.security.set_market_price(TradeBar(bar.time, 'NONE', 1, 1, 1, 1, 1))
""",
    "resting orders and scheduled ones": MINUTE
    + """
    self.schedule.on(self.date_rules.every_day(), self.time_rules.at(11, 15), lambda: self.market_order(self.spy, 50))
    self.schedule.on(self.date_rules.every_day(), self.time_rules.at(3, 0), lambda: self.seen.append(self.time))

def on_data(self, data):
    if not data.contains_key(self.spy) or not self.mean.is_ready:
        return
    price = data[self.spy].close
    if self.time.minute == 5:
        self.limit_order(self.spy, 30, price * 0.9995)
        self.stop_market_order(self.spy, -30, price * 0.999)
    if self.time.minute == 40:
        self.transactions.cancel_open_orders()
        self.plot('mine', 'mean', self.mean.current.value)
""",
}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Times of the moments that were gone through in one go."""
    times: list[int] = []
    one, many = PlainMoments.moment, Stretches._go

    def counted(self: PlainMoments, now: int, updates: Any) -> bool:
        times.append(now)
        return one(self, now, updates)

    def counted_too(self: Stretches, take: Any) -> bool | None:
        plain = many(self, take)
        times.extend(self._times[: self._streams[0].place - self._first])
        return plain

    monkeypatch.setattr(PlainMoments, "moment", counted)
    monkeypatch.setattr(Stretches, "_go", counted_too)
    return times


def _trace(result: Any) -> list[Any]:
    trades = [vars(trade) for trade in result.algorithm.trade_builder.closed_trades]
    return [
        result.status,
        result.bars,
        result.statistics,
        [order_json(order) for order in result.orders],
        [str(event) for event in result.order_events],
        [str(trade) for trade in trades],
        result.log_lines,
        to_json_text(charts_to_json(result.run_state.charts)),
        [str(item) for item in result.algorithm.seen],
        str(result.end_equity),
    ]


@pytest.mark.parametrize("use", list(USES))
def test_going_through_moments_in_one_go_cannot_be_told_from_the_general_way(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, taken: list[int], use: str
) -> None:
    fast = _trace(run(USES[use]))
    assert len(taken) > 20
    assert fast[3] or fast[8]
    with monkeypatch.context() as patch:
        patch.setattr(PlainMoments, "run", lambda self, universe_us: False)
        before = len(taken)
        slow = _trace(run(USES[use]))
        assert len(taken) == before
    assert fast == slow


def test_open_trades_are_followed_as_they_are_observed(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = _trace(run(USES["forex that turns"]))
    calls: list[Any] = []

    def observed(self: OpenPosition, price: Any) -> None:
        calls.append(price)
        self.highest, self.lowest = max(self.highest, price), min(self.lowest, price)
        for item in self.open:
            long = item.trade.direction.name.startswith("LONG")
            item.observe(price - item.trade.entry_price if long else item.trade.entry_price - price)
        self.settle()

    def one_by_one(self: OpenPosition, values: Any, digits: int, exact: Callable[[int], Any]) -> None:
        for place in range(len(values)):
            observed(self, exact(place))

    monkeypatch.setattr(OpenPosition, "follow", observed)
    monkeypatch.setattr(OpenPosition, "follow_many", one_by_one)
    monkeypatch.setattr(TradeBuilder, "is_quiet", lambda self, symbol, price: False)
    assert _trace(run(USES["forex that turns"])) == followed
    assert len(calls) > 200


def test_an_order_for_the_open_lets_moments_be_passed_over_until_its_security_has_data(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    waiting, passed = _trace(run(USES["orders for the open"])), len(taken)
    assert len(waiting[4]) > 40
    monkeypatch.setattr(OrderScan, "waits_for_data", lambda self: False)
    assert _trace(run(USES["orders for the open"])) == waiting
    assert len(taken) - passed > passed + 50


def test_orders_for_the_open_are_filled_within_stretches(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    work = Stretches._work_orders

    def counted(self: Stretches, now: int, data: Any, points: Any) -> bool:
        looks.append(now)
        return work(self, now, data, points)

    monkeypatch.setattr(Stretches, "_work_orders", counted)
    result = run(USES["orders for the open"])
    fills = sum(event.exact_fill_quantity != 0 for event in result.order_events)
    assert fills > 40
    assert len(looks) > 0.9 * fills
