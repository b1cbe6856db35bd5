"""Slippage by market impact: the square-root family of models with a noise term."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np

from llm_plugin.engine.base.enums import Resolution, SecurityType
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.net_types import Random
from llm_plugin.engine.consolidators import TradeBarConsolidator
from llm_plugin.engine.data.bars import TradeBar
from llm_plugin.engine.orders.order import Order

__all__ = ["MarketImpactSlippageModel"]

_DAY_SECONDS = 86_400.0
# LEAN's regression algorithm for it shows the difference; what makes it is not known.
_NEARLY = (
    "Warning: MarketImpactSlippageModel is near LEAN's, not equal: its slippage has differed by 0.03 % where LEAN "
    "published results. Use another slippage model where they have to be the same to the last digit."
)


class _Daily:
    """Volatility and mean volume of a security's daily bars."""

    def __init__(self, algorithm: Any, asset: Any, latency: float, impact_time: float) -> None:
        self._prices: list[Decimal] = []
        self._volumes: list[Decimal] = []
        self.sigma = self.volume = 0.0
        consolidator = TradeBarConsolidator(timedelta(days=1))
        consolidator.data_consolidated += self._take
        algorithm.subscription_manager.add_consolidator(asset.symbol, consolidator)
        for bar in algorithm.history_points([asset.symbol], timedelta(days=370), Resolution.DAILY):
            consolidator.update(bar)
        # Both in trading days.
        day = asset.exchange.hours.regular_market_duration.total_seconds() / _DAY_SECONDS
        self.execution = latency / _DAY_SECONDS / day
        self.impact = self.execution + impact_time / _DAY_SECONDS / day

    def _take(self, sender: Any, bar: TradeBar) -> None:
        self._prices = [bar.exact("close"), *self._prices[:251]]
        self._volumes = [to_decimal(bar.volume), *self._volumes[:9]]
        prices = self._prices
        if len(prices) < 2:
            return
        changes = [float((a - b) / b) if b else 0.0 for a, b in pairwise(prices)]
        # One change has no variance: LEAN's is no number then, and so is the slippage.
        self.sigma = math.sqrt(float(np.var(changes, ddof=1))) if len(changes) > 1 else math.nan
        self.volume = float(sum(self._volumes, ZERO) / len(self._volumes))


class MarketImpactSlippageModel(LeanObject):
    """Permanent and temporary impact of an order's share of the day's volume, with gaussian noise.

    Args:
        algorithm: The algorithm.
        non_negative: Never a better price than the market's.
        latency: Seconds from order to fill.
        impact_time: Seconds until the impact is over.
        alpha: Exponent of the permanent impact.
        beta: Exponent of the temporary impact.
        gamma: Factor of the permanent impact.
        eta: Factor of the temporary impact.
        delta: Exponent of the liquidity, which needs company figures; without them it is 1.
        random_seed: Seed of the noise.
    """

    def __init__(
        self,
        algorithm: Any,
        non_negative: bool = True,
        latency: float = 0.075,
        impact_time: float = 1800.0,
        alpha: float = 0.891,
        beta: float = 0.600,
        gamma: float = 0.314,
        eta: float = 0.142,
        delta: float = 0.267,
        random_seed: int = 50,
    ) -> None:
        if latency <= 0 or impact_time <= 0:
            raise ValueError(f"latency and impact_time must be above 0 seconds, not {latency} and {impact_time}")
        self._algorithm, self._non_negative = algorithm, non_negative
        self._latency, self._impact_time = latency, impact_time
        self._alpha, self._beta, self._gamma, self._eta = alpha, beta, gamma, eta
        self._random = Random(random_seed)
        self._daily: _Daily | None = None

    def get_slippage_approximation(self, asset: Any, order: Order) -> Decimal:
        """Return price units."""
        if asset.type in (SecurityType.FOREX, SecurityType.CFD):
            raise ValueError(f"MarketImpactSlippageModel needs volumes: {asset.symbol} ({asset.type}) has none")
        if self._daily is None:
            self._daily = _Daily(self._algorithm, asset, self._latency, self._impact_time)
            self._algorithm._engine.warn_once("market impact", _NEARLY)
        daily = self._daily
        if daily.volume == 0:
            return ZERO
        share = float(abs(order.exact_quantity)) / daily.execution / daily.volume
        noise = daily.sigma * math.sqrt(daily.impact)
        permanent = daily.sigma * daily.execution * self._gamma * share**self._alpha + self._gaussian() * noise
        temporary = daily.sigma * self._eta * share**self._beta + self._gaussian() * noise
        realized = temporary + permanent * 0.5
        slippage = realized * self._random.next_double()
        if not math.isfinite(slippage):
            return ZERO
        fraction = min(to_decimal(slippage), Decimal(1))
        if self._non_negative:
            fraction = max(fraction, ZERO)
        return fraction * asset.exact_price  # type: ignore[no-any-return]

    def _gaussian(self) -> float:
        first, second = 1 - self._random.next_double(), 1 - self._random.next_double()
        return math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second)
