"""The names that `from AlgorithmImports import *` offers."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from llm_plugin.engine.refusals import install

__all__ = ["engine_names"]

_MODULES = (
    "algorithm", "bars", "benchmark", "brokerage_fees", "brokerage_messages", "brokerage_models",
    "brokerages_crypto", "brokerages_equity", "brokerages_routed", "buying_power", "buying_power_parameters",
    "cash", "cash_buying_power", "charts", "combo_orders", "consolidators", "corporate_data", "custom_data",
    "data_fields", "enums", "equity_exchange", "equity_fills", "exchanges", "feed_filters", "fees",
    "file_providers", "fills", "framework", "holdings", "indicators", "lean_paths", "market_hours", "market_impact",
    "net_json", "net_types", "order_events", "order_properties", "orders", "portfolio", "scheduling", "securities",
    "security_cache", "security_manager", "seeders", "session", "settings", "settlement", "shortable", "slices",
    "slippage", "statistics", "subscriptions", "symbol_properties", "symbols", "system_errors", "tickets",
    "time_in_force", "universe", "universe_api", "universe_data", "universe_manager", "user_api", "volatility",
    "zones",
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
    names["SecurityTransactionManager"] = importlib.import_module("llm_plugin.engine.transactions").TransactionManager
    install(names)
    return names
