"""User features that come with the plugin, to register as they are or to copy from.

register_feature("gbpusd_divergence", CorrelatedDivergence("GBPUSD"), "Divergence from GBPUSD in sigma")
register_feature("days_to_fomc", EventProximity(load_event_times("fomc.csv")), "Days to the next FOMC decision / 30")
register_feature("days_to_expiry", days_to_monthly_expiry, "Days to the monthly option expiry / 30")
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from llm_plugin.errors import ConfigError, DataError
from llm_plugin.features.clock import new_york_offset
from llm_plugin.features.registry import FeatureContext

__all__ = ["CorrelatedDivergence", "EventProximity", "days_to_monthly_expiry", "load_event_times"]

_HORIZON_DAYS = 30.0


class CorrelatedDivergence:
    """How far a market has run away from a correlated one: own less peer move of the last bars, in their own sigmas.

    Args:
        peer: Ticker of the other market; it must be one that the plugin follows.
        lookback: Bars over which the divergence builds up.
        memory: Bars that the standard deviations are taken from.
        inverse: True for markets that move against each other (EURUSD and USDCHF).
    """

    def __init__(self, peer: str, lookback: int = 24, memory: int = 120, *, inverse: bool = False) -> None:
        if not 2 <= lookback <= memory:
            raise ConfigError(f"CorrelatedDivergence({peer!r}): lookback {lookback} must be from 2 to memory {memory}")
        self.peer = peer
        self.lookback = lookback
        self.memory = memory
        self.sign = -1.0 if inverse else 1.0
        self._closes: dict[str, deque[tuple[float, float]]] = {}

    def __call__(self, context: FeatureContext) -> float:
        """Return the divergence, NaN until `memory` bars of both markets are known."""
        other = context.peers.get(self.peer)
        if other is None:
            return math.nan
        if other.end_utc > context.time_utc:
            raise DataError(f"bar of {self.peer} ends {other.end_utc}, after the decision at {context.time_utc}")
        closes = self._closes.setdefault(context.symbol_id, deque(maxlen=self.memory + 1))
        closes.append((math.log(context.bar.close), math.log(other.close)))
        if len(closes) <= self.memory:
            return math.nan
        moves = [self._scaled([pair[side] for pair in closes]) for side in (0, 1)]
        return moves[0] - self.sign * moves[1]

    def _scaled(self, logs: list[float]) -> float:
        changes = [b - a for a, b in pairwise(logs)]
        deviation = math.sqrt(sum(change * change for change in changes) / len(changes))
        if deviation == 0:
            return 0.0
        return (logs[-1] - logs[-1 - self.lookback]) / (deviation * math.sqrt(self.lookback))


class EventProximity:
    """Days to the next known event as a fraction of 30, 1 when none is nearer, NaN after the calendar's end.

    Args:
        times_utc: Aware times of the events, which must have been public before them (scheduled meetings, releases).
    """

    def __init__(self, times_utc: Iterable[datetime]) -> None:
        times = sorted(times_utc)
        naive = [time for time in times if time.tzinfo is None]
        if naive or not times:
            raise ConfigError(f"EventProximity needs aware event times, got {naive[0] if naive else 'none'}")
        self._times = times

    def __call__(self, context: FeatureContext) -> float:
        """Return the distance to the next event."""
        at = bisect.bisect_left(self._times, context.time_utc)
        if at == len(self._times):
            return math.nan
        return min(1.0, (self._times[at] - context.time_utc) / timedelta(days=_HORIZON_DAYS))


def load_event_times(path: str | Path) -> list[datetime]:
    """Read event times from a text file, one ISO 8601 time with offset per line; `#` begins a comment.

    Raises:
        DataError: A missing file, or a line that is not such a time.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"event calendar {file} does not exist")
    times = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        try:
            time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError as error:
            raise DataError(f"{file}:{number}: {text!r} is not an ISO 8601 time") from error
        if time.tzinfo is None:
            raise DataError(f"{file}:{number}: {text!r} has no offset; write 2012-01-25T17:30:00Z")
        times.append(time.astimezone(UTC))
    return times


def days_to_monthly_expiry(context: FeatureContext) -> float:
    """Return the days to the next third Friday, 16:00 New York (monthly US option expiry), as a fraction of 30."""
    day = context.time_utc.date()
    for month in range(3):
        year, index = divmod(day.year * 12 + day.month - 1 + month, 12)
        first = date(year, index + 1, 1)
        friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
        local = datetime(friday.year, friday.month, friday.day, 16, tzinfo=UTC)
        expiry = local - timedelta(seconds=new_york_offset(local.timestamp()))
        if expiry >= context.time_utc:
            return min(1.0, (expiry - context.time_utc) / timedelta(days=_HORIZON_DAYS))
    return math.nan
