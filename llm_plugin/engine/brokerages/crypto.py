"""Brokerage models of crypto exchanges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from llm_plugin.engine.base.enums import AccountType, OrderType, SecurityType
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.brokerages.checks import BASIC_TYPES, NO_UPDATES, below_minimum
from llm_plugin.engine.brokerages.fees import (
    BinanceFeeModel,
    BitfinexFeeModel,
    BybitFeeModel,
    FTXFeeModel,
    FTXUSFeeModel,
    KrakenFeeModel,
)
from llm_plugin.engine.brokerages.models import DefaultBrokerageModel
from llm_plugin.engine.market.symbols import Market
from llm_plugin.engine.orders.order import Order

__all__ = [
    "BinanceBrokerageModel",
    "BinanceUSBrokerageModel",
    "BitfinexBrokerageModel",
    "BybitBrokerageModel",
    "FTXBrokerageModel",
    "FTXUSBrokerageModel",
    "KrakenBrokerageModel",
]

_CRYPTO = frozenset({SecurityType.CRYPTO})


def _with_crypto(market: str) -> dict[SecurityType, str]:
    return {**DefaultBrokerageModel._markets, SecurityType.CRYPTO: market}


class _CryptoBrokerageModel(DefaultBrokerageModel):
    """Crypto, with orders of a least size that cannot be changed."""

    trading_days = 365
    order_types = BASIC_TYPES
    security_types = _CRYPTO
    leverage: ClassVar[float] = 3.0

    def get_leverage(self, security: Any) -> float:
        """Fixed for margin accounts."""
        if self.account_type == AccountType.CASH or security.is_internal or security.type == SecurityType.BASE:
            return 1.0
        return self.leverage

    def refusal(self, security: Any, order: Order) -> str:
        """Also refuse orders that are too small."""
        return below_minimum(security, order.exact_quantity) or super().refusal(security, order)

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Never."""
        return False, f"{type(self).__name__}: {NO_UPDATES}"


class BinanceBrokerageModel(_CryptoBrokerageModel):
    """Binance; the least size is in the quote currency."""

    default_benchmark = (SecurityType.CRYPTO, "BTCUSDC", Market.BINANCE)
    order_types = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT})
    _markets: ClassVar[dict[SecurityType, str]] = _with_crypto(Market.BINANCE)

    account_type = AccountType.CASH

    def __init__(self, account_type: AccountType = AccountType.CASH) -> None:
        super().__init__(account_type)

    def get_fee_model(self, security: Any) -> Any:
        """Binance's fees."""
        return BinanceFeeModel()

    def refusal(self, security: Any, order: Any) -> str:
        """Check the order's value against the least size, at each of its prices."""
        if order.type == OrderType.MARKET:
            if not security.has_data:
                return f"there is no data for {security.symbol} yet"
            prices = [security.exact_ask if order.exact_quantity > 0 else security.exact_bid]
        else:
            prices = [getattr(order, name) for name in ("_limit_price", "_stop_price") if hasattr(order, name)]
        minimum = security.symbol_properties.exact_minimum_order
        for price in prices:
            if minimum is not None and abs(order.exact_quantity) * price <= minimum:
                return f"the order's value {abs(order.exact_quantity) * price} is not above the minimum {minimum}"
        return DefaultBrokerageModel.refusal(self, security, order)


class BinanceUSBrokerageModel(BinanceBrokerageModel):
    """Binance.US: cash accounts only."""

    default_benchmark = (SecurityType.CRYPTO, "BTCUSDC", Market.BINANCE_US)
    _markets: ClassVar[dict[SecurityType, str]] = _with_crypto(Market.BINANCE_US)
    leverage = 1.0

    account_type = AccountType.CASH

    def __init__(self, account_type: AccountType = AccountType.CASH) -> None:
        if AccountType(account_type) == AccountType.MARGIN:
            raise ValueError("Binance.US has no margin accounts; use AccountType.CASH")
        super().__init__(account_type)


class BybitBrokerageModel(_CryptoBrokerageModel):
    """Bybit."""

    default_benchmark = (SecurityType.CRYPTO, "BTCUSDC", Market.BYBIT)
    security_types = frozenset({SecurityType.CRYPTO, SecurityType.BASE})
    leverage = 10.0
    _markets: ClassVar[dict[SecurityType, str]] = {
        **_with_crypto(Market.BYBIT),
        SecurityType.CRYPTO_FUTURE: Market.BYBIT,
    }

    account_type = AccountType.CASH

    def __init__(self, account_type: AccountType = AccountType.CASH) -> None:
        super().__init__(account_type)

    def get_fee_model(self, security: Any) -> Any:
        """Bybit's fees; custom data costs nothing."""
        if security.type == SecurityType.BASE:
            return super().get_fee_model(security)
        return BybitFeeModel()


class KrakenBrokerageModel(_CryptoBrokerageModel):
    """Kraken; the leverage depends on both currencies."""

    default_benchmark = (SecurityType.CRYPTO, "BTCUSD", Market.KRAKEN)
    order_types = frozenset(BASIC_TYPES | {OrderType.LIMIT_IF_TOUCHED})
    _markets: ClassVar[dict[SecurityType, str]] = _with_crypto(Market.KRAKEN)
    coin_leverage: ClassVar[dict[str, float]] = {
        "BTC": 5.0, "ETH": 5.0, "USDT": 2.0, "XMR": 2.0, "REP": 2.0, "XRP": 3.0, "BCH": 2.0, "XTZ": 2.0, "LTC": 3.0,
        "ADA": 3.0, "EOS": 3.0, "DASH": 3.0, "TRX": 3.0, "LINK": 3.0, "USDC": 3.0,
    }  # fmt: skip

    account_type = AccountType.CASH

    def __init__(self, account_type: AccountType = AccountType.CASH) -> None:
        super().__init__(account_type)

    def get_fee_model(self, security: Any) -> Any:
        """Kraken's fees."""
        return KrakenFeeModel()

    def get_leverage(self, security: Any) -> float:
        """Coins against fiat, some against ETH, the rest against BTC and fiat."""
        if self.account_type == AccountType.CASH:
            return 1.0
        fiat = ("USD", "EUR")
        for coins, quotes in (
            (("BTC", "USDT", "USDC"), fiat),
            (("REP", "XTZ", "ADA", "EOS", "TRX", "LINK"), ("BTC", "ETH", *fiat)),
            (tuple(self.coin_leverage), ("BTC", *fiat)),
        ):
            for coin in coins:
                if security.symbol.id.symbol.startswith(coin) and security.symbol.value.endswith(quotes):
                    return self.coin_leverage[coin]
        return 1.0


class BitfinexBrokerageModel(_CryptoBrokerageModel):
    """Bitfinex."""

    default_benchmark = (SecurityType.CRYPTO, "BTCUSD", Market.BITFINEX)
    leverage = 3.3
    _markets: ClassVar[dict[SecurityType, str]] = _with_crypto(Market.BITFINEX)

    def get_leverage(self, security: Any) -> float:
        """3.3 for crypto; nothing else is traded."""
        found = super().get_leverage(security)
        if found != 1.0 and security.type != SecurityType.CRYPTO:
            raise ValueError(f"Bitfinex has no leverage for {security.type}: {security.symbol}")
        return found

    def get_fee_model(self, security: Any) -> Any:
        """Bitfinex's fees."""
        return BitfinexFeeModel()

    def can_update_order(self, security: Any, order: Order, request: Any, *unused: Any) -> Any:
        """Any change but to a quantity that is too small."""
        reason = "" if request.quantity is None else below_minimum(security, to_decimal(request.quantity))
        return not reason, reason


class FTXBrokerageModel(_CryptoBrokerageModel):
    """FTX."""

    default_benchmark = (SecurityType.CRYPTO, "BTCUSD", Market.FTX)
    _markets: ClassVar[dict[SecurityType, str]] = _with_crypto(Market.FTX)

    def get_leverage(self, security: Any) -> float:
        """3."""
        return 1.0 if self.account_type == AccountType.CASH else 3.0

    def get_fee_model(self, security: Any) -> Any:
        """FTX's fees."""
        return FTXFeeModel()

    def refusal(self, security: Any, order: Order) -> str:
        """Also check that stops are on their side of the market."""
        reason = super().refusal(security, order)
        stop: Decimal | None = getattr(order, "_stop_price", None)
        if reason or stop is None:
            return reason
        if not security.has_data:
            return f"there is no data for {security.symbol} yet"
        if order.exact_quantity < 0 and stop > security.exact_bid:
            return f"the stop {stop} of a sale is above the bid {security.exact_bid}"
        if order.exact_quantity > 0 and stop < security.exact_ask:
            return f"the stop {stop} of a buy is below the ask {security.exact_ask}"
        return ""


class FTXUSBrokerageModel(FTXBrokerageModel):
    """FTX.US."""

    default_benchmark = (SecurityType.CRYPTO, "BTCUSD", Market.FTXUS)
    _markets: ClassVar[dict[SecurityType, str]] = _with_crypto(Market.FTXUS)

    def get_fee_model(self, security: Any) -> Any:
        """FTX.US's fees."""
        return FTXUSFeeModel()
