"""What is left of a program when its skeleton, names and numbers are taken away: for finding near-duplicates."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

from llm_plugin.errors import DataError

__all__ = ["SHINGLE", "shingles", "tokens"]

SHINGLE = 4
"""How many tokens in a row are compared."""

# What every algorithm has: dates, cash, subscriptions, warm-up.
_SKELETON_CALLS = frozenset(
    {
        *("set_start_date", "set_end_date", "set_cash", "set_warm_up", "set_warmup", "set_time_zone", "set_benchmark"),
        *("add_equity", "add_forex", "add_crypto", "add_cfd", "add_index", "add_security", "debug", "log"),
    }
)
_GUARDS = frozenset({"is_warming_up", "contains_key", "is_ready"})


def tokens(source: str) -> list[str]:
    """Return the normalised syntax tree as a sequence of words.

    Imports, docstrings, dates, cash, subscriptions, warm-up and the guards that only return are left out; names of
    one's own become `v`, numbers `N`, texts `S`; LEAN's names stay, in snake_case.

    Raises:
        DataError: It does not parse; names the line.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise DataError(f"the code does not parse: line {error.lineno}: {error.msg}") from None
    found: list[str] = []
    for part in tree.body:
        _walk(part, found)
    return found


def shingles(source: str, size: int = SHINGLE) -> frozenset[int]:
    """Return hashes of all runs of `size` tokens; equal sets mean programs of one make."""
    words = tokens(source)
    runs = (" ".join(words[at : at + size]) for at in range(max(1, len(words) - size + 1)))
    return frozenset(int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "big") for run in runs)


def _walk(node: ast.AST, found: list[str]) -> None:
    if _skipped(node):
        return
    word = _word(node)
    if word:
        found.append(word)
    for child in _children(node):
        _walk(child, found)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr_context | ast.arguments | ast.alias):
            yield child


def _skipped(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    if isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Constant):
            return True
        return isinstance(node.value, ast.Call) and _called(node.value) in _SKELETON_CALLS
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        return any(isinstance(part, ast.Call) and _called(part) in _SKELETON_CALLS for part in ast.walk(node.value))
    if isinstance(node, ast.If) and not node.orelse and all(_leaves(part) for part in node.body):
        names = {part.attr for part in ast.walk(node.test) if isinstance(part, ast.Attribute)}
        return bool(names & _GUARDS)
    return False


def _leaves(node: ast.AST) -> bool:
    return isinstance(node, ast.Return | ast.Continue | ast.Pass)


def _called(node: ast.Call) -> str:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return _snake(name)


def _word(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return "v"
    if isinstance(node, ast.Attribute):
        return "v" if node.attr.startswith("_") else _snake(node.attr)
    if isinstance(node, ast.Constant):
        return "S" if isinstance(node.value, str) else "N" if isinstance(node.value, int | float) else str(node.value)
    if isinstance(node, ast.ClassDef):
        return "class"
    if isinstance(node, ast.FunctionDef):
        return "def" if node.name.startswith("_") else _snake(node.name)
    if isinstance(node, ast.keyword):
        return f"{node.arg}="
    return type(node).__name__


def _snake(name: str) -> str:
    if name.isupper():
        return name
    return "".join(f"_{c.lower()}" if c.isupper() and at and not name[at - 1].isupper() else c.lower()
                   for at, c in enumerate(name))  # fmt: skip
