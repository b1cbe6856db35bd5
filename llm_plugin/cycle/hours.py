"""Busy hours: times of open market days in which no retrain starts."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llm_plugin.errors import ConfigError

if TYPE_CHECKING:
    from llm_plugin.settings import LearningSettings

__all__ = ["TradingDays", "busy_until", "parse_span"]

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


def busy_until(moment: datetime, settings: LearningSettings, data_folder: Path | None) -> datetime | None:
    """Return when the busy span that holds `moment` ends, None where it lies in none.

    A span that goes over midnight belongs to the day on which it begins. The calendar is that of
    `learning.busy_market`; without a data folder every Monday to Friday counts as open.

    Raises:
        ConfigError: A span, zone or market that does not exist.
    """
    spans = [parse_span(text) for text in settings.busy_hours]
    if not spans:
        return None
    zone = _zone(settings.busy_timezone)
    local = moment.astimezone(zone)
    is_open = TradingDays(settings.busy_market, data_folder)
    ends = []
    for day in (local.date() - timedelta(days=1), local.date()):
        if not is_open(day):
            continue
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        for start, length in spans:
            begin = midnight + start  # wall-clock time, whatever the clocks did that night
            if begin <= local < begin + length:
                ends.append(begin + length)
    return max(ends).astimezone(moment.tzinfo) if ends else None


def parse_span(text: str) -> tuple[timedelta, timedelta]:
    """Return start and length of `HH:MM-HH:MM`.

    Raises:
        ConfigError: It is not of that form, or empty.
    """
    found = _SPAN.fullmatch(text.strip())
    start = end = timedelta()
    if found is not None:
        start = timedelta(hours=int(found[1]), minutes=int(found[2]))
        end = timedelta(hours=int(found[3]), minutes=int(found[4]))
    if found is None or start == end or end > timedelta(days=1):
        raise ConfigError(f"learning.busy_hours holds {text!r}: write HH:MM-HH:MM, as 09:30-10:30")
    return start, (end - start) % timedelta(days=1) or timedelta(days=1)


class TradingDays:
    """Whether a market trades on a day.

    Args:
        market: `market/security type`, as `usa/equity`.
        data_folder: A folder in LEAN's format; None = no calendar is here.

    Raises:
        ConfigError: The security type does not exist, or the calendar has no such market.
    """

    def __init__(self, market: str, data_folder: Path | None) -> None:
        self._hours = None
        if data_folder is None:
            return
        from llm_plugin.engine.base.enums import SecurityType
        from llm_plugin.engine.market.market_hours import load_market_hours
        from llm_plugin.errors import DataError

        name, _, kind = market.partition("/")
        wanted = {str(item).lower(): item for item in SecurityType}.get(kind)
        if wanted is None:
            raise ConfigError(f"learning.busy_market is {market!r}: {kind!r} is no security type; write usa/equity")
        try:
            self._hours = load_market_hours(data_folder).get_exchange_hours(name, None, wanted)
        except DataError as error:
            raise ConfigError(f"learning.busy_market is {market!r}: {error}") from error

    def __call__(self, day: date) -> bool:
        """Return True where the market trades on that day."""
        if self._hours is None:
            return day.weekday() < 5
        return self._hours.is_date_open_ordinal(day.toordinal())


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"learning.busy_timezone is {name!r}, which is no time zone; write America/New_York"
        ) from error
