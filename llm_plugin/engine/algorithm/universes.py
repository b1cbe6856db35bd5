"""The universe members of QCAlgorithm."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.algorithm.settings import UniverseSettings
from llm_plugin.engine.base.enums import Resolution, SecurityType, resolution_span
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.data.custom_data import CustomDataConfig, custom_symbol
from llm_plugin.engine.framework.universe import FuncUniverse, Universe
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.securities.security import Security
from llm_plugin.engine.universe.data import CoarseUniverse, CustomDataUniverse
from llm_plugin.engine.universe.manager import UniverseManager
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["UniverseApi", "UniverseDefinitions"]

_FORMS = (
    "supported: a universe; (function of the day's stocks); (date rule, function of the day's stocks); "
    "([security type,] name, [resolution, market, settings,] function of the time); "
    "(data class, [security type,] [name, resolution, market, settings,] function of its points)"
)


class UniverseDefinitions(LeanObject):
    """`self.universe`: ready-made universes."""

    UNCHANGED = Unchanged = Universe.UNCHANGED

    def __init__(self, core: EngineCore) -> None:
        self._core = core

    @property
    def unchanged(self) -> Any:
        """What a selector returns when nothing changes."""
        return Universe.UNCHANGED

    @property
    def dollar_volume(self) -> UniverseDefinitions:
        """Older name of the same."""
        return self

    def top(self, count: int, universe_settings: Any = None) -> Universe:
        """The stocks with the highest dollar volume of the day before."""

        def most(stocks: list[Any]) -> list[Any]:
            return [s.symbol for s in sorted(stocks, key=lambda stock: -stock.dollar_volume)[: int(count)]]

        return CoarseUniverse(most, self._core.data_folder, universe_settings)


class UniverseApi(LeanObject):
    """`add_universe`, `universe` and `universe_manager`."""

    _engine: EngineCore

    @property
    def universe(self) -> UniverseDefinitions:
        """Ready-made universes."""
        return UniverseDefinitions(self._engine)

    @property
    def universe_manager(self) -> UniverseManager:
        """All universes."""
        return self._engine.universe_manager

    def add_universe(self, *args: Any, **kwargs: Any) -> Any:
        """Follow a universe; see the reference for the forms.

        Raises:
            UnsupportedLeanApi: Selection by company figures, or another form.
        """
        universe = self._universe_from([*args, *kwargs.values()])
        core = self._engine
        if core.universes is None:
            core.user_universes.append(universe)
        else:
            core.universes.add(universe, core.clock.utc_us)
        return universe

    def _universe_from(self, values: list[Any]) -> Any:
        core = self._engine
        first, last = (values[0], values[-1]) if values else (None, None)
        if isinstance(first, type) and not isinstance(last, type):
            return self._custom_data(first, values[1:])
        if len(values) == 1 and find_member(first, "select_symbols") is not None:
            return first
        if len(values) == 1 and callable(first):
            return CoarseUniverse(first, core.data_folder)
        if len(values) == 2 and find_member(first, "get_dates") is not None and callable(last):
            return CoarseUniverse(last, core.data_folder, date_rule=first)
        named = _sorted(values[:-1])
        if callable(last) and named is not None and named.names:
            resolution = Resolution.DAILY if named.resolution is None else named.resolution
            settings = named.settings if named.settings is not None else core.universe_settings
            market = named.names[1] if len(named.names) > 1 else "usa"
            return FuncUniverse(
                named.names[0], last, resolution_span(resolution), named.kind or SecurityType.EQUITY, market, settings
            )
        raise UnsupportedLeanApi("QCAlgorithm.add_universe", _FORMS)

    def _custom_data(self, kind: type, values: list[Any]) -> CustomDataUniverse:
        core = self._engine
        selector = values.pop() if values and callable(values[-1]) else None
        named = _sorted(values)
        if named is None:
            raise UnsupportedLeanApi("QCAlgorithm.add_universe", _FORMS)
        name = named.names[0] if named.names else f"{kind.__name__}-usa-{len(core.universe_manager) + 1:010d}"
        symbol = custom_symbol(kind, name)
        entry = core.market_hours.set_entry_always_open("usa", symbol, SecurityType.BASE, "America/New_York")
        resolution = Resolution.DAILY if named.resolution is None else named.resolution
        config = CustomDataConfig(kind, symbol, resolution, entry, core.algorithm.object_store, core.error)
        market = named.names[1] if len(named.names) > 1 else "usa"
        return CustomDataUniverse(config, selector, named.settings, named.kind or SecurityType.EQUITY, market)

    def add_from_universe(self, symbol: Symbol, universe: Any) -> tuple[Security, bool]:
        """Subscribe to a universe's selection with its settings; return also whether a stream is new."""
        core = self._engine
        chosen = universe.universe_settings or core.universe_settings
        known = core.securities.get(symbol)
        existing = [] if known is None else [c for c in known.subscriptions if not c.is_internal_feed]
        if universe.takes_existing and known is not None and existing:
            # What is there already is taken as it is.
            security, configs = known, existing
        elif symbol.security_type == SecurityType.BASE and getattr(universe, "config", None) is not None:
            # The universe's own data, or data of its class: a stream of the user's.
            security = core.algorithm.subscribe_custom(universe.config.type, symbol, {"resolution": chosen.resolution})
            configs = security.subscriptions
        else:
            given = {
                "resolution": chosen.resolution,
                "fill_forward": chosen.fill_forward,
                "leverage": chosen.leverage,
                "extended_market_hours": chosen.extended_market_hours,
                "data_normalization_mode": chosen.data_normalization_mode,
            }
            security, configs = core.algorithm.open_security(symbol, symbol.to_string(), given, prepare_first=True)
        new = not any(config.owners for config in configs)
        for config in configs:
            config.owners.add(universe.symbol)
        return security, new

    def universe_symbol(self, ticker: str, security_type: SecurityType, market: str) -> Symbol:
        """Return the symbol of a ticker that a universe selected."""
        return self._engine.make_symbol(ticker, security_type, market)


class _Named:
    def __init__(self) -> None:
        self.names: list[str] = []
        self.kind: SecurityType | None = None
        self.resolution: Resolution | None = None
        self.settings: UniverseSettings | None = None


def _sorted(values: list[Any]) -> _Named | None:
    """Tell names, resolution, kind and settings apart; None for anything else."""
    found = _Named()
    for value in values:
        if isinstance(value, str):
            found.names.append(value)
        elif isinstance(value, Resolution):
            found.resolution = value
        elif isinstance(value, SecurityType):
            found.kind = value
        elif isinstance(value, UniverseSettings):
            found.settings = value
        elif value is not None:
            return None
    return found
