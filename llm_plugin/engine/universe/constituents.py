"""Universes of lists of stocks: `equity/<market>/universes/daily/<name>/<yyyymmdd>.csv`, with `ticker,identifier`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import Resolution
from llm_plugin.engine.core import current_context
from llm_plugin.engine.data.bars import BaseData
from llm_plugin.engine.data.custom_data import CustomDataConfig, SubscriptionDataSource
from llm_plugin.engine.market.market_hours import load_market_hours
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.universe.data import CustomDataUniverse

__all__ = ["ConstituentsUniverse", "ConstituentsUniverseData"]


class ConstituentsUniverseData(BaseData):
    """One stock of a list on one day."""

    def default_resolution(self) -> Resolution:
        """Return daily."""
        return Resolution.DAILY

    def get_source(self, config: Any, date: datetime, is_live_mode: bool = False) -> SubscriptionDataSource:
        """Return the list of a day; its name follows the last dash of the universe's ticker."""
        identifier = config.symbol.id
        kind, name = str(config.symbol.security_type).lower(), identifier.symbol.rpartition("-")[2]
        lists = Path(current_context().data_folder) / kind / identifier.market / "universes" / "daily"
        return SubscriptionDataSource(str(lists / name / f"{date:%Y%m%d}.csv"))

    def reader(self, config: Any, line: str, date: datetime, is_live_mode: bool = False) -> Any:
        """Return the stock of a row, or None where it is none."""
        ticker, _, identifier = line.partition(",")
        try:
            symbol = Symbol(SecurityIdentifier.parse(identifier.strip()), ticker)
        except ValueError:
            return None
        point = ConstituentsUniverseData(symbol, date)
        point.end_time = date + timedelta(days=1)
        return point


class ConstituentsUniverse(CustomDataUniverse):
    """The stocks of a list, selected at midnight after each day that has one; a list of `NONE` selects nothing.

    Args:
        symbol: Of the universe; its identifier is made by `SecurityIdentifier.generate_constituent_identifier`.
        universe_settings: For its securities; None for the algorithm's.
        constituents_filter: From the day's list to symbols; None takes all.
    """

    def __init__(
        self,
        symbol: Symbol,
        universe_settings: Any = None,
        constituents_filter: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        kind, market = symbol.security_type, symbol.id.market
        entry = load_market_hours(current_context().data_folder).get_entry(market, symbol, kind)
        # Only local files, and the reader above leaves out what it cannot read.
        config = CustomDataConfig(ConstituentsUniverseData, symbol, Resolution.DAILY, entry, None, None)
        super().__init__(config, constituents_filter or _all, universe_settings, kind, market)


def _all(listed: list[Any]) -> list[Symbol]:
    symbols = [point.symbol for point in listed]
    return [] if symbols == [Symbol.none] else symbols
