"""Streams of ready-made points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_plugin.engine.feed.subscriptions import SubscriptionDataConfig

__all__ = ["FOREVER", "PointStream"]

FOREVER = 1 << 62


class PointStream:
    """Ready-made points: corporate events, custom data, ticks."""

    def __init__(
        self,
        config: SubscriptionDataConfig,
        security: Any,
        points: Iterator[tuple[int, Any]],
        *,
        auxiliary: bool = False,
    ) -> None:
        self.auxiliary = auxiliary
        self.store: Any = None
        self.config = config
        self.security = security
        self.rank = 0
        self._points = points
        self._next: Any = None
        self.next_emit = 0
        self._advance()

    def _advance(self) -> None:
        pair = next(self._points, None)
        self.next_emit, self._next = (FOREVER, None) if pair is None else pair

    def next_point(self) -> Any:
        """Return the next point and move on."""
        point = self._next
        self._advance()
        return point

    def refill(self, fill_span: int, now_us: int) -> None:
        """Nothing is filled."""

    def skip_to(self, now_us: int) -> None:
        """Drop points that were due before or at a time."""
        while self.next_emit <= now_us:
            self._advance()
