"""Views of the data that end at a moment."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, SecurityType, TickType
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.data.lean_data import read_columns
from llm_plugin.errors import DataError
from llm_plugin.strategies.judge.cutoff import Futures, data_hash

EQUITY, FOREX, CRYPTO = (int(kind) for kind in (SecurityType.EQUITY, SecurityType.FOREX, SecurityType.CRYPTO))


@pytest.fixture
def futures(market_data: Path, tmp_path: Path) -> Futures:
    """Views of the sample."""
    return Futures(market_data, tmp_path / "work")


@pytest.mark.parametrize(
    ("cut", "last"),
    [
        (datetime(2014, 3, 5, 21, 0), datetime(2014, 3, 5, 21, 0)),
        (datetime(2014, 3, 5, 20, 59), datetime(2014, 3, 4, 21, 0)),
        (datetime(2014, 3, 8, 12, 0), datetime(2014, 3, 7, 21, 0)),
    ],
    ids=["at the close", "before the close", "on a weekend"],
)
@pytest.mark.parametrize("mode", [DataNormalizationMode.RAW, DataNormalizationMode.ADJUSTED])
def test_daily_bars_end_at_the_cut_and_are_the_same_before(futures, market_data, cut, last, mode):
    view = futures.view(to_us(cut), {(EQUITY, "usa", "SPY", int(Resolution.DAILY))})
    given = ("usa", "SPY", Resolution.DAILY, TickType.TRADE)

    whole = read_columns(market_data, SecurityType.EQUITY, *given, normalization=mode)
    short = read_columns(view, SecurityType.EQUITY, *given, normalization=mode)

    assert from_us(int(short.end_us[-1])) == last
    count = len(short)
    assert 1000 < count < len(whole)
    for name in ("open", "high", "low", "close"):
        assert (short.floats(name) == whole.floats(name)[:count]).all()
    assert (short.end_us == whole.end_us[:count]).all()


@pytest.mark.parametrize(
    ("kind", "market", "ticker", "resolution", "tick", "cut"),
    [
        (FOREX, "oanda", "EURUSD", Resolution.HOUR, TickType.QUOTE, datetime(2014, 3, 5, 13, 30)),
        (EQUITY, "usa", "SPY", Resolution.HOUR, TickType.TRADE, datetime(2014, 3, 5, 16, 0)),
        (EQUITY, "usa", "SPY", Resolution.MINUTE, TickType.TRADE, datetime(2013, 10, 8, 15, 31)),
    ],
    ids=["hourly forex", "hourly equity", "minutes"],
)
def test_bars_within_the_day_end_at_the_cut(futures, market_data, kind, market, ticker, resolution, tick, cut):
    view = futures.view(to_us(cut), {(kind, market, ticker, int(resolution))})
    given = (SecurityType(kind), market, ticker, resolution, tick)

    whole, short = read_columns(market_data, *given), read_columns(view, *given)

    assert int(short.end_us[-1]) <= to_us(cut)
    left = whole.end_us[len(short) :]
    assert (short.end_us == whole.end_us[: len(short)]).all()
    assert int(left[0]) > to_us(cut)


def test_nothing_of_the_future_is_in_any_file_of_a_view(futures, market_data):
    cut = datetime(2014, 3, 5, 21, 0)
    view = futures.view(to_us(cut), {(EQUITY, "usa", "SPY", int(Resolution.DAILY))})

    found = 0
    for path in view.rglob("*.csv"):
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            stamp = line[:10].replace("-", "")[:8]
            if stamp.isdigit() and len(stamp) == 8 and "symbol-properties" not in str(path):
                found += 1
                assert stamp <= "20140305" or stamp == "20501231", (path, line)
                if stamp == "20501231" and "factor_files" in str(path):
                    assert line.endswith(",0") or line.split(",")[1:3] == ["1", "1"], (path, line)
    assert found > 50
    assert not list(view.rglob("eurusd*"))
    assert (view / "market-hours" / "market-hours-database.json").is_file()


def test_a_second_view_uses_the_pieces_of_the_first_and_dropping_one_leaves_the_other(futures, tmp_path):
    series = {(EQUITY, "usa", "SPY", int(Resolution.DAILY))}
    first = futures.view(to_us(datetime(2014, 3, 5, 21)), series)
    pieces = len(list((tmp_path / "work" / "pieces").iterdir()))
    second = futures.view(to_us(datetime(2014, 3, 5, 21)), series)
    futures.drop(first)

    assert len(list((tmp_path / "work" / "pieces").iterdir())) == pieces
    assert (second / "equity" / "usa" / "daily" / "spy.zip").is_file()
    assert not first.exists()


@pytest.mark.parametrize("name", ["../../../etc", "..", "a/b", "", "*"])
def test_a_name_that_leads_out_is_refused(futures, name):
    with pytest.raises(DataError, match="is no name of a market or ticker"):
        futures.view(to_us(datetime(2014, 3, 5)), {(EQUITY, "usa", name, int(Resolution.DAILY))})


def test_the_hash_of_the_data_changes_with_a_file(tmp_path):
    (tmp_path / "a.csv").write_text("1")
    before = data_hash(tmp_path)
    assert data_hash(tmp_path) == before
    (tmp_path / "a.csv").write_text("12")
    assert data_hash(tmp_path) != before
