"""`FeatureEngine`: the 228 market features of one symbol, bar by bar."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from llm_plugin.domain import PriceBar
from llm_plugin.errors import DataError
from llm_plugin.features.averages import FloatArray
from llm_plugin.features.catalog import FEATURE_SCHEMA_VERSION, market_feature_names, schema_hash
from llm_plugin.features.kernels import market_block
from llm_plugin.features.state import READY_BARS, ROWS, WINDOW_BARS, BarState, row_scales

__all__ = ["FeatureEngine"]

# Not a multiple of a page: rows that begin at the same offset of a page would push each other out of the cache.
_CAPACITY = 4 * WINDOW_BARS + 24


class FeatureEngine:
    """Incremental market features.

    Args:
        resolution: `minute`, `hour`, `daily` ...: kept in the state, so that it is not loaded into another resolution.
    """

    def __init__(self, resolution: str = "hour") -> None:
        self.resolution = resolution
        self._state = BarState()
        self._window = np.zeros((len(ROWS), _CAPACITY))
        self._at = WINDOW_BARS - 2  # column of the newest bar
        self._vector: FloatArray | None = None
        self._has_volume = False

    @property
    def ready(self) -> bool:
        """Whether the longest window is full."""
        return self._state.count >= READY_BARS

    @property
    def bars(self) -> int:
        """Bars taken so far."""
        return self._state.count

    def update(self, bar: PriceBar) -> None:
        """Take the next completed bar.

        Raises:
            DataError: A price that is not finite and above 0, a high below a low, or a bar out of order.
        """
        mid = (
            (bar.bid_open + bar.ask_open) / 2,
            (bar.bid_high + bar.ask_high) / 2,
            (bar.bid_low + bar.ask_low) / 2,
            (bar.bid_close + bar.ask_close) / 2,
        )
        start, end = bar.start_utc.timestamp(), bar.end_utc.timestamp()
        opened, high, low, close = mid
        # Written so that a NaN fails it.
        sound = low <= opened <= high and low <= close <= high < math.inf and bar.bid_low > 0 and bar.ask_low > 0
        if not sound:
            raise DataError(
                f"bar ending {bar.end_utc}: prices {mid} are not a bar (low <= open, close <= high, all > 0)"
            )
        if end <= self._state.end_seconds:
            raise DataError(
                f"bar ending {bar.end_utc} is not later than the bar before it; feed bars in order, once each"
            )
        self._state.step(start, end, mid, bar.ask_close - bar.bid_close, bar.volume)
        self._push(self._state.column)

    def _push(self, column: list[float]) -> None:
        self._at += 1
        if self._at == _CAPACITY:
            self._window[:, : WINDOW_BARS - 1] = self._window[:, _CAPACITY - WINDOW_BARS + 1 :]
            self._at = WINDOW_BARS - 1
        self._window[:, self._at] = column
        self._has_volume = self._has_volume or not math.isnan(column[ROWS["volume"]])
        self._vector = None

    def vector(self) -> FloatArray:
        """Return the features of the last bar, shape (228,); all NaN until `ready`. Do not write into it."""
        if self._vector is None:
            if not self.ready:
                return np.full(len(market_feature_names()), np.nan)
            window = self._window[:, None, self._at - WINDOW_BARS + 1 : self._at + 1]
            scalars = np.array(self._state.scalars)
            self._vector = market_block(window, self._state.record[None], scalars[None], self._has_volume)[0]
        return self._vector

    def as_dict(self) -> dict[str, float]:
        """Return the available features of the last bar by name; an unavailable one is absent."""
        values = self.vector().tolist()
        return {name: value for name, value in zip(market_feature_names(), values, strict=True) if value == value}

    def rescale(self, factor: float, volume_factor: float | None = None) -> None:
        """Bring all remembered prices to a new scale, as a split does (2:1 is 0.5).

        Args:
            factor: What an old price must be multiplied by.
            volume_factor: What an old volume must be multiplied by; 1 / factor where left out.

        Raises:
            DataError: A factor that is not above 0.
        """
        shares = 1 / factor if volume_factor is None and factor > 0 else volume_factor
        if shares is None or not 0 < factor < math.inf or not 0 < shares < math.inf:
            raise DataError(f"rescale by factor {factor}, volume factor {volume_factor}: both must be above 0")
        self._state.rescale(factor, shares)
        self._window *= np.array(row_scales(factor, shares))[:, None]
        self._vector = None

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state as JSON types (about 150 kB as text)."""
        window = self._window[:, self._at - WINDOW_BARS + 1 : self._at + 1]
        return {
            "schema": FEATURE_SCHEMA_VERSION,
            "hash": schema_hash(),
            "resolution": self.resolution,
            "has_volume": self._has_volume,
            "window": [[None if value != value else value for value in row] for row in window.tolist()],
            "state": self._state.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; the next bar gives the same vector as without the restart.

        Raises:
            DataError: The state belongs to another feature schema or resolution.
        """
        found = (state.get("schema"), state.get("hash"), state.get("resolution"))
        wanted = (FEATURE_SCHEMA_VERSION, schema_hash(), self.resolution)
        if found != wanted:
            raise DataError(
                f"feature state is of (schema, hash, resolution) {found}, not {wanted}; warm up from history"
            )
        self._state.load_state_dict(state["state"])
        self._has_volume = bool(state["has_volume"])
        self._at = WINDOW_BARS - 1
        self._window[:, :WINDOW_BARS] = np.array(state["window"], dtype=np.float64)
        self._vector = None
