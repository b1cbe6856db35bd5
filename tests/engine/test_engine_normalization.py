"""Prices by normalization mode, on bars and factors made here."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from llm_plugin.engine.base.enums import DataNormalizationMode, SecurityType, TickType
from llm_plugin.engine.base.zones import DAY_US, EPOCH, HOUR_US
from llm_plugin.engine.data.bar_columns import BarColumns
from llm_plugin.engine.data.normalization import normalize_columns
from llm_plugin.engine.market.market_hours import load_market_hours

Mode = DataNormalizationMode
MONDAY = date(2013, 10, 7).toordinal() - EPOCH.toordinal()


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Factors: a dividend of 1.00 on Wednesday 9 October (half the split factor), a 2:1 split on the 10th."""
    folder = tmp_path / "equity" / "usa" / "factor_files"
    folder.mkdir(parents=True)
    rows = ["20131008,0.99,0.5,100", "20131009,1,0.5,100", "20501231,1,1,0"]
    (folder / "xyz.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def bars_of(days: list[int], price: int = 1_000_000) -> BarColumns:
    """Hour bars from 14:00 UTC of the days, all prices equal (scale 4), volume 100."""
    starts = np.array([day * DAY_US + 14 * HOUR_US for day in days], dtype=np.int64)
    prices = {name: np.full(len(days), price, dtype=np.int64) for name in ("open", "high", "low", "close")}
    digits = {name: np.full(len(days), 4, dtype=np.uint8) for name in prices}
    volume = {"volume": np.full(len(days), 100.0)}
    return BarColumns(TickType.TRADE, starts, starts + HOUR_US, 4, prices, digits, volume)


def normalized(world: Path, data_folder: Path, mode: Mode, first: int, last: int) -> BarColumns:
    entry = load_market_hours(data_folder).get_entry("usa", "XYZ", SecurityType.EQUITY)
    days = list(range(MONDAY, MONDAY + 5))
    return normalize_columns(bars_of(days), world, "usa", "xyz", mode, entry, (first, last))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.ADJUSTED, [49.5, 49.5, 50, 100, 100]),
        (Mode.SPLIT_ADJUSTED, [50, 50, 50, 100, 100]),
        (Mode.TOTAL_RETURN, [50, 50, 51, 101, 101]),
    ],
)
def test_prices_follow_the_mode(world, data_folder, mode, expected):
    """Total return: split factor, plus the dividends since the subscription began; volume in whole shares."""
    columns = normalized(world, data_folder, mode, MONDAY, MONDAY + 4)

    assert columns.floats("close").tolist() == expected
    assert columns.sizes["volume"][0] == (202 if mode == Mode.ADJUSTED else 200)


def test_total_return_counts_no_dividend_from_before_the_subscription(world, data_folder):
    columns = normalized(world, data_folder, Mode.TOTAL_RETURN, MONDAY + 2, MONDAY + 4)

    assert columns.floats("close").tolist() == [50, 50, 50, 100, 100]


def test_scaled_raw_prices_are_those_of_the_last_day(world, data_folder):
    """Up to the 8th: factor 0.495 / 0.495; the days after it stand at 0.5 / 0.495 of the raw price."""
    columns = normalized(world, data_folder, Mode.SCALED_RAW, MONDAY, MONDAY + 1)

    assert columns.decimal("close", 0) == Decimal(100)
    assert columns.floats("close")[2] == pytest.approx(100 * 0.5 / 0.495)


def test_total_return_without_the_days_of_the_subscription_is_refused(world, data_folder):
    entry = load_market_hours(data_folder).get_entry("usa", "XYZ", SecurityType.EQUITY)

    with pytest.raises(ValueError, match="days of the subscription"):
        normalize_columns(bars_of([MONDAY]), world, "usa", "xyz", Mode.TOTAL_RETURN, entry)
