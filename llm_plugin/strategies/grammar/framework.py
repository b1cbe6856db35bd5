"""Algorithm Framework strategies: an alpha model that says when, and LEAN's models for the rest."""

from __future__ import annotations

import re

from llm_plugin.strategies.grammar.blueprint import Blueprint
from llm_plugin.strategies.grammar.code import Namer, class_name, indent, joined, opening, subscribe, warm_up_bars
from llm_plugin.strategies.grammar.terms import number

__all__ = ["framework_source"]


def framework_source(blueprint: Blueprint, name: str, summary: str) -> str:
    """Return `main.py` of a strategy as an alpha model with insights."""
    alpha = class_name(blueprint.signal.kind) + "AlphaModel"
    names = Namer(blueprint, several=True, owner="algorithm")
    parts = [
        "from AlgorithmImports import *\n\n",
        f'class {name}(QCAlgorithm):\n    """{summary}"""\n',
        "    def initialize(self):\n" + indent(_initialize(blueprint, alpha), 2) + "\n\n",
        f'class {alpha}(AlphaModel):\n    """Tells when to be in the market."""\n',
        _constructor(blueprint),
        _update(blueprint, names),
        _changed(blueprint, names),
    ]
    return "\n".join(part for part in parts if part)


def _initialize(plan: Blueprint, alpha: str) -> list[str]:
    market = plan.market
    lines = opening(plan.start, plan.end, plan.cash)
    lines.append(subscribe(market.security_type, f'"{market.tickers[0]}"', market.resolution))
    lines.append(f"self.add_alpha({alpha}())")
    lines.append("self.set_portfolio_construction(InsightWeightingPortfolioConstructionModel(lambda time: None))")
    lines.append("self.set_execution(ImmediateExecutionModel())")
    if plan.stop is not None:
        model = "TrailingStop" if plan.stop.kind == "trailing" else "MaximumDrawdownPercentPerSecurity"
        kind = f"{model}RiskManagementModel" if plan.stop.kind == "trailing" else model
        lines.append(f"self.add_risk_management({kind}({number(plan.stop.value / 100)}))")
    bars = warm_up_bars(plan.helpers())
    if bars:
        lines.append(f"self.set_warm_up({bars}, Resolution.{'DAILY' if market.resolution == 'daily' else 'HOUR'})")
    return lines


def _constructor(plan: Blueprint) -> str:
    lines = [f"self._{helper.role} = {{}}" for helper in plan.helpers()]
    if plan.hold is not None:
        lines.append("self._bars_held = {}")
    return "    def __init__(self):\n" + indent(["self._symbols = []", *lines], 2) + "\n"


def _update(plan: Blueprint, names: Namer) -> str:
    bars = "data.quote_bars" if plan.market.security_type == "forex" else "data.bars"
    body = _decide(plan, names)
    text = "\n".join(body)
    reads = [f"bar = {bars}[symbol]"] if "bar." in text else []
    if re.search(r"(?<![.\w])price\b", text):
        reads.append("price = bar.close" if reads else f"price = {bars}[symbol].close")
    lines = ["insights = []"]
    if warm_up_bars(plan.helpers()):
        lines += ["if algorithm.is_warming_up:", "    return insights"]
    lines += ["for symbol in self._symbols:", f"    if not {bars}.contains_key(symbol):", "        continue"]
    lines += ["    " + line for line in [*reads, "holding = algorithm.portfolio[symbol]", *body]]
    return "    def update(self, algorithm, data):\n" + indent([*lines, "return insights"], 2) + "\n"


def _decide(plan: Blueprint, names: Namer) -> list[str]:
    lines: list[str] = []
    word = "if"
    several = len(plan.sides) > 1
    if plan.reverses:
        for side, held in ((1, "is_long"), (-1, "is_short")):
            question = names.rule((plan.entry(side), plan.filter(side)))
            lines += [f"{word} {question} and not holding.{held}:", "    " + _insight(plan, side)]
            word = "elif"
        return lines
    for side in plan.sides:
        held = "invested" if not several else ("is_long" if side > 0 else "is_short")
        leaving = _leaving(plan, names, side)
        lines += [f"{word} holding.{held}:", *("    " + line for line in leaving)]
        word = "elif"
    for side in plan.sides:
        lines.append(f"elif {names.rule((plan.entry(side), plan.filter(side)))}:")
        if plan.hold is not None:
            lines.append("    self._bars_held[symbol] = 0")
        lines.append("    " + _insight(plan, side))
    return lines


def _leaving(plan: Blueprint, names: Namer, side: int) -> list[str]:
    rule = plan.exit(side)
    reasons = [names.code(rule.code)] if rule is not None else []
    lines = []
    if plan.hold is not None:
        lines.append("self._bars_held[symbol] += 1")
        reasons.append(f"self._bars_held[symbol] >= {plan.hold}")
    return [*lines, f"if {joined('or', reasons)}:", "    " + _insight(plan, 0)]


def _insight(plan: Blueprint, side: int) -> str:
    if side == 0:
        return "insights.append(Insight.price(symbol, timedelta(days=365), InsightDirection.FLAT, weight=0))"
    word = "UP" if side > 0 else "DOWN"
    weight = f", weight={number(plan.size.value)}"
    return f"insights.append(Insight.price(symbol, timedelta(days=365), InsightDirection.{word}{weight}))"


def _changed(plan: Blueprint, names: Namer) -> str:
    lines = ["for security in changes.added_securities:", "    symbol = security.symbol"]
    lines.append("    self._symbols.append(symbol)")
    lines += [f"    self._{helper.role}[symbol] = {names.create(helper, 'symbol')}" for helper in plan.helpers()]
    if plan.hold is not None:
        lines.append("    self._bars_held[symbol] = 0")
    return "    def on_securities_changed(self, algorithm, changes):\n" + indent(lines, 2) + "\n"
