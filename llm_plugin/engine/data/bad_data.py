"""Damaged, unsorted, repeated, overlapping and missing market data: named by file and row, and by policy stop or skip.

All checks look at whole columns once, when a file is opened; the bar loop knows nothing of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType
from llm_plugin.engine.data.csv_decode import CsvTable, decode, read_member
from llm_plugin.errors import ConfigError, DataError

__all__ = ["BadData", "Problem", "open_table", "sound_rows", "tell_missing", "use_policy"]

Bools = NDArray[np.bool_]
# Distance of two bars in the units of a file's first column: milliseconds, or yyyyMMddHHmm as one number.
_STEP = {Resolution.SECOND: 1_000, Resolution.MINUTE: 60_000, Resolution.HOUR: 100, Resolution.DAILY: 10_000}
_DAY_MS = 86_400_000
_FIELD = re.compile(rb"-?[\d :]*\.?\d*")
_MAY_BE_NEGATIVE = frozenset({SecurityType.CFD, SecurityType.INDEX, SecurityType.BASE})
_SHOWN = 5
TIME_FORMAT = "'yyyyMMdd HH:mm'"


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows of one file with one fault; row 0 means the file as a whole.

    Attributes:
        path: The file.
        row: The first of them, counted from 1.
        rows: How many there are.
        what: The fault.
        kind: `skipped` or `missing`.
    """

    path: Path
    row: int
    rows: int
    what: str
    kind: str = "skipped"

    def __str__(self) -> str:
        more = f" and {self.rows - 1:,} more" if self.rows > 1 else ""
        return f"{self.path}{f' row {self.row}{more}' if self.row else ''}: {self.what}"


@dataclass
class BadData:
    """The policy of a run, and what it found.

    Attributes:
        bad: `stop` at the first damaged row, or `skip` it and count.
        missing: `tell` of days without a file, or `stop` at the first.
    """

    bad: str = "stop"
    missing: str = "tell"
    found: dict[tuple[Path, str], Problem] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, known in (("bad", self.bad, ("stop", "skip")), ("missing", self.missing, ("tell", "stop"))):
            if value not in known:
                raise ConfigError(f"--{name}-data {value}: choose {' or '.join(known)}")

    def report(self, problem: Problem) -> None:
        """Stop at a problem, or keep it.

        Raises:
            DataError: The policy says so.
        """
        if problem.kind == "missing":
            if self.missing == "stop":
                raise DataError(f"{problem}; get the file, or go on without it: --missing-data tell")
        elif self.bad == "stop":
            raise DataError(f"{problem}; replace the file, or go on without these rows: --bad-data skip")
        self.found[problem.path, problem.what] = problem

    @property
    def problems(self) -> list[Problem]:
        """What was found, in the order in which files were opened."""
        return list(self.found.values())

    def lines(self) -> list[str]:
        """Return what a person should read: counts, and the first few by name."""
        told = []
        for kind, text in (("skipped", "rows of market data were skipped"), ("missing", "data files are missing")):
            those = [problem for problem in self.problems if problem.kind == kind]
            if those:
                named = "; ".join(str(problem) for problem in those[:_SHOWN])
                left = f"; and {len(those) - _SHOWN} more" if len(those) > _SHOWN else ""
                told.append(f"{sum(problem.rows for problem in those):,} {text}: {named}{left}")
        return told


_policy: ContextVar[BadData | None] = ContextVar("bad_data", default=None)


@contextmanager
def use_policy(policy: BadData) -> Iterator[BadData]:
    """Hold to a policy inside the `with` block; outside of one, damage stops and nothing is kept."""
    token = _policy.set(policy)
    try:
        yield policy
    finally:
        _policy.reset(token)


def _current() -> BadData:
    return _policy.get() or BadData()


def tell_missing(path: Path) -> None:
    """Report a file that is not there although its market was open on its day."""
    policy = _policy.get()
    if policy is not None:
        policy.report(Problem(path, 0, 1, "no such file", "missing"))


def open_table(path: Path, load: Callable[[Path], CsvTable], width: int) -> tuple[CsvTable, NDArray[np.int64] | None]:
    """Return a file's table and the row numbers of what is left of it; None = all rows are there.

    Args:
        path: The file.
        load: Decodes a sound file, from a cache where there is one.
        width: Fields that a row needs.

    Raises:
        DataError: The file cannot be read, and the policy is to stop.
    """
    try:
        table = load(path)
    except DataError as error:
        if _current().bad == "stop":
            raise DataError(f"{error}, or go on without it: --bad-data skip") from None
        return _readable(path, width)
    if len(table.values) and table.values.shape[1] < width:
        _current().report(Problem(path, 1, len(table.values), _width_text(table.values.shape[1], width)))
        return _empty(width)
    return table, None


def _width_text(found: int, width: int) -> str:
    return f"{found} fields where {width} are expected"


def _empty(width: int) -> tuple[CsvTable, NDArray[np.int64]]:
    shape = (0, width)
    table = CsvTable(np.zeros(shape, np.int64), np.zeros(shape, np.uint8), np.zeros(shape, bool))
    return table, np.zeros(0, dtype=np.int64)


def _readable(path: Path, width: int) -> tuple[CsvTable, NDArray[np.int64]]:
    state = path.stat()
    try:
        lines, numbers, faults = _split(path, state.st_mtime_ns, state.st_size, width)
    except DataError as error:
        _current().report(Problem(path, 0, 1, f"the file cannot be read: {error}"))
        return _empty(width)
    for what, row, rows in faults:
        _current().report(Problem(path, row, rows, what))
    return (decode(b"\n".join(lines), path), np.array(numbers, dtype=np.int64)) if lines else _empty(width)


@lru_cache(maxsize=16)
def _split(
    path: Path, modified_ns: int, size: int, width: int
) -> tuple[list[bytes], list[int], list[tuple[str, int, int]]]:
    """Return the rows that can be decoded, their numbers, and (fault, first row, count) of the others."""
    lines = read_member(path).replace(b"\r", b"").rstrip(b"\n").split(b"\n")
    usual = Counter(line.count(b",") + 1 for line in lines).most_common(1)[0][0]
    expected = usual if usual >= width else width
    kept: list[bytes] = []
    numbers: list[int] = []
    faults: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split(b",")
        if len(fields) != expected:
            what = f"not {expected} fields"
        elif wrong := [one for one in fields if not _FIELD.fullmatch(one) or sum(c in b"0123456789" for c in one) > 18]:
            what = "not a number" if len(wrong) > 1 else f"{wrong[0].decode(errors='replace')!r} is not a number"
        elif any(one.strip(b"- :.") == b"" and one for one in fields):
            what = "not a number"
        else:
            kept.append(line)
            numbers.append(number)
            continue
        first, count = faults.get(what, (number, 0))
        faults[what] = (first, count + 1)
    return kept, numbers, [(what, first, count) for what, (first, count) in faults.items()]


def sound_rows(
    table: CsvTable,
    numbers: NDArray[np.int64] | None,
    path: Path,
    kind: SecurityType,
    resolution: Resolution,
    tick_type: TickType,
) -> CsvTable:
    """Return a table without the rows whose times or prices cannot be; the table itself where there are none.

    Raises:
        DataError: There is such a row, and the policy is to stop; file and row are named.
    """
    if not len(table.values):
        return table
    bad = np.zeros(len(table.values), dtype=bool)
    for what, mask in _faults(table, kind, resolution, tick_type):
        mask &= ~bad
        if mask.any():
            at = int(np.flatnonzero(mask)[0])
            row = int(numbers[at]) if numbers is not None else at + 1
            _current().report(Problem(path, row, int(mask.sum()), what))
            bad |= mask
    if not bad.any():
        return table
    keep = ~bad
    return CsvTable(table.values[keep], table.digits[keep], table.empty[keep])


def _faults(
    table: CsvTable, kind: SecurityType, resolution: Resolution, tick_type: TickType
) -> Iterator[tuple[str, Bools]]:
    yield from _time_faults(table.values[:, 0], resolution)
    sides = [[1, 2, 3, 4]] if tick_type == TickType.TRADE else [[1, 2, 3, 4], [6, 7, 8, 9]]
    for columns in sides:
        prices = _level(table, columns)
        opened, high, low, closed = prices.T
        present: Bools = np.ones(len(prices), dtype=bool)
        if tick_type == TickType.TRADE:
            if kind not in _MAY_BE_NEGATIVE:
                yield "a price is 0", (prices == 0).any(axis=1)
        else:
            present = (prices != 0).all(axis=1)  # a side that nobody quoted is written as zeros
        if kind not in _MAY_BE_NEGATIVE:
            yield "a price is negative", np.asarray((prices < 0).any(axis=1), dtype=bool)
        outside: Bools = (low > high) | (np.maximum(opened, closed) > high) | (np.minimum(opened, closed) < low)
        yield "its low, open, close and high are in no order", present & outside
    if tick_type == TickType.TRADE:
        yield "its volume is negative", table.values[:, 5] < 0


def _time_faults(times: NDArray[np.int64], resolution: Resolution) -> Iterator[tuple[str, Bools]]:
    wrong = _wrong_times(times, resolution)
    step = _STEP[resolution]
    if not wrong.any() and (len(times) < 2 or int(np.diff(times).min()) >= step):
        return
    # Something is wrong: now it is worth to look row by row, against the last row that is kept.
    found: dict[str, list[int]] = {}
    last: int | None = None
    given = times.tolist()
    for row, time in enumerate(given):
        ahead = None if last is None else time - last
        follower = given[row + 1] if row + 1 < len(given) else None
        if wrong[row]:
            what = f"{time} is not a time {'in milliseconds' if resolution < Resolution.HOUR else TIME_FORMAT}"
        elif ahead is not None and ahead < 0:
            what = "its time is before that of a row above (unsorted)"
        elif ahead == 0:
            what = "it repeats the time of a row above"
        elif ahead is not None and ahead < step:
            what = "it starts before the bar above has ended (overlapping)"
        elif follower is not None and follower < time and not wrong[row + 1] and (last is None or follower > last):
            what = "its time is after that of the row below (unsorted)"
        else:
            last = time
            continue
        found.setdefault(what, []).append(row)
    for what, rows in found.items():
        mask = np.zeros(len(times), dtype=bool)
        mask[rows] = True
        yield what, mask


def _level(table: CsvTable, columns: list[int]) -> NDArray[np.int64]:
    """Return prices that can be compared: the same count of decimals everywhere."""
    digits = table.digits[:, columns]
    most = int(digits.max())
    if most == int(digits.min()):
        return table.values[:, columns]
    return table.values[:, columns] * 10 ** (most - digits.astype(np.int64))


def _wrong_times(times: NDArray[np.int64], resolution: Resolution) -> Bools:
    wrong: Bools
    if resolution < Resolution.HOUR:
        wrong = (times < 0) | (times >= _DAY_MS)
        return wrong
    minutes, hours, days = times % 100, times // 100 % 100, times // 10_000 % 100
    months, years = times // 1_000_000 % 100, times // 100_000_000
    wrong = (minutes > 59) | (hours > 23) | (days < 1) | (days > 31) | (months < 1) | (months > 12)
    wrong |= (years < 1970) | (years > 2100)
    return wrong
