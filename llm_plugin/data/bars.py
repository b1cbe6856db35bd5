"""Bars of one security as columns, through the engine's own reader.

`load_price_bars` is what training, the vectorised features and the reports read: the same files, time zones, factor
files and ticker changes that a backtest sees, as arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.data.sessions import Sessions
from llm_plugin.domain import PriceBar
from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, SecurityType, TickType
from llm_plugin.engine.base.zones import DAY_US, from_us, to_us
from llm_plugin.engine.data.lean_data import BarColumns, read_columns
from llm_plugin.engine.data.map_files import load_map_file
from llm_plugin.engine.data.normalization import normalize_columns
from llm_plugin.engine.market.market_hours import MarketHoursEntry, load_market_hours
from llm_plugin.errors import ConfigError, DataError, did_you_mean

__all__ = ["PriceBars", "load_price_bars"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_OHLC = ("open", "high", "low", "close")
_SECURITY_TYPES = {
    "equity": SecurityType.EQUITY,
    "forex": SecurityType.FOREX,
    "cfd": SecurityType.CFD,
    "crypto": SecurityType.CRYPTO,
    "index": SecurityType.INDEX,
}
_RESOLUTIONS = {
    "second": Resolution.SECOND,
    "minute": Resolution.MINUTE,
    "hour": Resolution.HOUR,
    "daily": Resolution.DAILY,
}
_QUOTES_ONLY = frozenset({SecurityType.FOREX, SecurityType.CFD})


@dataclass(frozen=True, slots=True)
class PriceBars:
    """Completed bars in order of their ends; every field is an array of shape [bars].

    Times are microseconds since 1970 in UTC. Trade-only data has bid equal to ask; `volume` is NaN where unknown.
    """

    start_us: Ints
    end_us: Ints
    bid_open: Floats
    bid_high: Floats
    bid_low: Floats
    bid_close: Floats
    ask_open: Floats
    ask_high: Floats
    ask_low: Floats
    ask_close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.start_us)

    def __iter__(self) -> Iterator[PriceBar]:
        for index in range(len(self)):
            yield self.bar(index)

    @property
    def open(self) -> Floats:
        """Mid open."""
        return (self.bid_open + self.ask_open) / 2

    @property
    def high(self) -> Floats:
        """Mid high."""
        return (self.bid_high + self.ask_high) / 2

    @property
    def low(self) -> Floats:
        """Mid low."""
        return (self.bid_low + self.ask_low) / 2

    @property
    def close(self) -> Floats:
        """Mid close."""
        return (self.bid_close + self.ask_close) / 2

    def bar(self, index: int) -> PriceBar:
        """Return one bar; a negative index counts from the end."""
        start, end = from_us(int(self.start_us[index])), from_us(int(self.end_us[index]))
        return PriceBar(
            start_utc=start.replace(tzinfo=UTC),
            end_utc=end.replace(tzinfo=UTC),
            bid_open=float(self.bid_open[index]),
            bid_high=float(self.bid_high[index]),
            bid_low=float(self.bid_low[index]),
            bid_close=float(self.bid_close[index]),
            ask_open=float(self.ask_open[index]),
            ask_high=float(self.ask_high[index]),
            ask_low=float(self.ask_low[index]),
            ask_close=float(self.ask_close[index]),
            volume=float(self.volume[index]),
        )

    def take(self, rows: Any) -> PriceBars:
        """Return the bars of a slice, mask or index array."""
        return PriceBars(*(getattr(self, item.name)[rows] for item in fields(self)))

    def between(self, start: datetime | date | None = None, end: datetime | date | None = None) -> PriceBars:
        """Return the bars that end after `start` and not after `end` (aware times, or dates at midnight UTC)."""
        low = 0 if start is None else int(np.searchsorted(self.end_us, _moment(start, "start"), side="right"))
        high = len(self) if end is None else int(np.searchsorted(self.end_us, _moment(end, "end"), side="right"))
        return self.take(slice(low, high))

    def index_at(self, moment: datetime | date) -> int:
        """Return the index of the last bar completed at a time, -1 if there is none."""
        return int(np.searchsorted(self.end_us, _moment(moment, "moment"), side="right")) - 1


def _moment(value: datetime | date, name: str) -> int:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time(), tzinfo=UTC)
    if value.tzinfo is None:
        raise ConfigError(f"{name} {value!r} has no time zone: give an aware time, e.g. with tzinfo=UTC")
    return to_us(value)


def load_price_bars(
    data_folder: Path,
    *,
    security_type: str,
    market: str,
    ticker: str,
    resolution: str,
    start: datetime | date | None = None,
    end: datetime | date | None = None,
    adjusted: bool = True,
    regular_hours: bool = True,
) -> PriceBars:
    """Read the bars of one security from a LEAN data folder.

    Prices are those of the quotes where there are quote files, with the volume of the trade files; otherwise those of
    the trades. Tickers that an equity had before are read from their own files, over their own dates.

    Args:
        data_folder: Root of the data.
        security_type: equity, forex, cfd, crypto or index.
        market: `usa`, `oanda`, ...
        ticker: Current ticker.
        resolution: second, minute, hour or daily.
        start: Keep bars that end after it.
        end: Keep bars that end at it or before.
        adjusted: Apply the factor files of equities (splits and dividends).
        regular_hours: Leave out bars outside the exchange's regular hours, as a backtest does by default.

    Raises:
        ConfigError: An unknown security type or resolution.
        DataError: No such data, or a damaged file (named with its row).
    """
    kind = _lookup(_SECURITY_TYPES, security_type, "security_type")
    step = _lookup(_RESOLUTIONS, resolution, "resolution")
    folder, market = Path(data_folder), market.lower()
    entry = load_market_hours(folder).get_entry(market, ticker.upper(), kind)
    found: dict[TickType, BarColumns] = {}
    missing: list[str] = []
    for tick_type in _tick_types(kind, step):
        try:
            found[tick_type] = _read(folder, kind, market, ticker, step, tick_type, entry, adjusted)
        except FileNotFoundError as error:
            missing.append(str(error))
    if not found:
        raise DataError(missing[0])
    bars = _join(found.get(TickType.TRADE), found.get(TickType.QUOTE))
    if regular_hours and step < Resolution.DAILY:
        bars = _in_hours(bars, entry)
    return bars.between(start, end)


def _lookup(known: dict[str, Any], name: str, what: str) -> Any:
    if name.lower() not in known:
        raise ConfigError(f"{what} is {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}")
    return known[name.lower()]


def _tick_types(kind: SecurityType, step: Resolution) -> tuple[TickType, ...]:
    if kind in _QUOTES_ONLY:
        return (TickType.QUOTE,)
    if kind == SecurityType.INDEX or (kind == SecurityType.EQUITY and step >= Resolution.HOUR):
        return (TickType.TRADE,)
    return (TickType.QUOTE, TickType.TRADE)


def _read(
    folder: Path,
    kind: SecurityType,
    market: str,
    ticker: str,
    step: Resolution,
    tick_type: TickType,
    entry: MarketHoursEntry,
    adjusted: bool,
) -> BarColumns:
    columns = _read_raw(folder, kind, market, ticker, step, tick_type, entry)
    if kind == SecurityType.EQUITY and adjusted and len(columns):
        return normalize_columns(columns, folder, market, ticker.lower(), DataNormalizationMode.ADJUSTED, entry)
    return columns


def _read_raw(
    folder: Path,
    kind: SecurityType,
    market: str,
    ticker: str,
    step: Resolution,
    tick_type: TickType,
    entry: MarketHoursEntry,
) -> BarColumns:
    base = folder / str(kind).lower() / market / str(step).lower()
    map_file = load_map_file(folder, market, ticker.lower()) if kind == SecurityType.EQUITY else None
    if map_file is None or step < Resolution.HOUR:
        _require(base, ticker, step, tick_type, kind)
        return read_columns(folder, kind, market, ticker.lower(), step, tick_type)
    parts, first = [], map_file.first_date
    for last, name in map_file.rows:
        if last > map_file.first_date and (base / f"{name.lower()}.zip").is_file():
            columns = read_columns(folder, kind, market, name.lower(), step, tick_type)
            days = entry.exchange_hours.time_zone.locals(columns.start_us) // DAY_US
            keep = (days >= _days(first)) & (days <= _days(last))
            parts.append(columns.take(keep))
        if last > map_file.first_date:
            first = date.fromordinal(last.toordinal() + 1)
    if not parts:
        _require(base, ticker, step, tick_type, kind)
    return _chain(parts)


def _days(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _require(base: Path, ticker: str, step: Resolution, tick_type: TickType, kind: SecurityType) -> None:
    if step >= Resolution.HOUR:
        suffix = f"_{str(tick_type).lower()}" if kind == SecurityType.CRYPTO else ""
        path = base / f"{ticker.lower()}{suffix}.zip"
        there = path.is_file()
    else:
        path = base / ticker.lower()
        there = any(path.glob(f"*_{str(tick_type).lower()}.zip"))
    if not there:
        known = sorted({item.name.split(".")[0].split("_")[0] for item in base.glob("*")}) if base.is_dir() else []
        hint = did_you_mean(ticker.lower(), known) if known else f"; {base} has no data at all"
        raise FileNotFoundError(f"{path} is missing: no {step} {tick_type} bars of {ticker}{hint}")


def _chain(parts: list[BarColumns]) -> BarColumns:
    """Join the files of one security's tickers; they share the scale of equity prices."""
    if len(parts) == 1:
        return parts[0]
    scale = max(part.scale for part in parts)
    first = parts[0]
    return BarColumns(
        first.tick_type,
        np.concatenate([part.start_us for part in parts]),
        np.concatenate([part.end_us for part in parts]),
        scale,
        {name: np.concatenate([p.exact[name] * 10 ** (scale - p.scale) for p in parts]) for name in first.exact},
        {name: np.concatenate([p.digits[name] for p in parts]) for name in first.digits},
        {name: np.concatenate([p.sizes[name] for p in parts]) for name in first.sizes},
        {name: np.concatenate([p.sides[name] for p in parts]) for name in first.sides},
    )


def _sides(columns: BarColumns) -> dict[str, Floats]:
    """Return bid and ask columns; a missing side takes the other's price."""
    if columns.tick_type == TickType.TRADE:
        return {f"{side}_{name}": columns.floats(name) for side in ("bid", "ask") for name in _OHLC}
    bid, ask = columns.sides["bid"], columns.sides["ask"]
    prices = {}
    for name in _OHLC:
        low, high = columns.floats(f"bid_{name}"), columns.floats(f"ask_{name}")
        prices[f"bid_{name}"] = np.where(bid, low, high)
        prices[f"ask_{name}"] = np.where(ask, high, low)
    return prices


def _join(trades: BarColumns | None, quotes: BarColumns | None) -> PriceBars:
    if quotes is None and trades is not None:
        return PriceBars(trades.start_us, trades.end_us, **_sides(trades), volume=trades.volume.astype(np.float64))
    if quotes is None:
        raise DataError("neither trades nor quotes were read")
    quotes = quotes.take(quotes.sides["bid"] | quotes.sides["ask"])
    volume = np.full(len(quotes), np.nan)
    if trades is not None and len(trades):
        row = np.minimum(np.searchsorted(trades.start_us, quotes.start_us), len(trades) - 1)
        # A bar without a trade file's row had quotes and no trade: its volume is 0, not unknown.
        volume = np.where(trades.start_us[row] == quotes.start_us, trades.volume[row], 0.0)
    return PriceBars(quotes.start_us, quotes.end_us, **_sides(quotes), volume=volume)


def _in_hours(bars: PriceBars, entry: MarketHoursEntry) -> PriceBars:
    hours = entry.exchange_hours
    if hours.is_market_always_open or not len(bars):
        return bars
    start, end = hours.time_zone.locals(bars.start_us), hours.time_zone.locals(bars.end_us)
    return bars.take(Sessions(hours, int(start[0]), int(end[-1])).overlaps(start, end))
