"""Strategies that are no entry and exit of one signal: portfolios, pairs, risk formulas, carry."""

from collections.abc import Callable
from random import Random

from llm_plugin.strategies.grammar.draft import Draft
from llm_plugin.strategies.grammar.plans.allocation import allocation
from llm_plugin.strategies.grammar.plans.carry import carry
from llm_plugin.strategies.grammar.plans.pairs import pairs
from llm_plugin.strategies.grammar.plans.rotation import rotation
from llm_plugin.strategies.grammar.plans.volatility import risk_formula, volatility_targeting

__all__ = ["PLANS"]

PLANS: dict[str, Callable[[Random], Draft]] = {
    "allocation": allocation,
    "carry": carry,
    "pairs": pairs,
    "risk_formulas": risk_formula,
    "rotation": rotation,
    "volatility_targeting": volatility_targeting,
}
