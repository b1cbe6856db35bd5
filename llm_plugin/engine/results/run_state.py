"""The state of a run at its end, as its result files tell it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.portfolio.cash import CURRENCY_SYMBOLS
from llm_plugin.engine.results.charts import merged_charts
from llm_plugin.engine.results.files import RunState, runtime_statistics

__all__ = ["run_state"]


def run_state(core: EngineCore, statistics: Any, order_texts: list[str], *, error: str, seconds: float) -> RunState:
    """Return what the result files tell.

    Args:
        core: The run, with a sampler.
        statistics: Its statistics.
        order_texts: Its orders as JSON.
        error: Why it ended early; empty if it did not.
        seconds: How long it took.
    """
    algorithm, portfolio, results = core.algorithm, core.portfolio, core.sampler.results
    runtime = runtime_statistics(
        currency_symbol=CURRENCY_SYMBOLS.get(core.cash_book.account_currency, core.cash_book.account_currency),
        equity=portfolio.exact_total,
        starting_value=results.starting_value,
        fees=portfolio.exact_fees,
        holdings=Decimal(str(portfolio.total_holdings_value)),
        net_profit=Decimal(str(portfolio.total_net_profit)),
        unrealized=Decimal(str(portfolio.total_unrealized_profit)),
        volume=portfolio.exact_sales,
        summary=statistics.summary,
        custom=core.runtime_statistics,
    )
    model = core.brokerage_model
    return RunState(
        statistics=statistics,
        charts=merged_charts(dict(results.charts), algorithm.user_charts),
        orders=core.transactions.all_orders,
        order_texts=order_texts,
        order_events=core.transactions.events,
        profit_loss=portfolio.records,
        runtime_statistics=runtime,
        state={
            "Status": str(core.status),
            "Name": algorithm.name,
            "RuntimeError": error,
            "StackTrace": "",
            "LogCount": str(len(core.log_lines)),
            "OrderCount": str(core.transactions.orders_count),
            "InsightCount": str(algorithm.insights.total_count),
        },
        algorithm_configuration={
            "name": algorithm.name,
            **({"tags": sorted(algorithm.tags)} if algorithm.tags else {}),
            "accountCurrency": core.cash_book.account_currency,
            "brokerage": int(core.brokerage_name),
            "accountType": int(getattr(model, "account_type", 0)),
            "parameters": dict(core.context.parameters),
            "startDate": _iso(core.start),
            "endDate": _iso(core.end),
            "tradingDaysPerYear": int(getattr(model, "trading_days", 252)),
        },
        server_statistics={"Seconds": f"{seconds:.3f}"},
        log_lines=list(core.log_lines),
        insights=[insight.to_json() for insight in algorithm.insights.get_insights()],
    )


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
