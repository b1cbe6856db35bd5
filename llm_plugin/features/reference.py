"""The vectorised twin of `FeatureEngine`: the features of a whole history at once, for training and checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from llm_plugin.domain import PriceBar
from llm_plugin.errors import DataError
from llm_plugin.features.averages import RECORD, FloatArray
from llm_plugin.features.catalog import market_feature_names
from llm_plugin.features.kernels import market_block
from llm_plugin.features.state import READY_BARS, ROWS, WINDOW_BARS, BarState

__all__ = ["BarColumns", "bar_columns", "market_features"]

_CHUNK = 512
_SIDES = ("bid_open", "bid_high", "bid_low", "bid_close", "ask_open", "ask_high", "ask_low", "ask_close")


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Bars as columns. `prices` is (n, 8): bid open, high, low, close, then ask; times are seconds since 1970 UTC."""

    start_seconds: FloatArray
    end_seconds: FloatArray
    prices: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.end_seconds)

    @property
    def mid(self) -> FloatArray:
        """Mid open, high, low, close, (n, 4)."""
        return (self.prices[:, :4] + self.prices[:, 4:]) / 2

    def head(self, n: int) -> BarColumns:
        """Return the first n bars."""
        return BarColumns(self.start_seconds[:n], self.end_seconds[:n], self.prices[:n], self.volume[:n])


def bar_columns(bars: Any) -> BarColumns:
    """Return bars as columns.

    Args:
        bars: A `BarColumns`, a columnar object like `data.bars.PriceBars` (`start_us`, `end_us`, the eight bid and
            ask price arrays, `volume`), or an iterable of `PriceBar`.
    """
    if isinstance(bars, BarColumns):
        return bars
    if hasattr(bars, "bid_open") and hasattr(bars, "end_us"):
        prices = np.stack([np.asarray(getattr(bars, name), dtype=np.float64) for name in _SIDES], axis=1)
        volume = np.asarray(bars.volume, dtype=np.float64)
        return BarColumns(np.asarray(bars.start_us) / 1e6, np.asarray(bars.end_us) / 1e6, prices, volume)
    return _from_price_bars(bars)


def _from_price_bars(bars: Iterable[PriceBar]) -> BarColumns:
    rows = [
        (bar.start_utc.timestamp(), bar.end_utc.timestamp(), *(getattr(bar, name) for name in _SIDES), bar.volume)
        for bar in bars
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 11)
    return BarColumns(table[:, 0], table[:, 1], table[:, 2:10], table[:, 10])


def market_features(bars: Any) -> FloatArray:
    """Return the 228 market features of every bar, (n, 228); all NaN before the engine would be ready.

    Args:
        bars: Whatever `bar_columns` takes, in time order.

    Raises:
        DataError: A price not above 0, a high below a low, or times out of order; names the first such bar.
    """
    columns = bar_columns(bars)
    n = len(columns)
    out = np.full((n, len(market_feature_names())), np.nan)
    if n < READY_BARS:
        return out
    rows, record, scalars = _recursion(columns)
    has_volume = bool(np.isfinite(columns.volume).any())
    windows = np.lib.stride_tricks.sliding_window_view(rows, WINDOW_BARS, axis=1)
    for begin in range(READY_BARS - 1, n, _CHUNK):
        end = min(begin + _CHUNK, n)
        chunk = windows[:, begin - WINDOW_BARS + 1 : end - WINDOW_BARS + 1]
        out[begin:end] = market_block(chunk, record[begin:end], scalars[begin:end], has_volume)
    return out


def _recursion(columns: BarColumns) -> tuple[FloatArray, FloatArray, FloatArray]:
    n = len(columns)
    mid = columns.mid
    _check(columns, mid)
    state = BarState()
    rows, record = np.empty((n, len(ROWS))), np.empty((n, len(RECORD)))
    scalars = np.empty((n, len(state.scalars)))
    spread = (columns.prices[:, 7] - columns.prices[:, 3]).tolist()
    starts, ends, volume = columns.start_seconds.tolist(), columns.end_seconds.tolist(), columns.volume.tolist()
    for i, bar in enumerate(mid.tolist()):
        state.step(starts[i], ends[i], tuple(bar), spread[i], volume[i])
        rows[i] = state.column
        record[i] = state.record
        scalars[i] = state.scalars
    return np.ascontiguousarray(rows.T), record, scalars


def _check(columns: BarColumns, mid: FloatArray) -> None:
    low, high = mid[:, 2], mid[:, 1]
    inside = (mid[:, [0, 3]] >= low[:, None]).all(1) & (mid[:, [0, 3]] <= high[:, None]).all(1)
    bad = np.logical_not(np.isfinite(mid).all(1) & (columns.prices > 0).all(1) & inside)
    bad[1:] |= np.diff(columns.end_seconds) <= 0
    if bad.any():
        i = int(bad.argmax())
        raise DataError(
            f"bar {i} ending {columns.end_seconds[i]:.0f} s after 1970: mid prices {mid[i].tolist()} are not a bar, "
            "or it is not later than the bar before; run `lean-llm data check`"
        )
