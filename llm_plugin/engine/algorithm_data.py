"""The subscription members of QCAlgorithm."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.custom_data import CustomDataConfig, custom_symbol
from llm_plugin.engine.enums import DataNormalizationMode, Resolution, SecurityType, resolution_span
from llm_plugin.engine.framework.universe import FuncUniverse
from llm_plugin.engine.names import LeanObject, find_member
from llm_plugin.engine.securities import Security
from llm_plugin.engine.subscriptions import default_data
from llm_plugin.engine.symbols import Symbol
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["DataApi"]

_SUPPORTED = frozenset(
    {SecurityType.EQUITY, SecurityType.FOREX, SecurityType.CFD, SecurityType.CRYPTO, SecurityType.INDEX}
)


class DataApi(LeanObject):
    """`add_equity`, `add_forex`, ... and removal."""

    _engine: EngineCore

    def add_security(self, *args: Any, **kwargs: Any) -> Security:
        """`(symbol, ...)` or `(security_type, ticker, resolution=None, market=None, fill_forward, leverage, ...)`."""
        if args and isinstance(args[0], Symbol):
            symbol = args[0]
            order = ("resolution", "fill_forward", "leverage", "extended_market_hours", "data_normalization_mode")
            given = {**dict(zip(order, args[1:], strict=False)), **kwargs}
            return self._subscribe(symbol, symbol.to_string(), given)
        names = ("security_type", "ticker", "resolution", "market", "fill_forward", "leverage",
                 "extended_market_hours", "data_normalization_mode")  # fmt: skip
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if "symbol" in given:
            given["ticker"] = given.pop("symbol")
        if isinstance(given.get("market"), bool):
            # Older form: (type, ticker, resolution, fill_forward, extended).
            given["extended_market_hours"] = given.pop("fill_forward", False)
            given["fill_forward"] = given.pop("market")
        kind = SecurityType(given.pop("security_type"))
        return self._add(kind, str(given.pop("ticker")), given)

    def add_equity(
        self,
        ticker: str,
        resolution: Resolution | None = None,
        market: str | None = None,
        fill_forward: bool | None = None,
        leverage: float = 0,
        extended_market_hours: bool | None = None,
        data_normalization_mode: DataNormalizationMode | None = None,
    ) -> Security:
        """Subscribe to an equity."""
        given = {
            "resolution": resolution,
            "market": market,
            "fill_forward": fill_forward,
            "leverage": leverage,
            "extended_market_hours": extended_market_hours,
            "data_normalization_mode": data_normalization_mode,
        }
        return self._add(SecurityType.EQUITY, ticker, given)

    def _pair(self, kind: SecurityType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Security:
        names = ("ticker", "resolution", "market", "fill_forward", "leverage")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        return self._add(kind, str(given.pop("ticker")), given)

    def add_forex(self, *args: Any, **kwargs: Any) -> Security:
        """Subscribe to a currency pair: `(ticker, resolution=None, market=None, fill_forward=True, leverage=0)`."""
        return self._pair(SecurityType.FOREX, args, kwargs)

    def add_cfd(self, *args: Any, **kwargs: Any) -> Security:
        """Subscribe to a CFD: `(ticker, resolution=None, market=None, fill_forward=True, leverage=0)`."""
        return self._pair(SecurityType.CFD, args, kwargs)

    def add_crypto(self, *args: Any, **kwargs: Any) -> Security:
        """Subscribe to a crypto pair: `(ticker, resolution=None, market=None, fill_forward=True, leverage=0)`."""
        return self._pair(SecurityType.CRYPTO, args, kwargs)

    def add_index(self, *args: Any, **kwargs: Any) -> Security:
        """Subscribe to an index: `(ticker, resolution=None, market=None, fill_forward=True)`."""
        return self._pair(SecurityType.INDEX, args, kwargs)

    def _add(self, kind: SecurityType, ticker: str, given: dict[str, Any]) -> Security:
        if kind not in _SUPPORTED:
            raise UnsupportedLeanApi(f"SecurityType.{kind}", "supported: equity, forex, cfd, crypto, index")
        market = given.pop("market", None) or self._default_market(kind)
        symbol = self._engine.make_symbol(ticker, kind, str(market).lower())
        return self._subscribe(symbol, ticker, given)

    def _default_market(self, kind: SecurityType) -> str:
        markets = dict(self._engine.brokerage_model.default_markets)
        return str(markets.get(kind, "usa"))

    def _subscribe(self, symbol: Symbol, ticker: str, given: dict[str, Any]) -> Security:
        core = self._engine
        chosen = core.universe_settings
        resolution = _or(given.get("resolution"), chosen.resolution)
        resolution = Resolution(resolution)
        if resolution == Resolution.TICK:
            raise UnsupportedLeanApi("Resolution.TICK", "the embedded engine reads second, minute, hour and daily bars")
        leverage = given.get("leverage") or chosen.leverage
        security = core.securities.get(symbol)
        if security is None:
            security = core.create_security(symbol, leverage=leverage)
            core.securities.add(symbol, security)
            core.added.append(security)
        elif security.is_delisted:
            raise ValueError(f"{symbol} was delisted and cannot be added again")
        elif security in core.pending_removals:
            core.pending_removals.remove(security)
        elif not security.subscriptions:
            core.added.append(security)
        security.is_tradable = symbol.security_type != SecurityType.INDEX
        core.symbol_cache.add(ticker, security.symbol)
        for tick_type in default_data(symbol.security_type, resolution):
            core.add_config(
                security,
                resolution,
                tick_type,
                fill_forward=bool(_or(given.get("fill_forward"), chosen.fill_forward)),
                extended=bool(_or(given.get("extended_market_hours"), chosen.extended_market_hours)),
                normalization=_normalization(symbol, _or(given.get("data_normalization_mode"), None), chosen),
            )
        return security

    def add_data(self, kind: type, ticker: Any, *args: Any, **kwargs: Any) -> Security:
        """`(class, ticker or symbol, resolution=None, time_zone=None, fill_forward=False, leverage=1)`."""
        names = ("resolution", "time_zone", "fill_forward", "leverage")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        unknown = sorted(set(given) - set(names))
        if unknown or not isinstance(kind, type):
            raise UnsupportedLeanApi(
                "QCAlgorithm.add_data", f"with {kind!r} and {', '.join(unknown) or 'these values'}"
            )
        core = self._engine
        name = ticker.value if isinstance(ticker, Symbol) else str(ticker)
        symbol = custom_symbol(kind, name)
        known = core.securities.get(symbol)
        if known is not None:
            return known
        where = given.get("time_zone") or "America/New_York"
        entry = core.market_hours.set_entry_always_open("usa", symbol, SecurityType.BASE, where)
        security = core.create_security(symbol)
        core.securities.add(symbol, security)
        core.symbol_cache.add(name, symbol)
        chosen = given.get("resolution")
        if chosen is None:
            default = find_member(kind(), "default_resolution")
            chosen = default() if default is not None else Resolution.MINUTE
        files = core.algorithm.object_store
        core.register(security, CustomDataConfig(kind, symbol, Resolution(chosen), entry, files, core.error))
        return security

    def add_universe(self, *args: Any) -> Any:
        """`(name, selector)` or `(name, resolution, selector)`: a function of the time that names tickers.

        Raises:
            UnsupportedLeanApi: Any other form, such as selection by fundamentals.
        """
        core = self._engine
        names = args and isinstance(args[0], str) and callable(args[-1]) and len(args) in (2, 3)
        if not names:
            raise UnsupportedLeanApi(
                "QCAlgorithm.add_universe", "supported: (name, [resolution,] function of the time)"
            )
        resolution = Resolution(args[1]) if len(args) == 3 else Resolution.DAILY
        universe = FuncUniverse(args[0], args[-1], resolution_span(resolution), settings=core.universe_settings)
        if core.universes is None:
            core.user_universes.append(universe)
        else:
            core.universes.add(universe, core.clock.utc_us)
        return universe

    def add_from_universe(self, symbol: Symbol, settings: Any = None) -> Security:
        """Subscribe to a universe's selection, with the universe's settings."""
        chosen = self._engine.universe_settings if settings is None else settings
        given = {
            "resolution": chosen.resolution,
            "fill_forward": chosen.fill_forward,
            "leverage": chosen.leverage,
            "extended_market_hours": chosen.extended_market_hours,
            "data_normalization_mode": chosen.data_normalization_mode,
        }
        return self._subscribe(symbol, symbol.to_string(), given)

    def universe_symbol(self, ticker: str, security_type: SecurityType, market: str) -> Symbol:
        """Return the symbol of a ticker that a universe selected."""
        return self._engine.make_symbol(ticker, security_type, market)

    def remove_security(self, symbol: Any, tag: str | None = None) -> bool:
        """Cancel orders, close the position and unsubscribe."""
        core = self._engine
        security = core.securities.get(symbol)
        if security is None:
            return False
        text = "Removed" if tag is None else tag
        if not core.is_warming_up:
            core.transactions.cancel_open_orders(security.symbol, text)
        if security.holdings.invested:
            core.algorithm.liquidate(security.symbol, tag=text)
        security.is_tradable = False
        if security not in core.pending_removals:
            core.pending_removals.append(security)
        return True

    def symbol(self, ticker: str) -> Symbol:
        """Return the symbol that was added under a ticker."""
        found = self._engine.symbol_cache.find(ticker)
        if found is None:
            raise ValueError(f"{ticker} was never added to the algorithm")
        return found


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _normalization(symbol: Symbol, mode: Any, settings: Any) -> DataNormalizationMode:
    if mode is None:
        mode = settings.data_normalization_mode
    mode = DataNormalizationMode(mode)
    supported = (
        DataNormalizationMode.RAW,
        DataNormalizationMode.ADJUSTED,
        DataNormalizationMode.SPLIT_ADJUSTED,
        DataNormalizationMode.TOTAL_RETURN,
    )
    if symbol.security_type == SecurityType.EQUITY and mode not in supported:
        text = "supported: Adjusted, SplitAdjusted, TotalReturn, Raw"
        raise UnsupportedLeanApi(f"DataNormalizationMode.{mode}", text)
    return mode  # type: ignore[no-any-return]
