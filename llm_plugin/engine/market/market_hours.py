"""Exchange hours from LEAN's market-hours database, in exchange-local microseconds."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import DAY_US, EPOCH, Zone, from_us, to_us, zone
from llm_plugin.errors import DataError

__all__ = ["ExchangeHours", "MarketHoursDatabase", "MarketHoursEntry", "load_market_hours", "tradable_days"]

_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FOREVER = 1 << 62
_SEARCH_DAYS = 30

Ints = NDArray[np.int64]
Segment = tuple[int, int, bool]  # start and end within the day in microseconds; True = regular market


def _span(text: str) -> int:
    days, _, clock = text.rpartition(".") if text.count(".") == 1 and text.index(".") < 3 else ("", "", text)
    hours, minutes, seconds = (int(float(part)) for part in clock.split(":"))
    return int(days or 0) * DAY_US + ((hours * 60 + minutes) * 60 + seconds) * 1_000_000


def _local_us(moment: date) -> int:
    """Return exchange-local microseconds of a time; a date means its midnight."""
    return to_us(moment if isinstance(moment, datetime) else datetime.combine(moment, time()))


def _date(text: str) -> date:
    month, day, year = (int(part) for part in text.split("/"))
    return date(year, month, day)


class ExchangeHours(LeanObject):
    """When one market is open; all `*_us` arguments are exchange-local microseconds."""

    def __init__(self, entry: dict[str, Any], zone_: Zone) -> None:
        self.time_zone = zone_
        self._days: list[list[Segment]] = []
        for name in _WEEK:
            spans = entry.get(name, [])
            self._days.append([(_span(s["start"]), _span(s["end"]), s["state"] == "market") for s in spans])
        self._holidays = {_date(text).toordinal() for text in entry.get("holidays", [])}
        self._early = {_date(k).toordinal(): _span(v) for k, v in entry.get("earlyCloses", {}).items()}
        self._late = {_date(k).toordinal(): _span(v) for k, v in entry.get("lateOpens", {}).items()}
        self.is_market_always_open = all(day == [(0, DAY_US, True)] for day in self._days) and not self._holidays
        self._cache: dict[int, list[Segment]] = {}
        # Starts and ends (UTC) of strict daily bars by their days: every `history` call asks for the same.
        self.strict_days: dict[bytes, Any] = {}
        # The last answer of is_open and how long it holds, regular and extended.
        self._windows = {False: (1, 0, False), True: (1, 0, False)}

    @staticmethod
    def always_open(time_zone: Any) -> ExchangeHours:
        """Return hours that are open every day for 24 hours."""
        return MarketHoursDatabase.always_open(time_zone).exchange_hours

    def json_fields(self) -> dict[str, Any]:
        """Return what makes two sets of hours the same."""
        return {
            "timeZone": str(self.time_zone),
            "days": [[list(span) for span in day] for day in self._days],
            "holidays": sorted(self._holidays),
            "earlyCloses": {str(day): at for day, at in sorted(self._early.items())},
            "lateOpens": {str(day): at for day, at in sorted(self._late.items())},
        }

    @property
    def holidays(self) -> list[datetime]:
        """Days without trading."""
        return [datetime.combine(date.fromordinal(d), time()) for d in sorted(self._holidays)]

    @property
    def regular_market_duration(self) -> timedelta:
        """Length of the longest regular day."""
        lengths = [sum(end - start for start, end, regular in day if regular) for day in self._days]
        return timedelta(microseconds=max(lengths))

    def segments(self, ordinal: int) -> list[Segment]:
        """Return the open spans of a date (proleptic ordinal), early closes and holidays applied."""
        found = self._cache.get(ordinal)
        if found is None:
            found = self._cache[ordinal] = self._segments(ordinal)
        return found

    def _segments(self, ordinal: int) -> list[Segment]:
        if ordinal in self._holidays:
            return []
        spans = self._days[(ordinal - 1) % 7]
        early, late = self._early.get(ordinal), self._late.get(ordinal)
        if early is not None:
            spans = [(start, min(end, early), regular) for start, end, regular in spans if start < early]
        if late is not None:
            spans = [(max(start, late), end, regular) for start, end, regular in spans if end > late]
        return spans

    def spans(self, first_day: int, last_day: int, extended: bool = False) -> tuple[Ints, Ints]:
        """Return starts and ends of the open spans of all days between two (since 1970), in order."""
        days = np.arange(first_day, last_day + 1, dtype=np.int64)
        changed = {ordinal - _EPOCH_ORDINAL for ordinal in (*self._holidays, *self._early, *self._late)}
        changed = {day for day in changed if first_day <= day <= last_day}
        # Weeks begin on Monday, as proleptic ordinals do.
        weekdays = (days + (_EPOCH_ORDINAL - 1)) % 7
        weekdays[[day - first_day for day in changed]] = -1
        low, high = [], []
        for number, segments in enumerate(self._days):
            midnights = days[weekdays == number] * DAY_US
            low += [midnights + start for start, _, regular in segments if regular or extended]
            high += [midnights + end for _, end, regular in segments if regular or extended]
        others = [(day * DAY_US, span) for day in changed for span in self.segments(_EPOCH_ORDINAL + day)]
        low.append(np.array([at + start for at, (start, _, regular) in others if regular or extended], dtype=np.int64))
        high.append(np.array([at + end for at, (_, end, regular) in others if regular or extended], dtype=np.int64))
        starts = np.concatenate(low)
        order = np.argsort(starts)
        return starts[order], np.concatenate(high)[order]

    def day_spans(self, first_day: int, last_day: int) -> tuple[Ints, Ints, Ints]:
        """Return the trading days between two days (since 1970), and the first opening and last close of each."""
        starts, ends = self.spans(first_day, last_day)
        days, opens = np.unique(starts // DAY_US, return_index=True)
        closes = np.append(opens[1:], len(starts))[: len(days)] - 1
        return days, starts[opens], ends[closes]

    def is_open_us(self, local: int, extended: bool = False) -> bool:
        """True inside a segment; its end is closed already."""
        if self.is_market_always_open:
            return True
        low, high, state = self._windows[extended]
        if low <= local < high:
            return state
        days, within = divmod(local, DAY_US)
        low, high, state = 0, DAY_US, False
        for start, end, regular in self.segments(_EPOCH_ORDINAL + days):
            if not (regular or extended):
                continue
            if within < start:
                high = min(high, start)
                break
            if within < end:
                low, high, state = start, end, True
                break
            low = end
        self._windows[extended] = (days * DAY_US + low, days * DAY_US + high, state)
        return state

    def overlaps_us(self, start: int, end: int, extended: bool = False) -> bool:
        """True if the half-open interval overlaps a segment; an empty interval asks for its instant."""
        if self.is_market_always_open:
            return True
        if start >= end:
            return self.is_open_us(start, extended)
        for day in range(start // DAY_US, (end - 1) // DAY_US + 1):
            base = day * DAY_US
            for low, high, regular in self.segments(_EPOCH_ORDINAL + day):
                if (regular or extended) and base + low < end and start < base + high:
                    return True
        return False

    def is_date_open_ordinal(self, ordinal: int, extended: bool = False) -> bool:
        """True if the date has a market segment and is no holiday."""
        return any(regular or extended for _, _, regular in self.segments(ordinal))

    def next_open_us(self, local: int, extended: bool = False) -> int:
        """Return the first opening strictly after a time."""
        for day in range(local // DAY_US, local // DAY_US + _SEARCH_DAYS):
            previous_end = self._carry_end(day, extended)
            for start, end, regular in self.segments(_EPOCH_ORDINAL + day):
                if not (regular or extended):
                    continue
                opening = day * DAY_US + start
                if opening > local and opening != previous_end:
                    return opening
                previous_end = day * DAY_US + end
        return _FOREVER

    def next_close_us(self, local: int, extended: bool = False) -> int:
        """Return the first close strictly after a time; a segment that goes on after midnight does not close."""
        for day in range(local // DAY_US, local // DAY_US + _SEARCH_DAYS):
            spans = [s for s in self.segments(_EPOCH_ORDINAL + day) if s[2] or extended]
            for index, (_, end, _) in enumerate(spans):
                closing = day * DAY_US + end
                following = spans[index + 1][0] + day * DAY_US if index + 1 < len(spans) else None
                if following is None and end >= DAY_US:
                    tomorrow = [s for s in self.segments(_EPOCH_ORDINAL + day + 1) if s[2] or extended]
                    following = (day + 1) * DAY_US + tomorrow[0][0] if tomorrow else None
                if closing > local and closing != following:
                    return closing
        return _FOREVER

    def _carry_end(self, day: int, extended: bool) -> int:
        spans = [s for s in self.segments(_EPOCH_ORDINAL + day - 1) if s[2] or extended]
        return (day - 1) * DAY_US + spans[-1][1] if spans else -_FOREVER

    def first_open_us(self, day: int, extended: bool = False) -> int | None:
        """Return the first opening of a day (days since 1970), or None when closed."""
        spans = [s for s in self.segments(_EPOCH_ORDINAL + day) if s[2] or extended]
        return day * DAY_US + spans[0][0] if spans else None

    def last_close_us(self, day: int, extended: bool = False) -> int | None:
        """Return the last close of a day (days since 1970), or None when closed."""
        spans = [s for s in self.segments(_EPOCH_ORDINAL + day) if s[2] or extended]
        return day * DAY_US + spans[-1][1] if spans else None

    # What user code calls, with naive exchange-local datetimes.
    def is_open(self, first: datetime, second: Any = False, extended_market_hours: bool = False) -> bool:
        """Return whether a moment, or an interval's overlap, is inside market hours."""
        if isinstance(second, datetime):
            return self.overlaps_us(_local_us(first), _local_us(second), extended_market_hours)
        return self.is_open_us(_local_us(first), bool(second) or extended_market_hours)

    def is_date_open(self, moment: date, extended_market_hours: bool = False) -> bool:
        """True if the date is a trading day."""
        return self.is_date_open_ordinal(moment.toordinal(), extended_market_hours)

    def get_next_market_open(self, moment: datetime, extended_market_hours: bool = False) -> datetime:
        """Return the next opening."""
        return from_us(self.next_open_us(_local_us(moment), extended_market_hours))

    def get_next_market_close(self, moment: datetime, extended_market_hours: bool = False) -> datetime:
        """Return the next close."""
        return from_us(self.next_close_us(_local_us(moment), extended_market_hours))

    def get_previous_trading_day(self, moment: datetime) -> datetime:
        """Return midnight of the trading day before."""
        return self._step_day(moment, -1)

    def get_next_trading_day(self, moment: datetime) -> datetime:
        """Return midnight of the trading day after."""
        return self._step_day(moment, 1)

    def _step_day(self, moment: datetime, step: int) -> datetime:
        ordinal = moment.toordinal() + step
        while not self.is_date_open_ordinal(ordinal):
            ordinal += step
        return datetime.combine(date.fromordinal(ordinal), time())


_EPOCH_ORDINAL = EPOCH.toordinal()


class MarketHoursEntry(LeanObject):
    """Hours and the time zone of the data files of one market."""

    __slots__ = ("data_time_zone", "exchange_hours")

    def __init__(self, exchange_hours: ExchangeHours, data_time_zone: Zone) -> None:
        self.exchange_hours = exchange_hours
        self.data_time_zone = data_time_zone


def database_key(symbol: Any) -> str:
    """Return the name of a symbol in the databases: custom data goes by its identifier."""
    if getattr(symbol, "security_type", None) == SecurityType.BASE:
        return str(symbol.id.symbol)
    # Nothing names the whole market.
    return str(getattr(symbol, "value", symbol) or "[*]")


class MarketHoursDatabase(LeanObject):
    """LEAN's `market-hours/market-hours-database.json`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["entries"]
        except FileNotFoundError:
            raise DataError(f"{path} is missing: the data folder must be one in LEAN's format") from None
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged ({error}): copy it from LEAN's Data folder") from None
        self._index = {key.lower(): key for key in self._raw}
        # What the file says, shared by all runs, and what the user of this run set.
        self._entries: dict[str, MarketHoursEntry] = {}
        self._own: dict[str, MarketHoursEntry] = {}

    def copy(self) -> MarketHoursDatabase:
        """Return a database that a run can edit."""
        twin = object.__new__(MarketHoursDatabase)
        twin.__dict__.update(self.__dict__, _own={})
        return twin

    def get_entry(self, market: Any, symbol: Any, security_type: SecurityType) -> MarketHoursEntry:
        """Return the entry of a symbol, or of its market.

        Raises:
            DataError: There is neither.
        """
        kind = str(SecurityType(security_type))
        ticker = database_key(symbol)
        names = (f"{kind}-{market}-{ticker}".lower(), f"{kind}-{market}-[*]".lower())
        for name in names:
            if name in self._own:
                return self._own[name]
            if name in self._entries:
                return self._entries[name]
            key = self._index.get(name)
            if key is not None:
                raw = self._raw[key]
                hours = ExchangeHours(raw, zone(raw["exchangeTimeZone"]))
                self._entries[name] = MarketHoursEntry(hours, zone(raw["dataTimeZone"]))
                return self._entries[name]
        if security_type == SecurityType.BASE:
            return self.always_open("America/New_York")
        raise DataError(f"{self._path} has no market hours for {kind}-{market}-{ticker}; add an entry {names[1]!r}")

    def get_exchange_hours(self, market: Any, symbol: Any, security_type: SecurityType) -> ExchangeHours:
        """Return the hours of a symbol."""
        return self.get_entry(market, symbol, security_type).exchange_hours

    def get_data_time_zone(self, market: Any, symbol: Any, security_type: SecurityType) -> Zone:
        """Return the time zone of a symbol's files."""
        return self.get_entry(market, symbol, security_type).data_time_zone

    def set_entry(
        self, market: str, symbol: Any, security_type: SecurityType, hours: ExchangeHours, data_zone: Any = None
    ) -> MarketHoursEntry:
        """Set an entry for this run."""
        entry = MarketHoursEntry(hours, zone(data_zone) if data_zone else hours.time_zone)
        ticker = database_key(symbol)
        self._own[f"{SecurityType(security_type)}-{market}-{ticker}".lower()] = entry
        return entry

    def set_entry_always_open(
        self, market: str, symbol: Any, security_type: SecurityType, time_zone: Any
    ) -> MarketHoursEntry:
        """Set an always open entry for this run."""
        entry = self.always_open(time_zone)
        return self.set_entry(market, symbol, security_type, entry.exchange_hours, entry.data_time_zone)

    @staticmethod
    def get_database_symbol_key(symbol: Any) -> str:
        """Return the name of a symbol in the databases."""
        return database_key(symbol)

    @staticmethod
    def always_open(time_zone: Any) -> MarketHoursEntry:
        """Return an entry that is open every day for 24 hours."""
        day = [{"start": "00:00:00", "end": "1.00:00:00", "state": "market"}]
        where = zone(time_zone)
        return MarketHoursEntry(ExchangeHours({name: day for name in _WEEK}, where), where)


@lru_cache(maxsize=8)
def _cached(path: Path, modified_ns: int) -> MarketHoursDatabase:
    return MarketHoursDatabase(path)


def load_market_hours(data_folder: Path) -> MarketHoursDatabase:
    """Return the database of a data folder (parsed once per file version)."""
    path = Path(data_folder) / "market-hours" / "market-hours-database.json"
    if not path.is_file():
        raise DataError(f"{path} is missing: the data folder must be one in LEAN's format")
    return _cached(path, path.stat().st_mtime_ns).copy()


def tradable_days(hours: ExchangeHours, first_day: int, last_day: int) -> list[int]:
    """Return the trading days (days since 1970) in a closed range."""
    days: list[int] = hours.day_spans(first_day, last_day)[0].tolist()
    return days
