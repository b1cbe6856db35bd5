"""What an algorithm's source uses, and so whether and how far the embedded engine is meant for it.

Nothing here knows an algorithm by its name: the text is parsed, comments and docstrings are no part of it.
"""

from __future__ import annotations

import ast
import builtins
import typing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from llm_plugin.conformance.tier_names import (
    OUT_MEMBERS,
    OUT_TYPE_PREFIXES,
    OUT_VALUES,
    TIER1_BROKERAGES,
    TIER1_MEMBERS,
    TIER1_TYPES,
    TIER2_MEMBERS,
)
from llm_plugin.engine.base.names import snake

__all__ = ["Scope", "SourceNames", "judge_scope", "read_names"]

_PYTHON_NAMES = frozenset(dir(builtins)) | frozenset(typing.__all__)
_DOT_NET = frozenset({"DayOfWeek", "Math", "TimeSpan", "DateTime", "Console", "String"})
_ALGORITHMS = frozenset({"self", "algorithm", "_algorithm"})
_LEAN_MODULES = frozenset({"QuantConnect", "System", "Alphas", "Portfolio", "Risk", "Execution", "Selection"})
# Selection by one or two functions of the day's coarse (and fine) universe: nothing else says that it is one.
_COARSE_ARGUMENTS = (1, 2)


@dataclass
class SourceNames:
    """What one file uses: members of the algorithm, LEAN's types, `Enum.VALUE` pairs, all attributes."""

    path: Path
    members: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    bases: set[str] = field(default_factory=set)
    overrides: set[str] = field(default_factory=set)
    coarse: bool = False

    @property
    def has_algorithm(self) -> bool:
        """True where a class of the file can be an algorithm: it derives from something that is not of the file."""
        return bool(self.bases - {"AlphaModel", "PythonData", "PythonIndicator", "object"})


@dataclass(frozen=True)
class Scope:
    """`tier` 1 or 2, or 3: out of scope; `reasons` say why it is not the tier before."""

    tier: int
    reasons: tuple[str, ...]

    @property
    def is_in(self) -> bool:
        """True where the embedded engine is meant for it."""
        return self.tier < 3


class _Reader(ast.NodeVisitor):
    def __init__(self, names: SourceNames) -> None:
        self.names = names

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names.own.add(node.name)
        bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        self.names.bases |= bases
        own = {snake(item.name).upper() for item in node.body if isinstance(item, ast.FunctionDef)}
        self.names.values |= {f"{base}.{name}" for base in bases for name in own}
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.names.own.add(node.name)
        self.names.overrides.add(snake(node.name))
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.names.own.add((alias.asname or alias.name).partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module and node.module != "AlgorithmImports":
            self.names.imports.add(node.module)
            if node.module.partition(".")[0] not in _LEAN_MODULES:
                self.names.own |= {alias.asname or alias.name for alias in node.names}

    def visit_arg(self, node: ast.arg) -> None:
        self.names.own.add(node.arg)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.names.own.add(node.id)
        elif node.id[:1].isupper() and node.id not in _PYTHON_NAMES:
            self.names.types.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        names, target = self.names, node.value
        names.attributes.add(node.attr)
        if isinstance(target, ast.Name) and target.id in _ALGORITHMS:
            if isinstance(node.ctx, ast.Store) and target.id == "self":
                names.own.add(f"self.{node.attr}")
            names.members.add(snake(node.attr))
        if isinstance(target, ast.Name) and target.id[:1].isupper():
            names.values.add(f"{target.id}.{snake(node.attr).upper()}")
        if isinstance(target, ast.Attribute) and target.attr.lower() == "universe":
            names.values.add(f"universe.{snake(node.attr)}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and snake(function.attr) == "add_universe":
            given = node.args
            functions = all(isinstance(item, (ast.Lambda, ast.Attribute)) for item in given)
            named = {item.attr for item in given if isinstance(item, ast.Attribute)}
            # A second function of a universe selects by fundamentals too.
            fine = len(given) == _COARSE_ARGUMENTS[-1] and isinstance(given[1], ast.Attribute)
            if (len(given) in _COARSE_ARGUMENTS and functions and named) or (fine and isinstance(given[0], ast.Call)):
                self.names.coarse = True
        self.generic_visit(node)


def read_names(path: Path) -> SourceNames:
    """Parse a file.

    Raises:
        SyntaxError: It is no Python.
    """
    tree = ast.parse(path.read_text(encoding="utf-8-sig"), str(path))
    names = SourceNames(path)
    _Reader(names).visit(tree)
    return names


@lru_cache(maxsize=1)
def _more_members() -> frozenset[str]:
    from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm

    known = {name for name in dir(QCAlgorithm) if not name.startswith("_") and name == name.lower()}
    return frozenset(known | TIER2_MEMBERS) - TIER1_MEMBERS


def judge_scope(names: SourceNames, parents: tuple[SourceNames, ...] = ()) -> Scope:
    """Return the tier of an algorithm.

    Args:
        names: Its own file.
        parents: Files of the same folder that it imports: what they need, it needs.
    """
    out: set[str] = set()
    for part in (names, *parents):
        out |= _out_reasons(part)
    if out:
        return Scope(3, tuple(sorted(out)))
    more: set[str] = set()
    for part in (names, *parents):
        more |= _beyond_simple(part)
    return Scope(2, tuple(sorted(more))) if more else Scope(1, ())


def _out_reasons(names: SourceNames) -> set[str]:
    found = {m for m in names.members if m in OUT_MEMBERS and f"self.{m}" not in names.own and m not in names.own}
    found |= {t for t in names.types - names.own if t.startswith(OUT_TYPE_PREFIXES)}
    found |= names.values & OUT_VALUES
    if names.coarse:
        found.add("add_universe(coarse selection)")
    return found


def _beyond_simple(names: SourceNames) -> set[str]:
    found = {m for m in names.members & _more_members() if f"self.{m}" not in names.own}
    found |= {m for m in names.overrides & _more_members() if m.startswith("on_")}
    found |= {t for t in names.types - names.own - TIER1_TYPES - _DOT_NET if not t.isupper()}
    for value in names.values:
        kind, _, member = value.partition(".")
        if value == "Resolution.TICK" or (kind == "BrokerageName" and member not in TIER1_BROKERAGES):
            found.add(value)
    return found
