"""Exact decimal arithmetic as .NET does it where that can be seen: money, order prices, printed figures."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

__all__ = [
    "CONTEXT",
    "ONE",
    "ZERO",
    "format_decimal",
    "normalize",
    "round_down_to",
    "round_half_even",
    "smart_rounding",
    "to_decimal",
]

CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN)
ZERO = Decimal(0)
ONE = Decimal(1)
_THOUSAND = Decimal(1000)
_SEVEN = Context(prec=7, rounding=ROUND_HALF_EVEN)
_UNITS = {digits: ONE.scaleb(-digits) for digits in range(-2, 13)}


def to_decimal(value: Any) -> Decimal:
    """Convert a user's number as LEAN's Python bridge does: floats with 15 significant digits.

    Raises:
        ValueError: The value is not a finite number.
    """
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    try:
        text = f"{float(value):.15g}"
        result = Decimal(text)
        if not result.is_finite():
            raise InvalidOperation
        return Decimal(int(result)) if "e+" in text else result
    except (TypeError, ValueError, InvalidOperation):
        raise ValueError(f"{value!r} is not a finite number") from None


def normalize(value: Decimal) -> Decimal:
    """Drop trailing zeros without going to an exponent: 100.00 -> 100."""
    shorter = value.normalize(CONTEXT)
    return shorter.quantize(ONE) if "E+" in str(shorter) else shorter


def smart_rounding(value: Decimal) -> Decimal:
    """Round for charts: above 1000 to 4 decimals, else to 7 significant digits; trailing zeros dropped."""
    if value == 0:
        return ZERO
    if value > _THOUSAND:
        return normalize(round_half_even(value, 4))
    shorter = value.normalize(_SEVEN)
    return shorter.quantize(ONE) if "E+" in str(shorter) else shorter


def round_half_even(value: Decimal, digits: int) -> Decimal:
    """Round like .NET's Math.Round: half to even, never adding zeros to a shorter number."""
    # The text is an order of magnitude cheaper than `as_tuple`.
    text = str(value)
    if "E" in text:
        decimals = -int(value.as_tuple().exponent)
    else:
        point = text.find(".")
        decimals = len(text) - 1 - point if point >= 0 else 0
    if decimals <= digits:
        return value
    return CONTEXT.quantize(value, _UNITS.get(digits) or ONE.scaleb(-digits))


def round_down_to(value: Decimal, step: Decimal, *, floor: bool = False) -> Decimal:
    """Round to a multiple of `step`, towards zero or (with `floor`) towards minus infinity."""
    return (value / step).to_integral_value(ROUND_FLOOR if floor else ROUND_DOWN) * step


def format_decimal(value: Decimal) -> str:
    """Write without an exponent, with a point always: 688 -> `688.0`."""
    # .NET writes a negative zero without its sign.
    text = format(value if value else abs(value), "f")
    return text if "." in text else text + ".0"
