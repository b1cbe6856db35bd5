"""Which attributes of LEAN's objects a text asks for, and whether LEAN has them: types as far as they are certain.

What is not certain is not judged here: a wrong refusal costs more than a run that tells.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from llm_plugin.engine.base.names import LeanType, snake
from llm_plugin.errors import did_you_mean
from llm_plugin.strategies.judge.lean_names import LeanIndex

__all__ = ["Inference"]

_ALGORITHM = "QCAlgorithm"
# Handlers of QCAlgorithm and the types of their arguments, `self` left out.
_HANDLERS = {
    "on_data": ("Slice",),
    "on_order_event": ("OrderEvent",),
    "on_securities_changed": ("SecurityChanges",),
    "on_splits": ("Splits",),
    "on_dividends": ("Dividends",),
}
# Methods of framework models: the first argument is the algorithm.
_MODEL_METHODS = {
    "update": (_ALGORITHM, "Slice"),
    "create_targets": (_ALGORITHM, ""),
    "manage_risk": (_ALGORITHM, ""),
    "execute": (_ALGORITHM, ""),
    "create_universes": (_ALGORITHM,),
    "on_securities_changed": (_ALGORITHM, "SecurityChanges"),
}
_MOST = 20


class Inference:
    """Types of expressions of one file.

    Args:
        tree: The file.
        index: LEAN's names.
    """

    def __init__(self, tree: ast.Module, index: LeanIndex) -> None:
        self._tree, self._index = tree, index
        self._classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        # Whatever the file itself defines or sets as an attribute may belong to any of its objects.
        self._own = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
        }
        self._own |= {
            item.name
            for kind in self._classes.values()
            for item in ast.walk(kind)
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        self._own |= {
            node.id
            for kind in self._classes.values()
            for node in ast.walk(kind)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        self._shadowed = {
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        } | set(self._classes)

    def problems(self) -> Iterator[str]:
        """Yield attributes that LEAN's classes do not have, at most twenty."""
        found = 0
        for kind in self._classes.values():
            base = self._lean_base(kind, frozenset())
            for item in kind.body:
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                    for text in self._function(item, base):
                        yield text
                        found += 1
                        if found >= _MOST:
                            return
        yield from self._static(self._tree)

    def _lean_base(self, node: ast.ClassDef, seen: frozenset[str]) -> str:
        for base in node.bases:
            name = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
            if name in self._classes and name not in seen:
                return self._lean_base(self._classes[name], seen | {name})
            if name in self._index.classes:
                return name
        return ""

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, base: str) -> Iterator[str]:
        types = self._arguments(node, base)
        once: dict[str, list[ast.expr | None]] = {}
        for item in ast.walk(node):
            for target, value in _assignments(item) if item is not node else ():
                once.setdefault(target, []).append(value)
        for name, values in once.items():
            if name in types or len(values) != 1 or values[0] is None:
                types[name] = ""  # set more than once: not certain
            else:
                types[name] = self._type(values[0], types)
        for item in ast.walk(node):
            if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Load):
                text = self._missing(item, self._type(item.value, types))
                if text:
                    yield text

    def _arguments(self, node: ast.FunctionDef | ast.AsyncFunctionDef, base: str) -> dict[str, str]:
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        types = dict.fromkeys([*names, *(arg.arg for arg in node.args.kwonlyargs)], "")
        twin = snake(node.name)
        algorithm = base == _ALGORITHM
        if names and algorithm and not any(isinstance(mark, ast.Name) for mark in node.decorator_list):
            types[names[0]] = _ALGORITHM
        given = _HANDLERS.get(twin, ()) if algorithm else _MODEL_METHODS.get(twin, ()) if base.endswith("Model") else ()
        types.update(zip(names[1:], given, strict=False))
        for arg in (*node.args.posonlyargs, *node.args.args):
            if isinstance(arg.annotation, ast.Name) and arg.annotation.id in self._index.classes:
                types[arg.arg] = arg.annotation.id if arg.annotation.id not in self._shadowed else ""
        return types

    def _type(self, node: ast.expr, types: dict[str, str], depth: int = 0) -> str:
        """Return the class of an expression, empty if it is not certain."""
        if depth > 12:
            return ""
        if isinstance(node, ast.Name):
            return types.get(node.id, "")
        if isinstance(node, ast.Attribute):
            owner = self._type(node.value, types, depth + 1)
            if not owner or node.attr in self._own:
                return ""
            return self._index.find(owner, node.attr) or ""
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                return self._type(node.func, types, depth + 1)
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            return name if name in self._index.classes and name not in self._shadowed else ""
        if isinstance(node, ast.Subscript):
            owner = self._type(node.value, types, depth + 1)
            return (self._index.find(owner, "__getitem__") or "") if owner else ""
        return ""

    def _missing(self, node: ast.Attribute, owner: str) -> str:
        index, name = self._index, node.attr
        if not owner or name.startswith("__") or name in self._own or snake(name) in self._own:
            return ""
        if not index.knows_all(owner) or index.find(owner, name) is not None or _engine_has(owner, name):
            return ""
        if any(index.find(heir, name) is not None for heir in index.heirs(owner)):
            return ""
        known = index.members(owner)
        is_value = name.isupper() or (name[:1].isupper() and all(one.isupper() for one in known))
        near = did_you_mean(snake(name).upper() if is_value else snake(name), known)
        return f"main.py:{node.lineno}: {owner} has no member {name!r}{near}"

    def _static(self, tree: ast.Module) -> Iterator[str]:
        """Yield members that are asked of a class itself: `Resolution.DAYLY`."""
        found = 0
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and found < _MOST:
                owner = node.value.id
                if owner in self._index.classes and owner not in self._shadowed and _is_lean_class(owner):
                    text = self._missing(node, owner)
                    if text:
                        found += 1
                        yield text


def _assignments(item: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield names that a statement sets, and the value where it is one expression."""
    if isinstance(item, ast.Assign):
        for target in item.targets:
            if isinstance(target, ast.Name):
                yield target.id, item.value
            else:
                yield from ((node.id, None) for node in ast.walk(target) if _stores(node))  # type: ignore[attr-defined]
    elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
        yield item.target.id, item.value
    elif isinstance(item, ast.NamedExpr):
        yield item.target.id, None
    elif isinstance(item, ast.AugAssign | ast.For | ast.AsyncFor | ast.comprehension):
        yield from ((node.id, None) for node in ast.walk(item.target) if _stores(node))  # type: ignore[attr-defined]
    elif isinstance(item, ast.withitem) and item.optional_vars is not None:
        yield from ((node.id, None) for node in ast.walk(item.optional_vars) if _stores(node))  # type: ignore[attr-defined]
    elif isinstance(item, ast.ExceptHandler) and item.name:
        yield item.name, None
    elif isinstance(item, ast.Lambda):
        yield from ((arg.arg, None) for arg in (*item.args.posonlyargs, *item.args.args, *item.args.kwonlyargs))
    elif isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from ((arg.arg, None) for arg in (*item.args.posonlyargs, *item.args.args, *item.args.kwonlyargs))


def _stores(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


@lru_cache(maxsize=1)
def _engine_classes() -> dict[str, object]:
    from llm_plugin.engine.api import engine_names

    return dict(engine_names())


def _is_lean_class(name: str) -> bool:
    # `Symbol`, `time`, `json`: what Python or the file itself means by a name is no class of LEAN.
    found = _engine_classes().get(name)
    return found is None or isinstance(found, type)


def _engine_has(owner: str, name: str) -> bool:
    kind = _engine_classes().get(owner)
    if not isinstance(kind, type):
        return False
    for part in kind.__mro__:
        for spelling in (name, snake(name)):
            found = vars(part).get(spelling)
            if found is not None and not getattr(found, "refused", False):
                return True
    return isinstance(kind, LeanType) and snake(name) in dir(type(kind))
