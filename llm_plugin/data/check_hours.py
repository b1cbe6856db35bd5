"""Judging the times of a series against its exchange's hours: gaps, closed hours, wrong time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from llm_plugin.data.check_rows import Report, Table
from llm_plugin.data.findings import Finding, Severity
from llm_plugin.data.sessions import Sessions
from llm_plugin.engine.base.zones import DAY_US, HOUR_US, MINUTE_US
from llm_plugin.engine.market.market_hours import MarketHoursEntry

__all__ = ["check_hours", "check_missing_days"]

Ints = NDArray[np.int64]
_OUTSIDE_SHARE = 0.02  # more bars than this outside all hours: the time zone is suspect
_RUNS_NAMED = 3
_MINUTE_RUN = 60
_WARN_SHARE = 0.005


def _when(local_us: int) -> str:
    return datetime.fromtimestamp(local_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")


def check_hours(
    table: Table,
    step_us: int,
    entry: MarketHoursEntry,
    path: str,
    report: Report,
    listed: list[tuple[int, int]] | None = None,
) -> None:
    """Compare sorted bars with the hours; second bars are sparse by nature and are only checked for closed hours.

    Args:
        table: Bars sorted by time.
        step_us: Length of a bar.
        entry: Hours of the series.
        path: For findings.
        report: Takes findings.
        listed: First and last days (since 1970) between which bars are expected; None for always.
    """
    if not len(table):
        return
    first, last = int(table.start_us.min()), int(table.start_us.max())
    start, end = _exchange_times(table.start_us, step_us, entry)
    extended = Sessions(entry.exchange_hours, int(start.min()), int(end.max()), extended=True)
    _check_outside(table, ~extended.overlaps(start, end), entry, path, report)
    if step_us < MINUTE_US:
        return
    grid = np.arange(first, last + step_us, step_us, dtype=np.int64)
    grid_start, grid_end = _exchange_times(grid, step_us, entry)
    regular = Sessions(entry.exchange_hours, int(grid_start[0]), int(grid_end[-1]))
    expected = grid[regular.overlaps(grid_start, grid_end)]
    if listed is not None:
        _check_listed(table, listed, path, report)
        expected = expected[_within(expected, listed)]
    missing = np.isin(expected, table.start_us, invert=True)
    if missing.any():
        _report_gaps(table, expected, missing, step_us, path, report)


def _within(times: Ints, listed: list[tuple[int, int]]) -> NDArray[np.bool_]:
    days = times // DAY_US
    inside = np.zeros(len(times), dtype=bool)
    for first, last in listed:
        inside |= (days >= first) & (days <= last)
    return inside


def _check_listed(table: Table, listed: list[tuple[int, int]], path: str, report: Report) -> None:
    foreign = ~_within(table.start_us, listed)
    count = int(foreign.sum())
    if count:
        row, when = int(table.rows[foreign][0]), _when(int(table.start_us[foreign][0]))[:10]
        message = f"{count} rows are of dates, first {when}, at which no map file gives this ticker to a security"
        remedy = "LEAN does not read them; code that ignores map files would"
        report(Finding("unmapped_rows", Severity.INFO, path, row, message, remedy, count))


def _exchange_times(start: Ints, step_us: int, entry: MarketHoursEntry) -> tuple[Ints, Ints]:
    exchange, data = entry.exchange_hours.time_zone, entry.data_time_zone
    if step_us == DAY_US and exchange.name == data.name:
        return start, start + step_us
    utc = data.utcs(start)
    return exchange.locals(utc), exchange.locals(utc + step_us)


def _check_outside(
    table: Table, outside: NDArray[np.bool_], entry: MarketHoursEntry, path: str, report: Report
) -> None:
    count = int(outside.sum())
    if not count:
        return
    row = int(table.rows[outside][0])
    zone = entry.data_time_zone.name
    when = _when(int(table.start_us[outside][0]))
    if count > max(5, _OUTSIDE_SHARE * len(table)):
        message = f"{count} of {len(table)} bars lie outside the exchange's hours, first {when} {zone}"
        remedy = f"Write the times in the data time zone {zone}, or correct the market-hours entry"
        report(Finding("time_zone", Severity.WARNING, path, row, message, remedy, count))
    else:
        message = f"the bar of {when} {zone} lies outside the exchange's hours"
        report(Finding("closed_hours", Severity.INFO, path, row, message, "LEAN drops such bars", count))


def _report_gaps(
    table: Table, expected: Ints, missing: NDArray[np.bool_], step_us: int, path: str, report: Report
) -> None:
    """Name the longest runs of missing bars, then the total."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    begins, stops = edges[::2], edges[1::2]
    lengths = stops - begins
    if step_us < HOUR_US:
        long = lengths >= _MINUTE_RUN
        if not long.any():
            return
        begins, stops, lengths = begins[long], stops[long], lengths[long]
    share = float(lengths.sum()) / len(expected)
    order = np.argsort(-lengths, kind="stable")[:_RUNS_NAMED]
    per_day = max(1, round(8 * HOUR_US / step_us))
    for at in order.tolist():
        serious = step_us < HOUR_US or lengths[at] > per_day or share > _WARN_SHARE
        low, high = int(expected[begins[at]]), int(expected[stops[at] - 1])
        after = int(np.searchsorted(table.start_us, high))
        row = int(table.rows[min(after, len(table) - 1)])
        message = (
            f"{int(lengths[at])} bars are missing from {_when(low)} to {_when(high)} (of {len(expected)} expected)"
        )
        remedy = "Get the missing bars, or keep backtests and training out of this time"
        report(Finding("gap", Severity.WARNING if serious else Severity.INFO, path, row, message, remedy))
    if len(lengths) > len(order):
        message = f"{int(lengths.sum())} of {len(expected)} bars are missing in {len(lengths)} places, {share:.2%}"
        severity = Severity.WARNING if share > _WARN_SHARE else Severity.INFO
        report(Finding("gaps", severity, path, None, message, "Most are short; a backtest carries the last bar on"))


def check_missing_days(days: list[int], entry: MarketHoursEntry, path: str, report: Report) -> None:
    """Report trading days without a file between the first and the last file of a folder.

    Args:
        days: Days since 1970 that have a file, sorted.
        entry: Hours of the series.
        path: The folder.
        report: Takes the finding.
    """
    first, last = days[0] * DAY_US, days[-1] * DAY_US
    grid = np.arange(first, last + DAY_US, DAY_US, dtype=np.int64)
    start, end = _exchange_times(grid, DAY_US, entry)
    sessions = Sessions(entry.exchange_hours, int(start[0]), int(end[-1]))
    expected = grid[sessions.overlaps(start, end)] // DAY_US
    missing = expected[np.isin(expected, np.array(days), invert=True)]
    if len(missing):
        message = (
            f"{len(missing)} of {len(expected)} trading days have no file, first {_when(int(missing[0]) * DAY_US)[:10]}"
        )
        report(Finding("missing_days", Severity.INFO, path, None, message, "A backtest has no bars on these days"))
