"""Risk models: targets of 0 where a limit is passed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import unique
from typing import Any

from llm_plugin.engine.base.names import LeanEnum
from llm_plugin.engine.framework.models import RiskManagementModel
from llm_plugin.engine.framework.targets import PortfolioTarget

__all__ = [
    "MaximumDrawdownPercentPerSecurity",
    "MaximumDrawdownPercentPortfolio",
    "MaximumUnrealizedProfitPercentPerSecurity",
    "PositionSide",
    "TrailingStopRiskManagementModel",
]


@unique
class PositionSide(LeanEnum):
    """Side of a position."""

    SHORT = -1
    NONE = 0
    LONG = 1


def _flat(algorithm: Any, symbol: Any) -> PortfolioTarget:
    algorithm.insights.cancel([symbol])
    return PortfolioTarget(symbol, 0)


class MaximumDrawdownPercentPerSecurity(RiskManagementModel):
    """Closes a position whose unrealized loss passes a fraction of its cost."""

    def __init__(self, maximum_drawdown_percent: float = 0.05) -> None:
        self._limit = -abs(float(maximum_drawdown_percent))

    def manage_risk(self, algorithm: Any, targets: Any) -> Iterable[Any]:
        """Targets of 0 for losers."""
        return [
            _flat(algorithm, security.symbol)
            for security in list(algorithm.securities.values())
            if security.invested and security.holdings.unrealized_profit_percent < self._limit
        ]


class MaximumUnrealizedProfitPercentPerSecurity(RiskManagementModel):
    """Closes a position whose unrealized profit passes a fraction of its cost."""

    def __init__(self, maximum_unrealized_profit_percent: float = 0.05) -> None:
        self._limit = abs(float(maximum_unrealized_profit_percent))

    def manage_risk(self, algorithm: Any, targets: Any) -> Iterable[Any]:
        """Targets of 0 for winners."""
        return [
            _flat(algorithm, security.symbol)
            for security in list(algorithm.securities.values())
            if security.invested and security.holdings.unrealized_profit_percent > self._limit
        ]


class MaximumDrawdownPercentPortfolio(RiskManagementModel):
    """Closes all targets when the portfolio lost a fraction of its start (or, trailing, of its highest value)."""

    def __init__(self, maximum_drawdown_percent: float = 0.05, is_trailing: bool = False) -> None:
        self._limit = -abs(float(maximum_drawdown_percent))
        self._trailing = is_trailing
        self._reference: float | None = None

    def manage_risk(self, algorithm: Any, targets: Any) -> Iterable[Any]:
        """Targets of 0 for all symbols that have targets now."""
        value = algorithm.portfolio.total_portfolio_value
        if self._reference is None:
            self._reference = value
        if self._trailing and self._reference < value:
            self._reference = value
            return []
        current = list(targets)
        lost = value / self._reference - 1.0 if self._reference else 0.0
        if lost >= self._limit or not current:
            return []
        self._reference = None
        return [_flat(algorithm, target.symbol) for target in current]


@dataclass
class _Best:
    side: PositionSide
    value: float


class TrailingStopRiskManagementModel(RiskManagementModel):
    """Closes a position that fell a fraction from its best value since entry."""

    def __init__(self, maximum_drawdown_percent: float = 0.05) -> None:
        self._limit = abs(float(maximum_drawdown_percent))
        self._best: dict[Any, _Best] = {}

    def manage_risk(self, algorithm: Any, targets: Any) -> Iterable[Any]:
        """Targets of 0 for positions below their stop."""
        found = []
        for security in list(algorithm.securities.values()):
            symbol, holdings = security.symbol, security.holdings
            if not security.invested:
                self._best.pop(symbol, None)
                continue
            side = PositionSide.LONG if holdings.is_long else PositionSide.SHORT
            value = holdings.absolute_holdings_value
            best = self._best.get(symbol)
            if best is None or best.side != side:
                best = self._best[symbol] = _Best(side, holdings.absolute_holdings_cost)
            improved = best.value < value if side == PositionSide.LONG else best.value > value
            if improved:
                best.value = value
            elif best.value and abs((best.value - value) / best.value) > self._limit:
                del self._best[symbol]
                found.append(_flat(algorithm, symbol))
        return found
