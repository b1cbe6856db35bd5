"""A user's data filter between a stream and the run."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.feed.bar_stream import FOREVER

__all__ = ["FilteredStream", "SecurityDataFilter"]


class SecurityDataFilter(LeanObject):
    """Base of data filters: `filter(security, data)` says whether a point counts."""

    def filter(self, vehicle: Any, data: Any) -> bool:
        """Accept everything."""
        return True


class FilteredStream:
    """A stream without the points that the security's data filter refuses.

    Args:
        stream: The stream.
        security: Its security, with a data filter.
    """

    def __init__(self, stream: Any, security: Any) -> None:
        self._stream = stream
        self._accepts = find_member(security.data_filter, "filter")
        self.config, self.security, self.auxiliary = stream.config, security, stream.auxiliary
        self.both_sides = stream.both_sides
        self.store: Any = None
        self.rank = 0
        self.next_emit = FOREVER
        self._next: Any = None
        self._advance()

    def _advance(self) -> None:
        stream = self._stream
        while stream.next_emit < FOREVER:
            due, point = stream.next_emit, stream.next_point()
            if self._accepts is None or self._accepts(self.security, point):
                self.next_emit, self._next = due, point
                return
        self.next_emit, self._next = FOREVER, None

    def next_point(self) -> Any:
        """Return the next accepted point and move on."""
        point = self._next
        self._advance()
        return point

    def refill(self, fill_span: int, now_us: int) -> None:
        """Take over a new fill resolution; a stream that does not change keeps the point at hand."""
        stream = self._stream
        before = getattr(stream, "fill_span", fill_span)
        starts_over = before != fill_span and self.config.fill_data_forward and stream.next_emit < FOREVER
        stream.refill(fill_span, now_us)
        if starts_over:
            self._advance()

    def skip_to(self, now_us: int) -> None:
        """Drop points that were due before or at a time."""
        while self.next_emit <= now_us:
            self._advance()
