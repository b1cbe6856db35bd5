"""The statistics of a run, at its end and at any moment of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.pairs import Pair
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.portfolio.cash import CURRENCY_SYMBOLS
from llm_plugin.engine.statistics import StatisticsInput, StatisticsResults, generate, rate_of

__all__ = ["RunStatistics", "current_statistics"]


def current_statistics(core: EngineCore, sampler: Any) -> StatisticsResults:
    """Return the statistics of what was sampled so far."""
    sampler.late.close()
    algorithm, results = core.algorithm, sampler.results
    portfolio, currency = core.portfolio, core.cash_book.account_currency
    lowest = sampler.capacity.lowest_capacity_asset
    given = core.settings.trading_days_per_year
    return generate(
        StatisticsInput(
            equity=results.points("Strategy Equity", "Equity"),
            performance=results.points("Strategy Equity", "Return"),
            benchmark=results.points("Benchmark", "Benchmark"),
            turnover=results.points("Portfolio Turnover", "Portfolio Turnover"),
            starting_capital=results.starting_value,
            profit_loss=portfolio.records,
            winning=portfolio.winning,
            losing=portfolio.losing,
            trades=algorithm.trade_builder.closed_trades,
            total_fees=portfolio.exact_fees,
            total_orders=core.transactions.orders_count,
            capacity=sampler.capacity.capacity,
            lowest_capacity_asset=str(lowest.id) if lowest is not None else "",
            currency_symbol=CURRENCY_SYMBOLS.get(currency, currency),
            trading_days_per_year=given or getattr(core.brokerage_model, "trading_days", 252),
            risk_free_rate=rate_of(algorithm.risk_free_interest_rate_model),
            custom_summary=core.summary_statistics,
        )
    )


class _Summary(dict[str, str]):
    """Printed statistics by name; goes through pairs with `key` and `value`, as .NET's dictionaries do."""

    count = Count = property(len)

    def __iter__(self) -> Iterator[Any]:
        return iter([Pair(key, self[key]) for key in self.keys()])

    def contains_key(self, key: str) -> bool:
        """Whether there is such a statistic."""
        return key in self

    ContainsKey = contains_key


class RunStatistics(LeanObject):
    """`self.statistics` of an algorithm: the statistics of what was sampled so far."""

    def __init__(self, results: StatisticsResults) -> None:
        self.summary = _Summary(results.summary)
        self.total_performance = results.total_performance
        self.rolling_performances = results.rolling_performances
