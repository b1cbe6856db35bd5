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
) -> dict[str, Bars]:
    """Return the bars of symbols by ticker, from `lookback_bars` before the run to its end.

    Raises:
        DataError: A symbol has no bar in the period.
    """
    begin = max(_EARLIEST, start - timedelta(days=_days(lookback_bars, resolution, security_type)))
    key = (str(Path(data_folder).resolve()), tuple(symbols), security_type, resolution, begin, start, end, price_mode)
    return dict(_load(*key))


def _days(bars: int, resolution: str, security_type: str) -> int:
    around_the_clock = security_type != "equity"
    per_day = {"daily": 1.0, "hour": 24.0 if around_the_clock else 7.0, "minute": 1440.0 if around_the_clock else 390.0}
    # Rounded up, so that tasks with like conditions share one reading.
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
    found = []
    for name, zone, rows in result.algorithm.recorded.values():
        if not any(row[0] > datetime.combine(start, datetime.min.time()) for row in rows):
            raise DataError(f"{folder} has no {resolution} bars of {name} from {start} to {end}")
        found.append((name, _arrays(name, str(zone), rows, start)))
    return tuple(found)


def _arrays(name: str, zone: str, rows: list[tuple[Any, ...]], start: date) -> Bars:
    ends = tuple(row[0] for row in rows)
    place = ZoneInfo(zone)
    utc = [moment.replace(tzinfo=place) - _EPOCH for moment in ends]
    ends_us = np.array([part.days * 86_400_000_000 + part.seconds * 1_000_000 for part in utc], dtype=np.int64)
    names = ("open", "high", "low", "close", "volume")
    begin = datetime.combine(start, datetime.min.time())
    table = np.array([row[1:] for row in rows], dtype=np.float64)
    fields = {field: np.ascontiguousarray(table[:, column]) for column, field in enumerate(names)}
    first = next(at for at, moment in enumerate(ends) if moment > begin)
    return Bars(name, ends_us, ends, fields, first)
