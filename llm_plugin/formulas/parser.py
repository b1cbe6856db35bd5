"""From tokens to the tree, by precedence climbing.

From loose to tight: `? :` (right), `or`, `and`, `not`, comparisons (one only), `+ -`, `* /`, unary `-`, `^` (right).
"""

from __future__ import annotations

from llm_plugin.formulas.errors import FormulaError
from llm_plugin.formulas.nodes import Binary, Call, Name, Node, Number, Ternary, Unary, depth
from llm_plugin.formulas.tokenizer import Token, tokenize

__all__ = ["COMPARISONS", "MAX_DEPTH", "PRECEDENCE", "parse"]

MAX_DEPTH = 64
COMPARISONS = frozenset({"<", ">", "<=", ">=", "==", "!="})
PRECEDENCE = {
    "?": 1, "or": 2, "and": 3, "not": 4,
    "<": 5, ">": 5, "<=": 5, ">=": 5, "==": 5, "!=": 5,
    "+": 6, "-": 6, "*": 7, "/": 7, "negative": 8, "^": 9,
}  # fmt: skip


def parse(formula: str) -> Node:
    """Return the tree of a formula.

    Raises:
        FormulaError: It is empty, incomplete, or has something the language lacks; place and remedy are shown.

    Example:
        >>> parse("rank(close) - 0.5")
        Binary(operator='-', left=Call(function='rank', arguments=(Name(text='close', position=5),), position=0), \
right=Number(value=0.5, position=14), position=12)
    """
    reader = _Parser(formula)
    node = reader.expression(0, 0)
    reader.end()
    if depth(node) > MAX_DEPTH:
        raise FormulaError(f"the formula is nested {depth(node)} deep, {MAX_DEPTH} is allowed", formula, 0)
    return node


class _Parser:
    def __init__(self, formula: str) -> None:
        self._formula = formula
        self._tokens = tokenize(formula)
        self._at = 0

    def end(self) -> None:
        if self._now.kind == "end":
            return
        if self._now.text == ")":
            raise self._error("this bracket was never opened")
        if self._now.text == ",":
            raise self._error("a comma stands only between the arguments of a function")
        if self._now.text == ":":
            raise self._error("this : has no ? before it: write condition ? a : b")
        raise self._error(f"an operator is missing before {self._now.text!r}")

    def expression(self, loosest: int, level: int) -> Node:
        """Read operands as long as the operators between them bind at least as tightly as `loosest`."""
        if level > MAX_DEPTH:
            raise self._error(f"the formula is nested more than {MAX_DEPTH} deep")
        left = self._prefix(level)
        compared = False
        while True:
            token = self._now
            binding = PRECEDENCE.get(token.text, -1) if token.kind == "operator" and token.text != "not" else -1
            if binding < max(loosest, 1):
                return left
            if token.text in COMPARISONS:
                if compared:
                    raise self._error(f"a second comparison {token.text!r}: write a < b and b < c, or use brackets")
                compared = True
            self._at += 1
            left = self._infix(token, left, binding, level)

    def _infix(self, token: Token, left: Node, binding: int, level: int) -> Node:
        if token.text == "?":
            then = self.expression(1, level + 1)
            self._expect(":", "the condition ? a : b lacks its : here")
            return Ternary(left, then, self.expression(1, level + 1), token.position)
        if token.text == "^":  # to the right, and a sign may follow: 2^-1
            return Binary("^", left, self.expression(PRECEDENCE["negative"], level + 1), token.position)
        return Binary(token.text, left, self.expression(binding + 1, level + 1), token.position)

    def _prefix(self, level: int) -> Node:
        token = self._now
        if token.kind == "operator" and token.text in ("-", "not"):
            self._at += 1
            tightness = PRECEDENCE["negative" if token.text == "-" else "not"]
            return Unary(token.text, self.expression(tightness, level + 1), token.position)
        if token.kind == "number":
            self._at += 1
            return Number(float(token.text), token.position)
        if token.kind == "name":
            self._at += 1
            return self._call(token, level) if self._now.text == "(" else Name(token.text, token.position)
        if token.text == "(":
            self._at += 1
            inside = self.expression(0, level + 1)
            self._expect(")", "a bracket is not closed here", opened=token)
            return inside
        raise self._missing_operand(token)

    def _call(self, name: Token, level: int) -> Call:
        opened = self._now
        self._at += 1
        arguments: list[Node] = []
        if self._now.text != ")":
            arguments.append(self.expression(0, level + 1))
            while self._now.text == ",":
                self._at += 1
                arguments.append(self.expression(0, level + 1))
        self._expect(")", f"the arguments of {name.text} are not closed here", opened=opened)
        return Call(name.text, tuple(arguments), name.position)

    def _expect(self, text: str, problem: str, opened: Token | None = None) -> None:
        if self._now.text != text:
            hint = f" (opened at character {opened.position + 1})" if opened else ""
            raise self._error(f"{problem}{hint}")
        self._at += 1

    def _missing_operand(self, token: Token) -> FormulaError:
        if not self._formula.strip():
            return FormulaError("the formula is empty", self._formula, 0)
        if token.kind == "end":
            return self._error("the formula ends where a value is expected")
        return self._error(f"a value is expected before {token.text!r}")

    def _error(self, problem: str) -> FormulaError:
        return FormulaError(problem, self._formula, self._now.position)

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]
