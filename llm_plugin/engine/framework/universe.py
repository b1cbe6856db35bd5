"""Universe selection: which securities the framework trades."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.engine.algorithm.settings import UniverseSettings
from llm_plugin.engine.base.enums import Resolution, SecurityType, resolution_span
from llm_plugin.engine.base.names import LeanObject, find_member, overridden
from llm_plugin.engine.base.zones import from_us, to_us, zone
from llm_plugin.engine.framework.models import member_of
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol

__all__ = [
    "CompositeUniverseSelectionModel",
    "CustomUniverseSelectionModel",
    "FuncUniverse",
    "ManualUniverse",
    "ManualUniverseSelectionModel",
    "NullUniverseSelectionModel",
    "ScheduledUniverse",
    "ScheduledUniverseSelectionModel",
    "Universe",
    "UniverseSelectionModel",
    "UserDefinedUniverse",
]

_END = datetime(9999, 12, 31)
_BARS = (Resolution.SECOND, Resolution.MINUTE, Resolution.HOUR, Resolution.DAILY)


class Universe(LeanObject):
    """A set of symbols that changes at trigger times.

    The engine asks `trigger_times` once and calls `select_symbols` at each of them.

    Args:
        name: Unique name.
        settings: Universe settings for its securities; None for the algorithm's.
        security_type: Kind of its securities.
        market: Market of its securities.
        resolution: How often it selects; of two that are due, the finer one is first.
    """

    # What `select_symbols` returns when nothing changes.
    UNCHANGED: Any = object()
    Unchanged = UNCHANGED
    # Whether the user may take single members out (`remove_security`).
    by_hand = False
    # Whether it triggers when data arrives.
    from_data = False
    # Whether it takes a security that has streams already as it is.
    takes_existing = False
    # Whether it selects at set times, and, added in a run, for the first time one tick (100 nanoseconds) later.
    is_timed = False
    # Whether it begins anew when the fill resolution changes, as LEAN's streams that are filled forward do.
    fills_forward = False
    # What it selected last; stands here so that it counts as a member of the class.
    selected: Any = None

    def __init__(
        self,
        name: str,
        settings: Any = None,
        security_type: SecurityType = SecurityType.EQUITY,
        market: str = "usa",
        resolution: Resolution = Resolution.DAILY,
    ) -> None:
        self.name = name
        self.universe_settings = settings
        self.security_type, self.market = SecurityType(security_type), market
        self.resolution = Resolution(resolution)
        self.symbol = Symbol(SecurityIdentifier(name.upper(), self.security_type, market), name, name)
        self.dispose_requested = False
        self.members: dict[Any, Any] = _Members()
        # When each member came (microseconds), what was selected last, and what the selector said last.
        self.since: dict[Any, int] = {}
        self.selected = {}
        self.previous: dict[Any, None] = {}

    @property
    def securities(self) -> dict[Any, Any]:
        """The members."""
        return self.members

    def contains_member(self, symbol: Any) -> bool:
        """Whether a symbol is a member now."""
        return getattr(symbol, "symbol", symbol) in self.members

    def admit(self, symbol: Any, security: Any, now_us: int) -> None:
        """Take in a member."""
        self.members[symbol], self.since[symbol] = security, now_us

    def expel(self, symbol: Any) -> None:
        """Take a member out."""
        self.members.pop(symbol, None)
        self.since.pop(symbol, None)

    def dispose(self) -> None:
        """Ask for its removal."""
        self.dispose_requested = True

    def trigger_times(self, start_utc: datetime, end_utc: datetime, hours: Any) -> Iterator[datetime]:
        """Naive UTC times of selection, in order."""
        return iter([start_utc])

    def select_symbols(self, algorithm: Any, utc_time: datetime) -> Any:
        """The selected symbols, or `Universe.UNCHANGED`."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'select_symbols'")


class _Members(dict[Any, Any]):
    """Securities by symbol with .NET's names."""

    count = Count = property(len)
    Values = property(dict.values)
    Keys = property(dict.keys)

    def contains_key(self, symbol: Any) -> bool:
        """Whether a symbol is a member."""
        return symbol in self

    ContainsKey = contains_key


class UserDefinedUniverse(Universe):
    """What the user adds by `add_equity` and the like; it never selects by itself."""

    by_hand = True

    def __init__(self, security_type: SecurityType, market: str) -> None:
        name = f"qc-universe-userdefined-{market}-{security_type}"
        settings = UniverseSettings(minimum_time_in_universe=timedelta(0))
        super().__init__(name, settings, security_type, market)

    def admit(self, symbol: Any, security: Any, now_us: int) -> None:
        """What the user adds is selected."""
        super().admit(symbol, security, now_us)
        self.selected[symbol] = None

    def trigger_times(self, start_utc: datetime, end_utc: datetime, hours: Any) -> Iterator[datetime]:
        """Never."""
        return iter([])

    def select_symbols(self, algorithm: Any, utc_time: datetime) -> Any:
        """What was added."""
        return list(self.selected)


class ManualUniverse(Universe):
    """A fixed list of symbols of one kind; it selects when it comes."""

    by_hand = True
    takes_existing = True
    is_timed = True

    def __init__(self, symbols: Iterable[Any], settings: Any = None) -> None:
        self.symbols = list(symbols)
        first = self.symbols[0] if self.symbols else None
        kind, market = (first.security_type, first.id.market) if first is not None else (SecurityType.EQUITY, "usa")
        # Two lists of the same symbols are the same universe.
        digest = hashlib.sha256("|".join(str(symbol.id) for symbol in self.symbols).encode()).hexdigest()[:12]
        name = f"manual-universe-selection-model-{kind}-{market}-{digest}"
        resolution = Resolution.MINUTE if settings is None else settings.resolution
        super().__init__(name, settings, kind, market, resolution)

    def select_symbols(self, algorithm: Any, utc_time: datetime) -> Any:
        """The list."""
        return list(self.symbols)


def _selected(algorithm: Any, answer: Any, security_type: SecurityType, market: str) -> Any:
    if answer is None or answer is Universe.UNCHANGED:
        return Universe.UNCHANGED
    return [
        algorithm.universe_symbol(item, security_type, market) if isinstance(item, str) else item for item in answer
    ]


class FuncUniverse(Universe):
    """A function of the time, asked once per interval while the market is open."""

    is_timed = True

    def __init__(
        self,
        name: str,
        selector: Callable[[datetime], Any],
        interval: timedelta,
        security_type: SecurityType = SecurityType.EQUITY,
        market: str = "usa",
        settings: Any = None,
    ) -> None:
        finest = next((r for r in reversed(_BARS) if resolution_span(r) <= interval), Resolution.TICK)
        super().__init__(name, settings, security_type, market, finest)
        self.interval = interval
        self._selector = selector
        self._zone: Any = None

    def trigger_times(self, start_utc: datetime, end_utc: datetime, hours: Any) -> Iterator[datetime]:
        """The start, then every interval that overlaps market hours."""
        where = self._zone = hours.time_zone
        local, last = from_us(where.local(to_us(start_utc))), from_us(where.local(to_us(end_utc)))
        first = True
        while local <= last:
            if first or hours.is_open(local, local + self.interval, False):
                yield from_us(where.utc(to_us(local)))
            first = False
            local += self.interval

    def select_symbols(self, algorithm: Any, utc_time: datetime) -> Any:
        """What the function says; tickers become symbols."""
        local = from_us(self._zone.local(to_us(utc_time)))
        return _selected(algorithm, self._selector(local), self.security_type, self.market)


class ScheduledUniverse(Universe):
    """A function of the time, asked on a schedule: `ScheduledUniverse([zone,] date_rule, time_rule, selector)`."""

    def __init__(self, *args: Any) -> None:
        values = list(args)
        self.time_zone = zone(values.pop(0)) if find_member(values[0], "get_dates") is None else zone("UTC")
        self._dates, self._times, self._selector = values[:3]
        settings = values[3] if len(values) > 3 else None
        super().__init__(f"{self._dates.name}_{self._times.name}", settings, SecurityType.BASE)

    def trigger_times(self, start_utc: datetime, end_utc: datetime, hours: Any) -> Iterator[datetime]:
        """The schedule's times."""
        local = [from_us(self.time_zone.local(to_us(moment))) for moment in (start_utc, end_utc)]
        dates = member_of(self._dates, "get_dates")(*local)
        for moment in member_of(self._times, "create_utc_event_times")(dates):
            if moment > end_utc:
                return
            if moment >= start_utc:
                yield moment

    def select_symbols(self, algorithm: Any, utc_time: datetime) -> Any:
        """What the function says."""
        return _selected(algorithm, self._selector(utc_time), SecurityType.EQUITY, "usa")


class UniverseSelectionModel(LeanObject):
    """Base: `create_universes(algorithm)` returns universes, again at `get_next_refresh_time_utc()`."""

    def get_next_refresh_time_utc(self) -> datetime:
        """When `create_universes` shall be called again; never by default."""
        return _END

    def create_universes(self, algorithm: Any) -> Iterable[Any]:
        """Return the universes."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'create_universes'")


class NullUniverseSelectionModel(UniverseSelectionModel):
    """No universes."""

    def create_universes(self, algorithm: Any) -> Iterable[Any]:
        """Return nothing."""
        return []


class ManualUniverseSelectionModel(UniverseSelectionModel):
    """A fixed list of symbols."""

    def __init__(self, *args: Any) -> None:
        symbols: list[Any] = []
        self._settings = None
        for value in args:
            if isinstance(value, (list, tuple, set)):
                symbols.extend(value)
            elif hasattr(value, "resolution") and not hasattr(value, "security_type"):
                self._settings = value
            elif value is not None:
                symbols.append(value)
        self.symbols = symbols

    def create_universes(self, algorithm: Any) -> Iterable[Any]:
        """One universe per market and kind of instrument."""
        settings = self._settings if self._settings is not None else algorithm.universe_settings
        groups: dict[Any, list[Any]] = {}
        for symbol in self.symbols:
            groups.setdefault((symbol.id.market, symbol.security_type), []).append(symbol)
        return [ManualUniverse(symbols, settings) for symbols in groups.values()]


class ScheduledUniverseSelectionModel(UniverseSelectionModel):
    """A function asked on a schedule: `([zone,] date_rule, time_rule, selector[, settings])`."""

    def __init__(self, *args: Any) -> None:
        self._arguments = args

    def create_universes(self, algorithm: Any) -> Iterable[Any]:
        """The scheduled universe."""
        return [ScheduledUniverse(*self._arguments)]


class CustomUniverseSelectionModel(UniverseSelectionModel):
    """A function from time to tickers: `([security_type,] name[, market], selector[, settings[, interval]])`."""

    def __init__(self, *args: Any) -> None:
        values = list(args)
        self._type = values.pop(0) if isinstance(values[0], SecurityType) else SecurityType.EQUITY
        self._name = str(values.pop(0))
        self._market = values.pop(0) if values and isinstance(values[0], str) else "usa"
        self._selector: Callable[[datetime], Any] | None = values.pop(0) if values and callable(values[0]) else None
        self._settings = values.pop(0) if values else None
        self._interval = values.pop(0) if values else resolution_span(Resolution.DAILY)

    def select(self, algorithm: Any, date: datetime) -> Iterable[Any]:
        """The tickers for a date."""
        if self._selector is None:
            raise NotImplementedError("CustomUniverseSelectionModel needs a selector function, or override 'select'")
        return self._selector(date)  # type: ignore[no-any-return]

    def create_universes(self, algorithm: Any) -> Iterable[Any]:
        """The universe of the function."""
        settings = self._settings if self._settings is not None else algorithm.universe_settings
        universe = FuncUniverse(
            self._name, lambda date: self.select(algorithm, date), self._interval, self._type, self._market, settings
        )
        universe.takes_existing = True
        universe.resolution = Resolution(settings.resolution)
        universe.fills_forward = settings.fill_forward and settings.resolution != Resolution.TICK
        return [universe]


class CompositeUniverseSelectionModel(UniverseSelectionModel):
    """Several models at once."""

    def __init__(self, *models: Any) -> None:
        given = models[0] if len(models) == 1 and isinstance(models[0], (list, tuple)) else models
        if not given:
            raise ValueError("CompositeUniverseSelectionModel needs at least one model")
        self._models = list(given)
        self._owned: dict[int, list[Any]] = {}

    @property
    def models(self) -> list[Any]:
        """The models."""
        return list(self._models)

    def add_universe_selection(self, model: Any) -> None:
        """Add one more."""
        self._models.append(model)

    def get_next_refresh_time_utc(self) -> datetime:
        """The earliest of all."""
        return min(next_refresh(model) for model in self._models)

    def create_universes(self, algorithm: Any) -> Iterable[Any]:
        """The universes of all; only models whose time has come are asked again."""
        for number, model in enumerate(self._models):
            if number not in self._owned or algorithm.utc_time >= next_refresh(model):
                self._owned[number] = list(member_of(model, "create_universes")(algorithm))
        return [universe for number in range(len(self._models)) for universe in self._owned[number]]


def next_refresh(model: Any) -> datetime:
    """When a model wants to be asked again."""
    method = find_member(model, "get_next_refresh_time_utc")
    moment: datetime = method() if method is not None else _END
    return moment


def asks_for_refresh(model: Any) -> bool:
    """Whether a model may ever ask to be called again."""
    if isinstance(model, CompositeUniverseSelectionModel):
        return any(asks_for_refresh(part) for part in model.models)
    if isinstance(model, UniverseSelectionModel):
        return overridden(model, "get_next_refresh_time_utc", UniverseSelectionModel) is not None
    return find_member(model, "get_next_refresh_time_utc") is not None
