"""A strategy as parts that fit together, before it is code and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from llm_plugin.strategies.grammar import signals_calendar as _calendar  # noqa: F401 - adds its signals
from llm_plugin.strategies.grammar import signals_momentum as _momentum  # noqa: F401 - adds its signals
from llm_plugin.strategies.grammar.parts import (
    EXITS,
    FILTERS,
    Market,
    Protection,
    Sizing,
    draw_exit,
    draw_filter,
    draw_market,
    draw_period,
    draw_size,
    draw_stop,
    draw_target,
)
from llm_plugin.strategies.grammar.signals import SIGNALS, Signal, draw_signal
from llm_plugin.strategies.grammar.terms import Helper, Rule

__all__ = ["Blueprint", "draw_blueprint"]

CASH = (25_000, 50_000, 100_000, 100_000, 200_000)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything that code, words and requirements are made of."""

    signal: Signal
    market: Market
    direction: str
    layout: str
    filter_kind: str
    exit_kind: str
    stop_kind: str
    filters: tuple[Rule, Rule] | None
    exits: tuple[Rule | None, Rule | None]
    hold: int | None
    stop: Protection | None
    target: Protection | None
    size: Sizing
    start: date
    end: date
    cash: int

    @property
    def family(self) -> str:
        """The family of its signal."""
        return self.signal.family

    @property
    def core(self) -> str:
        """Signal, filter and exit: what decides to which split a strategy belongs."""
        return f"{self.signal.kind}|{self.filter_kind}|{self.exit_kind}"

    @property
    def composition(self) -> str:
        """All kinds of parts, without their numbers."""
        target = "target" if self.target else "none"
        rest = (self.market.kind, self.direction, self.stop_kind, target, self.size.kind, self.layout)
        return "|".join((self.core, *rest))

    def entry(self, side: int) -> Rule | None:
        """Return the entry rule of longs (+1) or shorts (-1), filter included in `condition` and `code` elsewhere."""
        if side > 0:
            return self.signal.long if self.direction != "short" else None
        return self.signal.short if self.direction != "long" else None

    def filter(self, side: int) -> Rule | None:
        """Return the filter of a side."""
        return None if self.filters is None else self.filters[0 if side > 0 else 1]

    def exit(self, side: int) -> Rule | None:
        """Return the exit rule of a side."""
        return self.exits[0 if side > 0 else 1] if self.entry(side) else None

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides that are traded."""
        return {"long": (1,), "short": (-1,), "both": (1, -1)}[self.direction]

    @property
    def reverses(self) -> bool:
        """Whether the exit of each side is the entry of the other, and nothing else but stops ends a position."""
        if self.hold is not None or self.direction != "both" or self.filters is not None or self.signal.short is None:
            return False
        ends = self.exits
        return bool(
            ends[0]
            and ends[1]
            and ends[0].condition == self.signal.short.condition
            and ends[1].condition == self.signal.long.condition
        )

    def helpers(self) -> list[Helper]:
        """Return the indicators that are needed, each once; equal ones share the first role."""
        rules = [rule for side in self.sides for rule in (self.entry(side), self.filter(side), self.exit(side)) if rule]
        found = [helper for rule in rules for helper in rule.helpers]
        if any("{closes}" in rule.code for rule in rules):
            found.append(Helper("closes", "identity", (), "", 2, "-"))
        for part in (self.stop,):
            if part is not None and part.kind == "atr":
                found.append(Helper("atr", "atr", (part.period or 14,), "", (part.period or 14) + 2))
        unique: dict[tuple[object, ...], Helper] = {}
        for helper in found:
            unique.setdefault(helper.key, helper)
        return list(unique.values())


def _cash(rng: Random) -> int:
    return rng.choice(CASH)


LAYOUTS = ("inline", "inline", "methods", "methods", "framework")
MARKETS = ("single", "single", "single", "basket", "basket", "forex", "hourly", "forex_hourly")
STOPS = ("none", "none", "percent", "percent_order", "atr", "trailing")
SIZES = ("fraction", "fraction", "fraction", "shares", "cash", "volatility_target", "risk")
_NEEDS_VOLUME = frozenset({"money_flow_extreme"})


def draw_blueprint(rng: Random, wanted: Mapping[str, Any] | None = None) -> Blueprint:
    """Return a strategy whose parts fit together.

    Args:
        rng: Source of every choice.
        wanted: Parts that are given: `family`, `signal`, `market`, `layout`, `direction`.
    """
    given = dict(wanted or {})
    kinds = [kind for kind, made in SIGNALS.items() if given.get("family", made.family) == made.family]
    kind = given.get("signal") or rng.choice(kinds)
    layout = given.get("layout") or rng.choice(LAYOUTS)
    market_kind = given.get("market") or rng.choice(SIGNALS[kind].markets or MARKETS)
    if market_kind.startswith("forex") and (kind in _NEEDS_VOLUME):
        market_kind = "single"
    if layout == "framework" and market_kind == "basket":
        market_kind = "single"
    market = draw_market(rng, market_kind)
    signal = draw_signal(kind, rng)
    direction = given.get("direction") or rng.choice(("long", "long", "long", "both", "short"))
    if signal.short is None:
        direction = "long"
    filter_kind = _filter_kind(rng, signal, market)
    filters = draw_filter(rng, filter_kind) if filter_kind != "none" else None
    exit_kind, exits, hold = _exit(rng, signal, market)
    stop_kind, size_kind = _stop_and_size(rng, layout, direction, market)
    stop = draw_stop(rng, stop_kind, market.resolution)
    target_kind = "none" if layout == "framework" else rng.choice(("none", "none", "percent"))
    size = draw_size(rng, size_kind, market)
    start, end = draw_period(rng, market)
    made = Blueprint(
        signal, market, direction, layout, filter_kind, exit_kind, stop_kind, filters, exits, hold, stop,
        draw_target(rng, target_kind, market.resolution), size, start, end, _cash(rng),
    )  # fmt: skip
    clash = made.reverses and size_kind != "fraction"
    return made if not clash and _roles_fit(made) else draw_blueprint(rng, wanted)


def _roles_fit(made: Blueprint) -> bool:
    """Two different indicators must not want the same attribute."""
    roles = [helper.role for helper in made.helpers()]
    return len(roles) == len(set(roles))


def _filter_kind(rng: Random, signal: Signal, market: Market) -> str:
    if rng.random() < 0.4 or signal.family == "multi_factor":
        return "none"
    kinds = set(FILTERS)
    if market.security_type == "forex":
        kinds.discard("volume")
    # A filter that asks for the opposite of the signal would never let it through.
    kinds.discard("strength" if signal.family == "mean_reversion" else "quiet")
    return rng.choice(sorted(kinds))


def _exit(rng: Random, signal: Signal, market: Market) -> tuple[str, tuple[Rule | None, Rule | None], int | None]:
    own = (signal.leave_long, signal.leave_short)
    fitting = sorted(kind for kind, (families, _) in EXITS.items() if signal.family in families)
    choices = ["hold", *([rng.choice(fitting)] if fitting else [])]
    if signal.family in ("seasonality", "intraday"):
        choices = ["signal"]
    elif signal.leave_long is not None:
        choices += ["signal", "signal", "signal_or_hold"]
    kind = rng.choice(choices)
    bars = rng.choice((3, 4, 5, 7, 10, 15, 20)) if market.resolution == "daily" else rng.choice((4, 6, 8, 12, 24))
    if kind == "hold":
        return kind, (None, None), bars
    if kind in ("signal", "signal_or_hold"):
        return kind, own, bars if kind == "signal_or_hold" else None
    return kind, draw_exit(rng, kind), None


def _stop_and_size(rng: Random, layout: str, direction: str, market: Market) -> tuple[str, str]:
    if layout == "framework":
        return rng.choice(("none", "percent", "trailing")), "fraction"
    stops = [kind for kind in STOPS if direction != "both" or kind != "percent_order"]
    sizes = [kind for kind in SIZES if kind != "risk" or market.is_single]
    if market.resolution != "daily" or market.security_type == "forex":
        sizes = [kind for kind in sizes if kind not in ("volatility_target", "cash")]
    size = rng.choice(sizes)
    if size == "risk":
        return rng.choice(("percent", "atr")), size
    return rng.choice(stops), size
