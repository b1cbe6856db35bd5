"""The indicator part of QCAlgorithm: `sma(symbol, 14)` and so on, registration and warm-up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from llm_plugin.engine import indicators as lib
from llm_plugin.engine.algorithm.breadth import BreadthApi
from llm_plugin.engine.algorithm.data_fields import input_type_of
from llm_plugin.engine.algorithm.indicator_inputs import (
    bars_of,
    high,
    ignored,
    input_of,
    is_calendar,
    low,
    resolution_within,
)
from llm_plugin.engine.base.enums import MovingAverageType, Resolution
from llm_plugin.engine.base.names import snake
from llm_plugin.engine.consolidators import consolidated_event
from llm_plugin.engine.data.bars import TradeBar
from llm_plugin.engine.indicators.base import BarIndicator, IndicatorBase, PointIndicator
from llm_plugin.engine.indicators.composition import as_indicator, feed_indicator

__all__ = ["IndicatorApi"]

_REQUIRED: Any = object()
_SUFFIX = {
    Resolution.TICK: "tick",
    Resolution.SECOND: "sec",
    Resolution.MINUTE: "min",
    Resolution.HOUR: "hr",
    Resolution.DAILY: "day",
}
_SIMPLE, _EXPONENTIAL, _WILDERS = MovingAverageType.SIMPLE, MovingAverageType.EXPONENTIAL, MovingAverageType.WILDERS


def _text(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _helper(maker: Any, template: str, /, **parameters: Any) -> Any:
    names = [*parameters, "resolution", "selector"]

    def method(self: IndicatorApi, symbol: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > len(names):
            raise TypeError(f"{template.split('(')[0]} takes (symbol, {', '.join(names)}), got {len(args)} values")
        given = {**parameters, **dict(zip(names, args, strict=False))}
        given.update({snake(key): value for key, value in kwargs.items()})
        unknown = sorted(set(given) - set(names))
        missing = [name for name in parameters if given[name] is _REQUIRED]
        if unknown or missing:
            raise TypeError(f"{template.split('(')[0]}: unknown {unknown}, missing {missing}; takes {', '.join(names)}")
        resolution, selector = given.pop("resolution", None), given.pop("selector", None)
        name = self.create_indicator_name(
            symbol, template.format(**{k: _text(v) for k, v in given.items()}), resolution
        )
        return self.initialize_indicator(maker(name, *given.values()), resolution, selector, symbol)

    method.__doc__ = f"Create, register and return {maker.__name__}: (symbol, {', '.join(names)})."
    return method


class IndicatorApi(BreadthApi):
    """The class that mixes it in provides `history_points(symbols, periods, resolution)` and `debug`."""

    def history_points(self, symbols: list[Any], periods: Any, resolution: Any = None) -> Iterable[Any]:
        """Past data in time order, one point per symbol and time."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'history_points'")

    def debug(self, message: Any) -> None:
        """Write a debug line."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'debug'")

    ad = _helper(lib.AccumulationDistribution, "AD")
    adx = _helper(lib.AverageDirectionalIndex, "ADX({period})", period=_REQUIRED)
    alma = _helper(
        lib.ArnaudLegouxMovingAverage, "ALMA({period},{sigma},{offset})", period=_REQUIRED, sigma=6, offset=0.85
    )
    apo = _helper(
        lib.AbsolutePriceOscillator,
        "APO({fast_period},{slow_period})",
        fast_period=_REQUIRED,
        slow_period=_REQUIRED,
        moving_average_type=_SIMPLE,
    )
    arima = _helper(
        lib.AutoRegressiveIntegratedMovingAverage,
        "ARIMA({ar_order},{diff_order},{ma_order},{period})",
        ar_order=_REQUIRED,
        diff_order=_REQUIRED,
        ma_order=_REQUIRED,
        period=_REQUIRED,
    )
    atr = _helper(lib.AverageTrueRange, "ATR({period})", period=_REQUIRED, type=_SIMPLE)
    bb = _helper(lib.BollingerBands, "BB({period},{k})", period=_REQUIRED, k=_REQUIRED, moving_average_type=_SIMPLE)
    bop = _helper(lib.BalanceOfPower, "BOP")
    cci = _helper(lib.CommodityChannelIndex, "CCI({period})", period=_REQUIRED, moving_average_type=_SIMPLE)
    cmf = _helper(lib.ChaikinMoneyFlow, "CMF({period})", period=_REQUIRED)
    dema = _helper(lib.DoubleExponentialMovingAverage, "DEMA({period})", period=_REQUIRED)
    heikin_ashi = _helper(lib.HeikinAshi, "HA")
    hma = _helper(lib.HullMovingAverage, "HMA({period})", period=_REQUIRED)
    ibs = _helper(lib.InternalBarStrength, "IBS")
    kama = _helper(
        lib.KaufmanAdaptiveMovingAverage,
        "KAMA({period},{fast_ema_period},{slow_ema_period})",
        period=_REQUIRED,
        fast_ema_period=2,
        slow_ema_period=30,
    )
    kch = _helper(lib.KeltnerChannels, "KCH({period},{k})", period=_REQUIRED, k=_REQUIRED, moving_average_type=_SIMPLE)
    ker = _helper(lib.KaufmanEfficiencyRatio, "KER({period})", period=_REQUIRED)
    logr = _helper(lib.LogReturn, "LOGR({period})", period=_REQUIRED)
    lsma = _helper(lib.LeastSquaresMovingAverage, "LSMA({period})", period=_REQUIRED)
    lwma = _helper(lib.LinearWeightedMovingAverage, "LWMA({period})", period=_REQUIRED)
    macd = _helper(
        lib.MovingAverageConvergenceDivergence,
        "MACD({fast_period},{slow_period},{signal_period})",
        fast_period=_REQUIRED,
        slow_period=_REQUIRED,
        signal_period=_REQUIRED,
        type=_EXPONENTIAL,
    )
    mad = _helper(lib.MeanAbsoluteDeviation, "MAD({period})", period=_REQUIRED)
    mass = _helper(lib.MassIndex, "MASS({ema_period},{sum_period})", ema_period=9, sum_period=25)
    mfi = _helper(lib.MoneyFlowIndex, "MFI({period})", period=_REQUIRED)
    mom = _helper(lib.Momentum, "MOM({period})", period=_REQUIRED)
    momp = _helper(lib.MomentumPercent, "MOMP({period})", period=_REQUIRED)
    natr = _helper(lib.NormalizedAverageTrueRange, "NATR({period})", period=_REQUIRED)
    obv = _helper(lib.OnBalanceVolume, "OBV")
    ppo = _helper(
        lib.PercentagePriceOscillator,
        "PPO({fast_period},{slow_period})",
        fast_period=_REQUIRED,
        slow_period=_REQUIRED,
        moving_average_type=_SIMPLE,
    )
    psar = _helper(
        lib.ParabolicStopAndReverse,
        "PSAR({af_start},{af_increment},{af_max})",
        af_start=0.02,
        af_increment=0.02,
        af_max=0.2,
    )
    rc = _helper(lib.RegressionChannel, "RC({period},{k})", period=_REQUIRED, k=_REQUIRED)
    roc = _helper(lib.RateOfChange, "ROC({period})", period=_REQUIRED)
    rocp = _helper(lib.RateOfChangePercent, "ROCP({period})", period=_REQUIRED)
    rocr = _helper(lib.RateOfChangeRatio, "ROCR({period})", period=_REQUIRED)
    rsi = _helper(
        lib.RelativeStrengthIndex, "RSI({period},{moving_average_type})", period=_REQUIRED, moving_average_type=_WILDERS
    )
    si = _helper(lib.WilderSwingIndex, "SI({limit_move})", limit_move=_REQUIRED)
    asi = _helper(lib.WilderAccumulativeSwingIndex, "ASI({limit_move})", limit_move=_REQUIRED)
    sma = _helper(lib.SimpleMovingAverage, "SMA({period})", period=_REQUIRED)
    srsi = _helper(
        lib.StochasticRelativeStrengthIndex,
        "SRSI({rsi_period},{stoch_period},{k_smoothing_period},{d_smoothing_period})",
        rsi_period=_REQUIRED,
        stoch_period=_REQUIRED,
        k_smoothing_period=_REQUIRED,
        d_smoothing_period=_REQUIRED,
        moving_average_type=_SIMPLE,
    )
    std = _helper(lib.StandardDeviation, "STD({period})", period=_REQUIRED)
    sum = _helper(lib.Sum, "SUM({period})", period=_REQUIRED)
    t3 = _helper(lib.T3MovingAverage, "T3({period},{volume_factor})", period=_REQUIRED, volume_factor=0.7)
    tema = _helper(lib.TripleExponentialMovingAverage, "TEMA({period})", period=_REQUIRED)
    tr = _helper(lib.TrueRange, "TR")
    trima = _helper(lib.TriangularMovingAverage, "TRIMA({period})", period=_REQUIRED)
    trix = _helper(lib.Trix, "TRIX({period})", period=_REQUIRED)
    variance = _helper(lib.Variance, "VAR({period})", period=_REQUIRED)
    var = variance
    vwma = _helper(lib.VolumeWeightedMovingAverage, "VWMA({period})", period=_REQUIRED)
    wilr = _helper(lib.WilliamsPercentR, "WILR({period})", period=_REQUIRED)
    wwma = _helper(lib.WilderMovingAverage, "WWMA({period})", period=_REQUIRED)
    zlema = _helper(lib.ZeroLagExponentialMovingAverage, "ZLEMA({period})", period=_REQUIRED)

    _ema = _helper(lib.ExponentialMovingAverage, "EMA({period})", period=_REQUIRED, smoothing_factor=None)
    _max = _helper(lib.Maximum, "MAX({period})", period=_REQUIRED)
    _min = _helper(lib.Minimum, "MIN({period})", period=_REQUIRED)
    _vwap = _helper(lib.VolumeWeightedAveragePriceIndicator, "VWAP({period})", period=_REQUIRED)
    _dch = _helper(
        lib.DonchianChannel, "DCH({upper_period},{lower_period})", upper_period=_REQUIRED, lower_period=_REQUIRED
    )
    _sto = _helper(
        lib.Stochastic,
        "STO({period},{k_period},{d_period})",
        period=_REQUIRED,
        k_period=_REQUIRED,
        d_period=_REQUIRED,
    )
    _aroon = _helper(
        lib.AroonOscillator, "AROON({up_period},{down_period})", up_period=_REQUIRED, down_period=_REQUIRED
    )

    def ema(self, symbol: Any, period: int, *args: Any, **kwargs: Any) -> Any:
        """EMA: (symbol, period[, smoothing_factor], resolution, selector)."""
        if args and not (
            isinstance(args[0], float) or (isinstance(args[0], int) and not isinstance(args[0], Resolution))
        ):
            args = (None, *args)
        return self._ema(symbol, period, *args, **kwargs)

    def max(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Maximum; of the highs, where there are trade bars."""
        if selector is None and issubclass(self.subscription_of(symbol).type, TradeBar):
            selector = high
        return self._max(symbol, period, resolution, selector)

    def min(self, symbol: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Minimum; of the lows, where there are trade bars."""
        if selector is None and issubclass(self.subscription_of(symbol).type, TradeBar):
            selector = low
        return self._min(symbol, period, resolution, selector)

    def vwap(self, symbol: Any, period: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """VWAP over a period of bars, or (without one) of the day."""
        if period is not None:
            return self._vwap(symbol, period, *args, **kwargs)
        indicator = lib.IntradayVwap(self.create_indicator_name(symbol, "VWAP", None))
        self.register_indicator(symbol, indicator)
        return indicator

    def dch(self, symbol: Any, upper_period: int, *args: Any, **kwargs: Any) -> Any:
        """Donchian channel: (symbol, upper_period[, lower_period], resolution, selector)."""
        lower = kwargs.pop("lower_period", None)
        if args and isinstance(args[0], int) and not isinstance(args[0], Resolution):
            lower, args = args[0], args[1:]
        return self._dch(symbol, upper_period, upper_period if lower is None else lower, *args, **kwargs)

    def sto(self, symbol: Any, period: int, *args: Any, **kwargs: Any) -> Any:
        """Stochastic: (symbol, period[, k_period, d_period], resolution, selector)."""
        values = [*args]
        smoothing = []
        while values and isinstance(values[0], int) and not isinstance(values[0], Resolution):
            smoothing.append(values.pop(0))
        k_period = kwargs.pop("k_period", smoothing[0] if smoothing else period)
        d_period = kwargs.pop("d_period", smoothing[1] if len(smoothing) > 1 else 3)
        return self._sto(symbol, period, k_period, d_period, *values, **kwargs)

    stoch = sto

    def aroon(self, symbol: Any, up_period: int, *args: Any, **kwargs: Any) -> Any:
        """Aroon oscillator: (symbol, period) or (symbol, up_period, down_period), resolution, selector."""
        down = kwargs.pop("down_period", None)
        if args and isinstance(args[0], int) and not isinstance(args[0], Resolution):
            down, args = args[0], args[1:]
        return self._aroon(symbol, up_period, up_period if down is None else down, *args, **kwargs)

    def b(self, target: Any, reference: Any, period: int, resolution: Any = None, selector: Any = None) -> Any:
        """Beta of a target to a reference."""
        first, second = self.to_symbol(target), self.to_symbol(reference)
        indicator = lib.Beta(self.create_indicator_name(None, f"B({period})", resolution), first, second, period)
        return self.initialize_indicator(indicator, resolution, selector, first, second)

    def identity(self, symbol: Any, resolution: Any = None, selector: Any = None, field_name: str | None = None) -> Any:
        """The price itself as an indicator."""
        if callable(resolution):
            resolution, selector, field_name = None, resolution, selector
        name = self.create_indicator_name(symbol, field_name or "close", resolution)
        return self.initialize_indicator(lib.Identity(name), resolution, selector, symbol)

    def filtered_identity(
        self, symbol: Any, resolution: Any = None, selector: Any = None, filter: Any = None, field_name: Any = None
    ) -> Any:
        """The price itself where a filter lets it through."""
        if resolution is not None and not isinstance(resolution, (Resolution, timedelta)):
            resolution, selector, filter, field_name = None, resolution, selector, filter
        name = self.create_indicator_name(symbol, field_name or "close", resolution)
        indicator = lib.FilteredIdentity(name, filter) if filter is not None else lib.FilteredIdentity(name)
        self.register_indicator(symbol, indicator, resolution, selector)
        return indicator

    def create_indicator_name(self, symbol: Any, type: str, resolution: Any = None) -> str:
        """`SMA(14,SPY_day)` and the like."""
        named = symbol is not None and str(symbol) != ""
        if resolution is None and named:
            resolution = self.subscription_of(symbol).resolution
        parts = [str(symbol)] if named else []
        if isinstance(resolution, Resolution):
            parts.append(_SUFFIX[resolution])
        elif resolution is not None:
            parts.append(str(resolution))
        return f"{type}({'_'.join(parts)})".replace(")(", ",")

    def initialize_indicator(self, indicator: Any, resolution: Any, selector: Any, *symbols: Any) -> Any:
        """Register an indicator for symbols, and warm it up if the settings say so."""
        for symbol in symbols:
            consolidator = self.resolve_consolidator(symbol, resolution, self._data_type(indicator, selector))
            self.register_indicator(symbol, indicator, consolidator, selector)
        if self.settings.automatic_indicator_warm_up:
            for symbol in symbols:
                self.warm_up_indicator(symbol, indicator, resolution, selector)
        return indicator

    @staticmethod
    def _data_type(indicator: Any, selector: Any) -> type[Any] | None:
        if isinstance(indicator, BarIndicator) and "volume" in indicator.needs:
            return TradeBar
        return input_type_of(selector)

    def register_indicator(self, symbol: Any, indicator: Any, resolution: Any = None, selector: Any = None) -> None:
        """Update an indicator with a symbol's data: through a consolidator, or one for a resolution or timedelta."""
        target = as_indicator(indicator)
        consolidator = resolution
        if resolution is None or isinstance(resolution, (Resolution, timedelta)) or is_calendar(resolution):
            consolidator = self.resolve_consolidator(symbol, resolution, self._data_type(target, selector))
        target.consolidators.add(consolidator)
        self.attach_consolidator(symbol, consolidator)
        event = consolidated_event(consolidator)
        event += self._updater(target, selector)

    @staticmethod
    def _updater(target: IndicatorBase, selector: Any) -> Callable[[Any, Any], None]:
        if isinstance(target, PointIndicator):
            if selector is None:
                return target.take
            feed = target.feed
            return lambda sender, bar: feed(bar.end_time, float(selector(bar)))
        if selector is None:
            return lambda sender, bar: ignored(feed_indicator(target, bar))
        return lambda sender, bar: ignored(feed_indicator(target, input_of(bar, selector(bar))))

    def unregister_indicator(self, indicator: Any) -> None:
        """Stop updating an indicator."""
        for consolidator in list(indicator.consolidators):
            self.detach_consolidator(consolidator)
        indicator.consolidators.clear()

    def deregister_indicator(self, indicator: Any) -> None:
        """The same as `unregister_indicator`."""
        self.unregister_indicator(indicator)

    def warm_up_indicator(self, symbol: Any, indicator: Any, period: Any = None, selector: Any = None) -> None:
        """Reset an indicator and feed it as much history as it needs, at a resolution or timedelta."""
        target = as_indicator(indicator)
        if not target.warm_up_period:
            self.debug(
                f"Warning: the 'warm_up_indicator' feature only works with indicators that define a warm_up_period "
                f"above 0. The provided indicator of type '{type(indicator).__name__}' will not be warmed up."
            )
            return
        target.reset()
        symbols = list(symbol) if isinstance(symbol, (list, tuple, set)) else [symbol]
        update = self._updater(target, selector)
        if isinstance(period, timedelta):
            self._warm_up_by_period(symbols, target, period, update)
            return
        for point in self.history_points(symbols, target.warm_up_period, period):
            update(None, point)

    def _warm_up_by_period(
        self, symbols: list[Any], target: IndicatorBase, period: timedelta, update: Callable[[Any, Any], None]
    ) -> None:
        resolution = resolution_within(period)
        step = {Resolution.SECOND: 1, Resolution.MINUTE: 60, Resolution.HOUR: 3600, Resolution.DAILY: 86400}[resolution]
        periods = target.warm_up_period * int(period.total_seconds() // step)
        for symbol in symbols:
            consolidator: Any = None
            for point in self.history_points([symbol], periods, resolution):
                if consolidator is None:
                    consolidator = bars_of(period, point, step)
                    consolidator.data_consolidated += update
                consolidator.update(point)
            if consolidator is not None:
                consolidator.scan(self.securities[symbol].local_time)

    def indicator_history(
        self, indicator: Any, symbol: Any, period: Any, resolution: Any = None, selector: Any = None
    ) -> Any:
        """Run an indicator over history; the result has `current`, `data_frame` and one entry per line."""
        from llm_plugin.engine.indicators.history import IndicatorHistory

        target = as_indicator(indicator)
        symbols = list(symbol) if isinstance(symbol, (list, tuple, set)) else [symbol]
        needed = period
        if isinstance(period, int) and target.warm_up_period > 0:
            needed = period + target.warm_up_period - 1
        target.reset()
        points = self.history_points(symbols, needed, resolution)
        return IndicatorHistory.collect(target, points, self._updater(target, selector))
