"""Streams of data points in emission order: bar files, fill-forward, corporate events."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.bad_data import tell_missing
from llm_plugin.engine.enums import DataNormalizationMode, Resolution, SecurityType, TickType, resolution_span
from llm_plugin.engine.feed_bars import BarBlock, FeedQuoteBar, FeedTradeBar
from llm_plugin.engine.filled_bars import FilledQuoteBar, FilledTradeBar
from llm_plugin.engine.indicator_lanes import Chunk, Lane
from llm_plugin.engine.lean_data import BarColumns, bar_file, is_strict_daily, join_columns, read_file_columns
from llm_plugin.engine.map_files import FactorFile, load_factor_file, load_map_file
from llm_plugin.engine.market_hours import ExchangeHours, MarketHoursEntry
from llm_plugin.engine.normalization import normalize_columns as normalize
from llm_plugin.engine.point_stream import FOREVER, PointStream
from llm_plugin.engine.subscriptions import SubscriptionDataConfig
from llm_plugin.engine.zones import DAY_US, EPOCH, SECOND_US

__all__ = ["FOREVER", "BarSource", "BarStream", "FilledQuoteBar", "FilledTradeBar", "PointStream", "open_segments"]

_EPOCH_ORDINAL = EPOCH.toordinal()
_CHUNK_DAYS = {Resolution.MINUTE: 31, Resolution.SECOND: 1}
Ints = NDArray[np.int64]


def open_segments(hours: ExchangeHours, first_day: int, last_day: int, extended: bool) -> tuple[Ints, Ints]:
    """Return starts and ends (exchange-local) of all open spans between two days; adjoining ones are joined."""
    starts: list[int] = []
    ends: list[int] = []
    for day in range(first_day, last_day + 1):
        for low, high, regular in hours.segments(_EPOCH_ORDINAL + day):
            if not (regular or extended):
                continue
            start, end = day * DAY_US + low, day * DAY_US + high
            if ends and ends[-1] == start:
                ends[-1] = end
            else:
                starts.append(start)
                ends.append(end)
    return np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)


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
    """Where one stream's bars are, and between which UTC times they are wanted."""

    data_folder: Path
    config: SubscriptionDataConfig
    entry: MarketHoursEntry
    start_us: int
    end_us: int

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
            path, config.security_type, config.market, config.resolution, config.tick_type, self.entry, day
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
            ends = np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
            starts = ends - own
        wanted = (ends > low_local) & (ends <= high_local)
        return starts[wanted], ends[wanted]

    def _daily_grid(self, first: int, last: int) -> tuple[Ints, Ints]:
        hours = self.hours
        if is_strict_daily(self.config.security_type, self.config.market, hours):
            spans = [(hours.first_open_us(d), hours.last_close_us(d)) for d in range(first, last + 1)]
            pairs = np.array([p for p in spans if p[0] is not None], dtype=np.int64).reshape(-1, 2)
            return pairs[:, 0], pairs[:, 1]
        midnights = np.arange(first - 1, last + 2, dtype=np.int64) * DAY_US
        starts = hours.time_zone.locals(self.entry.data_time_zone.utcs(midnights))
        ends = starts + DAY_US
        if hours.is_market_always_open:
            return starts, ends
        keep = _overlapping(starts, ends, *open_segments(hours, first - 2, last + 2, False))
        return starts[keep], ends[keep]


class BarStream:
    """Bars of one subscription, with fill-forward copies between them."""

    def __init__(self, source: BarSource, security: Any, fill_span: int) -> None:
        self.config = source.config
        self.security = security
        self.next_emit = FOREVER
        self.rank = 0
        self.auxiliary = False
        self.both_sides = False
        self.store: Any = None
        self._keep: Any = None
        # Indicators that follow these bars; made by the loop.
        self.lane: Lane | None = None
        self.source = source
        self.fill_span = fill_span
        self._chunks = source.chunks()
        self._trade = source.config.tick_type == TickType.TRADE
        self._real = FeedTradeBar if self._trade else FeedQuoteBar
        self._copy = FilledTradeBar if self._trade else FilledQuoteBar
        self._block: BarBlock
        self._columns: BarColumns | None = None
        self._emits: list[int] = []
        # None while the chunk has no copies; then the row and, for copies, the end of each point.
        self._rows: list[int] | None = None
        self._copies: list[int] = []
        self._spans: list[int] = []
        self._index = self._count = 0
        self._last_end = 0
        self._chunk_end = 0
        self._load()

    def next_point(self) -> Any:
        """Return the next point and move on."""
        index = self._index
        rows = self._rows
        if rows is None:
            point: Any = self._real(self._block, index)
        elif self._copies[index]:
            point = self._copy(self._block, rows[index], self._copies[index], self._spans[index])
        else:
            point = self._real(self._block, rows[index])
        index += 1
        if index == self._count:
            self._load()
        else:
            self._index = index
            self.next_emit = self._emits[index]
        return point

    def prepare(self) -> None:
        """Get ready for `take`: what the whole chunk is known to have is not asked for at each bar."""
        config, cache = self.config, self.security.cache
        self._keep = self.store
        if self.both_sides:
            by_trade = config.security_type in (SecurityType.EQUITY, SecurityType.INDEX)
            self._keep = cache.store_equity_sides if by_trade else cache.store_full_quote

    def take(self) -> Any:
        """Return the next point, which is not the chunk's last one, once its security knows it."""
        index, rows = self._index, self._rows
        self._index = index + 1
        self.next_emit = self._emits[index + 1]
        if rows is None:
            point: Any = self._real(self._block, index)
        elif self._copies[index]:
            return self._copy(self._block, rows[index], self._copies[index], self._spans[index])
        else:
            point = self._real(self._block, rows[index])
        self._keep(point)
        security = self.security
        security.has_data = True
        security._fixed = None
        if security.volatility_model is not None:
            security.volatility_model.update(security, point)
        return point

    @property
    def own_lane(self) -> Lane | None:
        """The indicators that follow these bars, where all consolidators' do."""
        lane = self.config.lane
        return lane if lane is not None and lane.stream is self and lane.row < lane.count else None

    @property
    def place(self) -> int:
        """Which point of the chunk at hand comes next."""
        return self._index

    @property
    def block(self) -> BarBlock:
        """The chunk at hand."""
        return self._block

    @property
    def points_ahead(self) -> tuple[list[int], list[int] | None, int]:
        """When the chunk's points are due, the row of each (None: in order), and which comes next."""
        return self._emits, self._rows, self._index

    @property
    def exact_values(self) -> tuple[Ints, int] | None:
        """The values of the chunk's bars, exact: scaled integers and their decimals; None where there are no such."""
        return self._block.exact_values  # type: ignore[no-any-return]

    def exact_value(self, row: int) -> Decimal:
        """Return the value of one of the chunk's bars, exact."""
        return self._real(self._block, row).exact("value")

    @property
    def ahead(self) -> int:
        """How many points of the chunk at hand come before its last one."""
        return self._count - 1 - self._index

    def emits(self, count: int) -> list[int]:
        """Return when the next points are due."""
        return self._emits[self._index : self._index + count]

    def rows_between(self, first: int, end: int) -> tuple[int, int]:
        """Return the first row and the end of the bars among some points of the chunk; copies are none of them."""
        rows = self._rows
        if rows is None or first >= end:
            return first, end
        return rows[first] + (1 if self._copies[first] else 0), rows[end - 1] + 1

    def within(self, low: float, high: float, count: int) -> int:
        """Return how many of the next points come before a bar whose value leaves a band, at most `count`."""
        first, end = self.rows_between(self._index, self._index + count)
        values = self._block.close_column[first:end]
        outside = (values <= low) | (values >= high)
        at = int(outside.argmax()) if len(outside) else 0
        if not len(outside) or not outside[at]:
            return count
        row = first + at
        return (row if self._rows is None else bisect_left(self._rows, row)) - self._index

    def skip_before(self, end_us: int) -> tuple[Any, list[int]]:
        """Drop the points at hand that are due before a time; return the last of them and when they were due."""
        index = bisect_left(self._emits, end_us, self._index, self._count)
        if index == self._index:
            return None, []
        times = self._emits[self._index : index]
        self._index = index - 1
        return self.next_point(), times

    def _load(self) -> None:
        while True:
            chunk = next(self._chunks, None)
            if chunk is None:
                self.next_emit = FOREVER
                return
            columns, end = chunk
            before, filled_to = self._columns, self._chunk_end
            carried = 0
            if before is not None and len(before):
                # The last bar of the chunk before is what a copy at the start of this one repeats.
                columns = join_columns([before.take(slice(-1, None)), columns], self.config.tick_type)
                carried = 1
            self._columns = columns
            if self._prepare(columns, carried, end, filled_to):
                if self.lane is not None:
                    self.lane.chunks.append(self.chunk())
                return

    def _prepare(self, columns: BarColumns, carried: int, chunk_end: int, filled_to: int = 0) -> bool:
        """Lay out the points of a chunk; copies up to `filled_to` (exchange-local) were those of the chunk before."""
        if not len(columns):
            return False
        exchange = self.source.hours.time_zone
        self._block = BarBlock(columns, self.config.symbol, exchange)
        self.both_sides = bool(columns.sides) and bool(columns.sides["bid"].all() and columns.sides["ask"].all())
        if not self.config.fill_data_forward:
            self._rows = None
            self._emits = columns.end_us.tolist()
            self._index, self._count = carried, len(columns)
        else:
            self._expand(columns, carried, chunk_end, filled_to)
        self._chunk_end = chunk_end
        if self._index >= self._count:
            return False
        self.next_emit = self._emits[self._index]
        return True

    def _expand(self, columns: BarColumns, carried: int, chunk_end: int, filled_to: int) -> None:
        exchange = self.source.hours.time_zone
        ends = exchange.locals(columns.end_us)
        starts_grid, ends_grid = self.source.fill_grid(self.fill_span, max(int(ends[0]), filled_to), chunk_end)
        missing = ~np.isin(ends_grid, ends)
        starts_grid, ends_grid = starts_grid[missing], ends_grid[missing]
        self._index, self._count = carried, len(columns)
        if not len(ends_grid):
            self._rows, self._emits = None, columns.end_us.tolist()
            return
        rows = np.searchsorted(ends, ends_grid, side="left") - 1
        everything = np.concatenate((ends, ends_grid))
        order = np.argsort(everything, kind="stable")
        self._rows = np.concatenate((np.arange(len(ends)), rows))[order].tolist()
        none = np.zeros(len(ends), dtype=np.int64)
        self._copies = np.concatenate((none, ends_grid))[order].tolist()
        self._spans = np.concatenate((none, ends_grid - starts_grid))[order].tolist()
        self._emits = np.concatenate((columns.end_us, exchange.utcs(ends_grid)))[order].tolist()
        self._count = len(order)

    def refill(self, fill_span: int, now_us: int) -> None:
        """Take over a new fill resolution; points up to now are not repeated."""
        if fill_span == self.fill_span or not self.config.fill_data_forward or self._columns is None:
            self.fill_span = fill_span
            return
        self.fill_span = fill_span
        if self.lane is not None:
            self.lane.release()
            self.lane = self.config.lane = None
        if self.next_emit == FOREVER:
            return
        if self._prepare(self._columns, 0, self._chunk_end):
            self.skip_to(now_us)

    def chunk(self) -> Chunk:
        """Return the bars at hand in order of emission."""
        block, rows, copies, spans = self._block, self._rows, self._copies, self._spans
        real, copy = self._real, self._copy
        if rows is None:
            return Chunk(block.close, block.end_local, self._index, lambda at: real(block, at))
        own = block.end_local
        closes = [block.close[row] for row in rows]
        ends = [end or own[row] for end, row in zip(copies, rows, strict=True)]

        def point_at(at: int) -> Any:
            return copy(block, rows[at], copies[at], spans[at]) if copies[at] else real(block, rows[at])

        return Chunk(closes, ends, self._index, point_at)

    def skip_to(self, now_us: int) -> None:
        """Drop points that were due before or at a time."""
        while self.next_emit <= now_us:
            self.next_point()
