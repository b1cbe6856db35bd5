"""Semantics 4, 5, 6: data files, symbols, hours, time zones."""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, SecurityType, TickType
from llm_plugin.engine.base.zones import from_us, to_us, zone
from llm_plugin.engine.data import lean_data
from llm_plugin.engine.data.csv_decode import decode
from llm_plugin.engine.data.lean_data import read_columns
from llm_plugin.engine.data.map_files import equity_symbol, load_factor_file
from llm_plugin.engine.market.market_hours import load_market_hours
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.errors import DataError

SPY = (SecurityType.EQUITY, "usa", "SPY")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_minute_prices_keep_the_scale_of_file_and_factor(data_folder):
    """Rule 6: 4 decimals of the file and 7 of the factor."""
    columns = read_columns(
        data_folder,
        *SPY,
        Resolution.MINUTE,
        TickType.QUOTE,
        utc(2013, 10, 7, 13, 31),
        utc(2013, 10, 7, 13, 30, 30),
        normalization=DataNormalizationMode.ADJUSTED,
    )

    row = int(np.flatnonzero(columns.end_us == to_us(utc(2013, 10, 7, 13, 31)))[0])
    assert str(columns.decimal("ask_close", row)) == "144.78172417000"
    assert columns.floats("ask_close")[row] == 144.78172417


def test_raw_daily_bars_run_from_open_to_close(data_folder):
    columns = read_columns(data_folder, *SPY, Resolution.DAILY, TickType.TRADE, utc(2013, 10, 7), utc(2013, 10, 8))

    assert from_us(int(columns.start_us[0])) == datetime(2013, 10, 7, 13, 30)
    assert from_us(int(columns.end_us[0])) == datetime(2013, 10, 7, 20, 0)
    assert columns.decimal("close", 0).as_tuple().exponent == -4


def test_forex_bars_have_both_sides_and_no_volume(data_folder):
    columns = read_columns(
        data_folder, SecurityType.FOREX, "oanda", "EURUSD", Resolution.HOUR, TickType.QUOTE, utc(2014, 5, 1)
    )

    assert columns.sides["bid"].all()
    assert np.isnan(columns.volume).all()
    middle = (columns.floats("bid_close") + columns.floats("ask_close")) / 2
    assert np.allclose(columns.floats("close"), middle)


def test_missing_series_is_named(data_folder):
    with pytest.raises(DataError, match=r"nosuch.*is missing: there are no Daily Trade bars of NOSUCH"):
        read_columns(data_folder, SecurityType.EQUITY, "usa", "NOSUCH", Resolution.DAILY, TickType.TRADE)


@pytest.fixture
def broken(data_folder, tmp_path):
    """A data folder with one daily file of given content."""

    def make(content: str | bytes) -> Path:
        root = tmp_path / "data"
        target = root / "equity" / "usa" / "daily" / "spy.zip"
        target.parent.mkdir(parents=True, exist_ok=True)
        (root / "market-hours").mkdir(exist_ok=True)
        source = data_folder / "market-hours" / "market-hours-database.json"
        (root / "market-hours" / source.name).write_bytes(source.read_bytes())
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            with zipfile.ZipFile(target, "w") as archive:
                archive.writestr("spy.csv", content)
        return root

    return make


GOOD = "20131007 00:00,1452000,1453000,1451000,1452500,100\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + "20131008 00:00,1452000,abc,1451000,1452500,100\n", "row 2 column 3: 'abc' is not a number"),
        (GOOD + "20131008 00:00,1452000,1453000,1451000\n", "row 2 has 4 fields where 6 are expected"),
        (GOOD.replace("20131007", "20131307"), "row 1: 201313070000 is not a time 'yyyyMMdd HH:mm'"),
        (b"no zip at all", "is damaged"),
    ],
    ids=["number", "row length", "date", "archive"],
)
def test_damage_is_reported_with_file_row_and_remedy(broken, content, message):
    root = broken(content)

    with pytest.raises(DataError, match=message) as caught:
        read_columns(root, *SPY, Resolution.DAILY, TickType.TRADE)

    assert "spy.zip" in str(caught.value)
    assert "replace the file" in str(caught.value)


def test_a_clean_file_of_the_same_shape_is_read(broken):
    columns = read_columns(broken(GOOD), *SPY, Resolution.DAILY, TickType.TRADE)

    assert columns.decimal("close", 0) == Decimal("145.2500")
    assert columns.volume[0] == 100


def test_large_files_are_cached_and_a_damaged_cache_is_rebuilt(data_folder, home):
    arguments = (data_folder, SecurityType.FOREX, "oanda", "EURUSD", Resolution.HOUR, TickType.QUOTE)
    lean_data._memory_table.cache_clear()
    first = read_columns(*arguments)
    (stored,) = (home / "cache" / "bars").glob("*.npz")
    stored.write_bytes(b"garbage")
    lean_data._memory_table.cache_clear()

    again = read_columns(*arguments)

    assert np.array_equal(first.exact["ask_close"], again.exact["ask_close"])
    assert stored.read_bytes() != b"garbage"


@given(st.lists(st.decimals(-(10**6), 10**6, places=5), min_size=1, max_size=20))
def test_decoding_is_exact(values):
    table = decode("".join(f"{value}\n" for value in values).encode(), Path("x.csv"))

    found = [Decimal(int(v)).scaleb(-int(d)) for v, d in zip(table.values[:, 0], table.digits[:, 0], strict=True)]
    assert found == values


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        (SecurityIdentifier("SPY", SecurityType.EQUITY, "usa", date(1998, 1, 2)), "SPY R735QTJ8XC9X"),
        (SecurityIdentifier("BTCEUR", SecurityType.CRYPTO, "coinbase"), "BTCEUR 2XR"),
        (SecurityIdentifier("EURUSD", SecurityType.FOREX, "oanda"), "EURUSD 8G"),
    ],
    ids=["equity", "crypto", "forex"],
)
def test_security_identifiers_are_leans(symbol, text):
    """Rule 5."""
    assert str(symbol) == text
    assert SecurityIdentifier.parse(text) == symbol


def test_renamed_stock_keeps_its_first_ticker(data_folder):
    assert str(equity_symbol(data_folder, "BAC", "usa").id).startswith("NB ")


def test_symbols_equal_their_ticker_and_identifier(data_folder):
    spy = equity_symbol(data_folder, "SPY", "usa")

    assert spy == "SPY"
    assert spy == "spy"
    assert spy == "SPY R735QTJ8XC9X"
    assert spy != "QQQ"
    assert {spy: 1}[Symbol(spy.id, "SPY")] == 1


def test_a_bad_identifier_is_named():
    with pytest.raises(ValueError, match="'SPY' is not a security identifier"):
        SecurityIdentifier.parse("SPY")


def test_factor_of_a_day_is_that_of_the_next_row(data_folder):
    """Rule 7."""
    factors = load_factor_file(data_folder, "usa", "SPY")

    row = factors.row(date(2013, 9, 19))
    assert row is not None
    assert row.day == date(2013, 9, 19)
    assert factors.row(date(2013, 9, 20)).day > date(2013, 9, 20)
    assert factors.scale_factor(date(2051, 1, 1)) == 1


def test_exchange_hours(data_folder):
    """Rule 4."""
    hours = load_market_hours(data_folder).get_exchange_hours("usa", "SPY", SecurityType.EQUITY)

    assert hours.is_open(datetime(2013, 10, 7, 9, 30))
    assert not hours.is_open(datetime(2013, 10, 7, 16, 0))
    assert hours.get_next_market_open(datetime(2013, 10, 11, 16, 0)) == datetime(2013, 10, 14, 9, 30)
    assert hours.get_next_market_close(datetime(2013, 11, 29, 9, 30)) == datetime(2013, 11, 29, 13, 0)
    assert not hours.is_date_open(datetime(2013, 12, 25))
    assert hours.is_open(datetime(2013, 10, 7, 16, 0), True)


def test_forex_breaks_for_five_minutes(data_folder):
    hours = load_market_hours(data_folder).get_exchange_hours("oanda", "EURUSD", SecurityType.FOREX)

    assert not hours.is_open(datetime(2014, 5, 6, 17, 0))
    assert hours.is_open(datetime(2014, 5, 6, 17, 3))
    assert hours.get_next_market_close(datetime(2014, 5, 5, 20, 0)) == datetime(2014, 5, 6, 16, 58)
    assert hours.get_next_market_open(datetime(2014, 5, 9, 16, 58)) == datetime(2014, 5, 11, 17, 3)


@given(st.datetimes(datetime(1975, 1, 1), datetime(2049, 1, 1)))
def test_time_zones_agree_with_zoneinfo(moment):
    where, info = zone("America/New_York"), ZoneInfo("America/New_York")
    aware = moment.replace(tzinfo=UTC)

    local = aware.astimezone(info).replace(tzinfo=None)
    assert from_us(where.local(to_us(aware))) == local
    assert int(where.locals(np.array([to_us(aware)]))[0]) == to_us(local)
    back = from_us(where.utc(to_us(local)))
    assert back == moment or local.replace(fold=1, tzinfo=info).utcoffset() != local.replace(tzinfo=info).utcoffset()
