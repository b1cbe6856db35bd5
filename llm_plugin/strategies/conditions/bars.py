"""Trusted bars: what LEAN would have shown of a symbol, as arrays; read once per process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from llm_plugin.errors import DataError

__all__ = ["Bars", "load_bars"]

Floats = NDArray[np.float64]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = date(1998, 1, 5)


@dataclass(frozen=True, eq=False)
class Bars:
    """One symbol's bars in time order.

    Attributes:
        symbol: Its ticker.
        ends_us: End of each bar in microseconds since 1970, UTC.
        local_ends: The same in the exchange's time zone, naive.
        fields: open, high, low, close, volume by name.
        first: Index of the first bar of the run; those before are for warm-up.
    """

    symbol: str
    ends_us: NDArray[np.int64]
    local_ends: tuple[datetime, ...]
    fields: dict[str, Floats]
    first: int

    def __len__(self) -> int:
        return len(self.ends_us)

    @property
    def close(self) -> Floats:
        """Closing prices."""
        return self.fields["close"]

    def index_at(self, utc_us: int) -> int:
        """Return the last bar that has ended by a time; -1 before the first."""
        return int(np.searchsorted(self.ends_us, utc_us, side="right")) - 1

    def rows(self) -> Iterator[tuple[datetime, float, float, float, float, float]]:
        """Yield end, open, high, low, close, volume."""
        f = self.fields
        columns = (f[name].tolist() for name in ("open", "high", "low", "close", "volume"))
        yield from zip(self.local_ends, *columns, strict=True)


def load_bars(
    data_folder: Path,
    symbols: Sequence[str],
    *,
    security_type: str,
    resolution: str,
    start: date,
    end: date,
    lookback_bars: int,
    price_mode: str = "adjusted",
    time_zone: str = "America/New_York",
) -> dict[str, Bars]:
    """Return the bars of symbols by ticker, from `lookback_bars` before the run to its end.

    Args:
        data_folder: LEAN-format data.
        symbols: Tickers.
        security_type: As in the requirements.
        resolution: daily, hour or minute.
        start: First day of the run, in `time_zone`.
        end: Its last day.
        lookback_bars: How many bars before the run are wanted for warm-up.
        price_mode: LEAN's data normalization mode.
        time_zone: The algorithm's.

    Raises:
        DataError: A symbol has no bar in the period.
    """
    begin = max(_EARLIEST, start - timedelta(days=_days(lookback_bars, resolution, security_type)))
    folder = str(Path(data_folder).resolve())
    found = _load(folder, tuple(symbols), security_type, resolution, begin, start, end, price_mode, time_zone)
    return dict(found)


def _days(bars: int, resolution: str, security_type: str) -> int:
    around_the_clock = security_type != "equity"
    per_day = {"daily": 1.0, "hour": 24.0 if around_the_clock else 7.0, "minute": 1440.0 if around_the_clock else 390.0}
    # Rounded up, so that tasks with like conditions share one reading.
    if resolution == "minute":
        return int(-(-bars * 1.5 // per_day[resolution])) + 3
    days = bars / per_day[resolution] * 1.5 + 10
    return int(-(-days // 60) * 60)


@lru_cache(maxsize=64)
def _load(
    folder: str,
    symbols: tuple[str, ...],
    kind: str,
    resolution: str,
    begin: date,
    start: date,
    end: date,
    price_mode: str,
    time_zone: str,
) -> tuple[tuple[str, Bars], ...]:
    from llm_plugin.engine.runner import run_backtest

    parameters = {"symbols": ",".join(symbols), "kind": kind, "resolution": resolution, "price_mode": price_mode}
    result = run_backtest(
        Path(__file__).with_name("bar_recorder.py"),
        data_folder=Path(folder),
        results_folder=None,
        parameters=parameters,
        start=begin,
        end=end,
    )
    begin_us = _us(datetime.combine(start, datetime.min.time(), ZoneInfo(time_zone)))
    found = []
    for name, zone, trades, quotes in result.algorithm.recorded.values():
        bars = _arrays(name, ZoneInfo(str(zone)), trades or quotes, begin_us)
        if bars.first >= len(bars):
            raise DataError(f"{folder} has no {resolution} bars of {name} from {start} to {end}")
        found.append((name, bars))
    return tuple(found)


def _us(moment: datetime) -> int:
    part = moment - _EPOCH
    return (part.days * 86_400 + part.seconds) * 1_000_000


def _arrays(name: str, zone: ZoneInfo, rows: list[tuple[Any, ...]], begin_us: int) -> Bars:
    ends = tuple(row[0] for row in rows)
    ends_us = np.array([_us(moment.replace(tzinfo=zone)) for moment in ends], dtype=np.int64)
    names = ("open", "high", "low", "close", "volume")
    table = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), len(names))
    fields = {field: np.ascontiguousarray(table[:, column]) for column, field in enumerate(names)}
    first = int(np.searchsorted(ends_us, begin_us, side="right"))
    return Bars(name, ends_us, ends, fields, first)
