"""What dividends, splits, delistings and ticker changes do to the account, and how the algorithm hears of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_plugin.engine.base.enums import DataNormalizationMode, DelistingType, SplitType
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.brokerages.models import DefaultBrokerageModel
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.data.corporate_data import Delisting, Dividend, Split, SymbolChangedEvent
from llm_plugin.engine.data.slices import Slice
from llm_plugin.engine.models.volatility import warm_up_volatility

__all__ = ["CorporateActions"]

Events = list[tuple[Any, Any]]
_CASH_DIVIDENDS = (DataNormalizationMode.RAW, DataNormalizationMode.SPLIT_ADJUSTED)


class CorporateActions:
    """Applies the corporate events of a moment.

    Args:
        core: The run.
        handlers: The user's handlers of `splits`, `dividends` and `delistings`, None where there is none.
    """

    def __init__(self, core: EngineCore, handlers: Mapping[str, Any]) -> None:
        self._core = core
        self._handlers = handlers

    def tell_ticker_changes(self, events: Events) -> None:
        """Tell the user of new tickers, and cancel open orders of the old ones."""
        algorithm = self._core.algorithm
        found = [point for _, point in events if isinstance(point, SymbolChangedEvent)]
        if not found:
            return
        algorithm.on_symbol_changed_events(algorithm._current_slice.symbol_changed_events)
        for event in found:
            text = "Open order cancelled on symbol changed event"
            self._core.transactions.cancel_open_orders(event.symbol, text)

    def apply(self, events: Events) -> None:
        """Pay dividends, split positions and orders, sell what is delisted."""
        warming = self._core.is_warming_up
        for security, point in events:
            mode = security.data_normalization_mode
            if isinstance(point, Dividend):
                if mode in _CASH_DIVIDENDS and not warming:
                    self._core.portfolio.apply_dividend(security, point.exact_distribution)
                self._restart_volatility(security, mode)
            elif isinstance(point, Split):
                occurred = point.type == SplitType.SPLIT_OCCURRED
                if occurred and mode == DataNormalizationMode.RAW and not warming:
                    self._split(security, point)
                if occurred:
                    self._restart_volatility(security, mode)
            elif isinstance(point, Delisting) and point.type == DelistingType.DELISTED:
                self._delist(security, point)

    def _restart_volatility(self, security: Any, mode: Any) -> None:
        # Raw prices jump: the model starts over with history that does not.
        if security.volatility_model is not None and mode == DataNormalizationMode.RAW:
            warm_up_volatility(self._core.algorithm, security, mode)

    def _split(self, security: Any, event: Split) -> None:
        core, factor = self._core, event.exact_factor
        core.portfolio.apply_split(security, factor, to_decimal(event.reference_price))
        # Queued like updates of the user's: they take effect at the end of this time step.
        tickets = core.transactions.get_open_order_tickets(security.symbol)
        if tickets:
            adapt = find_member(core.brokerage_model, "apply_split") or DefaultBrokerageModel().apply_split
            adapt(tickets, event)
        core.algorithm.trade_builder.apply_split(security.symbol, factor)

    def _delist(self, security: Any, event: Delisting) -> None:
        core = self._core
        core.transactions.cancel_open_orders(security.symbol, "Canceled due to delisting")
        core.transactions.process_synchronous_events()
        quantity = security.holdings.exact_quantity
        if quantity != 0:
            event.ticket = core.transactions.force_fill(
                security, -quantity, security.exact_price, "Liquidate from delisting"
            )
        security.is_tradable = False
        security.is_delisted = True

    def tell(self, data: Slice) -> None:
        """Call the user's handlers: splits, dividends, delistings."""
        for name in ("splits", "dividends", "delistings"):
            handler, found = self._handlers[name], getattr(data, name)
            if handler is not None and found.count:
                handler(found)
