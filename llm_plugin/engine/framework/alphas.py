"""LEAN's ready-made alpha models."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from llm_plugin.engine.base.enums import MovingAverageType, Resolution, resolution_span
from llm_plugin.engine.framework.insight_collection import InsightCollection
from llm_plugin.engine.framework.insights import Insight, InsightDirection, InsightType
from llm_plugin.engine.framework.models import AlphaModel
from llm_plugin.engine.indicators import (
    ExponentialMovingAverage,
    MovingAverageConvergenceDivergence,
    RateOfChange,
    RelativeStrengthIndex,
)

__all__ = [
    "ConstantAlphaModel",
    "EmaCrossAlphaModel",
    "HistoricalReturnsAlphaModel",
    "MacdAlphaModel",
    "RsiAlphaModel",
]


class ConstantAlphaModel(AlphaModel):
    """The same insight for every security, again when its period is over."""

    def __init__(
        self,
        type: InsightType,
        direction: InsightDirection,
        period: timedelta,
        magnitude: float | None = None,
        confidence: float | None = None,
        weight: float | None = None,
    ) -> None:
        self._type, self._direction, self._period = InsightType(type), InsightDirection(direction), period
        self._magnitude, self._confidence, self._weight = magnitude, confidence, weight
        self._securities: dict[Any, Any] = {}
        self._sent: dict[Any, datetime] = {}
        extras = "".join(f",{value}" for value in (magnitude, confidence) if value is not None)
        self.name = f"ConstantAlphaModel({self._type},{self._direction},{period}{extras})"

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """Insights for securities that have a price and none that holds."""
        return [
            Insight(
                security.symbol,
                self._period,
                self._type,
                self._direction,
                magnitude=self._magnitude,
                confidence=self._confidence,
                weight=self._weight,
            )
            for security in self._securities.values()
            if security.price != 0 and self.should_emit_insight(algorithm.utc_time, security.symbol)
        ]

    def should_emit_insight(self, utc_time: datetime, symbol: Any) -> bool:
        """Whether a new insight is due; if so, now counts as the time of the last."""
        sent = self._sent.get(symbol)
        if sent is not None and utc_time - sent < self._period:
            return False
        self._sent[symbol] = utc_time
        return True

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow the universe."""
        for added in changes.added_securities:
            self._securities.setdefault(added.symbol, added)
        for removed in changes.removed_securities:
            self._securities.pop(removed.symbol, None)
            self._sent.pop(removed.symbol, None)


class _Tracked:
    """A security with a consolidator that feeds indicators."""

    def __init__(self, algorithm: Any, security: Any, resolution: Resolution, *indicators: Any) -> None:
        self.security, self.symbol = security, security.symbol
        self.indicators = indicators
        self.consolidators = [algorithm.resolve_consolidator(self.symbol, resolution) for _ in indicators]
        for indicator, consolidator in zip(indicators, self.consolidators, strict=True):
            algorithm.register_indicator(self.symbol, indicator, consolidator)

    def drop(self, algorithm: Any) -> None:
        for consolidator in self.consolidators:
            algorithm.subscription_manager.remove_consolidator(self.symbol, consolidator)


class _TrackingAlphaModel(AlphaModel):
    """Keeps one `_Tracked` per security of the universe."""

    def _start(self) -> None:
        self._tracked: dict[Any, Any] = {}

    def _track(self, algorithm: Any, security: Any) -> Any:
        raise NotImplementedError

    def _added(self, algorithm: Any, tracked: list[Any]) -> None:
        """Called with what is new."""

    def _removed(self, algorithm: Any, symbol: Any) -> None:
        """Called for what is gone."""

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow the universe."""
        for removed in changes.removed_securities:
            known = self._tracked.pop(removed.symbol, None)
            if known is not None:
                known.drop(algorithm)
            self._removed(algorithm, removed.symbol)
        new = []
        for added in changes.added_securities:
            if added.symbol not in self._tracked:
                self._tracked[added.symbol] = self._track(algorithm, added)
                new.append(self._tracked[added.symbol])
            else:
                for indicator in self._tracked[added.symbol].indicators:
                    indicator.reset()
        if new:
            self._added(algorithm, new)


class EmaCrossAlphaModel(_TrackingAlphaModel):
    """Up when the fast average crosses above the slow one, down when it crosses below."""

    def __init__(self, fast_period: int = 12, slow_period: int = 26, resolution: Resolution = Resolution.DAILY) -> None:
        self._start()
        self.fast_period, self.slow_period, self.resolution = fast_period, slow_period, resolution
        self.prediction_interval = resolution_span(resolution) * fast_period
        self._was_above: dict[Any, bool] = {}
        self.name = f"EmaCrossAlphaModel({fast_period},{slow_period},{resolution})"

    def _track(self, algorithm: Any, security: Any) -> _Tracked:
        self._was_above[security.symbol] = False
        fast = ExponentialMovingAverage(str(security.symbol), self.fast_period)
        slow = ExponentialMovingAverage(str(security.symbol), self.slow_period)
        tracked = _Tracked(algorithm, security, self.resolution, fast, slow)
        for indicator in tracked.indicators:
            algorithm.warm_up_indicator(security.symbol, indicator, self.resolution)
        return tracked

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """Insights for crossings."""
        insights = []
        for symbol, tracked in self._tracked.items():
            fast, slow = tracked.indicators
            if fast.is_ready and slow.is_ready:
                above = self._was_above[symbol]
                if above and slow > fast:
                    insights.append(Insight.price(symbol, self.prediction_interval, InsightDirection.DOWN))
                elif not above and fast > slow:
                    insights.append(Insight.price(symbol, self.prediction_interval, InsightDirection.UP))
            self._was_above[symbol] = fast > slow
        return insights


class MacdAlphaModel(_TrackingAlphaModel):
    """Follows the MACD's signal line where it exceeds 1 % of the price; flat in between cancels."""

    def __init__(
        self,
        fast_period: int = 12,
        slow_period: int = 26,
        signal_period: int = 9,
        moving_average_type: MovingAverageType = MovingAverageType.EXPONENTIAL,
        resolution: Resolution = Resolution.DAILY,
    ) -> None:
        self._start()
        self._periods = (fast_period, slow_period, signal_period)
        self._kind, self._resolution = moving_average_type, resolution
        self.insight_period = resolution_span(resolution) * fast_period
        self.bounce_threshold_percent = 0.01
        self._direction: dict[Any, InsightDirection | None] = {}
        self._insights = InsightCollection()
        self.name = f"MacdAlphaModel({fast_period},{slow_period},{signal_period},{moving_average_type},{resolution})"

    def _track(self, algorithm: Any, security: Any) -> _Tracked:
        self._direction[security.symbol] = None
        macd = MovingAverageConvergenceDivergence(*self._periods, self._kind)
        tracked = _Tracked(algorithm, security, self._resolution, macd)
        algorithm.warm_up_indicator(security.symbol, macd, self._resolution)
        return tracked

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """Insights for changes of direction."""
        insights = []
        for symbol, tracked in self._tracked.items():
            price = tracked.security.price
            if price == 0:
                continue
            strength = tracked.indicators[0].signal.current.value / price
            direction = InsightDirection.FLAT
            if strength > self.bounce_threshold_percent:
                direction = InsightDirection.UP
            elif strength < -self.bounce_threshold_percent:
                direction = InsightDirection.DOWN
            if direction == self._direction[symbol]:
                continue
            self._direction[symbol] = direction
            if direction == InsightDirection.FLAT:
                self._removed(algorithm, symbol)
                continue
            insight = Insight.price(symbol, self.insight_period, direction)
            insights.append(insight)
            self._insights.add(insight)
        return insights

    def _removed(self, algorithm: Any, symbol: Any) -> None:
        if self._insights.contains_key(symbol):
            algorithm.insights.cancel(self._insights[symbol])
            self._insights.clear([symbol])


class _Band(Enum):
    LOW = 0
    MIDDLE = 1
    HIGH = 2


class RsiAlphaModel(_TrackingAlphaModel):
    """Up when the RSI falls below 30, down when it rises above 70; back to the middle at 35 and 65."""

    def __init__(self, period: int = 14, resolution: Resolution = Resolution.DAILY) -> None:
        self._start()
        self._period, self._resolution = period, resolution
        self.insight_period = resolution_span(resolution) * period
        self._bands: dict[Any, _Band] = {}
        self.name = f"RsiAlphaModel({period},{resolution})"

    def _track(self, algorithm: Any, security: Any) -> _Tracked:
        self._bands[security.symbol] = _Band.MIDDLE
        rsi = RelativeStrengthIndex(self._period, MovingAverageType.WILDERS)
        return _Tracked(algorithm, security, self._resolution, rsi)

    def _added(self, algorithm: Any, tracked: list[Any]) -> None:
        by_symbol = {item.symbol: item for item in tracked}
        for bar in algorithm.history_points(list(by_symbol), self._period, self._resolution):
            by_symbol[bar.symbol].indicators[0].update(bar.end_time, bar.value)

    @staticmethod
    def _band(value: float, before: _Band) -> _Band:
        if value > 70:
            return _Band.HIGH
        if value < 30:
            return _Band.LOW
        recovered = (before is _Band.LOW and value > 35) or (before is _Band.HIGH and value < 65)
        return _Band.MIDDLE if recovered else before

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """Insights for changes of band."""
        insights = []
        for symbol, tracked in self._tracked.items():
            rsi = tracked.indicators[0]
            before = self._bands[symbol]
            band = self._band(rsi.current.value, before)
            if band is not before and rsi.is_ready and band is not _Band.MIDDLE:
                side = InsightDirection.UP if band is _Band.LOW else InsightDirection.DOWN
                insights.append(Insight.price(symbol, self.insight_period, side))
            self._bands[symbol] = band
        return insights


class HistoricalReturnsAlphaModel(_TrackingAlphaModel):
    """Goes on with the sign of the last return, once per new bar."""

    def __init__(self, lookback: int = 1, resolution: Resolution = Resolution.DAILY) -> None:
        self._start()
        self._lookback, self._resolution = lookback, resolution
        self.prediction_interval = resolution_span(resolution) * lookback
        self._seen: dict[Any, int] = {}
        self._insights = InsightCollection()
        self.name = f"HistoricalReturnsAlphaModel({lookback},{resolution})"

    def _track(self, algorithm: Any, security: Any) -> _Tracked:
        self._seen[security.symbol] = 0
        change = RateOfChange(str(security.symbol), self._lookback)
        return _Tracked(algorithm, security, self._resolution, change)

    def _added(self, algorithm: Any, tracked: list[Any]) -> None:
        by_symbol = {item.symbol: item for item in tracked}
        for bar in algorithm.history_points(list(by_symbol), self._lookback, self._resolution):
            by_symbol[bar.symbol].indicators[0].update(bar.end_time, bar.value)

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """Insights for securities with a new bar."""
        insights = []
        for symbol, tracked in self._tracked.items():
            change = tracked.indicators[0]
            if change.samples == self._seen[symbol]:
                continue
            self._seen[symbol] = change.samples
            if not change.is_ready:
                continue
            value = change.current.value
            if value == 0:
                self._removed(algorithm, symbol)
                continue
            side = InsightDirection.UP if value > 0 else InsightDirection.DOWN
            insights.append(Insight.price(symbol, self.prediction_interval, side, value, None))
        self._insights.add_range(insights)
        return insights

    def _removed(self, algorithm: Any, symbol: Any) -> None:
        if self._insights.contains_key(symbol):
            algorithm.insights.cancel(self._insights[symbol])
            self._insights.clear([symbol])
