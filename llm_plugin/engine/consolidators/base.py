"""What all consolidators share, calendars, and consolidators that pass data on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from llm_plugin.engine.base.enums import TickType
from llm_plugin.engine.base.events import EventHandler
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.data.bars import Tick
from llm_plugin.engine.indicators.window import RollingWindow

__all__ = [
    "Calendar",
    "CalendarInfo",
    "DataConsolidator",
    "FilteredIdentityDataConsolidator",
    "IDataConsolidator",
    "IdentityDataConsolidator",
    "PythonConsolidator",
    "SequentialConsolidator",
    "consolidated_event",
]


class CalendarInfo(LeanObject):
    """Start and length of the bar that a moment belongs to."""

    __slots__ = ("period", "start")

    def __init__(self, start: date, period: timedelta) -> None:
        self.start = start if isinstance(start, datetime) else datetime.combine(start, datetime.min.time())
        self.period = period

    @property
    def end(self) -> datetime:
        """Start plus period."""
        return self.start + self.period

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CalendarInfo) and (self.start, self.period) == (other.start, other.period)

    def __hash__(self) -> int:
        return hash((self.start, self.period))

    def __repr__(self) -> str:
        return f"{self.start} {self.period}"


def _months(moment: datetime, months: int) -> CalendarInfo:
    first = (moment.month - 1) // months * months
    start = datetime(moment.year, first + 1, 1)
    end = datetime(moment.year + (first + months) // 12, (first + months) % 12 + 1, 1)
    return CalendarInfo(start, end - start)


def _week(moment: datetime) -> CalendarInfo:
    start = datetime(moment.year, moment.month, moment.day) - timedelta(days=moment.weekday())
    return CalendarInfo(start, timedelta(days=7))


class Calendar(LeanObject):
    """Calendar periods for consolidators; weeks start on Monday."""

    WEEKLY = Weekly = staticmethod(_week)
    MONTHLY = Monthly = staticmethod(lambda moment: _months(moment, 1))
    QUARTERLY = Quarterly = staticmethod(lambda moment: _months(moment, 3))
    YEARLY = Yearly = staticmethod(lambda moment: _months(moment, 12))


class DataConsolidator(LeanObject):
    """Base of consolidators: `update` with data, `scan` with the exchange's time; bars leave by `data_consolidated`.

    `input_type` is the class of data it takes, None for any; `output_type` the class of its bars.
    """

    input_type: type[Any] | None = None
    output_type: type[Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # Users' classes may have an __init__ of their own that calls nothing.
        self = super().__new__(cls)
        DataConsolidator.__init__(self)
        return self

    def __init__(self) -> None:
        self.data_consolidated = EventHandler()
        self.consolidated: Any = None
        self._window: RollingWindow | None = None
        self._recent: tuple[Any, ...] = ()
        self._emitted = 0

    @property
    def working_data(self) -> Any:
        """A copy of the unfinished bar, or None."""
        return None

    @property
    def window(self) -> RollingWindow:
        """The last bars, newest first; two unless its `size` is set."""
        if self._window is None:
            # Made when somebody looks; until then the last bars are enough to make it.
            self._window = RollingWindow.of(2, self._recent, self._emitted)
        return self._window

    @property
    def current(self) -> Any:
        """The newest bar, or None."""
        return self.window[0]

    @property
    def previous(self) -> Any:
        """The bar before the newest, or None."""
        return self.window[1] if self.window.count > 1 else None

    def __getitem__(self, index: int) -> Any:
        return self.window[index]

    def update(self, data: Any) -> None:
        """Take one point of data."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def scan(self, current_local_time: datetime) -> None:
        """Emit the bar if its time is over."""

    def emit(self, bar: Any) -> None:
        """Tell everybody a finished bar; `consolidated` is the one before until all have seen it."""
        if bar is not None:
            if self._window is not None:
                self._window.add(bar)
            else:
                self._emitted += 1
                self._recent = (bar, *self._recent[:2])
        for handler in self.data_consolidated.handlers:
            handler(self, bar)
        self.consolidated = bar

    def on_data_consolidated(self, bar: Any) -> None:
        """Tell everybody a finished bar, as users' subclasses do."""
        self.emit(bar)

    def reset(self) -> None:
        """Forget all data; handlers stay."""
        self.consolidated = None
        self._window = None
        self._recent, self._emitted = (), 0

    def dispose(self) -> None:
        """Forget the handlers."""
        self.data_consolidated.handlers = []

    def _accepted(self, data: Any) -> bool:
        expected = self.input_type
        if expected is not None and not isinstance(data, expected):
            raise TypeError(
                f"{type(self).__name__} takes {expected.__name__}, not {type(data).__name__}: "
                "subscribe it to that kind of data, or use another consolidator"
            )
        return True


IDataConsolidator = DataConsolidator


class IdentityDataConsolidator(DataConsolidator):
    """Passes data on as it is; of bars with the same end only the first."""

    def __init__(self, kind: type[Any] | None = None) -> None:
        super().__init__()
        self.input_type = self.output_type = kind
        self._last_end: datetime | None = None
        self._last: Any = None

    @property
    def working_data(self) -> Any:
        """A copy of the last data, or None."""
        clone = getattr(self._last, "clone", None)
        return clone() if callable(clone) else self._last

    def update(self, data: Any) -> None:
        """Pass the data on."""
        expected = self.input_type
        if expected is not None and not isinstance(data, expected):
            self._accepted(data)
        end = data.end_time
        if end != self._last_end or isinstance(data, Tick):
            if self._window is None:
                # `emit` at full length: this runs for every bar of every indicator.
                self._emitted += 1
                recent = self._recent
                self._recent = (data, recent[0], recent[1]) if len(recent) > 1 else (data, *recent)
                for handler in self.data_consolidated.handlers:
                    handler(self, data)
                self.consolidated = data
            else:
                self.emit(data)
            self._last, self._last_end = data, end

    def reset(self) -> None:
        """Forget the last data."""
        super().reset()
        self._last = self._last_end = None


class FilteredIdentityDataConsolidator(IdentityDataConsolidator):
    """Passes on what a predicate accepts."""

    def __init__(self, predicate: Callable[[Any], bool], kind: type[Any] | None = None) -> None:
        super().__init__(kind)
        self._predicate = predicate

    @classmethod
    def for_tick_type(cls, tick_type: TickType) -> FilteredIdentityDataConsolidator:
        """Only ticks of a type."""
        return cls(lambda tick: bool(tick.tick_type == tick_type), Tick)

    def update(self, data: Any) -> None:
        """Pass the data on if it is accepted."""
        if self._predicate(data):
            super().update(data)


class SequentialConsolidator(DataConsolidator):
    """The second consolidator eats what the first one makes."""

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__()
        made, eaten = first.output_type, second.input_type
        if made is not None and eaten is not None and not issubclass(made, eaten):
            raise TypeError(f"the first consolidator makes {made.__name__}, the second takes {eaten.__name__}")
        self.first, self.second = first, second
        self.input_type, self.output_type = first.input_type, second.output_type
        first.data_consolidated += lambda sender, bar: second.update(bar)
        second.data_consolidated += lambda sender, bar: self.emit(bar)

    @property
    def working_data(self) -> Any:
        """The second consolidator's unfinished bar."""
        return self.second.working_data

    def update(self, data: Any) -> None:
        """Feed the first consolidator."""
        self.first.update(data)

    def scan(self, current_local_time: datetime) -> None:
        """Scan the first consolidator."""
        self.first.scan(current_local_time)

    def reset(self) -> None:
        """Reset both."""
        super().reset()
        self.first.reset()
        self.second.reset()


class PythonConsolidator(DataConsolidator):
    """Base of consolidators written by users: define `update`, `scan`, and call `on_data_consolidated`."""

    # A plain attribute, so that users can set it.
    working_data: Any = None

    def on_data_consolidated(self, consolidator: Any, data: Any) -> None:  # type: ignore[override]
        """Tell everybody a finished bar."""
        self.window.add(data)
        self.data_consolidated(consolidator, data)
        self.consolidated = data


def consolidated_event(consolidator: Any) -> EventHandler:
    """Return the event of any consolidator, also one that does not derive from the engine's classes.

    Raises:
        TypeError: It has no `data_consolidated`.
    """
    event = find_member(consolidator, "data_consolidated")
    if not isinstance(event, EventHandler):
        raise TypeError(f"{type(consolidator).__name__} is no consolidator: it has no data_consolidated event")
    return event
