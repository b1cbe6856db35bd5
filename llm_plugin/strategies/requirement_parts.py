"""The parts of `Requirements`: rules, stop, size, schedule, ranking. Each checks its own values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from llm_plugin.errors import DataError, did_you_mean
from llm_plugin.strategies.vocabulary import INDICATORS

__all__ = ["IndicatorUse", "Ranking", "Rebalance", "Rules", "Size", "Stop", "known_keys", "number", "one_of", "whole"]


def known_keys(what: str, values: Any, known: Iterable[str]) -> Mapping[str, Any]:
    """Return the mapping, or say which key it must not have.

    Raises:
        DataError: It is no mapping, or has an unknown key.
    """
    if not isinstance(values, Mapping):
        raise DataError(f"{what} must be an object with named values, not {values!r}")
    names = list(known)
    for key in values:
        if key not in names:
            raise DataError(f"{what} has no key {key!r}{did_you_mean(str(key), names)}; it has {', '.join(names)}")
    return values


def one_of(what: str, value: Any, allowed: Iterable[str]) -> str:
    """Return the word if it is allowed.

    Raises:
        DataError: It is not.
    """
    words = list(allowed)
    if value not in words:
        raise DataError(f"{what} is {value!r}{did_you_mean(str(value), words)}; write one of {', '.join(words)}")
    return str(value)


def number(what: str, value: Any, *, above: float | None = None, at_most: float | None = None) -> float:
    """Return a finite number within the range.

    Raises:
        DataError: It is none, or lies outside.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise DataError(f"{what} is {value!r}; write a number")
    if (above is not None and value <= above) or (at_most is not None and value > at_most):
        low = f" above {above:g}" if above is not None else ""
        high = f" up to {at_most:g}" if at_most is not None else ""
        raise DataError(f"{what} is {value!r}; write a number{low}{high}")
    return value


def whole(what: str, value: Any, least: int = 1) -> int:
    """Return a whole number of at least `least`.

    Raises:
        DataError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DataError(f"{what} is {value!r}; write a whole number of at least {least}")
    return value


class _Part:
    """JSON of a flat dataclass: values that are at their default are left out."""

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Build it from its JSON object; an unknown key or a bad value is a `DataError`."""
        names = [part.name for part in fields(cls)]  # type: ignore[arg-type]
        given = known_keys(cls.__name__.lower(), values, names)
        try:
            return cls(**given)
        except TypeError:
            missing = [part.name for part in fields(cls) if part.name not in given]  # type: ignore[arg-type]
            raise DataError(f"{cls.__name__.lower()} lacks a value: one of {', '.join(missing)}") from None

    def to_json(self) -> dict[str, Any]:
        """Return its JSON object."""
        given = {part.name: getattr(self, part.name) for part in fields(self)}  # type: ignore[arg-type]
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class IndicatorUse:
    """One indicator by LEAN's helper name (`rsi`, `bb`, `macd`) with its parameters, of one symbol or of any."""

    name: str
    parameters: tuple[tuple[str, float], ...] = ()
    symbol: str | None = None

    @classmethod
    def from_json(cls, values: Any) -> IndicatorUse:
        """Build it from `{"name": "rsi", "period": 2}`; the parameters are LEAN's.

        Raises:
            DataError: An unknown indicator or parameter, or a value that is no number.
        """
        if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
            raise DataError(f'an indicator must look like {{"name": "rsi", "period": 2}}, not {values!r}')
        name = values["name"]
        if name not in INDICATORS:
            known = ", ".join(sorted(INDICATORS))
            raise DataError(f"no indicator is called {name!r}{did_you_mean(name, INDICATORS)}; known: {known}")
        names = INDICATORS[name].parameters
        known_keys(f"indicator {name}", values, ("name", "symbol", *names))
        given = tuple((key, number(f"{name}.{key}", values[key], above=0)) for key in names if key in values)
        return cls(name, given, values.get("symbol"))

    def to_json(self) -> dict[str, Any]:
        """Return its JSON object."""
        where = {"symbol": self.symbol} if self.symbol is not None else {}
        return {"name": self.name, **dict(self.parameters), **where}


@dataclass(frozen=True, slots=True)
class Rules(_Part):
    """A condition for each side; None where that side has none."""

    long: str | None = None
    short: str | None = None

    def side(self, direction: int) -> str | None:
        """Return the condition of longs (+1) or shorts (-1)."""
        return self.long if direction > 0 else self.short

    def __bool__(self) -> bool:
        return self.long is not None or self.short is not None


_STOPS = ("percent", "atr", "trailing", "trailing_atr", "points")


@dataclass(frozen=True, slots=True)
class Stop(_Part):
    """A stop or a target.

    `percent` and `trailing` values are in percent of the entry price (or of the best price since): 1.0 is 1 %; `atr`
    and `trailing_atr` are multiples of the ATR of `period` bars; `points` is a distance in price.
    """

    kind: str
    value: float
    period: int | None = None

    def __post_init__(self) -> None:
        one_of("the stop's kind", self.kind, _STOPS)
        number("the stop's value", self.value, above=0)
        if self.kind in ("atr", "trailing_atr"):
            whole("the stop's period", self.period)


_SIZES = ("fraction", "shares", "cash", "volatility_target", "risk")


@dataclass(frozen=True, slots=True)
class Size(_Part):
    """How large a position is.

    `fraction` of the equity (0-1, per position), `shares`, `cash` in account currency, `volatility_target` (a year's
    volatility as a fraction, from the daily returns of `period` bars, at most `most` times the equity), `risk` (the
    fraction of the equity lost at the stop).
    """

    kind: str
    value: float
    period: int | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        one_of("the size's kind", self.kind, _SIZES)
        number("the size's value", self.value, above=0)
        if self.kind == "volatility_target":
            whole("the size's period", self.period, 2)
        if self.most is not None:
            number("the size's most", self.most, above=0)


_EVERY = ("day", "week", "month", "quarter", "year", "bars")


@dataclass(frozen=True, slots=True)
class Rebalance(_Part):
    """When a portfolio is set anew: each period, at its `start` or `end` (trading days), or every so many `bars`."""

    every: str
    at: str | None = None
    bars: int | None = None

    def __post_init__(self) -> None:
        one_of("rebalance.every", self.every, _EVERY)
        if self.at is not None:
            one_of("rebalance.at", self.at, ("start", "end"))
        if self.every == "bars":
            whole("rebalance.bars", self.bars)


@dataclass(frozen=True, slots=True)
class Ranking(_Part):
    """Hold the `top` symbols of an expression long and the `bottom` ones short."""

    by: str
    top: int = 0
    bottom: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or not self.by.strip():
            raise DataError(f"ranking.by is {self.by!r}; write an expression such as roc(126)")
        whole("ranking.top", self.top, 0)
        whole("ranking.bottom", self.bottom, 0)
        if self.top + self.bottom == 0:
            raise DataError("ranking holds nothing: top and bottom are both 0")

    def to_json(self) -> dict[str, Any]:
        """Return its JSON object."""
        return {"by": self.by, "top": self.top, "bottom": self.bottom}
