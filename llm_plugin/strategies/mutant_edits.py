"""Edits of a source text by its syntax tree: the rest stays as it was written."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass

__all__ = ["Edit", "Source", "injected", "names_called"]

Method = ast.FunctionDef


@dataclass(frozen=True)
class Edit:
    """Replacements of parts of the text, `(begin, end, text)` by character, and what they do in words."""

    parts: tuple[tuple[int, int, str], ...]
    note: str = ""

    def also(self, other: Edit) -> Edit:
        """Return both edits as one."""
        return Edit((*self.parts, *other.parts), self.note or other.note)


def names_called(node: ast.AST, name: str) -> list[ast.Call]:
    """Return the calls of a method by its name."""
    return [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == name
    ]


class Source:
    """A text with its tree.

    Args:
        text: Python source that parses.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = ast.parse(text)
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._raw = text.splitlines(keepends=True)
        self._parents = {child: node for node in ast.walk(self.root) for child in ast.iter_child_nodes(node)}

    def nodes(self, kind: type[ast.AST]) -> Iterator[ast.AST]:
        """Yield the nodes of a kind in the order of the text."""
        found = [node for node in ast.walk(self.root) if isinstance(node, kind)]
        yield from sorted(found, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))

    def numbers(self) -> list[ast.Constant]:
        """Return the number literals."""
        nodes = [node for node in self.nodes(ast.Constant) if isinstance(node, ast.Constant)]
        return [n for n in nodes if isinstance(n.value, int | float) and not isinstance(n.value, bool)]

    def texts(self) -> list[ast.Constant]:
        """Return the text literals, docstrings left out."""
        nodes = [node for node in self.nodes(ast.Constant) if isinstance(node, ast.Constant)]
        return [
            n
            for n in nodes
            if isinstance(n.value, str) and not isinstance(self._parents.get(n), ast.Expr | ast.JoinedStr)
        ]

    def functions(self) -> list[Method]:
        """Return all methods and functions."""
        return [node for node in self.nodes(ast.FunctionDef) if isinstance(node, ast.FunctionDef)]

    def methods(self, name: str) -> list[Method]:
        """Return the methods of a name."""
        return [node for node in self.functions() if node.name == name and self.owner(node) is not None]

    def owner(self, method: ast.AST) -> ast.ClassDef | None:
        """Return the class that a method stands in."""
        parent = self._parents.get(method)
        return parent if isinstance(parent, ast.ClassDef) else None

    def algorithm_class(self) -> ast.ClassDef | None:
        """Return the class with `initialize`."""
        for node in self.nodes(ast.ClassDef):
            if isinstance(node, ast.ClassDef) and self.method(node, "initialize") is not None:
                return node
        return None

    def initialize(self) -> Method | None:
        """Return the algorithm's `initialize`."""
        algorithm = self.algorithm_class()
        return self.method(algorithm, "initialize") if algorithm is not None else None

    @staticmethod
    def method(owner: ast.ClassDef, name: str) -> Method | None:
        """Return a class's method by its name."""
        return next((n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name == name), None)

    def within_call(self, node: ast.AST, names: Collection[str]) -> bool:
        """Whether a node stands among the arguments of a call of one of these names."""
        current = self._parents.get(node)
        while current is not None and not isinstance(current, ast.stmt):
            if isinstance(current, ast.Call):
                function = current.func
                name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                if name in names:
                    return True
            current = self._parents.get(current)
        return False

    def is_assigned(self, node: ast.AST) -> bool:
        """Whether a literal is the whole right side of an assignment, or a part of a table that is one."""
        current = self._parents.get(node)
        while isinstance(current, ast.UnaryOp | ast.Tuple | ast.List | ast.Dict):
            current = self._parents.get(current)
        return isinstance(current, ast.Assign | ast.AnnAssign)

    def is_value(self, call: ast.AST) -> bool:
        """Whether something is done with what a call returns."""
        return not isinstance(self._parents.get(call), ast.Expr)

    # Places in the text.
    def _at(self, line: int, column: int) -> int:
        raw = self._raw[line - 1] if line <= len(self._raw) else ""
        return self._lines[line - 1] + len(raw.encode()[:column].decode())

    def _span(self, node: ast.AST) -> tuple[int, int]:
        begin = self._at(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        return begin, self._at(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def text_of(self, node: ast.AST) -> str:
        """Return the text of a node."""
        begin, end = self._span(node)
        return self.text[begin:end]

    def replace(self, node: ast.AST, text: str, note: str = "") -> Edit:
        """Put a text in the place of a node."""
        return Edit(((*self._span(node), text),), note)

    def replace_all(self, nodes: Collection[ast.AST], text: str, note: str = "") -> Edit:
        """Put a text in the place of several nodes."""
        return Edit(tuple((*self._span(node), text) for node in nodes), note)

    def rename(self, method: Method, name: str) -> Edit:
        """Give a method another name."""
        begin = self.text.index(method.name, self._at(method.lineno, method.col_offset) + 4)
        return Edit(((begin, begin + len(method.name), name),))

    def insert_first(self, method: Method, lines: str, note: str = "") -> Edit:
        """Put statements before the first one of a method, after its docstring."""
        first = method.body[0]
        documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(method.body) > 1
        first = method.body[1] if documented else first
        begin = self._at(first.lineno, first.col_offset)
        padding = " " * first.col_offset
        text = textwrap.indent(lines, padding).lstrip() + "\n" + padding
        return Edit(((begin, begin, text),), note)

    def insert_top(self, lines: str) -> Edit:
        """Put statements before the first class."""
        first = next(node for node in self.root.body if isinstance(node, ast.ClassDef))
        begin = self._at(min([first.lineno, *(d.lineno for d in first.decorator_list)]), 0)
        return Edit(((begin, begin, lines + "\n\n\n"),))

    def insert_last(self, owner: ast.ClassDef, text: str, note: str = "") -> Edit:
        """Put methods at the end of a class; they are written for a class at the left margin."""
        end = self._span(owner.body[-1])[1]
        return Edit(((end, end, "\n" + text.rstrip() + "\n"),), note)

    def edited(self, edit: Edit) -> str:
        """Return the text with an edit."""
        text = self.text
        for begin, end, new in sorted(edit.parts, reverse=True):
            text = text[:begin] + new + text[end:]
        return text


def injected(source: Source, owner: ast.ClassDef, methods: str, note: str) -> Edit:
    """Return the edit that gives a class further methods."""
    return source.insert_last(owner, methods, note)
