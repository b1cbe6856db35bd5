"""Risk-free interest rates: LEAN's file, a constant, or a function of the user's."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.errors import DataError

__all__ = [
    "ConstantRiskFreeRateInterestRateModel",
    "FuncRiskFreeRateInterestRateModel",
    "InterestRateProvider",
    "rate_of",
]

DEFAULT_RATE = Decimal("0.01")
_log = logging.getLogger(__name__)


class InterestRateProvider(LeanObject):
    """The rate of the USA by date, from `alternative/interest-rate/usa/interest-rate.csv`; 1 % without that file."""

    def __init__(self, data_folder: Path | str | None = None) -> None:
        self._dates: list[date] = []
        self._rates: list[Decimal] = []
        if data_folder is not None:
            self._load(Path(data_folder) / "alternative" / "interest-rate" / "usa" / "interest-rate.csv")

    def _load(self, path: Path) -> None:
        if not path.is_file():
            _log.info("no interest rates at %s: 1 %% is used", path)
            return
        rows: dict[date, Decimal] = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], 2):
            if not line.strip() or line.startswith("#"):
                continue
            day, _, rate = line.partition(",")
            try:
                rows[date.fromisoformat(day.strip())] = Decimal(rate.split(",")[0].strip()) / 100
            except (ValueError, InvalidOperation):
                raise DataError(f"{path}, line {number}: {line!r} is not `yyyy-mm-dd,percent`") from None
        self._dates = sorted(rows)
        self._rates = [rows[day] for day in self._dates]

    def get_interest_rate(self, day: date | datetime) -> Decimal:
        """The rate that holds on a day, as a fraction; the first or last known one outside of the file's dates."""
        if not self._dates:
            return DEFAULT_RATE
        if isinstance(day, datetime):
            day = day.date()
        return self._rates[max(0, bisect_right(self._dates, day) - 1)]


class ConstantRiskFreeRateInterestRateModel(LeanObject):
    """Always the same rate."""

    def __init__(self, risk_free_rate: Any) -> None:
        self.risk_free_rate = to_decimal(risk_free_rate)

    def get_interest_rate(self, day: date | datetime) -> Decimal:
        """The rate."""
        return self.risk_free_rate


class FuncRiskFreeRateInterestRateModel(LeanObject):
    """A rate from a function of the date."""

    def __init__(self, get_interest_rate: Callable[[datetime], Any]) -> None:
        self._function = get_interest_rate

    def get_interest_rate(self, day: date | datetime) -> Decimal:
        """What the function says."""
        moment = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)
        return to_decimal(self._function(moment))


def rate_of(model: Any) -> Callable[[date], Decimal]:
    """Return a memoised function date -> rate for any interest rate model, also one written by the user."""
    member = find_member(model, "get_interest_rate")
    if member is None:
        raise TypeError(f"{type(model).__name__} has no get_interest_rate(date)")
    known: dict[date, Decimal] = {}

    def rate(day: date) -> Decimal:
        if day not in known:
            known[day] = to_decimal(member(datetime(day.year, day.month, day.day)))
        return known[day]

    return rate
