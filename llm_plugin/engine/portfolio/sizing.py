"""From fractions of the portfolio to orders."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.framework.targets import PortfolioTarget

__all__ = ["order_quantity", "order_targets_by_margin"]


def order_quantity(algorithm: Any, symbol: Any, fraction: Any) -> Decimal | None:
    """Return the order that brings a symbol to a fraction of the portfolio; None where it cannot be computed."""
    target = PortfolioTarget.percent(algorithm, symbol, fraction, True)
    return None if target is None else target.exact_quantity


def order_targets_by_margin(algorithm: Any, targets: Iterable[Any]) -> list[tuple[Any, Decimal]]:
    """Return (security, order) of targets in percent: reducing orders first, then the largest.

    All quantities are computed before the first order is sent.
    """
    deltas = []
    for target in targets:
        security = algorithm.securities[target.symbol]
        # A target in percent carries the fraction in `quantity`.
        quantity = order_quantity(algorithm, security.symbol, target.quantity)
        if quantity is None or not security.has_data or not security.is_tradable:
            continue
        if abs(quantity) >= security.symbol_properties.exact_lot:
            deltas.append((security, quantity))
    return sorted(deltas, key=_margin_rank)


def _margin_rank(entry: tuple[Any, Decimal]) -> tuple[bool, Decimal]:
    security, delta = entry
    holding = security.holdings.exact_quantity
    reduces = holding * delta < 0 and abs(delta) <= abs(holding)
    value: Decimal = abs(delta * security.exact_price * security.quote_currency.exact_rate)
    return (not reduces, -value if value else ZERO)
