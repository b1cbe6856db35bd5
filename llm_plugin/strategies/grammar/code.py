"""From rules to Python: names of attributes, indicators, entries and sizes, for one security or for several."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from datetime import date

from llm_plugin.strategies.grammar.blueprint import Blueprint
from llm_plugin.strategies.grammar.terms import Helper, Rule, number

__all__ = [
    "Namer",
    "class_name",
    "header",
    "indent",
    "joined",
    "opening",
    "rounded_up",
    "subscribe",
    "warm_up_bars",
]

_WARM_UPS = (10, 20, 50, 100, 150, 200, 300, 500)
_RESOLUTION = {"daily": "DAILY", "hour": "HOUR", "minute": "MINUTE"}


class Namer:
    """Writes rules in terms of one algorithm's attributes.

    Args:
        blueprint: What is written.
        several: Whether attributes are dictionaries by symbol.
        owner: Object that has portfolio, securities and time: `self`, or the algorithm that an alpha model is given.
    """

    def __init__(self, blueprint: Blueprint, *, several: bool, owner: str = "self") -> None:
        self.blueprint, self.several, self.owner = blueprint, several, owner
        self.symbol = "symbol" if several else "self._symbol"
        self.roles = {helper.key: helper.role for helper in blueprint.helpers()}
        self._of_role = {}
        for side in blueprint.sides:
            for rule in (blueprint.entry(side), blueprint.filter(side), blueprint.exit(side)):
                for helper in rule.helpers if rule else ():
                    self._of_role[helper.role] = self.roles[helper.key]

    def attribute(self, role: str) -> str:
        """Return the expression that reads an indicator or a state."""
        name = f"self._{self._of_role.get(role, role)}"
        return f"{name}[symbol]" if self.several else name

    def code(self, text: str) -> str:
        """Return a rule's code with its attributes filled in."""
        filled = re.sub(r"\{(\w+)\}", lambda match: self._name(match[1]), text)
        return filled.replace("self.time", f"{self.owner}.time") if self.owner != "self" else filled

    def _name(self, role: str) -> str:
        return role if role in ("price", "bar") else self.attribute(role)

    def rule(self, rules: Iterable[Rule | None]) -> str:
        """Return the conjunction of rules as code."""
        return joined("and", [self.code(rule.code) for rule in rules if rule is not None])

    def create(self, helper: Helper, symbol: str) -> str:
        """Return the call that creates an indicator."""
        extra = helper.extra.replace("{resolution}", _RESOLUTION[self.blueprint.market.resolution])
        values = [symbol, *(number(value) for value in helper.parameters), *([extra] if extra else [])]
        return f"{self.owner}.{helper.method}({', '.join(values)})"


def joined(word: str, parts: Sequence[str]) -> str:
    """Join code by `and` or `or`, with parentheses where they are needed."""
    if len(parts) == 1:
        return parts[0]
    other = " or " if word == "and" else None
    return f" {word} ".join(f"({part})" if other and other in part else part for part in parts)


def class_name(*words: str) -> str:
    """Return words as the name of a class."""
    return "".join(part.capitalize() for word in words for part in re.split(r"[^A-Za-z0-9]+", word) if part)


def indent(lines: Iterable[str], levels: int) -> str:
    """Return lines at a depth of indentation."""
    return textwrap.indent("\n".join(lines), "    " * levels)


def opening(start: date, end: date, cash: int) -> list[str]:
    """Return the first lines of `initialize`."""
    return [
        f"self.set_start_date({start.year}, {start.month}, {start.day})",
        f"self.set_end_date({end.year}, {end.month}, {end.day})",
        f"self.set_cash({cash})",
    ]


def subscribe(security_type: str, ticker: str, resolution: str) -> str:
    """Return the call that adds a security."""
    method = "add_forex" if security_type == "forex" else "add_equity"
    market = ", Market.OANDA" if security_type == "forex" else ""
    return f"self.{method}({ticker}, Resolution.{_RESOLUTION[resolution]}{market})"


def header(name: str, summary: str) -> str:
    """Return imports, class line and docstring."""
    lines = textwrap.wrap(summary, 110)
    text = '"""' + "\n    ".join(lines) + ('"""' if len(lines) == 1 else '\n    """')
    return f"from AlgorithmImports import *\n\n\nclass {name}(QCAlgorithm):\n    {text}\n"


def warm_up_bars(helpers: Iterable[Helper]) -> int:
    """Return the bars until all indicators are ready, 0 without indicators."""
    return rounded_up(max((helper.bars for helper in helpers), default=0))


def rounded_up(bars: int) -> int:
    """Return a round number of bars for a warm-up: at least as many, as a person would write it."""
    return next((size for size in _WARM_UPS if size >= bars), bars) if bars else 0
