"""When the cash of a fill becomes usable."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.portfolio.cash import CashAmount

__all__ = [
    "AccountCurrencyImmediateSettlementModel",
    "ApplyFundsSettlementModelParameters",
    "DelayedSettlementModel",
    "ImmediateSettlementModel",
    "ScanSettlementModelParameters",
]


class ApplyFundsSettlementModelParameters(LeanObject):
    """The money of a fill."""

    def __init__(self, portfolio: Any, security: Any, utc_time: datetime, cash_amount: CashAmount, fill: Any) -> None:
        self.portfolio = portfolio
        self.security = security
        self.utc_time = utc_time
        self.cash_amount = cash_amount
        self.fill = fill


class ScanSettlementModelParameters(LeanObject):
    """The hourly look at what has settled."""

    def __init__(self, portfolio: Any, security: Any, utc_time: datetime) -> None:
        self.portfolio = portfolio
        self.security = security
        self.utc_time = utc_time


def settle_at_once(portfolio: Any, amount: Decimal, currency: str) -> None:
    """Add money to the cash book."""
    portfolio.cash_book.ensure(currency).exact_amount += amount
    beat()


class ImmediateSettlementModel(LeanObject):
    """At once."""

    def apply_funds(self, parameters: ApplyFundsSettlementModelParameters) -> None:
        """Add the money to the cash book."""
        amount = parameters.cash_amount
        settle_at_once(parameters.portfolio, amount.exact_amount, amount.currency)

    def scan(self, parameters: ScanSettlementModelParameters) -> None:
        """Nothing waits."""

    def get_unsettled_cash(self) -> CashAmount | None:
        """Nothing waits."""
        return None


AccountCurrencyImmediateSettlementModel = ImmediateSettlementModel


class DelayedSettlementModel(LeanObject):
    """Proceeds settle some trading days later at a time of day; purchases are paid at once."""

    def __init__(self, number_of_days: int = 1, time_of_day: timedelta = timedelta(hours=6)) -> None:
        self._days, self._time = int(number_of_days), time_of_day
        self._waiting: list[tuple[datetime, str, Decimal]] = []

    def apply_funds(self, parameters: ApplyFundsSettlementModelParameters) -> None:
        """Take money at once, give it later."""
        portfolio, amount = parameters.portfolio, parameters.cash_amount
        if amount.exact_amount <= 0:
            settle_at_once(portfolio, amount.exact_amount, amount.currency)
            return
        portfolio.unsettled_cash_book.ensure(amount.currency).add_amount(amount.exact_amount)
        hours = parameters.security.exchange.hours
        day = parameters.security.local_of(parameters.utc_time)
        for _ in range(self._days):
            day = hours.get_next_trading_day(day)
        settled_local = datetime.combine(day.date(), datetime.min.time()) + self._time
        settled = from_us(hours.time_zone.utc(to_us(settled_local)))
        self._waiting.append((settled, amount.currency, amount.exact_amount))

    def scan(self, parameters: ScanSettlementModelParameters) -> None:
        """Move what has settled."""
        portfolio = parameters.portfolio
        for entry in [e for e in self._waiting if parameters.utc_time >= e[0]]:
            self._waiting.remove(entry)
            portfolio.unsettled_cash_book[entry[1]].add_amount(-entry[2])
            portfolio.cash_book.ensure(entry[1]).add_amount(entry[2])

    def get_unsettled_cash(self) -> CashAmount | None:
        """Return what waits."""
        if not self._waiting:
            return None
        return CashAmount(sum((e[2] for e in self._waiting), Decimal(0)), self._waiting[0][1])
