"""Where a drift check gets its bars: a LEAN data folder, or the questions that were asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.drift.check import InputTable
from llm_plugin.features.catalog import market_feature_names, market_feature_specs
from llm_plugin.learning.types import MaturedDecision
from llm_plugin.outcomes._rows import microseconds

if TYPE_CHECKING:
    from llm_plugin.domain import DecisionRequest, MarketContext

__all__ = ["AskedInputs", "MarketInputs", "compared_features"]

WARM_UP_BARS = 1500
CLOCK = "session"  # what the clock alone decides drifts every holiday and says nothing of the market


def compared_features() -> tuple[str, ...]:
    """Return the features that a check compares: all but those of the clock."""
    return tuple(spec.name for spec in market_feature_specs() if spec.group != CLOCK)


class MarketInputs:
    """Bars of one symbol from a LEAN data folder, up to a moment."""

    def __init__(self, data_folder: Path, market: MarketContext, as_of_utc: datetime) -> None:
        """Read the bars.

        Args:
            data_folder: LEAN's data folder.
            market: Names the symbol and its resolution.
            as_of_utc: Bars that end later are not read.

        Raises:
            DataError: No such data, or a damaged file.
        """
        from llm_plugin.data.bars import load_price_bars

        self._bars: Any = load_price_bars(
            data_folder,
            security_type=market.security_type,
            market=market.market,
            ticker=market.ticker,
            resolution=market.resolution,
            end=as_of_utc,
        )

    def newest(self, bars: int) -> InputTable:
        """Return the features of the newest bars; earlier ones only fill the indicators."""
        from llm_plugin.features.reference import market_features

        known = self._bars.take(slice(max(0, len(self._bars) - bars - WARM_UP_BARS), None))
        names = market_feature_names()
        wanted = compared_features()
        columns = [names.index(name) for name in wanted]
        count = min(bars, len(known))
        values = market_features(known)[-count:, columns] if count else np.empty((0, len(wanted)))
        return InputTable(np.asarray(known.end_us)[-count:] if count else np.empty(0, np.int64), values, wanted)


class AskedInputs:
    """The features of the questions themselves, where no market data is at hand; a question counts as a bar."""

    def __init__(self, decisions: Sequence[MaturedDecision | DecisionRequest]) -> None:
        """Take decisions or requests of one symbol, by time."""
        requests = [item.request if isinstance(item, MaturedDecision) else item for item in decisions]
        self._markets = [request.market for request in sorted(requests, key=lambda item: item.market.time_utc)]

    def newest(self, bars: int) -> InputTable:
        """Return the features of the newest questions."""
        names, markets = compared_features(), self._markets[-bars:]
        values = [[market.features.get(name, np.nan) for name in names] for market in markets]
        return InputTable(
            np.array([microseconds(market.time_utc) for market in markets], dtype=np.int64),
            np.array(values, dtype=np.float64).reshape(len(markets), len(names)),
            names,
        )
