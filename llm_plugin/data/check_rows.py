"""Reading one csv member tolerantly, and judging its rows."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llm_plugin.data.findings import Finding, Severity
from llm_plugin.engine.base.zones import DAY_US

__all__ = ["Table", "check_prices", "check_times", "clock_times", "flag", "parse_member", "split_rows"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Report = Callable[[Finding], None]
_SPIKE = 3.0
_TRADE_WIDTH, _QUOTE_WIDTH, _QUOTE_WIDTH_WITHOUT_SIZES = 6, 11, 9


@dataclass(slots=True)
class Table:
    """Good rows of a member: row numbers from 1, start times (microseconds, data time zone), numbers after the time."""

    rows: Ints
    start_us: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.rows)


def flag(report: Report, path: str, rows: Ints, code: str, severity: Severity, message: str, remedy: str) -> None:
    """Report one finding for all rows with the same fault."""
    report(Finding(code, severity, path, int(rows[0]), message, remedy, len(rows)))


def split_rows(data: bytes) -> tuple[list[bytes], Ints]:
    """Return the rows of a member and the number of fields of each."""
    lines = data.replace(b"\r", b"").split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return lines, np.array([line.count(b",") + 1 for line in lines], dtype=np.int64)


def parse_member(data: bytes, path: str, kind: str, day_us: int | None, report: Report) -> Table:
    """Parse the rows of a bar member; rows that cannot be read are reported and left out.

    Args:
        data: The member's bytes.
        path: For findings.
        kind: `trade` or `quote`.
        day_us: Midnight of the file's date for minute and second files, None for daily and hourly ones.
        report: Takes findings.
    """
    lines, widths = split_rows(data)
    if not lines:
        remedy = "Delete the file, or get it again"
        report(Finding("empty", Severity.ERROR, path, None, "the csv has no rows", remedy))
        return Table(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0)))
    allowed = (_TRADE_WIDTH,) if kind == "trade" else (_QUOTE_WIDTH, _QUOTE_WIDTH_WITHOUT_SIZES)
    usual = int(np.bincount(widths).argmax())
    expected = usual if usual in allowed else allowed[0]
    numbers = np.arange(1, len(lines) + 1, dtype=np.int64)
    wrong = widths != expected
    if wrong.any():
        row = int(numbers[wrong][0])
        message = (
            f"{int(widths[row - 1])} fields where {expected} are expected for {kind} bars: {_text(lines[row - 1])}"
        )
        flag(report, path, numbers[wrong], "bad_row", Severity.ERROR, message, "Repair or remove the row")
        lines = [line for line, bad in zip(lines, wrong.tolist(), strict=True) if not bad]
        numbers = numbers[~wrong]
    if not lines:
        return Table(numbers, numbers, np.zeros((0, expected - 1)))
    frame = pd.read_csv(
        io.BytesIO(b"\n".join(lines)),
        header=None,
        dtype={0: str} if day_us is None else None,
        skip_blank_lines=False,
        encoding_errors="replace",
        low_memory=False,
    )
    return _numeric(frame, lines, numbers, path, kind, day_us, report)


def _text(line: bytes) -> str:
    return repr(line[:80].decode("utf-8", errors="replace"))


def _numeric(
    frame: pd.DataFrame,
    lines: list[bytes],
    numbers: Ints,
    path: str,
    kind: str,
    day_us: int | None,
    report: Report,
) -> Table:
    values = np.column_stack([pd.to_numeric(frame[column], errors="coerce") for column in frame.columns[1:]])
    values = values.astype(np.float64)
    # An empty field is a missing side of a quote; in trades every field is needed.
    empty = frame[frame.columns[1:]].isna().to_numpy()
    bad = (np.isnan(values) & (~empty if kind == "quote" else True)) | np.isinf(values)
    start = _day_times(frame[0]) if day_us is None else clock_times(frame[0], day_us)
    wrong_value, wrong_time = bad.any(axis=1), start < 0
    for wrong, code, what in (
        (wrong_value, "bad_row", "a field is not a number"),
        (wrong_time & ~wrong_value, "bad_time", _time_rule(day_us)),
    ):
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            message = f"{what}: {_text(lines[at])}"
            flag(report, path, numbers[wrong], code, Severity.ERROR, message, "Repair or remove the row")
    good = ~(wrong_value | wrong_time)
    return Table(numbers[good], start[good], values[good])


def _time_rule(day_us: int | None) -> str:
    return "the time is not 'yyyyMMdd HH:mm'" if day_us is None else "the time is not in 0 to 86399999 milliseconds"


def _day_times(column: pd.Series[str]) -> Ints:
    times = pd.to_datetime(column, format="%Y%m%d %H:%M", errors="coerce")
    values = times.to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(values), np.int64(-1), values.astype(np.int64))


def clock_times(column: pd.Series[float], day_us: int) -> Ints:
    """Turn milliseconds since midnight into microseconds since 1970; -1 where they cannot be read."""
    milliseconds = pd.to_numeric(column, errors="coerce").to_numpy().astype(np.float64)
    inside = (milliseconds >= 0) & (milliseconds * 1_000 < DAY_US)
    whole = np.where(inside, milliseconds, 0).astype(np.int64)
    return np.where(inside, day_us + whole * 1_000, np.int64(-1))


def check_times(table: Table, step_us: int, path: str, report: Report) -> None:
    """Find rows that go back in time, repeat a time, or start before the bar above ended."""
    if len(table) < 2:
        return
    ahead = np.diff(table.start_us)
    highest = np.maximum.accumulate(table.start_us)[:-1]
    back = table.start_us[1:] < highest
    same = (ahead == 0) & ~back
    overlap = (ahead > 0) & (ahead < step_us) & ~back
    for mask, code, text, remedy in (
        (back, "unsorted", "its time is before that of a row above", "Sort the rows by time"),
        (same, "duplicate_time", "it repeats the time of the row above", "Keep one of the rows"),
        (overlap, "overlap", "it starts before the bar above has ended", "Keep bars of one length in the file"),
    ):
        rows = table.rows[1:][mask]
        if len(rows):
            flag(report, path, rows, code, Severity.ERROR, text + "; LEAN drops or misplaces such bars", remedy)


def check_prices(table: Table, kind: str, path: str, report: Report) -> None:
    """Judge prices, sides and sizes of all rows."""
    values = table.values
    if kind == "trade":
        _check_side(table.rows, values[:, :4], "", path, report)
        _check_sizes(table.rows, values[:, 4], path, report)
        return
    width = 5 if values.shape[1] == _QUOTE_WIDTH - 1 else 4
    bid, ask = values[:, :4], values[:, width : width + 4]
    has_bid, has_ask = _present(bid), _present(ask)
    one_sided = has_bid != has_ask
    if one_sided.any():
        text = "only one side of the quote is there"
        flag(report, path, table.rows[one_sided], "one_sided", Severity.INFO, text, "LEAN carries the last one on")
    for side, present, name in ((bid, has_bid, "bid "), (ask, has_ask, "ask ")):
        _check_side(table.rows[present], side[present], name, path, report)
    both = has_bid & has_ask
    crossed = both & (bid > ask).any(axis=1)
    if crossed.any():
        _check_crossed(table.rows[crossed], bid[crossed], ask[crossed], path, report)
    if width == 5:
        _check_sizes(table.rows, np.nan_to_num(values[:, [4, 9]]).min(axis=1), path, report)


def _check_crossed(rows: Ints, bid: Floats, ask: Floats, path: str, report: Report) -> None:
    """A quote may cross for a moment, at one extreme of a bar; crossed opens, closes or whole bars are wrong data."""
    above = bid > ask
    moment = ~above[:, [0, 3]].any(axis=1) & ~above[:, 1:3].all(axis=1)
    for mask, code, severity, remedy in (
        (~moment, "bid_above_ask", Severity.ERROR, "Correct or remove the rows"),
        (moment, "crossed_moment", Severity.INFO, "Nothing to do if it is rare: quotes cross for moments"),
    ):
        if mask.any():
            at = int(np.flatnonzero(mask)[0])
            column = int(np.flatnonzero(above[at])[0])
            name = ("open", "high", "low", "close")[column]
            text = f"bid {name} {bid[at, column]:.10g} is above ask {name} {ask[at, column]:.10g}"
            flag(report, path, rows[mask], code, severity, text, remedy)


def _present(side: Floats) -> Bools:
    present: Bools = ((side != 0) & ~np.isnan(side)).all(axis=1)
    return present


def _check_sizes(rows: Ints, sizes: Floats, path: str, report: Report) -> None:
    negative = sizes < 0
    if negative.any():
        text = f"a size or volume is negative: {sizes[negative][0]:g}"
        flag(report, path, rows[negative], "negative_size", Severity.ERROR, text, "Correct the size")


def _check_side(rows: Ints, prices: Floats, name: str, path: str, report: Report) -> None:
    opened, high, low, close = (prices[:, column] for column in range(4))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    positive = (prices > 0).all(axis=1)
    broken = positive & ((high < top) | (low > bottom))
    spike = positive & ~broken & ((high > _SPIKE * top) | (low < bottom / _SPIKE))
    for mask, code, severity, text, remedy in (
        (~positive, "bad_price", Severity.ERROR, "a {}price is zero or negative", "Remove the row"),
        (broken, "ohlc", Severity.ERROR, "{}high or low does not contain open and close", "Correct or remove the row"),
        (spike, "spike", Severity.WARNING, "{}high or low is 3 times off open and close", "Check for a bad print"),
    ):
        if mask.any():
            figures = ",".join(f"{value:.10g}" for value in prices[mask][0])
            flag(report, path, rows[mask], code, severity, f"{text.format(name)}: {figures}", remedy)
