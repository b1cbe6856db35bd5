"""Spares the valuation of the account where prices cannot have made it matter."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.portfolio.cash import Cash

__all__ = ["ValueGuard"]

# How far prices may go before the account needs a look: as far as it can bear. A value is a product of up to three.
_BANDS = (0.3, 0.1, 0.03, 0.01)
_FACTORS = 3
_PAIRS = (SecurityType.FOREX, SecurityType.CFD)


class ValueGuard:
    """Knows prices between which the account is neither broke nor near a margin call.

    It holds as long as cash, positions and margin models are the ones it was made for, and every price is in its band.

    Args:
        core: The run.
        alarm: Share of the value from which on the margin in use needs a look.
    """

    def __init__(self, core: EngineCore, alarm: float) -> None:
        self._core = core
        self._alarm = alarm
        self._valid = False
        self._versions = (-1, -1)
        self._cash: list[tuple[Cash, Any]] = []
        self._held: list[tuple[Any, Any, Any, Any, float, float]] = []
        self._rates: list[tuple[Any, float, float]] = []

    def is_same(self) -> bool:
        """Return whether cash, positions and margin models are still the ones that the bands were drawn for."""
        for cash, amount in self._cash:
            if cash.exact_amount is not amount:
                return False
        for security, quantity, model, maintenance, _, _ in self._held:
            if (
                security.holdings.exact_quantity is not quantity
                or security.buying_power_model is not model
                or getattr(model, "maintenance", None) is not maintenance
            ):
                return False
        books = self._core.cash_book, self._core.portfolio.unsettled_cash_book
        return books[0].version == self._versions[0] and books[1].version == self._versions[1]

    def bands(self, security: Any) -> list[tuple[float, float]]:
        """Return the bands that prices of a security have to stay in."""
        found = [(entry[4], entry[5]) for entry in self._held if entry[0] is security]
        return found + [(low, high) for cache, low, high in self._rates if cache is security.cache]

    def holds(self) -> bool:
        """Return whether the last estimate still tells enough."""
        if not self._valid:
            return False
        self._valid = False
        for security, _, _, _, low, high in self._held:
            if not low < security.near_price < high:
                return False
        for cache, low, high in self._rates:
            last = cache.last
            if last is None or not low < last.value < high:
                return False
        self._valid = self.is_same()
        return self._valid

    def renew(self, held: list[Any], value: float, margin_used: float) -> None:
        """Draw the bands around the prices of now.

        Args:
            held: Securities with positions.
            value: Estimate of the account's value.
            margin_used: Estimate of the margin in use.
        """
        books = self._core.cash_book, self._core.portfolio.unsettled_cash_book
        everything = [cash for book in books for cash in book.values()]
        gross = sum(abs(cash.estimate()) for cash in everything if cash.legs)
        for security in held:
            scale = float(security.symbol_properties.exact_multiplier) * security.quote_currency.estimate_rate()
            gross += abs(float(security.holdings.exact_quantity) * security.near_price * scale)
        band = self._widest(value, gross, margin_used)
        if band is None:
            self._valid = False
            return
        self._versions = books[0].version, books[1].version
        self._cash = [(cash, cash.exact_amount) for cash in everything]
        self._held = [_watch(security, band) for security in held]
        used = [cash for cash in everything if cash.exact_amount] + [s.quote_currency for s in held]
        # The last data of currency pairs is what gives them their price: one look at them is enough.
        known = {id(security.cache) for security in held if security.type in _PAIRS}
        caches = {id(leg.cache): leg.cache for cash in used for leg, _ in cash.legs if id(leg.cache) not in known}
        self._rates = [(c, *_around(float(c.last.value) if c.last is not None else 0.0, band)) for c in caches.values()]
        self._valid = True

    def _widest(self, value: float, gross: float, margin_used: float) -> float | None:
        for band in _BANDS:
            reach = (1 + band) ** _FACTORS - 1
            lowest = value - reach * gross
            if lowest > 1.0 and margin_used * (1 + reach) <= self._alarm * lowest:
                return band
        return None


def _around(price: float, band: float) -> tuple[float, float]:
    return price * (1 - band), price * (1 + band)


def _watch(security: Any, band: float) -> tuple[Any, Any, Any, Any, float, float]:
    model = security.buying_power_model
    maintenance = getattr(model, "maintenance", None)
    return security, security.holdings.exact_quantity, model, maintenance, *_around(security.near_price, band)
