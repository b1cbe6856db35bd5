"""Bars by price or volume: Renko and range."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from llm_plugin.engine.base.enums import TickType
from llm_plugin.engine.consolidators.base import DataConsolidator
from llm_plugin.engine.data.bars import BaseData, Tick, TradeBar

__all__ = [
    "BarDirection",
    "ClassicRangeConsolidator",
    "ClassicRenkoConsolidator",
    "RangeBar",
    "RangeConsolidator",
    "RenkoBar",
    "RenkoConsolidator",
    "VolumeRenkoBar",
    "VolumeRenkoConsolidator",
]


class BarDirection:
    """Direction of a Renko bar."""

    RISING = Rising = 0
    NO_DELTA = NoDelta = 1
    FALLING = Falling = 2


class _SizedBar(TradeBar):
    """A bar that ends by price or volume instead of time."""

    __slots__ = ("_end", "brick_size", "is_closed")

    def __init__(self, symbol: Any, time: datetime, end: datetime, size: float, prices: tuple[float, ...]) -> None:
        first, high, low, close, *volume = prices
        super().__init__(time, symbol, first, high, low, close, volume[0] if volume else 0.0)
        self._end = end
        self.brick_size = size
        self.is_closed = False

    @property
    def end_time(self) -> Any:
        """When the last price came in."""
        return self._end

    @end_time.setter
    def end_time(self, moment: datetime) -> None:
        self._end = moment

    def clone(self, fill_forward: bool = False) -> Any:
        """Return a copy."""
        prices = (self.open, self.high, self.low, self.close, self.volume)
        copy = type(self)(self.symbol, self.time or self._end, self._end, self.brick_size, prices)
        copy.is_closed = self.is_closed
        return copy


class RenkoBar(_SizedBar):
    """A brick."""

    @property
    def direction(self) -> int:
        """Rising, falling or neither."""
        if self.open < self.close:
            return BarDirection.RISING
        return BarDirection.FALLING if self.open > self.close else BarDirection.NO_DELTA

    @property
    def start(self) -> datetime:
        """The time."""
        return self.time  # type: ignore[return-value]


class VolumeRenkoBar(_SizedBar):
    """A brick of volume."""


class RangeBar(_SizedBar):
    """A bar of a fixed range."""

    @property
    def range_size(self) -> float:
        """The range."""
        return self.brick_size


def closest_multiple(price: float, size: float) -> float:
    """The multiple of `size` nearest to a price."""
    whole = math.floor(price / size)
    return size * (whole + round((price - size * whole) / size))


class RenkoConsolidator(DataConsolidator):
    """Wicked Renko bars: bricks of a fixed size, a reversal needs two."""

    input_type = BaseData
    output_type = RenkoBar

    def __init__(self, bar_size: float) -> None:
        super().__init__()
        if bar_size <= 0:
            raise ValueError(f"the bar size must be above 0, not {bar_size}")
        self._size = float(bar_size)
        self._forget()

    def _forget(self) -> None:
        self._open_time: datetime | None = None
        self._open = self._high = self._low = 0.0
        self._last: RenkoBar | None = None
        self._current: RenkoBar | None = None

    @property
    def working_data(self) -> Any:
        """The last brick."""
        return self._current.clone() if self._current is not None else None

    def update(self, data: Any) -> None:
        """Take a price."""
        rate, now = float(data.price), data.time
        if self._open_time is None:
            self._open_time = now
            self._open = self._high = self._low = closest_multiple(rate, self._size)
            return
        self._high, self._low = max(self._high, rate), min(self._low, rate)
        side = (rate > self._open) - (rate < self._open)
        if side == 0:
            return
        last = self._last
        same = BarDirection.RISING if side > 0 else BarDirection.FALLING
        if last is not None and last.direction != same:
            limit = last.open + side * self._size
            if side * (rate - limit) <= 0:
                return
            self._brick(data, last.open, limit, side)
        self._go_on(data, rate, side)

    def _go_on(self, data: Any, rate: float, side: int) -> None:
        limit = self._open + side * self._size
        while side * (rate - limit) > 0:
            self._brick(data, self._open, limit, side)
            limit = self._open + side * self._size

    def _brick(self, data: Any, start: float, limit: float, side: int) -> None:
        high, low = (limit, self._low) if side > 0 else (self._high, limit)
        opened = self._open_time if self._open_time is not None else data.time
        brick = RenkoBar(data.symbol, opened, data.time, self._size, (start, high, low, limit))
        brick.is_closed = True
        self._last = self._current = brick
        self.emit(brick)
        self._open_time, self._open = data.time, limit
        if side > 0:
            self._low = limit
        else:
            self._high = limit

    def reset(self) -> None:
        """Forget all data."""
        super().reset()
        self._forget()


def _volume_of(data: Any) -> float:
    if isinstance(data, TradeBar):
        return float(data.volume)
    return float(data.quantity) if isinstance(data, Tick) else 0.0


class _Timeless(DataConsolidator):
    """What classic Renko and range bars share: a value and a volume per input."""

    input_type = BaseData

    def __init__(
        self, selector: Callable[[Any], Any] | None = None, volume_selector: Callable[[Any], Any] | None = None
    ) -> None:
        super().__init__()
        self._select = selector or (lambda data: data.value)
        self._select_volume = volume_selector or _volume_of
        self._bar: Any = None

    @property
    def working_data(self) -> Any:
        """A copy of the unfinished bar, or None."""
        return self._bar.clone() if self._bar is not None else None

    def update(self, data: Any) -> None:
        """Take a value."""
        value, volume = float(self._select(data)), float(self._select_volume(data))
        if self._bar is not None:
            self._extend(data.time, value, volume)
        if self._bar is None:
            self._begin(data, value, volume)

    def _extend(self, time: datetime, value: float, volume: float) -> None:
        raise NotImplementedError

    def _begin(self, data: Any, value: float, volume: float) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all data."""
        super().reset()
        self._bar = None


class ClassicRenkoConsolidator(_Timeless):
    """Renko bars that close as soon as the value is one size away from the open."""

    output_type = RenkoBar

    def __init__(
        self,
        bar_size: float,
        selector: Any = None,
        volume_selector: Any = None,
        even_bars: bool = True,
    ) -> None:
        if isinstance(selector, bool):
            selector, even_bars = None, selector
        super().__init__(selector, volume_selector)
        if bar_size <= 0:
            raise ValueError(f"the bar size must be above 0, not {bar_size}")
        self._size, self._even = float(bar_size), even_bars
        self._last_close: float | None = None

    def _begin(self, data: Any, value: float, volume: float) -> None:
        start = self._last_close if self._last_close is not None else value
        if self._even and self._last_close is None:
            start = math.ceil(start / self._size) * self._size
        self._bar = RenkoBar(data.symbol, data.time, data.time, self._size, (start, start, start, start, volume))

    def _extend(self, time: datetime, value: float, volume: float) -> None:
        bar = self._bar
        bar.end_time = time
        low, high = bar.open - self._size, bar.open + self._size
        bar.close = min(max(value, low), high)
        bar.high, bar.low = max(bar.high, bar.close), min(bar.low, bar.close)
        bar.volume += volume
        if value <= low or value >= high:
            bar.is_closed = True
            self._last_close = bar.close
            self.emit(bar)
            self._bar = None

    def reset(self) -> None:
        """Forget all data."""
        super().reset()
        self._last_close = None


class RangeConsolidator(_Timeless):
    """Bars of `range` price variations; the next one opens one variation beyond."""

    output_type = RangeBar

    def __init__(self, range: int, selector: Any = None, volume_selector: Any = None) -> None:
        super().__init__(selector, volume_selector)
        if range < 1:
            raise ValueError(f"the range must be at least 1 price variation, not {range}")
        self.range = int(range)
        self.range_size = 0.0
        self._tick = 0.0
        # The engine sets this when the consolidator is registered: it knows the symbol properties.
        self.minimum_price_variation: float | None = None

    def _begin(self, data: Any, value: float, volume: float) -> None:
        if not self.range_size:
            self._tick = self.minimum_price_variation or 0.01
            self.range_size = self._tick * self.range
            value = math.ceil(value / self.range_size) * self.range_size
        self._bar = self._opened(data.symbol, data.time, value, volume)

    def _opened(self, symbol: Any, time: datetime, value: float, volume: float) -> RangeBar:
        return RangeBar(symbol, time, time, self.range_size, (value, value, value, value, volume))

    def _grow(self, time: datetime, value: float, volume: float) -> None:
        bar = self._bar
        bar.end_time = time
        # A hair of tolerance: 116.02 - 116.01 is not exactly a cent for floats.
        slack = self._tick * 1e-6
        if value > bar.low + self.range_size + slack:
            bar.high = bar.close = bar.low + self.range_size
            bar.is_closed = True
        elif value < bar.high - self.range_size - slack:
            bar.low = bar.close = bar.high - self.range_size
            bar.is_closed = True
        else:
            bar.close = value
            bar.high, bar.low = max(bar.high, value), min(bar.low, value)
        bar.volume += volume

    def _extend(self, time: datetime, value: float, volume: float) -> None:
        rising = value > self._bar.high
        self._grow(time, value, volume)
        while self._bar.is_closed:
            done = self._bar
            self.emit(done)
            start = done.high + self._tick if rising else done.low - self._tick
            self._bar = self._opened(done.symbol, done.end_time, start, 0.0)
            self._grow(time, value, 0.0 if abs(self._bar.low - value) > self.range_size else volume)

    def reset(self) -> None:
        """Forget all data."""
        super().reset()
        self.range_size = 0.0


class ClassicRangeConsolidator(RangeConsolidator):
    """Range bars without phantom bars: the next one opens at the next value."""

    def _extend(self, time: datetime, value: float, volume: float) -> None:
        self._grow(time, value, volume)
        if self._bar.is_closed:
            self.emit(self._bar)
            self._bar = None


class VolumeRenkoConsolidator(DataConsolidator):
    """Bars that close when their volume is full; what is left opens the next."""

    input_type = BaseData
    output_type = VolumeRenkoBar

    def __init__(self, bar_size: float) -> None:
        super().__init__()
        if bar_size <= 0:
            raise ValueError(f"the bar size must be above 0, not {bar_size}")
        self._size = float(bar_size)
        self._bar: Any = None

    @property
    def working_data(self) -> Any:
        """The unfinished bar, or None."""
        return self._bar

    def update(self, data: Any) -> None:
        """Take a trade bar or trade tick."""
        if isinstance(data, TradeBar):
            prices, volume = (data.open, data.high, data.low, data.close), float(data.volume)
        elif isinstance(data, Tick):
            if data.tick_type != TickType.TRADE:
                return
            prices, volume = (data.price,) * 4, float(data.quantity)
        else:
            raise TypeError(f"VolumeRenkoConsolidator takes trade bars or ticks, not {type(data).__name__}")
        if self._bar is None:
            self._bar = VolumeRenkoBar(data.symbol, data.time, data.end_time, self._size, (*prices, 0.0))
        left = self._fill(data.end_time, prices, volume)
        while left >= 0:
            done = self._bar
            self.emit(done)
            close = done.close
            self._bar = VolumeRenkoBar(done.symbol, done.end_time, done.end_time, self._size, (close,) * 4)
            left = self._fill(data.end_time, prices, left)

    def _fill(self, end: datetime, prices: tuple[float, ...], volume: float) -> float:
        bar = self._bar
        _, high, low, close = prices
        bar.end_time, bar.close = end, close
        bar.high, bar.low = max(bar.high, high), min(bar.low, low)
        left: float = bar.volume + volume - self._size
        bar.volume = min(self._size, bar.volume + volume)
        bar.is_closed = left >= 0
        return left

    def reset(self) -> None:
        """Forget all data."""
        super().reset()
        self._bar = None
