"""Universes that select from data: daily files of all stocks, and the user's own data classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from llm_plugin.engine.algorithm.settings import Schedule
from llm_plugin.engine.base.enums import Resolution, SecurityType
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.data.custom_data import CustomDataConfig
from llm_plugin.engine.feed.bar_stream import FOREVER
from llm_plugin.engine.framework.universe import Universe
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.errors import DataError, UnsupportedLeanApi

__all__ = ["CoarseFundamental", "CoarseUniverse", "CustomDataUniverse"]

_DAY, _YEAR = timedelta(days=1), timedelta(days=365)


@dataclass
class _Row:
    symbol: Symbol
    price: Decimal
    volume: int
    dollar_volume: float
    has_fundamental_data: bool
    price_factor: Decimal
    split_factor: Decimal


class CoarseFundamental(LeanObject):
    """One stock on one day: price and volume; company figures are not in the data folder and are refused by name."""

    def __init__(self, row: _Row, day: datetime) -> None:
        self.symbol, self.time, self.end_time = row.symbol, day, day + _DAY
        self.price = self.value = float(row.price)
        self.volume, self.dollar_volume = row.volume, row.dollar_volume
        self.has_fundamental_data = row.has_fundamental_data
        self.price_factor, self.split_factor = float(row.price_factor), float(row.split_factor)
        self.adjusted_price = float(row.price * row.price_factor * row.split_factor)
        self.market = row.symbol.id.market

    def __repr__(self) -> str:
        return f"{self.symbol} {self.price} {self.dollar_volume:.0f}"


def _parse(path: Path, number: int, line: str) -> _Row:
    cells = line.split(",")
    try:
        symbol = Symbol(SecurityIdentifier.parse(cells[0]), cells[1])
        factors = [Decimal(cell) for cell in cells[6:8]] if len(cells) > 7 else [Decimal(1), Decimal(1)]
        fundamental = len(cells) > 5 and cells[5].strip().lower() == "true"
        return _Row(symbol, Decimal(cells[2]), int(cells[3]), float(cells[4]), fundamental, *factors)
    except (ValueError, IndexError, InvalidOperation):
        raise DataError(
            f"{path} row {number}: {line!r} is not 'identifier,ticker,price,volume,dollar volume,...'; correct the row"
        ) from None


class CoarseUniverse(Universe):
    """A function of the day's stocks, from `equity/usa/fundamental/coarse/<yyyymmdd>.csv`; asked at midnight after.

    Args:
        selector: From a list of CoarseFundamental to symbols.
        data_folder: LEAN-format data.
        settings: Universe settings; None for the algorithm's.
        date_rule: Only on its dates; None for every day.
    """

    from_data = True
    _count = 0

    def __init__(
        self, selector: Callable[[list[Any]], Any], data_folder: Path, settings: Any = None, date_rule: Any = None
    ) -> None:
        CoarseUniverse._count += 1
        super().__init__(f"fundamentaluniverse-usa-{CoarseUniverse._count:010d}", settings)
        self._selector, self._rule = selector, date_rule
        self._folder = Path(data_folder) / "equity" / "usa" / "fundamental" / "coarse"
        self._day = date.min

    def trigger_times(self, start_utc: datetime, end_utc: datetime, hours: Any) -> Iterator[datetime]:
        """Midnight after each day that has a file; with a schedule, midnight of its dates."""
        where = hours.time_zone
        first, last = (from_us(where.local(to_us(moment))).date() for moment in (start_utc, end_utc))
        settings = self.universe_settings
        schedule = settings.schedule if self._rule is None and settings is not None else Schedule(self._rule)
        planned = schedule.initialized
        for told in self._scheduled(schedule, first, last, hours) if planned else self._days(first, last):
            midnight = from_us(where.utc(to_us(datetime(told.year, told.month, told.day))))
            if planned or midnight >= start_utc:
                yield max(midnight, start_utc)

    def _days(self, first: date, last: date) -> Iterator[date]:
        told = first
        while told <= last + _DAY:
            self._day = told - _DAY
            if self._path(self._day).is_file():
                yield told
            told += _DAY

    def _scheduled(self, schedule: Schedule, first: date, last: date, hours: Any) -> Iterator[date]:
        """Each date, with the last file before it; the first is the last one up to the start, of the year before."""
        span = (datetime(d.year, d.month, d.day) for d in (first - _YEAR, last))
        dates = sorted({moment.date() for moment in schedule.get(*span)})
        dates = [told for told in dates if told <= first][-1:] + [told for told in dates if told > first]
        begin = dates[0] if dates and dates[0] <= first else first
        oldest = hours.get_previous_trading_day(datetime(begin.year, begin.month, begin.day)).date()
        for told in dates:
            day = told - _DAY
            while day >= oldest and not self._path(day).is_file():
                day -= _DAY
            if day >= oldest:
                self._day = day
                yield told

    def _path(self, day: date) -> Path:
        return self._folder / f"{day:%Y%m%d}.csv"

    def select_symbols(self, algorithm: Any, utc_time: datetime) -> Any:
        """What the function says."""
        path, day = self._path(self._day), datetime(self._day.year, self._day.month, self._day.day)
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [CoarseFundamental(_parse(path, number, line), day) for number, line in enumerate(lines, 1) if line]
        answer = self._selector(found)
        return Universe.UNCHANGED if answer is None or answer is Universe.UNCHANGED else list(answer)


class CustomDataUniverse(Universe):
    """A function of the points of the user's own data class that end together.

    Args:
        config: The stream.
        selector: From a list of points to symbols or tickers; None takes the symbols of the points.
        settings: Universe settings; None for the algorithm's.
        security_type: Kind of the tickers that the function names.
        market: Their market.
    """

    from_data = True

    def __init__(
        self,
        config: CustomDataConfig,
        selector: Callable[[list[Any]], Any] | None,
        settings: Any = None,
        security_type: SecurityType = SecurityType.EQUITY,
        market: str = "usa",
    ) -> None:
        super().__init__(config.symbol.value, settings, security_type, market, config.resolution)
        self.symbol, self.config = config.symbol, config
        self._selector = selector
        self._points: dict[datetime, list[Any]] = {}

    @property
    def data_type(self) -> type:
        """The class of the points."""
        kind: type = self.config.type
        return kind

    def trigger_times(self, start_utc: datetime, end_utc: datetime, hours: Any) -> Iterator[datetime]:
        """When points end."""
        settings = self.universe_settings
        if settings is not None and settings.schedule is not None and settings.schedule.initialized:
            raise UnsupportedLeanApi(
                "UniverseSettings.Schedule", "with a universe of your own data; filter in its function"
            )
        stream = self.config.open_stream(to_us(start_utc), to_us(end_utc))
        while stream.next_emit < FOREVER:
            emit, points = stream.next_emit, []
            while stream.next_emit == emit:
                points.append(stream.next_point())
            self._points = {from_us(emit): points}
            yield from_us(emit)

    def select_symbols(self, algorithm: Any, utc_time: datetime) -> Any:
        """What the function says; tickers become symbols."""
        points = self._points.get(utc_time, [])
        answer = [point.symbol for point in points] if self._selector is None else self._selector(points)
        if answer is None or answer is Universe.UNCHANGED:
            return Universe.UNCHANGED
        kind, market = self.security_type, self.market
        return [algorithm.universe_symbol(item, kind, market) if isinstance(item, str) else item for item in answer]


def default_resolution(kind: type) -> Resolution:
    """Return the resolution of a data class whose subscription names none."""
    default = find_member(kind(), "default_resolution")
    return Resolution(default()) if default is not None else Resolution.DAILY
