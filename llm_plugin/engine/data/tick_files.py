"""Tick files as columns: exact prices, sizes, exchanges and conditions of the trades or quotes of one day."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.enums import SecurityType, TickType
from llm_plugin.engine.base.zones import DAY_US, EPOCH, Zone
from llm_plugin.engine.data.bar_columns import Floats, Ints
from llm_plugin.engine.data.csv_decode import CsvTable, decode, read_member
from llm_plugin.engine.market.market_hours import MarketHoursEntry
from llm_plugin.errors import DataError

__all__ = ["TickColumns", "read_tick_file", "tick_fields"]

_EPOCH_ORDINAL = EPOCH.toordinal()
_SCALE = 4


class TickText:
    """The exchange and condition of each line, split when somebody asks."""

    def __init__(self, data: bytes, column: int) -> None:
        self._data, self._column = data, column
        self._rows: list[tuple[str, str]] | None = None

    def of(self, row: int) -> tuple[str, str]:
        """Return exchange and condition of a line."""
        if self._rows is None:
            lines = self._data.decode(errors="replace").replace("\r", "").rstrip("\n").split("\n")
            at = self._column
            self._rows = [(parts[at], parts[at + 1]) for parts in (line.split(",", at + 2) for line in lines)]
        return self._rows[row]


@dataclass(slots=True)
class TickColumns:
    """Ticks of one file in the file's order; prices are `exact[name] / 10 ** scale` with `digits[name]` decimals."""

    time_us: Ints
    scale: int
    exact: dict[str, Any]
    digits: dict[str, NDArray[np.uint8]]
    sizes: dict[str, Floats]
    suspicious: NDArray[np.bool_]
    text: TickText | None
    lines: Ints

    def __len__(self) -> int:
        return len(self.time_us)

    def decimal(self, name: str, row: int) -> Decimal:
        """Return one price exactly, with LEAN's count of decimals."""
        digits = int(self.digits[name][row])
        return Decimal(int(self.exact[name][row]) // 10 ** (self.scale - digits)).scaleb(-digits)

    def floats(self, name: str) -> Floats:
        """Return a price column as float64."""
        return np.asarray(self.exact[name] / 10.0**self.scale, dtype=np.float64)

    def text_of(self, row: int) -> tuple[str, str]:
        """Return exchange and condition, empty where the file has none."""
        return self.text.of(int(self.lines[row])) if self.text is not None else ("", "")

    def take(self, rows: NDArray[np.bool_]) -> TickColumns:
        """Return the ticks of a mask."""
        return TickColumns(
            self.time_us[rows],
            self.scale,
            {name: values[rows] for name, values in self.exact.items()},
            {name: values[rows] for name, values in self.digits.items()},
            {name: values[rows] for name, values in self.sizes.items()},
            self.suspicious[rows],
            self.text,
            self.lines[rows],
        )


def tick_fields(tick_type: TickType) -> tuple[str, ...]:
    """Return the price columns of trades or quotes."""
    return ("value",) if tick_type == TickType.TRADE else ("bid_price", "ask_price")


def _layout(kind: SecurityType, tick_type: TickType) -> tuple[dict[str, int], dict[str, int], int | None, int | None]:
    """Return price columns, size columns, the exchange's column and the one of the suspicious flag."""
    if kind in (SecurityType.FOREX, SecurityType.CFD):
        return {"bid_price": 1, "ask_price": 2}, {}, None, None
    equity = kind == SecurityType.EQUITY
    if tick_type == TickType.TRADE:
        return {"value": 1}, {"quantity": 2}, 3 if equity else None, 5 if equity else 3
    prices, sizes = {"bid_price": 1, "ask_price": 3}, {"bid_size": 2, "ask_size": 4}
    return prices, sizes, 5 if equity else None, 7 if equity else 5


def read_tick_file(
    path: Path, kind: SecurityType, tick_type: TickType, entry: MarketHoursEntry, day: date
) -> TickColumns:
    """Decode the ticks of one day.

    Raises:
        DataError: The file is damaged; path and row are named.
    """
    state = path.stat()
    return _cached(path, state.st_mtime_ns, state.st_size, kind, tick_type, entry.data_time_zone, day)


# The ticks that set prices and the suspicious ones are two streams of the same file.
@lru_cache(maxsize=4)
def _cached(
    path: Path, modified_ns: int, size: int, kind: SecurityType, tick_type: TickType, zone: Zone, day: date
) -> TickColumns:
    data = read_member(path)
    prices, sizes, exchange, flag = _layout(kind, tick_type)
    text = frozenset() if exchange is None else frozenset({exchange, exchange + 1})
    width = data.partition(b"\n")[0].count(b",") + 1
    needed = max((*prices.values(), *sizes.values())) + 1
    if data.strip() and width < needed:
        raise DataError(f"{path} row 1 has {width} fields where {needed} are expected for ticks; replace the file")
    has_text = exchange is not None and width > exchange + 1
    table = _fast(data, width, text) if has_text or not text else None
    if table is None:
        table = decode(data, path, text if has_text else frozenset())
    if not len(table.values):
        table = CsvTable(np.zeros((0, width), np.int64), np.zeros((0, width), np.uint8), np.zeros((0, width), bool))
    exact, digits, scale = _prices(table, prices, kind)
    known = flag is not None and width > flag
    return TickColumns(
        _times(table, zone, day),
        scale,
        exact,
        digits,
        {name: table.values[:, at] / 10.0 ** table.digits[:, at] for name, at in sizes.items()},
        table.values[:, flag] == 1 if known and flag is not None else np.zeros(len(table.values), dtype=bool),
        TickText(data, exchange) if has_text and exchange is not None else None,
        np.arange(len(table.values)),
    )


def _fast(data: bytes, width: int, text: frozenset[int]) -> CsvTable | None:
    """Decode with pandas where all numbers are whole, as equities' are; None leaves it to the exact decoder."""
    import pandas as pd

    numbers = [column for column in range(width) if column not in text]
    try:
        frame = pd.read_csv(
            io.BytesIO(data), header=None, usecols=numbers, dtype=np.int64, na_filter=False, on_bad_lines="error"
        )
    except (ValueError, OverflowError, pd.errors.ParserError):
        return None
    values = np.zeros((len(frame), width), dtype=np.int64)
    values[:, numbers] = frame.to_numpy()
    return CsvTable(values, np.zeros(values.shape, dtype=np.uint8), np.zeros(values.shape, dtype=bool))


def _times(table: CsvTable, zone: Zone, day: date) -> Ints:
    spent, places = table.values[:, 0], table.digits[:, 0].astype(np.int64)
    # Milliseconds, some with decimals.
    local = (day.toordinal() - _EPOCH_ORDINAL) * DAY_US + spent * 1000 // 10**places
    return zone.utcs(local)


def _prices(
    table: CsvTable, columns: dict[str, int], kind: SecurityType
) -> tuple[dict[str, Any], dict[str, NDArray[np.uint8]], int]:
    equity = kind == SecurityType.EQUITY
    exact: dict[str, Any] = {}
    digits: dict[str, NDArray[np.uint8]] = {}
    scale = _SCALE if equity else int(table.digits[:, list(columns.values())].max(initial=0))
    for name, at in columns.items():
        values = table.values[:, at]
        if equity:
            # LEAN divides by 10,000: a quotient has no more decimals than it needs.
            places = np.full(len(values), _SCALE, dtype=np.uint8)
            for zeros in range(1, _SCALE + 1):
                places[values % 10**zeros == 0] = _SCALE - zeros
            exact[name], digits[name] = values, places
        else:
            digits[name] = table.digits[:, at]
            exact[name] = values * 10 ** (scale - table.digits[:, at].astype(np.int64))
    return exact, digits, scale
