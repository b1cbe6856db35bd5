"""What market data there is: which tickers, at which resolution, from when to when."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

__all__ = ["DEFAULT_PERIOD", "Inventory", "Series", "choose_period", "read_inventory"]

DEFAULT_PERIOD = (date(2014, 1, 1), date(2015, 12, 31))
RESOLUTIONS = ("daily", "hour", "minute")
_TYPES = ("equity", "forex", "crypto", "cfd", "index")
_DAY = re.compile(r"^(\d{4})(\d{2})(\d{2})")


@dataclass(frozen=True, slots=True)
class Series:
    """One ticker at one resolution."""

    ticker: str
    security_type: str
    market: str
    resolution: str
    path: Path

    def span(self) -> tuple[date, date] | None:
        """Return its first and last day; None where the file cannot be read."""
        if self.path.is_dir():
            days = sorted(day for file in self.path.glob("*.zip") if (day := _day(file.name)) is not None)
            return (days[0], days[-1]) if days else None
        try:
            with zipfile.ZipFile(self.path) as archive:
                text = archive.read(archive.namelist()[0]).decode("ascii", errors="replace")
        except (OSError, zipfile.BadZipFile, IndexError, KeyError):
            return None
        lines = text.strip().split("\n")
        first, last = _day(lines[0]), _day(lines[-1])
        return (first, last) if first is not None and last is not None else None


@dataclass(frozen=True, slots=True)
class Inventory:
    """All series of a data folder by ticker."""

    series: Mapping[str, tuple[Series, ...]]

    def __contains__(self, ticker: str) -> bool:
        return ticker.upper() in self.series

    @property
    def tickers(self) -> tuple[str, ...]:
        """Every ticker, sorted."""
        return tuple(sorted(self.series))

    def find(self, ticker: str, resolution: str) -> Series | None:
        """Return a ticker's series at a resolution, None where there is none."""
        return next((one for one in self.series.get(ticker.upper(), ()) if one.resolution == resolution), None)

    def security_type(self, ticker: str) -> str | None:
        """Return what a ticker is; None where it is not there."""
        found = self.series.get(ticker.upper())
        return found[0].security_type if found else None

    def resolutions(self, ticker: str) -> tuple[str, ...]:
        """Return the resolutions of a ticker, coarsest first."""
        have = {one.resolution for one in self.series.get(ticker.upper(), ())}
        return tuple(name for name in RESOLUTIONS if name in have)


def read_inventory(data_folder: Path) -> Inventory:
    """List a LEAN data folder; no file is opened."""
    found: dict[str, list[Series]] = {}
    for kind in _TYPES:
        for market in _folders(data_folder / kind):
            for resolution in RESOLUTIONS:
                place = market / resolution
                for path in sorted(place.iterdir()) if place.is_dir() else ():
                    ticker = re.sub(r"_(trade|quote|openinterest)$", "", path.name.removesuffix(".zip")).upper()
                    if path.suffix == ".zip" or path.is_dir():
                        found.setdefault(ticker, []).append(Series(ticker, kind, market.name, resolution, path))
    return Inventory({ticker: tuple(series) for ticker, series in found.items()})


def choose_period(inventory: Inventory, tickers: Iterable[str], resolution: str) -> tuple[date, date]:
    """Return the days on which a strategy is tried: the default two years, else the last ones that all tickers have.

    Args:
        inventory: What data there is.
        tickers: What the strategy trades; unknown ones do not count.
        resolution: At which resolution.
    """
    found = [inventory.find(ticker, resolution) for ticker in tickers]
    spans = [span for series in found if series is not None and (span := series.span()) is not None]
    if not spans:
        return DEFAULT_PERIOD
    first, last = max(span[0] for span in spans), min(span[1] for span in spans)
    start, end = DEFAULT_PERIOD
    if (first <= start and end <= last) or first > last:
        return DEFAULT_PERIOD
    return max(first, last - timedelta(days=730)), last


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def _day(text: str) -> date | None:
    found = _DAY.match(text)
    try:
        return date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        return None
