"""Execution models: from targets to orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import Resolution
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.framework.models import ExecutionModel
from llm_plugin.engine.framework.targets import OrderSizing
from llm_plugin.engine.indicators import IntradayVwap, SimpleMovingAverage, StandardDeviation
from llm_plugin.engine.models.buying_power import initial_margin_of

__all__ = [
    "BuyingPowerModelExtensions",
    "ImmediateExecutionModel",
    "SpreadExecutionModel",
    "StandardDeviationExecutionModel",
    "VolumeWeightedAveragePriceExecutionModel",
    "is_above_minimum_margin",
]


def is_above_minimum_margin(algorithm: Any, security: Any, quantity: Decimal) -> bool:
    """Whether an order's margin is at least the smallest fraction of the portfolio that the settings allow."""
    fraction = algorithm.settings.minimum_order_margin_portfolio_percentage
    return _reaches_margin(None, security, quantity, algorithm.portfolio, fraction)


def _reaches_margin(model: Any, security: Any, quantity: Decimal, portfolio: Any, fraction: Any) -> bool:
    least = portfolio.exact_total * to_decimal(fraction)
    margin = abs(initial_margin_of(security, quantity, model))
    # Without free margin every order may pass, so that positions can be reduced.
    return bool(least <= margin or portfolio.exact_remaining <= 0)


class BuyingPowerModelExtensions(LeanObject):
    """What LEAN adds to every buying power model."""

    @staticmethod
    def above_minimum_order_margin_portfolio_percentage(
        model: Any, security: Any, quantity: Any, portfolio: Any, minimum_order_margin_portfolio_percentage: Any
    ) -> bool:
        """Whether an order's margin is at least a fraction of the portfolio; any is while no margin is free."""
        fraction = minimum_order_margin_portfolio_percentage
        return _reaches_margin(model, security, to_decimal(quantity), portfolio, fraction)


class ImmediateExecutionModel(ExecutionModel):
    """Market orders for everything at once; what is not reached is tried again at every step."""

    def execute(self, algorithm: Any, targets: Any) -> None:
        """Send what is missing."""
        collection = self._collection()
        collection.add_range(targets)
        if collection.is_empty:
            return
        for target in collection.order_by_margin_impact(algorithm):
            security = algorithm.securities[target.symbol]
            quantity = OrderSizing.exact_unordered(algorithm, target, True)
            if quantity != 0 and is_above_minimum_margin(algorithm, security, quantity):
                algorithm.market_order(target.symbol, quantity, self.asynchronous, target.tag)
        collection.clear_fulfilled(algorithm)


class _WaitingExecutionModel(ExecutionModel):
    """Orders for targets whose price is favourable now; the rest waits."""

    def execute(self, algorithm: Any, targets: Any) -> None:
        """Send what can be sent."""
        collection = self._collection()
        collection.add_range(targets)
        if collection.is_empty:
            return
        for target in collection.order_by_margin_impact(algorithm):
            quantity = OrderSizing.exact_unordered(algorithm, target)
            size = self._size(algorithm, target, quantity)
            if size:
                algorithm.market_order(target.symbol, size, self.asynchronous, target.tag)
        collection.clear_fulfilled(algorithm)

    def _size(self, algorithm: Any, target: Any, quantity: Decimal) -> Any:
        raise NotImplementedError


class _Watched:
    """A security's consolidator and indicators."""

    def __init__(self, algorithm: Any, security: Any, resolution: Any, *indicators: Any) -> None:
        self.indicators = indicators
        self.consolidator = algorithm.resolve_consolidator(security.symbol, resolution)
        for indicator in indicators:
            algorithm.register_indicator(security.symbol, indicator, self.consolidator)

    def drop(self, algorithm: Any, symbol: Any) -> None:
        algorithm.subscription_manager.remove_consolidator(symbol, self.consolidator)


class StandardDeviationExecutionModel(_WaitingExecutionModel):
    """Waits until the price is some standard deviations better than its mean."""

    def __init__(
        self,
        period: int = 60,
        deviations: float = 2,
        resolution: Resolution = Resolution.MINUTE,
        asynchronous: bool = True,
    ) -> None:
        super().__init__(asynchronous)
        self._period, self._deviations, self._resolution = period, float(deviations), resolution
        self.maximum_order_value = 20000.0
        self._watched: dict[Any, _Watched] = {}

    def _size(self, algorithm: Any, target: Any, quantity: Decimal) -> Any:
        watched = self._watched.get(target.symbol)
        if watched is None or not watched.indicators[1].is_ready:
            return 0
        security = algorithm.securities[target.symbol]
        mean, deviation = (float(item) for item in watched.indicators)
        band = self._deviations * deviation
        good = security.bid_price < mean - band if quantity > 0 else security.ask_price > mean + band
        return OrderSizing.get_order_size_for_maximum_value(security, self.maximum_order_value, quantity) if good else 0

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Start and end the indicators."""
        for added in changes.added_securities:
            if added.symbol not in self._watched:
                mean, deviation = SimpleMovingAverage(self._period), StandardDeviation(self._period)
                watched = _Watched(algorithm, added, self._resolution, mean, deviation)
                self._watched[added.symbol] = watched
                for indicator in watched.indicators:
                    algorithm.warm_up_indicator(added.symbol, indicator, self._resolution)
        for removed in changes.removed_securities:
            known = self._watched.pop(removed.symbol, None)
            if known is not None:
                known.drop(algorithm, removed.symbol)


class VolumeWeightedAveragePriceExecutionModel(_WaitingExecutionModel):
    """Waits until the price is better than the day's VWAP; takes a fraction of the bar's volume."""

    def __init__(self, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self.maximum_order_quantity_percent_volume = 0.01
        self._watched: dict[Any, _Watched] = {}

    def _size(self, algorithm: Any, target: Any, quantity: Decimal) -> Any:
        watched = self._watched.get(target.symbol)
        if watched is None:
            return 0
        security = algorithm.securities[target.symbol]
        vwap = float(watched.indicators[0])
        good = security.bid_price < vwap if quantity > 0 else security.ask_price > vwap
        if not good:
            return 0
        share = self.maximum_order_quantity_percent_volume
        return OrderSizing.get_order_size_for_percent_volume(security, share, quantity)

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Start and end the indicators."""
        for added in changes.added_securities:
            if added.symbol not in self._watched:
                name = algorithm.create_indicator_name(added.symbol, "VWAP", added.resolution)
                self._watched[added.symbol] = _Watched(algorithm, added, added.resolution, IntradayVwap(name))
        for removed in changes.removed_securities:
            known = self._watched.pop(removed.symbol, None)
            if known is not None:
                known.drop(algorithm, removed.symbol)


class SpreadExecutionModel(_WaitingExecutionModel):
    """Waits for a narrow spread while the exchange is open."""

    def __init__(self, accepting_spread_percent: float = 0.005, asynchronous: bool = True) -> None:
        super().__init__(asynchronous)
        self._accepted = abs(float(accepting_spread_percent))

    def _size(self, algorithm: Any, target: Any, quantity: Decimal) -> Any:
        security = algorithm.securities[target.symbol]
        bid, ask, price = security.bid_price, security.ask_price, security.price
        narrow = price > 0 and bid > 0 and ask > 0 and (ask - bid) / price <= self._accepted
        return quantity if narrow and security.exchange.exchange_open else 0
