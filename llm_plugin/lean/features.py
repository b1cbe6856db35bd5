"""Bars and features per symbol: the plugin's own consolidators, independent of what the algorithm consolidates.

A feed turns LEAN's quote or trade bars into `PriceBar`s at `features.resolution`, keeps the feature engine and the
ATR of the exit plan up to date, and hands each completed bar on. It is filled from history when it starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, Protocol

from llm_plugin.domain import PriceBar
from llm_plugin.errors import ConfigError, DataError, did_you_mean
from llm_plugin.lean.compat import (
    RESOLUTIONS,
    each,
    lean_api,
    local_to_utc,
    number,
    resolution_seconds,
    security_id,
    ticker,
    zone_of,
)

__all__ = ["AverageTrueRange", "FeatureRuntime", "Feed", "FeedHub", "price_bar"]

HISTORY_BARS = 300
"""Bars asked from history when a feed starts: more than the longest feature window."""

FOREX, CFD = 4, 6


class FeatureRuntime(Protocol):
    """What a feed needs of `llm_plugin.features.FeatureEngine`."""

    @property
    def ready(self) -> bool:
        """True once every feature that can be available is."""

    def update(self, bar: PriceBar) -> None:
        """Take the next completed bar."""

    def as_dict(self) -> dict[str, float]:
        """Return the available features by name."""

    def rescale(self, factor: float, volume_factor: float | None = None) -> None:
        """Bring remembered prices and volumes to a new scale."""


class AverageTrueRange:
    """Wilder's average true range on mid prices; the exit plan's unit, with or without a feature engine."""

    __slots__ = ("_count", "_previous_close", "period", "value")

    def __init__(self, period: int) -> None:
        self.period = period
        self.value = math.nan
        self._count = 0
        self._previous_close = math.nan

    @property
    def ready(self) -> bool:
        """True after `period` bars."""
        return self._count >= self.period

    def update(self, bar: PriceBar) -> None:
        """Take the next bar."""
        high, low, previous = bar.high, bar.low, self._previous_close
        span = high - low if previous != previous else max(high, previous) - min(low, previous)
        count = min(self._count, self.period - 1)
        self.value = span if self._count == 0 else (self.value * count + span) / (count + 1)
        self._count += 1
        self._previous_close = bar.close

    def rescale(self, factor: float) -> None:
        """Follow a split or dividend under raw prices."""
        self.value *= factor
        self._previous_close *= factor


class Feed:
    """The bars and features of one symbol."""

    __slots__ = (
        "_algorithm",
        "_consolidator",
        "_filled",
        "_first",
        "_on_bar",
        "_user",
        "atr",
        "bars",
        "engine",
        "follow_after",
        "last",
        "missed",
        "resolution",
        "seconds",
        "security",
        "symbol",
        "symbol_id",
        "ticker",
        "user_values",
        "zone",
    )

    def __init__(
        self,
        security: Any,
        resolution: str,
        engine: FeatureRuntime | None,
        atr_period: int,
        on_bar: Callable[[Feed, PriceBar], None],
        user: Callable[[Feed, PriceBar], dict[str, float]] | None = None,
    ) -> None:
        """Create a feed that is not connected yet.

        Args:
            security: LEAN's security.
            resolution: `features.resolution`; a coarser subscription wins.
            engine: Feature engine, None where decisions come from a record.
            atr_period: Bars of the exit plan's ATR.
            on_bar: Called with each completed bar after features and ATR are up to date.
            user: Computes the user-registered features, once per bar.
        """
        self.security = security
        self.symbol = security.symbol
        self.symbol_id = security_id(security.symbol)
        self.ticker = ticker(security.symbol)
        self.zone: tzinfo = zone_of(security)
        self.seconds = max(RESOLUTIONS[resolution], _subscribed_seconds(security))
        self.resolution = next(name for name, seconds in RESOLUTIONS.items() if seconds >= self.seconds)
        self.engine = engine
        self.atr = AverageTrueRange(atr_period)
        self.last: PriceBar | None = None
        self.bars = 0
        self.user_values: dict[str, float] = {}
        self._on_bar = on_bar
        self._user = user
        self._algorithm: Any = None
        self._consolidator: Any = None
        self._filled = False
        self._first = False
        # After a restart: the last bar that was followed, and those that have come since.
        self.follow_after: datetime | None = None
        self.missed: list[PriceBar] = []

    @property
    def ready(self) -> bool:
        """True if a question can be asked: ATR known and, where there is one, the feature engine ready."""
        return self.atr.ready and (self.engine is None or self.engine.ready)

    def connect(self, algorithm: Any) -> None:
        """Register the feed's own consolidator."""
        self._algorithm = algorithm
        self._first = bool(algorithm.live_mode)
        resolution = getattr(lean_api().Resolution, self.resolution.upper())
        self._consolidator = algorithm.resolve_consolidator(self.symbol, resolution)
        self._consolidator.data_consolidated += self._consolidated
        algorithm.subscription_manager.add_consolidator(self.symbol, self._consolidator)

    def disconnect(self, algorithm: Any) -> None:
        """Take the consolidator out again."""
        if self._consolidator is not None:
            self._consolidator.data_consolidated -= self._consolidated
            algorithm.subscription_manager.remove_consolidator(self.symbol, self._consolidator)
            self._consolidator = None

    def fill(self) -> int:
        """Take the bars that lie behind from LEAN's history, before the first bar or question; returns how many."""
        if self._filled:
            return 0
        self._filled = True
        return sum(self._take(bar) for bar in self._history(HISTORY_BARS))

    def _history(self, count: int, resolution: Any = None) -> list[PriceBar]:
        lean = lean_api()
        kind = lean.QuoteBar if number(self.symbol.security_type) in (FOREX, CFD) else lean.TradeBar
        wanted = getattr(lean.Resolution, self.resolution.upper()) if resolution is None else resolution
        found = self._algorithm.history[kind](self.symbol, count, wanted)
        return [price_bar(raw, self.zone) for raw in each(found)]

    def _whole(self, bar: PriceBar) -> PriceBar:
        """Return the first bar of a live process, which may have started inside it, from the bars that make it up."""
        finest = min(each(self.security.subscriptions), key=lambda item: resolution_seconds(item.resolution))
        seconds = resolution_seconds(finest.resolution)
        if seconds >= self.seconds:
            return bar
        rows = self._history(self.seconds // seconds, finest.resolution)
        parts = [row for row in rows if row.start_utc >= bar.start_utc and row.end_utc <= bar.end_utc]
        return joined(parts, bar) if parts else bar

    def take_missed(self, before_utc: datetime) -> list[PriceBar]:
        """Return the bars that came while nobody watched, once: after a restart the bar at hand comes after them."""
        if self.follow_after is None:
            return []
        self.follow_after = None
        found, self.missed = [bar for bar in self.missed if bar.end_utc < before_utc], []
        return found

    def rescale(self, factor: float, volume_factor: float) -> None:
        """Multiply stored prices and volumes (a split, or a dividend with volume factor 1, under raw prices)."""
        self.atr.rescale(factor)
        if self.engine is not None:
            self.engine.rescale(factor, volume_factor)
        if self.last is not None:
            self.last = _scaled(self.last, factor, volume_factor)

    def features(self) -> dict[str, float]:
        """Return the available features; what the instrument cannot have is absent, not 0."""
        if self.engine is None:
            return {}
        return {**self.engine.as_dict(), **self.user_values}

    def _consolidated(self, _sender: Any, raw: Any) -> None:
        bar = price_bar(raw, self.zone)
        if self._first:  # the process may have started inside this bar: history has it whole
            self._first = False
            bar = self._whole(bar)
        known = self.fill() and self.last is not None and self.last.end_utc == bar.end_utc
        if self._take(bar) or known:
            self._on_bar(self, bar)

    def _take(self, bar: PriceBar) -> bool:
        if self.last is not None and bar.end_utc <= self.last.end_utc:
            return False
        self.atr.update(bar)
        if self.engine is not None:
            self.engine.update(bar)
        self.last = bar
        self.bars += 1
        if self.follow_after is not None and bar.end_utc > self.follow_after:
            self.missed.append(bar)
        if self._user is not None:
            self.user_values = self._user(self, bar)
        return True


class FeedHub:
    """The feeds of all symbols, kept in step with the algorithm's securities."""

    def __init__(
        self,
        algorithm: Any,
        resolution: str,
        atr_period: int,
        on_bar: Callable[[Feed, PriceBar], None],
        engine_factory: Callable[[str], FeatureRuntime] | None,
        user_features: Sequence[str] = (),
    ) -> None:
        self._algorithm = algorithm
        self._resolution = resolution
        self._atr_period = atr_period
        self._on_bar = on_bar
        self._engine_factory = engine_factory
        self._user_features = tuple(user_features) if engine_factory is not None else ()
        self.feeds: dict[str, Feed] = {}
        if self._user_features:
            _check_registered(self._user_features)

    def get(self, symbol: Any) -> Feed:
        """Return the feed of a symbol that the algorithm subscribes to; it is started where it is missing.

        Raises:
            DataError: The algorithm has not added the symbol.
        """
        found = self.feeds.get(security_id(symbol)) if hasattr(symbol, "id") else None
        if found is None:
            if not self._algorithm.securities.contains_key(symbol):
                raise DataError(f"{symbol} is not in the algorithm's securities: add it (add_equity, add_forex) first")
            found = self.add(self._algorithm.securities[symbol])
        found.fill()
        return found

    def add(self, security: Any) -> Feed:
        """Start the feed of a security; a second call changes nothing."""
        identifier = security_id(security.symbol)
        found = self.feeds.get(identifier)
        if found is None:
            engine = None if self._engine_factory is None else self._engine_factory(self._resolution)
            user = self._user_values if self._user_features else None
            found = Feed(security, self._resolution, engine, self._atr_period, self._on_bar, user)
            found.connect(self._algorithm)
            self.feeds[identifier] = found
        return found

    def remove(self, security: Any) -> Feed | None:
        """Stop the feed of a removed security and return it."""
        found = self.feeds.pop(security_id(security.symbol), None)
        if found is not None:
            found.disconnect(self._algorithm)
        return found

    def _user_values(self, feed: Feed, bar: PriceBar) -> dict[str, float]:
        from llm_plugin.features.registry import FeatureContext, default_registry

        peers = {
            other.ticker: other.last
            for other in self.feeds.values()
            if other is not feed and other.last is not None and other.last.end_utc <= bar.end_utc
        }
        market = feed.engine.as_dict() if feed.engine is not None and feed.engine.ready else {}
        context = FeatureContext(feed.symbol_id, feed.ticker, bar.end_utc, bar, market, peers)
        values = default_registry().compute(context)
        return {name: values[name] for name in self._user_features if name in values}


def _check_registered(names: Sequence[str]) -> None:
    from llm_plugin.features.registry import default_registry

    known = default_registry().names
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigError(
            f"features.user names {name!r}, which is not registered{did_you_mean(name, known)}: call register_feature "
            "before the plugin is made"
            for name in missing
        )


def price_bar(raw: Any, zone: tzinfo) -> PriceBar:
    """Turn a LEAN quote or trade bar into the plugin's bar.

    A quote bar without one side takes the other; it has no volume, which is unknown and not 0.
    """
    start: datetime = local_to_utc(raw.time, zone)
    end: datetime = local_to_utc(raw.end_time, zone)
    if not hasattr(raw, "bid"):
        o, h, low, c = float(raw.open), float(raw.high), float(raw.low), float(raw.close)
        return PriceBar(start, end, o, h, low, c, o, h, low, c, float(raw.volume))
    bid, ask = raw.bid or raw.ask, raw.ask or raw.bid
    if bid is None:
        raise DataError(f"quote bar of {raw.symbol} at {raw.end_time} has neither bid nor ask")
    return PriceBar(
        start,
        end,
        float(bid.open),
        float(bid.high),
        float(bid.low),
        float(bid.close),
        float(ask.open),
        float(ask.high),
        float(ask.low),
        float(ask.close),
    )


def joined(parts: Sequence[PriceBar], whole: PriceBar) -> PriceBar:
    """Return one bar over the time of `whole`, made of its parts in the order of time."""
    values: dict[str, Any] = {"volume": sum(part.volume for part in parts)}
    for side in ("bid", "ask"):
        values[f"{side}_open"] = getattr(parts[0], f"{side}_open")
        values[f"{side}_high"] = max(getattr(part, f"{side}_high") for part in parts)
        values[f"{side}_low"] = min(getattr(part, f"{side}_low") for part in parts)
        values[f"{side}_close"] = getattr(parts[-1], f"{side}_close")
    return replace(whole, **values)


def _subscribed_seconds(security: Any) -> int:
    return min((resolution_seconds(item.resolution) for item in each(security.subscriptions)), default=1)


def _scaled(bar: PriceBar, factor: float, volume_factor: float) -> PriceBar:
    prices = {name: getattr(bar, name) * factor for name in _PRICES}
    return replace(bar, **prices, volume=bar.volume * volume_factor)


_PRICES = tuple(f"{side}_{name}" for side in ("bid", "ask") for name in ("open", "high", "low", "close"))
