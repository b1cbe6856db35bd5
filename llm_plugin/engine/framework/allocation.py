"""Portfolio construction by optimizers of mean and variance: Markowitz, and Black and Litterman."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.engine.base.enums import Resolution
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.framework.insights import Insight, InsightDirection
from llm_plugin.engine.framework.optimizers import (
    MaximumSharpeRatioPortfolioOptimizer,
    MinimumVariancePortfolioOptimizer,
)
from llm_plugin.engine.framework.portfolio import PortfolioBias, PortfolioConstructionModel, named_rule_of
from llm_plugin.engine.indicators import RateOfChange

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BlackLittermanOptimizationPortfolioConstructionModel",
    "MeanVarianceOptimizationPortfolioConstructionModel",
]

_YEAR = 252


class _Returns:
    """The last returns of a security, newest first, each at another time than the one before."""

    def __init__(self, symbol: Any, lookback: int, period: int) -> None:
        self._change = RateOfChange(f"{symbol}.roc({lookback})", lookback)
        self._change.updated += lambda sender, point: self._take(point)
        self._period = period
        self.points: list[tuple[datetime, float]] = []

    def push(self, time: datetime, price: float) -> None:
        """Take a price into account."""
        self._change.update(time, price)

    def _take(self, point: Any) -> None:
        if self._change.is_ready:
            self.add(point.end_time, float(point.value))

    def add(self, time: datetime, value: float) -> None:
        """Add a return, seen or expected; nothing where the newest has the same time."""
        if not self.points or self.points[0][0] != time:
            self.points = [(time, value), *self.points][: self._period]


def _frame(known: dict[Any, _Returns], symbols: list[Any]) -> pd.DataFrame:
    """Returns by time and symbol, without rows that lack one or have none but zeros.

    Where securities have returns at different times, their n-th newest stand together.
    """
    import pandas as pd

    columns = {symbol: known[symbol].points for symbol in symbols if symbol in known}
    times = dict.fromkeys(time for points in columns.values() for time, _ in points)
    most = max((len(data.points) for data in known.values()), default=0)
    if most == len(times):
        by_time = {symbol: dict(points) for symbol, points in columns.items()}
        rows = [[by_time[symbol].get(time, np.nan) for symbol in columns] for time in times]
    else:
        values = [[value for _, value in points] for points in columns.values()]
        rows = [[column[at] if at < len(column) else np.nan for column in values] for at in range(most)]
    table = np.array(rows, dtype=float).reshape(-1, len(columns))
    sizes = np.abs(table).sum(axis=1)
    return pd.DataFrame(table[~np.isnan(sizes) & (sizes != 0)], columns=[str(symbol) for symbol in columns])


class _OptimizedModel(PortfolioConstructionModel):
    """What both models share: past returns of what the universe has, and an optimizer of weights."""

    def __init__(
        self,
        rebalance: Any,
        portfolio_bias: PortfolioBias,
        window: tuple[int, int, Resolution],
        make_optimizer: Callable[[int, int], Any],
        optimizer: Any,
    ) -> None:
        super().__init__(rebalance)
        self._bias = PortfolioBias(portfolio_bias)
        self._lookback, self._period, self._resolution = window
        lower = 0 if self._bias == PortfolioBias.LONG else -1
        upper = 0 if self._bias == PortfolioBias.SHORT else 1
        self.optimizer = make_optimizer(lower, upper) if optimizer is None else optimizer
        self._known: dict[Any, _Returns] = {}

    def _fail(self, insight: Insight) -> None:
        source = insight.source_model or "the alpha model"
        raise ValueError(
            f"{type(self).__name__} needs magnitudes, and the insight of {source} for {insight.symbol} has none"
        )

    def _respecting(
        self, insights: list[Insight], symbols: list[Any], weights: Iterable[float]
    ) -> dict[Insight, float]:
        """Weights by the first insight of each symbol; 0 for those against the bias."""
        firsts: dict[Any, Insight] = {}
        for insight in insights:
            firsts.setdefault(insight.symbol, insight)
        targets = {}
        for symbol, weight in zip(symbols, weights, strict=True):
            against = self._bias != PortfolioBias.LONG_SHORT and np.sign(weight) != int(self._bias)
            targets[firsts[symbol]] = 0.0 if against else float(weight)
        return targets

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Whether its magnitude is within the settings' bounds."""
        return bool(self.filter_invalid_insight_magnitude(self._algorithm, [insight]))

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Forget the returns of what left."""
        super().on_securities_changed(algorithm, changes)
        for removed in changes.removed_securities:
            self._known.pop(removed.symbol, None)

    def _start(self, algorithm: Any, symbols: list[Any], time_of: Callable[[Any], datetime]) -> None:
        points = algorithm.history_points(symbols, self._lookback * self._period, self._resolution) if symbols else []
        for bar in points:
            known = self._known.get(bar.symbol)
            if known is None:
                known = self._known[bar.symbol] = _Returns(bar.symbol, self._lookback, self._period)
            known.push(time_of(bar), bar.value)


class MeanVarianceOptimizationPortfolioConstructionModel(_OptimizedModel):
    """Weights of least variance for a return (Markowitz), of past returns and the insights' magnitudes.

    Args:
        rebalance: When to rebalance.
        portfolio_bias: Which sides are allowed.
        lookback: Bars of one return.
        period: Number of returns.
        resolution: Length of a bar.
        target_return: What the weights must return.
        optimizer: From a frame of returns, expected returns and covariance (None here) to weights.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 63,
        resolution: Resolution = Resolution.DAILY,
        target_return: float = 0.02,
        optimizer: Any = None,
        **named_rule: Any,
    ) -> None:
        def default(lower: int, upper: int) -> MinimumVariancePortfolioOptimizer:
            return MinimumVariancePortfolioOptimizer(lower, upper, target_return)

        rule = named_rule_of(rebalance, named_rule)
        super().__init__(rule, portfolio_bias, (lookback, period, resolution), default, optimizer)

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Whether its magnitude is within bounds; it becomes the newest return.

        Raises:
            ValueError: It has none.
        """
        if not super().should_create_target_for_insight(insight):
            return False
        known = self._known.get(insight.symbol)
        if known is not None:
            if insight.magnitude is None:
                self._fail(insight)
            else:
                known.add(self._algorithm.time, insight.magnitude)
        return True

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """The optimizer's weights."""
        if not active_insights:
            return {}
        symbols = [insight.symbol for insight in active_insights]
        weights = self.optimizer.optimize(_frame(self._known, symbols), None, None)
        return self._respecting(active_insights, symbols, weights)

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Start and end the returns."""
        super().on_securities_changed(algorithm, changes)
        added = [security.symbol for security in changes.added_securities]
        for symbol in added:
            self._known.setdefault(symbol, _Returns(symbol, self._lookback, self._period))
        self._start(algorithm, added, lambda bar: bar.end_time)


class BlackLittermanOptimizationPortfolioConstructionModel(_OptimizedModel):
    """Equilibrium returns of equal weights, moved by the views of the alpha models (Black and Litterman).

    A view is one model's insights: directions times magnitudes, relative to the larger of both sides' sums. See
    Idzorek, "A step-by-step guide to the Black-Litterman model" (2005).

    Args:
        rebalance: When to rebalance.
        portfolio_bias: Which sides are allowed.
        lookback: Bars of one return.
        period: Number of returns.
        resolution: Length of a bar.
        risk_free_rate: Return without risk, of a year.
        delta: Risk aversion of the market.
        tau: How uncertain the equilibrium is.
        optimizer: From a frame of returns, expected returns and covariance to weights.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 63,
        resolution: Resolution = Resolution.DAILY,
        risk_free_rate: float = 0.0,
        delta: float = 2.5,
        tau: float = 0.05,
        optimizer: Any = None,
        **named_rule: Any,
    ) -> None:
        def default(lower: int, upper: int) -> MaximumSharpeRatioPortfolioOptimizer:
            return MaximumSharpeRatioPortfolioOptimizer(lower, upper, risk_free_rate)

        rule = named_rule_of(rebalance, named_rule)
        super().__init__(rule, portfolio_bias, (lookback, period, resolution), default, optimizer)
        self._risk_free_rate, self._delta, self._tau = risk_free_rate, delta, tau

    def get_target_insights(self) -> list[Insight]:
        """The newest active insight of each symbol and model, by symbol."""
        newest: dict[tuple[Any, str], Insight] = {}
        for insight in self._algorithm.insights.get_active_insights(self._algorithm.utc_time):
            key = insight.symbol, insight.source_model
            known = newest.get(key)
            if self.should_create_target_for_insight(insight) and (
                known is None or insight.generated_time_utc >= known.generated_time_utc
            ):
                newest[key] = insight
        return sorted(newest.values(), key=lambda item: item.symbol.value)

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """The optimizer's weights for the returns and the risk after the views; nothing without views."""
        import pandas as pd

        symbols = list(dict.fromkeys(insight.symbol for insight in active_insights))
        views = self._views(active_insights, symbols)
        if views is None:
            return {}
        for insight in active_insights:
            known = self._known.get(insight.symbol)
            if known is not None and insight.magnitude is not None:
                known.add(insight.generated_time_utc, insight.magnitude)
        returns = _frame(self._known, symbols)
        mean, cov = self._posterior(*self.get_equilibrium_returns(returns), *views)
        table = pd.DataFrame(cov, index=returns.columns, columns=returns.columns)
        return self._respecting(active_insights, symbols, self.optimizer.optimize(returns, mean, table))

    def get_equilibrium_returns(self, returns: Any) -> tuple[Any, Any]:
        """Return what each security must earn, above the risk-free rate, for equal weights to be best; and the risk."""
        values = np.asarray(returns, dtype=float)
        weights = np.full(values.shape[1], 1.0 / values.shape[1])
        cov = np.atleast_2d(np.cov(values.T)) * _YEAR
        earned = float(weights @ ((values.mean(axis=0) + 1.0) ** _YEAR - 1.0))
        aversion = (earned - self._risk_free_rate) / float(weights @ cov @ weights)
        return aversion * (cov @ weights), cov

    @staticmethod
    def _views(insights: list[Insight], symbols: list[Any]) -> tuple[Any, Any] | None:
        """Matrix of views (model x symbol) and what each expects; None unless every model has a view."""
        models: dict[str, list[Insight]] = {}
        for insight in insights:
            models.setdefault(str(insight.source_model), []).append(insight)
        rows, expected = [], []
        for given in models.values():
            if any(insight.magnitude is None for insight in given):
                return None
            sizes = [(insight.direction, abs(insight.magnitude or 0.0)) for insight in given]
            up, down = (sum(size for side, size in sizes if side == which) for which in _SIDES)
            view = max(up, down)
            if view == 0:
                return None
            # A row has a model's own securities first, in LEAN too.
            own = [int(side) * size / view for side, size in sizes]
            rows.append(own + [0.0] * (len(symbols) - len(own)))
            expected.append(view)
        return (np.array(rows), np.array(expected)) if rows else None

    def _posterior(self, mean: Any, cov: Any, views: Any, expected: Any) -> tuple[Any, Any]:
        """The master formula: returns and risk after the views."""
        scaled = self._tau * cov
        spread = views @ scaled @ views.T
        errors = np.diag(np.diag(spread))
        if np.linalg.det(errors) == 0:
            return mean, cov
        gain = scaled @ views.T @ np.linalg.inv(spread + errors)
        left = scaled - gain @ views @ scaled
        return mean + gain @ (expected - views @ mean), (cov + left) * self._delta

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Start and end the returns."""
        super().on_securities_changed(algorithm, changes)
        zones = {security.symbol: security.exchange.time_zone for security in changes.added_securities}
        self._start(algorithm, list(zones), lambda bar: from_us(zones[bar.symbol].utc(to_us(bar.end_time))))


_SIDES = (InsightDirection.UP, InsightDirection.DOWN)
