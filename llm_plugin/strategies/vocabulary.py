"""The words of conditions: which fields, functions and indicators there are, with LEAN's names and parameters.

Standard library only: task files are checked without the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "CALENDAR",
    "FUNCTIONS",
    "INDICATORS",
    "POSITION",
    "PRICES",
    "Function",
    "Indicator",
    "kind_of_name",
]

PRICES = ("open", "high", "low", "close", "volume")
POSITION = ("position_bars", "pnl_percent", "entry_price")
CALENDAR = (
    "day_of_week",
    "day_of_month",
    "month",
    "year",
    "hour",
    "minute",
    "trading_day_of_month",
    "trading_days_left",
    "last_trading_day_of_month",
    "first_trading_day_of_month",
)


@dataclass(frozen=True, slots=True)
class Indicator:
    """One of LEAN's indicators: its class, its parameters in LEAN's order, and their defaults in the helper methods."""

    class_name: str
    parameters: tuple[str, ...] = ("period",)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    of_bars: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the condition language.

    `kind` is indicator, series, cross, math, calendar or position; `indicator` and `output` say which indicator's
    which value an indicator function is.
    """

    kind: str
    least: int
    most: int
    indicator: str = ""
    output: str = ""


_POINT = {
    "sma": "SimpleMovingAverage",
    "ema": "ExponentialMovingAverage",
    "lwma": "LinearWeightedMovingAverage",
    "wwma": "WilderMovingAverage",
    "hma": "HullMovingAverage",
    "dema": "DoubleExponentialMovingAverage",
    "tema": "TripleExponentialMovingAverage",
    "kama": "KaufmanAdaptiveMovingAverage",
    "zlema": "ZeroLagExponentialMovingAverage",
    "lsma": "LeastSquaresMovingAverage",
    "trima": "TriangularMovingAverage",
    "rsi": "RelativeStrengthIndex",
    "std": "StandardDeviation",
    "variance": "Variance",
    "mad": "MeanAbsoluteDeviation",
    "roc": "RateOfChange",
    "rocp": "RateOfChangePercent",
    "rocr": "RateOfChangeRatio",
    "mom": "Momentum",
    "momp": "MomentumPercent",
    "logr": "LogReturn",
    "max": "Maximum",
    "min": "Minimum",
    "sum": "Sum",
    "trix": "Trix",
}
_BARS = {
    "atr": "AverageTrueRange",
    "natr": "NormalizedAverageTrueRange",
    "adx": "AverageDirectionalIndex",
    "cci": "CommodityChannelIndex",
    "wilr": "WilliamsPercentR",
    "mfi": "MoneyFlowIndex",
    "cmf": "ChaikinMoneyFlow",
    "vwma": "VolumeWeightedMovingAverage",
    "vwap": "VolumeWeightedAveragePriceIndicator",
}
_MACD = ("fast_period", "slow_period", "signal_period")

INDICATORS: Mapping[str, Indicator] = {
    **{name: Indicator(kind) for name, kind in _POINT.items()},
    **{name: Indicator(kind, of_bars=True) for name, kind in _BARS.items()},
    "bb": Indicator("BollingerBands", ("period", "k")),
    "kch": Indicator("KeltnerChannels", ("period", "k"), of_bars=True),
    "dch": Indicator("DonchianChannel", ("upper_period", "lower_period"), of_bars=True),
    "macd": Indicator("MovingAverageConvergenceDivergence", _MACD),
    "ppo": Indicator("PercentagePriceOscillator", ("fast_period", "slow_period")),
    "apo": Indicator("AbsolutePriceOscillator", ("fast_period", "slow_period")),
    "sto": Indicator(
        "Stochastic", ("period", "k_period", "d_period"), {"k_period": "period", "d_period": 3}, of_bars=True
    ),
    "aroon": Indicator("AroonOscillator", ("up_period", "down_period"), {"down_period": "up_period"}, of_bars=True),
    "psar": Indicator(
        "ParabolicStopAndReverse",
        ("af_start", "af_increment", "af_max"),
        {"af_start": 0.02, "af_increment": 0.02, "af_max": 0.2},
        of_bars=True,
    ),
    "obv": Indicator("OnBalanceVolume", (), of_bars=True),
    "ibs": Indicator("InternalBarStrength", (), of_bars=True),
    "bop": Indicator("BalanceOfPower", (), of_bars=True),
    "tr": Indicator("TrueRange", (), of_bars=True),
}


def _outputs(indicator: str, count: int, **outputs: str) -> dict[str, Function]:
    return {name: Function("indicator", count, count, indicator, output) for name, output in outputs.items()}


FUNCTIONS: Mapping[str, Function] = {
    # Of the closes (max and min: of highs and lows), or of any expression written before the period.
    **{name: Function("indicator", 1, 2, name) for name in _POINT},
    **{name: Function("indicator", 1, 1, name) for name in _BARS},
    **{name: Function("indicator", 0, 0, name) for name in ("obv", "ibs", "bop", "tr")},
    "psar": Function("indicator", 0, 3, "psar"),
    "ppo": Function("indicator", 2, 3, "ppo"),
    "apo": Function("indicator", 2, 3, "apo"),
    "macd": Function("indicator", 3, 4, "macd"),
    "macd_signal": Function("indicator", 3, 4, "macd", "signal"),
    "macd_histogram": Function("indicator", 3, 4, "macd", "histogram"),
    "bollinger_upper": Function("indicator", 2, 3, "bb", "upper_band"),
    "bollinger_middle": Function("indicator", 2, 3, "bb", "middle_band"),
    "bollinger_lower": Function("indicator", 2, 3, "bb", "lower_band"),
    "bollinger_percent_b": Function("indicator", 2, 3, "bb", "percent_b"),
    "bollinger_band_width": Function("indicator", 2, 3, "bb", "band_width"),
    **_outputs("kch", 2, keltner_upper="upper_band", keltner_middle="middle_band", keltner_lower="lower_band"),
    "donchian_upper": Function("indicator", 1, 2, "dch", "upper_band"),
    "donchian_lower": Function("indicator", 1, 2, "dch", "lower_band"),
    "stochastic_k": Function("indicator", 1, 3, "sto", "stoch_k"),
    "stochastic_d": Function("indicator", 1, 3, "sto", "stoch_d"),
    **_outputs("adx", 1, plus_di="positive_directional_index", minus_di="negative_directional_index"),
    "aroon": Function("indicator", 1, 2, "aroon"),
    "aroon_up": Function("indicator", 1, 2, "aroon", "aroon_up"),
    "aroon_down": Function("indicator", 1, 2, "aroon", "aroon_down"),
    "highest": Function("series", 2, 2),
    "lowest": Function("series", 2, 2),
    "median": Function("series", 2, 2),
    "zscore": Function("series", 2, 2),
    "percent_rank": Function("series", 2, 2),
    "change": Function("series", 2, 2),
    "delay": Function("series", 2, 2),
    "count": Function("series", 2, 2),
    "correlation": Function("series", 3, 3),
    "crosses_above": Function("cross", 2, 2),
    "crosses_below": Function("cross", 2, 2),
    **{name: Function("math", 1, 1) for name in ("abs", "log", "exp", "sqrt", "sign")},
    "larger": Function("math", 2, 2),
    "smaller": Function("math", 2, 2),
    **{name: Function("calendar", 0, 0) for name in CALENDAR},
    **{name: Function("position", 0, 0) for name in POSITION},
}


def kind_of_name(text: str) -> str | None:
    """Return what a bare name is: price, position, calendar or constant; None if there is no such name."""
    if text in PRICES:
        return "price"
    if text in POSITION:
        return "position"
    if text in CALENDAR:
        return "calendar"
    return "constant" if text in ("true", "false") else None
