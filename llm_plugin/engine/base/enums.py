"""LEAN's enumerations, with LEAN's numbers."""

from __future__ import annotations

from datetime import timedelta
from enum import unique

from llm_plugin.engine.base.environment_enums import (
    AlgorithmMode,
    AlgorithmStatus,
    BrokerageMessageType,
    BrokerageName,
    DeploymentTarget,
    FileFormat,
    SubscriptionTransportMedium,
)
from llm_plugin.engine.base.names import LeanEnum

__all__ = [
    "AccountType",
    "AlgorithmMode",
    "AlgorithmStatus",
    "BrokerageMessageType",
    "BrokerageName",
    "DataNormalizationMode",
    "DayOfWeek",
    "DelistingType",
    "DeploymentTarget",
    "FileFormat",
    "MovingAverageType",
    "OrderDirection",
    "OrderErrorCode",
    "OrderField",
    "OrderRequestStatus",
    "OrderRequestType",
    "OrderResponseErrorCode",
    "OrderStatus",
    "OrderType",
    "Resolution",
    "SecurityType",
    "SplitType",
    "SubscriptionTransportMedium",
    "TickType",
    "TradeDirection",
    "resolution_span",
]


@unique
class Resolution(LeanEnum):
    """Bar length."""

    TICK = 0
    SECOND = 1
    MINUTE = 2
    HOUR = 3
    DAILY = 4


_SPANS = {
    Resolution.TICK: timedelta(0),
    Resolution.SECOND: timedelta(seconds=1),
    Resolution.MINUTE: timedelta(minutes=1),
    Resolution.HOUR: timedelta(hours=1),
    Resolution.DAILY: timedelta(days=1),
}


def resolution_span(resolution: Resolution) -> timedelta:
    """Return the length of a bar."""
    return _SPANS[resolution]


@unique
class SecurityType(LeanEnum):
    """Kind of instrument."""

    BASE = 0
    EQUITY = 1
    OPTION = 2
    COMMODITY = 3
    FOREX = 4
    FUTURE = 5
    CFD = 6
    CRYPTO = 7
    FUTURE_OPTION = 8
    INDEX = 9
    INDEX_OPTION = 10
    CRYPTO_FUTURE = 11


@unique
class TickType(LeanEnum):
    """Kind of market data."""

    TRADE = 0
    QUOTE = 1
    OPEN_INTEREST = 2


@unique
class DataNormalizationMode(LeanEnum):
    """How splits and dividends enter prices."""

    RAW = 0
    ADJUSTED = 1
    SPLIT_ADJUSTED = 2
    TOTAL_RETURN = 3
    FORWARD_PANAMA_CANAL = 4
    BACKWARDS_PANAMA_CANAL = 5
    BACKWARDS_RATIO = 6
    SCALED_RAW = 7


@unique
class OrderType(LeanEnum):
    """Kind of order."""

    MARKET = 0
    LIMIT = 1
    STOP_MARKET = 2
    STOP_LIMIT = 3
    MARKET_ON_OPEN = 4
    MARKET_ON_CLOSE = 5
    OPTION_EXERCISE = 6
    LIMIT_IF_TOUCHED = 7
    COMBO_MARKET = 8
    COMBO_LIMIT = 9
    COMBO_LEG_LIMIT = 10
    TRAILING_STOP = 11


@unique
class OrderDirection(LeanEnum):
    """Side of an order."""

    BUY = 0
    SELL = 1
    HOLD = 2


@unique
class OrderStatus(LeanEnum):
    """Life of an order."""

    NEW = 0
    SUBMITTED = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELED = 5
    NONE = 6
    INVALID = 7
    CANCEL_PENDING = 8
    UPDATE_SUBMITTED = 9

    def is_open(self) -> bool:
        """True until filled, canceled or invalid."""
        return self._value_ not in (3, 5, 7)

    def is_closed(self) -> bool:
        """True once filled, canceled or invalid."""
        return self._value_ in (3, 5, 7)

    def is_fill(self) -> bool:
        """True for full and partial fills."""
        return self._value_ in (2, 3)

    IsOpen, IsClosed, IsFill = is_open, is_closed, is_fill


@unique
class OrderField(LeanEnum):
    """Field that `ticket.get` reads."""

    LIMIT_PRICE = 0
    STOP_PRICE = 1
    TRIGGER_PRICE = 2
    TRAILING_AMOUNT = 3
    TRAILING_AS_PERCENTAGE = 4


@unique
class OrderRequestStatus(LeanEnum):
    """Life of an order request."""

    UNPROCESSED = 0
    PROCESSING = 1
    PROCESSED = 2
    ERROR = 3


@unique
class OrderRequestType(LeanEnum):
    """Submit, update or cancel."""

    SUBMIT = 0
    UPDATE = 1
    CANCEL = 2


@unique
class OrderResponseErrorCode(LeanEnum):
    """Why a request was refused."""

    NONE = 0
    PROCESSING_ERROR = -1
    ORDER_ALREADY_EXISTS = -2
    INSUFFICIENT_BUYING_POWER = -3
    BROKERAGE_MODEL_REFUSED_TO_SUBMIT_ORDER = -4
    BROKERAGE_FAILED_TO_SUBMIT_ORDER = -5
    BROKERAGE_FAILED_TO_UPDATE_ORDER = -6
    BROKERAGE_HANDLER_REFUSED_TO_UPDATE_ORDER = -7
    BROKERAGE_FAILED_TO_CANCEL_ORDER = -8
    INVALID_ORDER_STATUS = -9
    UNABLE_TO_FIND_ORDER = -10
    ORDER_QUANTITY_ZERO = -11
    UNSUPPORTED_REQUEST_TYPE = -12
    PRE_ORDER_CHECKS_ERROR = -13
    MISSING_SECURITY = -14
    EXCHANGE_NOT_OPEN = -15
    SECURITY_PRICE_ZERO = -16
    FOREX_BASE_AND_QUOTE_CURRENCIES_REQUIRED = -17
    FOREX_CONVERSION_RATE_ZERO = -18
    SECURITY_HAS_NO_DATA = -19
    EXCEEDED_MAXIMUM_ORDERS = -20
    MARKET_ON_CLOSE_ORDER_TOO_LATE = -21
    INVALID_REQUEST = -22
    REQUEST_CANCELED = -23
    ALGORITHM_WARMING_UP = -24
    BROKERAGE_MODEL_REFUSED_TO_UPDATE_ORDER = -25
    QUOTE_CURRENCY_REQUIRED = -26
    CONVERSION_RATE_ZERO = -27
    NON_TRADABLE_SECURITY = -28
    NON_EXERCISABLE_SECURITY = -29
    ORDER_QUANTITY_LESS_THAN_LOT_SIZE = -30
    EXCEEDS_SHORTABLE_QUANTITY = -31
    INVALID_NEW_ORDER_STATUS = -32
    EUROPEAN_OPTION_NOT_EXPIRED_ON_EXERCISE = -33
    OPTION_ORDER_ON_STOCK_SPLIT = -34
    MARKET_ON_OPEN_NOT_ALLOWED_DURING_REGULAR_HOURS = -35


OrderErrorCode = OrderResponseErrorCode


@unique
class AccountType(LeanEnum):
    """Margin or cash account."""

    MARGIN = 0
    CASH = 1


@unique
class DelistingType(LeanEnum):
    """Warning on the last day, delisted after it."""

    WARNING = 0
    DELISTED = 1


@unique
class SplitType(LeanEnum):
    """Warning one day ahead, then the split."""

    WARNING = 0
    SPLIT_OCCURRED = 1


@unique
class MovingAverageType(LeanEnum):
    """Smoothing of composite indicators."""

    SIMPLE = 0
    EXPONENTIAL = 1
    WILDERS = 2
    LINEAR_WEIGHTED_MOVING_AVERAGE = 3
    DOUBLE_EXPONENTIAL = 4
    TRIPLE_EXPONENTIAL = 5
    TRIANGULAR = 6
    T3 = 7
    KAMA = 8
    HULL = 9
    ALMA = 10
    ZLEMA = 11
    MGD = 12


@unique
class DayOfWeek(LeanEnum):
    """.NET numbering: Sunday is 0."""

    SUNDAY = 0
    MONDAY = 1
    TUESDAY = 2
    WEDNESDAY = 3
    THURSDAY = 4
    FRIDAY = 5
    SATURDAY = 6


@unique
class TradeDirection(LeanEnum):
    """Side of a closed trade."""

    LONG = 0
    SHORT = 1
