"""Quantities in whole lots."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

__all__ = ["to_lot"]


def to_lot(quantity: float, multiplier: float, lot_size: float) -> float:
    """Return quantity times multiplier, rounded to whole lots towards zero."""
    lot = Decimal(repr(lot_size))
    scaled = Decimal(repr(quantity)) * Decimal(repr(multiplier))
    return float((scaled / lot).to_integral_value(ROUND_DOWN) * lot)
