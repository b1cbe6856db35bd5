"""The consolidators' part of the time loop: who is told of a bar, who is asked the time, who follows a stream."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.zones import from_us
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
        # Subscriptions that have any, and whether one wants to know the time.
        self.configs: list[Any] = []
        self.scannable = False

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
        """Learn what changed, and ask what was due before a moment, with the clock at its own time."""
        self.renew()
        if self.scannable:
            self._core.subscription_manager.scans.ask_past(now)

    def renew(self) -> None:
        """Learn what changed since the last look."""
        if self._core.subscription_manager.version != self.version:
            self._collect()

    def tell(self, updates: list[tuple[Any, Any]]) -> None:
        """Hand the points of a moment on; those who have seen their stream's last one are told the time."""
        last = len(updates) - 1
        for at, (stream, point) in enumerate(updates):
            consolidators = stream.config.consolidators
            if consolidators and not stream.auxiliary:
                lane = stream.config.lane
                if lane is not None and lane.stream is not stream:
                    _end(stream.config)
                    lane = None
                told = list(consolidators) if lane is None else lane.advance(consolidators)
                for consolidator in told:
                    consolidator.update(point)
                if self.scannable and (at == last or updates[at + 1][0] is not stream):
                    self._tell_time(told, stream.config.exchange_time_zone)

    def _tell_time(self, told: list[Any], where: Any) -> None:
        local, find = from_us(where.local(self._core.clock.utc_us)), self._core.subscription_manager.scans.of
        for consolidator in told:
            planned = find(consolidator)
            if planned is not None:
                planned.ask(local)

    def _collect(self) -> None:
        manager = self._core.subscription_manager
        self.version = manager.version
        self.configs = [config for config in manager.all_configs if config.consolidators]
        self.scannable = bool(manager.scans)


def _end(config: Any) -> None:
    """A stream that began anew is another one: what followed the old one is ordinary again."""
    if config.lane is not None:
        config.lane.release()
        config.lane = None
