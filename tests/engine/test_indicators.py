"""Each indicator against a small numpy computation of its own, and its warm-up rule."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from llm_plugin.engine import indicators as lib
from llm_plugin.engine.base.enums import MovingAverageType, SecurityType
from llm_plugin.engine.data.bars import TradeBar
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol

START = datetime(2024, 1, 2, 9, 30)
SPY = Symbol(SecurityIdentifier("SPY", SecurityType.EQUITY, "usa"), "SPY", "SPY")


def series(count=200, seed=7):
    rng = np.random.default_rng(seed)
    return 100 + np.cumsum(rng.normal(0, 1, count))


def bars(count=200, seed=7):
    rng = np.random.default_rng(seed)
    close = series(count, seed)
    opening = np.concatenate(([close[0]], close[:-1]))
    high = np.maximum(opening, close) + rng.uniform(0.01, 1, count)
    low = np.minimum(opening, close) - rng.uniform(0.01, 1, count)
    volume = rng.integers(100, 1000, count).astype(float)
    rows = zip(opening, high, low, close, volume, strict=True)
    return [
        TradeBar(START + timedelta(minutes=n), SPY, *map(float, row), timedelta(minutes=1))
        for n, row in enumerate(rows)
    ]


def column(rows, name):
    return np.array([getattr(bar, name) for bar in rows])


def feed(indicator, values):
    return [
        (indicator.update(START + timedelta(minutes=n), v), indicator.current.value)[1] for n, v in enumerate(values)
    ]


def feed_bars(indicator, rows):
    return [(indicator.update(bar), indicator.current.value)[1] for bar in rows]


def ema(values, period, weight=None):
    k = 2 / (period + 1) if weight is None else weight
    out = [float(np.mean(values[:period]))]
    for v in values[period:]:
        out.append(v * k + out[-1] * (1 - k))
    return np.array(out)


def rolled(function, values, period):
    return np.array([function(values[i - period + 1 : i + 1]) for i in range(period - 1, len(values))])


def lwma(window):
    weights = np.arange(1, len(window) + 1)
    return float((weights * window).sum() / weights.sum())


def kama(values, period):
    average, out = values[period - 1], []
    for i in range(period, len(values)):
        window = values[i - period : i + 1]
        path = np.abs(np.diff(window)).sum()
        net = window[-1] - window[0]
        ratio = 1.0 if path <= net or path == 0 else abs(net / path)
        average += (values[i] - average) * (ratio * (2 / 3 - 2 / 31) + 2 / 31) ** 2
        out.append(average)
    return np.array(out)


def true_range(rows):
    high, low, close = column(rows, "high"), column(rows, "low"), column(rows, "close")
    before = np.concatenate(([np.nan], close[:-1]))
    spans = np.vstack([high - low, np.abs(high - before), np.abs(low - before)])
    return np.nanmax(spans, axis=0)


V = series()
B = bars()
C, H, L, OPEN, VOL = (column(B, name) for name in ("close", "high", "low", "open", "volume"))
TYPICAL = (H + L + C) / 3

POINT_CASES = {
    "sma": (lib.SimpleMovingAverage(14), lambda: rolled(np.mean, V, 14), 14),
    "sum": (lib.Sum(9), lambda: rolled(np.sum, V, 9), 9),
    "ema": (lib.ExponentialMovingAverage(14), lambda: ema(V, 14), 14),
    "ema-factor": (lib.ExponentialMovingAverage(14, 0.5), lambda: ema(V, 14, 0.5), 14),
    "lwma": (lib.LinearWeightedMovingAverage(10), lambda: rolled(lwma, V, 10), 10),
    "kama": (lib.KaufmanAdaptiveMovingAverage(10), lambda: kama(V, 10), 11),
    "lsma": (
        lib.LeastSquaresMovingAverage(12),
        lambda: rolled(lambda w: np.polyval(np.polyfit(np.arange(1, 13), w, 1), 12), V, 12),
        12,
    ),
    "mom": (lib.Momentum(5), lambda: V[5:] - V[:-5], 6),
    "momp": (lib.MomentumPercent(5), lambda: 100 * (V[5:] / V[:-5] - 1), 6),
    "roc": (lib.RateOfChange(5), lambda: V[5:] / V[:-5] - 1, 6),
    "rocp": (lib.RateOfChangePercent(5), lambda: 100 * (V[5:] / V[:-5] - 1), 6),
    "rocr": (lib.RateOfChangeRatio(5), lambda: V[5:] / V[:-5], 6),
    "delay": (lib.Delay(5), lambda: V[:-5], 6),
    "max": (lib.Maximum(7), lambda: rolled(np.max, V, 7), 7),
    "min": (lib.Minimum(7), lambda: rolled(np.min, V, 7), 7),
    "var": (lib.Variance(10), lambda: rolled(np.var, V, 10), 10),
    "std": (lib.StandardDeviation(10), lambda: rolled(np.std, V, 10), 10),
    "mad": (lib.MeanAbsoluteDeviation(10), lambda: rolled(lambda w: np.abs(w - w.mean()).mean(), V, 10), 10),
    "identity": (lib.Identity(), lambda: V, 1),
    "dema": (
        lib.DoubleExponentialMovingAverage(8),
        lambda: 2 * ema(V, 8)[7:] - ema(ema(V, 8), 8),
        15,
    ),
    "tema": (
        lib.TripleExponentialMovingAverage(8),
        lambda: 3 * ema(V, 8)[14:] - 3 * ema(ema(V, 8), 8)[7:] + ema(ema(ema(V, 8), 8), 8),
        22,
    ),
    "hma": (
        lib.HullMovingAverage(9),
        lambda: rolled(lwma, 2 * rolled(lwma, V, 4)[5:] - rolled(lwma, V, 9), 3),
        11,
    ),
    "ppo": (
        lib.PercentagePriceOscillator(5, 9),
        lambda: (100 * (rolled(np.mean, V, 5)[4:] / rolled(np.mean, V, 9) - 1))[8:],
        17,
    ),
    "logr": (lib.LogReturn(5), lambda: np.concatenate(([np.log(V[4] / V[0])], np.log(V[5:] / V[:-5]))), 5),
}


@pytest.mark.parametrize("name", list(POINT_CASES))
def test_point_indicator_matches_an_independent_computation_and_gets_ready_on_time(name):
    indicator, expected, ready_at = POINT_CASES[name]
    indicator.reset()
    ready = []
    values = []
    for n, value in enumerate(V):
        ready.append(indicator.update(START + timedelta(minutes=n), value))
        values.append(indicator.current.value)
    assert ready.index(True) + 1 == ready_at
    np.testing.assert_allclose(values[ready_at - 1 :], expected()[-(len(V) - ready_at + 1) :], rtol=1e-9, atol=1e-9)
    assert indicator.samples == len(V)


def test_warm_up_period_is_enough_for_every_point_indicator():
    for name, (indicator, _, ready_at) in POINT_CASES.items():
        assert indicator.warm_up_period >= ready_at, name


def test_wilders_average_is_seeded_with_the_mean_before_its_period_is_full():
    # LEAN's seed is the mean of period - 1 values: the period's last value is smoothed already.
    average = lib.WilderMovingAverage(4)
    values = feed(average, [1.0, 2.0, 3.0, 8.0, 4.0])
    assert values[:3] == [1.0, 1.5, 2.0]
    assert values[3] == pytest.approx(2.0 * 0.75 + 8.0 * 0.25)
    assert values[4] == pytest.approx(values[3] * 0.75 + 4.0 * 0.25)


def test_ema_is_zero_until_it_is_seeded():
    assert feed(lib.ExponentialMovingAverage(3), [1.0, 2.0, 6.0, 3.0]) == [0.0, 0.0, 3.0, 3.0]


def test_rsi_follows_wilder_and_is_100_without_losses():
    period = 14
    changes = np.diff(V)
    gain, loss = lib.WilderMovingAverage(period), lib.WilderMovingAverage(period)
    up, down = feed(gain, np.maximum(changes, 0)), feed(loss, np.maximum(-changes, 0))
    expected = [100 - 100 / (1 + g / x) for g, x in zip(up[period - 1 :], down[period - 1 :], strict=True)]
    values = feed(lib.RelativeStrengthIndex(period), V)
    np.testing.assert_allclose(values[period:], expected)
    assert feed(lib.RelativeStrengthIndex(3), [1.0, 2.0, 3.0, 4.0, 5.0])[-1] == 100.0
    assert lib.RelativeStrengthIndex(period).warm_up_period == 15


def test_rsi_takes_other_averages():
    rsi = lib.RelativeStrengthIndex(3, MovingAverageType.SIMPLE)
    assert feed(rsi, [1.0, 2.0, 1.0, 3.0])[-1] == pytest.approx(100 - 100 / (1 + 1 / (1 / 3)))


def test_macd_starts_its_signal_when_both_averages_are_ready():
    macd = lib.MovingAverageConvergenceDivergence(12, 26, 9)
    ready = [macd.update(START + timedelta(minutes=n), v) for n, v in enumerate(V)]
    line = ema(V, 12)[14:] - ema(V, 26)
    signal = ema(line, 9)
    assert ready.index(True) + 1 == 34 == macd.warm_up_period
    assert macd.current.value == pytest.approx(line[-1])
    assert macd.signal.current.value == pytest.approx(signal[-1])
    assert macd.histogram.current.value == pytest.approx(line[-1] - signal[-1])
    assert macd.Fast.Current.Value == pytest.approx(ema(V, 12)[-1])


def test_macd_refuses_a_fast_period_that_is_not_faster():
    with pytest.raises(ValueError, match="26 >= 12"):
        lib.MovingAverageConvergenceDivergence(26, 12, 9)


def test_bollinger_bands_are_k_population_deviations_wide():
    bands = lib.BollingerBands(20, 2)
    feed(bands, V)
    mean, deviation = V[-20:].mean(), V[-20:].std()
    assert bands.is_ready
    assert bands.current.value == pytest.approx(V[-1])
    assert bands.upper_band.current.value == pytest.approx(mean + 2 * deviation)
    assert bands.lower_band.current.value == pytest.approx(mean - 2 * deviation)
    assert bands.band_width.current.value == pytest.approx(400 * deviation / mean)
    assert bands.percent_b.current.value == pytest.approx((V[-1] - mean + 2 * deviation) / (4 * deviation))


def test_bar_indicators_match_numpy():
    tr = true_range(B)
    assert feed_bars(lib.TrueRange(), B)[-1] == pytest.approx(tr[-1])
    smooth = lib.WilderMovingAverage(14)
    assert feed_bars(lib.AverageTrueRange(14), B) == pytest.approx(feed(smooth, tr))
    wilr = feed_bars(lib.WilliamsPercentR(14), B)
    assert wilr[-1] == pytest.approx(-100 * (H[-14:].max() - C[-1]) / (H[-14:].max() - L[-14:].min()))
    assert wilr[12] == 0.0
    cci = feed_bars(lib.CommodityChannelIndex(20), B)
    window = TYPICAL[-20:]
    assert cci[-1] == pytest.approx((window[-1] - window.mean()) / (0.015 * np.abs(window - window.mean()).mean()))
    dch = lib.DonchianChannel(20)
    assert feed_bars(dch, B)[-1] == pytest.approx((H[-20:].max() + L[-20:].min()) / 2)
    kch = lib.KeltnerChannels(20, 1.5)
    feed_bars(kch, B)
    assert kch.upper_band.current.value == pytest.approx(TYPICAL[-20:].mean() + 1.5 * tr[-20:].mean())


def test_aroon_counts_bars_since_the_extremes():
    aroon = lib.AroonOscillator(25, 25)
    feed_bars(aroon, B)
    since_high = 25 - int(np.flatnonzero(H[-26:] == H[-26:].max())[-1])
    since_low = 25 - int(np.flatnonzero(L[-26:] == L[-26:].min())[-1])
    assert aroon.aroon_up.current.value == pytest.approx(100 * (25 - since_high) / 25)
    assert aroon.current.value == pytest.approx(4.0 * (since_low - since_high))
    assert aroon.warm_up_period == 26


def test_stochastic_lines_and_readiness():
    sto = lib.Stochastic(14, 3, 3)
    ready = [sto.update(bar) for bar in B]
    fast = np.array(
        [(C[i] - L[i - 13 : i + 1].min()) / (H[i - 13 : i + 1].max() - L[i - 13 : i + 1].min()) for i in range(13, 200)]
    )
    k = rolled(np.mean, fast, 3)
    assert sto.fast_stoch.current.value == pytest.approx(100 * fast[-1])
    assert sto.stoch_k.current.value == pytest.approx(100 * k[-1])
    assert sto.stoch_d.current.value == pytest.approx(100 * k[-3:].mean())
    assert ready.index(True) + 1 == 18 == sto.warm_up_period


def test_adx_matches_wilders_sums():
    period = 14
    adx = lib.AverageDirectionalIndex(period)
    values = feed_bars(adx, B)
    tr = true_range(B)
    up, down = np.diff(H), -np.diff(L)
    plus = np.where((up > 0) & (up >= down), up, 0.0)
    minus = np.where((down > 0) & (down > up), down, 0.0)
    sums = [0.0, 0.0, 0.0]
    dx = []
    for i in range(1, len(B)):
        keep = 1.0 if i <= period else 1 - 1 / period
        sums = [s * keep + x for s, x in zip(sums, (tr[i], plus[i - 1], minus[i - 1]), strict=True)]
        if i >= period:
            p, m = 100 * sums[1] / sums[0], 100 * sums[2] / sums[0]
            dx.append(100 * abs(p - m) / (p + m))
    smooth = feed(lib.WilderMovingAverage(period), dx)
    assert values[-1] == pytest.approx(smooth[-1])
    assert adx.positive_directional_index.current.value == pytest.approx(100 * sums[1] / sums[0])
    assert adx.warm_up_period == 28


def test_volume_indicators_match_numpy():
    sign = np.sign(np.diff(C))
    assert feed_bars(lib.OnBalanceVolume(), B)[-1] == pytest.approx(VOL[0] + (sign * VOL[1:]).sum())
    mean_price = (OPEN + H + L + C) / 4
    vwap = feed_bars(lib.VolumeWeightedAveragePriceIndicator(20), B)[-1]
    assert vwap == pytest.approx((mean_price[-20:] * VOL[-20:]).sum() / VOL[-20:].sum())
    vwma = feed_bars(lib.VolumeWeightedMovingAverage(20), B)[-1]
    assert vwma == pytest.approx((C[-20:] * VOL[-20:]).sum() / VOL[-20:].sum())
    flow = ((C - L) - (H - C)) / (H - L) * VOL
    assert feed_bars(lib.AccumulationDistribution(), B)[-1] == pytest.approx(flow.sum())
    assert feed_bars(lib.ChaikinMoneyFlow(20), B)[-1] == pytest.approx(flow[-20:].sum() / VOL[-20:].sum())
    money = TYPICAL * VOL
    rises = np.concatenate(([True], np.diff(TYPICAL) > 0))
    falls = np.concatenate(([False], np.diff(TYPICAL) < 0))
    inflow, outflow = (money * rises)[-14:].sum(), (money * falls)[-14:].sum()
    assert feed_bars(lib.MoneyFlowIndex(14), B)[-1] == pytest.approx(100 * inflow / (inflow + outflow))


def test_intraday_vwap_starts_anew_each_day():
    vwap = lib.IntradayVwap()
    day = [TradeBar(START, SPY, 10, 12, 8, 10, 100), TradeBar(START + timedelta(minutes=1), SPY, 10, 13, 10, 13, 300)]
    feed_bars(vwap, day)
    assert vwap.current.value == pytest.approx((10 * 100 + 12 * 300) / 400)
    vwap.update(TradeBar(START + timedelta(days=1), SPY, 5, 6, 4, 5, 10))
    assert vwap.current.value == pytest.approx(5.0)


def test_parabolic_stop_stays_on_one_side_until_touched():
    psar = lib.ParabolicStopAndReverse()
    rising = [TradeBar(START + timedelta(minutes=n), SPY, 10 + n, 11 + n, 9.5 + n, 10.5 + n, 1) for n in range(10)]
    values = feed_bars(psar, rising)
    assert all(value < bar.low for value, bar in zip(values[1:], rising[1:], strict=True))
    assert values[1] == pytest.approx(9.5)
    crash = TradeBar(START + timedelta(minutes=10), SPY, 18, 18, 2, 3, 1)
    psar.update(crash)
    assert psar.current.value == pytest.approx(20.0)


def test_regression_channel_surrounds_the_line():
    channel = lib.RegressionChannel(30, 2)
    feed(channel, V)
    slope, intercept = np.polyfit(np.arange(1, 31), V[-30:], 1)
    assert channel.slope.current.value == pytest.approx(slope)
    assert channel.intercept.current.value == pytest.approx(intercept)
    assert channel.upper_channel.current.value == pytest.approx(slope * 30 + intercept + 2 * V[-30:].std())


def test_float_sums_do_not_drift_over_many_updates():
    sma = lib.SimpleMovingAverage(7)
    std = lib.StandardDeviation(7)
    moment = START
    for n in range(200_000):
        sma.push(moment, 1e6 + n % 3 * 0.1)
        std.push(moment, 1e6 + n % 3 * 0.1)
    for _ in range(14):
        sma.push(moment, 0.1)
        std.push(moment, 0.1)
    assert sma.current.value == pytest.approx(0.1, rel=1e-12)
    assert std.current.value == pytest.approx(0.0, abs=1e-7)


def test_reset_brings_every_indicator_back_to_its_first_state():
    checked = 0
    for indicator, _, _ in POINT_CASES.values():
        indicator.reset()
        once = feed(indicator, V[:60])
        indicator.reset()
        assert indicator.samples == 0
        assert indicator.current.value == 0.0
        assert not indicator.is_ready
        assert feed(indicator, V[:60]) == once
        checked += 1
    for maker in (
        lib.AverageTrueRange(5), lib.AverageDirectionalIndex(5), lib.Stochastic(5, 3, 3), lib.CommodityChannelIndex(5),
        lib.AroonOscillator(5, 5), lib.WilliamsPercentR(5), lib.DonchianChannel(5), lib.KeltnerChannels(5, 2),
        lib.OnBalanceVolume(), lib.MoneyFlowIndex(5), lib.ParabolicStopAndReverse(), lib.HeikinAshi(),
        lib.MassIndex(3, 5), lib.NormalizedAverageTrueRange(5), lib.ChaikinMoneyFlow(5),
        lib.VolumeWeightedAveragePriceIndicator(5),
    ):  # fmt: skip
        once = feed_bars(maker, B[:60])
        maker.reset()
        assert maker.samples == 0
        assert not maker.is_ready
        assert feed_bars(maker, B[:60]) == once
        checked += 1
    assert checked > 35


def test_wilders_swing_index_and_its_sum():
    first = TradeBar(START, SPY, 10, 11, 9, 10.5, 1)
    second = TradeBar(START + timedelta(minutes=1), SPY, 10.6, 12, 10.4, 11.8, 1)
    index, total = lib.WilderSwingIndex(3), lib.WilderAccumulativeSwingIndex(3)
    feed_bars(index, [first, second])
    # R = |width| + body / 4 since the width 1.6 is the largest distance.
    expected = 50 * (1.3 + 0.6 + 0.125) / (1.6 + 0.125) * 1.5 / 3
    assert index.current.value == pytest.approx(expected)
    assert feed_bars(total, [first, second, second])[1] == pytest.approx(expected)
    third = TradeBar(START + timedelta(minutes=2), SPY, 11.8, 12, 11, 11.2, 1)
    index.update(third)
    total.update(third)
    assert total.current.value == pytest.approx(expected + index.current.value)


def test_beta_is_the_slope_of_returns_at_common_times():
    other = Symbol(SecurityIdentifier("AAPL", SecurityType.EQUITY, "usa"), "AAPL", "AAPL")
    beta = lib.Beta("beta", SPY, other, 20)
    prices, reference = series(60, 1), series(60, 2)
    for n, (x, y) in enumerate(zip(prices, reference, strict=True)):
        moment = START + timedelta(minutes=n)
        beta.update(TradeBar(moment, SPY, x, x, x, float(x), 1))
        if n != 30:
            beta.update(TradeBar(moment, other, y, y, y, float(y), 1))
    kept = np.delete(np.arange(60), 30)
    returns = [np.diff(item[kept]) / item[kept][:-1] for item in (prices, reference)]
    window = [item[-20:] for item in returns]
    assert beta.is_ready
    assert beta.current.value == pytest.approx(np.cov(*window)[0, 1] / np.var(window[1], ddof=1))
    with pytest.raises(ValueError, match="IBM is not one of SPY and AAPL"):
        beta.update(
            TradeBar(START, Symbol(SecurityIdentifier("IBM", SecurityType.EQUITY, "usa"), "IBM", "IBM"), 1, 1, 1, 1, 1)
        )
