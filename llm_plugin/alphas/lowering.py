"""What a formula means: its tree with the names of `llm_plugin.alphas.operators`.

Choices that the paper leaves open are made here and in the operators: days are rounded down, `min` and `max` with a
number of days look back and otherwise compare two series, `adv20` is a mean of share volume.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from llm_plugin.errors import did_you_mean
from llm_plugin.formulas import Binary, Call, FormulaError, Name, Node, Number, Ternary, Unary, parse

__all__ = ["CAP_DAYS", "FIELDS", "GROUPS", "lookback_days", "meaning"]

FIELDS = ("open", "high", "low", "close", "volume", "vwap", "cap")
GROUPS = ("sector", "industry", "subindustry")
CAP_DAYS = 60  # the proxy of market capitalisation: mean traded value of so many days
MAX_DAYS = 1_000
_ADV = re.compile(r"adv(\d+)")


@dataclass(frozen=True, slots=True)
class _Function:
    """An operator and its arguments: s a series, d days, n a number that may be left out, g a group."""

    operator: str
    arguments: str


_FUNCTIONS = {
    "rank": _Function("rank", "s"),
    "abs": _Function("abs", "s"),
    "log": _Function("log", "s"),
    "sign": _Function("np.sign", "s"),
    "scale": _Function("scale", "sn"),
    "signedpower": _Function("signed_power", "ss"),
    "indneutralize": _Function("ind_neutralize", "sg"),
    "delay": _Function("delay", "sd"),
    "delta": _Function("delta", "sd"),
    "sum": _Function("ts_sum", "sd"),
    "product": _Function("ts_product", "sd"),
    "stddev": _Function("stddev", "sd"),
    "ts_min": _Function("ts_min", "sd"),
    "ts_max": _Function("ts_max", "sd"),
    "ts_argmin": _Function("ts_argmin", "sd"),
    "ts_argmax": _Function("ts_argmax", "sd"),
    "ts_rank": _Function("ts_rank", "sd"),
    "decay_linear": _Function("decay_linear", "sd"),
    "correlation": _Function("correlation", "ssd"),
    "covariance": _Function("covariance", "ssd"),
}
_EXTREMES = {"min": ("ts_min", "np.minimum"), "max": ("ts_max", "np.maximum")}
_CONDITIONS: dict[str, Callable[[Node, Node], Node]] = {
    "<": lambda left, right: Call("less", (left, right)),
    ">": lambda left, right: Call("less", (right, left)),
    "<=": lambda left, right: _not(Call("less", (right, left))),
    ">=": lambda left, right: _not(Call("less", (left, right))),
    "==": lambda left, right: Call("equal", (left, right)),
    "!=": lambda left, right: _not(Call("equal", (left, right))),
    "and": lambda left, right: Call("both", (left, right)),
    "or": lambda left, right: Call("either", (left, right)),
}


def meaning(formula: str) -> Node:
    """Parse a formula and return its tree in operators.

    The tree has calls of operators (`np.sign` and the like are numpy's), fields, numbers, and `+ - * / ^`; a quotient
    or power of anything but a number is a call of `ratio` or `power`.

    Raises:
        FormulaError: The formula cannot be read, or has a function, field or argument that the alphas lack.
    """
    return _Lowering(formula).node(parse(formula))


def lookback_days(node: Node) -> int:
    """Return how many days of bars the last value of a lowered tree needs, its own day included."""
    if isinstance(node, Name):
        return CAP_DAYS if node.text == "cap" else 1
    if isinstance(node, Binary):
        return max(lookback_days(node.left), lookback_days(node.right))
    if not isinstance(node, Call):
        return 1
    needed = max(lookback_days(argument) for argument in node.arguments)
    last = node.arguments[-1]
    if not isinstance(last, Number) or node.function not in _LOOK_BACK:
        return needed
    return needed + int(last.value) - (node.function not in ("delay", "delta"))


_LOOK_BACK = frozenset(each.operator for each in _FUNCTIONS.values() if each.arguments.endswith("d")) | {"ts_mean"}


def _not(condition: Node) -> Node:
    return Binary("-", Number(1.0), condition)


class _Lowering:
    def __init__(self, formula: str) -> None:
        self._formula = formula

    def node(self, node: Node) -> Node:
        if isinstance(node, Number):
            return node
        if isinstance(node, Name):
            return self._name(node)
        if isinstance(node, Unary):
            return self._unary(node)
        if isinstance(node, Ternary):
            return Call("choose", (self.node(node.condition), self.node(node.then), self.node(node.otherwise)))
        if isinstance(node, Call):
            return self._call(node)
        left, right = self.node(node.left), self.node(node.right)
        if node.operator in _CONDITIONS:
            return _CONDITIONS[node.operator](left, right)
        if node.operator == "*" and right == Number(-1.0):
            left, right = right, left
        if node.operator == "/" and not (isinstance(right, Number) and right.value != 0):
            return Call("ratio", (left, right))
        if node.operator == "^" and not (isinstance(right, Number) and right.value > 0):
            return Call("power", (left, right))
        return Binary(node.operator, left, right)

    def _unary(self, node: Unary) -> Node:
        operand = self.node(node.operand)
        if node.operator == "not":
            return Call("equal", (operand, Number(0.0)))
        return Number(-operand.value) if isinstance(operand, Number) else Binary("*", Number(-1.0), operand)

    def _name(self, node: Name) -> Node:
        name = node.text.lower()
        if name in FIELDS:
            return Name(name)
        if name == "returns":
            return Binary("-", Call("ratio", (Name("close"), Call("delay", (Name("close"), Number(1.0))))), Number(1.0))
        adv = _ADV.fullmatch(name)
        if adv is not None:
            return Call("ts_mean", (Name("volume"), self._days(Number(float(adv[1]), node.position))))
        known = (*FIELDS, "returns", "adv20")
        raise self._error(f"{node.text!r} is no field of the alphas{did_you_mean(name, known)}", node)

    def _call(self, node: Call) -> Node:
        name = node.function.lower()
        if name in _EXTREMES and len(node.arguments) == 2:
            looking_back, of_two = _EXTREMES[name]
            if isinstance(node.arguments[1], Number):
                return Call(looking_back, (self.node(node.arguments[0]), self._days(node.arguments[1])))
            return Call(of_two, tuple(self.node(argument) for argument in node.arguments))
        known = _FUNCTIONS.get(name)
        if known is None:
            hint = " takes two arguments" if name in _EXTREMES else f" is no operator{did_you_mean(name, _FUNCTIONS)}"
            raise self._error(f"{node.function!r}{hint}", node)
        least = len(known.arguments.rstrip("n"))
        if not least <= len(node.arguments) <= len(known.arguments):
            raise self._error(f"{node.function} takes {least} arguments, here are {len(node.arguments)}", node)
        kinds = known.arguments[: len(node.arguments)]
        arguments = zip(kinds, node.arguments, strict=True)
        return Call(known.operator, tuple(self._argument(kind, argument) for kind, argument in arguments))

    def _argument(self, kind: str, node: Node) -> Node:
        if kind == "d":
            return self._days(node)
        if kind == "g":
            return self._group(node)
        return self.node(node)

    def _days(self, node: Node) -> Number:
        if not isinstance(node, Number):
            raise self._error("the number of days must be written out as a number", node)
        days = int(node.value)
        if not 1 <= days <= MAX_DAYS:
            raise self._error(f"{node.value:g} days cannot be looked back: give 1 to {MAX_DAYS}", node)
        return Number(float(days))

    def _group(self, node: Node) -> Name:
        name = node.text.lower().removeprefix("indclass.") if isinstance(node, Name) else ""
        if name not in GROUPS:
            raise self._error(f"a classification is expected: IndClass.{', IndClass.'.join(GROUPS)}", node)
        return Name(name)

    def _error(self, problem: str, node: Node) -> FormulaError:
        return FormulaError(problem, self._formula, node.position)
