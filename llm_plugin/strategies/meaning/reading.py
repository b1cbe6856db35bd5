"""What the text of an algorithm says: indicators with their parameters, symbols and resolutions, in any style."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llm_plugin.strategies.vocabulary import INDICATORS

__all__ = ["IndicatorCall", "Reading", "read_source"]

_CLASSES = {kind.class_name: name for name, kind in INDICATORS.items()}
_OTHER_NAMES = {"bollinger_bands": "bb", "stoch": "sto", "relative_strength_index": "rsi", "average_true_range": "atr"}
_ADDERS = re.compile(r"add_(equity|forex|crypto|cfd|index|security)$")


@dataclass(frozen=True, slots=True)
class IndicatorCall:
    """One use of an indicator: its helper name, the numbers that could be read, and the line."""

    name: str
    numbers: tuple[float, ...]
    complete: bool
    line: int


@dataclass(frozen=True)
class Reading:
    """What a text says; `numbers` are all its literals."""

    indicators: tuple[IndicatorCall, ...]
    texts: frozenset[str]
    resolutions: frozenset[str]
    numbers: frozenset[float]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class _Constants:
    """Numbers behind names: constants of the module and the class, and what `self.x = 5` says."""

    def __init__(self, root: ast.AST) -> None:
        self.values: dict[str, float] = {}
        twice: set[str] = set()
        for node in ast.walk(root):
            if not isinstance(node, ast.Assign) or len(node.targets) != 1:
                continue
            target = node.targets[0]
            name = (
                target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
            )
            value = self.number(node.value)
            if name and value is not None:
                if self.values.get(name, value) != value:
                    twice.add(name)
                self.values[name] = value
        for name in twice:
            del self.values[name]

    def number(self, node: ast.AST) -> float | None:
        """Return the number that an expression is, None where that is not plain."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return float(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.number(node.operand)
            return -inner if inner is not None else None
        if isinstance(node, ast.Name):
            return self.values.get(node.id)
        return self.values.get(node.attr) if isinstance(node, ast.Attribute) else None


def _calls(root: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(root):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                yield function.attr, node
            elif isinstance(function, ast.Name):
                yield function.id, node


def _indicator_of(name: str, call: ast.Call) -> str | None:
    if name in _CLASSES:
        return _CLASSES[name]
    own = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
    if not own:
        return None
    lower = _snake(name)
    lower = _OTHER_NAMES.get(lower, lower)
    return lower if lower in INDICATORS and lower not in ("max", "min", "sum", "std") else None


def _is_setting(node: ast.AST) -> bool:
    """Whether an argument is no number by its nature: an enumeration's value, a name, nothing."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id in ("Resolution", "MovingAverageType", "Field")
    return isinstance(node, ast.Constant) and not isinstance(node.value, int | float)


def read_source(source: str) -> Reading:
    """Read a text; one that does not parse says nothing."""
    try:
        root: ast.AST = ast.parse(source)
    except (SyntaxError, ValueError):
        return Reading((), frozenset(), frozenset(), frozenset())
    constants = _Constants(root)
    found = []
    for name, call in _calls(root):
        indicator = _indicator_of(name, call)
        if indicator is None:
            continue
        given = [*call.args, *(word.value for word in call.keywords)]
        values = [constants.number(argument) for argument in given]
        numbers = tuple(value for value in values if value is not None)
        own = 0 if name in _CLASSES else 1  # the symbol comes first
        plain = all(
            value is not None or _is_setting(node) for node, value in list(zip(given, values, strict=True))[own:]
        )
        found.append(IndicatorCall(indicator, numbers, bool(numbers) and plain, call.lineno))
    nodes = list(ast.walk(root))
    texts = frozenset(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))
    names = {node.attr.lower() for node in nodes if isinstance(node, ast.Attribute)}
    resolutions = names & {"daily", "hour", "minute", "second", "tick"}
    literals = frozenset(number for node in nodes if (number := constants.number(node)) is not None)
    return Reading(tuple(found), texts, frozenset(resolutions), literals)


def wrong_parameters(reading: Reading, name: str, wanted: Mapping[str, float]) -> IndicatorCall | None:
    """Return a use of an indicator whose numbers are all readable and other than wanted, if no use has them."""
    uses = [use for use in reading.indicators if use.name == name and use.complete]
    values = set(wanted.values())
    if not uses or any(values <= set(use.numbers) for use in uses):
        return None
    return uses[0]
