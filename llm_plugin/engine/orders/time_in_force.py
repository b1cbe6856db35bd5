"""How long an order lives."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.names import LeanObject

__all__ = ["DayTimeInForce", "GoodTilCanceledTimeInForce", "GoodTilDateTimeInForce", "TimeInForce"]


class TimeInForce(LeanObject):
    """How long an order lives."""

    kind: ClassVar[str] = "GoodTilCanceled"
    expiry: datetime | None = None

    # Set below, once the classes exist.
    GOOD_TIL_CANCELED: ClassVar[TimeInForce]
    DAY: ClassVar[TimeInForce]

    @staticmethod
    def good_til_date(expiry: datetime) -> TimeInForce:
        """Expire after the close of a date."""
        return GoodTilDateTimeInForce(expiry)

    def is_order_expired(self, security: Any, order: Any) -> bool:
        """Never."""
        return False

    def is_fill_valid(self, security: Any, order: Any, fill: Any) -> bool:
        """Always."""
        return True


class GoodTilCanceledTimeInForce(TimeInForce):
    """Until canceled."""


class DayTimeInForce(TimeInForce):
    """Until the close of the day on which the order was sent."""

    kind = "Day"

    def is_order_expired(self, security: Any, order: Any) -> bool:
        """Return whether the day of the order is over for this kind of security."""
        hours = security.exchange.hours
        sent, now = security.local_of(order.time), security.local_time
        if security.type in (SecurityType.FOREX, SecurityType.CFD):
            return bool(now >= _forex_expiry(sent))
        if security.type in (SecurityType.CRYPTO, SecurityType.CRYPTO_FUTURE):
            return bool(now.date() > sent.date())
        midnight = datetime.combine(sent.date(), datetime.min.time())
        if hours.is_open(sent, True) or hours.is_date_open(sent):
            closing = hours.get_next_market_close(midnight)
        else:
            closing = hours.get_next_market_close(sent)
        return bool(now >= closing)


class GoodTilDateTimeInForce(TimeInForce):
    """Until the close of a date."""

    kind = "GoodTilDate"

    def __init__(self, expiry: datetime) -> None:
        self.expiry = expiry

    def is_order_expired(self, security: Any, order: Any) -> bool:
        """Return whether the date's close has passed."""
        hours, now = security.exchange.hours, security.local_time
        assert_expiry = self.expiry or now
        if security.type in (SecurityType.FOREX, SecurityType.CFD):
            return bool(now >= _forex_expiry(datetime.combine(assert_expiry.date(), datetime.min.time())))
        if security.type in (SecurityType.CRYPTO, SecurityType.CRYPTO_FUTURE):
            return bool(now.date() > assert_expiry.date())
        midnight = datetime.combine(assert_expiry.date(), datetime.min.time())
        return bool(now >= hours.get_next_market_close(midnight))


def _forex_expiry(sent: datetime) -> datetime:
    evening = datetime.combine(sent.date(), datetime.min.time()) + timedelta(hours=17)
    return evening if sent < evening else evening + timedelta(days=1)


TimeInForce.GOOD_TIL_CANCELED = GoodTilCanceledTimeInForce()


TimeInForce.DAY = DayTimeInForce()


TimeInForce.GoodTilCanceled = TimeInForce.GOOD_TIL_CANCELED  # type: ignore[attr-defined]


TimeInForce.Day = TimeInForce.DAY  # type: ignore[attr-defined]


TimeInForce.GOOD_TIL_DATE = TimeInForce.good_til_date  # type: ignore[attr-defined]
