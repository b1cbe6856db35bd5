"""Bars as columns: exact scaled integers and floats."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.enums import TickType

__all__ = ["QUOTE_FIELDS", "TRADE_FIELDS", "BarColumns", "Floats", "Ints", "join_columns"]

Ints = NDArray[np.int64]


Floats = NDArray[np.float64]


TRADE_FIELDS = ("open", "high", "low", "close")


QUOTE_FIELDS = tuple(f"{side}_{name}" for side in ("bid", "ask") for name in TRADE_FIELDS)

_OFTEN = 48


@dataclass(slots=True)
class BarColumns:
    """Bars of one series. Prices: `exact[name] / 10 ** scale`; `digits[name]` = decimals of the number as LEAN has it.

    Trade bars have open, high, low, close and `volume`; quote bars bid_open ... ask_close, `bid_size`, `ask_size`
    and `has_bid`, `has_ask`. Times are microseconds since 1970 in UTC.
    """

    tick_type: TickType
    start_us: Ints
    end_us: Ints
    scale: int
    exact: dict[str, Ints]
    digits: dict[str, NDArray[np.uint8]]
    sizes: dict[str, Floats]
    sides: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    # Columns that were asked for one price often: mantissas and exponents.
    _known: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict, init=False, repr=False)
    _asked: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.start_us)

    @property
    def volume(self) -> Floats:
        """Traded volume; NaN for quotes, which have none."""
        return self.sizes["volume"] if "volume" in self.sizes else np.full(len(self), np.nan)

    def floats(self, name: str) -> Floats:
        """Return a price column as float64; for quote bars `open` ... `close` are mid prices."""
        if name in self.exact:
            return np.asarray(self.exact[name] / 10.0**self.scale, dtype=np.float64)
        bid, ask = self.exact[f"bid_{name}"], self.exact[f"ask_{name}"]
        both = self.sides["bid"] & self.sides["ask"]
        total = np.where(both, bid + ask, 2 * np.where(self.sides["bid"], bid, ask))
        return np.asarray(total / (2 * 10.0**self.scale), dtype=np.float64)

    def decimal(self, name: str, row: int) -> Decimal:
        """Return one price exactly, with LEAN's count of decimals."""
        known = self._known.get(name)
        if known is not None:
            return Decimal(known[0][row]).scaleb(known[1][row])
        asked = self._asked[name] = self._asked.get(name, 0) + 1
        if asked == _OFTEN:
            digits = self.digits[name].astype(np.int64)
            self._known[name] = (self.exact[name] // 10 ** (self.scale - digits)).tolist(), (-digits).tolist()
        found = int(self.digits[name][row])
        return Decimal(int(self.exact[name][row]) // 10 ** (self.scale - found)).scaleb(-found)

    def take(self, rows: Any) -> BarColumns:
        """Return the bars of a mask, slice or index array."""
        return BarColumns(
            self.tick_type,
            self.start_us[rows],
            self.end_us[rows],
            self.scale,
            {k: v[rows] for k, v in self.exact.items()},
            {k: v[rows] for k, v in self.digits.items()},
            {k: v[rows] for k, v in self.sizes.items()},
            {k: v[rows] for k, v in self.sides.items()},
        )


def _size_columns(tick_type: TickType) -> dict[str, int]:
    return {"volume": 5} if tick_type == TickType.TRADE else {"bid_size": 5, "ask_size": 10}


def join_columns(parts: list[BarColumns], tick_type: TickType) -> BarColumns:
    """Return the bars of several parts as one."""
    fields = TRADE_FIELDS if tick_type == TickType.TRADE else QUOTE_FIELDS
    sides = ("bid", "ask") if tick_type == TickType.QUOTE else ()
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return BarColumns(
            tick_type,
            none,
            none,
            0,
            {name: none for name in fields},
            {name: none.astype(np.uint8) for name in fields},
            {name: none.astype(np.float64) for name in _size_columns(tick_type)},
            {name: none.astype(bool) for name in sides},
        )
    if len(parts) == 1:
        return parts[0]
    scale = max(part.scale for part in parts)
    wide = any(column.dtype == object for part in parts for column in part.exact.values())
    kind: Any = object if wide or scale - min(part.scale for part in parts) > 8 else np.int64
    return BarColumns(
        tick_type,
        np.concatenate([p.start_us for p in parts]),
        np.concatenate([p.end_us for p in parts]),
        scale,
        {
            name: np.concatenate([p.exact[name].astype(kind) * 10 ** (scale - p.scale) for p in parts])
            for name in fields
        },
        {name: np.concatenate([p.digits[name] for p in parts]) for name in fields},
        {name: np.concatenate([p.sizes[name] for p in parts]) for name in parts[0].sizes},
        {name: np.concatenate([p.sides[name] for p in parts]) for name in sides},
    )
