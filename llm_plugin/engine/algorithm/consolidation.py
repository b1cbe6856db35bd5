"""The consolidation part of QCAlgorithm: `consolidate`, `resolve_consolidator`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from llm_plugin.engine.base.enums import Resolution, TickType
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.consolidators import (
    BaseDataConsolidator,
    DataConsolidator,
    IdentityDataConsolidator,
    MarketHourAwareConsolidator,
    QuoteBarConsolidator,
    RangeBar,
    RangeConsolidator,
    RenkoBar,
    RenkoConsolidator,
    TickConsolidator,
    TickQuoteBarConsolidator,
    TradeBarConsolidator,
    VolumeRenkoBar,
    VolumeRenkoConsolidator,
    consolidated_event,
)
from llm_plugin.engine.data.bars import BaseData, QuoteBar, Tick, TradeBar

__all__ = ["ConsolidationApi", "tick_type_of"]


def tick_type_of(kind: type[Any] | None) -> TickType | None:
    """The tick type that a class of data stands for; None if it stands for none."""
    if kind is None:
        return None
    if issubclass(kind, QuoteBar):
        return TickType.QUOTE
    return TickType.TRADE if issubclass(kind, TradeBar) else None


def _made(rule: Any, config: Any) -> DataConsolidator:
    kind: type[Any] = config.type
    if issubclass(kind, TradeBar):
        return TradeBarConsolidator(rule)
    if issubclass(kind, QuoteBar):
        return QuoteBarConsolidator(rule)
    if issubclass(kind, Tick):
        return TickQuoteBarConsolidator(rule) if config.tick_type == TickType.QUOTE else TickConsolidator(rule)
    return BaseDataConsolidator(rule)


class ConsolidationApi(LeanObject):
    """The class that mixes it in provides `subscription_manager`, `securities`, `settings` and `to_symbol`."""

    subscription_manager: Any
    securities: Any
    settings: Any

    def to_symbol(self, symbol: Any) -> Any:
        """Return the Symbol of a ticker or symbol."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'to_symbol'")

    def subscription_of(self, symbol: Any, tick_type: TickType | None = None) -> Any:
        """The stream that a consolidator of a symbol would use: custom data first, then trades, then quotes.

        Raises:
            ValueError: The symbol is not subscribed.
        """
        configs = self.subscription_manager.get_subscription_data_configs(self.to_symbol(symbol))
        if not configs:
            raise ValueError(
                f"Please register to receive data for symbol '{symbol}' using the add_security() function."
            )
        configs = sorted(configs, key=lambda c: (issubclass(c.type, (TradeBar, QuoteBar, Tick)), int(c.tick_type)))
        return next((c for c in configs if tick_type is None or c.tick_type == tick_type), configs[0])

    def resolve_consolidator(self, symbol: Any, resolution: Any = None, data_type: Any = None) -> DataConsolidator:
        """The consolidator that makes bars of a resolution, timedelta or calendar from a symbol's data."""
        return self._consolidator(symbol, resolution, tick_type_of(data_type))

    def _consolidator(self, symbol: Any, rule: Any, tick_type: TickType | None) -> DataConsolidator:
        config = self.subscription_of(symbol, tick_type)
        if rule is None or (isinstance(rule, Resolution) and rule == config.resolution):
            return IdentityDataConsolidator(config.type)
        too_short = rule < config.resolution if isinstance(rule, Resolution) else False
        if isinstance(rule, timedelta):
            if rule == config.increment:
                return IdentityDataConsolidator(config.type)
            too_short = rule < config.increment
        if too_short:
            raise ValueError(
                f"Unable to create {symbol} consolidator because {symbol} is registered for {config.resolution} data. "
                "Consolidators require higher resolution data to produce lower resolution data."
            )
        if isinstance(rule, Resolution) and rule == Resolution.DAILY and issubclass(config.type, _MARKET_DATA):
            settings = self.settings
            extended = bool(settings.daily_consolidation_use_extended_market_hours and config.extended_market_hours)
            precise = bool(settings.daily_precise_end_time)
            return MarketHourAwareConsolidator(
                precise, rule, config.type, config.tick_type, extended, self._exchange_hours_of
            )
        return _made(rule, config)

    def _exchange_hours_of(self, symbol: Any) -> Any:
        return self.securities[symbol].exchange.hours

    def consolidate(self, symbol: Any, period: Any, *args: Any) -> DataConsolidator:
        """`consolidate([type,] symbol, period[, tick_type], handler)`.

        The period is a resolution, timedelta, calendar function, or (a number) a count or size.
        """
        if isinstance(symbol, type):
            return self._consolidate(symbol, period, args[0], list(args[1:]))
        return self._consolidate(None, symbol, period, list(args))

    def _consolidate(self, kind: type[Any] | None, symbol: Any, period: Any, rest: list[Any]) -> DataConsolidator:
        tick_type = tick_type_of(kind) if kind is not None else None
        if len(rest) > 1:
            given = rest.pop(0)
            tick_type = tick_type if given is None else given
        handler = rest[0] if rest else None
        if handler is not None and not callable(handler):
            raise TypeError(f"consolidate: the handler must be callable, not {handler!r}")
        target = self.to_symbol(symbol)
        if isinstance(period, (int, float)) and not isinstance(period, (bool, Resolution)):
            consolidator = self._by_size(kind, target, period, tick_type)
        else:
            consolidator = self._consolidator(target, period, tick_type)
        if handler is not None:
            self.attach_handler(consolidator, handler)
            self.attach_consolidator(target, consolidator, tick_type)
        return consolidator  # type: ignore[no-any-return]

    def _by_size(self, kind: type[Any] | None, symbol: Any, size: float, tick_type: TickType | None) -> Any:
        if kind is VolumeRenkoBar:
            return VolumeRenkoConsolidator(size)
        if kind is RenkoBar:
            return RenkoConsolidator(size)
        if kind is RangeBar:
            return RangeConsolidator(int(size))
        config = self.subscription_of(symbol, tick_type)
        if kind in _BY_COUNT and not issubclass(config.type, Tick):
            return _BY_COUNT[kind](int(size))
        return _made(int(size), config)

    @staticmethod
    def attach_handler(consolidator: Any, handler: Callable[[Any], Any]) -> None:
        """Call a handler with every finished bar."""
        event = consolidated_event(consolidator)
        event += lambda sender, bar: handler(bar)

    def attach_consolidator(self, symbol: Any, consolidator: Any, tick_type: TickType | None = None) -> None:
        """Feed a consolidator from a symbol's data; a second call for the same one changes nothing."""
        target = self.to_symbol(symbol)
        configs = self.subscription_manager.get_subscription_data_configs(target)
        if any(item is consolidator for config in configs for item in config.consolidators):
            return
        if isinstance(consolidator, RangeConsolidator) and consolidator.minimum_price_variation is None:
            properties = self.securities[target].symbol_properties
            consolidator.minimum_price_variation = float(properties.minimum_price_variation)
        if isinstance(consolidator, MarketHourAwareConsolidator) and consolidator.hours_of is None:
            consolidator.hours_of = self._exchange_hours_of
        self.subscription_manager.add_consolidator(target, consolidator, tick_type)

    def detach_consolidator(self, consolidator: Any) -> None:
        """Stop feeding a consolidator, whatever feeds it."""
        for config in self.subscription_manager.all_configs:
            if any(item is consolidator for item in config.consolidators):
                self.subscription_manager.remove_consolidator(config.symbol, consolidator)


_MARKET_DATA = (TradeBar, QuoteBar, Tick)
_BY_COUNT: dict[Any, Any] = {
    TradeBar: TradeBarConsolidator,
    QuoteBar: QuoteBarConsolidator,
    BaseData: BaseDataConsolidator,
}
