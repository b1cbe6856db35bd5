"""Fees, buying power, sizing, accounting, currencies: sums worked out in each test."""

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
    self.set_cash({cash})
    self.set_benchmark(lambda time: 0)
    self.seen = []
    self.add_equity("XYZ", Resolution.MINUTE)
    self.prepare()

def prepare(self):
    {prepare}

def on_data(self, data):
    now = self.time.strftime("%d %H:%M")
"""


def at(lines: dict[str, str], *, cash: int = 100_000, prepare: str = "pass", last: int = 7) -> str:
    """Source of an algorithm that does something at `dd HH:MM`."""
    body = "".join(f"    if now == '{moment}':\n        {what}\n" for moment, what in lines.items())
    return START.format(cash=cash, prepare=prepare, last=last) + body


@rule("12.1", "0.10")
@pytest.mark.parametrize(
    ("quantity", "price", "fee"),
    [
        (100, 10, "1"),  # 0.50 is below the least fee
        (1000, 10, "5.000"),  # half a cent a share
        (1000, 0.5, "2.5"),  # at most 0.5 % of 500
        (1, 10, "1"),  # the least fee is not capped
    ],
)
def test_interactive_brokers_fee_of_equity(run, market, quantity, price, fee):
    market.minutes("xyz", DAY, steady(price))
    result = run(at({"07 09:31": f"self.market_order('XYZ', {quantity})"}), market)
    assert result.total_fees == Decimal(fee)


@rule("12.2")
def test_a_users_fee_model_is_asked_in_either_spelling(run, market):
    market.minutes("xyz", DAY, steady(10))
    body = at({"07 09:31": "self.market_order('XYZ', 100)"}, prepare="self.securities['XYZ'].set_fee_model(Mine())")
    for name in ("get_order_fee", "GetOrderFee"):
        kind = f"""
class Mine(FeeModel):
    def {name}(self, parameters):
        return OrderFee(CashAmount(parameters.order.absolute_quantity * 0.07, "USD"))
"""
        assert run(kind + body.replace("Mine()", "self.Mine()"), market).total_fees == Decimal("7.0")


@rule("0.10", "8.1")
def test_forex_has_no_fee_by_default(run, market):
    market.forex_minutes("eurusd", DAY, [("14:00", 1.3, 1.4), ("14:01", 1.3, 1.4)])
    body = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 7)
    self.set_benchmark(lambda time: 0)
    self.add_forex("EURUSD", Resolution.MINUTE)

def on_data(self, data):
    if not self.portfolio.invested:
        self.market_order("EURUSD", 1000)
"""
    result = run(body, market)
    assert float(result.orders[0].exact_price) == 1.4
    assert result.total_fees == 0
    # Bought at 1.4, valued at the middle 1.35: 1000 x 0.05 lost.
    assert result.end_equity == Decimal("99950")


@rule("13.2")
def test_set_holdings_leaves_a_quarter_of_a_percent_and_pays_the_fee_out_of_it(run, market):
    market.minutes("xyz", DAY, steady(10))
    result = run(at({"07 09:31": "self.set_holdings('XYZ', 1)"}), market)
    # 100,000 x 0.9975 / 10 = 9975 shares; their fee 49.875 taken off first: 99,950.125 x 0.9975 / 10 = 9970.02
    assert result.orders[0].exact_quantity == 9970


@rule("13.2")
def test_a_negative_target_is_rounded_towards_zero(run, market):
    market.minutes("xyz", DAY, steady(30))
    result = run(at({"07 09:31": "self.set_holdings('XYZ', -0.5)"}, cash=10_000), market)
    # 10,000 x 0.9975 x ... : (10,000 - 25) x 0.5 / 10,000 of the portfolio = 4987.5; fee 1: 4987.0 / 30 = 166.2
    assert result.orders[0].exact_quantity == -166


@rule("13.3")
def test_a_change_below_a_thousandth_is_not_made(run, market):
    market.minutes("xyz", DAY, steady(10))
    lines = {"07 09:31": "self.set_holdings('XYZ', 0.5)", "07 09:33": "self.set_holdings('XYZ', 0.501)"}
    # Margin, at leverage 2, would change by 0.05 % of the portfolio.
    assert len(run(at(lines), market).orders) == 1
    lines["07 09:33"] = "self.set_holdings('XYZ', 0.51)"
    assert len(run(at(lines), market).orders) == 2


@rule("13.4", "13.1")
@pytest.mark.parametrize(
    ("quantity", "status"), [(19_000, "Filled"), (-19_000, "Filled"), (21_000, "Invalid"), (-21_000, "Invalid")]
)
def test_equity_can_be_bought_for_twice_the_cash_and_not_for_more(run, market, quantity, status):
    market.minutes("xyz", DAY, steady(10))
    result = run(at({"07 09:31": f"self.market_order('XYZ', {quantity})"}), market)
    assert str(result.orders[0].status) == status
    assert result.statistics["Total Orders"] == "1"


@rule("13.1")
def test_what_reduces_a_position_needs_no_margin(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 2), *steady(5.4, "09:32", 5)])
    lines = {"07 09:31": "self.market_order('XYZ', 19000)", "07 09:33": "self.market_order('XYZ', -19000)"}
    result = run(at(lines), market)
    assert [str(order.status) for order in result.orders][:1] == ["Filled"]
    assert not result.algorithm.portfolio.invested


@rule("13.5")
def test_a_cash_accounts_sale_settles_the_next_day_at_six(run, market):
    market.minutes("xyz", DAY, [*steady(10), *steady(10, "15:59", 1)])
    market.minutes("xyz", "20131008", [*steady(10), *steady(10, "15:59", 1)])
    watch = "self.schedule.on(self.date_rules.every_day(), self.time_rules.every(timedelta(hours=1)), self.note)"
    lines = {"07 09:31": "self.market_order('XYZ', 100)", "07 09:33": "self.market_order('XYZ', -100)"}
    prepare = f"self.set_brokerage_model(BrokerageName.DEFAULT, AccountType.CASH)\n    {watch}"
    note = "\ndef note(self):\n    cash = self.portfolio.unsettled_cash_book['USD'].amount\n"
    note += "    self.seen.append((self.time.strftime('%d %H'), cash))\n"
    body = at(lines, prepare=prepare, last=8).replace("self.add_equity", "self.early()\n    self.add_equity")
    body = body.replace("    self.early()\n", "    self.set_brokerage_model(BrokerageName.DEFAULT, AccountType.CASH)\n")
    seen = dict(run(body + note, market).algorithm.seen)
    assert seen["07 10"] == 1000.0
    assert seen["08 00"] == 1000.0
    assert seen["08 12"] == 0.0


@rule("13.6")
def test_a_margin_call_sells_when_the_margin_is_gone(run, market):
    fall = [*steady(10, "09:30", 2), *steady(5.2, "09:32", 20)]
    market.minutes("xyz", DAY, fall)
    body = at({"07 09:31": "self.market_order('XYZ', 19000)"})
    body += """
def on_margin_call(self, requests):
    self.seen.append(("call", [request.quantity for request in requests]))
    return requests

def on_margin_call_warning(self):
    self.seen.append(("warning", None))
"""
    result = run(body, market)
    # 19,000 x 4.80 lost of 100,000: 8,705 left (fee 95), margin used 49,400.
    assert result.algorithm.seen[0][0] == "call"
    call = next(order for order in result.orders if order.tag == "Margin Call")
    assert call.exact_quantity < 0
    assert str(call.status) == "Filled"


@rule("13.7")
def test_targets_that_free_money_come_first(run, market):
    market.minutes("xyz", DAY, steady(10))
    market.minutes("abc", DAY, steady(20))
    lines = {
        "07 09:31": "self.set_holdings('XYZ', 0.9)",
        "07 09:33": "self.set_holdings([PortfolioTarget('ABC', 0.9), PortfolioTarget('XYZ', 0.1)])",
    }
    result = run(at(lines, prepare="self.add_equity('ABC', Resolution.MINUTE)"), market)
    made = [(str(order.symbol.value), order.exact_quantity > 0) for order in result.orders]
    assert made == [("XYZ", True), ("XYZ", False), ("ABC", True)]


@rule("14.1", "0.7", "20.2")
def test_cash_average_price_and_profit_of_a_round_trip(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 1), *steady(12, "09:31", 1), *steady(15, "09:32", 3)])
    holding = "h = self.portfolio['XYZ']; self.seen.append((h.quantity, h.average_price, self.portfolio.cash))"
    lines = {
        "07 09:31": f"self.market_order('XYZ', 100); {holding}",
        "07 09:32": f"self.market_order('XYZ', 300); {holding}",
        "07 09:33": f"self.market_order('XYZ', -400); {holding}",
    }
    # Enough days for statistics: with fewer than two returns all of them are 0.
    result = run(at(lines, last=11), market)
    assert result.algorithm.seen == [
        (100.0, 10.0, 98_999.0),  # 1000 and the least fee
        (400.0, 11.5, 95_397.5),  # (100 x 10 + 300 x 12) / 400; fee 1.50
        (0.0, 0.0, 101_395.5),  # 400 x 15, fee 2
    ]
    assert result.end_equity == Decimal("101395.5")
    # The record is 400 x 3.5 less twice the closing fee of 2: 1396 of 100,000.
    assert result.statistics["Average Win"] == "1.40%"
    assert result.statistics["Win Rate"] == "100%"
    assert list(result.algorithm.portfolio.records.values()) == [Decimal("1396.0")]


@rule("14.2")
def test_crossing_zero_closes_first_and_opens_at_the_fill(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 1), *steady(12, "09:31", 3)])
    lines = {
        "07 09:31": "self.market_order('XYZ', 100)",
        "07 09:32": "self.market_order('XYZ', -150)",
        "07 09:33": "h = self.portfolio['XYZ']; self.seen = [h.quantity, h.average_price, h.profit]",
    }
    assert run(at(lines), market).algorithm.seen == [-50.0, 12.0, 200.0]


@rule("14.3", "9.2")
def test_holdings_value_is_absolute_and_unrealised_profit_pays_the_fee(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 1), *steady(9, "09:31", 3)])
    lines = {
        "07 09:31": "self.market_order('XYZ', -100)",
        "07 09:33": "p = self.portfolio; self.seen = [p.total_holdings_value, p['XYZ'].unrealized_profit]",
    }
    # 100 x 1 won, less the fee of 1 for closing.
    assert run(at(lines), market).algorithm.seen == [900.0, 99.0]


@rule("9.1")
def test_price_is_the_trades_and_bid_and_ask_are_the_quotes(run, market):
    market.minutes("xyz", DAY, steady(10))
    look = "s = self.securities['XYZ']; self.seen.append((s.price, s.bid_price, s.ask_price))"
    assert run(at({"07 09:32": look}), market).algorithm.seen == [(10.0, 10.0, 10.0)]
    market.quotes("xyz", DAY, [(bar[0], 9.9, 10.2) for bar in steady(10)])
    assert run(at({"07 09:32": look}), market).algorithm.seen == [(10.0, 9.9, 10.2)]


@rule("15.1", "1.1", "8.2")
def test_foreign_cash_is_converted_by_the_middle_of_its_pair(run, market):
    market.minutes("xyz", DAY, steady(10))
    market.forex_minutes("eurusd", DAY, [("13:30", 1.3, 1.5), ("13:31", 1.5, 1.7), ("13:32", 1.5, 1.7)])
    look = (
        "b = self.portfolio.cash_book; self.seen.append((b['EUR'].conversion_rate, b.total_value_in_account_currency))"
    )
    result = run(at({"07 09:31": look, "07 09:32": look}, cash=1000, prepare="self.set_cash('EUR', 100)"), market)
    assert result.algorithm.seen == [
        (pytest.approx(1.4), pytest.approx(1140)),
        (pytest.approx(1.6), pytest.approx(1160)),
    ]


@rule("0.11", "1.7")
def test_the_benchmark_is_the_brokerage_models(run):
    body = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 11)
    {}
    self.add_equity("SPY", Resolution.DAILY)

def on_data(self, data):
    if not self.portfolio.invested:
        self.set_holdings("SPY", 1)
"""
    plain = run(body.format("pass")).statistics
    assert (plain["Alpha"], plain["Beta"]) != ("0", "0")
    bare = run(body.format("self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE)")).statistics
    assert (bare["Alpha"], bare["Beta"]) == ("0", "0")


@rule("20.3", "20.1")
def test_without_samples_of_return_the_ratios_are_zero(run, market):
    market.minutes("xyz", DAY, steady(10))
    statistics = run(at({}), market).statistics
    assert {statistics[name] for name in ("Sharpe Ratio", "Alpha", "Beta", "Treynor Ratio", "Annual Variance")} == {"0"}
    assert statistics["Net Profit"] == "0%"
    assert statistics["Total Fees"] == "$0.00"


@rule("1.4", "1.5")
def test_settings_have_leans_defaults(run, market):
    market.minutes("xyz", DAY, steady(10))
    body = (
        at({})
        + """
def on_end_of_algorithm(self):
    s, u = self.settings, self.universe_settings
    self.seen = [s.free_portfolio_value_percentage, s.minimum_order_margin_portfolio_percentage, s.liquidate_enabled,
                 s.daily_precise_end_time, s.seed_initial_prices, u.resolution, u.fill_forward,
                 u.minimum_time_in_universe.days, self.add_equity("ABC").subscriptions[0].resolution]
"""
    )
    assert run(body, market).algorithm.seen == [0.0025, 0.001, True, True, False, 2, True, 1, 2]
