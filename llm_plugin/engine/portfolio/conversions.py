"""Which securities' prices convert the currencies of the book into the account's currency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.feed.subscriptions import default_data
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.portfolio.cash import Cash, Leg
from llm_plugin.engine.securities.security import Security

if TYPE_CHECKING:
    from llm_plugin.engine.feed.data_manager import DataManager

__all__ = ["Conversions", "is_stable_pair"]

_PAIR_TYPES = (SecurityType.FOREX, SecurityType.CFD, SecurityType.CRYPTO)
# Where each type of pair is looked for, next to the brokerage's default market.
_SHARED_MARKETS = {SecurityType.FOREX: SecurityType.CFD, SecurityType.CFD: SecurityType.FOREX}
_BYBIT_STABLE = frozenset({"USDCUSD", "USDTUSD", "USDPUSD", "SUSDUSD", "BUSDUSD", "USTUSD", "TUSDUSD", "DAIUSD"})
# Coins that are worth one unit of the other currency, on exchanges that have no such pair.
_STABLE = {
    "binance": _BYBIT_STABLE | {"FDUSDUSD", "IDRTIDR", "BNFCRUSD"},
    "bitfinex": frozenset({"EURSEUR", "XCHFCHF"}),
    "bybit": _BYBIT_STABLE,
    "coinbase": frozenset({"USDCUSD"}),
}
_DOLLARS = ("USDT", "USDC", "USD")

Pair = tuple[Symbol, str, str]


def is_stable_pair(first: str, second: str, market: str) -> bool:
    """Return whether a market treats two currencies as one."""
    known = _STABLE.get(market, frozenset())
    return first + second in known or second + first in known


def _is_pegged(account: str, currency: str, market: str) -> bool:
    others = [name for name in _DOLLARS if name != currency] if account in _DOLLARS else [account]
    return any(is_stable_pair(currency, other, market) for other in others)


class Conversions:
    """Finds conversions, and opens internal streams where the user has no such security.

    Args:
        manager: The run's streams.
    """

    def __init__(self, manager: DataManager) -> None:
        self._manager, self._core = manager, manager.core

    def ensure(self, now_us: int) -> None:
        """Give every currency of the book a conversion."""
        book = self._core.cash_book
        for cash in book.values():
            if cash.symbol == book.account_currency or cash.legs or cash.searched:
                continue
            cash.searched = True
            self._find(cash, now_us)

    def _find(self, cash: Cash, now_us: int) -> None:
        core, account = self._core, self._core.cash_book.account_currency
        crypto = dict(core.brokerage_model.default_markets).get(SecurityType.CRYPTO)
        if crypto is not None and _is_pegged(account, cash.symbol, crypto):
            cash.conversion_rate = 1
            return
        existing = {security.symbol: security for security in self._existing()}
        pairs = [*(self._pair_of(security) for security in existing.values()), *self._possible()]
        steps = _path(cash.symbol, account, pairs)
        if steps is None:
            if cash.exact_rate == 0:
                core.error(f"No data source found to convert {cash.symbol} to {account}: its conversion rate is 0")
            return
        legs: list[Leg] = []
        for symbol, inverted in steps:
            security = existing.get(symbol)
            if security is None:
                security = self._internal(symbol, now_us)
            else:
                self._seed(security, now_us)
            legs.append((security, inverted))
        cash.legs, cash.converted_to = legs, account
        beat()

    def _existing(self) -> Iterator[Security]:
        for security in (*self._core.securities.values(), *self._core.internal_securities):
            if security.type in _PAIR_TYPES:
                yield security

    @staticmethod
    def _pair_of(security: Any) -> Pair:
        name, quote = security.symbol.value, security.symbol_properties.quote_currency
        base = name[: -len(quote)] if name.endswith(quote) else ""
        return security.symbol, base, quote

    def _possible(self) -> Iterator[Pair]:
        core = self._core
        used: dict[SecurityType, dict[str, None]] = {}
        for security in core.securities.values():
            used.setdefault(security.type, {})[security.symbol.id.market] = None
        defaults = dict(core.brokerage_model.default_markets)
        for kind in _PAIR_TYPES:
            markets = dict.fromkeys([defaults[kind]] if kind in defaults else [])
            markets.update(used.get(kind) or used.get(_SHARED_MARKETS.get(kind, kind)) or {})
            for market in markets:
                for name, properties in core.symbol_properties.entries(market, kind):
                    quote = properties.quote_currency
                    if name.endswith(quote) and len(name) > len(quote):
                        yield core.make_symbol(name, kind, market), name[: -len(quote)], quote

    def _seed(self, security: Security, now_us: int) -> None:
        """Give a pair of the user's that converts a new currency its last price, so that the rate is known at once."""
        manager = self._manager
        if security.cache.last is None:
            # Quotes come after trades: they are what the conversion uses.
            for config in sorted(security.subscriptions, key=lambda config: int(config.tick_type)):
                security.set_market_price(manager.last_point(config, security, now_us))

    def _internal(self, symbol: Symbol, now_us: int) -> Security:
        core = self._core
        security = core.create_security(symbol, internal=True)
        finest = min((c.resolution for c in core.subscription_manager.subscriptions), default=Resolution.MINUTE)
        tick_type: TickType = default_data(symbol.security_type, finest)[0]
        core.internal_securities.append(security)
        config = core.add_config(security, finest, tick_type, internal=True)
        core.symbol_cache.add(symbol.value, symbol) if core.symbol_cache.find(symbol.value) is None else None
        security.set_market_price(self._manager.last_point(config, security, now_us))
        return security


def _match(pair: Pair, base: str, quote: str) -> bool | None:
    """Return whether a pair converts base into quote: False as it is, True inverted, None not at all."""
    symbol, left, right = pair
    names = [left, right, base, quote]
    # Coins that the pair's market takes for the wanted currency count as it.
    for own, wanted in ((1, 3), (1, 2), (0, 3), (0, 2)):
        if is_stable_pair(names[own], names[wanted], symbol.id.market):
            names[own] = names[wanted]
    if (names[0], names[1]) == (base, quote):
        return False
    return True if (names[0], names[1]) == (quote, base) else None


def _path(source: str, target: str, pairs: list[Pair]) -> list[tuple[Symbol, bool]] | None:
    """Return one step, or else two, as (pair, inverted)."""
    for pair in pairs:
        inverted = _match(pair, source, target)
        if inverted is not None:
            return [(pair[0], inverted)]
    for pair in pairs:
        symbol, base, quote = pair
        if source not in (base, quote):
            continue
        middle = quote if base == source else base
        for other in pairs:
            inverted = _match(other, middle, target)
            if inverted is not None:
                return [(symbol, source == quote), (other[0], inverted)]
    return None
