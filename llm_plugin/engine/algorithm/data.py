"""The subscription members of QCAlgorithm."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.algorithm.custom_data import CustomDataApi
from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, SecurityType
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.data.normalization import equity_normalization
from llm_plugin.engine.feed.subscriptions import default_data
from llm_plugin.engine.framework.universe import UserDefinedUniverse
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.securities.security import Security
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["DataApi"]

_SUPPORTED = frozenset(
    {SecurityType.EQUITY, SecurityType.FOREX, SecurityType.CFD, SecurityType.CRYPTO, SecurityType.INDEX}
)


class DataApi(CustomDataApi):
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
        security, configs = self.open_security(symbol, ticker, given)
        self._by_hand(security, configs)
        return security

    def open_security(
        self, symbol: Symbol, ticker: str, given: dict[str, Any], *, prepare_first: bool = False
    ) -> tuple[Security, list[Any]]:
        """Make a security with its streams, or find them; return both.

        Args:
            symbol: What to subscribe to.
            ticker: Its name in the symbol cache.
            given: Options of the streams by name.
            prepare_first: Initializers see a new security before it has streams, as with universes.
        """
        core = self._engine
        chosen = core.universe_settings
        resolution = _or(given.get("resolution"), chosen.resolution)
        resolution = Resolution(resolution)
        leverage = given.get("leverage") or chosen.leverage
        security = core.securities.get(symbol)
        created = security is None
        if security is None:
            security = core.create_security(symbol, leverage=leverage)
        elif security.is_delisted:
            raise ValueError(f"{symbol} was delisted and cannot be added again")
        elif not core.securities.is_listed(symbol):
            # Back in a universe: LEAN prepares it like a new one.
            created = True
            core.assign_models(security)
        core.securities.add(security.symbol, security)
        security.is_tradable = symbol.security_type != SecurityType.INDEX
        core.symbol_cache.add(ticker, security.symbol)
        if created and prepare_first:
            core.initialize_security(security, leverage)
        configs = [
            core.add_config(
                security,
                resolution,
                tick_type,
                fill_forward=bool(_or(given.get("fill_forward"), chosen.fill_forward)),
                extended=bool(_or(given.get("extended_market_hours"), chosen.extended_market_hours)),
                normalization=_normalization(symbol, _or(given.get("data_normalization_mode"), None), chosen),
            )
            for tick_type in default_data(symbol.security_type, resolution)
        ]
        if created and not prepare_first:
            core.initialize_security(security, leverage)
        return security, configs

    def _by_hand(self, security: Security, configs: list[Any]) -> None:
        """Make a security a member of the universe of what the user adds."""
        core = self._engine
        beat()
        universe = UserDefinedUniverse(security.type, security.symbol.id.market)
        core.universe_manager.include(universe)
        universe = core.universe_manager[universe.symbol]
        # Added again in the step in which it was removed: it stays.
        core.leaving = [entry for entry in core.leaving if entry != (universe, security)]
        new = not any(config.owners for config in configs)
        for config in configs:
            config.owners.add(universe.symbol)
        if security.symbol not in universe.members:
            universe.admit(security.symbol, security, core.clock.utc_us)
            if new and security not in core.added:
                core.added.append(security)

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
        beat()
        for universe in core.universe_manager.values():
            if universe.by_hand and security.symbol in universe.members:
                core.leaving.append((universe, security))
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
    return equity_normalization(symbol, settings.data_normalization_mode if mode is None else mode)
