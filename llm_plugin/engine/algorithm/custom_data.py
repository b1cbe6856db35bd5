"""`add_data`: subscriptions to data classes of the user's own."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.enums import Resolution, SecurityType
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.system_errors import InvalidOperationException
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.data.custom_data import CustomDataConfig, custom_symbol, requires_mapping
from llm_plugin.engine.data.map_files import load_map_file
from llm_plugin.engine.market.market_hours import ExchangeHours
from llm_plugin.engine.market.symbol_properties import SymbolProperties
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.securities.security import Security
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["CustomDataApi"]

_PLAIN = ("resolution", "time_zone", "fill_forward", "leverage")
_DESCRIBED = ("properties", "exchange_hours", "resolution", "fill_forward", "leverage")


class CustomDataApi(LeanObject):
    """The class that mixes it in has the run as `_engine`."""

    _engine: EngineCore

    def add_data(self, kind: type, ticker: Any, *args: Any, **kwargs: Any) -> Security:
        """`(class, ticker or symbol[, resolution, time_zone, fill_forward, leverage])`.

        Or `(class, ticker, symbol properties, exchange hours[, resolution, fill_forward, leverage])`.
        """
        described = "properties" in kwargs or bool(args and isinstance(args[0], SymbolProperties))
        names = _DESCRIBED if described else _PLAIN
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        unknown = sorted(set(given) - set(names))
        if unknown or not isinstance(kind, type):
            what = ", ".join(unknown) or "these values"
            raise UnsupportedLeanApi("QCAlgorithm.add_data", f"with {kind!r} and {what}")
        if given.get("fill_forward"):
            raise UnsupportedLeanApi("QCAlgorithm.add_data", "with fill_forward=True: custom data is not repeated")
        symbol = self._custom_symbol(kind, ticker)
        return self.subscribe_custom(kind, symbol, given)

    def _custom_symbol(self, kind: type, ticker: Any) -> Symbol:
        if isinstance(ticker, Symbol):
            return custom_symbol(kind, ticker.value, ticker)
        mapped = find_member(kind(), "requires_mapping")
        if mapped is None or not mapped():
            return custom_symbol(kind, str(ticker))
        underlying = self._engine.symbol_cache.find(ticker)
        if underlying is None:
            raise InvalidOperationException(
                f"The custom data type {kind.__name__} requires mapping, but {ticker} was never added: "
                "add the security first, or give its Symbol"
            )
        return custom_symbol(kind, underlying.value, underlying)

    def subscribe_custom(self, kind: type, symbol: Symbol, given: dict[str, Any]) -> Security:
        """Open a stream of a class under a symbol; one that is open is returned as it is."""
        core = self._engine
        key, market = symbol.id.symbol, symbol.id.market
        core.symbol_cache.add(key, symbol)
        hours: ExchangeHours | None = given.get("exchange_hours")
        if hours is not None:
            core.market_hours.set_entry(market, key, SecurityType.BASE, hours, hours.time_zone)
        elif given.get("time_zone"):
            core.market_hours.set_entry_always_open(market, key, SecurityType.BASE, given["time_zone"])
        if given.get("properties") is not None:
            core.symbol_properties.set_entry(market, key, SecurityType.BASE, given["properties"])
        known = core.securities.get(symbol)
        if known is not None:
            return known
        chosen = given.get("resolution")
        if chosen is None:
            default = find_member(kind(), "default_resolution")
            chosen = default() if default is not None else Resolution.MINUTE
        entry = core.entry_of(symbol)
        leverage = float(given.get("leverage") or 1.0)
        security = core.create_security(symbol, leverage=leverage)
        core.securities.add(symbol, security)
        files = core.algorithm.object_store
        config = CustomDataConfig(kind, symbol, Resolution(chosen), entry, files, core.error)
        if requires_mapping(kind, symbol):
            config.follow_tickers(load_map_file(core.data_folder, market, symbol.value))
        core.register(security, config)
        core.initialize_security(security, leverage)
        return security
