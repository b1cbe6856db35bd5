"""From text to tokens."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from llm_plugin.formulas.errors import FormulaError

__all__ = ["MAX_LENGTH", "Token", "tokenize"]

MAX_LENGTH = 10_000
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)"
    r"|(?P<operator>\*\*|<=|>=|==|!=|&&|\|\||[-+*/^<>?:(),!])",
    re.ASCII,
)
_WORDS = {"&&": "and", "||": "or", "!": "not"}
_REMEDIES = {
    "=": "write == to compare",
    "&": "write and (or &&)",
    "|": "write or (or ||)",
    "%": "write a percentage as a fraction, 1 % is 0.01",
    ";": "a formula is one expression",
    "'": "a formula has no text values",
    '"': "a formula has no text values",
    "[": "write round brackets",
    "{": "write round brackets",
    "−": "write the ASCII minus -",
    "×": "write *",
    "≤": "write <=",
    "≥": "write >=",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `kind` is number, name, operator or end; words such as `and` are operators."""

    kind: str
    text: str
    position: int


def tokenize(formula: str) -> list[Token]:
    """Split a formula; the last token is of kind `end`.

    Raises:
        FormulaError: A character that the language does not have, a number out of range, or a formula too long.
    """
    if len(formula) > MAX_LENGTH:
        raise FormulaError(
            f"the formula has {len(formula)} characters, {MAX_LENGTH} are allowed", formula[:MAX_LENGTH], 0
        )
    tokens: list[Token] = []
    position = 0
    while position < len(formula):
        match = _TOKEN.match(formula, position)
        if match is None:
            raise _unknown(formula, position)
        if match.lastgroup != "space":
            tokens.append(_token(formula, str(match.lastgroup), match.group(), position))
        position = match.end()
    tokens.append(Token("end", "", len(formula)))
    return tokens


def _token(formula: str, kind: str, text: str, position: int) -> Token:
    if text == "**":
        raise FormulaError("'**' is not an operator: write ^ for a power", formula, position)
    if kind == "name" and text.lower() in ("and", "or", "not"):
        return Token("operator", text.lower(), position)
    if kind == "number":
        after = formula[position + len(text) : position + len(text) + 1]
        if after.isalnum() or after in ("_", "."):
            raise FormulaError(
                f"{text + after!r} is neither a number nor a name (a name does not begin with a digit)",
                formula,
                position,
            )
        if math.isinf(float(text)):
            raise FormulaError(f"{text!r} is too large for a number", formula, position)
    return Token(kind, _WORDS.get(text, text), position)


def _unknown(formula: str, position: int) -> FormulaError:
    letter = formula[position]
    remedy = _REMEDIES.get(letter, "names have ASCII letters, digits and _")
    return FormulaError(f"{letter!r} has no meaning in a formula: {remedy}", formula, position)
