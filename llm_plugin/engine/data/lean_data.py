"""LEAN-format bar files as columns: exact scaled integers and floats, decoded once and cached on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np

from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, SecurityType, TickType, resolution_span
from llm_plugin.engine.base.names import snake
from llm_plugin.engine.base.zones import DAY_US, EPOCH, HOUR_US, MINUTE_US, SECOND_US, to_us
from llm_plugin.engine.data.bad_data import open_table, sound_rows
from llm_plugin.engine.data.bar_columns import (
    QUOTE_FIELDS,
    TRADE_FIELDS,
    BarColumns,
    Floats,
    Ints,
    _size_columns,
    join_columns,
)
from llm_plugin.engine.data.csv_decode import CsvTable, decode, read_member, table_to_bytes
from llm_plugin.engine.data.histories import History, keep, kept
from llm_plugin.engine.data.map_files import load_map_file
from llm_plugin.engine.data.normalization import normalize_columns
from llm_plugin.engine.market.market_hours import ExchangeHours, MarketHoursEntry, load_market_hours
from llm_plugin.errors import DataError

__all__ = [
    "BarColumns",
    "bar_file",
    "cache_folder",
    "home_folder",
    "is_strict_daily",
    "join_columns",
    "read_columns",
    "read_file_columns",
    "read_history",
]

_EPOCH_ORDINAL = EPOCH.toordinal()
_SCALED_TYPES = frozenset({SecurityType.EQUITY})
_SPLIT_QUOTE_TYPES = frozenset({SecurityType.CRYPTO, SecurityType.CRYPTO_FUTURE})
_CACHE_FROM_BYTES = 1_000_000
_CACHE_VERSION = 1
_STRICT_FILES = 256


def cache_folder() -> Path:
    """Return the cache folder under `LEAN_LLM_HOME`."""
    return home_folder() / "cache" / "bars"


def home_folder() -> Path:
    """Return `LEAN_LLM_HOME`, `~/.lean-llm` by default."""
    home = os.environ.get("LEAN_LLM_HOME")
    return Path(home) if home else Path.home() / ".lean-llm"


def bar_file(
    data_folder: Path,
    security_type: SecurityType,
    market: str,
    ticker: str,
    resolution: Resolution,
    tick_type: TickType,
    day: date | None = None,
) -> Path:
    """Return the path of a series' file; `day` is needed below hourly bars."""
    kind = snake(str(security_type)).replace("_", "")
    folder = Path(data_folder) / kind / market / str(resolution).lower()
    name, side = ticker.lower(), str(tick_type).lower()
    if resolution >= Resolution.HOUR:
        suffix = f"_{side}" if security_type in _SPLIT_QUOTE_TYPES else ""
        return folder / f"{name}{suffix}.zip"
    if day is None:
        raise ValueError(f"a date is needed for {resolution} files")
    return folder / name / f"{day:%Y%m%d}_{side}.zip"


def is_strict_daily(security_type: SecurityType, market: str, hours: ExchangeHours) -> bool:
    """True where a daily bar runs from market open to market close instead of midnight to midnight."""
    if hours.is_market_always_open or security_type in (SecurityType.FOREX, SecurityType.BASE):
        return False
    return not (security_type == SecurityType.CFD and market == "oanda")


def read_columns(
    data_folder: Path,
    security_type: SecurityType,
    market: str,
    ticker: str,
    resolution: Resolution,
    tick_type: TickType,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    normalization: DataNormalizationMode = DataNormalizationMode.RAW,
) -> BarColumns:
    """Read a series from a LEAN data folder.

    Args:
        data_folder: Root of the data.
        security_type: Kind of instrument.
        market: `usa`, `oanda`, ...
        ticker: As in the file name.
        resolution: Second to daily.
        tick_type: Trade or quote.
        start: Bars that end before it are left out; naive means UTC.
        end: Bars that start after it are left out.
        normalization: Raw, Adjusted or SplitAdjusted prices (equities).

    Raises:
        DataError: There is no such file, or one is damaged.
    """
    root = Path(data_folder)
    entry = load_market_hours(root).get_entry(market, ticker.upper(), security_type)
    paths = _files(root, security_type, market, ticker, resolution, tick_type, start, end, entry)
    parts = [
        part
        for path, day in paths
        if len(part := read_file_columns(path, security_type, market, resolution, tick_type, entry, day))
    ]
    columns = join_columns(parts, tick_type)
    keep = np.ones(len(columns), dtype=bool)
    if start is not None:
        keep &= columns.end_us >= to_us(start)
    if end is not None:
        keep &= columns.start_us <= to_us(end)
    if len(columns):
        keep[1:] &= columns.end_us[1:] > np.maximum.accumulate(columns.end_us)[:-1]
    columns = columns.take(keep)
    if security_type == SecurityType.EQUITY and normalization != DataNormalizationMode.RAW:
        columns = normalize_columns(columns, root, market, ticker, normalization, entry)
    return columns


def _files(
    root: Path,
    kind: SecurityType,
    market: str,
    ticker: str,
    resolution: Resolution,
    tick_type: TickType,
    start: datetime | None,
    end: datetime | None,
    entry: MarketHoursEntry,
) -> list[tuple[Path, date | None]]:
    if resolution >= Resolution.HOUR:
        path = bar_file(root, kind, market, ticker, resolution, tick_type)
        if not path.is_file():
            raise DataError(f"{path} is missing: there are no {resolution} {tick_type} bars of {ticker} in {root}")
        return [(path, None)]
    sample = bar_file(root, kind, market, ticker, resolution, tick_type, date(2000, 1, 1))
    found: list[tuple[Path, date | None]] = []
    low = _local_date(start, entry) if start else date.min
    high = _local_date(end, entry) if end else date.max
    map_file = load_map_file(root, market, ticker.upper()) if kind == SecurityType.EQUITY else None
    folders = {sample.parent}
    if map_file is not None:
        folders |= {sample.parent.parent / name.lower() for _, name in map_file.rows}
    for path in sorted((p for f in folders for p in f.glob(f"*_{str(tick_type).lower()}.zip")), key=lambda p: p.name):
        day = date.fromisoformat(path.name[:8])
        if map_file is not None and map_file.ticker(day).lower() != path.parent.name:
            continue
        if low <= day <= high:
            found.append((path, day))
    if not found:
        raise DataError(
            f"{sample.parent} has no {tick_type} files between {low} and {high}: "
            f"there are no {resolution} bars of {ticker} in {root}"
        )
    return found


def _local_date(moment: datetime, entry: MarketHoursEntry) -> date:
    return (EPOCH + timedelta(microseconds=entry.data_time_zone.local(to_us(moment)))).date()


def read_file_columns(
    path: Path,
    security_type: SecurityType,
    market: str,
    resolution: Resolution,
    tick_type: TickType,
    entry: MarketHoursEntry,
    day: date | None = None,
    *,
    precise: bool = True,
) -> BarColumns:
    """Decode one bar file; `precise` lets daily bars run from open to close where the market closes.

    Raises:
        DataError: The file is damaged and the policy is to stop; path and row are named.
    """
    exchange = entry.exchange_hours.time_zone
    columns = read_history(History(path, security_type, resolution, tick_type, entry.data_time_zone, exchange), day)
    is_daily = resolution == Resolution.DAILY and len(columns) > 0
    if is_daily and precise and is_strict_daily(security_type, market, entry.exchange_hours):
        starts, ends = _strict_days(exchange.locals(columns.start_us), entry.exchange_hours)
        return replace(columns, start_us=starts, end_us=ends)
    return columns


def read_history(history: History, day: date | None = None) -> BarColumns:
    """Decode one bar file, or take the columns of a whole history that was read before; daily bars run a whole day.

    Raises:
        DataError: As `read_file_columns`.
    """
    path, kind, resolution, tick_type = history[:4]
    table, rows = open_table(path, _cached_table, 6 if tick_type == TickType.TRADE else 11)
    columns = kept(history, table) if day is None else None
    if columns is not None:
        return columns
    sound = sound_rows(table, rows, path, kind, resolution, tick_type)
    if not len(sound.values):
        return join_columns([], tick_type)
    columns = _decoded(history, sound, day)
    if day is None and sound is table and rows is None:
        keep(history, table, columns)
    return columns


def _decoded(history: History, table: CsvTable, day: date | None) -> BarColumns:
    path, kind, resolution, tick_type, data_zone, exchange = history
    fields = TRADE_FIELDS if tick_type == TickType.TRADE else QUOTE_FIELDS
    start_us = data_zone.utcs(_local_starts(table.values[:, 0], day, path))
    step = int(resolution_span(resolution).total_seconds()) * SECOND_US
    end_us = exchange.utcs(exchange.locals(start_us) + step)
    order = list(range(1, 5)) if tick_type == TickType.TRADE else [1, 2, 3, 4, 6, 7, 8, 9]
    scaled = 4 if kind in _SCALED_TYPES else 0
    digits = table.digits[:, order] + np.uint8(scaled)
    scale = int(digits.max()) if digits.size else 0
    powers = 10 ** (scale - digits.astype(np.int64))
    exact = table.values[:, order] * powers
    sizes = {name: _float(table, column) for name, column in _size_columns(tick_type).items()}
    columns = BarColumns(
        tick_type,
        start_us,
        end_us,
        scale,
        {name: np.ascontiguousarray(exact[:, i]) for i, name in enumerate(fields)},
        {name: np.ascontiguousarray(digits[:, i]) for i, name in enumerate(fields)},
        sizes,
    )
    if tick_type == TickType.QUOTE:
        columns.sides = {"bid": (exact[:, :4] != 0).all(axis=1), "ask": (exact[:, 4:] != 0).all(axis=1)}
    return columns


def _float(table: CsvTable, column: int) -> Floats:
    values: Floats = table.values[:, column] / 10.0 ** table.digits[:, column]
    return values


def _local_starts(raw: Ints, day: date | None, path: Path) -> Ints:
    if day is not None:
        return (day.toordinal() - _EPOCH_ORDINAL) * DAY_US + raw * 1000
    minutes, hours = raw % 100, raw // 100 % 100
    stamp = raw // 10_000
    years, months, days = stamp // 10_000, stamp // 100 % 100, stamp % 100
    wrong = (years < 1970) | (years > 2100) | (months < 1) | (months > 12) | (days < 1) | (days > 31) | (hours > 23)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{path} row {row + 1}: {int(raw[row])} is not a time 'yyyyMMdd HH:mm'; replace the file")
    months_since = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
    since = months_since.astype("datetime64[D]").astype(np.int64) + days - 1
    return since * DAY_US + hours * HOUR_US + minutes * MINUTE_US


def _strict_days(local: Ints, hours: ExchangeHours) -> tuple[Ints, Ints]:
    known: tuple[Ints, Ints] | None = hours.strict_days.get(key := local.tobytes())
    if known is not None:
        return known
    days = local // DAY_US
    trading, opens, closes = hours.day_spans(int(days.min()), int(days.max())) if len(days) else (days, days, days)
    at = np.minimum(np.searchsorted(trading, days), max(len(trading) - 1, 0))
    is_open = trading[at] == days if len(trading) else np.zeros(len(days), dtype=bool)
    starts, ends = days * DAY_US, (days + 1) * DAY_US
    starts[is_open], ends[is_open] = opens[at[is_open]], closes[at[is_open]]
    found = hours.time_zone.utcs(starts), hours.time_zone.utcs(ends)
    for array in found:
        array.flags.writeable = False
    if len(hours.strict_days) < _STRICT_FILES:
        hours.strict_days[key] = found
    return found


@lru_cache(maxsize=64)
def _memory_table(path: Path, modified_ns: int, size: int) -> CsvTable:
    key = hashlib.sha256(f"{_CACHE_VERSION}|{path.resolve()}|{modified_ns}|{size}".encode()).hexdigest()
    stored = cache_folder() / f"{key}.npz"
    if stored.is_file():
        try:
            with np.load(stored, allow_pickle=False) as loaded:
                return CsvTable(loaded["values"], loaded["digits"], loaded["empty"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            stored.unlink(missing_ok=True)
    data = read_member(path)
    table = decode(data, path)
    if len(data) >= _CACHE_FROM_BYTES:
        _store(stored, table_to_bytes(table))
    return table


def _store(path: Path, payload: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
            out.write(payload)
        Path(out.name).replace(path)
    except OSError:
        # A cache that cannot be written costs time only.
        return


def _cached_table(path: Path) -> CsvTable:
    state = path.stat()
    return _memory_table(path, state.st_mtime_ns, state.st_size)
