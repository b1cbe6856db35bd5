"""Corporate events as data points."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from llm_plugin.engine.base.enums import DelistingType, SplitType
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.data.bars import BaseData
from llm_plugin.engine.market.symbols import Symbol

__all__ = ["Delisting", "Dividend", "Split", "SymbolChangedEvent"]


class Dividend(BaseData):
    """A dividend on its ex-date."""

    __slots__ = ("distribution", "exact_distribution", "reference_price")

    def __init__(
        self,
        symbol: Symbol | None = None,
        time: datetime | None = None,
        distribution: float = 0.0,
        reference_price: float = 0.0,
    ) -> None:
        super().__init__(symbol, time, distribution)
        self.distribution = distribution
        self.exact_distribution = to_decimal(distribution)
        self.reference_price = reference_price


class Split(BaseData):
    """A split, or the warning one day ahead of it."""

    __slots__ = ("exact_factor", "reference_price", "split_factor", "type")

    def __init__(
        self,
        symbol: Symbol | None = None,
        time: datetime | None = None,
        reference_price: float = 0.0,
        split_factor: float = 1.0,
        split_type: SplitType = SplitType.SPLIT_OCCURRED,
    ) -> None:
        super().__init__(symbol, time, reference_price)
        self.reference_price = reference_price
        self.split_factor = split_factor
        self.exact_factor = to_decimal(split_factor)
        self.type = split_type


class Delisting(BaseData):
    """A delisting, or the warning on the last day."""

    __slots__ = ("ticket", "type")

    def __init__(
        self,
        symbol: Symbol | None = None,
        time: datetime | None = None,
        price: float = 0.0,
        delisting_type: DelistingType = DelistingType.WARNING,
    ) -> None:
        super().__init__(symbol, time, price)
        self.type = delisting_type
        self.ticket: Any = None


class SymbolChangedEvent(BaseData):
    """A new ticker of the same security."""

    __slots__ = ("new_symbol", "old_symbol")

    def __init__(self, symbol: Symbol | None, time: datetime, old_symbol: str, new_symbol: str) -> None:
        super().__init__(symbol, time, 0.0)
        self.old_symbol, self.new_symbol = old_symbol, new_symbol
