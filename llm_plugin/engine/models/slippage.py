"""Slippage models."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.data.bars import QuoteBar, TradeBar
from llm_plugin.engine.orders.order import Order

__all__ = [
    "AlphaStreamsSlippageModel",
    "ConstantSlippageModel",
    "NullSlippageModel",
    "VolumeShareSlippageModel",
    "slippage_of",
]

_BASIS_POINT = Decimal("0.0001")


class NullSlippageModel(LeanObject):
    """No slippage."""

    def get_slippage_approximation(self, asset: Any, order: Order) -> Any:
        """Return price units."""
        return ZERO


class ConstantSlippageModel(LeanObject):
    """A fraction of the last price."""

    def __init__(self, slippage_percent: Any) -> None:
        self._fraction = to_decimal(slippage_percent)

    def get_slippage_approximation(self, asset: Any, order: Order) -> Decimal:
        """Return fraction x price."""
        last = asset.get_last_data()
        return ZERO if last is None else self._fraction * asset.last_data_price


class AlphaStreamsSlippageModel(LeanObject):
    """One basis point of equities."""

    def get_slippage_approximation(self, asset: Any, order: Order) -> Decimal:
        """Return a fraction of the last price."""
        if asset.type != SecurityType.EQUITY or asset.get_last_data() is None:
            return ZERO
        return _BASIS_POINT * asset.last_data_price  # type: ignore[no-any-return]


class VolumeShareSlippageModel(LeanObject):
    """Price impact that grows with the square of the order's share of the bar's volume."""

    def __init__(self, volume_limit: Any = "0.025", price_impact: Any = "0.1") -> None:
        self._limit, self._impact = Decimal(str(volume_limit)), Decimal(str(price_impact))

    def get_slippage_approximation(self, asset: Any, order: Order) -> Decimal:
        """Return impact x share squared x price."""
        last = asset.get_last_data()
        if last is None:
            return ZERO
        if isinstance(last, TradeBar):
            volume = to_decimal(last.volume)
        elif isinstance(last, QuoteBar):
            volume = to_decimal(last.last_bid_size if order.exact_quantity > 0 else last.last_ask_size)
        else:
            raise ValueError(f"VolumeShareSlippageModel needs bars; the last data of {asset.symbol} is {last!r}")
        if volume <= 0:
            if asset.type in (SecurityType.CFD, SecurityType.FOREX, SecurityType.CRYPTO):
                return ZERO
            return self._limit**2 * self._impact * asset.last_data_price  # type: ignore[no-any-return]
        share = min(abs(order.exact_quantity) / volume, self._limit)
        return share**2 * self._impact * asset.last_data_price  # type: ignore[no-any-return]


def slippage_of(asset: Any, order: Order) -> Decimal:
    """Ask a security's slippage model, which may be the user's."""
    model = asset.slippage_model
    if model is None or type(model) is NullSlippageModel:
        return ZERO
    function = find_member(model, "get_slippage_approximation")
    if function is None:
        raise ValueError(f"{type(model).__name__} has no get_slippage_approximation")
    return to_decimal(function(asset, order))
