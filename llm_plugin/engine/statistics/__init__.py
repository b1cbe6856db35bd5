"""LEAN's statistics: sampling, closed trades, capacity, and the printed summary."""

from __future__ import annotations

from llm_plugin.engine.statistics.capacity import CapacityEstimate, MarketBar, SymbolState, bar_resolution
from llm_plugin.engine.statistics.performance import (
    AlgorithmPerformance,
    PortfolioStatistics,
    StatisticsInput,
    StatisticsResults,
    generate,
    summarize,
)
from llm_plugin.engine.statistics.rates import (
    ConstantRiskFreeRateInterestRateModel,
    FuncRiskFreeRateInterestRateModel,
    InterestRateProvider,
    rate_of,
)
from llm_plugin.engine.statistics.sampler import DaySnapshot, HoldingSample, ResultSampler
from llm_plugin.engine.statistics.trades import Trade, TradeBuilder, TradeStatistics

__all__ = [
    "AlgorithmPerformance",
    "CapacityEstimate",
    "ConstantRiskFreeRateInterestRateModel",
    "DaySnapshot",
    "FuncRiskFreeRateInterestRateModel",
    "HoldingSample",
    "InterestRateProvider",
    "MarketBar",
    "PortfolioStatistics",
    "ResultSampler",
    "StatisticsInput",
    "StatisticsResults",
    "SymbolState",
    "Trade",
    "TradeBuilder",
    "TradeStatistics",
    "bar_resolution",
    "generate",
    "rate_of",
    "summarize",
]
