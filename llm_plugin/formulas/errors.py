"""What is wrong with a formula, and where."""

from __future__ import annotations

from llm_plugin.errors import DataError

__all__ = ["FormulaError"]

_WINDOW = 100


class FormulaError(DataError):
    """A formula cannot be read or evaluated; the text shows the place with a caret.

    Args:
        problem: What is wrong and what to write instead.
        formula: The whole formula.
        position: Index of the first character that is meant.
    """

    def __init__(self, problem: str, formula: str, position: int) -> None:
        self.problem, self.formula, self.position = problem, formula, position
        super().__init__(f"{problem}\n{_with_caret(formula, position)}")


def _with_caret(formula: str, position: int) -> str:
    """Return the line of the position, cut to a window around it, and a caret under it."""
    position = min(max(position, 0), len(formula))
    first = formula.rfind("\n", 0, position) + 1
    last = formula.find("\n", position)
    line = formula[first : len(formula) if last < 0 else last]
    column = position - first
    start = max(0, min(column - _WINDOW // 2, len(line) - _WINDOW))
    head, tail = "… " if start else "", " …" if start + _WINDOW < len(line) else ""
    shown = "".join(letter if letter.isprintable() else " " for letter in line[start : start + _WINDOW])
    return f"  {head}{shown}{tail}\n  {' ' * (len(head) + column - start)}^"
