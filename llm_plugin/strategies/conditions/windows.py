"""Functions of series that LEAN has no indicator for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

__all__ = ["calendar_field", "correlation", "delayed", "window_function"]

Floats = NDArray[np.float64]


def delayed(values: Floats, periods: int) -> Floats:
    """Return the value so many bars ago; NaN where there is none."""
    result = np.full(len(values), np.nan)
    if periods < len(values):
        result[periods:] = values[: len(values) - periods]
    return result


def _rolled(values: Floats, periods: int, compute: Callable[[Floats], Floats]) -> Floats:
    result = np.full(len(values), np.nan)
    if 0 < periods <= len(values):
        result[periods - 1 :] = compute(np.lib.stride_tricks.sliding_window_view(values, periods))
    return result


def _zscore(values: Floats, periods: int, style: str) -> Floats:
    def compute(windows: Floats) -> Floats:
        deviation = windows.std(axis=1, ddof=0 if style == "lean" else 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(deviation > 0, (windows[:, -1] - windows.mean(axis=1)) / deviation, np.nan)

    return _rolled(values, periods, compute)


def window_function(name: str, values: Floats, periods: int, style: str) -> Floats:
    """Return a window function of a series, the current bar included.

    Args:
        name: highest, lowest, median, zscore, percent_rank, change, delay or count.
        values: The series.
        periods: Bars in the window; for change and delay: bars back.
        style: "lean" divides deviations by n, "other" by n - 1.
    """
    if name == "delay":
        return delayed(values, periods)
    if name == "change":
        return values - delayed(values, periods)
    if name == "zscore":
        return _zscore(values, periods, style)
    functions: dict[str, Callable[[Floats], Floats]] = {
        "highest": lambda windows: windows.max(axis=1),
        "lowest": lambda windows: windows.min(axis=1),
        "median": lambda windows: np.median(windows, axis=1),
        "count": lambda windows: windows.sum(axis=1),
        "percent_rank": lambda windows: (windows[:, :-1] < windows[:, -1:]).mean(axis=1),
    }
    return _rolled(values, periods, functions[name])


def correlation(left: Floats, right: Floats, periods: int) -> Floats:
    """Return the rolling correlation of two series; NaN where one of them does not move."""
    result = np.full(len(left), np.nan)
    if not 1 < periods <= len(left):
        return result
    view = np.lib.stride_tricks.sliding_window_view
    a, b = view(left, periods), view(right, periods)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        result[periods - 1 :] = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return result


def calendar_field(name: str, moments: tuple[datetime, ...]) -> Floats:
    """Return a field of the calendar for each moment, in its own time zone."""
    simple: dict[str, Callable[[datetime], int]] = {
        "day_of_week": lambda moment: moment.weekday(),
        "day_of_month": lambda moment: moment.day,
        "month": lambda moment: moment.month,
        "year": lambda moment: moment.year,
        "hour": lambda moment: moment.hour,
        "minute": lambda moment: moment.minute,
    }
    if name in simple:
        return np.array([simple[name](moment) for moment in moments], dtype=np.float64)
    ordinal, left = _trading_days(moments)
    if name == "trading_day_of_month":
        return ordinal
    if name == "trading_days_left":
        return left
    chosen = ordinal == 1 if name == "first_trading_day_of_month" else left == 0
    return np.asarray(chosen, dtype=np.float64)


def _trading_days(moments: tuple[datetime, ...]) -> tuple[Floats, Floats]:
    """Count the days with bars of each month from its start and to its end (weekdays after the last bar count)."""
    months: dict[tuple[int, int], list[int]] = {}
    for moment in moments:
        days = months.setdefault((moment.year, moment.month), [])
        if not days or days[-1] != moment.day:
            days.append(moment.day)
    if moments:
        last = moments[-1]
        end = np.datetime64(f"{last.year + last.month // 12:04d}-{last.month % 12 + 1:02d}-01")
        missing = int(np.busday_count(np.datetime64(last.date()) + 1, end))
        months[last.year, last.month].extend(range(32, 32 + missing))
    places = {key: {day: at for at, day in enumerate(days)} for key, days in months.items()}
    at = np.array([places[m.year, m.month][m.day] for m in moments], dtype=np.float64)
    count = np.array([len(months[m.year, m.month]) for m in moments], dtype=np.float64)
    return at + 1, count - 1 - at
