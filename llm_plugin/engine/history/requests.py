"""History requests: which bars, from where, as points, slices, frames or typed lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from typing import Any

from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution, SecurityType, TickType, resolution_span
from llm_plugin.engine.base.lazy_list import LazyList
from llm_plugin.engine.base.names import LeanObject, find_member, snake
from llm_plugin.engine.base.system_errors import InvalidOperationException
from llm_plugin.engine.base.zones import DAY_US, SECOND_US, to_us
from llm_plugin.engine.data.bars import QuoteBar, Tick, TradeBar
from llm_plugin.engine.data.custom_data import CustomDataConfig
from llm_plugin.engine.data.lean_data import is_strict_daily
from llm_plugin.engine.data.slices import AUXILIARY, Slice
from llm_plugin.engine.feed.bar_stream import FOREVER, BarSource, BarStream
from llm_plugin.engine.feed.corporate_events import corporate_events
from llm_plugin.engine.feed.subscriptions import SubscriptionDataConfig, data_kind, default_data
from llm_plugin.engine.feed.tick_stream import TickStream
from llm_plugin.engine.history.frames import frame_of
from llm_plugin.engine.market.market_hours import MarketHoursEntry

__all__ = ["HistoryAccess", "HistoryApi", "HistoryOptions", "HistoryReader", "start_of_bars"]

_LOOKBACK_DAYS = {Resolution.DAILY: 15, Resolution.HOUR: 10}


@dataclass(frozen=True)
class HistoryOptions:
    """What a request may say besides symbols and times; None means as subscribed."""

    kind: type[Any] | None = None
    resolution: Resolution | None = None
    fill_forward: bool | None = None
    extended: bool | None = None
    normalization: DataNormalizationMode | None = None


def start_of_bars(entry: Any, now_us: int, resolution: Resolution, count: int, extended: bool, precise: bool) -> int:
    """The UTC start that makes room for `count` bars which overlap market hours and end by now."""
    hours = entry.exchange_hours
    exchange, data = hours.time_zone, entry.data_time_zone
    span = max(int(resolution_span(resolution).total_seconds()), 1) * SECOND_US
    local = exchange.local(now_us)

    def rounded() -> int:
        in_data = data.local(now_us)
        return int(exchange.local(data.utc(in_data - in_data % span)))

    current = local
    if resolution == Resolution.DAILY and precise:
        close = hours.last_close_us(local // DAY_US, extended)
        # Today counts only if its session is over.
        if close is None or close > local:
            current = rounded()
    else:
        current = rounded()
    done = 0
    while done < count:
        current -= span
        done += hours.overlaps_us(current, current + span, extended)
    return int(exchange.utc(current))


class HistoryReader:
    """Reads past data for one run.

    Args:
        core: The run: clock, data folder, securities, settings, market hours.
    """

    def __init__(self, core: Any) -> None:
        self._core = core

    def configs_of(self, symbol: Any, options: HistoryOptions) -> list[SubscriptionDataConfig]:
        """The streams that answer a request for a symbol."""
        core = self._core
        streams = core.subscription_manager.get_subscription_data_configs
        # Without streams of the user's, those of the benchmark or of a currency count.
        own = streams(symbol) or streams(symbol, True)
        if not own and symbol.security_type == SecurityType.BASE:
            # A universe of the user's data has a stream of its own.
            universes = (*core.universe_manager.values(), *core.user_universes)
            found = [getattr(universe, "config", None) for universe in universes]
            own = [config for config in found if config is not None and config.symbol == symbol]
        wanted = options.kind
        if wanted is not None and issubclass(wanted, AUXILIARY):
            return [self._config(symbol, Resolution.DAILY, TickType.TRADE, own, options)]
        custom = [config for config in own if config.is_custom_data]
        fitting = custom if wanted is None else [config for config in custom if issubclass(config.type, wanted)]
        if fitting or (custom and not _reads_itself(wanted)):
            return fitting
        resolution = options.resolution
        if resolution is None:
            resolution = min((c.resolution for c in own), default=core.universe_settings.resolution)
        if wanted is not None and _reads_itself(wanted):
            files = core.algorithm.object_store
            return [CustomDataConfig(wanted, symbol, resolution, core.entry_of(symbol), files, core.error)]
        return [
            self._config(symbol, resolution, tick_type, own, options)
            for tick_type in _tick_types(symbol.security_type, resolution, wanted)
        ]

    def _config(
        self, symbol: Any, resolution: Resolution, tick_type: TickType, own: list[Any], options: HistoryOptions
    ) -> SubscriptionDataConfig:
        core = self._core
        settings = core.universe_settings
        entry = core.entry_of(symbol)
        like = own[0] if own else None
        fill = like.fill_data_forward if like is not None else settings.fill_forward
        extended = like.extended_market_hours if like is not None else settings.extended_market_hours
        mode = like.data_normalization_mode if like is not None else settings.data_normalization_mode
        return SubscriptionDataConfig(
            data_kind(resolution, tick_type),
            symbol,
            resolution,
            entry.data_time_zone,
            entry.exchange_hours.time_zone,
            tick_type=tick_type,
            fill_forward=fill if options.fill_forward is None else options.fill_forward,
            extended=extended if options.extended is None else options.extended,
            normalization=mode if options.normalization is None else options.normalization,
        )

    def start_for(self, symbol: Any, count: int, options: HistoryOptions) -> int:
        """UTC start of a request for a number of bars."""
        configs = self.configs_of(symbol, options)
        resolution = min((config.resolution for config in configs), default=Resolution.DAILY)
        if options.resolution is not None:
            resolution = options.resolution
        if resolution == Resolution.TICK:
            text = "History functions that accept a 'periods' parameter can not be used with Resolution.TICK"
            raise InvalidOperationException(text)
        entry, security = self._core.entry_of(symbol), self._core.securities.get(symbol)
        if security is not None and security.exchange.hours is not entry.exchange_hours:
            # The user gave the security other hours.
            entry = MarketHoursEntry(security.exchange.hours, entry.data_time_zone)
        below_hour = resolution < Resolution.HOUR
        extended = below_hour and any(config.extended_market_hours for config in configs)
        kind, market = symbol.security_type, symbol.id.market
        # Days of a user's class are what its reader says.
        precise = bool(self._core.settings.daily_precise_end_time) and not _reads_itself(options.kind)
        precise = precise and is_strict_daily(kind, market, entry.exchange_hours)
        return start_of_bars(entry, self._core.clock.utc_us, resolution, count, extended, precise)

    def points(
        self, config: SubscriptionDataConfig, start_us: int, end_us: int, kind: type[Any] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """(UTC end, point) of one stream with start < end <= now; corporate events, if the class is one of them."""
        end_us = min(end_us, self._core.clock.utc_us)
        if end_us <= start_us:
            return
        if kind is not None and issubclass(kind, AUXILIARY):
            core = self._core
            hours = core.entry_of(config.symbol).exchange_hours
            events = corporate_events(core.data_folder, config.symbol, hours, start_us - 7 * DAY_US, end_us)
            yield from (pair for pair in events if start_us < pair[0] <= end_us and isinstance(pair[1], kind))
            return
        for emitted, point in self._emitted(config, start_us, end_us):
            if emitted > end_us:
                return
            if emitted > start_us:
                yield emitted, point

    def _emitted(self, config: SubscriptionDataConfig, start_us: int, end_us: int) -> Iterator[tuple[int, Any]]:
        if isinstance(config, CustomDataConfig):
            return drained(config.open_stream(start_us, end_us))
        source = BarSource.of(self._core, config, start_us, end_us)
        if config.resolution == Resolution.TICK:
            streams = [TickStream(source, None), TickStream(source, None, suspicious=True)]
            return merge(*map(drained, streams), key=lambda pair: pair[0])
        span = int(resolution_span(config.resolution).total_seconds()) * SECOND_US
        return drained(BarStream(source, None, span))

    def rows(self, requests: Iterable[tuple[Any, int, int]], options: HistoryOptions) -> list[tuple[int, Any]]:
        """All points of (symbol, start, end) requests, by time, then in request order."""
        found: list[tuple[int, int, Any]] = []
        rank = 0
        for symbol, start_us, end_us in requests:
            for config in self.configs_of(symbol, options):
                points = self.points(config, start_us, end_us, options.kind)
                found.extend((emitted, rank, point) for emitted, point in points)
                rank += 1
        found.sort(key=lambda row: (row[0], row[1]))
        return [(emitted, point) for emitted, _, point in found]

    def points_of(
        self, requests: list[tuple[Any, int, int]], options: HistoryOptions, kind: type[Any]
    ) -> Iterator[Any]:
        """The points of a class, by time, then in request order; read when asked for."""
        streams = [
            self.points(config, start_us, end_us, kind)
            for symbol, start_us, end_us in requests
            for config in self.configs_of(symbol, options)
        ]
        return (point for _, point in merge(*streams, key=lambda pair: pair[0]) if isinstance(point, kind))

    def slices(self, rows: list[tuple[int, Any]]) -> list[Slice]:
        """Points of the same moment as slices."""
        core = self._core
        result: list[Slice] = []
        together: list[Any] = []
        for at, (emitted, point) in enumerate(rows):
            together.append(point)
            if at + 1 == len(rows) or rows[at + 1][0] != emitted:
                result.append(Slice(emitted, together, core.symbol_cache.find, core.clock.zone))
                together = []
        return result


def _reads_itself(kind: type[Any] | None) -> bool:
    """Whether a class says where its data is and what it means, so that any symbol's can be asked for."""
    return kind is not None and kind is not TradeBar and find_member(kind, "reader") is not None


def drained(stream: Any) -> Iterator[tuple[int, Any]]:
    """(UTC end, point) of a stream to its end."""
    while stream.next_emit < FOREVER:
        emitted = stream.next_emit
        yield emitted, stream.next_point()


def _tick_types(kind: SecurityType, resolution: Resolution, wanted: type[Any] | None) -> tuple[TickType, ...]:
    if wanted is None or not issubclass(wanted, (TradeBar, QuoteBar)):
        return tuple(default_data(kind, resolution))
    return (TickType.QUOTE,) if issubclass(wanted, QuoteBar) else (TickType.TRADE,)


class _Call:
    """The arguments of a history call, sorted out."""

    _NAMES = ("fill_forward", "extended_market_hours", "data_mapping_mode", "data_normalization_mode")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = {snake(key): value for key, value in kwargs.items()}
        values = list(args)
        self.kind: type[Any] | None = given.pop("type", None)
        if values and isinstance(values[0], type):
            self.kind = values.pop(0)
        self.symbols: Any = given.pop("symbols", given.pop("symbol", given.pop("tickers", None)))
        if values and self.symbols is None and not isinstance(values[0], (int, timedelta, datetime)):
            self.symbols = values.pop(0)
        self.when: list[Any] = [given.pop(key) for key in ("periods", "span", "start", "end") if key in given]
        while values and isinstance(values[0], (int, timedelta, datetime)) and not isinstance(values[0], Resolution):
            self.when.append(values.pop(0))
        resolution = given.pop("resolution", values.pop(0) if values else None)
        given.update(zip(self._NAMES, values, strict=False))
        self.flatten = bool(given.pop("flatten", False))
        self.options = HistoryOptions(
            self.kind,
            Resolution(resolution) if resolution is not None else None,
            given.pop("fill_forward", None),
            given.pop("extended_market_hours", None),
            given.pop("data_normalization_mode", None),
        )
        given.pop("data_mapping_mode", None)
        given.pop("contract_depth_offset", None)
        if given or not self.when:
            raise TypeError(
                "history takes ([type,] [symbols,] periods | timedelta | start, end [, resolution]), "
                f"not args {args!r} and {sorted(given)}"
            )


class HistoryAccess:
    """`self.history(...)` and `self.history[TradeBar](...)`."""

    def __init__(self, algorithm: Any, kind: type[Any] | None = None) -> None:
        self._algorithm, self._kind = algorithm, kind

    def __getitem__(self, kind: type[Any]) -> HistoryAccess:
        return HistoryAccess(self._algorithm, kind)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = _Call(args, kwargs)
        if self._kind is not None:
            call.kind = self._kind
            call.options = HistoryOptions(
                self._kind if self._kind is not Slice else None,
                call.options.resolution,
                call.options.fill_forward,
                call.options.extended,
                call.options.normalization,
            )
        symbols, single = self._symbols(call.symbols)
        reader = self._algorithm.history_reader
        requests = self._requests(call, symbols)
        if single and self._kind is not None and self._kind is not Slice:
            return LazyList(reader.points_of(requests, call.options, self._kind))
        rows = reader.rows(requests, call.options)
        if self._kind is not None and self._kind is not Slice:
            return self._typed(reader, rows)
        if self._kind is Slice or (call.symbols is None and call.kind is None):
            return reader.slices(rows)
        return frame_of([point for _, point in rows], symbols, call.kind, flatten=call.flatten)

    def _symbols(self, given: Any) -> tuple[list[Any], bool]:
        algorithm = self._algorithm
        if given is None:
            return list(algorithm.securities.keys()), False
        single = isinstance(given, str) or not isinstance(given, Iterable)
        items = [given] if single else list(given)
        return [algorithm.to_symbol(getattr(item, "symbol", item)) for item in items], single

    def _requests(self, call: _Call, symbols: list[Any]) -> list[tuple[Any, int, int]]:
        core = self._algorithm.history_core
        now = core.clock.utc_us
        first = call.when[0]
        reader = self._algorithm.history_reader
        if isinstance(first, datetime):
            last = call.when[1] if len(call.when) > 1 else None
            end = core.clock.zone.utc(to_us(last)) if last is not None else now
            start = core.clock.zone.utc(to_us(first))
            return [(symbol, start, end) for symbol in symbols]
        if isinstance(first, timedelta):
            start = core.clock.zone.utc(core.clock.zone.local(now) - int(first / timedelta(microseconds=1)))
            return [(symbol, start, now) for symbol in symbols]
        return [(symbol, reader.start_for(symbol, int(first), call.options), now) for symbol in symbols]

    def _typed(self, reader: HistoryReader, rows: list[tuple[int, Any]]) -> list[Any]:
        kind = self._kind
        return [item for item in (piece.get(kind) for piece in reader.slices(rows)) if len(item)]


class HistoryApi(LeanObject):
    """The history part of QCAlgorithm; the class that mixes it in sets `history_core` to the run's core."""

    history_core: Any
    securities: Any
    _history_reader: HistoryReader | None = None

    def to_symbol(self, symbol: Any) -> Any:
        """Return the Symbol of a ticker or symbol."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'to_symbol'")

    @property
    def history_reader(self) -> HistoryReader:
        """Reads past data."""
        if self._history_reader is None:
            self._history_reader = HistoryReader(self.history_core)
        return self._history_reader

    @property
    def history(self) -> HistoryAccess:
        """`history(symbols, 10, Resolution.DAILY)` gives a frame, `history[TradeBar](symbol, 10)` a list."""
        return HistoryAccess(self)

    def history_points(self, symbols: list[Any], periods: Any, resolution: Any = None) -> list[Any]:
        """Past data in time order, one point per symbol and time."""
        result = []
        for piece in HistoryAccess(self, Slice)([self.to_symbol(item) for item in symbols], periods, resolution):
            for symbol in piece.keys():
                point = piece[symbol]
                result.append(point[-1] if isinstance(point, list) else point)
        return result

    def get_last_known_prices(self, symbol: Any) -> list[Any]:
        """The last point of each of a symbol's default data types, trades first."""
        target = self.to_symbol(getattr(symbol, "symbol", symbol))
        reader, now = self.history_reader, self.history_core.clock.utc_us
        found = []
        for config in reader.configs_of(target, HistoryOptions(fill_forward=False)):
            days = _LOOKBACK_DAYS.get(config.resolution, 5)
            last = None
            for _, point in reader.points(config, now - days * DAY_US, now):
                last = point
            if last is not None:
                found.append(last)
        return found

    def get_last_known_price(self, security: Any) -> Any:
        """The last point of a symbol's first data type, or None."""
        found = self.get_last_known_prices(security)
        ticks = [item for item in found if isinstance(item, Tick)]
        return (found or ticks or [None])[0]
