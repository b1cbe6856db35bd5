"""English phrases that have one meaning, as conditions of the formula language. What is ambiguous is not read.

"drops below" is left alone (a level or a crossing?), and so is "the 20-day high" (with today or without?).
"""

from __future__ import annotations

import re

__all__ = ["NUMBER", "condition", "indicators_in"]

NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"(?:day|bar|period|hour|minute|session)"
_KIND = {
    "simple moving average": "sma",
    "moving average": "sma",
    "mean": "sma",
    "average": "sma",
    "ma": "sma",
    "sma": "sma",
    "exponential moving average": "ema",
    "ema": "ema",
    "rsi": "rsi",
    "rate of change": "roc",
    "roc": "roc",
}
_KINDS = "|".join(sorted(_KIND, key=len, reverse=True))
_PLAIN = ("rsi", "sma", "ema", "atr", "adx", "cci", "roc", "wilr", "mfi")
_OF = r"(?: of (?:the )?(?:close|closes|closing price|price))?"

_OPERANDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"(?:the |its |a )?(\d+)[- ]{_UNIT}s? ({_KINDS}){_OF}"), "period"),
    (re.compile(rf"(?:the |its )?({'|'.join(_PLAIN)})\s*\(\s*(\d+)\s*\)"), "call"),
    (
        re.compile(rf"(?:the |its )?(lower|upper|middle) bollinger band\s*\(\s*(\d+)\s*,\s*({NUMBER})\s*\)"),
        "bollinger",
    ),
    (re.compile(r"(?:the |its )?(?:closing price|close|price)|it|sym"), "close"),
    (re.compile(rf"-?{NUMBER}(?![\d%]| ?percent)"), "number"),
)
_COMPARISONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:is |closes |trades )?(?:at_or_below|at most)|<=|≤"), "<="),
    (re.compile(r"(?:is |closes |trades )?(?:at_or_above|at least)|>=|≥"), ">="),
    (re.compile(r"crosses (?:above|over)"), "crosses_above"),
    (re.compile(r"crosses (?:below|under)"), "crosses_below"),
    (re.compile(r"(?:is |closes |trades )?(?:below|under|less than|lower than)|<"), "<"),
    (re.compile(r"(?:is |closes |trades )?(?:above|over|greater than|higher than|more than)|>"), ">"),
)


def condition(text: str, *, implicit: bool = False) -> str | None:
    """Return a phrase as a condition, None where any word of it is not understood.

    Args:
        text: Lower case; the symbol is written `sym`.
        implicit: Whether a phrase may begin with the comparison: "above the 5-day mean" then is about the close.

    >>> condition("rsi(2) < 10 and the close is above the 200-day moving average")
    'rsi(2) < 10 and close > sma(200)'
    """
    joined = re.split(r"\b(and|or)\b", text.replace("at or ", "at_or_"))
    words = set(joined[1::2])
    if len(words) > 1:
        return None
    parts = [_comparison(part.strip(), implicit=implicit and place == 0) for place, part in enumerate(joined[::2])]
    if any(part is None for part in parts):
        return None
    return f" {words.pop() if words else 'and'} ".join(part for part in parts if part)


def indicators_in(text: str) -> list[tuple[str, int, str]]:
    """Return every indicator with a period that a text names: LEAN's name, the period, the words."""
    found = []
    for pattern, kind in _OPERANDS[:2]:
        for hit in re.finditer(rf"(?<![\w.]){pattern.pattern}", text):
            name, period = (_KIND[hit[2]], hit[1]) if kind == "period" else (hit[1], hit[2])
            found.append((name, int(period), hit[0].strip()))
    return found


def _comparison(text: str, *, implicit: bool) -> str | None:
    left, rest = _operand(text)
    if left is None:
        if not implicit:
            return None
        left, rest = "close", text
    operator, rest = _operator(rest)
    if operator is None:
        return None
    right, rest = _operand(rest)
    if right is None or rest:
        return None
    return f"{operator}({left}, {right})" if operator.startswith("crosses") else f"{left} {operator} {right}"


def _operator(text: str) -> tuple[str | None, str]:
    for pattern, operator in _COMPARISONS:
        hit = pattern.match(text)
        if hit and (not text[hit.end() :] or not hit[0][-1].isalpha() or not text[hit.end()].isalpha()):
            return operator, text[hit.end() :].strip()
    return None, text


def _operand(text: str) -> tuple[str | None, str]:
    for pattern, kind in _OPERANDS:
        hit = pattern.match(text)
        if hit is None or (text[hit.end() : hit.end() + 1].isalnum()):
            continue
        return _written(kind, hit), text[hit.end() :].strip()
    return None, text


def _written(kind: str, hit: re.Match[str]) -> str:
    if kind == "period":
        return f"{_KIND[hit[2]]}({int(hit[1])})"
    if kind == "call":
        return f"{hit[1]}({int(hit[2])})"
    if kind == "bollinger":
        return f"bollinger_{hit[1]}({int(hit[2])}, {hit[3]})"
    return "close" if kind == "close" else hit[0]
