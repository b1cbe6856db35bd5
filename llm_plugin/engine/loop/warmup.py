"""When a run with warm-up begins."""

from __future__ import annotations

from datetime import datetime, timedelta

from llm_plugin.engine.base.enums import Resolution, resolution_span
from llm_plugin.engine.base.zones import DAY_US, SECOND_US, from_us, to_us
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.feed.bar_stream import BarSource
from llm_plugin.engine.feed.subscriptions import SubscriptionDataConfig
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["bars_back", "warmup_start"]


def warmup_start(core: EngineCore) -> datetime:
    """Return the first moment, in the algorithm's zone: the start date, or the beginning of the warm-up."""
    if core.warmup_span is None and not core.warmup_bars:
        return core.start
    resolution = _resolution(core)
    if core.warmup_span is not None:
        return core.start - core.warmup_span
    count = core.warmup_bars or 0
    zone = core.clock.zone
    start_us = zone.utc(to_us(core.start))
    earliest = start_us
    for config in core.subscription_manager.subscriptions:
        earliest = min(earliest, bars_back(core, config, start_us, count, resolution))
    return from_us(zone.local(earliest))


def _resolution(core: EngineCore) -> Resolution | None:
    """Return the warm-up's own resolution, if it is that of all streams: LEAN would warm up on other bars else."""
    if core.settings.warmup_resolution is None:
        return None
    wanted = Resolution(core.settings.warmup_resolution)
    for config in core.subscription_manager.subscriptions:
        if config.resolution != wanted and not config.is_internal_feed:
            raise UnsupportedLeanApi(
                f"QCAlgorithm.set_warm_up(..., Resolution.{wanted})",
                f"{config.symbol} is subscribed at {config.resolution} and the engine warms up on those bars only: "
                "leave the resolution out, or warm indicators up with warm_up_indicator or history",
            )
    return wanted


def bars_back(
    core: EngineCore, config: SubscriptionDataConfig, now_us: int, count: int, resolution: Resolution | None = None
) -> int:
    """Return the UTC time from which `count` bars of a stream end up to now, counted by market hours.

    Args:
        core: The run.
        config: The stream.
        now_us: Now.
        count: Number of bars.
        resolution: Another bar length than the stream's.
    """
    entry = core.entry_of(config.symbol)
    wanted = config.resolution if resolution is None else resolution
    probe = SubscriptionDataConfig(
        config.type, config.symbol, wanted, config.data_time_zone, config.exchange_time_zone,
        tick_type=config.tick_type, extended=config.extended_market_hours,
    )  # fmt: skip
    zone = entry.exchange_hours.time_zone
    span = max(int(resolution_span(wanted).total_seconds()), 1) * SECOND_US
    local = zone.local(now_us)
    days = max(3, int(timedelta(microseconds=span) / timedelta(days=1) * count * 2) + 10)
    while True:
        source = BarSource.of(core, probe, now_us - days * DAY_US, now_us)
        starts, _ = source.fill_grid(span, local - days * DAY_US, local)
        if len(starts) >= count or days > 20_000:
            row = max(0, len(starts) - count)
            return zone.utc(int(starts[row])) if len(starts) else now_us
        days *= 2
