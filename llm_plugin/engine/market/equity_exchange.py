"""The hours of US equities, for securities that have none of their own."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.core import current_context
from llm_plugin.engine.market.market_hours import ExchangeHours, load_market_hours
from llm_plugin.engine.market.symbols import Market
from llm_plugin.engine.securities.cache import SecurityExchange

__all__ = ["EquityExchange"]


class EquityExchange(SecurityExchange):
    """`security.exchange = EquityExchange()`: custom data then keeps the hours of equities.

    Args:
        exchange_hours: Other hours than those of the market hours database.
    """

    def __init__(self, exchange_hours: ExchangeHours | None = None) -> None:
        context = current_context()
        hours: Any = exchange_hours
        if hours is None:
            entries = load_market_hours(context.data_folder)
            hours = entries.get_entry(Market.USA, None, SecurityType.EQUITY).exchange_hours
        super().__init__(hours, context.clock)

    @property
    def trading_days_per_year(self) -> int:
        """252."""
        return 252
