"""A market of a few bars, written by the test that needs them; hours and symbol properties are the sample's."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

Bar = Sequence[object]


class TinyMarket:
    """Writes LEAN-format files; prices are dollars, times are exchange times `HH:MM` or dates `yyyymmdd`."""

    def __init__(self, folder: Path, sample: Path) -> None:
        self.folder = folder
        for name in ("market-hours", "symbol-properties"):
            shutil.copytree(sample / name, folder / name)

    def _zip(self, path: Path, member: str, lines: Iterable[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, "\n".join(lines) + "\n")

    def minutes(self, ticker: str, day: str, bars: Iterable[Bar]) -> None:
        """Trade bars of a day: (start, open, high, low, close, volume)."""
        rows = [f"{_milliseconds(b[0])},{','.join(_scaled(p) for p in b[1:5])},{b[5]}" for b in bars]
        path = self.folder / "equity" / "usa" / "minute" / ticker / f"{day}_trade.zip"
        self._zip(path, f"{day}_{ticker}_minute_trade.csv", rows)

    def quotes(self, ticker: str, day: str, bars: Iterable[Bar]) -> None:
        """Flat quote bars of a day: (start, bid, ask)."""
        rows = []
        for start, bid, ask in bars:
            low, high = _scaled(bid), _scaled(ask)
            rows.append(f"{_milliseconds(start)},{low},{low},{low},{low},100,{high},{high},{high},{high},100")
        path = self.folder / "equity" / "usa" / "minute" / ticker / f"{day}_quote.zip"
        self._zip(path, f"{day}_{ticker}_minute_quote.csv", rows)

    def days(self, ticker: str, bars: Iterable[Bar], resolution: str = "daily") -> None:
        """Trade bars: (`yyyymmdd` or `yyyymmdd HH:MM`, open, high, low, close, volume)."""
        rows = [f"{_stamp(b[0])},{','.join(_scaled(p) for p in b[1:5])},{b[5]}" for b in bars]
        self._zip(self.folder / "equity" / "usa" / resolution / f"{ticker}.zip", f"{ticker}.csv", rows)

    def factors(self, ticker: str, rows: Iterable[str]) -> None:
        """Factor file: `date,price factor,split factor,reference price`."""
        self._aux("factor_files", ticker, rows)

    def map(self, ticker: str, rows: Iterable[str]) -> None:
        """Map file: `date,ticker`."""
        self._aux("map_files", ticker, rows)

    def _aux(self, kind: str, ticker: str, rows: Iterable[str]) -> None:
        path = self.folder / "equity" / "usa" / kind / f"{ticker}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")

    def forex_hours(self, ticker: str, bars: Iterable[Bar]) -> None:
        """Flat quote bars at oanda: (`yyyymmdd HH:MM` in UTC, price)."""
        rows = [f"{start},{price},{price},{price},{price},0,{price},{price},{price},{price},0" for start, price in bars]
        self._zip(self.folder / "forex" / "oanda" / "hour" / f"{ticker}.zip", f"{ticker}.csv", rows)

    def forex_minutes(self, ticker: str, day: str, bars: Iterable[Bar]) -> None:
        """Flat quote bars of a UTC day at oanda: (start, bid, ask)."""
        rows = [f"{_milliseconds(s)},{b},{b},{b},{b},0,{a},{a},{a},{a},0" for s, b, a in bars]
        path = self.folder / "forex" / "oanda" / "minute" / ticker / f"{day}_quote.zip"
        self._zip(path, f"{day}_{ticker}_minute_quote.csv", rows)


def steady(price: float, start: str = "09:30", count: int = 5, volume: int = 1000) -> list[Bar]:
    """Bars that do not move."""
    first = _milliseconds(start) // 60_000
    times = [f"{(first + n) // 60:02d}:{(first + n) % 60:02d}" for n in range(count)]
    return [(time, price, price, price, price, volume) for time in times]


def _milliseconds(time: object) -> int:
    hours, minutes = str(time).split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000


def _stamp(day: object) -> str:
    text = str(day)
    return text if " " in text else f"{text} 00:00"


def _scaled(price: object) -> str:
    return str(round(float(str(price)) * 10_000))


DAY = "20131007"
START = """
def initialize(self):
    self.set_start_date(2013, 10, {first})
    self.set_end_date(2013, 10, {last})
    self.set_cash(100000)
    self.set_benchmark(lambda time: 0)
    self.seen = []
    self.prepare()

def stamp(self, what):
    self.seen.append(self.time.strftime("%d %H:%M ") + str(what))
"""
EQUITY = """
def prepare(self):
    self.add_equity("XYZ", Resolution.MINUTE)
"""


def source(body: str, prepare: str = EQUITY, first: int = 7, last: int = 7) -> str:
    return START.format(first=first, last=last) + prepare + body
