"""What is subscribed, and the consolidators on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from llm_plugin.engine.base.clock import Clock
from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, SecurityType, TickType, resolution_span
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.pulse import BeatingList, beat
from llm_plugin.engine.consolidators.scan_times import ScanPlan
from llm_plugin.engine.data.bars import BaseData, QuoteBar, Tick, TradeBar

__all__ = ["DEFAULT_DATA", "SubscriptionDataConfig", "SubscriptionManager", "data_kind", "default_data"]

DEFAULT_DATA: dict[SecurityType, tuple[TickType, ...]] = {
    SecurityType.EQUITY: (TickType.TRADE, TickType.QUOTE),
    SecurityType.FOREX: (TickType.QUOTE,),
    SecurityType.CFD: (TickType.QUOTE,),
    SecurityType.CRYPTO: (TickType.TRADE, TickType.QUOTE),
    SecurityType.CRYPTO_FUTURE: (TickType.TRADE, TickType.QUOTE),
    SecurityType.INDEX: (TickType.TRADE,),
}


def default_data(security_type: SecurityType, resolution: Resolution) -> tuple[TickType, ...]:
    """Return the kinds of data of a new subscription."""
    if security_type == SecurityType.EQUITY and resolution >= Resolution.HOUR:
        return (TickType.TRADE,)
    return DEFAULT_DATA.get(security_type, (TickType.TRADE,))


def data_kind(resolution: Resolution, tick_type: TickType) -> type[BaseData]:
    """Return the class of data."""
    if resolution == Resolution.TICK:
        return Tick
    return TradeBar if tick_type == TickType.TRADE else QuoteBar


class _Counted(BeatingList):
    """A list with .NET's `Count`."""

    count = Count = property(len)


class SubscriptionDataConfig(LeanObject):
    """One stream of one symbol."""

    # Whether ticker changes of the security that the data stands for are told.
    follows_tickers = False

    def __init__(
        self,
        kind: Any,
        symbol: Any,
        resolution: Any = None,
        data_zone: Any = None,
        exchange_zone: Any = None,
        *,
        tick_type: TickType = TickType.TRADE,
        fill_forward: bool = True,
        extended: bool = False,
        internal: bool = False,
        normalization: DataNormalizationMode = DataNormalizationMode.ADJUSTED,
        custom: bool = False,
    ) -> None:
        if isinstance(kind, SubscriptionDataConfig):
            # LEAN's copy: (config[, class, symbol, resolution]).
            other, kind, symbol, resolution = kind, symbol, resolution, data_zone
            given = {"type": kind, "symbol": symbol, "resolution": resolution}
            self.__dict__.update(vars(other), consolidators=_Counted(), stream=None)
            self.__dict__.update({name: value for name, value in given.items() if value is not None})
            return
        self.type = kind
        self.symbol = symbol
        self.resolution = resolution
        self.tick_type = tick_type
        self.data_time_zone = data_zone
        self.exchange_time_zone = exchange_zone
        self.fill_data_forward = fill_forward and resolution != Resolution.TICK
        self.extended_market_hours = extended
        self.is_internal_feed = internal
        self.is_custom_data = custom
        self.data_normalization_mode = normalization
        self.mapped_symbol = symbol.value
        # The indicators that follow the stream; set by the loop.
        self.lane: Any = None
        self.consolidators: list[Any] = _Counted()
        # Set by the data manager while the stream runs.
        self.stream: Any = None
        # Starts the stream anew after a change of settings; set while it runs.
        self.restart: Any = None
        # Symbols of the universes that want it.
        self.owners: set[Any] = set()

    @property
    def security_type(self) -> SecurityType:
        """Kind of instrument."""
        return self.symbol.security_type  # type: ignore[no-any-return]

    @property
    def market(self) -> str:
        """Market of the symbol."""
        return self.symbol.id.market  # type: ignore[no-any-return]

    @property
    def increment(self) -> timedelta:
        """Length of a bar."""
        return resolution_span(self.resolution)

    @property
    def ticker(self) -> str:
        """Ticker of the symbol."""
        return self.symbol.value  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"{self.symbol.value},{self.type.__name__},{self.resolution},{self.tick_type}"

    def __str__(self) -> str:
        return repr(self)


class SubscriptionManager(LeanObject):
    """`self.subscription_manager` of an algorithm."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._configs: list[SubscriptionDataConfig] = []
        # When consolidators are asked the time.
        self.scans = ScanPlan(Clock() if clock is None else clock)
        # Raised on every change, so that the loop can rebuild what it derived.
        self.version = 0

    @property
    def subscriptions(self) -> list[SubscriptionDataConfig]:
        """All streams that the user sees."""
        return [config for config in self._configs if not config.is_internal_feed]

    @property
    def subscription_data_config_service(self) -> SubscriptionManager:
        """What finds subscriptions: the manager itself."""
        return self

    @property
    def all_configs(self) -> list[SubscriptionDataConfig]:
        """All streams, internal ones included."""
        return list(self._configs)

    @property
    def count(self) -> int:
        """Number of streams."""
        return len(self.subscriptions)

    def add_config(self, config: SubscriptionDataConfig) -> None:
        """Register a stream."""
        self._configs.append(config)
        self.version += 1
        beat()

    def remove_config(self, config: SubscriptionDataConfig) -> None:
        """Drop a stream and its consolidators."""
        self._configs.remove(config)
        for consolidator in config.consolidators:
            self.scans.forget(consolidator)
            dispose = find_member(consolidator, "dispose")
            if dispose is not None:
                dispose()
        self.version += 1
        beat()

    def get_subscription_data_configs(
        self, symbol: Any, include_internal_configs: bool = False
    ) -> list[SubscriptionDataConfig]:
        """Return the streams of a symbol."""
        return [
            config
            for config in self._configs
            if config.symbol == symbol and (include_internal_configs or not config.is_internal_feed)
        ]

    def add_consolidator(self, symbol: Any, consolidator: Any, tick_type: TickType | None = None) -> None:
        """Feed a consolidator from the first stream that fits its input.

        Raises:
            ValueError: The symbol is not subscribed, or none of its streams fits.
        """
        configs = self.get_subscription_data_configs(symbol, include_internal_configs=True)
        if not configs:
            raise ValueError(f"{symbol} is not subscribed: add it before its consolidators")
        for config in sorted(configs, key=lambda c: (c.is_internal_feed, c.tick_type)):
            if self.is_subscription_valid_for_consolidator(config, consolidator, tick_type):
                config.consolidators.append(consolidator)
                increment = config.increment // timedelta(microseconds=1)
                self.scans.follow(consolidator, config.exchange_time_zone, increment)
                self.version += 1
                beat()
                return
        kinds = ", ".join(config.type.__name__ for config in configs)
        wanted = find_member(consolidator, "input_type")
        raise ValueError(f"{type(consolidator).__name__} takes {wanted}; {symbol} delivers {kinds}")

    @staticmethod
    def is_subscription_valid_for_consolidator(
        config: SubscriptionDataConfig, consolidator: Any, tick_type: TickType | None = None
    ) -> bool:
        """Return whether a stream fits a consolidator's input."""
        if tick_type is not None and config.type is Tick and config.tick_type != tick_type:
            return False
        if tick_type is not None and config.type in (TradeBar, QuoteBar) and config.tick_type != tick_type:
            return False
        wanted = find_member(consolidator, "input_type")
        return wanted is None or not isinstance(wanted, type) or issubclass(config.type, wanted) or wanted is BaseData

    def remove_consolidator(self, symbol: Any, consolidator: Any) -> None:
        """Stop feeding a consolidator."""
        for config in self.get_subscription_data_configs(symbol, include_internal_configs=True):
            if consolidator in config.consolidators:
                config.consolidators.remove(consolidator)
        self.scans.forget(consolidator)
        self.version += 1
        beat()
        dispose = find_member(consolidator, "dispose")
        if dispose is not None:
            dispose()

    def lookup_subscription_config_data_types(
        self, security_type: SecurityType, resolution: Resolution, is_canonical: bool = False
    ) -> Iterable[tuple[type, TickType]]:
        """Return (class, tick type) of a new subscription."""
        kinds = default_data(SecurityType(security_type), Resolution(resolution))
        return [(data_kind(Resolution(resolution), tick), tick) for tick in kinds]
