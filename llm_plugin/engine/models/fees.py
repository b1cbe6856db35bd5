"""Fee models."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import OrderDirection, OrderType, SecurityType
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.models import fee_rules
from llm_plugin.engine.orders.order import Order, OrderFee
from llm_plugin.engine.portfolio.cash import CashAmount

__all__ = [
    "CoinbaseFeeModel",
    "ConstantFeeModel",
    "Fee",
    "FeeModel",
    "FxcmFeeModel",
    "InteractiveBrokersFeeModel",
    "OrderFeeParameters",
    "own_fee",
]

# Amount and currency.
Fee = tuple[Decimal, str]

_STABLE_PAIRS = frozenset({"DAIUSDC", "DAIUSD", "GYENUSD", "PAXUSD", "PAXUSDT", "PYUSDUSD", "RAIUSD", "USDCUSD",
                           "USDTUSD", "USDTUSDC", "PAXGUSD", "MUSDUSD", "CBETHETH", "WBTCBTC"})  # fmt: skip


class OrderFeeParameters(LeanObject):
    """What a fee is computed from."""

    def __init__(self, security: Any, order: Order) -> None:
        self.security = security
        self.order = order


class FeeModel(LeanObject):
    """No fee; the base of user-written models, which replace `get_order_fee`; the engine's replace `fee_of`."""

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        """Return the fee of an order."""
        return OrderFee(CashAmount(*self.fee_of(parameters.security, parameters.order)))

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return the fee of an order as amount and currency."""
        return ZERO, "USD"


def own_fee(security: Any, order: Order) -> Fee | None:
    """Return what a model of the engine's takes; None where the security's model is the user's."""
    model = security.fee_model
    own = isinstance(model, FeeModel) and type(model).get_order_fee is FeeModel.get_order_fee
    return model.fee_of(security, order) if own else None


class ConstantFeeModel(FeeModel):
    """The same fee for every order."""

    def __init__(self, fee: Any, currency: str = "USD") -> None:
        self._fee, self._currency = abs(to_decimal(fee)), currency

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return the fee."""
        return self._fee, self._currency


class InteractiveBrokersFeeModel(FeeModel):
    """Interactive Brokers: equities, forex and CFDs."""

    def __init__(self, monthly_forex_trade_amount_in_us_dollars: float = 0.0, *unused: Any) -> None:
        self._monthly = float(monthly_forex_trade_amount_in_us_dollars)

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return the fee by kind of instrument."""
        value = order.exact_order_value(security)
        if security.type == SecurityType.EQUITY:
            if security.symbol.id.market == "india":
                return fee_rules.interactive_brokers_india_fee(abs(order.exact_quantity), value), "INR"
            return fee_rules.interactive_brokers_equity_fee(abs(order.exact_quantity), value), "USD"
        if security.type == SecurityType.FOREX:
            return fee_rules.interactive_brokers_forex_fee(value, self._monthly), "USD"
        if security.type == SecurityType.CFD:
            currency = security.quote_currency.symbol
            local = abs(order.exact_quantity * security.exact_price * security.symbol_properties.exact_multiplier)
            return fee_rules.interactive_brokers_cfd_fee(local, currency), currency
        return ZERO, "USD"


class CoinbaseFeeModel(FeeModel):
    """Coinbase (GDAX): maker and taker rates by date; given rates replace those since October 2019."""

    def __init__(self, maker_fee: Any = None, taker_fee: Any = None) -> None:
        self._maker = None if maker_fee is None else to_decimal(maker_fee)
        self._taker = None if taker_fee is None else to_decimal(taker_fee)

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return rate x quantity x unit price, in the quote currency."""
        moment = order.time.replace(tzinfo=UTC)
        taker, maker = fee_rules.coinbase_fee_rates(
            moment, security.symbol.value in _STABLE_PAIRS, self._taker, self._maker
        )
        post_only = getattr(order.properties, "post_only", False)
        is_maker = order.type == OrderType.LIMIT and (post_only or not order.is_marketable)
        price = security.exact_ask if order.direction == OrderDirection.BUY else security.exact_bid
        unit = price * security.symbol_properties.exact_multiplier
        fee: Decimal = unit * abs(order.exact_quantity) * (maker if is_maker else taker)
        return fee, security.quote_currency.symbol


class FxcmFeeModel(FeeModel):
    """FXCM: per 1000 units of forex, nothing for CFDs."""

    def __init__(self, currency: str = "USD") -> None:
        self._currency = currency

    def fee_of(self, security: Any, order: Order) -> Fee:
        """Return the fee by pair."""
        fee = ZERO
        if security.type == SecurityType.FOREX:
            fee = fee_rules.fxcm_forex_fee(order.symbol.value, abs(order.exact_quantity))
        return fee, self._currency
