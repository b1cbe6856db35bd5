"""Standard indicators against their textbook formulas, written out plainly with pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from llm_plugin.features import MARKET_FEATURES
from llm_plugin.features.reference import market_features


@pytest.fixture(scope="module")
def market(eurusd):
    """Mid prices as series, the ATR, and a function that returns a computed feature."""
    opened, high, low, close = (pd.Series(eurusd.mid[:, i]) for i in range(4))
    found = pd.DataFrame(market_features(eurusd), columns=list(MARKET_FEATURES))
    before = close.shift().fillna(close)
    true_range = pd.concat([high, before], axis=1).max(axis=1) - pd.concat([low, before], axis=1).min(axis=1)
    return {
        "open": opened,
        "high": high,
        "low": low,
        "close": close,
        "tr": true_range,
        "atr": wilder(true_range, 14),
        "r": np.log(close).diff().fillna(0.0),
        "found": found,
    }


def wilder(values: pd.Series, n: int) -> pd.Series:
    return values.ewm(alpha=1 / n, adjust=True).mean()


def ema(values: pd.Series, n: int) -> pd.Series:
    return values.ewm(span=n, adjust=True).mean()


def directional(m, n):
    up, down = m["high"].diff().fillna(0.0), -m["low"].diff().fillna(0.0)
    plus = wilder(up.where((up > down) & (up > 0), 0.0), n)
    minus = wilder(down.where((down > up) & (down > 0), 0.0), n)
    return plus, minus


def rsi(m, n):
    move = m["close"].diff().fillna(0.0)
    gain, loss = wilder(move.clip(lower=0), n), wilder(-move.clip(upper=0), n)
    return 100 - 100 / (1 + gain / loss)


def true_strength(m):
    move = m["close"].diff().fillna(0.0)
    return 100 * ema(ema(move, 25), 13) / ema(ema(move.abs(), 25), 13)


def cci(m):
    typical = (m["high"] + m["low"] + m["close"]) / 3
    mean = typical.rolling(20).mean()
    deviation = typical.rolling(20).apply(lambda x: np.abs(x - x.mean()).mean(), raw=True)
    return (typical - mean) / (0.015 * deviation)


def stochastic(m, n):
    low, high = m["low"].rolling(n).min(), m["high"].rolling(n).max()
    return 100 * (m["close"] - low) / (high - low)


def ultimate(m):
    before = m["close"].shift().fillna(m["close"])
    pressure = m["close"] - np.minimum(m["low"], before)
    averages = [pressure.rolling(n).sum() / m["tr"].rolling(n).sum() for n in (7, 14, 28)]
    return 100 * (4 * averages[0] + 2 * averages[1] + averages[2]) / 7


def sigma(m):
    return np.sqrt((m["r"] ** 2).ewm(alpha=0.01, adjust=True).mean())


def slope(m, n):
    t = np.arange(n)
    return m["close"].rolling(n).apply(lambda x: np.polyfit(t, x, 1)[0], raw=True) / m["atr"]


def aroon_up(m):
    return 100 - 4 * m["high"].rolling(26).apply(lambda x: int(np.argmax(x[::-1])), raw=True)


def bars_since_low(m):
    return m["low"].rolling(20).apply(lambda x: int(np.argmin(x[::-1])), raw=True) / 20


def macd_signal(m):
    return ema(ema(m["close"], 12) - ema(m["close"], 26), 9) / m["atr"]


def adx(m, n):
    plus, minus = directional(m, n)
    return wilder((100 * (plus - minus).abs() / (plus + minus)).fillna(0.0), n)


def parkinson(m):
    ranges = np.sqrt((np.log(m["high"] / m["low"]) ** 2).rolling(24).mean() / (4 * np.log(2)))
    return ranges / m["r"].rolling(24).std(ddof=0)


def garman_klass(m):
    daily = np.log(m["high"] / m["low"]) ** 2 / 2 - (2 * np.log(2) - 1) * np.log(m["close"] / m["open"]) ** 2
    return np.sqrt(daily.rolling(24).mean()) / m["r"].rolling(24).std(ddof=0)


def rogers_satchell(m):
    h, low, c, o = (np.log(m[name]) for name in ("high", "low", "close", "open"))
    return np.sqrt(((h - c) * (h - o) + (low - c) * (low - o)).rolling(24).mean()) / m["r"].rolling(24).std(ddof=0)


def choppiness(m):
    span = m["high"].rolling(14).max() - m["low"].rolling(14).min()
    return 100 * np.log10(m["tr"].rolling(14).sum() / span) / np.log10(14)


def bollinger(m):
    mean, deviation = m["close"].rolling(20).mean(), m["close"].rolling(20).std(ddof=0)
    return (m["close"] - mean + 2 * deviation) / (4 * deviation)


def ichimoku(m):
    return (m["close"] - (m["high"].rolling(26).max() + m["low"].rolling(26).min()) / 2) / m["atr"]


def skewness(m):
    return m["r"].rolling(72).apply(lambda x: ((x - x.mean()) ** 3).mean() / x.std() ** 3, raw=True)


def kurtosis(m):
    return m["r"].rolling(72).apply(lambda x: ((x - x.mean()) ** 4).mean() / x.std() ** 4 - 3, raw=True)


def variance_ratio(m):
    five = np.log(m["close"]).diff(5)
    return (five**2).rolling(120).sum() / (5 * (m["r"] ** 2).rolling(120).sum())


def awesome(m):
    middle = (m["high"] + m["low"]) / 2
    return (middle.rolling(5).mean() - middle.rolling(34).mean()) / m["atr"]


def volatility_percentile(m):
    return (m["atr"] / m["close"]).rolling(240).apply(lambda x: (x < x[-1]).mean(), raw=True)


TEXTBOOK = {
    "volatility_percentile": volatility_percentile,
    "ema_distance_50": lambda m: (m["close"] - ema(m["close"], 50)) / m["atr"],
    "ema_slope_20": lambda m: ema(m["close"], 20).diff() / m["atr"],
    "ema_spread_20_50": lambda m: (ema(m["close"], 20) - ema(m["close"], 50)) / m["atr"],
    "macd": lambda m: (ema(m["close"], 12) - ema(m["close"], 26)) / m["atr"],
    "macd_signal": macd_signal,
    "regression_slope_50": lambda m: slope(m, 50),
    "adx_14": lambda m: adx(m, 14),
    "adx_28": lambda m: adx(m, 28),
    "plus_di_14": lambda m: 100 * directional(m, 14)[0] / m["atr"],
    "minus_di_14": lambda m: 100 * directional(m, 14)[1] / m["atr"],
    "aroon_up_25": aroon_up,
    "midpoint_distance_26": ichimoku,
    "rsi_14": lambda m: rsi(m, 14),
    "rsi_28": lambda m: rsi(m, 28),
    "stochastic_k_14": lambda m: stochastic(m, 14),
    "stochastic_d_14": lambda m: stochastic(m, 14).rolling(3).mean(),
    "cci_20": cci,
    "cmo_14": lambda m: m["r"].rolling(14).sum() / m["r"].abs().rolling(14).sum(),
    "tsi_25_13": true_strength,
    "ultimate_oscillator": ultimate,
    "awesome_oscillator": awesome,
    "elder_bull_power": lambda m: (m["high"] - ema(m["close"], 13)) / m["atr"],
    "return_24": lambda m: np.log(m["close"]).diff(24) / (sigma(m) * np.sqrt(24)),
    "momentum_acceleration_5": lambda m: np.log(m["close"]).diff(5).diff(5) / (sigma(m) * np.sqrt(5)),
    "skewness_72": skewness,
    "kurtosis_72": kurtosis,
    "efficiency_ratio_24": lambda m: m["r"].rolling(24).sum().abs() / m["r"].abs().rolling(24).sum(),
    "largest_loss_72": lambda m: m["r"].rolling(72).min() / sigma(m),
    "variance_ratio_5_120": variance_ratio,
    "atr_fraction_14": lambda m: m["atr"] / m["close"],
    "volatility_ratio_24": lambda m: m["r"].rolling(24).std(ddof=0) / m["r"].rolling(240).std(ddof=0),
    "parkinson_ratio_24": parkinson,
    "garman_klass_ratio_24": garman_klass,
    "rogers_satchell_ratio_24": rogers_satchell,
    "bollinger_b_20": bollinger,
    "choppiness_14": choppiness,
    "high_distance_120": lambda m: (m["high"].rolling(120).max() - m["close"]) / m["atr"],
    "range_position_50": lambda m: stochastic(m, 50) / 100,
    "bars_since_low_20": bars_since_low,
}


@pytest.mark.parametrize("name", TEXTBOOK)
def test_the_feature_is_its_textbook_formula(name, market):
    expected = TEXTBOOK[name](market).to_numpy()[256:]
    found = market["found"][name].to_numpy()[256:]

    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_support_and_resistance_are_swing_levels_on_their_side_of_the_price(market, eurusd):
    found = market["found"]
    close = market["close"]
    support = close - found["support_distance_fraction"] * close
    known = np.flatnonzero(np.isfinite(support.to_numpy()))[-400:]
    lows_and_highs = set(np.round(np.concatenate([market["high"], market["low"]]), 9))

    assert len(known) == 400
    assert all(round(support[i], 9) in lows_and_highs for i in known)
    assert (found["support_distance"].dropna() >= 0).all()
    assert (found["resistance_distance"].dropna() >= 0).all()


def test_the_vwap_distance_is_from_the_volume_weighted_price_of_the_trading_day(spy):
    found = pd.DataFrame(market_features(spy), columns=list(MARKET_FEATURES))
    mid = spy.mid
    typical = mid[:, 1:].mean(axis=1)
    day = pd.to_datetime(spy.start_seconds, unit="s", utc=True).tz_convert("America/New_York").date
    money = pd.Series(typical * spy.volume).groupby(day).cumsum()
    volume = pd.Series(spy.volume).groupby(day).cumsum()
    before = np.concatenate([[mid[0, 3]], mid[:-1, 3]])
    atr = wilder(pd.Series(np.maximum(mid[:, 1], before) - np.minimum(mid[:, 2], before)), 14)
    expected = (mid[:, 3] - money / volume) / atr

    np.testing.assert_allclose(found["vwap_distance"][256:], expected[256:], rtol=1e-6, atol=1e-7)


def test_the_volatility_regime_follows_the_percentile(market):
    found = market["found"][256:]
    rank, regime = found["volatility_percentile"], found["volatility_regime"]

    assert set(regime) == {-1.0, 0.0, 1.0}
    assert (rank[regime == -1] < 0.3).all()
    assert (rank[regime == 1] > 0.7).all()
    assert rank[regime == 0].between(0.3, 0.7).all()
