"""Gate 1: does it parse, import what it may, and use names that LEAN has? The candidate is read here, never run."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache

from llm_plugin.engine.importer import lean_names
from llm_plugin.errors import did_you_mean
from llm_plugin.strategies.judge.inference import Inference
from llm_plugin.strategies.judge.lean_names import LeanIndex, lean_index

__all__ = ["check_source", "missing_modules"]

_MOST_CHARACTERS = 200_000
_LEAN_ROOTS = frozenset(
    "AlgorithmImports QuantConnect System clr Newtonsoft Alphas Portfolio Risk Execution Selection".split()
)
_STANDARD = frozenset(
    "__future__ abc array base64 bisect calendar cmath collections copy csv dataclasses datetime decimal enum "
    "fractions functools hashlib heapq itertools json math numbers operator queue random re statistics string struct "
    "sys textwrap time traceback types typing uuid warnings weakref zoneinfo".split()
)
_THIRD_PARTY = frozenset(
    "numpy pandas scipy sklearn statsmodels arch pytz dateutil talib ta pywt hmmlearn cvxpy cvxopt torch tensorflow "
    "keras xgboost lightgbm catboost sympy networkx numba polars matplotlib pykalman filterpy copulas nltk".split()
)
# Ways round what this gate reads.
_FORBIDDEN_CALLS = frozenset("exec eval compile __import__ open input breakpoint globals vars".split())
_FORBIDDEN_ATTRIBUTES = frozenset(
    "__subclasses__ __globals__ __builtins__ __code__ __bases__ __mro__ __loader__ __spec__ __getattribute__ "
    "__closure__ __import__ __dict__ _engine".split()
)


def check_source(source: str, *, names: bool = True) -> list[str]:
    """Return what is wrong with a candidate's text; empty where nothing is.

    Args:
        source: Text of `main.py`.
        names: False looks at the syntax only.

    Raises:
        ConfigError: quantconnect-stubs is not installed.
    """
    if len(source) > _MOST_CHARACTERS:
        return [f"main.py has {len(source):,} characters: write at most {_MOST_CHARACTERS:,}"]
    if not source.strip():
        return ["main.py is empty: write one class that derives from QCAlgorithm"]
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [f"main.py:{error.lineno}: {error.msg}"]
    except (ValueError, RecursionError, MemoryError) as error:
        return [f"main.py cannot be read: {error}"]
    if not names:
        return []
    try:
        return list(dict.fromkeys(_problems(tree, lean_index())))
    except RecursionError:
        return ["main.py is nested too deeply to be read"]


def missing_modules(source: str) -> tuple[str, ...]:
    """Return modules that LEAN's cloud offers, that the candidate imports and that are not installed here."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    roots = {name.partition(".")[0] for _, name in _imports(tree)}
    return tuple(sorted(root for root in roots & _THIRD_PARTY if importlib.util.find_spec(root) is None))


def _problems(tree: ast.Module, index: LeanIndex) -> Iterator[str]:
    yield from _bad_imports(tree, index)
    yield from _forbidden(tree)
    yield from _algorithm_classes(tree)
    yield from _unknown_names(tree, index)
    yield from Inference(tree, index).problems()


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, ("." * node.level) + (node.module or "")


def _bad_imports(tree: ast.Module, index: LeanIndex) -> Iterator[str]:
    for line, name in _imports(tree):
        root = name.partition(".")[0]
        if root in _LEAN_ROOTS or root in _STANDARD or root in _THIRD_PARTY:
            continue
        if name.startswith("."):
            yield f"main.py:{line}: a strategy is one file: there is nothing to import from {name!r}"
        elif root in sys.stdlib_module_names or root in ("requests", "httpx", "llm_plugin"):
            why = "it reaches files, processes or the net"
            yield f"main.py:{line}: {name!r} may not be imported in a judged strategy: {why}"
        else:
            near = did_you_mean(root, [*_LEAN_ROOTS, *_THIRD_PARTY, *_STANDARD])
            yield f"main.py:{line}: there is no module {name!r} in LEAN{near}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in (
            "AlgorithmImports",
            "QuantConnect",
        ):
            for alias in node.names:
                if alias.name != "*" and alias.name not in _star_names() and alias.name not in index.classes:
                    near = did_you_mean(alias.name, index.classes)
                    yield f"main.py:{node.lineno}: {node.module} has no {alias.name!r}{near}"


def _forbidden(tree: ast.Module) -> Iterator[str]:
    own = set(_bound(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in _FORBIDDEN_CALLS - own:
            yield f"main.py:{node.lineno}: {node.id!r} may not be used in a judged strategy"
        elif isinstance(node, ast.Attribute) and node.attr in _FORBIDDEN_ATTRIBUTES:
            yield f"main.py:{node.lineno}: the attribute {node.attr!r} may not be used in a judged strategy"


def _algorithm_classes(tree: ast.Module) -> Iterator[str]:
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    def derives(node: ast.ClassDef, seen: frozenset[str]) -> bool:
        heads = [base.id if isinstance(base, ast.Name) else getattr(base, "attr", "") for base in node.bases]
        if any(head in ("QCAlgorithm", "QCAlgorithmFramework", "QCAlgorithmFrameworkBridge") for head in heads):
            return True
        return any(head in classes and head not in seen and derives(classes[head], seen | {head}) for head in heads)

    if not any(derives(node, frozenset({name})) for name, node in classes.items()):
        found = ", ".join(classes) or "none"
        yield f"main.py needs one class that derives from QCAlgorithm; its classes: {found}"


def _unknown_names(tree: ast.Module, index: LeanIndex) -> Iterator[str]:
    bound = set(_bound(tree))
    starred = any(
        isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names) for node in ast.walk(tree)
    )
    known: Iterable[str] = (*_star_names(), *index.classes) if starred else ()
    known = {*known, *dir(builtins), "__name__", "__file__", "__doc__", "__class__", *bound}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
            near = did_you_mean(node.id, known)
            hint = "" if starred or near else " (from AlgorithmImports import * brings LEAN's names)"
            yield f"main.py:{node.lineno}: the name {node.id!r} is defined nowhere{near}{hint}"


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]


@lru_cache(maxsize=1)
def _star_names() -> frozenset[str]:
    return frozenset({*lean_names(), "QCAlgorithmFramework", "QCAlgorithmFrameworkBridge", "plt", "AddReference"})
