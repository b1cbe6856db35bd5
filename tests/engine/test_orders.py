"""Semantics 10 and 13: order entry, checks, the pipeline, sizing, liquidation."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llm_plugin.engine.base.enums import OrderStatus

ONCE = """
def on_data(self, data):
    if getattr(self, 'done', False) or not self.securities[self.spy].has_data:
        return
    self.done = True
"""


def test_open_exchange_with_daily_data_makes_market_on_close(run):
    """Rules 0.2 and 10.1."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 8)
            self.set_end_date(2013, 10, 11)
            self.spy = self.add_equity('SPY', Resolution.DAILY).symbol
            self.schedule.on(self.date_rules.on(2013, 10, 9), self.time_rules.at(10, 0), self.trade)
            self.schedule.on(self.date_rules.on(2013, 10, 10), self.time_rules.at(15, 50), self.trade)

        def trade(self):
            self.market_order(self.spy, 10)
        """
    )

    kinds = [str(order.type) for order in result.orders]
    assert kinds == ["MarketOnClose", "MarketOnOpen"]
    assert [str(order.status) for order in result.orders] == ["Filled", "Filled"]
    assert sum("automatically converted" in line for line in result.log_lines) == 1


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("self.market_order(self.spy, 0)", "OrderQuantityZero"),
        ("self.market_order(self.spy, 0.4)", "OrderQuantityLessThanLotSize"),
        ("self.market_on_open_order(self.spy, 10)", "MarketOnOpenNotAllowedDuringRegularHours"),
        ("self.market_order(self.add_equity('IBM', Resolution.DAILY).symbol, 1)", "SecurityPriceZero"),
    ],
    ids=["zero", "less than a lot", "market on open while open", "no price"],
)
def test_refused_orders_give_an_invalid_ticket_and_are_not_counted(run, spy_minute, call, code):
    """Rule 10.1, pre-checks."""
    body = (
        ONCE
        + f"    ticket = {call}\n    self.log(f'{{ticket.status}} {{ticket.submit_request.response.error_code}}')\n"
    )

    result = run(spy_minute() + body)

    assert any(line.endswith(f"Invalid {code}") for line in result.log_lines)
    assert result.statistics["Total Orders"] == "0"


def test_orders_while_warming_up_are_refused(run, spy_minute):
    """Rule 3."""
    result = run(
        spy_minute("self.set_warm_up(timedelta(days=3))")
        + """
def on_data(self, data):
    if self.is_warming_up and not hasattr(self, 'asked'):
        self.asked = self.market_order(self.spy, 1)
        self.log(str(self.asked.submit_request.response.error_code))
"""
    )

    assert any(line.endswith("AlgorithmWarmingUp") for line in result.log_lines)
    assert not result.orders


def test_an_order_that_cannot_be_paid_is_invalid_and_counted(run, spy_minute):
    """Rules 10.2 and 13.1."""
    result = run(spy_minute() + ONCE + "    self.market_order(self.spy, 5000)\n")

    (order,) = result.orders
    assert str(order.status) == "Invalid"
    assert [str(event.status) for event in result.order_events] == ["Invalid"]
    assert any("Insufficient buying power" in line for line in result.log_lines)
    assert result.statistics["Total Orders"] == "1"


def test_market_order_fills_inside_the_call_and_limit_order_later(run, spy_minute):
    """Rule 10.2: events and times."""
    result = run(
        spy_minute()
        + ONCE
        + """
    ticket = self.market_order(self.spy, 10)
    self.log(f'status {ticket.status} {ticket.quantity_filled}')
    self.limit_order(self.spy, 10, 500)
"""
    )

    assert any("status Filled 10.0" in line for line in result.log_lines)
    assert [(e.order_id, str(e.status), e.utc_time.minute) for e in result.order_events] == [
        (1, "Submitted", 31),
        (1, "Filled", 31),
        (2, "Submitted", 31),
        (2, "Filled", 32),
    ]


def test_an_update_takes_effect_in_the_same_slice(run, spy_minute):
    """Rule 10.2: updated prices meet the current bar, the order being older."""
    result = run(
        spy_minute()
        + """
def on_data(self, data):
    if not hasattr(self, 'ticket'):
        self.ticket = self.limit_order(self.spy, 10, 100)
    elif self.time.minute == 40 and self.ticket.status == OrderStatus.SUBMITTED:
        self.ticket.update_limit_price(500)
"""
    )

    statuses = [(str(event.status), event.utc_time.minute) for event in result.order_events]
    assert statuses == [("Submitted", 31), ("UpdateSubmitted", 40), ("Filled", 40)]


def test_day_orders_expire_at_the_close(run, spy_minute):
    """Rule 10.1, time in force."""
    result = run(
        spy_minute("self.default_order_properties.time_in_force = TimeInForce.DAY")
        + ONCE
        + "    self.limit_order(self.spy, 10, 100)\n"
    )

    last = result.order_events[-1]
    assert (str(last.status), last.message) == ("Canceled", "The order has expired.")
    assert (last.utc_time.day, last.utc_time.hour) == (7, 20)


def test_liquidate_cancels_open_orders_and_closes_the_position(run, spy_minute):
    """Rule 10.3."""
    result = run(
        spy_minute()
        + """
def on_data(self, data):
    if self.time.hour == 10 and self.time.minute == 0 and self.time.day == 7:
        self.market_order(self.spy, 10)
        self.limit_order(self.spy, 5, 100)
    if self.time.hour == 11 and self.time.minute == 0 and self.time.day == 7:
        self.liquidate()
"""
    )

    assert [(str(order.status), order.tag) for order in result.orders] == [
        ("Filled", ""),
        ("Canceled", "Liquidated"),
        ("Filled", "Liquidated"),
    ]
    assert result.algorithm.portfolio[result.algorithm.spy].quantity == 0


def test_set_holdings_counts_open_orders_and_the_fee(run, spy_minute):
    """Rule 13.3: twice in a row orders once; 688 shares leave the buffer and the fee free."""
    result = run(spy_minute() + ONCE + "    self.set_holdings(self.spy, 1)\n    self.set_holdings(self.spy, 1)\n")

    assert [order.exact_quantity for order in result.orders] == [Decimal(688)]


def test_short_and_reversal_account_for_both_trades(run, spy_minute):
    """Rule 14: crossing zero closes the old position first; the record subtracts twice the fee."""
    result = run(
        spy_minute()
        + """
def on_data(self, data):
    if self.time.day == 7 and (self.time.hour, self.time.minute) == (10, 0):
        self.market_order(self.spy, 100)
    if self.time.day == 8 and (self.time.hour, self.time.minute) == (10, 0):
        self.market_order(self.spy, -150)
"""
    )

    first, second = (e for e in result.order_events if e.exact_fill_quantity)
    holding = result.algorithm.portfolio[result.algorithm.spy]
    assert holding.exact_quantity == -50
    assert holding.exact_average_price == second.exact_fill_price
    profit = 100 * (second.exact_fill_price - first.exact_fill_price)
    assert holding.exact_profit == profit
    assert list(result.algorithm.portfolio.records.values()) == [profit - 2 * second.order_fee.value.exact_amount]


def test_oanda_refuses_market_on_open(run):
    """Rule 12: the brokerage model names what it takes."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2014, 5, 5)
            self.set_end_date(2014, 5, 6)
            self.set_brokerage_model(BrokerageName.OANDA_BROKERAGE)
            self.eurusd = self.add_forex('EURUSD', Resolution.HOUR).symbol

        def on_data(self, data):
            if self.time.hour == 17 and not self.portfolio.invested:
                self.set_holdings(self.eurusd, 1)
        """
    )

    assert str(result.orders[0].status) == "Invalid"
    assert any("does not take MarketOnOpen orders; it takes Market" in line for line in result.log_lines)


def test_forex_fills_on_its_side_of_the_quote_and_counts_through_the_cash_book(run):
    """Rules 11.3, 14 and 15."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2014, 5, 5)
            self.set_end_date(2014, 5, 6)
            self.eurusd = self.add_forex('EURUSD', Resolution.HOUR).symbol

        def on_data(self, data):
            if not self.portfolio.invested and data.contains_key(self.eurusd):
                bar = data.quote_bars[self.eurusd]
                self.seen = bar.bid.close, bar.ask.close
                self.market_order(self.eurusd, 10000)
        """
    )

    (fill,) = [event for event in result.order_events if event.exact_fill_quantity]
    portfolio = result.algorithm.portfolio
    assert fill.fill_price == result.algorithm.seen[1] > result.algorithm.seen[0]
    assert portfolio.cash_book["EUR"].amount == 10000
    assert portfolio.cash_book["USD"].exact_amount == Decimal(100000) - 10000 * fill.exact_fill_price
    assert portfolio.total_fees == 0


def test_an_insight_takes_the_ticker_of_a_security(run):
    """LEAN turns a string into the symbol that was added under it."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.add_equity('SPY', Resolution.MINUTE)
            self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel())
            self.sent = False

        def on_data(self, data):
            if not self.sent:
                self.sent = True
                self.emit_insights(Insight.price('SPY', timedelta(minutes=30), InsightDirection.UP))
        """
    )

    assert [str(order.symbol) for order in result.orders[:1]] == ["SPY"]
    assert result.orders[0].exact_quantity > 0


@pytest.mark.parametrize(
    "line",
    ["self.set_holdings('NOPE', 1)", "Insight.price('NOPE', timedelta(1), InsightDirection.UP)"],
)
def test_a_ticker_that_was_never_added_is_named(run, line):
    """An unknown ticker is an error of the algorithm, not an order of something else."""
    result = run(
        f"""
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.add_equity('SPY', Resolution.MINUTE)

        def on_data(self, data):
            {line}
        """,
        errors=True,
    )

    assert result.status == "RuntimeError"
    assert "NOPE" in result.error
    assert "never added" in result.error
    assert not result.orders


@pytest.mark.parametrize("line", ["self.market_order('NOPE', 1)", "self.LimitOrder('NOPE', 1, 10)"])
def test_an_order_of_a_ticker_that_was_never_added_gives_an_invalid_ticket(run, line):
    """It counts as no order; the log names the ticker."""
    result = run(
        f"""
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.add_equity('SPY', Resolution.MINUTE)
            self.ticket = None

        def on_data(self, data):
            self.ticket = self.ticket or {line}
        """
    )

    assert result.algorithm.ticket.status == OrderStatus.INVALID
    assert any("NOPE was never added" in line for line in result.log_lines)
    assert (result.statistics["Total Orders"], len(result.orders)) == ("0", 0)


def test_cancelling_all_open_orders_tags_them_with_the_call(run):
    """Without a symbol or tag LEAN's own tag names the call and its UTC time; by number the tag is cleared."""
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.add_equity('SPY', Resolution.MINUTE)

        def on_data(self, data):
            if self.time.hour == 10 and self.time.minute in (0, 10):
                self.limit_order('SPY', 1, 1, tag='mine')
            if self.time.hour == 10 and self.time.minute == 5:
                self.transactions.cancel_open_orders()
            if self.time.hour == 10 and self.time.minute == 15:
                self.transactions.cancel_order(2)
        """
    )

    tags = [order.tag for order in result.orders]
    assert tags == ["Canceled by CancelOpenOrders() at 2013-10-07T14:05:00.0000000Z", ""]
