"""Orders and fills, on markets of a few bars; the expected prices are worked out in each test."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rule_table import rule
from tiny_market import steady

DAY = "20131007"
START = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, {last})
    self.set_cash(100000)
    self.set_benchmark(lambda time: 0)
    self.add_equity("XYZ", Resolution.MINUTE)
    self.tickets = []
    self.events = []
    self.prepare()

def prepare(self):
    pass

def on_order_event(self, event):
    self.events.append((event.order_id, event.status, self.time.strftime("%H:%M"), event.fill_price))

def on_data(self, data):
    now = self.time.strftime("%d %H:%M")
"""


def at(lines: dict[str, str], last: int = 7) -> str:
    """Source of an algorithm that does something at `dd HH:MM`."""
    body = "".join(f"    if now == '{moment}':\n        {what}\n" for moment, what in lines.items())
    return START.format(last=last) + body


def fills(result):
    return [(time, float(price)) for _, status, time, price in result.algorithm.events if str(status) == "Filled"]


@rule("11.1", "10.2")
def test_a_market_order_takes_the_other_side_of_the_quote_at_once(run, market):
    market.minutes("xyz", DAY, steady(10))
    market.quotes("xyz", DAY, [(bar[0], 9.9, 10.1) for bar in steady(10)])
    result = run(
        at({"07 09:31": "self.market_order('XYZ', 100)", "07 09:33": "self.market_order('XYZ', -100)"}), market
    )
    assert fills(result) == [("09:31", 10.1), ("09:33", 9.9)]


@rule("11.1")
def test_without_quotes_a_market_order_takes_the_last_trade(run, market):
    market.minutes("xyz", DAY, [("09:30", 10, 10, 10, 10, 1), ("09:31", 11, 11, 11, 11, 1)])
    assert fills(run(at({"07 09:32": "self.market_order('XYZ', 1)"}), market)) == [("09:32", 11.0)]


@rule("11.2", "10.2")
@pytest.mark.parametrize(
    ("quantity", "limit", "bar", "price"),
    [
        (10, 9.5, ("09:31", 10, 10, 9.4, 9.8, 1), 9.5),  # low below the limit: at the limit
        (10, 9.5, ("09:31", 9.3, 9.9, 9.2, 9.8, 1), 9.3),  # opened below it: at the open
        (-10, 10.5, ("09:31", 10, 10.6, 10, 10.2, 1), 10.5),
        (-10, 10.5, ("09:31", 10.7, 10.8, 10.1, 10.2, 1), 10.7),
    ],
)
def test_a_limit_order_fills_at_its_limit_or_a_better_open(run, market, quantity, limit, bar, price):
    market.minutes("xyz", DAY, [("09:30", 10, 10.6, 9.4, 10, 1), bar, *steady(10, "09:32", 3)])
    result = run(at({"07 09:31": f"self.limit_order('XYZ', {quantity}, {limit})"}), market)
    # The bar of the moment of sending cannot fill it, though it went beyond the limit.
    assert fills(result) == [("09:32", price)]


@rule("11.2")
def test_a_limit_that_is_only_touched_does_not_fill(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 1), ("09:31", 10, 10, 9.5, 10, 1), *steady(10, "09:32", 3)])
    assert fills(run(at({"07 09:31": "self.limit_order('XYZ', 10, 9.5)"}), market)) == []


@rule("11.3")
@pytest.mark.parametrize(
    ("quantity", "stop", "bar", "price"),
    [
        (-10, 9.5, ("09:31", 10, 10, 9.5, 9.8, 1), 9.5),  # touched is enough
        (-10, 9.5, ("09:31", 9.2, 9.9, 9.1, 9.8, 1), 9.2),  # gap through it: the open
        (10, 10.5, ("09:31", 10, 10.5, 10, 10.2, 1), 10.5),
        (10, 10.5, ("09:31", 10.8, 10.9, 10.1, 10.2, 1), 10.8),
    ],
)
def test_a_stop_fills_at_the_stop_or_at_the_open_beyond_it(run, market, quantity, stop, bar, price):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 1), bar, *steady(10, "09:32", 3)])
    result = run(at({"07 09:31": f"self.stop_market_order('XYZ', {quantity}, {stop})"}), market)
    assert fills(result) == [("09:32", price)]


@rule("11.4")
def test_a_stop_limit_is_triggered_first_and_filled_within_its_limit(run, market):
    bars = [
        *steady(10, "09:30", 1),
        ("09:31", 10, 10.6, 10, 10.55, 1),  # above the stop 10.5; the close is above the limit 10.2
        ("09:32", 10.5, 10.5, 10.1, 10.1, 1),  # the close is below the limit: min(high, limit)
        *steady(10, "09:33", 2),
    ]
    market.minutes("xyz", DAY, bars)
    assert fills(run(at({"07 09:31": "self.stop_limit_order('XYZ', 10, 10.5, 10.2)"}), market)) == [("09:33", 10.2)]


@rule("11.5", "10.9")
def test_a_trailing_stop_follows_the_high_and_fills_when_it_is_crossed(run, market):
    bars = [
        *steady(10, "09:30", 1),
        ("09:31", 11.5, 12, 11.2, 12, 1),  # best 12: the stop goes from 9 to 11
        ("09:32", 12, 12, 11.5, 11.6, 1),
        ("09:33", 11.6, 11.6, 10.9, 11.2, 1),  # low 10.9 crosses 11; close 11.2: the stop's price
        *steady(11, "09:34", 1),
    ]
    market.minutes("xyz", DAY, bars)
    result = run(at({"07 09:31": "self.tickets.append(self.trailing_stop_order('XYZ', -10, 1, False))"}), market)
    assert fills(result) == [("09:34", 11.0)]
    assert result.orders[0].tag == "Trailing Amount: $1"


@rule("11.6")
def test_limit_if_touched_waits_for_its_trigger(run, market):
    bars = [
        *steady(10, "09:30", 1),
        ("09:31", 10, 10, 9.8, 9.9, 1),  # not yet: the trigger is 9.5
        ("09:32", 9.9, 9.9, 9.5, 9.6, 1),  # touched; the ask (9.6) is not above the limit 9.7: at the ask
        *steady(10, "09:33", 2),
    ]
    market.minutes("xyz", DAY, bars)
    assert fills(run(at({"07 09:31": "self.limit_if_touched_order('XYZ', 10, 9.5, 9.7)"}), market)) == [("09:33", 9.6)]


@rule("11.7", "0.2")
def test_a_market_order_out_of_hours_fills_at_the_next_open(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 2), *steady(10, "15:59", 1)])
    market.minutes("xyz", "20131008", [("09:30", 12, 12.5, 12, 12.4, 1), *steady(13, "09:31", 3)])
    result = run(at({"07 16:00": "self.market_order('XYZ', 10)"}, last=8), market)
    (order,) = result.orders
    assert str(order.type) == "MarketOnOpen"
    assert fills(result) == [("09:31", 12.0)]


@rule("11.8")
def test_market_on_close_fills_at_the_last_trade_of_the_day(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 2), ("15:59", 11, 11.5, 11, 11.25, 1)])
    assert fills(run(at({"07 09:31": "self.market_on_close_order('XYZ', 10)"}), market)) == [("16:00", 11.25)]


@rule("11.8", "10.1")
def test_market_on_close_is_refused_in_the_last_quarter_hour(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 2), *steady(10, "15:44", 3)])
    body = {"07 15:45": "self.tickets.append(self.market_on_close_order('XYZ', 10))"}
    result = run(at(body), market)
    assert result.orders == []
    (ticket,) = result.algorithm.tickets
    assert str(ticket.status) == "Invalid"
    assert str(ticket.submit_request.response.error_code) == "MarketOnCloseOrderTooLate"


@rule("11.9")
def test_slippage_moves_a_market_fill_against_the_order(run, market):
    market.minutes("xyz", DAY, steady(10))
    body = at({"07 09:31": "self.market_order('XYZ', 10)", "07 09:33": "self.market_order('XYZ', -10)"})
    body = body.replace(
        "def prepare(self):\n    pass",
        "def prepare(self):\n    self.securities['XYZ'].set_slippage_model(ConstantSlippageModel(0.01))",
    )
    assert fills(run(body, market)) == [("09:31", 10.1), ("09:33", 9.9)]


@rule("0.2")
def test_a_market_order_on_daily_data_is_for_the_next_open(run, market):
    market.days(
        "xyz", [("20131007", 10, 10, 10, 10, 1), ("20131008", 11, 12, 11, 12, 1), ("20131009", 13, 13, 13, 13, 1)]
    )
    body = START.format(last=9).replace("Resolution.MINUTE", "Resolution.DAILY")
    body += "    if now == '07 16:00':\n        self.market_order('XYZ', 10)\n"
    result = run(body, market)
    assert str(result.orders[0].type) == "MarketOnOpen"
    # The bar of the 8th arrives at its end, and is filled at its open.
    assert fills(result) == [("16:00", 11.0)]


@rule("10.1")
@pytest.mark.parametrize(
    ("order", "code"),
    [
        ("self.market_order('XYZ', 0)", "OrderQuantityZero"),
        ("self.market_order('XYZ', 0.5)", "OrderQuantityLessThanLotSize"),
        ("self.market_on_open_order('XYZ', 1)", "MarketOnOpenNotAllowedDuringRegularHours"),
    ],
)
def test_an_order_that_cannot_be_sent_says_why_and_is_not_counted(run, market, order, code):
    market.minutes("xyz", DAY, steady(10))
    result = run(at({"07 09:31": f"self.tickets.append({order})"}), market)
    (ticket,) = result.algorithm.tickets
    assert str(ticket.status) == "Invalid"
    assert str(ticket.submit_request.response.error_code) == code
    assert result.statistics["Total Orders"] == "0"


@rule("10.3", "10.6")
def test_an_update_waits_until_orders_are_handled_again(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 2), ("09:32", 10, 10, 9.7, 10, 1), *steady(10, "09:33", 2)])
    update = "self.tickets[0].update_limit_price(9.8); self.tickets.append(self.tickets[0].get(OrderField.LIMIT_PRICE))"
    body = {"07 09:31": "self.tickets.append(self.limit_order('XYZ', 10, 9.0))", "07 09:32": update}
    result = run(at(body), market)
    assert result.algorithm.tickets[1] == 9.0  # not yet, right after the call
    assert fills(result) == [("09:33", 9.8)]
    assert [order.id for order in result.orders] == [1]


@rule("0.14")
def test_cancelling_a_filled_order_fails_and_changes_its_tag(run, market):
    market.minutes("xyz", DAY, steady(10))
    body = {
        "07 09:31": "self.tickets.append(self.market_order('XYZ', 10))",
        "07 09:32": "self.tickets.append(self.tickets[0].cancel('too late'))",
    }
    result = run(at(body), market)
    assert str(result.orders[0].status) == "Filled"
    assert result.orders[0].tag == "too late"


@rule("10.4")
def test_liquidate_cancels_what_is_open_and_closes_the_position(run, market):
    market.minutes("xyz", DAY, steady(10))
    body = {
        "07 09:31": "self.market_order('XYZ', 10); self.limit_order('XYZ', 5, 1)",
        "07 09:33": "self.liquidate('XYZ')",
    }
    result = run(at(body), market)
    assert [(str(o.status), float(o.exact_quantity), o.tag) for o in result.orders] == [
        ("Filled", 10.0, ""),
        ("Canceled", 5.0, "Liquidated"),
        ("Filled", -10.0, "Liquidated"),
    ]
    assert not result.algorithm.portfolio.invested


@rule("10.5")
def test_a_day_order_expires_at_the_close(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 2), *steady(10, "15:59", 1)])
    market.minutes("xyz", "20131008", [("09:30", 1, 1, 1, 1, 1), *steady(1, "09:31", 2)])
    send = "self.default_order_properties.time_in_force = TimeInForce.DAY; self.limit_order('XYZ', 10, 5)"
    result = run(at({"07 09:31": send}, last=8), market)
    assert str(result.orders[0].status) == "Canceled"
    assert [time for _, status, time, _ in result.algorithm.events if str(status) == "Canceled"] == ["16:00"]


@rule("10.5")
def test_an_order_without_an_end_lives_on(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 2), *steady(10, "15:59", 1)])
    market.minutes("xyz", "20131008", [("09:30", 1, 1, 1, 1, 1), *steady(1, "09:31", 2)])
    result = run(at({"07 09:31": "self.limit_order('XYZ', 10, 5)"}, last=8), market)
    assert fills(result) == [("09:31", 1.0)]


@rule("10.7")
@pytest.mark.parametrize(("mode", "limit"), [("RAW", Decimal("9.46")), ("ADJUSTED", Decimal("9.456"))])
def test_prices_are_rounded_to_cents_on_raw_data_only(run, market, mode, limit):
    market.minutes("xyz", DAY, steady(10))
    body = at({"07 09:31": "self.limit_order('XYZ', 10, 9.456)"})
    body = body.replace(
        "Resolution.MINUTE)", f"Resolution.MINUTE, data_normalization_mode=DataNormalizationMode.{mode})"
    )
    (order,) = run(body, market).orders
    assert Decimal(str(order.limit_price)) == limit


@rule("0.12")
def test_nothing_is_closed_at_the_end(run, market):
    market.minutes("xyz", DAY, steady(10))
    result = run(at({"07 09:31": "self.market_order('XYZ', 10); self.limit_order('XYZ', 1, 1)"}), market)
    assert result.algorithm.portfolio.invested
    assert [str(order.status) for order in result.orders] == ["Filled", "Submitted"]
