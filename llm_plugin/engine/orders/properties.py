"""Order properties of brokerages: what they add to the time in force."""

from __future__ import annotations

from enum import unique
from typing import Any

from llm_plugin.engine.base.names import LeanEnum, snake
from llm_plugin.engine.orders.order import OrderProperties

__all__ = [
    "AlpacaOrderProperties",
    "BinanceOrderProperties",
    "BitfinexOrderProperties",
    "BybitOrderProperties",
    "CharlesSchwabOrderProperties",
    "CoinbaseOrderProperties",
    "EzeOrderProperties",
    "FTXOrderProperties",
    "FixOrderProperties",
    "GDAXOrderProperties",
    "IndiaOrderProperties",
    "InteractiveBrokersFixOrderProperties",
    "InteractiveBrokersOrderProperties",
    "KrakenOrderProperties",
    "PublicOrderProperties",
    "RBIOrderProperties",
    "TDAmeritradeOrderProperties",
    "TastytradeOrderProperties",
    "TradeStationOrderProperties",
    "TradierOrderProperties",
    "TradingTechnologiesOrderProperties",
    "WebullOrderProperties",
    "WolverineOrderProperties",
]


class BinanceOrderProperties(OrderProperties):
    """Binance."""

    _options = {"post_only": False}  # noqa: RUF012


class BitfinexOrderProperties(OrderProperties):
    """Bitfinex."""

    _options = {"post_only": False, "hidden": False}  # noqa: RUF012


class BybitOrderProperties(OrderProperties):
    """Bybit."""

    _options = {"post_only": False, "reduce_only": None}  # noqa: RUF012


class CoinbaseOrderProperties(OrderProperties):
    """Coinbase."""

    _options = {"post_only": False, "self_trade_prevention_id": False}  # noqa: RUF012


GDAXOrderProperties = CoinbaseOrderProperties


class FTXOrderProperties(OrderProperties):
    """FTX."""

    _options = {"post_only": False, "reduce_only": False}  # noqa: RUF012


class KrakenOrderProperties(OrderProperties):
    """Kraken; setting one of the fee currencies clears the other."""

    _options = {  # noqa: RUF012
        "post_only": False,
        "fee_in_base": False,
        "fee_in_quote": False,
        "no_market_price_protection": False,
        "conditional_order": None,
    }

    def __setattr__(self, name: str, value: Any) -> None:
        pair = ("fee_in_base", "fee_in_quote")
        if snake(name) not in pair:
            super().__setattr__(name, value)
        elif value:
            for one in pair:
                object.__setattr__(self, one, one == snake(name))


class AlpacaOrderProperties(OrderProperties):
    """Alpaca."""

    _options = {"outside_regular_trading_hours": False}  # noqa: RUF012


class CharlesSchwabOrderProperties(OrderProperties):
    """Charles Schwab."""

    _options = {"extended_regular_trading_hours": False}  # noqa: RUF012


class EzeOrderProperties(OrderProperties):
    """Eze."""

    _options = {"route": None, "account": None, "notes": None, "account_type": None}  # noqa: RUF012

    def __init__(
        self,
        route: str | None = None,
        account: str | None = None,
        notes: str | None = None,
        account_type: str | None = None,
    ) -> None:
        super().__init__(route=route, account=account, notes=notes, account_type=account_type)


class FixOrderProperties(OrderProperties):
    """Options of FIX connections."""

    _options = {"additional_properties": None, "handle_instruction": None, "notes": None}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(additional_properties={})


class TradingTechnologiesOrderProperties(FixOrderProperties):
    """Trading Technologies."""


class InteractiveBrokersOrderProperties(OrderProperties):
    """Interactive Brokers."""

    _options = {  # noqa: RUF012
        "account": None,
        "fa_group": None,
        "fa_method": None,
        "fa_percentage": 0,
        "fa_profile": None,
        "outside_regular_trading_hours": False,
    }


class InteractiveBrokersFixOrderProperties(OrderProperties):
    """Interactive Brokers over FIX."""

    _options = {"account": None}  # noqa: RUF012


class PublicOrderProperties(OrderProperties):
    """Public.com."""

    _options = {"outside_regular_trading_hours": False, "use_margin": None}  # noqa: RUF012


class RBIOrderProperties(OrderProperties):
    """RBI."""


class TDAmeritradeOrderProperties(OrderProperties):
    """TD Ameritrade."""


class TastytradeOrderProperties(OrderProperties):
    """Tastytrade."""


class TradeStationOrderProperties(OrderProperties):
    """TradeStation."""

    _options = {  # noqa: RUF012
        "all_or_none": False,
        "outside_regular_trading_hours": False,
        "post_only": False,
    }


class TradierOrderProperties(OrderProperties):
    """Tradier."""

    _options = {"outside_regular_trading_hours": False}  # noqa: RUF012


class WebullOrderProperties(OrderProperties):
    """Webull."""

    _options = {"outside_regular_trading_hours": False}  # noqa: RUF012


class WolverineOrderProperties(OrderProperties):
    """Wolverine."""

    _options = {"exchange_post_fix": None, "locate_broker": None, "position_side": None}  # noqa: RUF012


class IndiaOrderProperties(OrderProperties):
    """Brokerages of India: `IndiaOrderProperties(Exchange.NSE[, IndiaOrderProperties.IndiaProductType.CNC])`."""

    @unique
    class IndiaProductType(LeanEnum):
        """Intraday, delivery, or carried forward."""

        MIS = 0
        CNC = 1
        NRML = 2

    _options = {"product_type": None}  # noqa: RUF012

    def __init__(self, exchange: Any, product_type: Any = None) -> None:
        name = None if product_type is None else self.IndiaProductType(product_type).name
        super().__init__(exchange, product_type=name)
