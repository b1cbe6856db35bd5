"""Where the bars of a stream come from: files, tickers, market hours, prices as they are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, SecurityType, resolution_span
from llm_plugin.engine.base.zones import DAY_US, EPOCH, SECOND_US
from llm_plugin.engine.data.bad_data import tell_missing
from llm_plugin.engine.data.lean_data import BarColumns, bar_file, is_strict_daily, join_columns, read_file_columns
from llm_plugin.engine.data.map_files import FactorFile, load_factor_file, load_map_file
from llm_plugin.engine.data.normalization import normalize_columns as normalize
from llm_plugin.engine.feed.subscriptions import SubscriptionDataConfig
from llm_plugin.engine.market.market_hours import ExchangeHours, MarketHoursEntry

if TYPE_CHECKING:
    from llm_plugin.engine.core import EngineCore

__all__ = ["BarSource", "open_segments"]

_EPOCH_ORDINAL = EPOCH.toordinal()
_CHUNK_DAYS = {Resolution.MINUTE: 31, Resolution.SECOND: 1}
Ints = NDArray[np.int64]


def open_segments(hours: ExchangeHours, first_day: int, last_day: int, extended: bool) -> tuple[Ints, Ints]:
    """Return starts and ends (exchange-local) of all open spans between two days; adjoining ones are joined."""
    starts, ends = hours.spans(first_day, last_day, extended)
    apart = starts[1:] != ends[:-1]
    first, last = np.append(True, apart), np.append(apart, True)
    return starts[first[: len(starts)]], ends[last[: len(ends)]]


def _overlapping(starts: Ints, ends: Ints, low: Ints, high: Ints) -> NDArray[np.bool_]:
    if not len(low):
        return np.zeros(len(starts), dtype=bool)
    first = np.searchsorted(high, starts, side="right")
    inside = first < len(low)
    result = np.zeros(len(starts), dtype=bool)
    result[inside] = low[first[inside]] < ends[inside]
    return result


@dataclass(slots=True)
class BarSource:
    """Where one stream's bars are, and between which UTC times they are wanted.

    Args:
        data_folder: The LEAN data folder.
        config: The subscription.
        entry: Market hours of its symbol.
        start_us: First time.
        end_us: Last time.
        precise: The setting `daily_precise_end_time`: a day's bar ends at the close, not at midnight.
    """

    data_folder: Path
    config: SubscriptionDataConfig
    entry: MarketHoursEntry
    start_us: int
    end_us: int
    precise: bool

    @classmethod
    def of(cls, core: EngineCore, config: SubscriptionDataConfig, start_us: int, end_us: int) -> BarSource:
        """Return where a run has a subscription's bars between two times."""
        precise = bool(core.settings.daily_precise_end_time)
        return cls(core.data_folder, config, core.entry_of(config.symbol), start_us, end_us, precise)

    @property
    def hours(self) -> ExchangeHours:
        """Exchange hours."""
        return self.entry.exchange_hours

    def day_range(self) -> tuple[int, int]:
        """Return the first and last day (since 1970) in the data's time zone."""
        zone = self.entry.data_time_zone
        return zone.local(self.start_us) // DAY_US, zone.local(self.end_us) // DAY_US

    def chunks(self) -> Iterator[tuple[BarColumns, int]]:
        """Yield (columns, exchange-local end of the chunk's days) until the end."""
        first, last = self.day_range()
        step = _CHUNK_DAYS.get(self.config.resolution)
        exchange, data_zone = self.hours.time_zone, self.entry.data_time_zone
        if step is None:
            yield self._filtered(self._long_files()), exchange.local(self.end_us)
            return
        for low in range(first, last + 1, step):
            high = min(low + step - 1, last)
            end = self.end_us if high == last else data_zone.utc((high + 1) * DAY_US)
            yield self._filtered(self._daily_files(low, high)), exchange.local(end)

    def day_file(self, number: int) -> Path | None:
        """Return the file of a day (since 1970), None where there is none."""
        day = date.fromordinal(_EPOCH_ORDINAL + number)
        ticker = next((name for start, until, name in self._tickers() if start <= day <= until), None)
        path = self._path(ticker, day) if ticker is not None else None
        return path if path is not None and path.is_file() else None

    def is_open(self, local: Ints, extended: bool) -> NDArray[np.bool_]:
        """Return which exchange-local moments are within market hours."""
        if not len(local):
            return np.zeros(0, dtype=bool)
        low, high = open_segments(self.hours, int(local.min()) // DAY_US, int(local.max()) // DAY_US, extended)
        return _overlapping(local, local + 1, low, high)

    def factor_file(self) -> FactorFile:
        """Return the splits and dividends of the symbol."""
        return load_factor_file(self.data_folder, self.config.market, self.config.symbol.value)

    def _tickers(self) -> list[tuple[date, date, str]]:
        symbol = self.config.symbol
        map_file = None
        if symbol.security_type == SecurityType.EQUITY:
            map_file = load_map_file(self.data_folder, self.config.market, symbol.value)
        if map_file is None:
            return [(date.min, date.max, symbol.value)]
        spans, start = [], map_file.first_date
        for until, ticker in map_file.rows:
            if until >= start:
                spans.append((start, until, ticker))
                start = until + timedelta(days=1)
        return spans

    def _path(self, ticker: str, day: date | None = None) -> Path:
        config = self.config
        return bar_file(
            self.data_folder, config.security_type, config.market, ticker, config.resolution, config.tick_type, day
        )

    def _read(self, path: Path, day: date | None = None) -> BarColumns | None:
        if not path.is_file():
            return None
        config = self.config
        columns = read_file_columns(
            path,
            config.security_type,
            config.market,
            config.resolution,
            config.tick_type,
            self.entry,
            day,
            precise=self.precise,
        )
        return columns if len(columns) else None

    def _long_files(self) -> BarColumns:
        parts = []
        names = self._tickers()
        for start, until, ticker in names:
            columns = self._read(self._path(ticker))
            if columns is None:
                continue
            if len(names) > 1:
                days = self.hours.time_zone.locals(columns.start_us) // DAY_US + _EPOCH_ORDINAL
                columns = columns.take((days >= start.toordinal()) & (days <= until.toordinal()))
            parts.append(columns)
        if not parts and not self.config.is_internal_feed and not self._path(names[-1][2]).is_file():
            tell_missing(self._path(names[-1][2]))
        return join_columns(parts, self.config.tick_type)

    def _daily_files(self, low: int, high: int) -> BarColumns:
        parts = []
        names = self._tickers()
        holes: list[Path] = []
        for number in range(low, high + 1):
            day = date.fromordinal(_EPOCH_ORDINAL + number)
            ticker = next((name for start, until, name in names if start <= day <= until), None)
            if ticker is None:
                continue
            path = self._path(ticker, day)
            columns = self._read(path, day)
            if columns is not None:
                parts.append(columns)
                while holes:
                    tell_missing(holes.pop(0))
            elif parts and self.hours.segments(_EPOCH_ORDINAL + number) and not path.is_file():
                holes.append(path)  # missing if a later day has one
        return join_columns(parts, self.config.tick_type)

    def _filtered(self, columns: BarColumns) -> BarColumns:
        keep = (columns.end_us >= self.start_us) & (columns.start_us <= self.end_us)
        columns = columns.take(keep)
        if not len(columns):
            return columns
        exchange = self.hours.time_zone
        starts, ends = exchange.locals(columns.start_us), exchange.locals(columns.end_us)
        keep = np.ones(len(columns), dtype=bool)
        keep[1:] = ends[1:] > np.maximum.accumulate(ends)[:-1]
        if not self.hours.is_market_always_open:
            days = int(starts.min()) // DAY_US, int(ends.max()) // DAY_US
            low, high = open_segments(self.hours, *days, self.config.extended_market_hours)
            keep &= _overlapping(starts, ends, low, high)
        columns = columns.take(keep)
        mode = self.config.data_normalization_mode
        if self.config.security_type == SecurityType.EQUITY and mode != DataNormalizationMode.RAW:
            ticker = self.config.symbol.value
            span = exchange.local(self.start_us) // DAY_US, exchange.local(self.end_us) // DAY_US
            columns = normalize(columns, self.data_folder, self.config.market, ticker, mode, self.entry, span)
        return columns

    def fill_grid(self, span: int, low_local: int, high_local: int) -> tuple[Ints, Ints]:
        """Return starts and ends (exchange-local) at which a bar is due within market hours.

        Args:
            span: Fill resolution in microseconds.
            low_local: Ends after it.
            high_local: Ends up to it.
        """
        if high_local <= low_local:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        days = low_local // DAY_US - 1, high_local // DAY_US
        if self.config.resolution == Resolution.DAILY:
            starts, ends = self._daily_grid(*days)
        else:
            own = int(resolution_span(self.config.resolution).total_seconds()) * SECOND_US
            low, high = open_segments(self.hours, *days, self.config.extended_market_hours)
            parts = [np.arange(a // span * span + span, b + span, span) for a, b in zip(low, high, strict=True)]
            parts = [part[part - span < b] for part, b in zip(parts, high, strict=True)]
            # `np.unique` hashes, which takes much longer than to sort what is all but in order.
            ends = np.sort(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
            ends = ends[np.append(True, ends[1:] != ends[:-1])[: len(ends)]]
            starts = ends - own
        wanted = (ends > low_local) & (ends <= high_local)
        return starts[wanted], ends[wanted]

    def _daily_grid(self, first: int, last: int) -> tuple[Ints, Ints]:
        hours = self.hours
        if self.precise and is_strict_daily(self.config.security_type, self.config.market, hours):
            _, starts, ends = hours.day_spans(first, last)
            return starts, ends
        midnights = np.arange(first - 1, last + 2, dtype=np.int64) * DAY_US
        starts = hours.time_zone.locals(self.entry.data_time_zone.utcs(midnights))
        ends = starts + DAY_US
        if hours.is_market_always_open:
            return starts, ends
        keep = _overlapping(starts, ends, *open_segments(hours, first - 2, last + 2, False))
        return starts[keep], ends[keep]
