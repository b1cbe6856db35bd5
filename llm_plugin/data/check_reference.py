"""Judging a folder's reference files: exchange hours, symbol properties, map and factor files."""

from __future__ import annotations

import csv
import json
import math
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

from llm_plugin.data.check_rows import Report
from llm_plugin.data.findings import Finding, Severity
from llm_plugin.data.lean_write import HOURS_FILE, PROPERTIES_FILE
from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.zones import zone
from llm_plugin.engine.market.market_hours import ExchangeHours, MarketHoursEntry

__all__ = ["FAR_FUTURE", "Reference", "check_factor_file", "check_map_file"]

FAR_FUTURE = date(2050, 12, 31)
_COPY = "Copy the file from LEAN's Data folder"


class Reference:
    """Hours and symbol properties of a folder; what is wrong with them is reported once."""

    def __init__(self, root: Path, report: Report) -> None:
        self.root, self._report = root, report
        self._hours: dict[str, dict[str, object]] = {}
        self._entries: dict[str, MarketHoursEntry | None] = {}
        self._properties: set[tuple[str, str, str]] | None = None
        self._told: set[str] = set()
        self._read_hours()
        self._read_properties()

    def _read_hours(self) -> None:
        try:
            raw = json.loads((self.root / HOURS_FILE).read_text(encoding="utf-8"))["entries"]
            self._hours = {key.lower(): value for key, value in raw.items()}
        except FileNotFoundError:
            self._report(Finding("hours_missing", Severity.ERROR, HOURS_FILE, None, "the file is missing", _COPY))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._report(
                Finding("hours_damaged", Severity.ERROR, HOURS_FILE, None, f"it cannot be read: {error}", _COPY)
            )

    def _read_properties(self) -> None:
        path = self.root / PROPERTIES_FILE
        if not path.is_file():
            self._report(
                Finding("properties_missing", Severity.ERROR, PROPERTIES_FILE, None, "the file is missing", _COPY)
            )
            return
        self._properties = set()
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream):
                if len(row) >= 3 and not row[0].startswith("#"):
                    self._properties.add((row[0].lower(), row[1].upper(), row[2].lower()))

    def entry(self, kind: SecurityType, market: str, ticker: str) -> MarketHoursEntry | None:
        """Return the hours of a symbol; None, after reporting it, where there are none."""
        names = (f"{kind}-{market}-{ticker}".lower(), f"{kind}-{market}-[*]".lower())
        key = next((name for name in names if name in self._hours), None)
        if key is None:
            if self._hours:
                message = f"no entry {kind}-{market}-[*] or {kind}-{market}-{ticker.upper()}"
                self._once(Finding("hours_entry", Severity.ERROR, HOURS_FILE, None, message, "Add the market's entry"))
            return None
        if key not in self._entries:
            self._entries[key] = self._build(key)
        return self._entries[key]

    def _build(self, key: str) -> MarketHoursEntry | None:
        raw = self._hours[key]
        try:
            hours = ExchangeHours(raw, zone(str(raw["exchangeTimeZone"])))
            return MarketHoursEntry(hours, zone(str(raw["dataTimeZone"])))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"entry {key} cannot be used: {error}"
            self._once(Finding("hours_entry", Severity.ERROR, HOURS_FILE, None, message, "Correct the entry"))
            return None

    def check_properties(self, kind: SecurityType, market: str, ticker: str) -> None:
        """Report a symbol without properties; LEAN then assumes lot size 1 and two decimals, or refuses it."""
        if self._properties is None:
            return
        name = str(kind).lower()
        if not any((market, symbol, name) in self._properties for symbol in (ticker.upper(), "[*]")):
            severity = Severity.WARNING if kind == SecurityType.EQUITY else Severity.ERROR
            message = f"no row {market},{ticker.upper()},{name}"
            self._once(Finding("properties_row", severity, PROPERTIES_FILE, None, message, "Add the symbol's row"))

    def _once(self, finding: Finding) -> None:
        if finding.message not in self._told:
            self._told.add(finding.message)
            self._report(finding)


def _lines(path: Path, relative: str, fewest: int, report: Report) -> list[tuple[int, date, list[str]]]:
    """Return (row number, date, fields) of the rows that can be read."""
    rows: list[tuple[int, date, list[str]]] = []
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        for number, row in enumerate(csv.reader(stream), 1):
            if not any(field.strip() for field in row):
                continue
            try:
                day = datetime.strptime(row[0].strip()[:8], "%Y%m%d").replace(tzinfo=UTC).date()
            except ValueError:
                message = f"{row[0]!r} is not a date yyyyMMdd"
                report(Finding("bad_row", Severity.ERROR, relative, number, message, "Repair or remove the row"))
                continue
            if len(row) < fewest:
                message = f"{len(row)} fields where {fewest} are needed"
                report(Finding("bad_row", Severity.ERROR, relative, number, message, "Repair or remove the row"))
                continue
            rows.append((number, day, row))
    for (_, before, _), (number, day, _) in pairwise(rows):
        if day < before:
            message = f"its date {day} is before that of the row above"
            report(Finding("unsorted", Severity.ERROR, relative, number, message, "Sort the rows by date"))
    if not rows:
        report(Finding("empty", Severity.ERROR, relative, None, "no row can be read", "Get the file again"))
    return rows


def check_map_file(path: Path, relative: str, report: Report) -> list[tuple[date, str]]:
    """Check a map file; return its (last date, ticker) rows."""
    rows = _lines(path, relative, 2, report)
    if rows and rows[-1][1] < FAR_FUTURE:
        message = f"the last date is {rows[-1][1]}: LEAN takes the security as delisted then"
        remedy = "End an active security with 20501231"
        report(Finding("map_end", Severity.INFO, relative, rows[-1][0], message, remedy))
    return [(day, row[1].strip().lower()) for _, day, row in rows]


def check_factor_file(path: Path, relative: str, report: Report) -> None:
    """Check a factor file."""
    rows = _lines(path, relative, 3, report)
    for number, _, row in rows:
        try:
            factors = [float(row[1]), float(row[2])]
        except ValueError:
            factors = [math.nan]
        # LEAN marks the first date of some funds by an infinite price factor.
        if not all(value > 0 for value in factors):
            message = f"factors {row[1]} and {row[2]} must be numbers above 0"
            report(Finding("bad_factor", Severity.ERROR, relative, number, message, "Repair the row"))
    if not rows:
        return
    number, last, row = rows[-1]
    if last < FAR_FUTURE:
        message = f"the last row is of {last}, not 20501231: later prices are not adjusted as today's"
        report(Finding("factor_end", Severity.WARNING, relative, number, message, "End the file with 20501231,1,1,0"))
    elif [field.strip() for field in row[1:3]] not in (["1", "1"], ["1.0", "1.0"]):
        message = f"the factors of 20501231 are {row[1]} and {row[2]}: today's prices would be changed"
        report(Finding("factor_end", Severity.WARNING, relative, number, message, "End the file with 20501231,1,1,0"))
