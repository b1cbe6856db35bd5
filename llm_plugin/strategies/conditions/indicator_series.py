"""Series of the engine's own indicators over trusted bars: LEAN's rounding, seeds and warm-up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.strategies.conditions.bars import Bars
from llm_plugin.strategies.vocabulary import INDICATORS, Function

__all__ = ["make_indicator", "series_of_bars", "series_of_values", "values_of_parameters"]

Floats = NDArray[np.float64]
_AVERAGED = {"atr": ("WILDERS", "SIMPLE")}  # LEAN's class and LEAN's helper method differ


def values_of_parameters(name: str, given: Sequence[float]) -> list[float]:
    """Return all parameters of an indicator, defaults filled in."""
    kind = INDICATORS[name]
    values: dict[str, Any] = dict(zip(kind.parameters, given, strict=False))
    for parameter in kind.parameters[len(given) :]:
        default = kind.defaults.get(parameter, values.get(kind.parameters[0]))
        values[parameter] = values[default] if isinstance(default, str) else default
    return [values[parameter] for parameter in kind.parameters]


def make_indicator(name: str, parameters: Sequence[float], style: str) -> Any:
    """Build one of LEAN's indicators; `style` "other" takes the other average where LEAN has two of them."""
    from llm_plugin.engine import indicators
    from llm_plugin.engine.base.enums import MovingAverageType

    values = [int(value) if float(value).is_integer() else value for value in values_of_parameters(name, parameters)]
    if name in _AVERAGED:
        values.append(MovingAverageType[_AVERAGED[name][style != "lean"]])
    kind = getattr(indicators, INDICATORS[name].class_name)
    return kind(name, *values)


class _Row:
    """A bar as an indicator reads it."""

    __slots__ = ("close", "end_time", "high", "low", "open", "symbol", "value", "volume")

    def __init__(self, row: tuple[Any, ...]) -> None:
        self.symbol = None
        self.end_time, self.open, self.high, self.low, self.close, self.volume = row
        self.value = self.close


def _read(indicator: Any, output: str) -> float:
    return float(getattr(indicator, output)._value if output else indicator._value)


def series_of_bars(function: Function, parameters: Sequence[float], bars: Bars, begin: int, style: str) -> Floats:
    """Return an indicator of bars, fed from bar `begin` on; NaN before it is ready."""
    indicator = make_indicator(function.indicator, parameters, style)
    result = np.full(len(bars), np.nan)
    for at, row in enumerate(bars.rows()):
        if at >= begin and indicator.update(_Row(row)):
            result[at] = _read(indicator, function.output)
    return result


def series_of_values(
    function: Function, parameters: Sequence[float], values: Floats, bars: Bars, begin: int, style: str
) -> Floats:
    """Return an indicator of single values, fed from bar `begin` on where they are numbers; NaN before it is ready."""
    indicator = make_indicator(function.indicator, parameters, style)
    result = np.full(len(bars), np.nan)
    moments = bars.local_ends
    for at, value in enumerate(values.tolist()):
        if at < begin or value != value:
            continue
        if indicator.push(moments[at], value):
            result[at] = _read(indicator, function.output)
    if style == "other":
        result = _sample_deviation(function, parameters, result, values)
    return result


def _sample_deviation(function: Function, parameters: Sequence[float], lean: Floats, values: Floats) -> Floats:
    """pandas divides by n - 1 where LEAN divides by n: the same band for whoever reads the prompt."""
    period = int(parameters[0])
    if function.indicator not in ("std", "bb", "variance") or period < 2:
        return lean
    factor: float = period / (period - 1)
    root = math.sqrt(factor)
    if function.indicator == "variance":
        return lean * factor
    if function.indicator == "std":
        return lean * root
    middle = _mean(values, period)
    if function.output in ("upper_band", "lower_band"):
        return middle + (lean - middle) * root
    if function.output == "band_width":
        return lean * root
    return 0.5 + (lean - 0.5) / root if function.output == "percent_b" else lean


def _mean(values: Floats, period: int) -> Floats:
    result = np.full(len(values), np.nan)
    if len(values) >= period:
        windows = np.lib.stride_tricks.sliding_window_view(values, period)
        result[period - 1 :] = windows.mean(axis=1)
    return result
