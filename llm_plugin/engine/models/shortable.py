"""How much can be sold short, and what holding a short or long position costs or earns."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from llm_plugin.engine.base.money import CONTEXT, ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.zones import from_us
from llm_plugin.errors import DataError

__all__ = [
    "LocalDiskShortableProvider",
    "MarginInterestRateModel",
    "MarginInterestRateParameters",
    "NullMarginInterestRateModel",
    "NullShortableProvider",
    "ShortMarginInterestRateModel",
    "shortable_quantity_of",
]

_HUNDRED = Decimal(100)
_YEAR_DAYS = Decimal(360)


class NullShortableProvider(LeanObject):
    """Everything can be sold short, at no fee."""

    def fee_rate(self, symbol: Any, local_time: datetime) -> Any:
        """Return the yearly fee of a short position as a fraction."""
        return 0.0

    def rebate_rate(self, symbol: Any, local_time: datetime) -> Any:
        """Return what a long position that is lent earns a year, as a fraction."""
        return 0.0

    def shortable_quantity(self, symbol: Any, local_time: datetime) -> int | None:
        """Return how many units can be sold short; None for any."""
        return None


NullShortableProvider.Instance = NullShortableProvider.instance = NullShortableProvider()  # type: ignore[attr-defined]


class _Day(NamedTuple):
    quantity: int | None
    rebate: Decimal
    fee: Decimal


class LocalDiskShortableProvider(NullShortableProvider):
    """A brokerage's daily list in the data folder: `equity/usa/shortable/<brokerage>/symbols/<ticker>.csv`."""

    def __init__(self, brokerage: str) -> None:
        self._brokerage = brokerage.lower()
        self._days: dict[str, dict[date, _Day]] = {}

    def fee_rate(self, symbol: Any, local_time: datetime) -> Any:
        """Return the fee of the day, 0 where there is none."""
        found = self._of(symbol).get(local_time.date())
        return ZERO if found is None else found.fee

    def rebate_rate(self, symbol: Any, local_time: datetime) -> Any:
        """Return the rebate of the day, 0 where there is none."""
        found = self._of(symbol).get(local_time.date())
        return ZERO if found is None else found.rebate

    def shortable_quantity(self, symbol: Any, local_time: datetime) -> int | None:
        """Return the quantity of the day; None (no limit) where there is none."""
        found = self._of(symbol).get(local_time.date())
        return None if found is None else found.quantity

    def _of(self, symbol: Any) -> dict[date, _Day]:
        if symbol.value not in self._days:
            self._days[symbol.value] = self._read(symbol)
        return self._days[symbol.value]

    def _read(self, symbol: Any) -> dict[date, _Day]:
        from llm_plugin.engine.core import current_context

        kind = str(symbol.security_type).lower()
        folder = current_context().data_folder / kind / symbol.id.market / "shortable" / self._brokerage
        path = folder / "symbols" / f"{symbol.value.lower()}.csv"
        if not path.is_file():
            return {}
        found: dict[date, _Day] = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line and not line.startswith("#"):
                day, values = _parse(path, number, line)
                found[day] = values
        return found


def _parse(path: Path, number: int, line: str) -> tuple[date, _Day]:
    cells = [cell.strip() for cell in line.split(",")] + ["", "", ""]
    try:
        day = datetime.strptime(cells[0], "%Y%m%d").date()  # noqa: DTZ007
        quantity = int(Decimal(cells[1])) if cells[1] else None
        rates = [Decimal(cell) / _HUNDRED if cell else ZERO for cell in cells[2:4]]
    except (ValueError, InvalidOperation):
        raise DataError(
            f"{path} row {number}: {line!r} is not 'yyyymmdd,quantity[,rebate %[,fee %]]'; correct the row"
        ) from None
    return day, _Day(quantity, *rates)


def shortable_quantity_of(security: Any) -> Decimal | None:
    """Return how much of a security can be sold short today; None for any."""
    provider = security.shortable_provider
    function = None if provider is None else find_member(provider, "shortable_quantity")
    if function is None:
        return None
    local = from_us(security.exchange.local_us)
    answer = function(security.symbol, local)
    return None if answer is None else to_decimal(answer)


class MarginInterestRateParameters(LeanObject):
    """The hourly look at a position's interest."""

    def __init__(self, security: Any, time: datetime) -> None:
        self.security, self.time = security, time


class NullMarginInterestRateModel(LeanObject):
    """No interest."""

    def apply_margin_interest_rate(self, margin_interest_rate_parameters: MarginInterestRateParameters) -> None:
        """Do nothing."""


class MarginInterestRateModel(LeanObject):
    """Holder of the null model."""

    Null = null = NULL = NullMarginInterestRateModel()


class ShortMarginInterestRateModel(LeanObject):
    """Fees of short positions, rebates of long ones, by the security's shortable provider; once a day."""

    def __init__(self) -> None:
        self._amount = ZERO
        self._is_short = False
        self._previous: datetime | None = None

    @property
    def amount(self) -> float:
        """What was earned (or, negative, paid) so far, in the security's quote currency."""
        return float(self._amount)

    def apply_margin_interest_rate(self, margin_interest_rate_parameters: MarginInterestRateParameters) -> None:
        """Charge the nights since the last time."""
        security, now = margin_interest_rate_parameters.security, margin_interest_rate_parameters.time
        holdings = security.holdings
        if holdings.exact_quantity == 0:
            self._previous = None
            return
        short = holdings.exact_quantity < 0
        if self._previous is None or short != self._is_short:
            self._is_short, self._previous = short, now
            return
        nights = (now.date() - self._previous.date()) // timedelta(days=1)
        if nights == 0:
            return
        rate = self._rate(security, short)
        if rate == 0:
            self._previous = None
            return
        fee = CONTEXT.divide(rate * holdings.exact_value, _YEAR_DAYS) * nights
        self._amount += fee
        security.quote_currency.add_amount(fee)
        self._previous = now

    @staticmethod
    def _rate(security: Any, short: bool) -> Decimal:
        provider = security.shortable_provider
        function = None if provider is None else find_member(provider, "fee_rate" if short else "rebate_rate")
        if function is None:
            return ZERO
        local = from_us(security.exchange.local_us)
        return to_decimal(function(security.symbol, datetime(local.year, local.month, local.day)) or 0)
