"""What a candidate's process says it wants, read as hostile input: subscriptions, settings and order requests.

The lines come out of a process in which the candidate's code ran. They may hold anything; what is not exactly of the
expected form ends the reading with a reason. Nothing in them says how an order was filled or what it earned.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from llm_plugin.errors import LeanLlmError

__all__ = ["Action", "BadScript", "Ending", "Model", "Script", "Subscription", "World", "read_script"]

_MOST_TEXT = 500
_MOST_MAGNITUDE = Decimal(10) ** 15
_PRICES = ("limit_price", "stop_price", "trigger_price", "trailing_amount", "trailing_as_percentage")
_UPDATES = ("quantity", "limit_price", "stop_price", "trigger_price", "trailing_amount")


class BadScript(LeanLlmError):
    """A line of a candidate's process is not of the expected form."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A stream that the candidate subscribed to; `utc_us` is 0 for those of `initialize`."""

    utc_us: int
    sid: str
    ticker: str
    kind: int
    market: str
    resolution: int
    fill_forward: bool
    extended: bool
    normalization: int
    leverage: float


@dataclass(frozen=True, slots=True)
class World:
    """The settings that the candidate's `initialize` left."""

    start: str
    end: str
    cash: tuple[tuple[str, Decimal], ...]
    currency: str
    zone: str
    brokerage: int
    account_type: int
    seeds_prices: bool
    precise_end_time: bool
    normalization: int
    warmup_seconds: float
    warmup_bars: int
    benchmark: tuple[int, str, str] | None
    constant_benchmark: bool


@dataclass(frozen=True, slots=True)
class Action:
    """One request: an order, an update or a cancellation.

    Attributes:
        what: `order`, `update` or `cancel`.
        utc_us: The candidate's clock.
        order: The candidate's number of the order.
        nested: How many order events had happened, where it was asked for inside of an event; -1 elsewhere.
        ending: Whether it was asked for after the last moment.
        sid: The symbol's identity.
        kind: Number of the order type.
        quantity: Signed.
        prices: By name.
        tag: Free text.
        life: Time in force: `GoodTilCanceled`, `Day`, or `GoodTilDate:<seconds>`.
        options: The brokerage's options of the order.
        properties: Class of the order's properties.
        group: Combo: its number, count of legs, quantity and limit.
        is_async: Whether it is worked off at the end of the moment only.
    """

    what: str
    utc_us: int
    order: int
    nested: int
    ending: bool
    sid: str = ""
    kind: int = 0
    quantity: Decimal = Decimal(0)
    prices: tuple[tuple[str, Decimal | bool], ...] = ()
    tag: str = ""
    life: str = "GoodTilCanceled"
    options: tuple[tuple[str, Any], ...] = ()
    properties: str = ""
    group: tuple[int, int, Decimal, Decimal] | None = None
    is_async: bool = False

    def decision(self) -> tuple[Any, ...]:
        """Return what must not depend on the future: everything but the text."""
        return (self.what, self.utc_us, self.order, self.sid, self.kind, self.quantity, self.prices, self.life)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the candidate gave a security; `role` is `leverage` for that number alone."""

    utc_us: int
    sid: str
    role: str
    name: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    leverage: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How the candidate's process says that it ended; empty `kind` = it ran to its end."""

    kind: str = ""
    message: str = ""
    member: str = ""


@dataclass
class Script:
    """Everything that a run of a candidate said."""

    world: World | None = None
    subscriptions: list[Subscription] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    series: set[tuple[int, str, str, int]] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)
    peeks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ending: Ending | None = None
    bars: int = 0


def read_script(payload: bytes, most_actions: int) -> Script:
    """Read the lines of a run.

    Args:
        payload: What came out of the process.
        most_actions: Orders, updates and cancellations that are taken.

    Raises:
        BadScript: A line is not of the expected form.
    """
    script = Script()
    for number, line in enumerate(payload.split(b"\n"), start=1):
        if not line:
            continue
        try:
            values = json.loads(line)
            _take(script, values)
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError, InvalidOperation) as error:
            text = f"{type(error).__name__}: {error}"[:200]
            raise BadScript(f"line {number} of what the process wrote is no request: {text}") from error
        if len(script.actions) > most_actions:
            raise BadScript(f"more than {most_actions:,} order requests: send fewer orders")
    return script


def _take(script: Script, values: Any) -> None:
    if not isinstance(values, dict):
        raise TypeError("it is no object")
    kind = values["k"]
    if script.ending is not None:
        raise ValueError("it comes after the end")
    if kind in ("order", "update", "cancel"):
        action = _action(kind, values)
        if script.world is None or (script.actions and action.utc_us < script.actions[-1].utc_us):
            raise ValueError("it is older than the request before it")
        script.actions.append(action)
    elif kind in ("refusal", "peek", "note"):
        named = {"refusal": script.refusals, "peek": script.peeks, "note": script.notes}[kind]
        if len(named) < 20:
            named.append(_text(values["text"]))
    else:
        _take_setting(script, kind, values)


def _take_setting(script: Script, kind: Any, values: Mapping[str, Any]) -> None:
    if kind == "world":
        if script.world is not None:
            raise ValueError("the settings come twice")
        script.world = _world(values)
    elif kind == "add":
        script.subscriptions.append(_subscription(values))
    elif kind == "leverage":
        leverage = _number(values["v"])
        script.models.append(Model(_whole(values["t"]), _text(values["s"]), "leverage", leverage=leverage))
    elif kind == "model":
        script.models.append(_model(values))
    elif kind == "series":
        key = (_whole(values["y"]), _text(values["m"]), _text(values["s"]), _whole(values["r"]))
        script.series.add(key)
    elif kind == "end":
        script.ending = Ending(_text(values["kind"]), _text(values["message"], 4000), _text(values["member"]))
        script.bars = _whole(values["bars"])
    else:
        raise ValueError(f"unknown kind {str(kind)[:40]!r}")


def _action(what: str, values: Mapping[str, Any]) -> Action:
    given: dict[str, Any] = {
        "what": what,
        "utc_us": _whole(values["t"]),
        "order": _whole(values["id"]),
        "nested": _whole(values["n"], low=-1),
        "ending": values["z"] is True,
        "tag": _text(values["tag"]),
    }
    prices = values.get("p") or {}
    if not isinstance(prices, dict) or not set(prices) <= set(_PRICES if what == "order" else _UPDATES):
        raise ValueError("prices have other names")
    given["prices"] = tuple(
        (name, value if isinstance(value, bool) else _decimal(value)) for name, value in sorted(prices.items())
    )
    if what != "order":
        return Action(**given)
    given |= {
        "sid": _text(values["s"]),
        "kind": _whole(values["y"]),
        "quantity": _decimal(values["q"]),
        "life": _text(values["f"]),
        "properties": _text(values["c"]),
        "is_async": values["a"] is True,
        "options": tuple(sorted(_options(values.get("o") or {}).items())),
    }
    if values.get("g") is not None:
        number, count, quantity, limit = values["g"]
        given["group"] = (_whole(number), _whole(count), _decimal(quantity), _decimal(limit))
    return Action(**given)


def _options(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict) or len(values) > 20:
        raise TypeError("options are no object")
    for name, value in values.items():
        _text(name)
        if not isinstance(value, bool | type(None)):
            _text(value) if isinstance(value, str) else _number(value)
    return values


def _world(values: Mapping[str, Any]) -> World:
    cash = values["cash"]
    if not isinstance(cash, dict) or not 0 < len(cash) <= 50:
        raise ValueError("cash is no object")
    benchmark = values["benchmark"]
    if benchmark is not None:
        kind, ticker, market = benchmark
        benchmark = (_whole(kind), _text(ticker), _text(market))
    return World(
        start=_text(values["start"]),
        end=_text(values["end"]),
        cash=tuple((_text(name), _decimal(amount)) for name, amount in cash.items()),
        currency=_text(values["currency"]),
        zone=_text(values["zone"]),
        brokerage=_whole(values["brokerage"]),
        account_type=_whole(values["account_type"]),
        seeds_prices=values["seeds"] is True,
        precise_end_time=values["precise"] is True,
        normalization=_whole(values["normalization"]),
        warmup_seconds=_number(values["warmup_seconds"]),
        warmup_bars=_whole(values["warmup_bars"]),
        benchmark=benchmark,
        constant_benchmark=values["constant_benchmark"] is True,
    )


def _subscription(values: Mapping[str, Any]) -> Subscription:
    return Subscription(
        _whole(values["t"]),
        _text(values["s"]),
        _text(values["ticker"]),
        _whole(values["y"]),
        _text(values["m"]),
        _whole(values["r"]),
        values["ff"] is True,
        values["x"] is True,
        _whole(values["norm"]),
        _number(values["lev"]),
    )


def _model(values: Mapping[str, Any]) -> Model:
    given = values["v"]
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise TypeError("a model's values are no object")
    return Model(_whole(values["t"]), _text(values["s"]), _text(values["w"]), _text(values["c"]), given)


def _whole(value: Any, low: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 1 << 62:
        raise TypeError(f"{str(value)[:40]} is no whole number from {low}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{str(value)[:40]} is no number")
    return float(value)


def _text(value: Any, most: int = _MOST_TEXT) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]} is no text")
    return value[:most]


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, str) or len(value) > 60:
        raise TypeError(f"{str(value)[:40]} is no decimal text")
    found = Decimal(value)
    exponent = found.as_tuple().exponent
    if not found.is_finite() or abs(found) > _MOST_MAGNITUDE or not isinstance(exponent, int) or exponent < -40:
        raise ValueError(f"{value[:40]} is out of range")
    return found
