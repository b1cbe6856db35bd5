"""Portfolio construction from past prices: mean reversion and risk parity."""

from __future__ import annotations

from typing import Any

import numpy as np

from llm_plugin.engine.base.enums import Resolution
from llm_plugin.engine.framework.insights import Insight
from llm_plugin.engine.framework.optimizers import RiskParityPortfolioOptimizer
from llm_plugin.engine.framework.portfolio import PortfolioBias, PortfolioConstructionModel
from llm_plugin.engine.indicators import RateOfChange

__all__ = ["MeanReversionPortfolioConstructionModel", "RiskParityPortfolioConstructionModel"]


def _refuse_short(name: str, bias: PortfolioBias) -> None:
    if PortfolioBias(bias) == PortfolioBias.SHORT:
        raise ValueError(f"{name} needs long positions: give PortfolioBias.LONG or LONG_SHORT, not {bias}")


def on_simplex(vector: Any, total: float = 1.0) -> Any:
    """Return the nearest vector of non-negative weights with a given sum.

    Raises:
        ValueError: The sum is not above 0.
    """
    if total <= 0:
        raise ValueError(f"weights cannot sum to {total}: the total must be above 0")
    values = np.asarray(vector, dtype=float)
    ordered = np.sort(values)[::-1]
    excess = np.cumsum(ordered) - total
    counts = np.arange(1, len(values) + 1)
    last = int(np.nonzero(ordered > excess / counts)[0][-1])
    return np.maximum(values - excess[last] / (last + 1), 0.0)


class MeanReversionPortfolioConstructionModel(PortfolioConstructionModel):
    """Moves weight from what rose above its mean to what fell below it (passive-aggressive mean reversion).

    Args:
        rebalance: When to rebalance.
        portfolio_bias: Long must be allowed.
        reversion_threshold: Portfolio return against the means from which weight is moved.
        window_size: Bars of the mean.
        resolution: Length of a bar.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        reversion_threshold: float = 1,
        window_size: int = 20,
        resolution: Resolution = Resolution.DAILY,
    ) -> None:
        super().__init__(rebalance)
        _refuse_short(type(self).__name__, portfolio_bias)
        self._threshold, self._window, self._resolution = reversion_threshold, window_size, resolution
        self._weights: Any = None
        self._known: dict[Any, tuple[Any, Any]] = {}

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """The moved weights; nothing until all means are known."""
        pairs = [self._known.get(insight.symbol) for insight in active_insights]
        if not pairs or not all(pair is not None and pair[0].is_ready and pair[1].is_ready for pair in pairs):
            return {}
        count = len(active_insights)
        if self._weights is None or len(self._weights) != count:
            self._weights = np.full(count, 1.0 / count)
        relatives = np.array([self._relative(insight) for insight in active_insights])
        deviations = relatives - relatives.mean()
        norm = float(np.linalg.norm(deviations)) ** 2
        step = max(0.0, (float(self._weights @ relatives) - self._threshold) / norm) if norm else 0.0
        self._weights = on_simplex(self._weights - step * deviations)
        return {insight: float(weight) for insight, weight in zip(active_insights, self._weights, strict=True)}

    def _relative(self, insight: Insight) -> float:
        if insight.magnitude is not None:
            return 1 + insight.magnitude * int(insight.direction)
        price, mean = self._known[insight.symbol]
        return float(price.current.value) / float(mean.current.value)

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Start and end the means."""
        super().on_securities_changed(algorithm, changes)
        for removed in changes.removed_securities:
            for indicator in self._known.pop(removed.symbol, ()):
                indicator.reset()
        for added in changes.added_securities:
            symbol = added.symbol
            if symbol not in self._known:
                price = algorithm.identity(symbol, self._resolution)
                mean = algorithm.sma(symbol, self._window, self._resolution)
                for indicator in (price, mean):
                    algorithm.warm_up_indicator(symbol, indicator, self._resolution)
                self._known[symbol] = price, mean


class _Returns:
    """The last returns of a security by time."""

    def __init__(self, symbol: Any, lookback: int, period: int) -> None:
        self.change = RateOfChange(f"{symbol}.roc({lookback})", lookback)
        self._period = period
        self.points: list[tuple[Any, float]] = []
        self.change.updated += self._take

    def _take(self, sender: Any, point: Any) -> None:
        if self.change.is_ready:
            self.points = [*self.points, (point.end_time, float(point.value))][-self._period :]


class RiskParityPortfolioConstructionModel(PortfolioConstructionModel):
    """Weights with which every security contributes the same risk.

    Args:
        rebalance: When to rebalance.
        portfolio_bias: Long must be allowed.
        lookback: Bars of one return.
        period: Number of returns.
        resolution: Length of a bar.
        optimizer: From a frame of returns to weights.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 252,
        resolution: Resolution = Resolution.DAILY,
        optimizer: Any = None,
    ) -> None:
        super().__init__(rebalance)
        _refuse_short(type(self).__name__, portfolio_bias)
        self._lookback, self._period, self._resolution = lookback, period, resolution
        self.optimizer = RiskParityPortfolioOptimizer() if optimizer is None else optimizer
        self._known: dict[Any, _Returns] = {}

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """The optimizer's weights."""
        import pandas as pd

        symbols = {insight.symbol for insight in active_insights}
        columns = {
            str(symbol): pd.Series(dict(data.points)) for symbol, data in self._known.items() if symbol in symbols
        }
        if not columns:
            return {}
        frame = pd.DataFrame(columns)
        weights = dict(zip(frame.columns, self.optimizer.optimize(frame), strict=True))
        return {insight: float(weights[str(insight.symbol)]) for insight in active_insights}

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Start and end the returns."""
        super().on_securities_changed(algorithm, changes)
        for removed in changes.removed_securities:
            known = self._known.pop(removed.symbol, None)
            if known is not None:
                algorithm.unregister_indicator(known.change)
        new = [added.symbol for added in changes.added_securities if added.symbol not in self._known]
        bars: dict[Any, list[Any]] = {}
        for bar in algorithm.history_points(new, self._lookback * self._period, self._resolution) if new else []:
            bars.setdefault(bar.symbol, []).append(bar)
        for symbol, points in bars.items():
            returns = self._known[symbol] = _Returns(symbol, self._lookback, self._period)
            for bar in points:
                returns.change.update(bar.end_time, bar.close)
            algorithm.register_indicator(symbol, returns.change, self._resolution)
