"""A formula in English, for instructions."""

from __future__ import annotations

import re

from llm_plugin.formulas import Binary, Call, Name, Node, Number, Ternary, Unary, parse

__all__ = ["in_words"]

_FIELDS = {
    "open": "the open", "high": "the high", "low": "the low", "close": "the close", "volume": "the volume",
    "vwap": "the VWAP", "returns": "the daily return", "cap": "the market capitalisation",
}  # fmt: skip
_CALLS = {
    "rank": "the cross-sectional rank of {0}",
    "abs": "the absolute value of {0}",
    "log": "the logarithm of {0}",
    "sign": "the sign of {0}",
    "scale": "{0} scaled to absolute values that add up to one",
    "signedpower": "{0} to the signed power of {1}",
    "indneutralize": "{0} less its {1} mean",
    "delay": "{0} of {1} days ago",
    "delta": "the {1}-day change of {0}",
    "sum": "the {1}-day sum of {0}",
    "product": "the {1}-day product of {0}",
    "stddev": "the {1}-day standard deviation of {0}",
    "ts_min": "the {1}-day low of {0}",
    "ts_max": "the {1}-day high of {0}",
    "ts_argmin": "the day of the {1}-day low of {0}",
    "ts_argmax": "the day of the {1}-day high of {0}",
    "ts_rank": "the {1}-day time-series rank of {0}",
    "decay_linear": "the {1}-day linearly decaying average of {0}",
    "correlation": "the {2}-day correlation of {0} with {1}",
    "covariance": "the {2}-day covariance of {0} with {1}",
}
_SIGNS = {
    "+": "plus", "-": "minus", "*": "times", "/": "divided by", "^": "to the power of", "<": "is below",
    ">": "is above", "==": "equals", "<=": "is at most", ">=": "is at least", "!=": "differs from",
    "and": "and", "or": "or",
}  # fmt: skip
_ADV = re.compile(r"adv(\d+)")
_DAYS = frozenset({"delay", "delta", "sum", "product", "stddev", "decay_linear", "correlation", "covariance"})


def in_words(formula: str) -> str:
    """Return an English reading; brackets stay where words alone would be ambiguous.

    Raises:
        FormulaError: The formula cannot be read.
    """
    return _words(parse(formula))


def _words(node: Node) -> str:
    if isinstance(node, Number):
        return f"{node.value:g}"
    if isinstance(node, Name):
        adv = _ADV.fullmatch(node.text.lower())
        plain = node.text.lower().removeprefix("indclass.")
        return f"the {adv[1]}-day average volume" if adv else _FIELDS.get(plain, plain)
    if isinstance(node, Call):
        return _call(node)
    if isinstance(node, Unary):
        return f"{'minus' if node.operator == '-' else 'not'} {_inner(node.operand)}"
    if isinstance(node, Ternary):
        return f"{_inner(node.then)} if {_inner(node.condition)}, otherwise {_inner(node.otherwise)}"
    if node.operator == "*" and Unary("-", Number(1.0)) in (node.left, node.right):
        other = node.right if node.left == Unary("-", Number(1.0)) else node.left
        return f"minus {_inner(other)}"
    return f"{_inner(node.left)} {_SIGNS[node.operator]} {_inner(node.right)}"


def _inner(node: Node) -> str:
    text = _words(node)
    return f"({text})" if isinstance(node, Binary | Ternary) else text


def _call(node: Call) -> str:
    name, arguments = node.function.lower(), node.arguments
    looks_back = name in _DAYS or name.startswith("ts_")
    if name in ("min", "max"):
        looks_back = isinstance(arguments[1], Number)
        if not looks_back:
            return (
                f"the {'smaller' if name == 'min' else 'larger'} of {_inner(arguments[0])} and {_inner(arguments[1])}"
            )
        name = f"ts_{name}"
    texts = [_inner(argument) for argument in arguments]
    if looks_back and isinstance(arguments[-1], Number):
        texts[-1] = str(int(arguments[-1].value))
    words = _CALLS[name].format(*texts)
    return words.replace(" 1 days ago", " yesterday") if name == "delay" else words
