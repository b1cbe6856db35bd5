"""LEAN's own regression results, reproduced: the order list hash covers prices, times, tags and states of all orders.

The expected figures are those that LEAN prints for the algorithms named in each test.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

BUY_ONCE = """
def on_data(self, data):
    if not self.portfolio.invested:
        self.set_holdings(self.spy, 1)
"""


def test_market_order_on_minute_bars_fills_at_the_ask(run, spy_minute):
    """BasicTemplateAlgorithm."""
    result = run(spy_minute() + BUY_ONCE)

    (order,) = result.orders
    assert (order.exact_quantity, order.exact_price) == (688, Decimal("144.78172417000"))
    assert result.order_list_hash == "3da9fa60bf95b9ed148b95e02e0cfc9e"
    expected = {
        "Compounding Annual Return": "271.453%",
        "Drawdown": "2.200%",
        "End Equity": "101691.92",
        "Sharpe Ratio": "8.854",
        "Probabilistic Sharpe Ratio": "67.459%",
        "Alpha": "-0.005",
        "Beta": "0.996",
        "Information Ratio": "-14.565",
        "Total Fees": "$3.44",
        "Estimated Strategy Capacity": "$56000000.00",
        "Portfolio Turnover": "19.93%",
    }
    assert {name: result.statistics[name] for name in expected} == expected


def test_daily_order_becomes_market_on_open(run):
    """BasicTemplateDailyAlgorithm."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 8)
            self.set_end_date(2013, 10, 17)
            self.set_cash(100000)
            self.spy = self.add_equity('SPY', Resolution.DAILY).symbol

        def on_data(self, data):
            if not self.portfolio.invested:
                self.set_holdings(self.spy, 1)
        """
    )

    (order,) = result.orders
    assert (order.exact_quantity, order.exact_price) == (697, Decimal("143.37238281200"))
    assert result.order_list_hash == "70f21e930175a2ec9d465b21edc1b6d9"
    assert result.statistics["End Equity"] == "104486.22"
    assert result.statistics["Total Fees"] == "$3.49"


def test_eleven_years_of_macd(run):
    """MACDTrendAlgorithm: 85 orders; one is canceled in the slice of a dividend."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2004, 1, 1)
            self.set_end_date(2015, 1, 1)
            self.set_cash(100000)
            self.add_equity('SPY', Resolution.DAILY)
            self.signal_line = self.macd('SPY', 12, 26, 9, MovingAverageType.EXPONENTIAL, Resolution.DAILY)
            self.day = None

        def on_data(self, data):
            line = self.signal_line
            if not line.is_ready or self.day == self.time.date():
                return
            self.day = self.time.date()
            held = self.portfolio['SPY'].quantity
            distance = (line.current.value - line.signal.current.value) / line.fast.current.value
            if held <= 0 and distance > 0.0025:
                self.set_holdings('SPY', 1.0)
            elif held >= 0 and distance < -0.0025:
                self.liquidate('SPY')
        """
    )

    assert len(result.orders) == 85
    assert result.order_list_hash == "0257edfddd889d6fe3779883138aebc5"
    assert result.statistics["End Equity"] == "137751.04"
    assert result.statistics["Total Fees"] == "$468.54"
    assert result.statistics["Drawdown Recovery"] == "1931"


ORDER_TYPES = """



class Pairs(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100000)
        self.spy = self.add_equity('SPY').symbol
        self.pairs = {}
        self.single = {}

    def at(self, day, hour, minute):
        return (self.time.day, self.time.hour, self.time.minute) == (day, hour, minute)

    def on_data(self, data):
        close = self.securities[self.spy].close
        if self.at(7, 9, 31):
            self.market_order(self.spy, 10)
            self.market_order(self.spy, 10, asynchronous=True).cancel('Attempt to cancel async order')
        if self.at(7, 12, 0):
            self.pairs['limit'] = [self.limit_order(self.spy, 10, close * 0.999),
                                   self.limit_order(self.spy, -10, close * 1.001)]
        self.follow('limit', [OrderField.LIMIT_PRICE])
        if self.at(7, 16, 0):
            self.pairs['stop'] = [self.stop_market_order(self.spy, 10, close * 1.0025),
                                  self.stop_market_order(self.spy, -10, close * 0.9975)]
        self.follow('stop', [OrderField.STOP_PRICE])
        if self.at(8, 12, 1):
            self.pairs['stop limit'] = [self.stop_limit_order(self.spy, 10, close * 1.001, close - 0.03),
                                        self.stop_limit_order(self.spy, -10, close * 0.999, close + 0.03)]
        self.follow('stop limit', [OrderField.STOP_PRICE, OrderField.LIMIT_PRICE])
        if self.at(7, 12, 0):
            self.pairs['trail'] = [self.trailing_stop_order(self.spy, 10, close * 1.0025, 0.0025, True),
                                   self.trailing_stop_order(self.spy, -10, close * 0.9975, 0.0025, True)]
        else:
            self.follow('trail', [OrderField.TRAILING_AMOUNT])
        if self.at(8, 16, 0):
            self.single['open'] = self.market_on_open_order(self.spy, 50)
        self.grow('open')
        if self.at(9, 12, 0):
            self.single['close'] = self.market_on_close_order(self.spy, 2 * self.portfolio[self.spy].quantity)
        self.grow('close')
        if self.at(11, 15, 45):
            self.market_on_close_order(self.spy, -self.portfolio[self.spy].quantity)

    def follow(self, name, fields):
        pair = self.pairs.get(name)
        if pair is None:
            return
        for filled, other, tag in ((*pair, 'Long filled.'), (*pair[::-1], 'Short filled')):
            if filled.status == OrderStatus.FILLED:
                other.cancel(tag)
                del self.pairs[name]
                return
        if name == 'trail' and ((self.utc_time - pair[0].time).total_seconds() / 60) % 5 != 0:
            return
        for ticket, side in zip(pair, (1, -1)):
            update = UpdateOrderFields()
            for field in fields:
                value = ticket.get(field)
                if field == OrderField.LIMIT_PRICE:
                    update.limit_price = value + 0.01 * side
                elif field == OrderField.STOP_PRICE:
                    update.stop_price = value - 0.01 * side
                else:
                    update.trailing_amount = max(value - 0.0001, 0.0001)
            update.tag = f'Update #{len(ticket.update_requests) + 1}'
            ticket.update(update)

    def grow(self, name):
        ticket = self.single.get(name)
        if ticket is None or self.time.minute != 59:
            return
        if ticket.status == OrderStatus.FILLED:
            del self.single[name]
            return
        update = UpdateOrderFields()
        update.quantity = ticket.quantity + 1
        update.tag = f'Update #{len(ticket.update_requests) + 1}'
        ticket.update(update)
"""


def test_seven_order_types_with_updates_and_cancels(run):
    """OrderTicketDemoAlgorithm."""
    result = run(source=ORDER_TYPES)

    fills = {e.order_id: e.exact_fill_price for e in result.order_events if e.exact_fill_quantity}
    assert fills == {
        1: Decimal("144.78172417"),
        2: Decimal("144.78172417"),
        3: Decimal("145.352377726"),
        6: Decimal("145.118928544"),
        8: Decimal("144.48389590857"),
        9: Decimal("143.786879718"),
        10: Decimal("143.666879718"),
        11: Decimal("143.372382812"),
        12: Decimal("143.156226162"),
    }
    assert len(result.orders) == 12
    assert result.order_list_hash == "236df5da8408fdd11445a88425ea9ab7"
    assert result.statistics["End Equity"] == "100709.93"
    assert any("at least 0:15:30 before market close" in line for line in result.log_lines)


FRAMEWORK = """
class Models(QCAlgorithm):
    def initialize(self):
        self.universe_settings.resolution = Resolution.MINUTE
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100000)
        symbols = [Symbol.create('SPY', SecurityType.EQUITY, Market.USA)]
        self.set_universe_selection(ManualUniverseSelectionModel(symbols))
        self.set_alpha(ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, timedelta(minutes=20), 0.025, None))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(Resolution.DAILY))
        self.set_execution(ImmediateExecutionModel())
        self.set_risk_management(MaximumDrawdownPercentPerSecurity(0.01))
"""


def test_framework_pipeline_with_a_risk_model(run):
    """BasicTemplateFrameworkAlgorithm."""
    result = run(source=FRAMEWORK)

    fills = [(e.utc_time.strftime("%d %H:%M"), float(e.exact_fill_quantity)) for e in result.order_events
             if e.exact_fill_quantity]  # fmt: skip
    assert fills == [("07 13:31", 688.0), ("08 18:04", -688.0), ("08 18:11", 688.0)]
    assert result.order_list_hash == "f209ed42701b0419858e0100595b40c0"
    assert result.statistics["End Equity"] == "101655.30"
    assert result.statistics["Total Fees"] == "$10.32"


def test_crypto_in_a_euro_cash_account(run):
    """BasicSetAccountCurrencyAlgorithm."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2018, 4, 4)
            self.set_end_date(2018, 4, 4)
            self.set_brokerage_model(BrokerageName.GDAX, AccountType.CASH)
            self.set_account_currency('EUR')
            self.set_cash(100000)
            self.btc = self.add_crypto('BTCEUR').symbol

        def on_data(self, data):
            if not self.portfolio.invested:
                self.set_holdings(self.btc, 1)
        """
    )

    (order,) = result.orders
    assert order.exact_quantity == Decimal("16.69363202")
    assert order.exact_price == Decimal("5957.46")
    assert result.total_fees == pytest.approx(Decimal("298.354935"), abs=Decimal("0.000001"))
    assert result.order_list_hash == "6819dc936b86af6e4b89b6017b7d5284"
    assert result.statistics["End Equity"] == "92395.59"


def test_older_spelling_gives_the_same_orders(run):
    result = run(
        source="""
        class Old(QCAlgorithm):
            def Initialize(self):
                self.SetStartDate(2013, 10, 7)
                self.SetEndDate(2013, 10, 11)
                self.SetCash(100000)
                self.AddEquity("SPY", Resolution.Minute)

            def OnData(self, data):
                if not self.Portfolio.Invested:
                    self.SetHoldings("SPY", 1)
        """
    )

    assert result.order_list_hash == "3da9fa60bf95b9ed148b95e02e0cfc9e"
