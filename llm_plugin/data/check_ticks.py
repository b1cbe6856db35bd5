"""Judging tick files: times that never go back, prices above zero, bid not above ask."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from llm_plugin.data.check_rows import Report, Table, clock_times, flag, split_rows
from llm_plugin.data.findings import Finding, Severity
from llm_plugin.engine.base.enums import SecurityType

__all__ = ["check_ticks"]

# Columns after the time: prices and sizes of (security group, kind); a bid stands before its ask.
_COLUMNS = {
    ("sized", "trade"): ((1,), (2,)),
    ("sized", "quote"): ((1, 3), (2, 4)),
    ("plain", "quote"): ((1, 2), ()),
    ("plain", "trade"): ((1,), (2,)),
}
_PLAIN = frozenset({SecurityType.FOREX, SecurityType.CFD})
_CROSSED_SHARE = 0.01


def check_ticks(data: bytes, path: str, security_type: SecurityType, kind: str, day_us: int, report: Report) -> Table:
    """Report what is wrong with a tick file; return its good rows (start times, prices).

    Args:
        data: The member's bytes.
        path: For findings.
        security_type: Decides the columns.
        kind: `trade` or `quote`.
        day_us: Midnight of the file's date in the data time zone.
        report: Takes findings.
    """
    nothing = np.zeros(0, dtype=np.int64)
    lines, widths = split_rows(data)
    if not lines:
        report(Finding("empty", Severity.ERROR, path, None, "the csv has no rows", "Delete the file, or get it again"))
        return Table(nothing, nothing, np.zeros((0, 0)))
    prices, sizes = _COLUMNS["plain" if security_type in _PLAIN else "sized", kind]
    wanted = [0, *prices, *sizes]
    numbers = np.arange(1, len(lines) + 1, dtype=np.int64)
    short = widths <= max(wanted)
    if short.any():
        message = f"fewer than {max(wanted) + 1} fields in a {kind} tick"
        flag(report, path, numbers[short], "bad_row", Severity.ERROR, message, "Repair or remove the row")
        lines = [line for line, bad in zip(lines, short.tolist(), strict=True) if not bad]
        numbers = numbers[~short]
    if not lines:
        return Table(nothing, nothing, np.zeros((0, len(wanted) - 1)))
    cut = b"\n".join(b",".join(line.split(b",")[: max(wanted) + 1]) for line in lines)
    frame = pd.read_csv(io.BytesIO(cut), header=None, encoding_errors="replace", skip_blank_lines=False)
    values = np.column_stack([pd.to_numeric(frame[column], errors="coerce") for column in wanted[1:]])
    values = values.astype(np.float64)
    start = clock_times(frame[0], day_us)
    wrong = ~np.isfinite(values).all(axis=1)
    late = (start < 0) & ~wrong
    for mask, code, message in (
        (wrong, "bad_row", "a price or size is not a number"),
        (late, "bad_time", "the time is not in 0 to 86399999 milliseconds"),
    ):
        if mask.any():
            flag(report, path, numbers[mask], code, Severity.ERROR, message, "Repair or remove the row")
    good = ~(wrong | late)
    table = Table(numbers[good], start[good], values[good])
    _check_values(table, len(prices), path, report)
    return table


def _check_values(table: Table, prices: int, path: str, report: Report) -> None:
    if not len(table):
        return
    back = np.concatenate(([False], np.diff(table.start_us) < 0))
    figures, sizes = table.values[:, :prices], table.values[:, prices:]
    negative = (sizes < 0).any(axis=1)
    # A quote tick may hold one side only, as 0.
    bad = (figures < 0).any(axis=1) | (figures <= 0).all(axis=1)
    for mask, code, message, remedy in (
        (back, "unsorted", "its time is before that of the row above", "Sort the rows by time"),
        (bad, "bad_price", "a price is zero or negative", "Remove the row"),
        (negative, "negative_size", "a size is negative", "Correct the size"),
    ):
        if mask.any():
            flag(report, path, table.rows[mask], code, Severity.ERROR, message, remedy)
    if prices < 2:
        return
    crossed = (figures > 0).all(axis=1) & (figures[:, 0] > figures[:, 1])
    if crossed.any():
        rare = crossed.mean() <= _CROSSED_SHARE
        code, severity = ("crossed_moment", Severity.INFO) if rare else ("bid_above_ask", Severity.ERROR)
        bid, ask = figures[crossed][0]
        message = f"bid {bid:.10g} is above ask {ask:.10g}"
        flag(report, path, table.rows[crossed], code, severity, message, "Correct or remove the rows")
