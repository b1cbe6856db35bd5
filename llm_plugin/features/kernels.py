"""The windowed features: pure functions from windows of derived series to columns of the observation.

Shapes: `rows` is (series, n, 256) with the newest bar last, `record` (n, averages), `scalars` (n, 67), `out` (n, 228).
The incremental engine calls with n = 1, the reference with many bars at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from llm_plugin.features.catalog import family_slices
from llm_plugin.features.state import RECORD, ROWS, SUMMED, VOLUME, WINDOW_BARS, FloatArray

__all__ = ["market_block"]

_TINY = 1e-300
LOOKBACKS = (12, 24, 72, 240, 120, 7, 14, 28, 50, 10, 5, 34, 3, 20, 100)
VOLUME_LOOKBACKS = (20, 100, 5, 50, 14)
_RETURN_LAGS = (1, 2, 3, 5, 8, 13, 24, 48, 120, 240)
_LOG_LAGS = (0, 1, 2, 3, 5, 8, 10, 13, 20, 24, 40, 48, 120, 240)
_EXTREME_LOOKBACKS = (20, 50, 120, 240, 5, 14, 9, 26, 52)

# Features that are a sum of recursive averages and the last bar, over ATR.
_LINEAR: tuple[tuple[str, dict[str, float]], ...] = (
    *((f"ema_distance_{n}", {"close": 1.0, f"ema_{n}": -1.0}) for n in (5, 12, 20, 50, 100, 200)),
    *((f"ema_slope_{n}", {f"ema_{n}": 1.0, f"before_ema_{n}": -1.0}) for n in (5, 20, 50, 200)),
    *((f"ema_spread_{a}_{b}", {f"ema_{a}": 1.0, f"ema_{b}": -1.0}) for a, b in ((5, 20), (20, 50), (50, 200))),
    ("macd", {"ema_12": 1.0, "ema_26": -1.0}),
    ("macd_signal", {"macd_signal": 1.0}),
    ("macd_histogram", {"ema_12": 1.0, "ema_26": -1.0, "macd_signal": -1.0}),
    (
        "macd_histogram_change",
        {"ema_12": 1.0, "ema_26": -1.0, "macd_signal": -1.0}
        | {"before_ema_12": -1.0, "before_ema_26": 1.0, "before_macd_signal": 1.0},
    ),
)
_ELDER: tuple[tuple[str, dict[str, float]], ...] = (
    ("elder_bull_power", {"high": 1.0, "ema_13": -1.0}),
    ("elder_bear_power", {"low": 1.0, "ema_13": -1.0}),
)


@dataclass(slots=True)
class Frame:
    """What the kernels share: windows, sums over lookbacks, extremes, and the two units ATR and sigma."""

    rows: FloatArray
    record: FloatArray
    scalars: FloatArray
    out: FloatArray
    sums: FloatArray
    highs: FloatArray
    lows: FloatArray
    close: FloatArray
    atr: FloatArray
    sigma: FloatArray
    has_volume: bool


@cache
def _tables() -> dict[str, FloatArray]:
    linear = np.zeros((len(RECORD), len(_LINEAR) + len(_ELDER)))
    for column, (_, parts) in enumerate((*_LINEAR, *_ELDER)):
        for name, weight in parts.items():
            linear[RECORD[name], column] = weight
    returns = np.zeros((len(_LOG_LAGS), len(_RETURN_LAGS) + 2))
    for column, lag in enumerate(_RETURN_LAGS):
        returns[0, column] = 1 / np.sqrt(lag)
        returns[_LOG_LAGS.index(lag), column] = -1 / np.sqrt(lag)
    for column, lag in ((len(_RETURN_LAGS), 5), (len(_RETURN_LAGS) + 1, 20)):
        for at, weight in ((0, 1.0), (lag, -2.0), (2 * lag, 1.0)):
            returns[_LOG_LAGS.index(at), column] = weight / np.sqrt(lag)
    return {
        "sums": _masks(LOOKBACKS),
        "volume": _masks(VOLUME_LOOKBACKS),
        "fit": np.hstack([_masks((20, 50, 240)), _slopes((20, 50, 240))]),
        "squares": _masks((20, 50, 240)),
        "linear": linear,
        "returns": returns,
    }


def _masks(lookbacks: tuple[int, ...]) -> FloatArray:
    age = np.arange(WINDOW_BARS)[::-1]
    return np.stack([(age < n).astype(np.float64) for n in lookbacks], axis=1)


def _slopes(lookbacks: tuple[int, ...]) -> FloatArray:
    columns = np.zeros((WINDOW_BARS, len(lookbacks)))
    for column, n in enumerate(lookbacks):
        t = np.arange(n) - (n - 1) / 2
        columns[-n:, column] = t / (t * t).sum()
    return columns


@cache
def _index(values: tuple[int, ...]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.array(values, dtype=np.intp)


def market_block(rows: FloatArray, record: FloatArray, scalars: FloatArray, has_volume: bool) -> FloatArray:
    """Return the 228 market features of n bars.

    Args:
        rows: Windows of the derived series, (series, n, 256).
        record: Recursive averages, (n, averages).
        scalars: Features that need no window, (n, 67).
        has_volume: Whether any volume is known; without it the volume features are NaN.
    """
    n = record.shape[0]
    tables = _tables()
    last = [value - 1 for value in _EXTREME_LOOKBACKS]
    high_run = np.maximum.accumulate(rows[ROWS["high"], :, ::-1], axis=1)
    low_run = np.minimum.accumulate(rows[ROWS["low"], :, ::-1], axis=1)
    close = record[:, :1]
    summed = rows[: len(SUMMED)].reshape(-1, WINDOW_BARS) @ tables["sums"]
    frame = Frame(
        rows=rows,
        record=record,
        scalars=scalars,
        out=np.full((n, 228), np.nan),
        sums=summed.reshape(len(SUMMED), n, len(LOOKBACKS)),
        highs=high_run.take(_index(tuple(last)), axis=1),
        lows=low_run.take(_index(tuple(last)), axis=1),
        close=close,
        atr=np.maximum(record[:, RECORD["atr_14"], None], 1e-9 * close),
        sigma=np.sqrt(np.maximum(record[:, RECORD["variance_99"], None], 1e-20)),
        has_volume=has_volume,
    )
    _trend(frame, high_run, low_run)
    _momentum(frame)
    _returns(frame)
    _volatility(frame)
    _structure(frame, high_run, low_run)
    _scalars(frame)
    if has_volume:
        _volume(frame)
    _spread(frame)
    return frame.out


def _sum(frame: Frame, row: str, lookback: int) -> FloatArray:
    return frame.sums[ROWS[row], :, LOOKBACKS.index(lookback)]


def _trend(f: Frame, high_run: FloatArray, low_run: FloatArray) -> None:
    at, out, record = family_slices(), f.out, f.record
    linear = (record @ _tables()["linear"]) / f.atr
    out[:, : len(_LINEAR)] = linear[:, : len(_LINEAR)]
    out[:, at["elder_bull_power"].start : at["elder_bear_power"].stop] = linear[:, len(_LINEAR) :]
    i = RECORD["atr_7"]
    ranges = record[:, i : i + 3] + _TINY
    i = RECORD["plus_7"]
    plus = 100 * record[:, i : i + 3] / ranges
    minus = 100 * record[:, i + 3 : i + 6] / ranges
    i = RECORD["adx_7"]
    adx = record[:, i : i + 3]
    out[:, at["adx"]] = adx
    difference = plus - minus
    out[:, at["di_difference"]] = difference
    out[:, at["plus_di_14"]] = plus[:, 1:2]
    out[:, at["minus_di_14"]] = minus[:, 1:2]
    adx14 = adx[:, 1:2]
    out[:, at["adx_change_5"]] = adx14 - f.rows[ROWS["adx"], :, -6:-5]
    # Bars since the extreme = how many of the running extremes, newest first, fall short of the final one.
    out[:, at["aroon_up_25"]] = 100 - 4.0 * (high_run[:, :26] < high_run[:, 25:26]).sum(axis=1, keepdims=True)
    out[:, at["aroon_down_25"]] = 100 - 4.0 * (low_run[:, :26] > low_run[:, 25:26]).sum(axis=1, keepdims=True)
    out[:, at["midpoint_distance"]] = (f.close - (f.highs[:, 6:9] + f.lows[:, 6:9]) / 2) / f.atr
    i = RECORD["ema_5"]
    out[:, at["ema_alignment"]] = np.sign(record[:, i : i + 5] - record[:, i + 1 : i + 6]).sum(1, keepdims=True) / 5
    side = np.sign(difference[:, 1:2])
    out[:, at["trend_strength"]] = side * adx14 / (adx14 + 25)
    out[:, at["trend_direction"]] = side * (adx14 >= 25)
    slope_var = _fit(f)
    out[:, at["regression_slope"]] = slope_var[0]
    out[:, at["regression_r2"]] = slope_var[1]


def _fit(f: Frame) -> tuple[FloatArray, FloatArray]:
    """Fit lines to 20, 50 and 240 closes; also fills the Bollinger features from the same sums."""
    at, out = family_slices(), f.out
    tables = _tables()
    moves = f.rows[ROWS["close"]] - f.close
    fits = moves @ tables["fit"]
    length = _index((20, 50, 240))
    mean = fits[:, :3] / length
    variance = np.maximum((moves * moves) @ tables["squares"] / length - mean * mean, 0.0)
    slope = fits[:, 3:]
    explained = slope * slope * (length * length - 1.0) / 12 / (variance + _TINY)
    band = 2 * np.sqrt(variance[:, :2])
    out[:, at["bollinger_b"]] = 0.5 - np.where(band > 0, mean[:, :2] / (2 * band + _TINY), 0.0)
    out[:, at["bollinger_width"]] = 2 * band / f.atr
    return slope / f.atr, np.minimum(explained, 1.0)


def _momentum(f: Frame) -> None:
    at, out, record, rows = family_slices(), f.out, f.record, f.rows
    i = RECORD["gain_7"]
    gain, loss = record[:, i : i + 4], record[:, i + 4 : i + 8]
    out[:, at["rsi"]] = 100 * (gain + _TINY) / (gain + loss + 2 * _TINY)
    rsi = rows[ROWS["rsi"], :, -14:]
    low, top = rsi.min(axis=1), rsi.max(axis=1)
    out[:, at["rsi_14_change_3"].start] = rsi[:, -1] - rsi[:, -4]
    out[:, at["stochastic_rsi_14"].start] = (rsi[:, -1] - low + _TINY) / (top - low + 2 * _TINY)
    highs, lows = f.highs[:, [4, 5, 1]], f.lows[:, [4, 5, 1]]
    out[:, at["stochastic_k"]] = 100 * (f.close - lows + _TINY) / (highs - lows + 2 * _TINY)
    out[:, at["stochastic_d_14"].start] = _sum(f, "stochastic", 3) / 3
    typical = rows[ROWS["typical"], :, -20:]
    off = typical - typical.sum(axis=1, keepdims=True) / 20
    spread = np.abs(off).sum(axis=1) / 20
    # A window without movement leaves rounding only: no deviation, no index.
    out[:, at["cci_20"].start] = np.where(spread > 1e-12 * f.close[:, 0], off[:, -1] / (0.015 * spread + _TINY), 0.0)
    out[:, at["cmo_14"].start] = _sum(f, "r", 14) / (_sum(f, "r_abs", 14) + _TINY)
    i = RECORD["momentum_2"]
    out[:, at["tsi_25_13"].start] = 100 * record[:, i] / (record[:, i + 1] + _TINY)
    ratio = f.sums[ROWS["pressure"], :, 5:8] / (f.sums[ROWS["tr"], :, 5:8] + _TINY)
    out[:, at["ultimate_oscillator"].start] = ratio @ _ULTIMATE
    middle = _sum(f, "middle", 5) / 5 - _sum(f, "middle", 34) / 34
    out[:, at["awesome_oscillator"].start] = middle / f.atr[:, 0]
    out[:, at["balance_of_power_14"].start] = _sum(f, "power", 14) / 14


_ULTIMATE = np.array([400 / 7, 200 / 7, 100 / 7])


def _returns(f: Frame) -> None:
    at, out, rows = family_slices(), f.out, f.rows
    logs = np.log(rows[ROWS["close"]].take(_index(tuple(-1 - lag for lag in _LOG_LAGS)), axis=1) / f.close)
    moves = (logs @ _tables()["returns"]) / f.sigma
    out[:, at["return"]] = moves[:, :10]
    out[:, at["momentum_acceleration"]] = moves[:, 10:]
    length = _index((12, 24, 72, 240))
    m1, m2, m3, m4, size, up, lagged, down = f.sums[:8, :, :4] / length
    square = m1 * m1
    variance = np.maximum(m2 - square, 1e-10 * m2) + _TINY
    deviation = np.sqrt(variance)
    scaled = m1 / deviation
    skew = (m3 - m1 * (3 * m2 - 2 * square)) / (variance * deviation + _TINY)
    kurt = (m4 - m1 * (4 * m3 - m1 * (6 * m2 - 3 * square))) / (variance * variance + _TINY) - 3
    out[:, at["skewness"]] = skew[:, 1:]
    out[:, at["kurtosis"]] = kurt[:, 1:]
    out[:, at["autocorrelation"]] = ((lagged - square) / variance)[:, 1:]
    out[:, at["up_share"]] = up[:, 1:]
    out[:, at["efficiency_ratio"]] = (np.abs(m1) / (size + _TINY))[:, 1:]
    out[:, at["mean_return"]] = (scaled * np.sqrt(length))[:, 1:]
    backwards = rows[ROWS["r"], :, ::-1]
    where = _index((23, 71, 239))
    out[:, at["largest_gain"]] = np.maximum.accumulate(backwards, axis=1).take(where, axis=1) / f.sigma
    out[:, at["largest_loss"]] = np.minimum.accumulate(backwards, axis=1).take(where, axis=1) / f.sigma
    five = f.sums[ROWS["r5_2"], :, 4:2:-1] / (5 * f.sums[ROWS["r2"], :, 4:2:-1] + _TINY)
    out[:, at["variance_ratio_5"]] = five
    share = down / (m2 + _TINY)
    out[:, at["downside_share"]] = share[:, 1::2]
    out[:, at["volatility_ratio"]] = np.minimum(deviation[:, :3] / deviation[:, 3:], 100.0)
    ranges = np.sqrt(f.sums[12:15, :, 1].T / 24 * _RANGE_SCALE)
    i = at["parkinson_ratio_24"].start
    out[:, i : i + 3] = np.minimum(ranges / deviation[:, 1:2], 100.0)


_RANGE_SCALE = np.array([1 / (4 * np.log(2)), 1.0, 1.0])


def _volatility(f: Frame) -> None:
    at, out, record, rows = family_slices(), f.out, f.record, f.rows
    i = RECORD["atr_7"]
    atrs = record[:, i : i + 4]
    out[:, at["atr_fraction"]] = atrs[:, [0, 1, 3]] / f.close
    out[:, at["atr_ratio"]] = atrs[:, :2] / (atrs[:, 3:] + _TINY)
    out[:, at["true_range_ratio"]] = rows[ROWS["tr"], :, -1:] / f.atr
    i = RECORD["variance_94"]
    out[:, at["ewma_volatility_ratio"]] = np.sqrt(record[:, i : i + 2]) / f.sigma
    spans = f.highs[:, :4] - f.lows[:, :4]
    out[:, at["channel_width"]] = spans[:, [0, 2, 3]] / f.atr
    span_14, span_50 = f.highs[:, 5] - f.lows[:, 5], spans[:, 1]
    chop = out[:, at["choppiness"]]
    chop[:, 0] = np.log((_sum(f, "tr", 14) + _TINY) / (span_14 + _TINY)) * (100 / np.log(14))
    chop[:, 1] = np.log((_sum(f, "tr", 50) + _TINY) / (span_50 + _TINY)) * (100 / np.log(50))
    mean = _sum(f, "atr_fraction", 100) / 100
    second = _sum(f, "atr_fraction2", 100) / 100
    spread = np.sqrt(np.maximum(second / (mean * mean + _TINY) - 1, 0.0))
    out[:, at["volatility_of_volatility_100"].start] = np.where(spread > 1e-5, spread, 0.0)
    level = rows[ROWS["atr_fraction"]]
    rank = (level[:, -240:] < level[:, -1:]).sum(axis=1) / 240.0
    out[:, at["volatility_percentile"].start] = rank
    out[:, at["volatility_regime"].start] = np.where(rank < 0.3, -1.0, np.where(rank > 0.7, 1.0, 0.0))
    out[:, at["range_expansion"].start] = rows[ROWS["range"], :, -1] * 20 / (_sum(f, "range", 20) + _TINY)


def _structure(f: Frame, high_run: FloatArray, low_run: FloatArray) -> None:
    at, out = family_slices(), f.out
    highs, lows = f.highs[:, :4], f.lows[:, :4]
    out[:, at["high_distance"]] = (highs - f.close) / f.atr
    out[:, at["low_distance"]] = (f.close - lows) / f.atr
    out[:, at["range_position"]] = (f.close - lows + _TINY) / (highs - lows + 2 * _TINY)
    for key, run in (("bars_since_high", high_run), ("bars_since_low", low_run)):
        target = out[:, at[key]]
        target[:, 0] = (run[:, :20] != run[:, 19:20]).sum(axis=1) / 20
        target[:, 1] = (run[:, :240] != run[:, 239:240]).sum(axis=1) / 240
    out[:, at["higher_high_share_10"].start] = _sum(f, "higher_high", 10) / 10
    out[:, at["lower_low_share_10"].start] = _sum(f, "lower_low", 10) / 10


def _scalars(f: Frame) -> None:
    at, out = family_slices(), f.out
    out[:, at["swing_high_distance"].start : at["rollover_window"].stop] = f.scalars[:, :57]
    out[:, at["hour_return_mean"].start :] = f.scalars[:, 57:65]
    out[:, at["streak"].start] = f.scalars[:, 65]
    out[:, at["vwap_distance"].start] = f.scalars[:, 66]


def _volume(f: Frame) -> None:
    at, out, rows = family_slices(), f.out, f.rows
    n = f.record.shape[0]
    first = ROWS[VOLUME[0]]
    block = rows[first : first + len(VOLUME)].reshape(-1, WINDOW_BARS) @ _tables()["volume"]
    volume, money, flow, flow_money, signed_money, signed, illiquid = block.reshape(len(VOLUME), n, -1)
    known = np.where(volume > 0, volume, np.nan)
    out[:, at["relative_volume"]] = rows[first, :, -1:] / (known[:, :2] / _index((20, 100)))
    out[:, at["volume_trend_5_50"].start] = volume[:, 2] * 10 / known[:, 3]
    out[:, at["on_balance_volume"]] = signed[:, :2] / known[:, :2]
    out[:, at["chaikin_money_flow_20"].start] = flow[:, 0] / known[:, 0]
    out[:, at["money_flow_index_14"].start] = 100 * signed_money[:, 4] / (flow_money[:, 4] + _TINY)
    out[:, at["rolling_vwap_distance"]] = (f.close - money[:, :2] / known[:, :2]) / f.atr
    out[:, at["illiquidity_ratio_20_100"].start] = 5 * illiquid[:, 0] / (illiquid[:, 1] + _TINY)


def _spread(f: Frame) -> None:
    at, out, rows = family_slices(), f.out, f.rows
    out[:, at["stale_share_24"].start] = _sum(f, "r_zero", 24) / 24
    window = rows[ROWS["spread"]]
    now = window[:, -1]
    known = np.isfinite(now)
    if not known.any():
        return
    total = np.where(_sum(f, "spread", 240) > 0, _sum(f, "spread", 240), np.nan)
    mean = total / 240
    i = at["spread_bps"].start
    out[:, i] = now * 1e4
    out[:, i + 1] = now * f.close[:, 0] / f.atr[:, 0]
    out[:, i + 2] = now * 24 / (_sum(f, "spread", 24) + _TINY)
    out[:, i + 3] = now / mean
    variance = np.maximum(_sum(f, "spread2", 240) / 240 - mean * mean, 0.0)
    steady = variance <= 1e-12 * mean * mean
    out[:, i + 4] = np.where(steady, 0.0, (now - mean) / np.sqrt(np.where(steady, 1.0, variance)))
    below = (window[:, -240:] < window[:, -1:]).sum(axis=1) / 240.0
    out[:, i + 5] = np.where(known, below, np.nan)
    out[:, i + 6] = (now - window[:, -2]) / mean
