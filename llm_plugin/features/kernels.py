"""The windowed features: pure functions from windows of series to columns of the observation.

Shapes: `rows` is (series, n, 256) with the newest bar last, `record` (n, averages), `scalars` (n, scalars), `out`
(n, 228). The incremental engine calls with n = 1, the reference with many bars at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from llm_plugin.features.averages import RECORD, FloatArray
from llm_plugin.features.catalog import family_slices, market_feature_names
from llm_plugin.features.state import ROWS, SCALAR_BLOCKS, SUMMED, VOLUME, WINDOW_BARS

__all__ = ["market_block"]

IntArray = npt.NDArray[np.intp]

_TINY = 1e-300
_LOOKBACKS = (12, 24, 72, 240, 120, 14, 50, 100)
_VOLUME_LOOKBACKS = (20, 100, 5, 50, 14)
_RETURN_LAGS = (1, 2, 3, 5, 8, 13, 24, 48, 120, 240)
_LOG_LAGS = (0, 1, 2, 3, 5, 8, 10, 13, 20, 24, 40, 48, 120, 240)
# Runs for: distances, stochastics and choppiness, midpoints, ages, channel widths.
_EXTREMES = (20, 50, 120, 240, 5, 14, 50, 9, 26, 52, 26, 20, 240, 20, 120, 240)
_FITS = (20, 50, 240)

# Features that are a sum of recursive averages and the last bar, over ATR.
_LINEAR: tuple[dict[str, float], ...] = (
    *({"close": 1.0, f"ema_{n}": -1.0} for n in (5, 12, 20, 50, 100, 200)),
    *({f"ema_{n}": 1.0, f"before_ema_{n}": -1.0} for n in (5, 20, 50, 200)),
    *({f"ema_{a}": 1.0, f"ema_{b}": -1.0} for a, b in ((5, 20), (20, 50), (50, 200))),
    {"ema_12": 1.0, "ema_26": -1.0},
    {"macd_signal": 1.0},
    {"ema_12": 1.0, "ema_26": -1.0, "macd_signal": -1.0},
    {"ema_12": 1.0, "ema_26": -1.0, "macd_signal": -1.0}
    | {"before_ema_12": -1.0, "before_ema_26": 1.0, "before_macd_signal": 1.0},
)


@dataclass(frozen=True, slots=True)
class _Tables:
    """Constant arrays of the kernels: weights of all lookbacks at once."""

    sums: FloatArray
    volume: FloatArray
    fit: FloatArray
    squares: FloatArray
    linear: FloatArray
    returns: FloatArray
    extremes: IntArray
    extreme_starts: IntArray
    peak_starts: IntArray
    lags: IntArray
    moments: FloatArray
    fits: FloatArray
    root_moments: FloatArray
    range_scale: FloatArray
    chop_scale: FloatArray
    blocks: tuple[tuple[slice, slice], ...]
    at: dict[str, slice]


@dataclass(slots=True)
class _Frame:
    """What the kernels share. `extremes` are highs and negative lows of `_EXTREMES`, (2, n, lookbacks)."""

    rows: FloatArray
    out: FloatArray
    sums: FloatArray
    extremes: FloatArray
    tops: FloatArray
    bottoms: FloatArray
    close: FloatArray
    atr: FloatArray
    sigma: FloatArray


@cache
def _tables() -> _Tables:
    linear = np.zeros((len(RECORD), len(_LINEAR)))
    for column, parts in enumerate(_LINEAR):
        for name, weight in parts.items():
            linear[RECORD[name], column] = weight
    returns = np.zeros((len(_LOG_LAGS), 2 + len(_RETURN_LAGS)))
    for column, lag in enumerate((5, 20)):
        for at, weight in ((0, 1.0), (lag, -2.0), (2 * lag, 1.0)):
            returns[_LOG_LAGS.index(at), column] = weight / np.sqrt(lag)
    for column, lag in enumerate(_RETURN_LAGS, 2):
        returns[0, column] = 1 / np.sqrt(lag)
        returns[_LOG_LAGS.index(lag), column] = -1 / np.sqrt(lag)
    moments = np.array(_LOOKBACKS[:4], dtype=np.float64)
    return _Tables(
        sums=_masks(_LOOKBACKS),
        volume=_masks(_VOLUME_LOOKBACKS),
        fit=np.hstack([_masks(_FITS) / np.array(_FITS), _slopes(_FITS)]),
        squares=_masks(_FITS) / np.array(_FITS),
        linear=linear,
        returns=returns,
        extremes=np.searchsorted(np.unique(_EXTREMES), np.array(_EXTREMES)),
        extreme_starts=WINDOW_BARS - np.unique(_EXTREMES)[::-1],
        peak_starts=WINDOW_BARS - np.array([240, 72, 24]),
        lags=np.array([-1 - lag for lag in _LOG_LAGS]),
        moments=moments,
        fits=np.array([(n * n - 1.0) / 12 for n in _FITS]),
        root_moments=np.sqrt(moments[1:]),
        range_scale=np.array([1 / (96 * np.log(2)), 1 / 24, 1 / 24]),
        chop_scale=100 / np.log(np.array([14.0, 50.0])),
        blocks=_blocks(),
        at=family_slices(),
    )


def _blocks() -> tuple[tuple[slice, slice], ...]:
    """Return where each block of scalars goes in the vector, and where it lies among the scalars."""
    at, begin, blocks = family_slices(), 0, []
    for first, last in SCALAR_BLOCKS:
        target = slice(at[first].start, at[last].stop)
        end = begin + target.stop - target.start
        blocks.append((target, slice(begin, end)))
        begin = end
    return tuple(blocks)


def _masks(lookbacks: tuple[int, ...]) -> FloatArray:
    age = np.arange(WINDOW_BARS)[::-1]
    return np.stack([(age < n).astype(np.float64) for n in lookbacks], axis=1)


def _slopes(lookbacks: tuple[int, ...]) -> FloatArray:
    columns = np.zeros((WINDOW_BARS, len(lookbacks)))
    for column, n in enumerate(lookbacks):
        t = np.arange(n) - (n - 1) / 2
        columns[-n:, column] = t / (t * t).sum()
    return columns


def market_block(rows: FloatArray, record: FloatArray, scalars: FloatArray, has_volume: bool) -> FloatArray:
    """Return the 228 market features of n bars.

    Args:
        rows: Windows of the series, (series, n, 256).
        record: Recursive averages, (n, averages).
        scalars: Features that need no window, (n, scalars).
        has_volume: Whether any volume is known; without it the volume features are NaN.
    """
    n = record.shape[0]
    t = _tables()
    high = ROWS["high"]
    # Highs and negative lows together: both are maxima, of segments first, then from the newest segment back.
    extremes = _running_maxima(rows[high : high + 2], t.extreme_starts).take(t.extremes, axis=2)
    close = record[:, :1]
    out = np.full((n, len(market_feature_names())), np.nan)
    frame = _Frame(
        rows=rows,
        out=out,
        sums=(rows[: len(SUMMED)].reshape(-1, WINDOW_BARS) @ t.sums).reshape(len(SUMMED), n, len(_LOOKBACKS)),
        extremes=extremes,
        tops=extremes[0],
        bottoms=-extremes[1],
        close=close,
        atr=np.maximum(record[:, RECORD["atr_14"], None], 1e-9 * close),
        sigma=np.sqrt(np.maximum(record[:, RECORD["variance_99"], None], 1e-20)),
    )
    out[:, : len(_LINEAR)] = (record @ t.linear) / frame.atr
    _fits(frame, t)
    _returns(frame, t)
    _ranges(frame, t)
    _ages_and_ranks(frame, t)
    if has_volume:
        _volume(frame, t)
    _spread(frame, t)
    for target, source in t.blocks:
        out[:, target] = scalars[:, source]
    return out


def _running_maxima(rows: FloatArray, starts: IntArray) -> FloatArray:
    return np.maximum.accumulate(np.maximum.reduceat(rows, starts, axis=2)[:, :, ::-1], axis=2)


def _fits(f: _Frame, t: _Tables) -> None:
    """Lines and two-sigma bands of 20, 50 and 240 closes."""
    out = f.out
    moves = f.rows[ROWS["close"]] - f.close
    fits = moves @ t.fit
    mean, slope = fits[:, :3], fits[:, 3:]
    variance = np.maximum((moves * moves) @ t.squares - mean * mean, 0.0)
    explained = slope * slope * t.fits / (variance + _TINY)
    out[:, t.at["regression_slope"]] = slope / f.atr
    out[:, t.at["regression_r2"]] = np.minimum(explained, 1.0)
    band = 2 * np.sqrt(variance[:, :2])
    out[:, t.at["bollinger_b"]] = 0.5 - mean[:, :2] / (2 * band + _TINY)
    out[:, t.at["bollinger_width"]] = 2 * band / f.atr


def _returns(f: _Frame, t: _Tables) -> None:
    out, rows, at = f.out, f.rows, t.at
    logs = np.log(rows[ROWS["close"]].take(t.lags, axis=1) / f.close)
    # Acceleration and returns lie side by side in the catalogue.
    out[:, at["momentum_acceleration"].start : at["return"].stop] = (logs @ t.returns) / f.sigma
    raw = f.sums[:9, :, :4] / t.moments
    variance = np.maximum(raw[2] - raw[0] * raw[0], 1e-10 * raw[2]) + _TINY
    deviation = np.sqrt(variance)
    m1, _, m2, m3, m4, size, up, lagged, down = raw[:, :, 1:]
    wide, scale, square = variance[:, 1:], deviation[:, 1:], m1 * m1
    out[:, at["skewness"]] = (m3 - m1 * (3 * m2 - 2 * square)) / (wide * scale + _TINY)
    fourth = m4 - m1 * (4 * m3 - m1 * (6 * m2 - 3 * square))
    out[:, at["kurtosis"]] = fourth / (wide * wide + _TINY) - 3
    out[:, at["autocorrelation"]] = (lagged - square) / wide
    out[:, at["up_share"]] = up
    out[:, at["efficiency_ratio"]] = np.abs(m1) / (size + _TINY)
    out[:, at["mean_return"]] = m1 / scale * t.root_moments
    peaks = _running_maxima(rows[:_SIGNED], t.peak_starts) / f.sigma
    out[:, at["largest_gain"]] = peaks[0]
    out[:, at["largest_loss"]] = -peaks[1]
    pairs = f.sums[ROWS["r5_2"], :, 4:2:-1] / (5 * f.sums[ROWS["r2"], :, 4:2:-1] + _TINY)
    out[:, at["variance_ratio_5"]] = pairs
    out[:, at["downside_share"]] = down[:, ::2] / (m2[:, ::2] + _TINY)
    out[:, at["volatility_ratio"]] = np.minimum(deviation[:, :3] / deviation[:, 3:], 100.0)
    first = ROWS["parkinson"]
    ranges = np.sqrt(f.sums[first : first + 3, :, 1].T * t.range_scale)
    i = at["parkinson_ratio_24"].start
    out[:, i : i + 3] = np.minimum(ranges / deviation[:, 1:2], 100.0)


def _ranges(f: _Frame, t: _Tables) -> None:
    """Places and widths of the high-low ranges."""
    out, at = f.out, t.at
    spans = f.tops - f.bottoms
    above, below = f.tops - f.close, f.close - f.bottoms
    places = (below + _TINY) / (spans + 2 * _TINY)
    i = at["high_distance"].start
    out[:, i : i + 4] = above[:, :4] / f.atr
    out[:, i + 4 : i + 8] = below[:, :4] / f.atr
    out[:, i + 8 : i + 12] = places[:, :4]
    out[:, at["stochastic_k"]] = 100 * places[:, 4:7]
    out[:, at["midpoint_distance"]] = (below[:, 7:10] - above[:, 7:10]) / (2 * f.atr)
    out[:, at["channel_width"]] = spans[:, 13:] / f.atr
    chop = (f.sums[ROWS["tr"], :, 5:7] + _TINY) / (spans[:, 5:7] + _TINY)
    out[:, at["choppiness"]] = np.log(chop) * t.chop_scale


def _ages_and_ranks(f: _Frame, t: _Tables) -> None:
    """Bars since the highs and lows, and the volatility of volatility."""
    out, at = f.out, t.at
    # Newest bar first, the first value that reaches the extreme is the newest bar of the extreme.
    high = ROWS["high"]
    backwards = f.rows[high : high + 2, :, None, :15:-1]
    ends = f.extremes[:, :, 10:13, None]
    ages = (backwards >= ends).argmax(axis=3)
    i = at["aroon_up_25"].start
    out[:, i : i + 2] = (100 - 4.0 * ages[:, :, 0]).T
    i = at["bars_since_high"].start
    out[:, i : i + 2] = ages[0, :, 1:] / _AGE_SCALE
    out[:, i + 2 : i + 4] = ages[1, :, 1:] / _AGE_SCALE
    first = ROWS["spread"]
    mean, second = f.sums[first + 1, :, 7], f.sums[first + 3, :, 7]
    relative = np.sqrt(np.maximum(second * 100 / (mean * mean + _TINY) - 1, 0.0))
    # Below this the difference of the two sums is rounding.
    out[:, at["volatility_of_volatility_100"].start] = relative * (relative > 1e-5)


_AGE_SCALE = np.array([20.0, 240.0])


def _volume(f: _Frame, t: _Tables) -> None:
    out, rows, at = f.out, f.rows, t.at
    first = ROWS[VOLUME[0]]
    block = rows[first : first + len(VOLUME)].reshape(-1, WINDOW_BARS) @ t.volume
    sums = block.reshape(len(VOLUME), -1, len(_VOLUME_LOOKBACKS))
    volume, money, flow, flow_money, signed_money, signed, illiquid = sums
    known = np.where(volume > 0, volume, np.nan)
    out[:, at["relative_volume"]] = rows[first, :, -1:] * np.array([20.0, 100.0]) / known[:, :2]
    out[:, at["volume_trend_5_50"].start] = volume[:, 2] * 10 / known[:, 3]
    out[:, at["on_balance_volume"]] = signed[:, :2] / known[:, :2]
    out[:, at["chaikin_money_flow_20"].start] = flow[:, 0] / known[:, 0]
    out[:, at["money_flow_index_14"].start] = 100 * signed_money[:, 4] / (flow_money[:, 4] + _TINY)
    out[:, at["rolling_vwap_distance"]] = (f.close - money[:, :2] / known[:, :2]) / f.atr
    out[:, at["illiquidity_ratio_20_100"].start] = 5 * illiquid[:, 0] / (illiquid[:, 1] + _TINY)


def _spread(f: _Frame, t: _Tables) -> None:
    window = f.rows[ROWS["spread"]]
    out, now = f.out, window[:, -1:]
    i = t.at["spread_ratio"].start
    if not (now == now).any():
        out[:, i : i + 4] = np.nan
        return
    mean = f.sums[ROWS["spread"], :, 1:4:2] / _SPREAD_BARS
    mean[mean <= 0] = np.nan
    slow = mean[:, 1:]
    square = slow * slow
    # A steady spread leaves rounding only; the floor keeps the quotient near 0.
    variance = np.maximum(f.sums[ROWS["spread2"], :, 3:4] / 240 - square, 1e-12 * square)
    out[:, i : i + 2] = now / mean
    out[:, i + 2 : i + 3] = (now - slow) / np.sqrt(variance)
    out[:, i + 3 : i + 4] = (now - window[:, -2:-1]) / slow


_SIGNED = 2  # rows `r` and `r_negative`
_SPREAD_BARS = np.array([24.0, 240.0])
