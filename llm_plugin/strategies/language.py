"""Check conditions: they parse, every name and function exists, and every function has the arguments that it takes."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from llm_plugin.errors import did_you_mean
from llm_plugin.formulas import Call, FormulaError, Name, Node, Number, Unary, children, parse
from llm_plugin.strategies.vocabulary import CALENDAR, FUNCTIONS, POSITION, PRICES, kind_of_name

__all__ = ["check_expression", "names_in", "split_symbol", "symbols_in", "tree"]


@lru_cache(maxsize=4096)
def tree(text: str) -> Node:
    """Return the tree of a condition or expression.

    Raises:
        FormulaError: It cannot be read.
    """
    return parse(text)


def split_symbol(text: str) -> tuple[str | None, str]:
    """Return `("SPY", "close")` for `SPY.close`, `(None, "close")` for `close`."""
    before, dot, after = text.rpartition(".")
    return (before, after) if dot else (None, text)


def names_in(node: Node) -> set[str]:
    """Return the names and functions that a tree uses, without symbols."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Name):
            found.add(split_symbol(current.text)[1])
        elif isinstance(current, Call):
            found.add(split_symbol(current.function)[1])
        waiting.extend(children(current))
    return found


def symbols_in(node: Node) -> set[str]:
    """Return the symbols that a tree names."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        current = waiting.pop()
        text = current.text if isinstance(current, Name) else current.function if isinstance(current, Call) else ""
        symbol = split_symbol(text)[0]
        if symbol is not None:
            found.add(symbol)
        waiting.extend(children(current))
    return found


def check_expression(text: str, symbols: Collection[str], *, position: bool) -> None:
    """Check one condition or expression.

    Args:
        text: In the formula language.
        symbols: Those that may be named before a dot.
        position: Whether it may use the position's fields (only exits may).

    Raises:
        FormulaError: With the place, and what to write instead.
    """
    waiting = [tree(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Name):
            _check_name(node, text, symbols, position)
        elif isinstance(node, Call):
            _check_call(node, text, symbols, position)
        waiting.extend(children(node))


def _check_symbol(symbol: str | None, text: str, symbols: Collection[str], at: int) -> None:
    if symbol is not None and symbol not in symbols:
        known = ", ".join(symbols)
        raise FormulaError(f"{symbol!r} is not one of the symbols {known}{did_you_mean(symbol, symbols)}", text, at)


def _check_position(name: str, text: str, at: int, position: bool) -> None:
    if name in POSITION and not position:
        raise FormulaError(f"{name!r} is known only while a position is held: exits may use it", text, at)


def _check_name(node: Name, text: str, symbols: Collection[str], position: bool) -> None:
    symbol, name = split_symbol(node.text)
    _check_symbol(symbol, text, symbols, node.position)
    if kind_of_name(name) is None:
        if name in FUNCTIONS:
            raise FormulaError(f"{name!r} is a function: write {name}(…)", text, node.position)
        near = did_you_mean(name, (*PRICES, *POSITION, *CALENDAR, *FUNCTIONS))
        raise FormulaError(f"no field is called {name!r}{near}", text, node.position)
    _check_position(name, text, node.position, position)


def _check_call(node: Call, text: str, symbols: Collection[str], position: bool) -> None:
    symbol, name = split_symbol(node.function)
    _check_symbol(symbol, text, symbols, node.position)
    if name not in FUNCTIONS:
        raise FormulaError(f"no function is called {name!r}{did_you_mean(name, FUNCTIONS)}", text, node.position)
    function = FUNCTIONS[name]
    count = len(node.arguments)
    if not function.least <= count <= function.most:
        takes = str(function.least) if function.least == function.most else f"{function.least} to {function.most}"
        raise FormulaError(f"{name} takes {takes} arguments, not {count}", text, node.position)
    _check_position(name, text, node.position, position)
    if function.kind == "indicator":
        for argument in node.arguments[count - function.least :] if function.least else node.arguments:
            _check_parameter(name, argument, text)
    elif function.kind == "series":
        _check_parameter(name, node.arguments[-1], text)


def _check_parameter(name: str, argument: Node, text: str) -> None:
    if isinstance(argument, Unary):
        argument = argument.operand
    if not isinstance(argument, Number):
        raise FormulaError(f"{name} needs its periods as plain numbers", text, argument.position)
