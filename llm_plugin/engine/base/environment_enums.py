"""LEAN's enumerations of runs, brokerages and data sources."""

from __future__ import annotations

from enum import unique

from llm_plugin.engine.base.names import LeanEnum

__all__ = [
    "AlgorithmMode",
    "AlgorithmStatus",
    "BrokerageMessageType",
    "BrokerageName",
    "DeploymentTarget",
    "FileFormat",
    "SubscriptionTransportMedium",
]


class BrokerageName(LeanEnum):
    """Brokerages; which of them the engine models stands in `brokerage_models`."""

    DEFAULT = 0
    QUANT_CONNECT_BROKERAGE = 0
    INTERACTIVE_BROKERS_BROKERAGE = 1
    TRADIER_BROKERAGE = 2
    OANDA_BROKERAGE = 3
    FXCM_BROKERAGE = 4
    BITFINEX = 5
    BINANCE = 6
    GDAX = 12
    ALPACA = 13
    ALPHA_STREAMS = 14
    ZERODHA = 15
    SAMCO = 16
    ATREYU = 17
    TRADING_TECHNOLOGIES = 18
    KRAKEN = 19
    FTX = 20
    FTXUS = 21
    EXANTE = 22
    BINANCE_US = 23
    WOLVERINE = 24
    TD_AMERITRADE = 25
    BINANCE_FUTURES = 26
    BINANCE_COIN_FUTURES = 27
    RBI = 28
    BYBIT = 29
    EZE = 30
    AXOS = 31
    COINBASE = 32
    TRADE_STATION = 33
    TERMINAL_LINK = 34
    CHARLES_SCHWAB = 35
    TASTYTRADE = 36
    INTERACTIVE_BROKERS_FIX = 37
    DYDX = 38
    WEBULL = 39
    PUBLIC = 40
    BLOOMBERG_FIX = 41


@unique
class BrokerageMessageType(LeanEnum):
    """Kind of brokerage message."""

    INFORMATION = 0
    WARNING = 1
    ERROR = 2
    RECONNECT = 3
    DISCONNECT = 4


@unique
class AlgorithmStatus(LeanEnum):
    """How a run ended or where it is."""

    DEPLOY_ERROR = 0
    IN_QUEUE = 1
    RUNNING = 2
    STOPPED = 3
    LIQUIDATED = 4
    DELETED = 5
    COMPLETED = 6
    RUNTIME_ERROR = 7


@unique
class AlgorithmMode(LeanEnum):
    """What runs the algorithm."""

    LIVE = 0
    OPTIMIZATION = 1
    BACKTESTING = 2
    RESEARCH = 3


@unique
class DeploymentTarget(LeanEnum):
    """Where it runs."""

    CLOUD_PLATFORM = 0
    LOCAL_PLATFORM = 1
    SELF_HOSTED = 2


@unique
class SubscriptionTransportMedium(LeanEnum):
    """Where custom data comes from."""

    LOCAL_FILE = 0
    REMOTE_FILE = 1
    REST = 2
    STREAMING = 3
    OBJECT_STORE = 4


@unique
class FileFormat(LeanEnum):
    """Shape of custom data."""

    CSV = 0
    BINARY = 1
    ZIP_ENTRY_NAME = 2
    UNFOLDING_COLLECTION = 3
    INDEX = 4
    FOLDING_COLLECTION = 5
