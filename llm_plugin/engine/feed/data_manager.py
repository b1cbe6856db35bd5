"""Running streams: creation, order within a slice, fill resolution, currency conversion feeds."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, cast

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType, resolution_span
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.base.zones import DAY_US, MINUTE_US, SECOND_US
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.feed.bar_stream import FOREVER, BarSource, BarStream, PointStream
from llm_plugin.engine.feed.corporate_events import corporate_events, ticker_changes
from llm_plugin.engine.feed.filters import FilteredStream
from llm_plugin.engine.feed.subscriptions import SubscriptionDataConfig
from llm_plugin.engine.feed.tick_stream import TickStream
from llm_plugin.engine.portfolio.conversions import Conversions
from llm_plugin.engine.securities.security import Security

if TYPE_CHECKING:
    from llm_plugin.engine.data.custom_data import CustomDataConfig

__all__ = ["DataManager"]

_SEED_DAYS = {Resolution.DAILY: 15, Resolution.HOUR: 10}


class DataManager:
    """Keeps one stream per subscription and hands out points in order of emission.

    Args:
        core: The run.
        start_us: First moment of the run (of the warm-up, if there is one).
        end_us: Last moment.
    """

    def __init__(self, core: EngineCore, start_us: int, end_us: int) -> None:
        self.core = core
        self.start_us = start_us
        self.end_us = end_us
        self.heap: list[tuple[int, int, Any]] = []
        self.points = 0
        # Counts how often the streams were put in order anew.
        self.version = 0
        self._streams: list[Any] = []
        self._corporate: set[Any] = set()
        self._span = MINUTE_US
        self._conversions = Conversions(self)

    # Streams.
    def fill_span(self) -> int:
        """Return the fill resolution in microseconds: the finest of the user's filled subscriptions."""
        spans = [
            int(resolution_span(config.resolution).total_seconds()) * SECOND_US
            for config in self.core.subscription_manager.subscriptions
            if config.fill_data_forward and config.resolution != Resolution.TICK
        ]
        return min(spans, default=MINUTE_US)

    def activate(self, now_us: int) -> bool:
        """Start the streams that wait; return whether anything changed."""
        core = self.core
        waiting, core.pending_streams = core.pending_streams, []
        if not waiting:
            return False
        self._refill(now_us)
        for config in waiting:
            self._start(config, now_us)
        self._rebuild()
        return True

    def _refill(self, now_us: int) -> None:
        """Let what is filled forward begin anew where the fill resolution has changed."""
        span = self.fill_span()
        if span == self._span:
            return
        self._span = span
        for stream in self._streams:
            stream.refill(span, now_us)
        if self.core.universes is not None:
            self.core.universes.restart(now_us)

    def _start(self, config: SubscriptionDataConfig, now_us: int) -> None:
        core = self.core
        security = next(s for s in self._all_securities() if config in s.subscriptions)
        late = bool(core.clock.ticks)
        first = now_us <= self.start_us and not late
        # A stream added later starts with the bar that ends at this moment; a tick past it, with the next one.
        start = self.start_us if first else now_us + late
        streams = self._make(config, security, start)
        config.stream = streams[0]
        if security.data_filter is not None and not config.is_internal_feed:
            streams = [FilteredStream(stream, security) for stream in streams]
        self._streams += streams
        config.restart = lambda: self._restart(config, security)
        equity = config.security_type == SecurityType.EQUITY and not config.is_internal_feed
        if (equity or config.follows_tickers) and config.symbol not in self._corporate:
            self._corporate.add(config.symbol)
            hours = core.entry_of(config.symbol).exchange_hours
            # What happened at this midnight is over for who comes now.
            since = start if first else now_us + 1
            events_of = corporate_events if equity else ticker_changes
            events = events_of(core.data_folder, config.symbol, hours, since, self.end_us)
            self._streams.append(PointStream(config, security, events, auxiliary=True))

    def _restart(self, config: SubscriptionDataConfig, security: Security) -> None:
        """Begin a stream anew from now on, with what came before for fill-forward."""
        if config not in security.subscriptions or config.is_custom_data:
            return
        now = self.core.clock.utc_us
        kept = [s for s in self._streams if s.config is not config or isinstance(s, PointStream)]
        streams = self._make(config, security, max(self.start_us, now - 5 * DAY_US))
        if security.data_filter is not None and not config.is_internal_feed:
            streams = [FilteredStream(stream, security) for stream in streams]
        for stream in streams:
            stream.skip_to(now)
        config.stream = streams[0]
        self._streams = kept + streams
        self._rebuild()

    def _make(self, config: SubscriptionDataConfig, security: Security, start: int) -> list[Any]:
        if config.is_custom_data:
            stream: Any = cast("CustomDataConfig", config).open_stream(start, self.end_us)
            stream.security = security
            return [stream]
        source = BarSource.of(self.core, config, start, self.end_us)
        if config.resolution == Resolution.TICK:
            # Suspicious ticks reach the user, but set no price and feed no consolidator.
            return [TickStream(source, security), TickStream(source, security, suspicious=True)]
        return [BarStream(source, security, self._span)]

    def _all_securities(self) -> list[Security]:
        found = self.core.securities.values()
        extra = [s for s in (self.core.benchmark_security, *self.core.internal_securities) if s is not None]
        return found + [s for s in extra if s not in found]

    def _rebuild(self) -> None:
        self._streams = [stream for stream in self._streams if stream.next_emit < FOREVER]
        self._streams.sort(key=_order)
        for rank, stream in enumerate(self._streams):
            stream.rank = rank
            _choose_store(stream)
            stream.unseen = self._is_unseen(stream)
            stream.plain = type(stream) is BarStream
            stream.seen = not stream.config.is_internal_feed
        self.heap[:] = [(stream.next_emit, stream.rank, stream) for stream in self._streams]
        heapq.heapify(self.heap)
        self.version += 1
        beat()

    def reorder(self) -> None:
        """Take over how far the streams are that were read without asking."""
        self.heap[:] = [(entry[2].next_emit, entry[1], entry[2]) for entry in self.heap if entry[2].next_emit < FOREVER]
        heapq.heapify(self.heap)

    def _is_unseen(self, stream: Any) -> bool:
        """Whether points of a stream do nothing but set the benchmark's price."""
        config, security = stream.config, self.core.benchmark_security
        return bool(
            type(stream) is BarStream
            and security is not None
            and security is stream.security
            and config.resolution >= Resolution.HOUR
            and not (config.fill_data_forward or config.consolidators)
            and security.volatility_model is None
        )

    def release(self, security: Security, universe: Any, everything: bool = False) -> None:
        """End the streams of a security that only one universe wanted; all of them if no universe has it any more."""
        core = self.core
        gone = []
        for config in list(security.subscriptions):
            config.owners.discard(universe)
            if config.is_internal_feed or (config.owners and not everything):
                continue
            gone.append(config)
            core.subscription_manager.remove_config(config)
            security.subscriptions.remove(config)
            if config in core.pending_streams:
                core.pending_streams.remove(config)
        left = bool(security.subscriptions)
        self._streams = [s for s in self._streams if s.config not in gone or (s.auxiliary and left)]
        if not left:
            self._corporate.discard(security.symbol)
        self._refill(core.clock.utc_us)
        self._rebuild()

    def collect(self, now_us: int) -> list[tuple[Any, Any]]:
        """Return (stream, point) of everything due up to now, in LEAN's order of a slice."""
        heap = self.heap
        found: list[tuple[Any, Any]] = []
        while heap and heap[0][0] <= now_us:
            _, rank, stream = heap[0]
            point = stream.next_point()
            found.append((stream, point))
            due = stream.next_emit
            if due < FOREVER:
                heapq.heapreplace(heap, (due, rank, stream))
            else:
                heapq.heappop(heap)
        return found

    def is_alone(self, now_us: int) -> bool:
        """Whether only the first stream has data for this moment."""
        heap = self.heap
        return (len(heap) < 2 or heap[1][0] > now_us) and (len(heap) < 3 or heap[2][0] > now_us)

    def skip_first(self, end_us: int) -> list[int]:
        """Drop what the first stream has before a time and before any other stream; the last of it is kept.

        Returns:
            When the dropped points were due; nothing where the stream cannot be passed over.
        """
        heap = self.heap
        _, rank, stream = heap[0]
        others = min([entry[0] for entry in heap[1:3]], default=FOREVER)
        times = stream.skip_before(min(end_us, others))
        if not times:
            return []
        if stream.next_emit < FOREVER:
            heapq.heapreplace(heap, (stream.next_emit, rank, stream))
        else:
            heapq.heappop(heap)
        return times  # type: ignore[no-any-return]

    # The last bar before a moment.
    def last_point(self, config: SubscriptionDataConfig, security: Security, now_us: int) -> Any:
        """Return the last bar that ended up to now, or None."""
        days = _SEED_DAYS.get(config.resolution, 5)
        source = BarSource.of(self.core, config, now_us - days * DAY_US, now_us)
        plain = SubscriptionDataConfig(
            config.type, config.symbol, config.resolution, config.data_time_zone, config.exchange_time_zone,
            tick_type=config.tick_type, fill_forward=False, extended=config.extended_market_hours,
            normalization=config.data_normalization_mode,
        )  # fmt: skip
        source.config = plain
        ticks = config.resolution == Resolution.TICK
        stream: Any = TickStream(source, security) if ticks else BarStream(source, security, self._span)
        last = None
        while stream.next_emit <= now_us:
            last = stream.next_point()
        return last

    def ensure_conversions(self, now_us: int) -> None:
        """Give every currency of the book a conversion path."""
        self._conversions.ensure(now_us)


def _order(stream: Any) -> tuple[int, int, str, int]:
    config = stream.config
    return int(config.security_type), int(config.tick_type), config.symbol.value, int(config.resolution)


def _choose_store(stream: Any) -> None:
    """Bind the function that caches a real point of this stream."""
    config, cache = stream.config, stream.security.cache
    if stream.auxiliary:
        stream.store = None
    elif config.is_custom_data:
        stream.store = cache.store_custom
    elif config.resolution == Resolution.TICK:
        quotes = config.security_type == SecurityType.EQUITY and config.tick_type == TickType.QUOTE
        stream.store = cache.store_side_tick if quotes else cache.store_tick
    elif config.security_type in (SecurityType.EQUITY, SecurityType.INDEX):
        trade = config.tick_type == TickType.TRADE
        stream.store = cache.store_equity_trade if trade else cache.store_equity_quote
    elif config.tick_type == TickType.TRADE:
        stream.store = cache.store_trade
    else:
        # Only series of one chunk are known to the end.
        whole = getattr(stream, "both_sides", False) and config.resolution >= Resolution.HOUR
        stream.store = cache.store_full_quote if whole else cache.store_quote
