"""Universes of tickers that come when they are listed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.framework.universe import CustomUniverseSelectionModel, Universe
from llm_plugin.engine.market.symbols import Symbol

__all__ = [
    "EnergyETFUniverse",
    "InceptionDateUniverseSelectionModel",
    "LiquidETFUniverse",
    "MetalsETFUniverse",
    "SP500SectorsETFUniverse",
    "TechnologyETFUniverse",
    "USTreasuriesETFUniverse",
    "VolatilityETFUniverse",
]


class InceptionDateUniverseSelectionModel(CustomUniverseSelectionModel):
    """`(name, {ticker: first date})`: each ticker from its date on."""

    def __init__(self, name: str, tickers_by_date: Mapping[str, datetime]) -> None:
        super().__init__(name)
        self._waiting = deque((str(ticker), moment) for ticker, moment in tickers_by_date.items())
        self._listed: list[str] = []

    def select(self, algorithm: Any, date: datetime) -> Iterable[Any]:
        """The listed tickers, or unchanged."""
        before = len(self._listed)
        while self._waiting and self._waiting[0][1] <= date:
            self._listed.append(self._waiting.popleft()[0])
        if len(self._listed) == before:
            return Universe.UNCHANGED  # type: ignore[no-any-return]
        return list(self._listed)


class _Grouping(LeanObject):
    """ETFs that follow a sector, and those against it."""

    def __init__(self, long: str, inverse: str = "") -> None:
        self._tickers = long.split(), inverse.split()

    def _symbols(self, number: int) -> list[Symbol]:
        return [Symbol.create(ticker, SecurityType.EQUITY, "usa") for ticker in self._tickers[number]]

    @property
    def long(self) -> list[Symbol]:
        """Those that follow it."""
        return self._symbols(0)

    @property
    def inverse(self) -> list[Symbol]:
        """Those against it."""
        return self._symbols(1)

    def __iter__(self) -> Any:
        return iter([*self.long, *self.inverse])

    def __len__(self) -> int:
        return sum(map(len, self._tickers))


_ENERGY = _Grouping("VDE USO XES XOP UNG ICLN ERX UCO AMJ BNO AMLP UGAZ TAN", "ERY SCO DGAZ")
_METALS = _Grouping("GLD IAU SLV GDX AGQ PPLT NUGT USLV UGLD JNUG", "DUST JDST")
_TECHNOLOGY = _Grouping("QQQ IGV QTEC FDN FXL TECL SOXL SKYY KWEB", "TECS SOXS")
_TREASURIES = _Grouping("IEF SHY TLT IEI TLH BIL SPTL TMF SCHO SCHR SPTS GOVT", "SHV TBT TBF TMV")
_VOLATILITY = _Grouping("TVIX VIXY SPLV UVXY EEMV EFAV USMV", "SVXY")
_SECTORS = _Grouping("XLB XLE XLF XLI XLK XLP XLU XLV XLY")


class _EtfUniverse(InceptionDateUniverseSelectionModel):
    """Groups of ETFs, each from the first day of its map file."""

    _name = ""
    _groups: tuple[_Grouping, ...] = ()

    def __init__(self) -> None:
        symbols = [symbol for group in self._groups for symbol in group]
        super().__init__(self._name, {symbol.value: symbol.id.date for symbol in symbols})


class LiquidETFUniverse(_EtfUniverse):
    """Sectors, energy, metals, technology, treasuries and volatility."""

    ENERGY = Energy = _ENERGY
    METALS = Metals = _METALS
    TECHNOLOGY = Technology = _TECHNOLOGY
    TREASURIES = Treasuries = _TREASURIES
    VOLATILITY = Volatility = _VOLATILITY
    SP_500_SECTORS = SP500_SECTORS = SP500Sectors = _SECTORS
    _name = "qc-liquid-etf-basket"
    _groups = (_SECTORS, _ENERGY, _METALS, _TECHNOLOGY, _TREASURIES, _VOLATILITY)


class EnergyETFUniverse(_EtfUniverse):
    """Energy."""

    _name, _groups = "qc-energy-etf-basket", (_ENERGY,)


class MetalsETFUniverse(_EtfUniverse):
    """Metals."""

    _name, _groups = "qc-metals-etf-basket", (_METALS,)


class TechnologyETFUniverse(_EtfUniverse):
    """Technology."""

    _name, _groups = "qc-technology-etf-basket", (_TECHNOLOGY,)


class USTreasuriesETFUniverse(_EtfUniverse):
    """Treasuries."""

    _name, _groups = "qc-us-treasuries-etf-basket", (_TREASURIES,)


class VolatilityETFUniverse(_EtfUniverse):
    """Volatility."""

    _name, _groups = "qc-volatility-etf-basket", (_VOLATILITY,)


class SP500SectorsETFUniverse(_EtfUniverse):
    """Sectors of the S&P 500."""

    _name, _groups = "qc-sp500-sectors-etf-basket", (_SECTORS,)
