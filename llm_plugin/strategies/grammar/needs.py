"""The requirements of a blueprint: what a judge may hold any solution to."""

from __future__ import annotations

from typing import Any

from llm_plugin.strategies.grammar.blueprint import Blueprint
from llm_plugin.strategies.grammar.parts import Protection
from llm_plugin.strategies.grammar.terms import Helper, Rule
from llm_plugin.strategies.vocabulary import INDICATORS

__all__ = ["indicator_uses", "requirements_of"]


def requirements_of(plan: Blueprint) -> dict[str, Any]:
    """Return the requirements as the JSON object of `Requirements`."""
    needs: dict[str, Any] = {
        "symbols": list(plan.market.tickers),
        "security_type": plan.market.security_type,
        "resolution": plan.market.resolution,
        "direction": plan.direction,
        "indicators": indicator_uses(plan.helpers()),
        "entry": _rules(plan, lambda side: _both(plan.entry(side), plan.filter(side))),
        "exit": _rules(plan, lambda side: _condition(plan.exit(side))),
        "stop": _protection(plan.stop),
        "target": _protection(plan.target),
        "size": _size(plan),
        "holding_bars": plan.hold,
    }
    return {key: value for key, value in needs.items() if value not in (None, [], {})}


def indicator_uses(helpers: list[Helper]) -> list[dict[str, Any]]:
    """Return those helpers that are indicators by name, with their parameters."""
    uses = []
    for helper in helpers:
        if helper.method not in INDICATORS or helper.label == "-":
            continue
        names = INDICATORS[helper.method].parameters
        uses.append({"name": helper.method, **dict(zip(names, helper.parameters, strict=False))})
    return uses


def _rules(plan: Blueprint, text: Any) -> dict[str, str]:
    made = {"long" if side > 0 else "short": text(side) for side in plan.sides}
    return {side: condition for side, condition in made.items() if condition}


def _condition(rule: Rule | None) -> str | None:
    return rule.condition if rule is not None else None


def _both(first: Rule | None, second: Rule | None) -> str | None:
    texts = [rule.condition for rule in (first, second) if rule is not None]
    return texts[0] if len(texts) == 1 else " and ".join(f"({text})" for text in texts)


def _protection(part: Protection | None) -> dict[str, Any] | None:
    if part is None:
        return None
    made: dict[str, Any] = {"kind": part.kind, "value": part.value}
    return {**made, "period": part.period} if part.period else made


def _size(plan: Blueprint) -> dict[str, Any]:
    size = plan.size
    made = {"kind": size.kind, "value": size.value, "period": size.period, "most": size.most}
    return {key: value for key, value in made.items() if value is not None}
