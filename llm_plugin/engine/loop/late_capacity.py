"""The capacity of moments that have gone by: the bars that it waits for after a fill, and its weekly looks."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from llm_plugin.engine.base.enums import SecurityType, TickType
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.models.buying_power import BuyingPowerModel, SecurityMarginModel
from llm_plugin.engine.models.cash_buying_power import CashBuyingPowerModel
from llm_plugin.engine.statistics import CapacityEstimate, MarketBar, SymbolState, bar_resolution
from llm_plugin.engine.statistics.capacity import SymbolCapacity

__all__ = ["Account", "LateCapacity", "as_decimal", "quote_for_capacity", "trade_for_capacity"]

# What a position holds of the account is then a fixed share of its value, or nothing.
_MODELS = (BuyingPowerModel, SecurityMarginModel, CashBuyingPowerModel)


@lru_cache(maxsize=64)
def as_decimal(leverage: float) -> Decimal:
    """Return a leverage as the decimal that LEAN has; few of them are used often."""
    return to_decimal(leverage)


def trade_for_capacity(bar: Any) -> MarketBar:
    """Return what the capacity needs of a trade bar."""
    return MarketBar(bar.exact("close"), to_decimal(bar.volume), bar_resolution(bar.period))


def quote_for_capacity(quote: Any, kind: SecurityType) -> MarketBar:
    """Return what the capacity needs of a quote bar."""
    sizes = to_decimal(quote.last_bid_size), to_decimal(quote.last_ask_size)
    return MarketBar.of_quote(quote.exact("close"), *sizes, kind, bar_resolution(quote.period))


class Account(Protocol):
    """What the account was worth at moments that have gone by."""

    def first_from(self, us: int) -> int:
        """When the first moment at or after a time was."""

    def total_at(self, us: int) -> Decimal:
        """The account's value."""

    def position_at(self, security: Any, us: int) -> Decimal:
        """The value of a position; 0 where there is none."""


class _Watch:
    """A symbol whose window after a fill is open, and the stream that has its bars."""

    __slots__ = ("emits", "item", "multiplier", "place", "rate", "stream")

    def __init__(self, item: SymbolCapacity, stream: Any, security: Any) -> None:
        self.item, self.stream = item, stream
        self.rate, self.multiplier = security.quote_currency.exact_rate, security.symbol_properties.exact_multiplier
        self.emits, _, self.place = stream.points_ahead

    def follow(self, before_us: int) -> bool:
        """Take the bars before a time; return whether the window is over."""
        emits, stream, kind = self.emits, self.stream, self.stream.security.type
        traded = stream.config.tick_type == TickType.TRADE
        while self.place < len(emits) and emits[self.place] < before_us:
            first, end = stream.rows_between(self.place, self.place + 1)
            if first < end:
                bar = stream.bar(first)
                found = trade_for_capacity(bar) if traded else quote_for_capacity(bar, kind)
                if self.item.on_bar(emits[self.place], found, self.rate, self.multiplier):
                    return True
            self.place += 1
        return False


class LateCapacity:
    """Does afterwards what the estimate would have done at each of the moments.

    Args:
        core: The run.
        estimate: The run's estimate.
    """

    def __init__(self, core: EngineCore, estimate: CapacityEstimate) -> None:
        self._core, self._estimate = core, estimate
        self._account: Account
        self._since = 0
        self._watches: list[_Watch] = []
        # (security, share of the position's value that it holds, leverage, whether there is a position).
        self._states: dict[Any, tuple[Any, Decimal, Decimal, bool]] = {}

    def begin(self, streams: list[Any], last_us: int, account: Account) -> bool:
        """Begin with the streams' next points; return False where something has to be asked at its own time.

        Args:
            streams: The streams that have a bar at each of the moments.
            last_us: The last of the moments.
            account: What the account is worth at each of them.
        """
        core, estimate = self._core, self._estimate
        self._account, self._since = account, core.clock.utc_us + 1
        self._watches, self._states = [], {}
        for symbol in estimate.symbols:
            security = core.securities.get(symbol)
            if security is None or type(security.buying_power_model) not in _MODELS or security.quote_currency.legs:
                return False
            if estimate.due_us <= last_us:
                self._states[symbol] = _state_of(security)
            item = estimate.watched.get(symbol)
            if item is not None and not self._watch(item, security, [s for s in streams if s.seen]):
                return False
        return True

    def _watch(self, item: SymbolCapacity, security: Any, streams: list[Any]) -> bool:
        mine = [stream for stream in streams if stream.config.symbol == item.symbol]
        # Quotes count where there are no trades.
        found = [stream for stream in mine if stream.config.tick_type == TickType.TRADE] or mine
        if len(found) > 1:
            return False
        self._watches += [_Watch(item, stream, security) for stream in found]
        return True

    def look_before(self, us: int) -> None:
        """Do what was due before a time."""
        estimate = self._estimate
        while self._watches or estimate.due_us < us:
            due = us if estimate.is_idle else self._account.first_from(max(estimate.due_us, self._since))
            self._follow(min(due + 1, us))
            if due >= us:
                return
            self._since = due + 1
            estimate.snapshot(due, self._account.total_at(due), lambda symbol: self._state_at(symbol, due))  # noqa: B023

    def _follow(self, before_us: int) -> None:
        watched, still = self._estimate.watched, []
        for watch in self._watches:
            symbol = watch.item.symbol
            if symbol not in watched:
                continue
            if watch.follow(before_us):
                del watched[symbol]
            else:
                still.append(watch)
        self._watches = still

    def _state_at(self, symbol: Any, us: int) -> SymbolState:
        security, share, leverage, invested = self._states[symbol]
        reserved = abs(self._account.position_at(security, us)) * share
        return SymbolState(ZERO, ZERO, reserved, leverage, invested)


def _state_of(security: Any) -> tuple[Any, Decimal, Decimal, bool]:
    model = security.buying_power_model
    share = ZERO if isinstance(model, CashBuyingPowerModel) else model.maintenance
    return security, share, as_decimal(security.leverage), security.holdings.invested
