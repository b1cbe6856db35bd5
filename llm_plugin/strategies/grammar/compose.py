"""From a blueprint to a draft: class name, docstring, code, facts, requirements, difficulty."""

from __future__ import annotations

from random import Random

from llm_plugin.strategies.grammar.blueprint import Blueprint, draw_blueprint
from llm_plugin.strategies.grammar.classic import classic_source
from llm_plugin.strategies.grammar.code import class_name
from llm_plugin.strategies.grammar.draft import Draft, wrapped
from llm_plugin.strategies.grammar.facts import facts_of
from llm_plugin.strategies.grammar.framework import framework_source
from llm_plugin.strategies.grammar.needs import requirements_of

__all__ = ["draft_of", "signal_draft"]

_ENDINGS = ("Algorithm", "Strategy", "Trader")


def signal_draft(family: str, rng: Random) -> Draft:
    """Return a strategy of a signal's family."""
    return draft_of(draw_blueprint(rng, {"family": family}), rng)


def draft_of(plan: Blueprint, rng: Random) -> Draft:
    """Write a blueprint down."""
    name = class_name(plan.signal.kind) + rng.choice(_ENDINGS)
    write = framework_source if plan.layout == "framework" else classic_source
    facts = facts_of(plan)
    summary = facts.clauses[0].words[0]
    source = wrapped(write(plan, name, _summary(plan, summary)))
    return Draft(plan.family, plan.core, plan.composition, source, facts, requirements_of(plan), _difficulty(plan))


def _summary(plan: Blueprint, text: str) -> str:
    where = ", ".join(plan.market.tickers)
    return f"{where}: {text}."


def _difficulty(plan: Blueprint) -> int:
    parts = (
        plan.filters is not None,
        plan.stop is not None,
        plan.target is not None,
        plan.direction == "both" and not plan.reverses,
        not plan.market.is_single,
        plan.size.kind not in ("fraction", "shares"),
        plan.layout == "framework",
        plan.exit_kind == "signal_or_hold",
    )
    count = sum(parts)
    return 1 if count <= 1 else 2 if count <= 3 else 3
