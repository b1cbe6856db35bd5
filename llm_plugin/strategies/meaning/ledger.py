"""From orders to what was held: the account at any time, and each symbol's spells from entry to exit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from llm_plugin.strategies.conditions.bars import Bars
from llm_plugin.strategies.trusted_run import TrustedOrder, TrustedRun

__all__ = ["Account", "Spell", "is_resting", "spells_of", "to_us"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESTING = ("limit", "stop_market", "stop_limit", "trailing_stop", "limit_if_touched")
_RESIZED = 0.25
_DUST = 1e-9


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware time."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def is_resting(order: TrustedOrder) -> bool:
    """Whether the order waits for a price."""
    return order.kind in _RESTING


@dataclass
class Spell:
    """One symbol held on one side, from the order that opened it to the one that closed it.

    `decided` and `closed_at` are indices of the bars on which entry and exit were decided: the last bar that had ended
    when the order was asked for; for an order that waited for its price, the bar that filled it.
    """

    direction: int
    opened_by: TrustedOrder
    decided: int
    filled_us: int
    price: float
    quantity: float
    closed_by: TrustedOrder | None = None
    closed_at: int | None = None
    closed_us: int | None = None
    closed_price: float | None = None
    resized_at: list[int] = field(default_factory=list)


class Account:
    """Cash and positions over time, from the fills alone."""

    def __init__(self, run: TrustedRun, bars: Mapping[str, Bars]) -> None:
        self._bars = bars
        fills = [(to_us(fill.utc), order.symbol, fill) for order in run.orders for fill in order.fills]
        fills.sort(key=lambda row: row[0])
        self._times = np.array([row[0] for row in fills], dtype=np.int64)
        cash, self._cash = run.cash, [run.cash]
        self._held: dict[str, list[tuple[int, float]]] = {}
        for at, symbol, fill in fills:
            cash -= fill.quantity * fill.price + fill.fee
            self._cash.append(cash)
            steps = self._held.setdefault(symbol, [])
            steps.append((at, (steps[-1][1] if steps else 0.0) + fill.quantity))

    def cash(self, utc_us: int) -> float:
        """Return the cash after the fills up to a time."""
        return float(self._cash[int(np.searchsorted(self._times, utc_us, side="right"))])

    def held(self, symbol: str, utc_us: int) -> float:
        """Return the signed quantity after the fills up to a time."""
        quantity = 0.0
        for at, after in self._held.get(symbol, ()):
            if at > utc_us:
                break
            quantity = after
        return 0.0 if abs(quantity) < _DUST else quantity

    def value(self, symbol: str, utc_us: int) -> float:
        """Return what is held of a symbol at its last close."""
        quantity = self.held(symbol, utc_us)
        bars = self._bars.get(symbol)
        at = bars.index_at(utc_us) if bars is not None else -1
        return quantity * float(bars.close[at]) if bars is not None and at >= 0 and quantity else 0.0

    def equity(self, utc_us: int) -> float:
        """Return cash and positions at their last closes."""
        return self.cash(utc_us) + sum(self.value(symbol, utc_us) for symbol in self._held)

    def gross(self, utc_us: int) -> float:
        """Return the absolute value of all positions."""
        return sum(abs(self.value(symbol, utc_us)) for symbol in self._held)

    @property
    def symbols(self) -> list[str]:
        """Those that were ever held."""
        return list(self._held)


def spells_of(orders: list[TrustedOrder], bars: Bars) -> list[Spell]:
    """Return a symbol's spells in time order.

    Args:
        orders: The symbol's orders.
        bars: Its bars.
    """
    filled = sorted((order for order in orders if order.fills), key=lambda order: (to_us(order.fills[0].utc), order.id))
    spells: list[Spell] = []
    held, open_spell = 0.0, None
    for order in filled:
        before, held = held, held + sum(fill.quantity for fill in order.fills)
        if abs(held) < _DUST:
            held = 0.0
        at, filled_us, price = _decided(order, bars), to_us(order.fills[-1].utc), _average(order)
        if open_spell is not None and before * held <= 0:
            open_spell.closed_by, open_spell.closed_at = order, at
            open_spell.closed_us, open_spell.closed_price = filled_us, price
            open_spell = None
        elif open_spell is not None:
            open_spell.quantity = max(open_spell.quantity, abs(held))
            if abs(held - before) > _RESIZED * abs(before):
                open_spell.resized_at.append(at)
        if open_spell is None and held:
            open_spell = Spell(1 if held > 0 else -1, order, at, filled_us, price, abs(held))
            spells.append(open_spell)
    return spells


def _decided(order: TrustedOrder, bars: Bars) -> int:
    return bars.index_at(to_us(order.fills[0].utc if is_resting(order) else order.created_utc))


def _average(order: TrustedOrder) -> float:
    total = sum(fill.quantity for fill in order.fills)
    if not total:
        return order.fills[0].price
    return sum(fill.quantity * fill.price for fill in order.fills) / total
