"""Helpers of QCAlgorithm for indicators over many symbols."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_plugin.engine import indicators as lib
from llm_plugin.engine.algorithm.consolidation import ConsolidationApi
from llm_plugin.engine.market.security_definitions import DefinitionsApi

__all__ = ["BreadthApi"]


class BreadthApi(ConsolidationApi, DefinitionsApi):
    """The class that mixes it in provides `create_indicator_name` and `initialize_indicator`."""

    def create_indicator_name(self, symbol: Any, type: str, resolution: Any = None) -> str:
        """`SMA(14,SPY_day)` and the like."""
        raise NotImplementedError

    def initialize_indicator(self, indicator: Any, resolution: Any, selector: Any, *symbols: Any) -> Any:
        """Register an indicator for symbols."""
        raise NotImplementedError

    def _breadth(self, maker: Any, kind: str, symbols: Iterable[Any], resolution: Any, selector: Any) -> Any:
        targets = [self.to_symbol(symbol) for symbol in symbols]
        shown = self.subscription_of(targets[0]).resolution if resolution is None else resolution
        indicator = maker(self.create_indicator_name(None, kind, shown))
        for target in targets:
            indicator.add(target)
        return self.initialize_indicator(indicator, resolution, selector, *targets)

    def trin(self, symbols: Iterable[Any], resolution: Any = None, selector: Any = None) -> Any:
        """Arms index of some symbols."""
        return self._breadth(lib.ArmsIndex, "TRIN", symbols, resolution, selector)

    def adr(self, symbols: Iterable[Any], resolution: Any = None, selector: Any = None) -> Any:
        """Advance/decline ratio of some symbols."""
        return self._breadth(lib.AdvanceDeclineRatio, "A/D Ratio", symbols, resolution, selector)

    def advr(self, symbols: Iterable[Any], resolution: Any = None, selector: Any = None) -> Any:
        """Advance/decline volume ratio of some symbols."""
        return self._breadth(lib.AdvanceDeclineVolumeRatio, "A/D Volume Rate", symbols, resolution, selector)

    def addiff(self, symbols: Iterable[Any], resolution: Any = None, selector: Any = None) -> Any:
        """Advance/decline difference of some symbols."""
        return self._breadth(lib.AdvanceDeclineDifference, "A/D Difference", symbols, resolution, selector)

    TRIN, ADR, ADVR, ADDIFF = trin, adr, advr, addiff
