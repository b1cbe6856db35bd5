"""Single facts of a prompt, looked for in the code: what gate 4 holds a model to where no full requirements are known.

Deliberately lenient: a fact counts as kept if the code shows it in any form. What this finds is wrong for certain.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from llm_plugin.strategies.generate.reading import Fact

__all__ = ["broken_facts"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What stands in a file."""

    texts: frozenset[str]
    numbers: frozenset[float]
    names: frozenset[str]


def broken_facts(source: str, facts: Sequence[Fact]) -> list[str]:
    """Return what the code lacks of the prompt's facts, in words that a model can act on.

    Args:
        source: Text of `main.py`; one that does not parse has no facts to break, another gate names that.
        facts: What the prompt says for certain.
    """
    try:
        seen = _look(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError):
        return []
    broken = []
    for fact in dict.fromkeys(facts):
        told = _broken(fact, seen)
        if told:
            broken.append(told)
    return broken


def _broken(fact: Fact, seen: _Seen) -> str:
    if fact.name == "symbol" and not any(str(fact.value) in text.upper() for text in seen.texts):
        return f"the request names {fact.value}, which the code never subscribes to"
    if fact.name == "period":
        name, period = fact.value
        if not {float(period), period + 1.0} & seen.numbers:  # a window of changes holds one more bar
            return f"the request says {fact.words!r}: no {period} stands in the code (period of {name})"
    if fact.name in ("stop", "target"):
        value = float(fact.value)
        forms = {value, value / 100, 1 - value / 100, 1 + value / 100}
        if not any(abs(number - form) < 1e-9 for number in seen.numbers for form in forms):
            return f"the request says {fact.words!r}: neither {value:g} nor {value / 100:g} stands in the code"
    if fact.name == "resolution":
        used = {name for name in ("daily", "hour", "minute", "second", "tick") if name in seen.names}
        if used and fact.value not in used:
            return f"the request says {fact.words!r}: the code uses Resolution.{sorted(used)[0].upper()}"
    return ""


def _look(tree: ast.AST) -> _Seen:
    texts, numbers, names = set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                texts.add(node.value)
            elif isinstance(node.value, int | float) and not isinstance(node.value, bool):
                numbers.add(float(node.value))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Resolution":
            names.add(node.attr.lower())
    return _Seen(frozenset(texts), frozenset(numbers), frozenset(names))
