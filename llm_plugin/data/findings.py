"""What the checker of LEAN folders reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["CODES", "CheckReport", "Finding", "Severity", "format_report"]


class Severity(StrEnum):
    """Errors change what a backtest computes, warnings probably do, infos are worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


CODES = {
    "zip": "the archive is damaged, truncated or empty",
    "members": "more than one csv in the archive",
    "member_name": "the csv has an unusual name",
    "file_name": "the date in a file name does not exist",
    "empty": "no rows",
    "bad_row": "wrong number of fields, or a field that is no number or date",
    "bad_time": "the time column cannot be read",
    "unsorted": "rows go back in time",
    "duplicate_time": "a time occurs twice",
    "overlap": "a bar starts before the one above has ended",
    "bad_price": "a price is zero or negative",
    "ohlc": "high or low does not contain open and close",
    "spike": "high or low is three times off open and close",
    "bid_above_ask": "the quote is crossed at open, close or over the whole bar",
    "crossed_moment": "the quote is crossed at one extreme of the bar",
    "one_sided": "one side of the quote is missing",
    "negative_size": "a size or volume is negative",
    "gap": "bars are missing while the exchange is open",
    "gaps": "sum of all missing bars of a file",
    "missing_days": "trading days without a file",
    "closed_hours": "a few bars lie outside the exchange's hours",
    "time_zone": "many bars lie outside the exchange's hours",
    "hours_missing": "no market-hours database",
    "hours_damaged": "the market-hours database cannot be read",
    "hours_entry": "no usable hours for a market",
    "properties_missing": "no symbol-properties database",
    "properties_row": "no symbol properties for a symbol",
    "map_missing": "no map file names the ticker",
    "map_end": "a map file ends before 2050: delisted",
    "after_delisting": "bars after the delisting",
    "unmapped_rows": "rows of dates at which no security had the ticker",
    "factor_missing": "no factor file",
    "bad_factor": "a factor is not a number above 0",
    "factor_end": "a factor file does not end with 20501231,1,1",
    "no_data": "no bar file at all",
    "unchecked": "files of kinds that are not checked",
}
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
_SHOWN_PER_CODE = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: `row` counts the rows of the csv member from 1, None concerns the whole file."""

    code: str
    severity: Severity
    path: str
    row: int | None
    message: str
    remedy: str
    count: int = 1

    def __post_init__(self) -> None:
        """Every code is documented."""
        if self.code not in CODES:
            raise ValueError(f"finding code {self.code!r} is not in CODES")

    def __str__(self) -> str:
        where = self.path + (f" row {self.row}" if self.row is not None else "")
        more = f" (and {self.count - 1} more in this file)" if self.count > 1 else ""
        return f"{self.severity.value.upper()} [{self.code}] {where}: {self.message}{more}. {self.remedy}"


@dataclass(slots=True)
class CheckReport:
    """All findings of a folder, the worst first."""

    folder: str
    files: int = 0
    rows: int = 0
    series: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        """Findings of severity error."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Finding]:
        """Findings of severity warning."""
        return [finding for finding in self.findings if finding.severity is Severity.WARNING]

    @property
    def ok(self) -> bool:
        """True without errors."""
        return not self.errors

    def sort(self) -> None:
        """Bring the worst to the front; within a severity by path and row."""
        self.findings.sort(key=lambda f: (_ORDER[f.severity], f.path, f.row or 0, f.code))

    def to_jsonable(self) -> dict[str, Any]:
        """Return plain JSON types."""
        counts = Counter(finding.severity.value for finding in self.findings)
        return {
            "schema_version": "1",
            "folder": self.folder,
            "ok": self.ok,
            "files": self.files,
            "rows": self.rows,
            "series": self.series,
            "counts": {severity.value: counts.get(severity.value, 0) for severity in Severity},
            "findings": [asdict(finding) | {"severity": finding.severity.value} for finding in self.findings],
        }


def format_report(report: CheckReport, *, show_info: bool = False) -> str:
    """Return the report as text: every error, a dozen warnings of each kind, and a count of the rest."""
    lines = []
    shown: Counter[str] = Counter()
    for finding in report.findings:
        if finding.severity is Severity.INFO and not show_info:
            continue
        if finding.severity is not Severity.ERROR and shown[finding.code] >= _SHOWN_PER_CODE:
            continue
        shown[finding.code] += 1
        lines.append(str(finding))
    hidden = len(report.findings) - len(lines)
    counts = report.to_jsonable()["counts"]
    if hidden:
        lines.append(f"... {hidden} more findings (--json shows all)")
    lines.append(
        f"{report.folder}: {report.files} files, {report.rows} rows, {report.series} series; "
        f"{counts['error']} errors, {counts['warning']} warnings, {counts['info']} infos"
    )
    return "\n".join(lines)
