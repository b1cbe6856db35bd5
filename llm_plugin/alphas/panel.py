"""Daily bars of many names side by side."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llm_plugin.alphas.lowering import CAP_DAYS, FIELDS, GROUPS
from llm_plugin.alphas.operators import Floats, ts_mean
from llm_plugin.data.bars import PriceBars, load_price_bars
from llm_plugin.engine.base.zones import DAY_US, zone
from llm_plugin.errors import DataError

__all__ = ["Classification", "Panel", "load_classification", "load_panel", "panel_of"]

Classification = Mapping[str, tuple[str, str, str]]
_NEW_YORK = "America/New_York"
_PRICES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Panel:
    """Aligned daily data.

    Attributes:
        days: The dates, oldest first.
        names: The tickers.
        fields: Arrays of shape [days, names] by field (`open` … `cap`); NaN where a name did not trade.
        groups: Group of each name, shape [names], for sector, industry and subindustry.
    """

    days: tuple[date, ...]
    names: tuple[str, ...]
    fields: Mapping[str, Floats]
    groups: Mapping[str, NDArray[np.str_]]

    def __post_init__(self) -> None:
        """Refuse fields that are missing or of another shape."""
        wrong = [name for name in FIELDS if name not in self.fields or self.fields[name].shape != self.shape]
        wrong += [name for name in GROUPS if name not in self.groups or len(self.groups[name]) != len(self.names)]
        if wrong:
            raise DataError(f"the panel's {', '.join(wrong)} are missing or not of {self.shape} days and names")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of days and of names."""
        return len(self.days), len(self.names)

    def until(self, count: int) -> Panel:
        """Return the first `count` days: what was known then."""
        fields = {name: values[:count].copy() for name, values in self.fields.items()}
        return Panel(self.days[:count], self.names, fields, self.groups)


def panel_of(
    days: Sequence[date], names: Sequence[str], prices: Mapping[str, Floats], classification: Classification
) -> Panel:
    """Build a panel from open, high, low, close and volume; VWAP and capitalisation are proxies.

    VWAP is (high + low + close) / 3, capitalisation the mean traded value (close x volume) of 60 days.

    Raises:
        DataError: A name has no classification.
    """
    missing = [name for name in names if name not in classification]
    if missing:
        raise DataError(f"no sector, industry and subindustry for {', '.join(missing)}: add rows to the classification")
    fields = {name: np.asarray(prices[name], dtype=np.float64) for name in _PRICES}
    fields["vwap"] = (fields["high"] + fields["low"] + fields["close"]) / 3
    fields["cap"] = ts_mean(fields["close"] * fields["volume"], CAP_DAYS)
    groups = {
        level: np.array([classification[name][place] for name in names], dtype=np.str_)
        for place, level in enumerate(GROUPS)
    }
    return Panel(tuple(days), tuple(names), fields, groups)


def load_panel(
    data_folder: Path,
    names: Sequence[str],
    classification: Classification,
    start: date | None = None,
    end: date | None = None,
) -> Panel:
    """Read the adjusted daily bars of US equities from a LEAN data folder; a name without a bar has NaN on that day.

    Raises:
        DataError: A name has no data or no classification, or none has bars in the period.
    """
    series = {name: _by_day(name, data_folder, start, end) for name in names}
    days = sorted({day for of_name in series.values() for day in of_name[0]})
    if not days:
        raise DataError(f"{data_folder}: no daily bars of {', '.join(names)} from {start} to {end}")
    place = {day: row for row, day in enumerate(days)}
    prices = {name: np.full((len(days), len(names)), np.nan) for name in _PRICES}
    for column, (of_days, bars) in enumerate(series.values()):
        rows = [place[day] for day in of_days]
        for name in _PRICES:
            prices[name][rows, column] = getattr(bars, name)
    return panel_of(days, names, prices, classification)


def _by_day(name: str, data_folder: Path, start: date | None, end: date | None) -> tuple[list[date], PriceBars]:
    """Return the trading days and bars of a name from `start` to `end`, both included."""
    bars = load_price_bars(data_folder, security_type="equity", market="usa", ticker=name, resolution="daily")
    local = zone(_NEW_YORK).locals(bars.start_us) // DAY_US
    days = [date(1970, 1, 1) + timedelta(days=int(day)) for day in local]
    inside = [(start is None or day >= start) and (end is None or day <= end) for day in days]
    return [day for day, keep in zip(days, inside, strict=True) if keep], bars.take(np.array(inside, dtype=bool))


def load_classification(path: Path) -> dict[str, tuple[str, str, str]]:
    """Read a file with the columns ticker, sector, industry and subindustry.

    Raises:
        DataError: The file, a column or a value is missing, or a ticker is there twice.
    """
    table: dict[str, tuple[str, str, str]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}: name a file with ticker, sector, industry, subindustry") from None
    for number, row in enumerate(rows, 2):
        values = [(row.get(column) or "").strip() for column in ("ticker", *GROUPS)]
        if not all(values):
            raise DataError(f"{path}: row {number} lacks one of ticker, {', '.join(GROUPS)}: {row}")
        if values[0] in table:
            raise DataError(f"{path}: row {number}: {values[0]} is there twice")
        table[values[0]] = (values[1], values[2], values[3])
    return table
