"""Indicators that follow a stream: their values are computed a chunk of bars ahead, a bar merely advances a counter.

Only what cannot be told apart is followed: plain indicators of closes that hang on an identity consolidator, with no
handler on either but their own. The first look at anything besides `current`, `is_ready` and `samples` (the window, a
consolidator, an event, `update`) brings the state up to date, and the indicator is an ordinary one from then on.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.consolidators.base import IdentityDataConsolidator
from llm_plugin.engine.indicators import averages, changes
from llm_plugin.engine.indicators.base import IndicatorBase, PointIndicator
from llm_plugin.engine.indicators.points import MIN_TIME, IndicatorDataPoint, point_of

__all__ = ["Chunk", "Lane"]

# Indicators of one line, whose state is their own and whose values depend on the order of their input alone.
FOLLOWABLE: tuple[type[PointIndicator], ...] = (
    averages.ExponentialMovingAverage,
    averages.SimpleMovingAverage,
    averages.WilderMovingAverage,
    averages.LinearWeightedMovingAverage,
    averages.Sum,
    changes.Momentum,
    changes.MomentumPercent,
    changes.RateOfChange,
    changes.RateOfChangePercent,
    changes.RateOfChangeRatio,
)
_STATIC = frozenset(
    {"name", "symbol", "period", "warm_up_period", "_member", "_lane", "_ahead", "_lane_base", "_ready_row"}
)
_BASE = frozenset({"samples", "updated", "consolidators", "_value", "_time", "_produced", "_last_time", "_points"})
_ADDED = ("_member", "_lane", "_ahead", "_lane_base", "_ready_row")
_NEVER = 1 << 62
_RECENT = 3
# Following anew costs a look at the whole chunk: where consolidators come and go all the time, it does not pay.
_PATIENCE = 16


@dataclass(slots=True)
class Chunk:
    """Bars in order of emission: closes, exchange-local ends in microseconds, the first that was not handed out yet."""

    closes: list[float]
    ends: list[int]
    first: int
    point_at: Callable[[int], Any]


class LanePoint(IndicatorDataPoint):
    """The newest value; its time is worked out when somebody asks."""

    __slots__ = ("_us",)

    @property
    def time(self) -> Any:
        """When the bar ended."""
        us = self._us
        return from_us(us) if type(us) is int else us

    @time.setter
    def time(self, moment: Any) -> None:
        self._us = moment


class _Thawing:
    """An attribute whose touch makes the indicator an ordinary one first."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self
        _thaw(owner)
        return getattr(owner, self.name)

    def __set__(self, owner: Any, value: Any) -> None:
        _thaw(owner)
        setattr(owner, self.name, value)


def _thaw(owner: Any) -> None:
    member: _Member = object.__getattribute__(owner, "__dict__")["_member"]
    member.lane.release(member)


def _reduced(self: Any, protocol: Any) -> Any:
    _thaw(self)
    return self.__reduce_ex__(protocol)


def _value_of(self: Any) -> float:
    return self._ahead[self._lane.row]  # type: ignore[no-any-return]


def _set_value(self: Any, value: float) -> None:
    _thaw(self)
    self._value = value


def _current(self: Any) -> IndicatorDataPoint:
    lane = self._lane
    row = lane.row
    if row == self._lane_base:
        state = self.__dict__
        return point_of(self.symbol, state["_time"], state["_value"])
    point = LanePoint.__new__(LanePoint)
    point.symbol = self.symbol
    point.value = self._ahead[row]
    point._us = lane.ends[row - 1]
    point.is_fill_forward = False
    return point


def _samples(self: Any) -> int:
    return self.__dict__["samples"] + self._lane.row - self._lane_base  # type: ignore[no-any-return]


def _set_samples(self: Any, value: int) -> None:
    _thaw(self)
    self.samples = value


def _is_ready(self: Any) -> bool:
    return self._lane.row >= self._ready_row  # type: ignore[no-any-return]


@lru_cache(maxsize=256)
def _followed_type(kind: Any, names: frozenset[str]) -> type[Any]:
    """Return the class that an indicator has while it follows."""
    body: dict[str, Any] = {name: _Thawing(name) for name in names - _STATIC}
    body |= {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__reduce_ex__": _reduced,
        "_value": property(_value_of, _set_value),
        "samples": property(_samples, _set_samples),
        "is_ready": property(_is_ready),
        "current": property(_current),
    }
    return type(kind.__name__, (kind,), body)


class _FollowedConsolidator(IdentityDataConsolidator):
    """What an identity consolidator is while its indicator follows: any look at it ends that."""

    def __getattribute__(self, name: str) -> Any:
        if name != "__class__":
            member = object.__getattribute__(self, "__dict__").get("_member")
            if member is not None:
                member.lane.release(member)
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _thaw(self)
        setattr(self, name, value)


class _Member:
    """One indicator on a lane; its own state stays that of `base` bars until it is settled."""

    __slots__ = ("base", "consolidator", "indicator", "kind", "lane", "scout")

    def __init__(self, lane: Lane, consolidator: Any, indicator: Any) -> None:
        self.lane, self.consolidator, self.indicator = lane, consolidator, indicator
        self.kind: Any = type(indicator)
        self.base = 0
        self.scout: Any = None

    def start(self) -> bool:
        """Compute the values of the lane's chunk; return whether the indicator can follow it."""
        lane, indicator = self.lane, self.indicator
        base = self.base = lane.row
        ends = lane.ends
        if base < lane.count and not ends[base] > to_us(indicator._last_time):
            return False
        own = vars(indicator)
        scout = self.scout = object.__new__(self.kind)
        scout.__dict__.update({key: copy.deepcopy(own[key]) for key in own if key not in _BASE and key != "symbol"})
        scout.samples, scout._value = indicator.samples, indicator._value
        values: list[Any] = [scout._value] * (base + 1)
        compute, add = scout._compute, values.append
        ready = base if scout.is_ready else _NEVER
        closes = lane.closes
        for at in range(base, len(closes)):
            if ready != _NEVER:
                # Once ready it stays so: the rest is computed in one go.
                rest = scout.compute_many(closes[at:])
                if None in rest:
                    return False
                values += rest
                break
            scout.samples += 1
            value = compute(MIN_TIME, closes[at])
            if value is None:
                return False
            scout._value = value
            add(value)
            if scout.is_ready:
                ready = len(values) - 1
        self._take_over(values, ready)
        return True

    def _take_over(self, values: list[float], ready: int) -> None:
        indicator, names = self.indicator, frozenset(vars(self.indicator)) - frozenset(_ADDED)
        added = {"_member": self, "_lane": self.lane, "_ahead": values, "_lane_base": self.base, "_ready_row": ready}
        # A dictionary of its own: Python reads attributes from one that objects share the slow way once it was seen.
        indicator.__dict__ = {**vars(indicator), **added}
        indicator.__class__ = _followed_type(self.kind, names)
        object.__getattribute__(self.consolidator, "__dict__")["_member"] = self
        object.__setattr__(self.consolidator, "__class__", _FollowedConsolidator)

    def settle(self) -> None:
        """Make both ordinary objects again, in the state that the bars up to now have led to."""
        indicator, consolidator, lane = self.indicator, self.consolidator, self.lane
        own, others = indicator.__dict__, object.__getattribute__(consolidator, "__dict__")
        values = own["_ahead"]
        indicator.__class__ = self.kind
        object.__setattr__(consolidator, "__class__", IdentityDataConsolidator)
        for name in _ADDED:
            own.pop(name, None)
        others.pop("_member", None)
        base, row = self.base, lane.row
        if row == base:
            return
        if row == lane.count:
            own.update({key: value for key, value in self.scout.__dict__.items() if key not in _BASE})
            indicator.samples = self.scout.samples
        else:
            for close in lane.closes[base:row]:
                indicator.samples += 1
                indicator._value = indicator._compute(MIN_TIME, close)
        indicator._value = values[row]
        indicator._time = indicator._last_time = from_us(lane.ends[row - 1])
        indicator._produced += row - base
        points = indicator._points
        for at in range(max(base, row - (points.maxlen or row)), row):
            points.appendleft((from_us(lane.ends[at]), values[at + 1]))
        recent = [lane.point_at(at) for at in range(row - 1, max(base, row - _RECENT) - 1, -1)]
        others["_recent"] = (*recent, *others["_recent"])[:_RECENT]
        others["_emitted"] += row - base
        others["consolidated"] = others["_last"] = recent[0]
        others["_last_end"] = recent[0].end_time


class Lane:
    """The followers of one stream; `row` is how many bars of the chunk they have seen.

    Args:
        stream: Tells its chunks: `chunk()` is the one at hand, later ones arrive by `chunks`.
    """

    __slots__ = (
        "_begun",
        "chunks",
        "closes",
        "count",
        "ends",
        "followed",
        "members",
        "point_at",
        "row",
        "size",
        "stream",
    )

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.chunks: deque[Chunk] = deque()
        self.members: list[_Member] = []
        self.followed = self.size = self._begun = 0
        self._open(stream.chunk())

    def _open(self, chunk: Chunk) -> None:
        self.closes, self.ends, self.point_at = chunk.closes, chunk.ends, chunk.point_at
        self.row, self.count = chunk.first, len(chunk.closes)

    def rising(self) -> bool:
        """Whether the local ends rise: where a clock is set back, consolidators drop bars."""
        ends = self.ends[self.row :]
        return all(map(int.__lt__, ends, ends[1:]))

    def follow(self, consolidators: list[Any]) -> None:
        """Take the first consolidators of a list whose indicators can follow."""
        self.size = len(consolidators)
        if self.followed == self.size or self._begun == _PATIENCE or not self.rising():
            return
        self._begun += 1
        for consolidator in consolidators[self.followed :]:
            indicator = _follower(consolidator, self.stream)
            if indicator is None:
                return
            member = _Member(self, consolidator, indicator)
            if not member.start():
                return
            self.members.append(member)
            self.followed += 1

    def advance(self, consolidators: list[Any]) -> list[Any]:
        """Let the followers see one more bar; return the consolidators that have to be told."""
        if self.row == self.count:
            self._turn()
        if len(consolidators) != self.size:
            self.release()
            self.size = len(consolidators)
        self.row += 1
        return consolidators[self.followed :]

    def _turn(self) -> None:
        for member in self.members:
            member.settle()
        self._open(self.chunks.popleft())
        good = self.rising()
        for at, member in enumerate(self.members):
            if not (good and member.start()):
                del self.members[at:]
                break
        self.followed = len(self.members)
        beat()

    def release(self, member: _Member | None = None) -> None:
        """Make a member, and those after it, ordinary again: what comes later may depend on it."""
        first = 0 if member is None else self.members.index(member)
        leaving = self.members[first:]
        del self.members[first:]
        self.followed = first
        for item in leaving:
            item.settle()
        beat()


def _follower(consolidator: Any, stream: Any) -> Any:
    """Return the indicator behind a consolidator if nothing else hangs on either, else None."""
    if type(consolidator) is not IdentityDataConsolidator or consolidator._window is not None:
        return None
    handlers = consolidator.data_consolidated.handlers
    expected = consolidator.input_type
    if len(handlers) != 1 or not (expected is None or issubclass(stream.config.type, expected)):
        return None
    indicator: Any = getattr(handlers[0], "__self__", None)
    if type(indicator) not in FOLLOWABLE or getattr(handlers[0], "__func__", None) is not PointIndicator.take:
        return None
    inner = any(isinstance(value, IndicatorBase) for value in vars(indicator).values())
    shared = len(indicator.consolidators) > 1
    return None if inner or shared or indicator.updated.handlers else indicator
