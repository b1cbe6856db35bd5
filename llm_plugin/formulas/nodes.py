"""The syntax tree of a formula. Equality is that of the meaning: positions in the source do not count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Binary", "Call", "Name", "Node", "Number", "Ternary", "Unary", "children", "depth", "walk"]


@dataclass(frozen=True, slots=True)
class Number:
    """A literal such as `2`, `2.`, `.001` or `1e-3`."""

    value: float
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A series or constant; dots belong to it, as in `SPY.close` or `IndClass.sector`."""

    text: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; the function's name may have dots too (`SPY.sma(20)`)."""

    function: str
    arguments: tuple[Node, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `not x`."""

    operator: str
    operand: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands with one of `+ - * / ^ < > <= >= == != and or` between them."""

    operator: str
    left: Node
    right: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Ternary:
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node
    position: int = field(default=0, compare=False)


Node: TypeAlias = Number | Name | Call | Unary | Binary | Ternary


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct operands or arguments, from left to right."""
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Unary):
        return (node.operand,)
    if isinstance(node, Binary):
        return (node.left, node.right)
    if isinstance(node, Ternary):
        return (node.condition, node.then, node.otherwise)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it, parents first, from left to right."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


def depth(node: Node) -> int:
    """Return how many nodes lie on the longest way down; 1 for a leaf."""
    deepest, waiting = 1, [(node, 1)]
    while waiting:
        current, level = waiting.pop()
        deepest = max(deepest, level)
        waiting.extend((child, level + 1) for child in children(current))
    return deepest
