"""A drawn strategy: code, what it is asked for, and where it belongs."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from llm_plugin.strategies.grammar.describe import Facts

__all__ = ["SPLITS", "Draft", "Strategy", "split_of", "wrapped"]

SPLITS = ("train", "validation", "test")
_VALIDATION_PERCENT, _TEST_PERCENT = 8, 16
_WIDTH = 100


@dataclass(frozen=True)
class Draft:
    """What a plan of the grammar yields.

    Attributes:
        family: Such as `mean_reversion`.
        core: The parts that decide to which split it belongs; strategies with an equal core are never separated.
        composition: All kinds of parts, without their numbers.
        source: Text of `main.py`.
        facts: What its descriptions say.
        requirements: JSON object of `Requirements`; None where a machine cannot check what is asked for.
        difficulty: 1 to 3.
    """

    family: str
    core: str
    composition: str
    source: str
    facts: Facts
    requirements: Mapping[str, Any] | None
    difficulty: int


@dataclass(frozen=True)
class Strategy:
    """A strategy of the grammar with its descriptions.

    Attributes:
        id: Family and a hash of the code.
        split: `train`, `validation` or `test`, by the core of its composition.
        instructions: Differently worded descriptions of the same strategy.
    """

    id: str
    family: str
    core: str
    composition: str
    split: str
    difficulty: int
    source: str
    instructions: tuple[str, ...]
    requirements: Mapping[str, Any] | None
    start: date
    end: date
    cash: int
    extra: Mapping[str, Any] = field(default_factory=dict)


def split_of(family: str, core: str) -> str:
    """Return the split of a composition's core: a hash decides, so that it never changes and never looks at results."""
    place = int(hashlib.sha256(f"{family}|{core}".encode()).hexdigest()[:8], 16) % 100
    if place < _TEST_PERCENT:
        return "test"
    return "validation" if place < _TEST_PERCENT + _VALIDATION_PERCENT else "train"


def wrapped(source: str) -> str:
    """Break conditions that are too long for a line at their outermost `and` or `or`."""
    return "\n".join(part for line in source.split("\n") for part in _broken(line))


def _broken(line: str) -> list[str]:
    if len(line) <= _WIDTH:
        return [line]
    body = line.lstrip()
    space = line[: len(line) - len(body)]
    for word, end in (("if ", ":"), ("elif ", ":"), ("return ", "")):
        if body.startswith(word) and body.endswith(end):
            code = body[len(word) : len(body) - len(end)]
            parts = _operands(code)
            if parts is None:
                return [line]
            operator, values = parts
            lines = [f"{space}    {values[0]}", *(f"{space}    {operator} {value}" for value in values[1:])]
            return [f"{space}{word}(", *lines, f"{space}){end}"]
    return [line]


def _operands(code: str) -> tuple[str, list[str]] | None:
    tree = ast.parse(code, mode="eval").body
    if not isinstance(tree, ast.BoolOp):
        return None
    operator = "and" if isinstance(tree.op, ast.And) else "or"
    texts = []
    for value in tree.values:
        text = ast.get_source_segment(code, value) or ""
        texts.append(f"({text})" if isinstance(value, ast.BoolOp) else text)
    return operator, texts
