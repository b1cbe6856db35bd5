"""LEAN's `on_end_of_day`: once a day, or ten minutes before the close of each security while it is there."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

__all__ = ["EndOfDay"]

_MINUTES_BEFORE_CLOSE = 10


class EndOfDay:
    """Schedules the user's handler; nothing where there is none.

    Args:
        algorithm: The algorithm.
    """

    def __init__(self, algorithm: Any) -> None:
        from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm

        self._rules, self._clock = algorithm.schedule, algorithm._engine.clock
        mine = type(algorithm).on_end_of_day is not QCAlgorithm.on_end_of_day
        self._handler = algorithm.on_end_of_day if mine else None
        self._each = self._handler is not None and bool(inspect.signature(self._handler).parameters)
        self._events: dict[Any, Any] = {}

    def start(self, securities: Iterable[Any]) -> None:
        """Begin with the securities of the start."""
        if self._handler is not None and not self._each:
            rules = self._rules
            rules.on("End of day", rules.date_rules.every_day(), rules.time_rules.at(23, 58), self._handler)
        self.follow(securities, ())

    def follow(self, added: Iterable[Any], removed: Iterable[Any]) -> None:
        """Take securities in that came, and let go those that left."""
        if not self._each:
            return
        for security in added:
            if security.symbol not in self._events and not security.is_internal:
                self._events[security.symbol] = self._schedule(security)
        for security in removed:
            event = self._events.pop(security.symbol, None)
            if event is not None:
                self._rules.remove(event)

    def _schedule(self, security: Any) -> Any:
        rules, symbol, clock = self._rules, security.symbol, self._clock
        times, began = rules.time_rules, clock.utc_us
        if security.exchange.hours.is_market_always_open:
            when = times.midnight
        else:
            when = times.before_market_close(symbol, _MINUTES_BEFORE_CLOSE, security.is_extended_market_hours)

        def tell() -> None:
            # A security that comes at the very time of its event waits for the next day's.
            if clock.utc_us > began and self._handler is not None:
                self._handler(symbol)

        return rules.on(f"{symbol} end of day", rules.date_rules.every_day(symbol), when, tell)
