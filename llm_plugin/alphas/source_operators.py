"""The operators' own text, for algorithms that must stand alone."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from functools import cache

from llm_plugin.alphas import operators

__all__ = ["operator_text", "with_helpers"]

_ANNOTATION = re.compile(r": (?:NDArray\[np\.\w+\]|Floats|float|int)(?: \| float)?| -> [^:]+(?=:$)")


@cache
def _functions() -> dict[str, str]:
    """Return the text of every operator by name, in the module's order, without annotations."""
    source = inspect.getsource(operators)
    lines = source.splitlines()
    texts = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            head, *body = lines[node.lineno - 1 : node.end_lineno]
            texts[node.name] = "\n".join([_ANNOTATION.sub("", head), *body])
    return texts


def with_helpers(names: Iterable[str]) -> list[str]:
    """Return the named operators and those that they call, in the module's order."""
    texts, wanted, waiting = _functions(), set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            used = {node.id for node in ast.walk(ast.parse(texts[name])) if isinstance(node, ast.Name)}
            waiting.extend(used & texts.keys())
    return [name for name in texts if name in wanted]


def operator_text(names: Iterable[str]) -> str:
    """Return the text of the operators and of those that they call."""
    return "\n\n\n".join(_functions()[name] for name in with_helpers(names))
