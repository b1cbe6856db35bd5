"""Streams of data points in emission order: bars and the copies that fill gaps between them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.enums import SecurityType, TickType
from llm_plugin.engine.data.lean_data import BarColumns, join_columns
from llm_plugin.engine.feed.filled_bars import FilledQuoteBar, FilledTradeBar
from llm_plugin.engine.feed.lazy_bars import BarBlock, FeedQuoteBar, FeedTradeBar
from llm_plugin.engine.feed.point_stream import FOREVER, PointStream
from llm_plugin.engine.feed.source import BarSource, open_segments
from llm_plugin.engine.loop.indicator_lanes import Chunk, Lane

__all__ = ["FOREVER", "BarSource", "BarStream", "FilledQuoteBar", "FilledTradeBar", "PointStream", "open_segments"]

Ints = NDArray[np.int64]


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
        self._volatility: Any = None
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
        # Times and rows of the points as arrays, with the values of the rows.
        self._priced: tuple[Ints, Ints | None, Ints] | None = None
        self._columns_of_points: tuple[Ints, Ints | None]
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

    def bars(self) -> Iterator[Any]:
        """Yield the next points but the chunk's last one, each once its security knows it.

        What the whole chunk is known to have is not asked for at each bar; `is_as_begun` tells if that still holds.
        """
        security, block, rows, copies, emits = self.security, self._block, self._rows, self._copies, self._emits
        real, keep, make = self._real, self._keeper(), object.__new__
        model = self._volatility = security.volatility_model
        row = 0
        for index in range(self._index, self._count - 1):
            self._index = index + 1
            self.next_emit = emits[index + 1]
            if rows is None:
                row = index
            else:
                row = rows[index]
                if copies[index]:
                    yield self._copy(block, row, copies[index], self._spans[index])
                    continue
            point: Any = make(real)
            point._block, point._row, point._stop = block, row, None
            keep(point)
            security.has_data = True
            security._fixed = None
            if model is not None:
                model.update(security, point)
            yield point

    def _keeper(self) -> Callable[[Any], None]:
        """Return what caches the chunk's points."""
        config, cache = self.config, self.security.cache
        if not self.both_sides:
            return self.store  # type: ignore[no-any-return]
        by_trade = config.security_type in (SecurityType.EQUITY, SecurityType.INDEX)
        return cache.store_equity_sides if by_trade else cache.store_full_quote  # type: ignore[no-any-return]

    @property
    def is_as_begun(self) -> bool:
        """Whether `bars` may go on."""
        return self.security.volatility_model is self._volatility

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
    def priced_points(self) -> tuple[Ints, Ints | None, Ints]:
        """When the chunk's points are due, the row of each (None: in order) and the rows' values in whole units.

        The same object for as long as it is the same chunk.
        """
        if self._priced is None:
            self._priced = *self._columns_of_points, self._block.unit_column[0]
        return self._priced

    @property
    def exact_values(self) -> tuple[list[int], int]:
        """The values of the chunk's bars in whole units, and the decimals of a unit."""
        return self._block.close_units  # type: ignore[no-any-return]

    def bar(self, row: int) -> Any:
        """Return one of the chunk's bars."""
        return self._real(self._block, row)

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

    def skip_before(self, end_us: int) -> list[int]:
        """Drop the points at hand before a time, but for the price that they leave; return when they were due."""
        index = bisect_left(self._emits, end_us, self._index, self._count)
        if index == self._index:
            return []
        times = self._emits[self._index : index]
        self._index = index - 1
        self.store(self.next_point())
        self.security.has_data = True
        self.security._fixed = None
        return times

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
        self._priced = None
        self.both_sides = bool(columns.sides) and bool(columns.sides["bid"].all() and columns.sides["ask"].all())
        if not self.config.fill_data_forward:
            self._rows = None
            self._emits, self._columns_of_points = columns.end_us.tolist(), (columns.end_us, None)
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
        after = np.searchsorted(ends, ends_grid, side="left")
        missing = ends[np.minimum(after, len(ends) - 1)] != ends_grid
        starts_grid, ends_grid, rows = starts_grid[missing], ends_grid[missing], after[missing] - 1
        self._index, self._count = carried, len(columns)
        if not len(ends_grid):
            self._rows, self._emits = None, columns.end_us.tolist()
            self._columns_of_points = columns.end_us, None
            return
        everything = np.concatenate((ends, ends_grid))
        order = np.argsort(everything, kind="stable")
        rows = np.concatenate((np.arange(len(ends)), rows))[order]
        emits = np.concatenate((columns.end_us, exchange.utcs(ends_grid)))[order]
        self._rows, self._emits, self._columns_of_points = rows.tolist(), emits.tolist(), (emits, rows)
        none = np.zeros(len(ends), dtype=np.int64)
        self._copies = np.concatenate((none, ends_grid))[order].tolist()
        self._spans = np.concatenate((none, ends_grid - starts_grid))[order].tolist()
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
