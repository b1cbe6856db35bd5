"""What takes a brokerage's messages. A backtest's brokerage has none, so only user code calls it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from llm_plugin.engine.base.enums import BrokerageMessageType
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.core import EngineCore
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["BrokerageMessageApi", "DefaultBrokerageMessageHandler"]


class DefaultBrokerageMessageHandler(LeanObject):
    """Writes messages to the log; takes no order that the algorithm did not send.

    Args:
        algorithm: The running algorithm.
        initial_delay: How long LEAN waits for a reconnection (live trading).
        open_threshold: How long before a market opens LEAN looks for it (live trading).
    """

    def __init__(
        self, algorithm: Any, initial_delay: timedelta | None = None, open_threshold: timedelta | None = None
    ) -> None:
        self._algorithm = algorithm
        self._warned = False

    def handle_message(self, message: Any) -> None:
        """Log information and warnings; an error ends the run."""
        kind = BrokerageMessageType(message.type)
        if kind == BrokerageMessageType.INFORMATION:
            self._algorithm.debug(f"Brokerage Info: {message.message}")
        elif kind == BrokerageMessageType.WARNING:
            self._algorithm.error(f"Brokerage Warning: {message.message}")
        elif kind == BrokerageMessageType.ERROR:
            raise RuntimeError(f"Brokerage Error: {message.message}")
        else:
            raise UnsupportedLeanApi(f"BrokerageMessageType.{kind}", "of a live brokerage")

    def handle_order(self, event_args: Any) -> bool:
        """Refuse it; the first time with a message."""
        if not self._warned:
            self._warned = True
            broker_id = next(iter(event_args.order.broker_id), "")
            self._algorithm.error(
                f"Ignoring unrecognized order (BrokerId: {broker_id}). Please use 'SetBrokerageMessageHandler(...)' to "
                "set a custom brokerage message handler to optionally accept unknown orders."
            )
        return False


class BrokerageMessageApi(LeanObject):
    """`brokerage_message_handler` of an algorithm."""

    _engine: EngineCore
    _message_handler: Any = None

    @property
    def brokerage_message_handler(self) -> Any:
        """What takes the brokerage's messages."""
        if self._message_handler is None:
            self._message_handler = DefaultBrokerageMessageHandler(self)
        return self._message_handler

    def set_brokerage_message_handler(self, handler: Any) -> None:
        """Take the brokerage's messages yourself."""
        if handler is None or find_member(handler, "handle_message") is None:
            raise ValueError(f"{handler!r} has no handle_message(message); derive from DefaultBrokerageMessageHandler")
        self._message_handler = handler
