"""Pairs and other arbitrage: two securities against each other when their ratio, spread or returns part."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from llm_plugin.strategies.grammar.code import class_name, indent, rounded_up
from llm_plugin.strategies.grammar.describe import Clause
from llm_plugin.strategies.grammar.draft import Draft
from llm_plugin.strategies.grammar.parts import Market
from llm_plugin.strategies.grammar.plans.base import Frame, finished
from llm_plugin.strategies.grammar.plans.pair_values import Gap, draw_gap
from llm_plugin.strategies.grammar.terms import number

__all__ = ["pairs"]

_PAIRS = (
    *(("GOOG", "GOOGL"), ("SPY", "IWM"), ("SPY", "QQQ"), ("USO", "BNO"), ("EEM", "SPY"), ("AAPL", "IBM")),
    *(("BAC", "AIG"), ("QQQ", "IWM"), ("AAPL", "QQQ"), ("IBM", "SPY"), ("WM", "SPY"), ("FB", "GOOG")),
)
_LEAVE = ["self.liquidate(self._first)", "self.liquidate(self._second)"]


@dataclass(frozen=True, slots=True)
class _Trade:
    """How a gap is traded."""

    a: str
    b: str
    side: str
    enter: tuple[str, str]
    leave: tuple[str, str]
    hold: int | None
    weight: float
    layout: str


def pairs(rng: Random) -> Draft:
    """Return a pair trade: by the z-score of a spread, or by the difference of two returns."""
    a, b = rng.choice(_PAIRS)
    if rng.random() < 0.5:
        a, b = b, a
    frame = Frame.draw(rng, Market("pair", (a, b)))
    gap = draw_gap(rng, a, b)
    trade = _trade(rng, a, b, gap)
    setup = [frame.single("_first"), frame.single("_second", 1), *gap.setup]
    if trade.hold is not None:
        setup.append("self._bars_held = 0")
    if gap.warm:
        setup.append(f"self.set_warm_up({rounded_up(gap.warm)}, Resolution.DAILY)")
    hold = "hold" if trade.hold is not None else "none"
    edge = "follow" if gap.follow else ("centre" if trade.leave[0].endswith(" 0") else "band")
    return finished(
        "pairs", f"{gap.kind}|{edge}|{hold}", f"{trade.side}|{gap.method}|{trade.layout}", frame,
        name=class_name(gap.kind, "pair", rng.choice(("trader", "arbitrage", "spread"))),
        summary=f"Trades {a} against {b} by {gap.short}.", setup=setup, methods=_methods(gap, trade),
        clauses=_clauses(gap, trade), needs=_needs(gap, trade), difficulty=3 if trade.side == "both" else 2,
    )  # fmt: skip


def _trade(rng: Random, a: str, b: str, gap: Gap) -> _Trade:
    wide, near = number(gap.wide), 0.0
    if not gap.follow and gap.near_choices:
        near = rng.choice(gap.near_choices)
    low, high = f"< -{wide}", f"> {wide}"
    enter = (high, low) if gap.follow else (low, high)
    leave = ("< 0", "> 0") if gap.follow else (f"> {number(-near) if near else '0'}", f"< {number(near)}")
    hold = rng.choice((5, 10, 15, 20)) if rng.random() < 0.3 else None
    weight, side = rng.choice((0.2, 0.25, 0.3, 0.4, 0.45)), rng.choice(("both", "both", "long"))
    return _Trade(a, b, side, enter, leave, hold, weight, rng.choice(("inline", "methods", "target")))


def _methods(gap: Gap, trade: _Trade) -> list[str]:
    lines = [
        "if not data.bars.contains_key(self._first) or not data.bars.contains_key(self._second):",
        "    return",
        *gap.update,
        "holding = self.portfolio[self._first]",
    ]
    both = trade.side == "both"
    count = ["    self._bars_held += 1"] if trade.hold is not None else []
    late = f" or self._bars_held >= {trade.hold}" if trade.hold is not None else ""
    leave = f"gap {trade.leave[0]}"
    if both:
        leave = f"(holding.is_long and gap {trade.leave[0]}) or (holding.is_short and gap {trade.leave[1]})"
    lines += ["if holding.invested:", *count, f"    if {leave}{late}:", *(f"        {line}" for line in _LEAVE)]
    begin = ["    self._bars_held = 0"] if trade.hold is not None else []
    for word, side in (("elif", 1), *((("elif", -1),) if both else ())):
        lines += [f"{word} gap {trade.enter[0 if side > 0 else 1]}:", *begin, *_enter(trade, side)]
    made = ["    def on_data(self, data):\n" + indent(lines, 2) + "\n", *gap.methods]
    if trade.layout == "methods":
        orders = [f"self.set_holdings(self._first, side * {number(trade.weight)})"]
        orders.append(f"self.set_holdings(self._second, -side * {number(trade.weight)})")
        made.append("    def _open(self, side):\n" + indent(orders, 2) + "\n")
    return made


def _enter(trade: _Trade, side: int) -> list[str]:
    weight, sign, other = number(trade.weight), "" if side > 0 else "-", "-" if side > 0 else ""
    if trade.layout == "methods":
        return [f"    self._open({side})"]
    if trade.layout == "target":
        first = f"PortfolioTarget(self._first, {sign}{weight})"
        return [f"    self.set_holdings([{first}, PortfolioTarget(self._second, {other}{weight})])"]
    return [
        f"    self.set_holdings(self._first, {sign}{weight})",
        f"    self.set_holdings(self._second, {other}{weight})",
    ]


def _clauses(gap: Gap, trade: _Trade) -> list[Clause]:
    a, b = trade.a, trade.b
    low, high = gap.says(trade.enter[0]), gap.says(trade.enter[1])
    clauses = [
        Clause("Signal", gap.words),
        Clause("Entry", (f"buy {a} and short {b} when {low}", f"go long {a} and short {b} if {low}")),
    ]
    if trade.side == "both":
        other = (f"short {a} and buy {b} when {high}", f"do the opposite, short {a} and long {b}, if {high}")
        clauses.append(Clause("Reverse entry", other))
    late = f", at the latest after {trade.hold} bars" if trade.hold is not None else ""
    ends = gap.says(trade.leave[0])
    if trade.side == "both":
        ends += f" (for the reverse position: {gap.says(trade.leave[1])})"
    clauses.append(Clause("Exit", (f"close both legs when {ends}{late}", f"exit both once {ends}{late}")))
    share = f"{100 * trade.weight:g} %"
    clauses.append(Clause("Size", (f"{share} of the portfolio in each leg", f"each leg gets {share} of equity")))
    return clauses


def _needs(gap: Gap, trade: _Trade) -> dict[str, object]:
    sides = ("long", "short") if trade.side == "both" else ("long",)
    return {
        "direction": "both",
        "legs": {trade.a: 1, trade.b: -1},
        "size": {"kind": "fraction", "value": trade.weight},
        "entry": {side: f"{gap.condition} {trade.enter[place]}" for place, side in enumerate(sides)},
        "exit": {side: f"{gap.condition} {trade.leave[place]}" for place, side in enumerate(sides)},
        "indicators": list(gap.uses),
        **({"holding_bars": trade.hold} if trade.hold is not None else {}),
    }
