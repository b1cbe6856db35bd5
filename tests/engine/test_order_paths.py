"""The short ways of an order give what the long ones give, and a model of the user's ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.json_text import to_json_text
from llm_plugin.engine.base.money import round_half_even
from llm_plugin.engine.data.bars import Bar, QuoteBar
from llm_plugin.engine.live.state_codec import fill_fields
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.models.fill_prices import BarPrices
from llm_plugin.engine.orders.events import OrderEvent
from llm_plugin.engine.results.files import order_json
from llm_plugin.engine.securities.manager import SecurityManager
from llm_plugin.engine.statistics import Trade, TradeBuilder
from llm_plugin.engine.statistics.capacity import CapacityEstimate

MODELS = """
class SameFees(InteractiveBrokersFeeModel):
    def get_order_fee(self, parameters):
        return super().get_order_fee(parameters)

class SameFills(EquityFillModel):
    def fill(self, parameters):
        return super().fill(parameters)

class SameMarketFills(EquityFillModel):
    def MarketFill(self, asset, order):
        return super().MarketFill(asset, order)

class SameMargin(SecurityMarginModel):
    def has_sufficient_buying_power_for_order(self, parameters):
        return super().has_sufficient_buying_power_for_order(parameters)

class SameSettlement(ImmediateSettlementModel):
    def apply_funds(self, parameters):
        return super().apply_funds(parameters)

class SameBrokerage(DefaultBrokerageModel):
    def can_submit_order(self, security, order, message=None):
        return True

class SameSlippage:
    def GetSlippageApproximation(self, asset, order):
        return 0

class OwnFees(FeeModel):
    def get_order_fee(self, parameters):
        return OrderFee(CashAmount(7, "USD"))

class OwnFills(EquityFillModel):
    def market_fill(self, asset, order):
        event = super().market_fill(asset, order)
        event.fill_price = 100
        return event

class OwnSettlement(ImmediateSettlementModel):
    def apply_funds(self, parameters):
        pass


class Turns(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 8)
        self.spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        SETUP

    def on_data(self, data):
        if self.time.hour < 11 or self.time.minute % 10 or not data.contains_key(self.spy):
            return
        side = 1 if self.time.minute % 20 else -1
        if self.time.minute == 30:
            self.limit_order(self.spy, 40 * side, data[self.spy].close * (1 - 0.0002 * side))
            self.stop_market_order(self.spy, -30 * side, data[self.spy].close * (1 - 0.0005 * side))
        self.market_order(self.spy, 250 * side - self.portfolio[self.spy].quantity)
        if self.time.day == 8 and self.time.hour == 12:
            LATER
"""
SAME = {
    "fees": "self.securities[self.spy].set_fee_model(SameFees())",
    "fills": "self.securities[self.spy].set_fill_model(SameFills())",
    "market fills": "self.securities[self.spy].set_fill_model(SameMarketFills())",
    "margin": "self.securities[self.spy].set_buying_power_model(SameMargin(2))",
    "settlement": "self.securities[self.spy].set_settlement_model(SameSettlement())",
    "brokerage": "self.set_brokerage_model(SameBrokerage())",
    "slippage": "self.securities[self.spy].set_slippage_model(SameSlippage())",
}


def _source(setup: str = "pass", later: str = "pass") -> str:
    return MODELS.replace("SETUP", setup).replace("LATER", later)


def _trace(result: Any) -> list[Any]:
    trades = result.algorithm.trade_builder.closed_trades
    return [
        result.statistics,
        [order_json(order) for order in result.orders],
        [str(event) for event in result.order_events],
        [(t.id, t.profit_loss, t.mae, t.mfe, t.end_trade_drawdown, t.is_win, t.total_fees) for t in trades],
        str(result.end_equity),
        to_json_text({cash.symbol: cash.exact_amount for cash in result.algorithm.portfolio.cash_book.values()}),
    ]


@pytest.fixture
def plain(run: Callable[..., Any]) -> list[Any]:
    """What the models of the engine give."""
    result = run(source=_source())
    assert sum(bool(event.exact_fill_quantity) for event in result.order_events) > 40
    assert len({order.type for order in result.orders}) == 4
    return _trace(result)


@pytest.mark.parametrize("what", list(SAME))
def test_a_users_model_that_changes_nothing_gives_the_same(
    run: Callable[..., Any], plain: list[Any], what: str
) -> None:
    assert _trace(run(source=_source(SAME[what]))) == plain


def test_a_users_models_count_from_the_next_order_on(run: Callable[..., Any], plain: list[Any]) -> None:
    security = "self.securities[self.spy]"
    later = f"{security}.set_fee_model(OwnFees()); {security}.set_fill_model(OwnFills())"
    result = run(source=_source(later=later))
    changed = [event for event in result.order_events if event.utc_time >= datetime(2013, 10, 8, 16, 1)]
    fills = [event for event in changed if event.exact_fill_quantity]
    assert len(fills) > 10
    assert {float(event.order_fee.value.amount) for event in fills} == {7.0}
    market = {event.order_id for event in fills} & {o.id for o in result.orders if o.type.name == "MARKET"}
    assert {event.fill_price for event in fills if event.order_id in market} == {100.0}
    before = [str(event) for event in result.order_events if event.utc_time < datetime(2013, 10, 8, 16)]
    assert before == plain[2][: len(before)]
    assert len(before) > 20


def test_money_that_a_users_model_does_not_settle_never_comes(run: Callable[..., Any]) -> None:
    result = run(source=_source("self.securities[self.spy].set_settlement_model(OwnSettlement())"))
    fees = sum((event.order_fee.value.exact_amount for event in result.order_events), Decimal(0))
    assert fees > 40
    assert result.algorithm.portfolio.cash_book["USD"].exact_amount == 100000 - fees


def test_a_security_that_was_replaced_is_not_found_any_more() -> None:
    symbol = Symbol(SecurityIdentifier.generate_equity("SPY"), "SPY")
    manager = SecurityManager({"SPY": symbol}.get)
    first, second = SimpleNamespace(symbol=symbol), SimpleNamespace(symbol=symbol)
    manager.add(first)
    assert manager[symbol] is manager[symbol] is manager.get(symbol) is manager["SPY"] is first
    manager.add(second)
    assert manager[symbol] is manager.get(symbol) is manager["SPY"] is second
    manager.remove(symbol)
    assert manager[symbol] is second  # it left, and is still found
    manager.add(first)
    assert manager[symbol] is manager.get(symbol) is first
    with pytest.raises(KeyError, match="AIG was not subscribed"):
        manager["AIG"]


def test_prices_are_worked_out_when_asked_for_and_can_be_set() -> None:
    bar = QuoteBar(datetime(2020, 1, 1, 9), None, Bar(1.1, 1.3, 1.0, 1.2), 0, Bar(2.1, 2.3, 2.0, 2.2), 0)
    prices = BarPrices(bar, "bid_")
    assert (prices.current, prices.close, prices.open) == (Decimal("1.2"), Decimal("1.2"), Decimal("1.1"))
    assert (prices.high, prices.low) == (Decimal("1.3"), Decimal("1.0"))
    assert (prices.time, prices.end_time) == (datetime(2020, 1, 1, 9), datetime(2020, 1, 1, 9, 1))
    prices.current = Decimal(5)
    assert (prices.current, prices.close) == (5, Decimal("1.2"))
    with pytest.raises(AttributeError, match="volume"):
        prices.volume  # noqa: B018


def test_figures_of_a_trade_are_those_of_its_fills_in_both_spellings() -> None:
    builder, start = TradeBuilder(), datetime(2020, 1, 1)
    builder.process_fill("A", start, Decimal("10.005"), Decimal(3), 1)
    for price in ("9.5", "11.113", "10.2"):
        builder.set_market_price("A", Decimal(price))
    builder.process_fill("A", start + timedelta(hours=1), Decimal("10.2"), Decimal(-5), 2)
    (trade,) = builder.closed_trades
    assert (trade.profit_loss, trade.MAE, trade.mfe) == (Decimal("0.58"), Decimal("-1.52"), Decimal("3.32"))
    assert (trade.end_trade_drawdown, trade.EndTradeDrawdown, trade.IsWin) == (Decimal("2.74"), Decimal("2.74"), True)
    assert len(trade.id) == 36
    assert trade.id == trade.Id
    trade.profit_loss = Decimal(1)
    assert (trade.ProfitLoss, trade.mfe) == (1, Decimal("3.32"))
    opened = Trade("A", start, Decimal(1), trade.direction, Decimal(1))
    assert (opened.id, opened.profit_loss, opened.is_win) == ("", 0, False)


def test_a_journal_with_the_old_names_of_fields_is_read() -> None:
    event: Any = OrderEvent.__new__(OrderEvent)
    fill_fields(event, {"_fill_price": {"$decimal": "1.50"}, "_quantity": {"$decimal": "7"}, "id": 3}, lambda _: None)
    assert (event.fill_price, str(event.exact_fill_price), event.quantity, event.id) == (1.5, "1.50", 7.0, 3)


@pytest.mark.parametrize("minutes", [0, 1, 38.99, 39, 39.01, 77, 194.9, 195, 195.1, 1440, 9999])
def test_the_discount_of_orders_that_follow_each_other_is_twice_their_share_of_a_day(minutes: float) -> None:
    estimate = CapacityEstimate(datetime(2020, 1, 1), datetime(2020, 2, 1), lambda _: None, lambda _: None)
    first = datetime(2020, 1, 2)
    estimate.on_fill("A", first, Decimal(1))
    item = estimate._symbols["A"]
    assert item._discount == 1
    span = timedelta(minutes=minutes)
    estimate.on_fill("A", first + span, Decimal(1))
    exact = 2 * Decimal(f"{span / timedelta(minutes=1):.15g}") / 390
    assert item._discount == min(Decimal(1), max(Decimal("0.2"), exact))


@pytest.mark.parametrize(
    ("value", "digits", "wanted"),
    [
        ("1.005", 2, "1.00"),
        ("1.015", 2, "1.02"),
        ("1.2", 2, "1.2"),
        ("-1.235", 2, "-1.24"),
        ("5", 2, "5"),
        ("1E+3", 2, "1E+3"),
        ("1.5E-9", 2, "0.00"),
        ("1.23456789012345", 14, "1.23456789012345"),
        ("1.234567890123455", 14, "1.23456789012346"),
        ("1250", -2, "1.2E+3"),
    ],
)
def test_rounding_is_half_to_even_and_adds_no_zeros(value: str, digits: int, wanted: str) -> None:
    assert str(round_half_even(Decimal(value), digits)) == wanted


def test_the_kinds_of_symbols_are_members_that_can_be_compared_by_identity() -> None:
    kinds = [SecurityIdentifier.parse(str(SecurityIdentifier("BTCUSD", SecurityType.CRYPTO, "coinbase"))).security_type]
    assert kinds[0] is SecurityType.CRYPTO


@pytest.mark.parametrize(
    ("change", "hour"),
    [
        ("pass", None),
        ("self.portfolio.cash_book['USD'].set_amount(10)", 10),
        ("self.securities['SPY'].set_leverage(1)", 10),
        ("self.limit_order('SPY', 1, 1)", None),
    ],
)
def test_an_order_for_the_open_is_looked_at_again_where_something_changed_since_it_was_sent(
    run: Callable[..., Any], change: str, hour: int | None
) -> None:
    """Money that is gone is noticed at the benchmark's first bar, not with the order's own data at the close."""
    body = f"""
        def initialize(self):
            self.set_start_date(2014, 6, 2)
            self.set_end_date(2014, 6, 6)
            self.add_equity("SPY", Resolution.DAILY)
            self.told = []

        def on_data(self, data):
            if not self.transactions.orders_count:
                self.market_on_open_order("SPY", 900)
                {change}

        def on_order_event(self, event):
            self.told.append((str(event.status), self.time))
        """
    for source in (body, body.replace("def on_order_event", "def unheard")):
        result = run(source)
        first = [event for event in result.order_events if event.order_id == 1]
        last = first[-1]
        if hour is None:
            assert str(last.status) == "Filled"
        else:
            assert str(last.status) == "Invalid"
            assert (last.utc_time - timedelta(hours=4)) == datetime(2014, 6, 3, hour)
