"""The consolidators' part of the time loop: who is told of a bar, who is asked the time, who follows a stream."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.consolidators import DataConsolidator
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.feed.bar_stream import BarStream
from llm_plugin.engine.feed.data_manager import DataManager
from llm_plugin.engine.loop.indicator_lanes import Lane

__all__ = ["LoopConsolidators"]


class LoopConsolidators:
    """Feeds the consolidators of all subscriptions; `version` is that of the subscriptions it knows.

    Args:
        core: The run.
        manager: Its streams.
    """

    def __init__(self, core: EngineCore, manager: DataManager) -> None:
        self._core, self._manager = core, manager
        self.version = -1
        # Subscriptions that have any, and what wants to know the time.
        self.configs: list[Any] = []
        self.scannable: list[tuple[Any, Any, Any]] = []

    def follow(self) -> None:
        """Between two moments: let indicators that can follow the stream they hang on."""
        for _, _, stream in self._manager.heap:
            config = stream.config
            # A filtered stream drops bars that its file has.
            if type(stream) is BarStream and config.consolidators:
                if stream.lane is None:
                    _end(config)
                    stream.lane = config.lane = Lane(stream)
                stream.lane.follow(config.consolidators)
        self._collect()

    def catch_up(self, now: int) -> None:
        """Learn what changed, and scan what was due before a moment, with the clock at its own time."""
        self.renew()
        if self.scannable:
            self._scan_past(now)

    def renew(self) -> None:
        """Learn what changed since the last look."""
        if self._core.subscription_manager.version != self.version:
            self._collect()

    def tell(self, updates: list[tuple[Any, Any]]) -> None:
        """Hand the points of a moment on, and tell the time."""
        for stream, point in updates:
            consolidators = stream.config.consolidators
            if consolidators and not stream.auxiliary:
                lane = stream.config.lane
                if lane is not None and lane.stream is not stream:
                    _end(stream.config)
                    lane = None
                for consolidator in list(consolidators) if lane is None else lane.advance(consolidators):
                    consolidator.update(point)
        if self.scannable:
            now = self._core.clock.utc_us
            for where, _, scan in self.scannable:
                scan(from_us(where.local(now)))

    def _collect(self) -> None:
        manager = self._core.subscription_manager
        self.version = manager.version
        self.configs = [config for config in manager.all_configs if config.consolidators]
        self.scannable = []
        for config in self.configs:
            lane = config.lane
            for consolidator in config.consolidators[0 if lane is None else lane.followed :]:
                scan = find_member(consolidator, "scan")
                if scan is not None and _has_scan(consolidator):
                    self.scannable.append((config.exchange_time_zone, consolidator, scan))

    def _scan_past(self, now: int) -> None:
        for where, consolidator, scan in self.scannable:
            working = getattr(consolidator, "working_data", None)
            period = getattr(consolidator, "period", None)
            if working is None or period is None or working.time is None:
                continue
            due = where.utc(to_us(working.time + period))
            if due < now:
                self._core.clock.utc_us = max(due, self._core.clock.utc_us)
                scan(working.time + period)


def _end(config: Any) -> None:
    """A stream that began anew is another one: what followed the old one is ordinary again."""
    if config.lane is not None:
        config.lane.release()
        config.lane = None


def _has_scan(consolidator: Any) -> bool:
    """True if the consolidator does something in `scan`."""
    own = getattr(type(consolidator), "scan", None)
    return own is not None and own is not DataConsolidator.scan
