"""What plans share: an algorithm from its parts, and the draft that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from llm_plugin.strategies.grammar.code import header, indent, opening, subscribe
from llm_plugin.strategies.grammar.describe import Clause, Facts
from llm_plugin.strategies.grammar.draft import Draft, wrapped
from llm_plugin.strategies.grammar.parts import Market, draw_period

__all__ = ["Clock", "Frame", "draw_clock", "finished"]

CASH = (25_000, 50_000, 100_000, 100_000, 200_000)


@dataclass(frozen=True, slots=True)
class Frame:
    """Market, period and cash of a plan."""

    market: Market
    start: date
    end: date
    cash: int

    @classmethod
    def draw(cls, rng: Random, market: Market) -> Frame:
        """Return a frame with a period that the data cover."""
        start, end = draw_period(rng, market)
        return cls(market, start, end, rng.choice(CASH))

    def several(self) -> list[str]:
        """Return the lines that add a list of securities."""
        tickers = ", ".join(f'"{ticker}"' for ticker in self.market.tickers)
        call = subscribe(self.market.security_type, "ticker", self.market.resolution)
        return [
            f"self._symbols = [{call}.symbol for ticker in ({tickers}{',' if len(self.market.tickers) == 1 else ''})]"
        ]

    def single(self, attribute: str = "_symbol", place: int = 0) -> str:
        """Return the line that adds one security."""
        call = subscribe(self.market.security_type, f'"{self.market.tickers[place]}"', self.market.resolution)
        return f"self.{attribute} = {call}.symbol"


@dataclass(frozen=True, slots=True)
class Clock:
    """When a portfolio is set anew.

    Attributes:
        every: Key of the requirements.
        style: `event` (a scheduled event) or `bars` (asked in `on_data`).
        words: Wordings such as "at the start of each month".
    """

    every: str
    style: str
    words: tuple[str, ...]
    rule: str = ""
    test: str = ""
    at: str = ""

    def schedule(self, anchor: str) -> list[str]:
        """Return the lines of `initialize` that start it; `anchor` is a symbol as code."""
        if self.style == "bars":
            return ["self._last_period = None"]
        moment = f"at({self.at})" if self.at else f"after_market_open({anchor}, 30)"
        call = f"self.date_rules.{self.rule}({anchor}), self.time_rules.{moment}, self._rebalance"
        return [f"self.schedule.on({call})"]

    def handler(self, anchor: str, body: Sequence[str], warm: bool) -> str:
        """Return the method that rebalances, and what calls it."""
        waiting = ["if self.is_warming_up:", "    return"] if warm else []
        rebalance = (
            "    def _rebalance(self):\n" + indent([*(waiting if self.style == "event" else []), *body], 2) + "\n"
        )
        if self.style == "event":
            return rebalance
        test = ["self.is_warming_up"] if warm else []
        lines = [
            f"if {' or '.join([*test, f'not data.bars.contains_key({anchor})'])}:",
            "    return",
            f"period = {self.test}",
            "if period != self._last_period:",
            "    self._last_period = period",
            "    self._rebalance()",
        ]
        return "    def on_data(self, data):\n" + indent(lines, 2) + "\n\n" + rebalance

    @property
    def needs(self) -> dict[str, Any]:
        """The rebalance requirement."""
        return {"every": self.every, "at": "start"}


_CLOCKS = {
    "month": (
        ("at the start of each month", "monthly, on the first trading day", "once a month, at its start"),
        "month_start",
        "self.time.month",
    ),
    "week": (
        ("at the start of each week", "weekly, on the first trading day of the week", "once a week, at its start"),
        "week_start",
        "self.time.isocalendar()[1]",
    ),
    "quarter": (
        ("at the start of each quarter", "quarterly, on the first trading day", "every quarter, at its start"),
        "quarter_start",
        "(self.time.month - 1) // 3",
    ),
}


def draw_clock(
    rng: Random, every: Sequence[str] = ("month", "month", "week", "quarter"), *, zone_time: str = ""
) -> Clock:
    """Return when to rebalance; `zone_time` (hour, minute) where a market has no opening bell."""
    kind = rng.choice(list(every))
    words, rule, test = _CLOCKS[kind]
    style = "bars" if kind == "quarter" else rng.choice(("event", "event", "bars"))
    return Clock(kind, style, words, rule, test, zone_time)


def finished(
    family: str,
    core: str,
    composition: str,
    frame: Frame,
    *,
    name: str,
    summary: str,
    setup: Sequence[str],
    methods: Sequence[str],
    clauses: Sequence[Clause],
    needs: Mapping[str, Any] | None,
    difficulty: int,
    framework: bool = False,
) -> Draft:
    """Return the draft of a plan.

    Args:
        family: Its family.
        core: Kinds that decide on the split.
        composition: All kinds of parts.
        frame: Market, period and cash.
        name: Class name.
        summary: Docstring of the class.
        setup: Lines of `initialize` after dates and cash.
        methods: The other methods, indented.
        clauses: What is asked for.
        needs: Requirements besides symbols, security type and resolution; None = not checkable by a machine.
        difficulty: 1 to 3.
        framework: Whether descriptions ask for the framework.
    """
    start = "    def initialize(self):\n" + indent([*opening(frame.start, frame.end, frame.cash), *setup], 2) + "\n"
    source = wrapped("\n".join([header(name, summary), start, *methods]))
    market = frame.market
    facts = Facts(
        market.tickers, market.resolution, tuple(clauses), frame.start, frame.end, frame.cash, framework
    )  # fmt: skip
    base = {
        "symbols": list(market.tickers),
        "security_type": market.security_type,
        "resolution": market.resolution,
        "direction": "long",
    }
    requirements = None if needs is None else {**base, **needs}
    return Draft(family, f"{family}|{core}", f"{core}|{composition}", source, facts, requirements, difficulty)
