"""Fill-forward copies of bars."""

from __future__ import annotations

from datetime import datetime, timedelta

from llm_plugin.engine.base.zones import EPOCH
from llm_plugin.engine.feed.lazy_bars import BarBlock, FeedQuoteBar, FeedTradeBar

__all__ = ["FilledQuoteBar", "FilledTradeBar"]


class FilledTradeBar(FeedTradeBar):
    """A fill-forward copy: the last bar's prices at a later time, without volume."""

    __slots__ = ("_end_local", "_span")

    is_fill_forward = True

    def __init__(self, block: BarBlock, row: int, end_local: int, span: int) -> None:
        super().__init__(block, row)
        self._end_local, self._span = end_local, span  # type: ignore[misc]

    @property
    def time(self) -> datetime:  # type: ignore[override]
        """Start in the exchange's time zone."""
        return EPOCH + timedelta(microseconds=self._end_local - self._span)

    @property  # type: ignore[misc]
    def end_time(self) -> datetime:
        """End in the exchange's time zone."""
        return EPOCH + timedelta(microseconds=self._end_local)

    @property
    def _start_local(self) -> int:
        return self._end_local - self._span

    @property
    def period(self) -> timedelta:  # type: ignore[override]
        """Length."""
        return timedelta(microseconds=self._span)

    @property
    def volume(self) -> float:  # type: ignore[override]
        """None was traded."""
        return 0.0


class FilledQuoteBar(FeedQuoteBar):
    """A fill-forward copy: the last quote at a later time."""

    __slots__ = ("_end_local", "_span")

    is_fill_forward = True

    def __init__(self, block: BarBlock, row: int, end_local: int, span: int) -> None:
        super().__init__(block, row)
        self._end_local, self._span = end_local, span  # type: ignore[misc]

    @property
    def time(self) -> datetime:  # type: ignore[override]
        """Start in the exchange's time zone."""
        return EPOCH + timedelta(microseconds=self._end_local - self._span)

    @property  # type: ignore[misc]
    def end_time(self) -> datetime:
        """End in the exchange's time zone."""
        return EPOCH + timedelta(microseconds=self._end_local)

    @property
    def _start_local(self) -> int:
        return self._end_local - self._span

    @property
    def period(self) -> timedelta:  # type: ignore[override]
        """Length."""
        return timedelta(microseconds=self._span)
