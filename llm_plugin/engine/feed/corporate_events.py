"""Corporate events of an equity as points in time: dividends, splits, delisting, ticker changes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import DelistingType, SplitType
from llm_plugin.engine.base.money import CONTEXT
from llm_plugin.engine.base.zones import DAY_US, EPOCH, from_us
from llm_plugin.engine.data.corporate_data import Delisting, Dividend, Split, SymbolChangedEvent
from llm_plugin.engine.data.map_files import FAR_FUTURE, load_factor_file, load_map_file
from llm_plugin.engine.data.normalization import dividend_of
from llm_plugin.engine.market.market_hours import ExchangeHours, tradable_days
from llm_plugin.engine.market.symbols import Symbol

__all__ = ["corporate_events", "ticker_changes"]

_EPOCH_ORDINAL = EPOCH.toordinal()
# Day since 1970, rank among the events of the day, what happens.
_Event = tuple[int, int, Any]


def corporate_events(
    data_folder: Path, symbol: Symbol, hours: ExchangeHours, start_us: int, end_us: int
) -> Iterator[tuple[int, Any]]:
    """Yield (UTC emission, event) in order.

    An event of a factor row falls on the trading day after the row's date, at midnight of the exchange.

    Args:
        data_folder: Root of the data.
        symbol: An equity.
        hours: Its exchange hours.
        start_us: Events from here on.
        end_us: Events up to here.
    """
    days = _days(hours, start_us, end_us)
    events: list[_Event] = []
    events += _factor_events(data_folder, symbol, days)
    events += _map_events(data_folder, symbol, days)
    yield from _within(events, hours, start_us, end_us)


def ticker_changes(
    data_folder: Path, symbol: Symbol, hours: ExchangeHours, start_us: int, end_us: int
) -> Iterator[tuple[int, Any]]:
    """Yield (UTC emission, event) of new tickers in order: all that data of the user's hears of its security."""
    found = _map_events(data_folder, symbol, _days(hours, start_us, end_us))
    changes = [entry for entry in found if isinstance(entry[2], SymbolChangedEvent)]
    yield from _within(changes, hours, start_us, end_us)


def _days(hours: ExchangeHours, start_us: int, end_us: int) -> list[int]:
    zone = hours.time_zone
    return tradable_days(hours, zone.local(start_us) // DAY_US, zone.local(end_us) // DAY_US)


def _number(day: date) -> int:
    return day.toordinal() - _EPOCH_ORDINAL


def _midnight(day: int) -> datetime:
    return from_us(day * DAY_US)


def _within(events: list[_Event], hours: ExchangeHours, start_us: int, end_us: int) -> Iterator[tuple[int, Any]]:
    for day, _, event in sorted(events, key=lambda entry: (entry[0], entry[1])):
        emit = hours.time_zone.utc(day * DAY_US)
        if start_us <= emit <= end_us:
            yield emit, event


def _after(days: list[int], day: int) -> int | None:
    index = bisect_right(days, day)
    return days[index] if index < len(days) else None


def _factor_events(data_folder: Path, symbol: Symbol, days: list[int]) -> list[_Event]:
    found: list[_Event] = []
    known = set(days)
    for row_date, old, new in load_factor_file(data_folder, symbol.id.market, symbol.value).events():
        row_day = _number(row_date)
        event_day = _after(days, row_day)
        if row_day not in known or event_day is None:
            continue
        moment = _midnight(event_day)
        paid = dividend_of(old, new)
        if paid != 0:
            dividend = Dividend(symbol, moment, float(paid), float(old.reference_price))
            dividend.exact_distribution = paid
            found.append((event_day, 0, dividend))
        if old.split_factor != new.split_factor:
            factor = CONTEXT.divide(old.split_factor, new.split_factor)
            warning = _midnight(row_day)
            found.append((row_day, 1, _split(symbol, warning, old.reference_price, factor, SplitType.WARNING)))
            occurred = _split(symbol, moment, old.reference_price, factor, SplitType.SPLIT_OCCURRED)
            found.append((event_day, 1, occurred))
    return found


def _split(symbol: Symbol, moment: datetime, reference: Decimal, factor: Decimal, kind: SplitType) -> Split:
    split = Split(symbol, moment, float(reference), float(factor), kind)
    split.exact_factor = factor
    return split


def _map_events(data_folder: Path, symbol: Symbol, days: list[int]) -> list[_Event]:
    map_file = load_map_file(data_folder, symbol.id.market, symbol.value)
    if map_file is None or not days:
        return []
    found: list[_Event] = []
    for change_date, old, new in map_file.changes():
        change_day = _number(change_date)
        if days[0] < change_day <= days[-1]:
            day = days[bisect_left(days, change_day)]
            found.append((day, 2, SymbolChangedEvent(symbol, _midnight(day), old, new)))
    gone = _number(map_file.delisting_date)
    if map_file.delisting_date < FAR_FUTURE and days[0] <= gone <= days[-1]:
        found.append((gone, 3, Delisting(symbol, _midnight(gone), 0.0, DelistingType.WARNING)))
        after = _after(days, gone)
        if after is not None:
            event = Delisting(symbol, _midnight(after), 0.0, DelistingType.DELISTED)
            found.append((after, 3, event))
    return found
