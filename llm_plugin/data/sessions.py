"""Open hours of an exchange as arrays, for filters and gap checks over whole files."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.base.zones import DAY_US
from llm_plugin.engine.market.market_hours import ExchangeHours

__all__ = ["Sessions"]

Ints = NDArray[np.int64]
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Sessions:
    """Half-open spans [start, end) in which a market is open, in exchange-local microseconds, adjoining ones merged."""

    __slots__ = ("ends", "starts")

    def __init__(self, hours: ExchangeHours, first_us: int, last_us: int, extended: bool = False) -> None:
        """Collect the spans of all days that the closed interval touches, one day more on either side."""
        starts: list[int] = []
        ends: list[int] = []
        for day in range(first_us // DAY_US - 1, last_us // DAY_US + 2):
            for low, high, regular in hours.segments(_EPOCH_ORDINAL + day):
                if not (regular or extended):
                    continue
                start, end = day * DAY_US + low, day * DAY_US + high
                if ends and start <= ends[-1]:
                    ends[-1] = max(ends[-1], end)
                else:
                    starts.append(start)
                    ends.append(end)
        self.starts = np.array(starts, dtype=np.int64)
        self.ends = np.array(ends, dtype=np.int64)

    def overlaps(self, start: Ints, end: Ints) -> NDArray[np.bool_]:
        """Tell which intervals [start, end) overlap a span."""
        if not len(self.starts):
            return np.zeros(len(start), dtype=bool)
        row = np.searchsorted(self.ends, start, side="right")
        known = row < len(self.starts)
        result: NDArray[np.bool_] = known & (self.starts[np.minimum(row, len(self.starts) - 1)] < end)
        return result
