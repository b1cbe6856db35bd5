"""Pairs trading: the ratio of two prices against its mean."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import Enum
from typing import Any

from llm_plugin.engine.base.enums import Resolution, resolution_span
from llm_plugin.engine.base.money import normalize, to_decimal
from llm_plugin.engine.framework.insights import Insight, InsightDirection
from llm_plugin.engine.framework.models import AlphaModel
from llm_plugin.engine.indicators import ConstantIndicator, ExponentialMovingAverage, Identity, IndicatorExtensions

__all__ = ["BasePairsTradingAlphaModel", "PearsonCorrelationPairsTradingAlphaModel"]

_MEAN_PERIOD = 500


class _State(Enum):
    SHORT_RATIO = -1
    FLAT_RATIO = 0
    LONG_RATIO = 1


class _Pair:
    """Two securities, their ratio, its mean and the thresholds around it."""

    def __init__(self, algorithm: Any, first: Any, second: Any, interval: timedelta, threshold: float) -> None:
        self._state = _State.FLAT_RATIO
        self._algorithm, self._first, self._second, self._interval = algorithm, first, second, interval
        one, self._consolidators = self._price(first), []
        two = self._price(second)
        self._consolidators = [(first, one[1]), (second, two[1])]
        self._ratio = IndicatorExtensions.over(one[0], two[0])
        self._mean = IndicatorExtensions.of(ExponentialMovingAverage(_MEAN_PERIOD), self._ratio)
        self._upper = IndicatorExtensions.times(self._mean, ConstantIndicator("ct", 1 + threshold / 100))
        self._lower = IndicatorExtensions.times(self._mean, ConstantIndicator("ct", 1 - threshold / 100))

    def _price(self, symbol: Any) -> tuple[Identity, Any]:
        algorithm = self._algorithm
        configs = algorithm.subscription_manager.get_subscription_data_configs(symbol)
        resolution = min(config.resolution for config in configs)
        identity = Identity(algorithm.create_indicator_name(symbol, "close", resolution))
        consolidator = algorithm.resolve_consolidator(symbol, resolution)
        algorithm.register_indicator(symbol, identity, consolidator)
        return identity, consolidator

    def dispose(self) -> None:
        """Take the consolidators away."""
        for symbol, consolidator in self._consolidators:
            self._algorithm.subscription_manager.remove_consolidator(symbol, consolidator)

    def insights(self) -> list[Insight]:
        """A group of two when the ratio leaves its band, once per side."""
        if not self._mean.is_ready:
            return []
        if self._state is not _State.LONG_RATIO and self._ratio > self._upper:
            self._state = _State.LONG_RATIO
            return self._group(InsightDirection.DOWN, InsightDirection.UP)
        if self._state is not _State.SHORT_RATIO and self._ratio < self._lower:
            self._state = _State.SHORT_RATIO
            return self._group(InsightDirection.UP, InsightDirection.DOWN)
        return []

    def _group(self, first: InsightDirection, second: InsightDirection) -> list[Insight]:
        return Insight.group(
            Insight.price(self._first, self._interval, first), Insight.price(self._second, self._interval, second)
        )


class BasePairsTradingAlphaModel(AlphaModel):
    """Trades every pair that passes `has_passed_test` (all of them here) when its ratio leaves its mean.

    Args:
        lookback: Bars of the analysis; the insights hold as long.
        resolution: Length of a bar.
        threshold: Percent between the ratio and its mean.
    """

    def __init__(self, lookback: int = 1, resolution: Resolution = Resolution.DAILY, threshold: float = 1) -> None:
        self.lookback, self.resolution, self.threshold = lookback, resolution, threshold
        self.prediction_interval = resolution_span(resolution) * lookback
        self.pairs: dict[tuple[Any, Any], _Pair] = {}
        self.securities: dict[Any, Any] = {}
        self.name = f"{type(self).__name__}({lookback},{resolution},{normalize(to_decimal(threshold))})"

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """The insights of all pairs."""
        return [insight for pair in self.pairs.values() for insight in pair.insights()]

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Follow the universe."""
        for added in changes.added_securities:
            self.securities[added.symbol] = added
        for removed in changes.removed_securities:
            self.securities.pop(removed.symbol, None)
        self._update_pairs(algorithm)
        gone = {removed.symbol for removed in changes.removed_securities}
        for key in [key for key in self.pairs if gone & set(key)]:
            self.pairs.pop(key).dispose()

    def _sorted_symbols(self) -> list[Any]:
        return sorted(self.securities, key=lambda symbol: symbol.value)

    def _update_pairs(self, algorithm: Any) -> None:
        symbols = self._sorted_symbols()
        for number, first in enumerate(symbols):
            for second in symbols[number + 1 :]:
                known = (first, second) in self.pairs or (second, first) in self.pairs
                if not known and self.has_passed_test(algorithm, first, second):
                    self.pairs[first, second] = _Pair(
                        algorithm, first, second, self.prediction_interval, self.threshold
                    )

    def has_passed_test(self, algorithm: Any, asset1: Any, asset2: Any) -> bool:
        """Whether two securities are a pair."""
        return True


class PearsonCorrelationPairsTradingAlphaModel(BasePairsTradingAlphaModel):
    """Trades the pair whose log returns correlate most, if they do so enough."""

    def __init__(
        self,
        lookback: int = 15,
        resolution: Resolution = Resolution.MINUTE,
        threshold: float = 1,
        minimum_correlation: float = 0.5,
    ) -> None:
        super().__init__(lookback, resolution, threshold)
        self.minimum_correlation = minimum_correlation
        self.best_pair: tuple[Any, ...] = ()

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Look for the best pair among the securities that are there now."""
        for added in changes.added_securities:
            self.securities[added.symbol] = added
        for removed in changes.removed_securities:
            self.securities.pop(removed.symbol, None)
        self._rank(algorithm)
        super().on_securities_changed(algorithm, changes)

    def _rank(self, algorithm: Any) -> None:
        import numpy as np

        symbols = self._sorted_symbols()
        history = algorithm.history(symbols, self.lookback, self.resolution)
        if history.empty:
            return
        prices = np.log(history["close"].unstack(level=0))
        returns = (prices - prices.shift(1)).dropna()
        columns = [returns.iloc[:, number] for number in range(returns.shape[1])]
        found = [
            (float(np.corrcoef(columns[i], columns[j])[0, 1]), i, j)
            for i in range(len(columns))
            for j in range(i + 1, len(columns))
        ]
        if not found:
            return
        # The last of equals wins, as in a stable ascending sort.
        best = sorted(found, key=lambda entry: entry[0])[-1]
        if best[0] >= self.minimum_correlation:
            self.best_pair = (symbols[best[1]], symbols[best[2]])

    def has_passed_test(self, algorithm: Any, asset1: Any, asset2: Any) -> bool:
        """Whether two securities are the best pair."""
        return self.best_pair == (asset1, asset2)
