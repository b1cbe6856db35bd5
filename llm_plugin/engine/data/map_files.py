"""Map files (renames, listing, delisting) and factor files (splits, dividends)."""

from __future__ import annotations

import csv
import io
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.money import CONTEXT, ONE
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.errors import DataError

__all__ = ["FactorFile", "FactorRow", "MapFile", "current_symbol_factory", "load_factor_file", "load_map_file"]

FAR_FUTURE = date(2050, 12, 31)
SymbolFactory = Callable[[str, SecurityType, str, str | None], Symbol]


@dataclass(frozen=True, slots=True)
class FactorRow:
    """Factors valid up to and including `day`."""

    day: date
    price_factor: Decimal
    split_factor: Decimal
    reference_price: Decimal

    @property
    def scale_factor(self) -> Decimal:
        """Price factor x split factor."""
        return CONTEXT.multiply(self.price_factor, self.split_factor)


@dataclass(slots=True)
class FactorFile:
    """The factor rows of one security, oldest first."""

    rows: list[FactorRow] = field(default_factory=list)
    _days: list[date] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows.sort(key=lambda row: row.day)
        self._days = [row.day for row in self.rows]

    def row(self, day: date) -> FactorRow | None:
        """Return the first row whose date is not before `day`."""
        index = bisect_left(self._days, day)
        return self.rows[index] if index < len(self.rows) else None

    def scale_factor(self, day: date) -> Decimal:
        """Return the factor of adjusted prices on a day; 1 beyond the last row."""
        row = self.row(day)
        return row.scale_factor if row is not None else ONE

    def split_factor(self, day: date) -> Decimal:
        """Return the factor of split-adjusted prices on a day."""
        row = self.row(day)
        return row.split_factor if row is not None else ONE

    def events(self) -> list[tuple[date, FactorRow, FactorRow]]:
        """Return (row date, row, following row) wherever a factor changes."""
        pairs = zip(self.rows, self.rows[1:], strict=False)
        return [
            (old.day, old, new)
            for old, new in pairs
            if old.price_factor != new.price_factor or old.split_factor != new.split_factor
        ]


@dataclass(slots=True)
class MapFile:
    """The tickers of one security over time."""

    rows: list[tuple[date, str]]
    # Code of the exchange in the last row, empty where the file names none.
    primary_exchange: str = ""
    # Name of the file: the security's newest ticker, told from others that had it by a number.
    name: str = ""

    @property
    def first_date(self) -> date:
        """Listing date."""
        return self.rows[0][0]

    @property
    def first_ticker(self) -> str:
        """The ticker at listing."""
        return self.rows[0][1]

    @property
    def delisting_date(self) -> date:
        """Last trading day; in 2050 for an active security."""
        return self.rows[-1][0]

    def ticker(self, day: date) -> str:
        """Return the ticker used on a day, an empty string outside the listing."""
        if day < self.first_date:
            return ""
        return next((ticker for until, ticker in self.rows if until >= day), "")

    def changes(self) -> list[tuple[date, str, str]]:
        """Return (first day of the new ticker, old, new)."""
        pairs = zip(self.rows, self.rows[1:], strict=False)
        return [(a[0] + timedelta(days=1), a[1], b[1]) for a, b in pairs if a[1] != b[1]]


def _text(folder: Path, name: str) -> str | None:
    plain = folder / f"{name}.csv"
    if plain.is_file():
        return plain.read_text(encoding="utf-8")
    for archive in sorted(folder.glob("*.zip"), reverse=True):
        with zipfile.ZipFile(archive) as opened:
            if f"{name}.csv" in opened.namelist():
                return opened.read(f"{name}.csv").decode()
    return None


def _day(text: str, path: Path, row: int) -> date:
    try:
        return date.fromisoformat(text.strip()[:8])
    except ValueError:
        raise DataError(f"{path} row {row}: {text!r} is not a date yyyyMMdd; replace the file") from None


@lru_cache(maxsize=512)
def load_map_file(data_folder: Path, market: str, ticker: str) -> MapFile | None:
    """Return a security's map file by its newest ticker, else by the last one who had the ticker; or None."""
    folder = data_folder / "equity" / market / "map_files"
    name = ticker.lower()
    text = _text(folder, name)
    if text is None:
        name = _former_tickers(folder).get(ticker.upper(), "")
        text = _text(folder, name) if name else None
    if text is None:
        return None
    rows, exchange = [], ""
    for number, line in enumerate(csv.reader(io.StringIO(text)), 1):
        if len(line) >= 2:
            rows.append((_day(line[0], folder / f"{name}.csv", number), line[1].strip().upper()))
            exchange = line[2].strip() if len(line) > 2 else ""
    return MapFile(rows, exchange, name) if rows else None


@lru_cache(maxsize=8)
def _former_tickers(folder: Path) -> dict[str, str]:
    """Tickers that some security had -> name of the map file of the last that had it."""
    latest: dict[str, tuple[str, str]] = {}
    for name, text in _all_texts(folder):
        for line in csv.reader(io.StringIO(text)):
            if len(line) >= 2:
                ticker, until = line[1].strip().upper(), line[0].strip()[:8]
                latest[ticker] = max(latest.get(ticker, ("", "")), (until, name))
    return {ticker: name for ticker, (_, name) in latest.items()}


def _all_texts(folder: Path) -> Iterator[tuple[str, str]]:
    for archive in sorted(folder.glob("*.zip"))[-1:]:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.namelist():
                yield Path(member).stem, opened.read(member).decode()
    for path in sorted(folder.glob("*.csv")):
        yield path.stem, path.read_text(encoding="utf-8")


@lru_cache(maxsize=512)
def load_factor_file(data_folder: Path, market: str, ticker: str) -> FactorFile:
    """Return a security's factor file, which is named like its map file; one without rows where there is none."""
    folder = data_folder / "equity" / market / "factor_files"
    mapped = load_map_file(data_folder, market, ticker)
    name = ticker.lower() if mapped is None else mapped.name
    path = folder / f"{name}.csv"
    rows = []
    for number, line in enumerate(csv.reader(io.StringIO(_text(folder, name) or "")), 1):
        # A row of infinite factors marks the first date of a fund; it carries no prices.
        if len(line) < 3 or "inf" in line[1].lower():
            continue
        try:
            price, split = Decimal(line[1].strip()), Decimal(line[2].strip())
            reference = Decimal(line[3].strip()) if len(line) > 3 and line[3].strip() else Decimal(0)
        except InvalidOperation:
            raise DataError(f"{path} row {number}: {line} has a field that is not a number; replace the file") from None
        rows.append(FactorRow(_day(line[0], path, number), price, split, reference))
    return FactorFile(rows)


def _plain_symbol(ticker: str, kind: SecurityType, market: str, alias: str | None) -> Symbol:
    sid = SecurityIdentifier(ticker.upper(), kind, market)
    return Symbol(sid, ticker, alias if alias is not None else ticker)


_factory: ContextVar[SymbolFactory] = ContextVar("symbol_factory", default=_plain_symbol)


def current_symbol_factory() -> SymbolFactory:
    """Return what makes symbols in the running backtest."""
    return _factory.get()


def use_symbol_factory(data_folder: Path) -> None:
    """Let `Symbol.create` read the map files of a data folder."""

    def make(ticker: str, kind: SecurityType, market: str, alias: str | None) -> Symbol:
        if kind == SecurityType.EQUITY:
            return equity_symbol(data_folder, ticker, market, alias)
        return _plain_symbol(ticker, kind, market, alias)

    _factory.set(make)


def equity_symbol(data_folder: Path, ticker: str, market: str, alias: str | None = None) -> Symbol:
    """Return the symbol of an equity: first ticker and listing date come from its map file."""
    map_file = load_map_file(data_folder, market, ticker)
    name = alias if alias is not None else ticker
    if map_file is None:
        return Symbol(SecurityIdentifier(ticker.upper(), SecurityType.EQUITY, market), ticker, name)
    sid = SecurityIdentifier(map_file.first_ticker, SecurityType.EQUITY, market, map_file.first_date)
    return Symbol(sid, ticker, name)
