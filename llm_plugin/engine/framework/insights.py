"""Insights: predictions of alpha models, and how long they hold."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from enum import unique
from typing import Any

from llm_plugin.engine.base.enums import Resolution, resolution_span
from llm_plugin.engine.base.names import LeanEnum, LeanObject
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.market.market_hours import ExchangeHours

__all__ = [
    "Insight",
    "InsightDirection",
    "InsightScore",
    "InsightScoreType",
    "InsightType",
    "compute_close_time",
]

_SECOND, _MINUTE, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
_NEVER = datetime(1, 1, 1)
_END = datetime(9999, 12, 31)


@unique
class InsightDirection(LeanEnum):
    """Where the price is expected to go."""

    DOWN = -1
    FLAT = 0
    UP = 1


@unique
class InsightType(LeanEnum):
    """What is predicted."""

    PRICE = 0
    VOLATILITY = 1


@unique
class InsightScoreType(LeanEnum):
    """What a score rates."""

    DIRECTION = 0
    MAGNITUDE = 1


class InsightScore(LeanObject):
    """How right an insight was, 0 to 1."""

    def __init__(self) -> None:
        self.direction = 0.0
        self.magnitude = 0.0
        self.updated_time_utc = _NEVER
        self.is_final_score = False

    def set_score(self, kind: InsightScoreType, value: float, algorithm_utc_time: datetime) -> None:
        """Set one rating; values outside of 0 to 1 are cut."""
        if self.is_final_score:
            return
        cut = min(max(float(value), 0.0), 1.0)
        setattr(self, "direction" if kind == InsightScoreType.DIRECTION else "magnitude", cut)
        self.updated_time_utc = algorithm_utc_time

    def get_score(self, kind: InsightScoreType) -> float:
        """Read one rating."""
        return self.direction if kind == InsightScoreType.DIRECTION else self.magnitude

    def finalize(self, algorithm_utc_time: datetime) -> None:
        """Allow no more changes."""
        self.is_final_score = True
        self.updated_time_utc = algorithm_utc_time


def _step_bars(hours: ExchangeHours, start: datetime, size: timedelta, count: int) -> datetime:
    current = start
    done = 0
    while done < count:
        previous, current = current, current + size
        is_open = hours.is_date_open(current) if size == _DAY else hours.is_open(previous, current, False)
        done += bool(is_open)
    return current


def _after_bars(hours: ExchangeHours, generated_utc: datetime, size: timedelta, count: int) -> datetime:
    zone = hours.time_zone
    local = from_us(zone.local(to_us(generated_utc)))
    return from_us(zone.utc(to_us(_step_bars(hours, local, size, count))))


def compute_close_time(hours: ExchangeHours, generated_utc: datetime, period: timedelta) -> datetime:
    """When a period of market time after a moment ends: whole bars are counted while the market is open."""
    if period < _SECOND:
        raise ValueError(f"an insight's period must be at least one second, not {period}")
    size = _DAY if period >= _DAY else _MINUTE if period >= _MINUTE else _SECOND
    count = period // size
    closing = _after_bars(hours, generated_utc, size, count)
    if closing == generated_utc:
        return _after_bars(hours, generated_utc, _SECOND, 1)
    rest = period - size * count
    if rest and size == _DAY:
        rest = hours.regular_market_duration * (rest / _DAY)
    minutes = rest // _MINUTE
    return _after_bars(hours, closing, _MINUTE, minutes) if minutes > 0 else closing


def _symbol_of(symbol: Any) -> Any:
    """Return the symbol of a ticker that the running algorithm knows.

    Raises:
        ValueError: It was never added.
    """
    from llm_plugin.engine.core import current_find

    find = current_find()
    if not isinstance(symbol, str) or find is None:
        return symbol
    found = find(symbol)
    if found is None:
        raise ValueError(f"{symbol!r} was never added to the algorithm: add it before an insight, or give a Symbol")
    return found


class Insight(LeanObject):
    """A prediction: `Insight(symbol, period, type, direction, ...)` or `Insight.price(symbol, period, direction, ...)`.

    The period is a timedelta or a function local time -> local closing time.
    """

    def __init__(
        self,
        symbol: Any,
        period: Any,
        type: InsightType,
        direction: InsightDirection,
        *args: Any,
        magnitude: float | None = None,
        confidence: float | None = None,
        source_model: str | None = None,
        weight: float | None = None,
        tag: str = "",
        **other: Any,
    ) -> None:
        if isinstance(symbol, datetime):
            # The overload whose first argument is the time of generation.
            generated: datetime | None = symbol
            kind: Any = direction
            symbol, period, type, direction = period, _any(type), kind, args[0]
            args = args[1:]
        else:
            generated = None
        values = {"magnitude": magnitude, "confidence": confidence, "source_model": source_model, "weight": weight}
        values["tag"] = tag
        values["source_model"] = other.pop("sourceModel", values["source_model"])
        if other:
            raise TypeError(f"Insight has no argument {sorted(other)[0]!r}")
        if len(args) == 1 and isinstance(args[0], str):
            values["tag"] = args[0]
        else:
            values.update(zip(("magnitude", "confidence", "source_model", "weight", "tag"), args, strict=False))
        self.id = uuid.uuid4()
        self.group_id: uuid.UUID | None = None
        self.symbol = _symbol_of(symbol)
        self.type = InsightType(type)
        self.direction = InsightDirection(direction)
        self.magnitude = _optional(values["magnitude"])
        self.confidence = _optional(values["confidence"])
        self.weight = _optional(values["weight"])
        self.source_model = values["source_model"] or ""
        self.tag = values["tag"] or ""
        self.generated_time_utc = generated or _NEVER
        self.close_time_utc = _NEVER
        self.reference_value = self.reference_value_final = self.estimated_value = 0.0
        self.score = InsightScore()
        self._rule = period
        self.period = max(period, _SECOND) if isinstance(period, timedelta) else timedelta(0)
        if generated is not None and isinstance(period, timedelta):
            self.close_time_utc = generated + period

    @staticmethod
    def price(symbol: Any, *args: Any, **kwargs: Any) -> Insight:
        """A price insight.

        After the symbol: `(timedelta, direction, ...)`, `(resolution, bar_count, direction, ...)`,
        `(closing time, direction, ...)` or `(function, direction, ...)`.
        """
        values = list(args)
        for key in ("period", "expiry_func", "close_time_local", "resolution"):
            if key in kwargs:
                values.insert(0, kwargs.pop(key))
        rule = values.pop(0)
        if isinstance(rule, Resolution):
            count = kwargs.pop("bar_count", None)
            count = values.pop(0) if count is None else count
            if count < 1:
                raise ValueError(f"an insight needs at least one bar, not {count}")
            rule = (rule, int(count))
        elif isinstance(rule, timedelta) and rule < _SECOND:
            raise ValueError(f"an insight's period must be at least one second, not {rule}")
        direction = kwargs.pop("direction", None)
        direction = values.pop(0) if direction is None else direction
        return Insight(symbol, rule, InsightType.PRICE, direction, *values, **kwargs)

    @staticmethod
    def group(*insights: Any) -> list[Insight]:
        """Mark insights as belonging together."""
        given = insights[0] if len(insights) == 1 and not isinstance(insights[0], Insight) else insights
        members = list(given)
        key = uuid.uuid4()
        for insight in members:
            if insight.group_id is not None:
                raise ValueError(f"the insight for {insight.symbol} belongs to a group already")
            insight.group_id = key
        return members

    def set_period_and_close_time(self, hours: ExchangeHours) -> None:
        """Work out when it closes; `generated_time_utc` must be set."""
        if self.generated_time_utc == _NEVER:
            raise ValueError("the insight's generated_time_utc must be set before its close time")
        rule = self._rule
        if isinstance(rule, timedelta):
            self.close_time_utc = compute_close_time(hours, self.generated_time_utc, self.period)
            return
        if isinstance(rule, tuple):
            resolution, count = rule
            if resolution == Resolution.HOUR:
                resolution, count = Resolution.MINUTE, count * 60
            size = max(resolution_span(resolution), _SECOND)
            self.close_time_utc = _after_bars(hours, self.generated_time_utc, size, count)
        else:
            zone = hours.time_zone
            closing = rule
            if callable(rule):
                closing = rule(from_us(zone.local(to_us(self.generated_time_utc))))
            if closing < _END and not hours.is_open(closing, False):
                closing = hours.get_next_market_open(closing, False)
            self.close_time_utc = from_us(zone.utc(to_us(closing)))
            if self.close_time_utc < self.generated_time_utc and not callable(rule):
                raise ValueError(f"the insight for {self.symbol} would close at {closing}, which is in the past")
        self.period = self.close_time_utc - self.generated_time_utc

    def is_expired(self, utc_time: datetime) -> bool:
        """Whether it closed before a time."""
        return self.close_time_utc < utc_time

    def is_active(self, utc_time: datetime) -> bool:
        """Whether it did not close before a time."""
        return not self.is_expired(utc_time)

    def expire(self, utc_time: datetime) -> None:
        """Close it a second before a time."""
        if self.is_active(utc_time):
            self.close_time_utc = utc_time - _SECOND
            self.period = self.close_time_utc - self.generated_time_utc

    def cancel(self, utc_time: datetime) -> None:
        """The same as `expire`."""
        self.expire(utc_time)

    def clone(self) -> Insight:
        """A copy with the same id."""
        copy = Insight.__new__(Insight)
        copy.__dict__.update(self.__dict__)
        return copy

    def to_json(self) -> dict[str, Any]:
        """The form of LEAN's `alpha-results.json`."""
        return {
            "id": self.id.hex,
            "groupId": self.group_id.hex if self.group_id else None,
            "sourceModel": self.source_model,
            "generatedTime": to_us(self.generated_time_utc) / 1e6,
            "createdTime": to_us(self.generated_time_utc) / 1e6,
            "closeTime": to_us(self.close_time_utc) / 1e6,
            "symbol": str(self.symbol.id),
            "ticker": self.symbol.value,
            "type": str(self.type).lower(),
            "reference": self.reference_value,
            "referenceValueFinal": self.reference_value_final,
            "direction": str(self.direction).lower(),
            "period": self.period.total_seconds(),
            "magnitude": self.magnitude,
            "confidence": self.confidence,
            "weight": self.weight,
            "scoreIsFinal": self.score.is_final_score,
            "scoreMagnitude": self.score.magnitude,
            "scoreDirection": self.score.direction,
            "estimatedValue": self.estimated_value,
            "tag": self.tag,
        }

    def __repr__(self) -> str:
        parts = [f"{self.id.hex[:8]}: {self.symbol} {self.type} {self.direction} within {self.period}"]
        if self.magnitude is not None:
            parts.append(f"by {self.magnitude}%")
        if self.confidence is not None:
            parts.append(f"with {self.confidence * 100:g}% confidence")
        if self.weight is not None:
            parts.append(f"and {self.weight * 100:g}% weight")
        return " ".join(parts)

    def __str__(self) -> str:
        return repr(self)


def _any(value: Any) -> Any:
    return value


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
