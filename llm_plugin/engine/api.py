"""The names that `from AlgorithmImports import *` offers."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from llm_plugin.engine.base.refusals import install

__all__ = ["engine_names"]

_MODULES = (
    "algorithm.qc_algorithm", "data.bars", "loop.benchmark", "brokerages.fees", "brokerages.messages",
    "brokerages.models", "brokerages.crypto", "brokerages.equity", "brokerages.routed", "models.buying_power",
    "models.buying_power_parameters", "portfolio.cash", "models.cash_buying_power", "results.charts", "orders.combos",
    "consolidators", "data.corporate_data", "data.custom_data", "algorithm.data_fields", "base.enums",
    "market.equity_exchange", "models.equity_fills", "market.exchanges", "feed.filters", "models.fees",
    "data.file_providers", "models.fills", "framework", "portfolio.holdings", "indicators", "data.lean_paths",
    "market.market_hours", "models.market_impact", "base.net_json", "base.net_types", "orders.events",
    "orders.properties", "orders.order", "portfolio.portfolio", "scheduling.schedule", "securities.security",
    "securities.cache", "securities.manager", "securities.seeders", "securities.session", "algorithm.settings",
    "models.settlement", "models.shortable", "data.slices", "models.slippage", "statistics", "feed.subscriptions",
    "market.symbol_properties", "market.symbols", "base.system_errors", "orders.tickets", "orders.time_in_force",
    "universe.changes", "algorithm.universes", "universe.data", "universe.manager", "algorithm.user_api",
    "models.volatility", "base.zones", "market.time_helpers", "universe.constituents",
    "algorithm.commands",
)  # fmt: skip
# Helpers of the engine that are no part of LEAN's API.
_PRIVATE = frozenset(
    {"BarBlock", "BarColumns", "CURRENCY_SYMBOLS", "DAY_US", "DEFAULT_DATA", "EPOCH", "FeedQuoteBar", "FeedTradeBar",
     "FilteredStream", "HistoryRequirement",
     "HOUR_US", "MARKET_CODES", "MINUTE_US", "MaximumQuantity", "MarketBar", "SECOND_US", "SymbolState"}
)  # fmt: skip


def _modules() -> Iterator[ModuleType]:
    for name in _MODULES:
        module = importlib.import_module(f"llm_plugin.engine.{name}")
        yield module
        for child in pkgutil.iter_modules(getattr(module, "__path__", ())):
            yield importlib.import_module(f"{module.__name__}.{child.name}")


def engine_names() -> dict[str, Any]:
    """Return LEAN's classes and enumerations by name."""
    names: dict[str, Any] = {}
    for module in _modules():
        for name in getattr(module, "__all__", ()):
            if name[:1].isupper() and name not in _PRIVATE:
                names[name] = getattr(module, name)
    names["Fundamental"] = names["CoarseFundamental"]
    # Collections that typed signatures name.
    names["Dictionary"], names["HashSet"] = dict, set
    names["IAlgorithm"] = names["QCAlgorithm"]
    names["SecurityExchangeHours"] = names["ExchangeHours"]
    names["DynamicData"] = names["PythonData"]
    names["QCAlgorithmFramework"] = names["QCAlgorithm"]
    names["QCAlgorithmFrameworkBridge"] = names["QCAlgorithm"]
    names["SecurityTransactionManager"] = importlib.import_module(
        "llm_plugin.engine.orders.transactions"
    ).TransactionManager
    install(names)
    return names
