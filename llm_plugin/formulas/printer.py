"""From the tree back to text: one spelling for one meaning, brackets only where they are needed."""

from __future__ import annotations

from llm_plugin.formulas.nodes import Binary, Call, Name, Node, Number, Ternary, Unary
from llm_plugin.formulas.parser import COMPARISONS, PRECEDENCE

__all__ = ["to_text"]

_ATOM = 10


def to_text(node: Node) -> str:
    """Return the canonical text; `parse(to_text(node)) == node`.

    Example:
        >>> from llm_plugin.formulas.parser import parse
        >>> to_text(parse("((-1*rank( (open) )))"))
        '-1 * rank(open)'
    """
    return _text(node)[0]


def _text(node: Node) -> tuple[str, int]:
    """Return the text and how tightly its outermost operator binds."""
    if isinstance(node, Number):
        return _number(node.value)
    if isinstance(node, Name):
        return node.text, _ATOM
    if isinstance(node, Call):
        return f"{node.function}({', '.join(to_text(argument) for argument in node.arguments)})", _ATOM
    if isinstance(node, Unary):
        binding = PRECEDENCE["negative" if node.operator == "-" else "not"]
        return f"{'-' if node.operator == '-' else 'not '}{_inside(node.operand, binding)}", binding
    if isinstance(node, Ternary):
        parts = (_inside(node.condition, 2), _inside(node.then, 1), _inside(node.otherwise, 1))
        return f"{parts[0]} ? {parts[1]} : {parts[2]}", 1
    return _binary(node)


def _binary(node: Binary) -> tuple[str, int]:
    binding = PRECEDENCE[node.operator]
    if node.operator == "^":
        return f"{_inside(node.left, _ATOM)}^{_inside(node.right, PRECEDENCE['negative'])}", binding
    left = _inside(node.left, binding + (node.operator in COMPARISONS))
    return f"{left} {node.operator} {_inside(node.right, binding + 1)}", binding


def _inside(node: Node, tightest: int) -> str:
    text, binding = _text(node)
    return text if binding >= tightest else f"({text})"


def _number(value: float) -> tuple[str, int]:
    """Write a literal; a negative one, which no parser makes, is a negation."""
    text = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return text, PRECEDENCE["negative"] if text.startswith("-") else _ATOM
