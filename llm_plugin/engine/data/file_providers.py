"""LEAN's providers of map and factor files, for algorithms that look into them."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from llm_plugin.engine.base.enums import DataNormalizationMode, SecurityType
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import EPOCH
from llm_plugin.engine.core import current_context
from llm_plugin.engine.data.map_files import FactorFile, MapFile, load_factor_file, load_map_file
from llm_plugin.engine.data.normalization import day_factors

__all__ = [
    "CorporateFactorProvider",
    "DefaultDataProvider",
    "LocalDiskFactorFileProvider",
    "LocalDiskMapFileProvider",
    "LocalZipFactorFileProvider",
    "LocalZipMapFileProvider",
]


class DefaultDataProvider(LeanObject):
    """Reads files of the data folder."""


class CorporateFactorProvider(LeanObject):
    """The factors of one equity by date."""

    def __init__(self, permtick: str, factors: FactorFile) -> None:
        self.permtick, self._factors = permtick, factors

    def get_price_factor(self, search_date: date, data_normalization_mode: Any, *args: Any) -> float:
        """Return the factor of a date; 0 for raw prices, as LEAN has it."""
        mode = DataNormalizationMode(data_normalization_mode)
        if mode == DataNormalizationMode.RAW:
            return 0.0
        day = search_date.date() if isinstance(search_date, datetime) else search_date
        number = day.toordinal() - EPOCH.toordinal()
        # A last day beyond all rows: ScaledRaw then has the factors of adjusted prices.
        return float(day_factors(self._factors, [number], mode, last_day=number + 400_000)[0])

    @property
    def most_recent_factor_change(self) -> datetime | None:
        """Date of the last row."""
        rows = self._factors.rows
        return datetime.combine(rows[-1].day, time()) if rows else None


class LocalDiskMapFileProvider(LeanObject):
    """Map files of the data folder."""

    def initialize(self, data_provider: Any = None) -> None:
        """Nothing is needed."""

    def get(self, market: str, ticker: str) -> MapFile | None:
        """Return the map file of a ticker, or None."""
        return load_map_file(current_context().data_folder, market, ticker.upper())


class LocalDiskFactorFileProvider(LeanObject):
    """Factor files of the data folder."""

    def initialize(self, map_file_provider: Any = None, data_provider: Any = None) -> None:
        """Nothing is needed."""

    def get(self, symbol: Any) -> CorporateFactorProvider | None:
        """Return the factors of an equity, None for anything else."""
        if symbol.security_type != SecurityType.EQUITY:
            return None
        factors = load_factor_file(current_context().data_folder, symbol.id.market, symbol.value)
        return CorporateFactorProvider(symbol.id.symbol, factors)


LocalZipMapFileProvider = LocalDiskMapFileProvider
LocalZipFactorFileProvider = LocalDiskFactorFileProvider
