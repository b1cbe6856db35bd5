"""`load_price_bars`: the engine's own reader, as arrays."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_plugin.data.bars import PriceBars, load_price_bars
from llm_plugin.data.lean_write import hours_entry
from llm_plugin.data.sessions import Sessions
from llm_plugin.engine.base.zones import DAY_US, MINUTE_US, zone
from llm_plugin.engine.market.market_hours import ExchangeHours
from llm_plugin.errors import ConfigError, DataError

MARKET = Path(__file__).resolve().parents[2] / "datasets" / "market"


def _load(ticker: str, resolution: str, kind: str = "equity", market: str = "usa", **options: object) -> PriceBars:
    return load_price_bars(
        MARKET,
        security_type=kind,
        market=market,
        ticker=ticker,
        resolution=resolution,
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def eurusd() -> PriceBars:
    return _load("EURUSD", "hour", "forex", "oanda")


def test_forex_bar_is_the_row_of_the_file(eurusd: PriceBars) -> None:
    bar = eurusd.bar(eurusd.index_at(datetime(2013, 1, 6, 23, tzinfo=UTC)))
    assert (bar.start_utc, bar.end_utc) == (datetime(2013, 1, 6, 22, tzinfo=UTC), datetime(2013, 1, 6, 23, tzinfo=UTC))
    assert (bar.bid_open, bar.bid_high, bar.bid_low, bar.bid_close) == (1.30676, 1.30784, 1.30676, 1.30776)
    assert (bar.ask_open, bar.ask_high, bar.ask_low, bar.ask_close) == (1.30701, 1.30802, 1.30699, 1.30797)
    assert np.isnan(bar.volume)


def test_ends_increase_and_iteration_gives_the_same_bars(eurusd: PriceBars) -> None:
    assert len(eurusd) > 74_000
    assert (np.diff(eurusd.end_us) > 0).all()
    first = list(eurusd.take(slice(0, 3)))
    assert [bar.end_utc for bar in first] == [eurusd.bar(index).end_utc for index in range(3)]
    assert [bar.close for bar in first] == eurusd.close[:3].tolist()


def test_start_and_end_keep_bars_that_end_inside(eurusd: PriceBars) -> None:
    start, end = datetime(2013, 1, 7, 5, tzinfo=UTC), datetime(2013, 1, 7, 8, tzinfo=UTC)
    ends = [bar.end_utc for bar in eurusd.between(start, end)]
    assert ends == [start + timedelta(hours=hour) for hour in (1, 2, 3)]
    assert [bar.end_utc for bar in _load("eurusd", "hour", "forex", "oanda", start=start, end=end)] == ends


def test_dates_mean_midnight_utc(eurusd: PriceBars) -> None:
    assert len(eurusd.between(date(2013, 1, 8), date(2013, 1, 9))) == 24


def test_naive_time_is_refused(eurusd: PriceBars) -> None:
    with pytest.raises(ConfigError, match=r"datetime\(2013, 1, 7.*tzinfo=UTC"):
        eurusd.between(datetime(2013, 1, 7))


def test_trades_only_have_equal_sides_and_volume() -> None:
    spy = _load("SPY", "daily")
    assert (spy.bid_close == spy.ask_close).all()
    assert (spy.volume > 0).all()
    last = spy.bar(-1)
    assert (last.bid_open, last.close) == (395.35, 396.33)
    assert last.end_utc == datetime(2021, 3, 31, 20, tzinfo=UTC)


def test_daily_equity_bar_ends_at_the_close_of_its_date() -> None:
    early = _load("SPY", "daily", start=date(2012, 11, 23), end=date(2012, 11, 24))
    assert [bar.end_utc for bar in early] == [datetime(2012, 11, 23, 18, tzinfo=UTC)]


def test_factor_files_take_splits_out() -> None:
    adjusted = _load("AAPL", "daily", start=date(2020, 8, 28), end=date(2020, 9, 2))
    raw = _load("AAPL", "daily", start=date(2020, 8, 28), end=date(2020, 9, 2), adjusted=False)
    assert raw.close[0] / raw.close[1] > 3.5  # 4 for 1 on 2020-08-31
    assert 0.9 < adjusted.close[0] / adjusted.close[1] < 1.1
    assert adjusted.volume[0] > 3.9 * raw.volume[0]


def test_former_tickers_are_read_over_their_own_dates() -> None:
    goog = _load("GOOG", "daily")
    first = goog.bar(0)
    # Listed as GOOCV on 2014-03-27; goog.zip holds the other share class before 2014-04-03.
    assert first.start_utc.date() == date(2014, 3, 27)
    assert first.bid_open == pytest.approx(572.84 * 0.997307, rel=1e-6)
    assert _load("GOOGL", "daily").bar(0).start_utc.date() == date(2004, 8, 19)


def test_rows_of_another_security_with_the_ticker_are_left_out() -> None:
    assert _load("FB", "daily").bar(0).start_utc.date() == date(2012, 5, 18)
    assert _load("WM", "daily", end=date(1998, 1, 3)).volume[0] > 0  # from uw.zip


def test_quotes_carry_the_volume_of_trades() -> None:
    bars = _load("SPY", "minute", start=date(2013, 10, 7), end=date(2013, 10, 8))
    assert len(bars) == 390
    assert (bars.ask_close > bars.bid_close).mean() > 0.99
    assert (bars.volume > 0).all()
    assert bars.bar(0).start_utc == datetime(2013, 10, 7, 13, 30, tzinfo=UTC)


def test_regular_hours_leave_out_extended_ones() -> None:
    everything = _load("SPY", "minute", start=date(2013, 10, 7), end=date(2013, 10, 8), regular_hours=False)
    assert len(everything) > 800


def test_bars_after_an_early_close_are_left_out() -> None:
    day = {"start": datetime(2013, 11, 29, 6, tzinfo=UTC), "end": datetime(2013, 11, 30, 6, tzinfo=UTC)}
    kept = _load("SPY", "hour", **day)
    assert kept.bar(-1).end_utc == datetime(2013, 11, 29, 18, tzinfo=UTC)
    assert len(_load("SPY", "hour", regular_hours=False, **day)) >= len(kept)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"security_type": "forx"}, ConfigError, r"'forx' \(did you mean 'forex'\?\)"),
        ({"resolution": "hourly"}, ConfigError, r"'hourly' \(did you mean 'hour'\?\)"),
        ({"ticker": "eurusdd"}, DataError, r"eurusdd\.zip is missing.*did you mean 'eurusd'"),
        ({"market": "fxcm"}, DataError, "no market hours for Forex-fxcm"),
    ],
)
def test_what_is_not_there_is_named(change: dict[str, str], error: type[Exception], match: str) -> None:
    wanted = {"security_type": "forex", "market": "oanda", "ticker": "eurusd", "resolution": "hour"} | change
    with pytest.raises(error, match=match):
        load_price_bars(MARKET, **wanted)  # type: ignore[arg-type]


def test_missing_side_takes_the_other(tmp_path: Path) -> None:
    from llm_plugin.data.lean_write import write_zip

    shutil.copytree(MARKET / "market-hours", tmp_path / "market-hours")
    rows = "20130107 00:00,1.1,1.2,1.0,1.15,0,0,0,0,0,0\n20130107 01:00,1.1,1.2,1.0,1.15,0,1.2,1.3,1.1,1.25,0\n"
    write_zip(tmp_path / "forex/oanda/hour/eurusd.zip", "eurusd.csv", rows)
    bars = load_price_bars(tmp_path, security_type="forex", market="oanda", ticker="eurusd", resolution="hour")
    assert bars.bid_close.tolist() == [1.15, 1.15]
    assert bars.ask_close.tolist() == [1.15, 1.25]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["equity", "forex"]),
    start=st.integers(16_000, 16_030),
    offset=st.integers(0, 1439),
    minutes=st.integers(1, 3_000),
    extended=st.booleans(),
)
def test_sessions_agree_with_the_engines_hours(
    kind: str, start: int, offset: int, minutes: int, extended: bool
) -> None:
    hours = ExchangeHours(hours_entry(kind), zone("America/New_York"))
    low = start * DAY_US + offset * MINUTE_US
    high = low + minutes * MINUTE_US
    sessions = Sessions(hours, low, high, extended)
    assert bool(sessions.overlaps(np.array([low]), np.array([high]))[0]) == hours.overlaps_us(low, high, extended)


def _series_of_the_sample() -> list[tuple[str, str, str, str]]:
    # GOOCV, UW and WMI are former tickers: they are read through GOOG and WM.
    former = {"goocv", "uw", "wmi"}
    found = set()
    for path in sorted(MARKET.rglob("*.zip")):
        kind, market, resolution, *rest = path.relative_to(MARKET).parts
        found.add((kind, market, resolution, rest[0].removesuffix(".zip")))
    return sorted(series for series in found if series[3] not in former)


@pytest.mark.parametrize("series", _series_of_the_sample(), ids="-".join)
def test_every_series_of_the_sample_can_be_read(series: tuple[str, str, str, str]) -> None:
    kind, market, resolution, ticker = series
    bars = _load(ticker, resolution, kind, market)
    assert len(bars) > 100
    assert (np.diff(bars.end_us) > 0).all()
    assert (bars.bid_low > 0).all()
    assert (bars.ask_high >= bars.ask_low).all()


def test_the_sample_has_the_series_that_the_examples_need() -> None:
    assert len(_series_of_the_sample()) == 21
