"""Data folders that end at a moment: what a strategy is shown when the future is cut off.

A view holds the series that a run read, each without what ended after the cut. Splits, dividends and ticker changes of
the future are folded into one last row, so that adjusted prices of the past stay what they were.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from llm_plugin.engine.base.enums import Resolution, SecurityType, resolution_span
from llm_plugin.engine.base.names import snake
from llm_plugin.engine.base.zones import DAY_US, EPOCH, SECOND_US, from_us
from llm_plugin.engine.data.lean_data import is_strict_daily
from llm_plugin.engine.data.map_files import load_map_file
from llm_plugin.engine.market.market_hours import MarketHoursEntry, load_market_hours
from llm_plugin.errors import DataError

__all__ = ["Futures", "Series"]

# Security type, market, ticker and resolution, by LEAN's numbers.
Series = tuple[int, str, str, int]

_BARS = frozenset(str(resolution).lower() for resolution in Resolution)
_STATIC = ("market-hours", "symbol-properties")
_MOST_KEPT = 4000
_LAST = "20501231"
_EPOCH_ORDINAL = EPOCH.toordinal()


class Futures:
    """Makes views of a data folder.

    Args:
        data_folder: The whole data.
        work: Where views are built; on the same file system, whole files are linked and not copied.
    """

    def __init__(self, data_folder: Path, work: Path) -> None:
        self._data, self._work = Path(data_folder).resolve(), work
        self._pieces = work / "pieces"
        self._pieces.mkdir(parents=True, exist_ok=True)
        self._count = 0

    def view(self, cut_us: int, series: Iterable[Series]) -> Path:
        """Build a view and return its folder; `drop` removes it.

        Args:
            cut_us: The last moment that is known, UTC microseconds.
            series: What may be read.

        Raises:
            DataError: A series whose name leads out of the data folder.
        """
        self._count += 1
        root = self._work / f"view-{self._count}"
        root.mkdir()
        for name in _STATIC:
            self._copy_tree(self._data / name, root / name)
        hours = load_market_hours(self._data)
        for kind, market, ticker, resolution in sorted(series):
            _check_name(market, ticker)
            entry = hours.get_entry(market, ticker.upper(), SecurityType(kind))
            for name in self._names(SecurityType(kind), market, ticker):
                self._series(root, SecurityType(kind), market, name, Resolution(resolution), entry, cut_us)
        self._side_files(root, cut_us)
        return root

    def drop(self, root: Path) -> None:
        """Remove a view."""
        shutil.rmtree(root, ignore_errors=True)
        pieces = list(self._pieces.iterdir())
        if len(pieces) > _MOST_KEPT:
            for piece in sorted(pieces, key=lambda path: path.stat().st_mtime)[: _MOST_KEPT // 2]:
                piece.unlink(missing_ok=True)

    def _names(self, kind: SecurityType, market: str, ticker: str) -> list[str]:
        found = load_map_file(self._data, market, ticker.upper()) if kind == SecurityType.EQUITY else None
        former = [name.lower() for _, name in found.rows] if found is not None else []
        return list(dict.fromkeys([ticker.lower(), *former]))

    def _series(
        self,
        root: Path,
        kind: SecurityType,
        market: str,
        name: str,
        resolution: Resolution,
        entry: MarketHoursEntry,
        cut_us: int,
    ) -> None:
        folder = Path(snake(str(kind)).replace("_", "")) / market / str(resolution).lower()
        if resolution >= Resolution.HOUR:
            last = _last_label(kind, market, resolution, entry, cut_us)
            for path in (self._data / folder).glob(f"{name}*.zip"):
                if path.stem == name or path.stem.startswith(f"{name}_"):
                    self._piece(path, root / folder / path.name, last)
            return
        local = entry.data_time_zone.local(cut_us)
        day = f"{from_us(local):%Y%m%d}"
        span = 0 if resolution == Resolution.TICK else int(resolution_span(resolution).total_seconds()) * SECOND_US
        for path in (self._data / folder / name).glob("*.zip"):
            target = root / folder / name / path.name
            if path.name[:8] < day:
                _link(path, target)
            elif path.name[:8] == day:
                self._piece(path, target, (local % DAY_US - span) // 1000)

    def _piece(self, path: Path, target: Path, last: str | int) -> None:
        """Link a file without its rows after a label (a text for daily and hourly bars, else milliseconds)."""
        state = path.stat()
        key = hashlib.sha256(f"{path}|{state.st_mtime_ns}|{state.st_size}|{last}".encode()).hexdigest()
        piece = self._pieces / f"{key}.zip"
        if not piece.is_file():
            draft = piece.with_suffix(".draft")
            with zipfile.ZipFile(path) as source, zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as out:
                for name in source.namelist():
                    out.writestr(name, _until(source.read(name), last))
            draft.replace(piece)
        if piece.stat().st_size > 200 or zipfile.ZipFile(piece).infolist()[0].file_size:
            _link(piece, target)

    def _copy_tree(self, source: Path, target: Path) -> None:
        for path in source.rglob("*"):
            if path.is_file():
                _link(path, target / path.relative_to(source))

    def _side_files(self, root: Path, cut_us: int) -> None:
        """Everything that is no bar: rows and files of later days are left out."""
        day = f"{from_us(cut_us):%Y%m%d}"
        for path in self._data.rglob("*"):
            relative = path.relative_to(self._data)
            if relative.parts[0] in _STATIC or (len(relative.parts) > 2 and relative.parts[2] in _BARS):
                continue
            if not path.is_file() or path.suffix not in (".csv", ".json"):
                continue
            target = root / relative
            if path.name[:8].isdigit():
                if path.name[:8] <= day:
                    _link(path, target)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if relative.parent.name in ("factor_files", "map_files"):
                target.write_bytes(_folded(path.read_bytes(), day))
            elif path.suffix == ".csv":
                target.write_bytes(_dated_until(path.read_bytes(), day))


def _check_name(market: str, ticker: str) -> None:
    for name in (market, ticker):
        if not name or "/" in name or "\\" in name or name.startswith(".") or "\0" in name or "*" in name:
            raise DataError(f"{name[:40]!r} is no name of a market or ticker")


def _last_label(kind: SecurityType, market: str, resolution: Resolution, entry: MarketHoursEntry, cut_us: int) -> str:
    """Return the label of the last row that is known at the cut, in the data's time zone."""
    if resolution == Resolution.DAILY and is_strict_daily(kind, market, entry.exchange_hours):
        local = entry.exchange_hours.time_zone.local(cut_us)
        number = local // DAY_US
        closing = entry.exchange_hours.last_close_us(number)
        if closing is None or closing > local:
            number -= 1
        return f"{date.fromordinal(_EPOCH_ORDINAL + number):%Y%m%d} 23:59"
    span = timedelta(days=1) if resolution == Resolution.DAILY else timedelta(hours=1)
    return f"{from_us(entry.data_time_zone.local(cut_us)) - span:%Y%m%d %H:%M}"


def _until(content: bytes, last: str | int) -> bytes:
    lines = content.splitlines(keepends=True)
    if isinstance(last, int):
        return b"".join(line for line in lines if _milliseconds(line) <= last)
    label = last.encode()
    return b"".join(lines[: bisect.bisect_right(lines, label, key=lambda line: line[: len(label)])])


def _milliseconds(line: bytes) -> float:
    try:
        return float(line.split(b",", 1)[0])
    except ValueError:
        return float("-inf")


def _folded(content: bytes, day: str) -> bytes:
    """Keep the rows before a day; the next one stands for all later ones, without its own price."""
    kept = []
    for line in content.decode("utf-8-sig").splitlines():
        if line[:8].isdigit() and line[:8] >= day:
            fields = line.split(",")
            rest = [*fields[1:3], "0"] if len(fields) == 4 else fields[1:]
            kept.append(",".join([_LAST, *rest]))
            break
        kept.append(line)
    return ("\n".join(kept) + "\n").encode()


def _dated_until(content: bytes, day: str) -> bytes:
    kept = []
    for line in content.splitlines(keepends=True):
        stamp = line[:10].decode("ascii", "replace").replace("-", "")[:8]
        if not (stamp.isdigit() and len(stamp) == 8 and stamp > day):
            kept.append(line)
    return b"".join(kept)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def data_hash(data_folder: Path) -> str:
    """Return a hash of a data folder by names, sizes and times of its files."""
    root = Path(data_folder).resolve()
    rows = []
    for path in sorted(root.rglob("*")):
        if path.is_file():
            state = path.stat()
            rows.append((str(path.relative_to(root)), state.st_size, state.st_mtime_ns))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
