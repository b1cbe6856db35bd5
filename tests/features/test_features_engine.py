"""The incremental engine: equal to the vectorised twin, blind to the future, restartable, and strict about its bars."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from feature_bars import random_walk, to_price_bars
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_plugin.errors import DataError
from llm_plugin.features import MARKET_FEATURES, FeatureEngine
from llm_plugin.features.reference import BarColumns, bar_columns, market_features

READY = 257


def incremental(columns: BarColumns) -> np.ndarray:
    engine = FeatureEngine("hour")
    rows = []
    for bar in to_price_bars(columns):
        engine.update(bar)
        rows.append(engine.vector().copy())
    return np.array(rows)


def differences(one: np.ndarray, other: np.ndarray, tolerance: float = 1e-9) -> list[str]:
    """Return the names of features that differ relatively (absolutely below 1), or are NaN in one only."""
    close = np.abs(one - other) <= tolerance * np.maximum(1.0, np.abs(other))
    same = close | (np.isnan(one) & np.isnan(other))
    return [MARKET_FEATURES[i] for i in np.flatnonzero(~same.all(axis=0))]


@pytest.mark.parametrize("name", ["eurusd", "spy"])
def test_on_real_bars_the_engine_equals_the_reference_on_every_bar(name, request):
    columns = request.getfixturevalue(name)
    found = incremental(columns)

    assert np.isnan(found[: READY - 1]).all()
    assert np.isfinite(found[READY - 1 :]).any(axis=1).all()
    assert differences(found, market_features(columns)) == []


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    volume=st.booleans(),
    spread=st.sampled_from([0.0, 1e-4]),
    flat=st.sampled_from([0.0, 0.5, 0.97]),
)
def test_on_random_bars_the_engine_equals_the_reference(seed, volume, spread, flat):
    columns = random_walk(seed, READY + 90, spread=spread, volume=volume, flat=flat)

    assert differences(incremental(columns), market_features(columns)) == []


def test_a_feature_that_is_off_by_a_millionth_would_be_noticed(eurusd):
    reference = market_features(eurusd)
    planted = reference.copy()
    planted[-1, 17] += 1e-6 * max(1.0, abs(planted[-1, 17]))

    assert differences(planted, reference) == [MARKET_FEATURES[17]]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(READY, READY + 140))
def test_no_feature_depends_on_a_later_bar(seed, cut):
    columns = random_walk(seed, READY + 150, volume=True)

    whole = market_features(columns)[:cut]
    assert differences(market_features(columns.head(cut)), whole, 1e-12) == []


def test_a_feature_that_looks_ahead_would_be_noticed(eurusd):
    def peeking(columns):
        found = market_features(columns)
        found[:-1, 3] = found[1:, 3]
        return found

    assert differences(peeking(eurusd.head(900)), peeking(eurusd)[:900], 1e-12) == [MARKET_FEATURES[3]]


def test_every_feature_moves_somewhere(eurusd, spy):
    values = np.vstack([market_features(eurusd)[READY:], market_features(spy)[READY:]])

    dead = [name for name, column in zip(MARKET_FEATURES, values.T, strict=True) if np.nanstd(column) == 0]
    assert dead == []


def test_features_are_finite_or_unavailable(eurusd, spy):
    for columns in (eurusd, spy):
        assert not np.isinf(market_features(columns)).any()


def test_a_market_that_never_moves_gives_finite_features():
    n = READY + 50
    columns = random_walk(1, n, flat=2.0)

    found = market_features(columns)[READY:]
    assert not np.isinf(found).any()
    assert found[-1, MARKET_FEATURES.index("rsi_14")] == pytest.approx(50)


def test_quotes_without_trades_have_no_volume_features_and_trades_without_quotes_no_spread(eurusd, spy):
    quote, trade = market_features(eurusd)[-1], market_features(spy)[-1]
    volume = [i for i, n in enumerate(MARKET_FEATURES) if "volume" in n or "vwap" in n or "money" in n]
    spread = [i for i, n in enumerate(MARKET_FEATURES) if "spread" in n and not n.startswith("ema")]

    assert len(volume) == 10
    assert len(spread) == 8
    assert np.isnan(quote[volume]).all()
    assert np.isfinite(trade[volume]).all()
    assert np.isnan(trade[spread]).all()
    assert np.isfinite(quote[spread]).all()


def test_an_unavailable_feature_is_absent_from_the_dictionary(eurusd, price_bars):
    engine = FeatureEngine("hour")
    assert engine.as_dict() == {}
    for bar in price_bars(eurusd.head(300)):
        engine.update(bar)

    found = engine.as_dict()
    assert engine.ready
    assert "vwap_distance" not in found
    assert all(math.isfinite(value) for value in found.values())
    assert found["adx_14"] == engine.vector()[MARKET_FEATURES.index("adx_14")]


def test_a_restart_from_the_saved_state_changes_nothing(spy, price_bars):
    bars = price_bars(spy.head(700))
    straight = FeatureEngine("hour")
    for bar in bars[:500]:
        straight.update(bar)
    restarted = FeatureEngine("hour")
    restarted.load_state_dict(json.loads(json.dumps(straight.state_dict(), allow_nan=False)))
    np.testing.assert_array_equal(restarted.vector(), straight.vector())
    for bar in bars[500:]:
        straight.update(bar)
        restarted.update(bar)

    np.testing.assert_array_equal(restarted.vector(), straight.vector())


def test_a_state_of_another_resolution_or_schema_is_refused():
    state = FeatureEngine("hour").state_dict()

    with pytest.raises(DataError, match=r"'hour'\), not .*'daily'"):
        FeatureEngine("daily").load_state_dict(state)
    with pytest.raises(DataError, match="'0'"):
        FeatureEngine("hour").load_state_dict({**state, "schema": "0"})


def test_after_a_split_the_engine_goes_on_as_if_all_history_had_the_new_scale(spy, price_bars):
    columns, at = spy.head(600), 400
    adjusted_prices, adjusted_volume = columns.prices.copy(), columns.volume.copy()
    adjusted_prices[:at] *= 0.25
    adjusted_volume[:at] *= 4
    adjusted_prices[at:] = columns.prices[at:] * 0.25
    adjusted_volume[at:] = columns.volume[at:] * 4
    adjusted = BarColumns(columns.start_seconds, columns.end_seconds, adjusted_prices, adjusted_volume)
    engine = FeatureEngine("hour")
    for bar in price_bars(columns.head(at)):
        engine.update(bar)
    engine.rescale(0.25)
    for bar in price_bars(adjusted)[at:]:
        engine.update(bar)

    assert differences(engine.vector()[None], market_features(adjusted)[-1:], 1e-8) == []


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_a_senseless_scale_is_refused(factor):
    with pytest.raises(DataError, match=f"factor {factor}"):
        FeatureEngine("hour").rescale(factor)


@pytest.mark.parametrize(
    "change",
    [
        {"bid_low": 0.0, "ask_low": 0.0},
        {"bid_low": -1.0},
        {"bid_close": math.nan},
        {"bid_high": 0.5, "ask_high": 0.5},
        {"ask_high": math.inf},
    ],
    ids=["zero", "negative", "nan", "high below low", "infinite"],
)
def test_a_bar_that_is_none_is_refused(change, eurusd, price_bars):
    bar = price_bars(eurusd.head(1))[0]
    FeatureEngine("hour").update(bar)

    with pytest.raises(DataError, match="are not a bar"):
        FeatureEngine("hour").update(replace(bar, **change))


def test_a_bar_that_comes_twice_or_late_is_refused(eurusd, price_bars):
    first, second = price_bars(eurusd.head(2))
    engine = FeatureEngine("hour")
    engine.update(first)
    engine.update(second)

    for late in (second, replace(second, end_utc=second.end_utc - timedelta(minutes=5))):
        with pytest.raises(DataError, match="not later than the bar before"):
            engine.update(late)


def test_the_reference_names_the_first_bad_bar(eurusd):
    prices = eurusd.prices.copy()
    prices[321, 2] = -1.0
    with pytest.raises(DataError, match="bar 321 "):
        market_features(BarColumns(eurusd.start_seconds, eurusd.end_seconds, prices, eurusd.volume))


def test_the_reference_takes_price_bars_and_columns_alike(eurusd, price_bars):
    columns = eurusd.head(300)

    np.testing.assert_array_equal(market_features(price_bars(columns)), market_features(columns))
    assert len(bar_columns(price_bars(columns))) == 300


def test_too_short_a_history_is_all_unavailable(eurusd):
    assert np.isnan(market_features(eurusd.head(READY - 1))).all()
