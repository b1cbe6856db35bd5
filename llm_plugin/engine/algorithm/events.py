"""The event handlers that user classes override."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.universe.changes import SecurityChanges

__all__ = ["EventHandlers"]


class EventHandlers(LeanObject):
    """Each does nothing until a user class overrides it, in either spelling."""

    def initialize(self) -> None:
        """Set up; the user's class overrides it."""

    def post_initialize(self) -> None:
        """Run after initialize."""

    def on_data(self, slice: Any) -> None:
        """Take a slice."""

    def on_order_event(self, order_event: Any) -> None:
        """Take an order event."""

    def on_end_of_algorithm(self) -> None:
        """Run once after the last slice."""

    def on_end_of_day(self, symbol: Any = None) -> None:
        """Run ten minutes before each market close."""

    def on_securities_changed(self, changes: SecurityChanges) -> None:
        """Take additions and removals."""

    def on_warmup_finished(self) -> None:
        """Run once the warm-up is over."""

    def on_dividends(self, dividends: Any) -> None:
        """Take dividends."""

    def on_splits(self, splits: Any) -> None:
        """Take splits."""

    def on_delistings(self, delistings: Any) -> None:
        """Take delistings."""

    def on_symbol_changed_events(self, symbols_changed: Any) -> None:
        """Take ticker changes."""

    def on_margin_call(self, requests: Any) -> Any:
        """Edit the orders of a margin call."""
        return requests

    def on_margin_call_warning(self) -> None:
        """Run when free margin gets low."""

    def on_brokerage_message(self, message: Any) -> None:
        """Take a brokerage's message (live trading)."""

    def on_brokerage_disconnect(self) -> None:
        """Live trading only."""

    def on_brokerage_reconnect(self) -> None:
        """Live trading only."""

    def on_command(self, data: Any) -> Any:
        """Live trading only."""
        return None
