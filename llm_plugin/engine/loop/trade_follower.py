"""Prices for the open trades of a stretch, held back until somebody needs them."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from llm_plugin.engine.base.enums import SecurityType, TickType
from llm_plugin.engine.statistics import TradeBuilder
from llm_plugin.engine.statistics.open_trades import OpenPosition

__all__ = ["TradeFollower", "sets_price"]

_BY_TRADE = (SecurityType.EQUITY, SecurityType.INDEX)
_BY_QUOTE = (SecurityType.FOREX, SecurityType.CFD)


def sets_price(stream: Any) -> bool:
    """Whether bars of a stream can be what their security is valued at: all but quotes beside trades."""
    return stream.security.type not in _BY_TRADE or stream.config.tick_type == TickType.TRADE


class TradeFollower:
    """Tells the built-in trade builder of many prices at once, before a fill and at the end.

    Args:
        builder: The algorithm's.
        streams: Whose bars come.
    """

    def __init__(self, builder: Any, streams: list[Any]) -> None:
        self._builder, self._streams = builder, streams
        self._items: list[tuple[OpenPosition, Any]] = []
        self._since: list[int] = []

    def begin(self) -> bool:
        """Start at the streams' next points; return False where prices cannot be held back."""
        held = [stream for stream in self._streams if stream.security.holdings.exact_quantity]
        if not held:
            return True
        if type(self._builder) is not TradeBuilder:
            return False
        for stream in held:
            if not sets_price(stream):
                continue
            kind, security = stream.config.tick_type, stream.security
            single = kind == TickType.TRADE if security.type in _BY_TRADE else security.type in _BY_QUOTE
            position = self._builder.position(security.symbol)
            if not single or (position is not None and len(position.open) != 1):
                return False
            if position is not None:
                self._items.append((position, stream))
                self._since.append(stream.place)
        self._builder.behind = self._catch_up
        return True

    def end(self) -> None:
        """Tell the rest."""
        if self._items:
            self._catch_up()
        if type(self._builder) is TradeBuilder:
            self._builder.behind = None

    def _catch_up(self) -> None:
        for at, (position, stream) in enumerate(self._items):
            since, place = self._since[at], stream.place
            if since == place:
                continue
            self._since[at] = place
            first, end = stream.rows_between(since, place)
            if first < end:
                values, digits = stream.exact_values
                position.follow_many(values[first:end], digits, partial(_exact, stream, first))


def _exact(stream: Any, first: int, place: int) -> Decimal:
    return stream.exact_value(first + place)  # type: ignore[no-any-return]
