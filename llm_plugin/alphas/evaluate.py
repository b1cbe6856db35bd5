"""The first implementation: lowered trees on numpy arrays, by `llm_plugin.alphas.operators`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from llm_plugin.alphas import operators
from llm_plugin.alphas.lowering import meaning
from llm_plugin.alphas.operators import Floats
from llm_plugin.alphas.panel import Panel
from llm_plugin.formulas import Binary, Call, Name, Node, Number

__all__ = ["evaluate"]

_NUMPY: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "np.sign": np.sign,
    "np.minimum": np.minimum,
    "np.maximum": np.maximum,
}


def evaluate(formula: str, panel: Panel) -> Floats:
    """Return the values of a formula, shape [days, names]; NaN where they are not known.

    Raises:
        FormulaError: The formula cannot be read, or has something the alphas lack.
    """
    known: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        values = _value(meaning(formula), {**panel.fields, **panel.groups}, known)
    return np.asarray(np.broadcast_to(operators.finite(values), panel.shape), dtype=np.float64)


def _value(node: Node, fields: Mapping[str, Any], known: dict[Node, Any]) -> Any:
    """Compute a subtree once; whole numbers stay whole, since days count."""
    if isinstance(node, Number):
        return int(node.value) if node.value.is_integer() else node.value
    if isinstance(node, Name):
        return fields[node.text]
    if node not in known:
        if isinstance(node, Call):
            arguments = [_value(argument, fields, known) for argument in node.arguments]
            known[node] = (_NUMPY.get(node.function) or getattr(operators, node.function))(*arguments)
        elif isinstance(node, Binary):
            known[node] = _arithmetic(
                node.operator, _value(node.left, fields, known), _value(node.right, fields, known)
            )
        else:
            raise TypeError(f"{type(node).__name__} is left after lowering")
    return known[node]


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        return left / right
    return left**right
