"""Bar times of a synthetic exchange."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from llm_plugin.data.synth_config import SynthConfig
from llm_plugin.engine.base.zones import DAY_US, HOUR_US, MINUTE_US, SECOND_US, zone

__all__ = ["BarTimes", "bar_times", "trading_days"]

_NEW_YORK = "America/New_York"
_THURSDAY_EPOCH = 3  # 1970-01-01 was a Thursday; Monday is 0


class BarTimes:
    """Start of every bar in data time and its end in UTC, in microseconds since 1970."""

    __slots__ = ("end_utc_us", "start_data_us")

    def __init__(self, start_data_us: NDArray[np.int64], end_utc_us: NDArray[np.int64]) -> None:
        self.start_data_us = start_data_us
        self.end_utc_us = end_utc_us


def _weekday(local_us: NDArray[np.int64]) -> NDArray[np.int64]:
    return (local_us // DAY_US + _THURSDAY_EPOCH) % 7


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND_US


def trading_days(first: date, count: int) -> NDArray[np.int64]:
    """Return the midnights of `count` weekdays from `first` on, in microseconds of local time."""
    days = _midnight(first) + np.arange(count * 2 + 14, dtype=np.int64) * DAY_US
    return days[_weekday(days) < 5][:count]


def bar_times(config: SynthConfig) -> BarTimes:
    """Return the first `config.bars` bars from the start date on."""
    step = config.bar_seconds * SECOND_US
    if config.security_type == "equity":
        return _equity_times(config, step)
    return _forex_times(config, step)


def _forex_times(config: SynthConfig, step: int) -> BarTimes:
    # 5/7 of the week is open; the surplus covers the first, partial week.
    count = config.bars * 7 // 5 + 7 * DAY_US // step + 16
    starts = _midnight(config.start) + np.arange(count, dtype=np.int64) * step
    inside = np.zeros(len(starts), dtype=bool)
    # A bar counts if any part of it lies in the session; at most an hour has no edge inside, a day has its two ends.
    for offset in (0, step - 1):
        local = zone(_NEW_YORK).locals(starts + offset)
        weekday, time = _weekday(local), local % DAY_US
        inside |= (weekday < 4) | ((weekday == 4) & (time < 17 * HOUR_US)) | ((weekday == 6) & (time >= 17 * HOUR_US))
    starts = starts[inside][: config.bars]
    # As LEAN counts: a day ends a day later on the exchange's clock, also when that clock changes.
    clock = zone(_NEW_YORK)
    return BarTimes(starts, clock.utcs(clock.locals(starts) + step))


def _equity_times(config: SynthConfig, step: int) -> BarTimes:
    clock = zone(_NEW_YORK)
    if step == DAY_US:
        days = trading_days(config.start, config.bars)
        return BarTimes(days, clock.utcs(days + 16 * HOUR_US))
    first = 9 * HOUR_US if step == HOUR_US else 9 * HOUR_US + 30 * MINUTE_US
    in_day = np.arange(first, 16 * HOUR_US, step, dtype=np.int64)
    days = trading_days(config.start, config.bars // len(in_day) + 1)
    starts = (days[:, None] + in_day[None, :]).ravel()[: config.bars]
    return BarTimes(starts, clock.utcs(starts + step))
