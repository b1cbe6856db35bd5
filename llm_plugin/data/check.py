"""Checking a folder in LEAN's format: what would make a backtest wrong, with file, row and remedy.

Every finding is one of three severities: an error changes what a backtest computes, a warning probably does, an info
is worth knowing. Nothing is changed in the folder.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from llm_plugin.data.check_hours import check_hours, check_missing_days
from llm_plugin.data.check_reference import Reference, check_factor_file, check_map_file
from llm_plugin.data.check_rows import Table, check_prices, check_times, parse_member
from llm_plugin.data.check_ticks import check_ticks
from llm_plugin.data.findings import CheckReport, Finding, Severity, format_report
from llm_plugin.data.lean_write import HOURS_FILE, PROPERTIES_FILE
from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.zones import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from llm_plugin.engine.market.market_hours import MarketHoursEntry
from llm_plugin.errors import DataError

__all__ = ["CheckReport", "Finding", "Severity", "check_folder", "format_report"]

_TYPES = {
    "equity": SecurityType.EQUITY,
    "forex": SecurityType.FOREX,
    "cfd": SecurityType.CFD,
    "crypto": SecurityType.CRYPTO,
    "cryptofuture": SecurityType.CRYPTO_FUTURE,
    "index": SecurityType.INDEX,
}
_STEPS = {"daily": DAY_US, "hour": HOUR_US, "minute": MINUTE_US, "second": SECOND_US}
_PART = r"(?P<type>equity|forex|cfd|crypto|cryptofuture|index)/(?P<market>[^/]+)/"
_LOW = re.compile(_PART + r"(?P<resolution>daily|hour)/(?P<ticker>[^/]+?)(?:_(?P<kind>trade|quote))?\.zip")
_HIGH = re.compile(
    _PART + r"(?P<resolution>minute|second|tick)/(?P<ticker>[^/]+)/(?P<day>\d{8})_(?P<kind>trade|quote)\.zip"
)
_REFERENCE = re.compile(r"equity/(?P<market>[^/]+)/(?P<what>map_files|factor_files)/(?P<ticker>[^/]+)\.csv")
_IGNORED_SUFFIXES = (".md", ".txt", ".py", ".cs", ".license")
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_GET_AGAIN = "Get the file again"


@dataclass(frozen=True, slots=True)
class _BarFile:
    path: Path
    relative: str
    kind: SecurityType
    market: str
    resolution: str
    ticker: str
    tick: str
    day_us: int | None

    @property
    def members(self) -> set[str]:
        """Names that LEAN and its tools give the csv."""
        if self.day_us is None:
            return {f"{self.ticker}.csv", f"{self.ticker}_{self.tick}.csv"}
        day = self.path.name[:8]
        plain = f"{day}_{self.ticker}_{self.resolution}_{self.tick}.csv"
        return {plain, f"{day}_{self.ticker}_{self.tick}_tick.csv"} if self.resolution == "tick" else {plain}


class _Check:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.report = CheckReport(str(root))
        self.reference = Reference(root, self.add)
        self.maps: dict[tuple[str, str], list[tuple[date, str]]] = {}
        self.factors: set[tuple[str, str]] = set()
        self.days: dict[str, tuple[_BarFile, list[int]]] = {}
        self.last_bar: dict[tuple[str, str], tuple[date, str]] = {}
        self.unknown: list[str] = []

    def add(self, finding: Finding) -> None:
        self.report.findings.append(finding)

    def run(self) -> CheckReport:
        files = sorted(path for path in self.root.rglob("*") if path.is_file())
        bars = []
        for path in files:
            relative = path.relative_to(self.root).as_posix()
            known = self._classify(path, relative)
            if known is not None:
                bars.append(known)
        for file in bars:
            self._bar_file(file)
        self._missing_days()
        self._corporate()
        self._rest(bool(bars))
        self.report.sort()
        return self.report

    def _classify(self, path: Path, relative: str) -> _BarFile | None:
        if match := _REFERENCE.fullmatch(relative):
            self.report.files += 1
            key = (match["market"], match["ticker"].lower())
            if match["what"] == "map_files":
                self.maps[key] = check_map_file(path, relative, self.add)
            else:
                self.factors.add(key)
                check_factor_file(path, relative, self.add)
            return None
        match = _LOW.fullmatch(relative) or _HIGH.fullmatch(relative)
        if match is None:
            if not (relative in (HOURS_FILE, PROPERTIES_FILE) or relative.lower().endswith(_IGNORED_SUFFIXES)):
                self.unknown.append(relative)
            return None
        self.report.files += 1
        kind = _TYPES[match["type"]]
        default = "quote" if kind in (SecurityType.FOREX, SecurityType.CFD) else "trade"
        day_us = None
        if "day" in match.groupdict():
            try:
                day = datetime.strptime(match["day"], "%Y%m%d").replace(tzinfo=UTC)
            except ValueError:
                message = f"{match['day']} in the file name is not a date"
                self.add(Finding("file_name", Severity.ERROR, relative, None, message, "Rename the file"))
                return None
            day_us = int(day.timestamp()) * SECOND_US
        tick = match["kind"] or default
        return _BarFile(path, relative, kind, match["market"], match["resolution"], match["ticker"], tick, day_us)

    def _member(self, file: _BarFile) -> bytes | None:
        try:
            with zipfile.ZipFile(file.path) as archive:
                names = archive.namelist()
                if not names:
                    self.add(Finding("zip", Severity.ERROR, file.relative, None, "the archive is empty", _GET_AGAIN))
                    return None
                data = archive.read(names[0])
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            self.add(
                Finding("zip", Severity.ERROR, file.relative, None, f"the archive is damaged: {error}", _GET_AGAIN)
            )
            return None
        if len(names) > 1:
            message = f"{len(names)} members: LEAN reads only the first, {names[0]}"
            self.add(Finding("members", Severity.WARNING, file.relative, None, message, "Keep one csv per archive"))
        if names[0].lower() not in {name.lower() for name in file.members}:
            message = f"the member is named {names[0]!r}, not {min(file.members)!r}"
            self.add(Finding("member_name", Severity.WARNING, file.relative, None, message, "Rename the member"))
        return data

    def _bar_file(self, file: _BarFile) -> None:
        series = file.relative if file.day_us is None else file.relative.rsplit("/", 1)[0] + "/" + file.tick
        if series not in self.days:
            self.report.series += 1
            self.days[series] = (file, [])
            self.reference.check_properties(file.kind, file.market, file.ticker)
        entry = self.reference.entry(file.kind, file.market, file.ticker)
        data = self._member(file)
        if data is None:
            return
        self.report.rows += data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
        table = self._judge(file, data, entry)
        if not len(table):
            return
        if file.day_us is not None:
            self.days[series][1].append(file.day_us // DAY_US)
        if file.kind == SecurityType.EQUITY:
            last = datetime.fromtimestamp(int(table.start_us.max()) / 1e6, UTC).date()
            key = (file.market, file.ticker.lower())
            self.last_bar[key] = max(self.last_bar.get(key, (date.min, "")), (last, file.relative))

    def _judge(self, file: _BarFile, data: bytes, entry: MarketHoursEntry | None) -> Table:
        if file.resolution == "tick" and file.day_us is not None:
            return check_ticks(data, file.relative, file.kind, file.tick, file.day_us, self.add)
        table = parse_member(data, file.relative, file.tick, file.day_us, self.add)
        if len(table):
            step = _STEPS[file.resolution]
            check_times(table, step, file.relative, self.add)
            check_prices(table, file.tick, file.relative, self.add)
            if entry is not None:
                check_hours(_sorted(table), step, entry, file.relative, self.add, self._listed(file))
        return table

    def _listed(self, file: _BarFile) -> list[tuple[int, int]] | None:
        """When any map file gives the ticker to a security, in days since 1970; None where no map file names it."""
        if file.kind != SecurityType.EQUITY:
            return None
        spans = []
        for (market, _), rows in self.maps.items():
            first = rows[0][0] if rows else date.min
            for last, ticker in rows:
                if market == file.market and ticker == file.ticker.lower() and last >= first:
                    spans.append((first.toordinal() - _EPOCH_ORDINAL, last.toordinal() - _EPOCH_ORDINAL))
                first = date.fromordinal(last.toordinal() + 1) if last > rows[0][0] else first
        return spans or None

    def _missing_days(self) -> None:
        for series, (file, days) in self.days.items():
            entry = self.reference.entry(file.kind, file.market, file.ticker)
            if len(days) > 1 and entry is not None:
                check_missing_days(sorted(days), entry, series, self.add)

    def _corporate(self) -> None:
        owners: dict[tuple[str, str], list[str]] = defaultdict(list)
        for (market, name), rows in self.maps.items():
            for _, ticker in rows:
                if name not in owners[market, ticker]:
                    owners[market, ticker].append(name)
        for (market, ticker), (last, where) in sorted(self.last_bar.items()):
            if (market, ticker) not in owners and (market, ticker) not in self.maps:
                message = f"no map file names {ticker}: LEAN takes it as listed from ever on"
                remedy = f"Add equity/{market}/map_files/{ticker}.csv"
                self.add(Finding("map_missing", Severity.WARNING, where, None, message, remedy))
            elif (rows := self.maps.get((market, ticker), [])) and rows[-1][0] < last:
                self._after_delisting(rows[-1][0], last, where)
            names = owners.get((market, ticker)) or [ticker]
            if not any((market, name) in self.factors for name in (*names, ticker)):
                message = f"no factor file of {ticker}: its prices are never adjusted for splits and dividends"
                remedy = f"Add equity/{market}/factor_files/{ticker}.csv"
                self.add(Finding("factor_missing", Severity.WARNING, where, None, message, remedy))

    def _after_delisting(self, end: date, last: date, where: str) -> None:
        message = f"bars go on to {last}, after the delisting of the map file on {end}"
        self.add(Finding("after_delisting", Severity.WARNING, where, None, message, "Correct the map file"))

    def _rest(self, found: bool) -> None:
        if not found:
            message = "no bar file in LEAN's format, such as forex/oanda/hour/eurusd.zip"
            self.add(Finding("no_data", Severity.ERROR, ".", None, message, "Name LEAN's Data folder itself"))
        if self.unknown:
            message = f"{len(self.unknown)} files are of kinds that are not checked, first {self.unknown[0]}"
            self.add(Finding("unchecked", Severity.INFO, ".", None, message, "Nothing to do"))


def _sorted(table: Table) -> Table:
    order = table.start_us.argsort(kind="stable")
    return Table(table.rows[order], table.start_us[order], table.values[order])


def check_folder(path: Path) -> CheckReport:
    """Check every bar file and reference file of a LEAN data folder.

    Raises:
        DataError: There is no such folder.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: name a LEAN Data folder, such as datasets/market")
    return _Check(root).run()
