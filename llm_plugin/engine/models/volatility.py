"""Volatility models of a security, and their warm-up."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, resolution_span
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.history.requests import HistoryOptions, start_of_bars

__all__ = [
    "BaseVolatilityModel",
    "HistoryRequirement",
    "IndicatorVolatilityModel",
    "NullVolatilityModel",
    "RelativeStandardDeviationVolatilityModel",
    "StandardDeviationOfReturnsVolatilityModel",
    "VolatilityModel",
    "VolatilityModelExtensions",
    "warm_up_volatility",
]

_NEVER = datetime(1, 1, 1)
_PERIODS = {Resolution.TICK: 600, Resolution.SECOND: 600, Resolution.MINUTE: 1440, Resolution.HOUR: 720}


@dataclass(frozen=True)
class HistoryRequirement:
    """How many bars of which resolution a model wants before it starts; None means the coarsest that there is."""

    resolution: Resolution | None
    count: int


class BaseVolatilityModel(LeanObject):
    """Base of volatility models: `update(security, data)` and `volatility`."""

    @property
    def volatility(self) -> float:
        """The volatility, 0 without data."""
        return 0.0

    def update(self, security: Any, data: Any) -> None:
        """Take a point of data."""

    def get_history_requirements(self, security: Any, utc_time: datetime) -> list[HistoryRequirement]:
        """Return what the model wants to be fed before it starts."""
        return []


class NullVolatilityModel(BaseVolatilityModel):
    """Knows nothing."""


class VolatilityModel(LeanObject):
    """Ready-made models."""

    NULL = Null = NullVolatilityModel()


class IndicatorVolatilityModel(BaseVolatilityModel):
    """The value of an indicator, updated by a function (security, data, indicator) or by whoever owns it."""

    def __init__(self, indicator: Any, indicator_update: Callable[[Any, Any, Any], Any] | None = None) -> None:
        self._indicator, self._update = indicator, indicator_update

    @property
    def volatility(self) -> float:
        """The indicator's value."""
        return float(self._indicator.current.value)

    def update(self, security: Any, data: Any) -> None:
        """Call the function."""
        if self._update is not None:
            self._update(security, data, self._indicator)


class StandardDeviationOfReturnsVolatilityModel(BaseVolatilityModel):
    """Annual standard deviation of returns: `(periods[, resolution, update_frequency])`, or `(resolution[, ...])`."""

    def __init__(self, periods: Any, resolution: Any = None, update_frequency: timedelta | None = None) -> None:
        if isinstance(periods, Resolution):
            if isinstance(resolution, timedelta):
                update_frequency = resolution
            periods, resolution = _PERIODS.get(periods, 30), periods
        if int(periods) < 2:
            raise ValueError(f"'periods' must be greater than or equal to 2, not {periods}")
        self._count, self._resolution = int(periods), resolution
        fallback = resolution_span(resolution) if resolution is not None else timedelta(days=1)
        self._span = fallback if update_frequency is None else update_frequency
        self._forget()

    def _forget(self) -> None:
        self._returns: deque[float] = deque(maxlen=self._count)
        self._last_update, self._last_price = _NEVER, 0.0

    @property
    def volatility(self) -> float:
        """The volatility; 0 with fewer than two returns."""
        return statistics.stdev(self._returns) * math.sqrt(252.0) if len(self._returns) > 1 else 0.0

    def update(self, security: Any, data: Any) -> None:
        """Take a price, if the last one is old enough."""
        price = float(data.price)
        if data.end_time - self._last_update < self._span or price <= 0:
            return
        if self._last_price > 0:
            self._returns.append(price / self._last_price - 1.0)
        self._last_update, self._last_price = data.end_time, price

    def get_history_requirements(self, security: Any, utc_time: datetime) -> list[HistoryRequirement]:
        """Start over, with one bar more than there are returns."""
        self._forget()
        return [HistoryRequirement(self._resolution, self._count + 1)]


class RelativeStandardDeviationVolatilityModel(BaseVolatilityModel):
    """Standard deviation of prices over their mean: `(span between prices, periods)`."""

    def __init__(self, period_span: timedelta, periods: int) -> None:
        if int(periods) < 2:
            raise ValueError(f"'periods' must be greater than or equal to 2, not {periods}")
        self._span, self._count = period_span, int(periods)
        self._forget()

    def _forget(self) -> None:
        self._prices: deque[float] = deque(maxlen=self._count)
        self._last_update = _NEVER + self._span * self._count

    @property
    def volatility(self) -> float:
        """The volatility; 0 with fewer than two prices."""
        if len(self._prices) < 2:
            return 0.0
        mean = abs(statistics.fmean(self._prices))
        return statistics.stdev(self._prices) / mean if mean else 0.0

    def update(self, security: Any, data: Any) -> None:
        """Take a price, if the last one is old enough."""
        price = float(data.price)
        if data.end_time - self._last_update >= self._span and price > 0:
            self._prices.append(price)
            self._last_update = data.end_time

    def get_history_requirements(self, security: Any, utc_time: datetime) -> list[HistoryRequirement]:
        """Start over, with bars of the security's own resolution."""
        self._forget()
        return [HistoryRequirement(security.resolution, self._count + 1)]


def _feed(algorithm: Any, security: Any, model: Any, wanted: HistoryRequirement, mode: Any) -> None:
    core = algorithm.history_core
    entry = core.entry_of(security.symbol)
    resolution = Resolution.DAILY if wanted.resolution is None else Resolution(wanted.resolution)
    extended = resolution != Resolution.HOUR and security.is_extended_market_hours
    now = core.clock.utc_us
    start = start_of_bars(entry, now, resolution, wanted.count, extended, precise=False)
    scaled = mode == DataNormalizationMode.RAW
    options = HistoryOptions(
        resolution=resolution,
        fill_forward=True,
        extended=extended,
        normalization=DataNormalizationMode.SCALED_RAW if scaled else None,
    )
    reader = algorithm.history_reader
    update = find_member(model, "update")
    for config in reader.configs_of(security.symbol, options)[:1]:
        for _, point in reader.points(config, start, now):
            if update is not None:
                update(security, point)


def warm_up_volatility(algorithm: Any, security: Any, mode: Any = None) -> None:
    """Feed a security's volatility model with the history that it wants; raw prices are scaled to today's.

    Args:
        algorithm: The algorithm.
        security: The security.
        mode: How its prices are adjusted.
    """
    model = security.volatility_model
    wanted = find_member(model, "get_history_requirements") if model is not None else None
    for requirement in (wanted(security, algorithm.utc_time) or ()) if wanted is not None else ():
        if isinstance(requirement, HistoryRequirement):
            _feed(algorithm, security, model, requirement, mode)


class VolatilityModelExtensions(LeanObject):
    """Warm-up as algorithms call it."""

    @staticmethod
    def warm_up(
        volatility_model: Any,
        algorithm: Any,
        security: Any,
        resolution: Resolution | None,
        bar_count: int,
        data_normalization_mode: DataNormalizationMode | None = None,
    ) -> None:
        """Feed a model with the last bars of a security."""
        requirement = HistoryRequirement(resolution, int(bar_count))
        _feed(algorithm, security, volatility_model, requirement, data_normalization_mode)
