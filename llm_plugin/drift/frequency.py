"""How often to train and to improve, by the market's volatility: a pure rule. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from llm_plugin.errors import DataError

__all__ = ["Frequency", "Volatility", "market_volatility", "training_frequency"]

Volatility = Literal["high", "normal", "low"]


@dataclass(frozen=True, slots=True)
class Frequency:
    """Longest time between two trainings, and between two attempts at improvement."""

    volatility: Volatility
    retrain: timedelta
    improve: timedelta


_TABLE = {
    "high": Frequency("high", timedelta(days=3), timedelta(hours=12)),
    "normal": Frequency("normal", timedelta(days=7), timedelta(days=1)),
    "low": Frequency("low", timedelta(days=14), timedelta(days=2)),
}


def training_frequency(volatility: Volatility) -> Frequency:
    """Return the frequency of a regime.

    >>> training_frequency("high").retrain.days, training_frequency("low").retrain.days
    (3, 14)

    Raises:
        DataError: No such regime.
    """
    if volatility not in _TABLE:
        raise DataError(f"volatility {volatility!r} is not one of {', '.join(_TABLE)}")
    return _TABLE[volatility]


def market_volatility(regimes: Iterable[float]) -> Volatility:
    """Return the regime that most of the newest bars show.

    Args:
        regimes: Feature `volatility_regime` of bars (-1, 0 or 1); NaN is passed over. A tie is normal, and so is
            nothing known.
    """
    known = [value for value in regimes if math.isfinite(value)]
    high, low = sum(value > 0 for value in known), sum(value < 0 for value in known)
    if high * 2 > len(known):
        return "high"
    return "low" if low * 2 > len(known) else "normal"
