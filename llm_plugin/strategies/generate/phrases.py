"""English phrases that have one meaning, as conditions of the formula language. What is ambiguous is not read.

"drops below" is left alone (a level or a crossing?), and so is "the 20-day high" (with today or without?).
"""

from __future__ import annotations

import re
from collections.abc import Callable

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
    "hull moving average": "hma",
    "hma": "hma",
    "relative strength index": "rsi",
    "rsi": "rsi",
    "rate of change": "roc",
    "roc": "roc",
    "money flow index": "mfi",
    "mfi": "mfi",
    "commodity channel index": "cci",
    "cci": "cci",
    "average directional index": "adx",
    "adx": "adx",
    "atr in percent of the price": "natr",
    "natr": "natr",
    "wilr": "wilr",
}
_KINDS = "|".join(sorted(_KIND, key=len, reverse=True))
_OF = r"(?: of (?:the )?(?:close|closes|closing price|price))?"
_THE = r"(?:the |its |an? )?"
_BAND = r"(lower|upper|middle) (bollinger band|keltner channel)"

Write = Callable[[re.Match[str]], str]


def _band(hit: re.Match[str]) -> str:
    name = "bollinger" if hit[2].startswith("b") else "keltner"
    return f"{name}_{hit[1]}({int(hit[3])}, {hit[4]})"


# Of each: whether it is one of an indicator with one period, and how it is written.
_OPERANDS: tuple[tuple[re.Pattern[str], Write], ...] = tuple(
    (re.compile(pattern), write)
    for pattern, write in (
        (rf"{_THE}(\d+)[- ]{_UNIT}s? average volume", lambda hit: f"sma(volume, {int(hit[1])})"),
        (rf"the average volume of (\d+) {_UNIT}s", lambda hit: f"sma(volume, {int(hit[1])})"),
        (rf"{_THE}(\d+)[- ]{_UNIT}s? ({_KINDS}){_OF}(?! volume)", lambda hit: f"{_KIND[hit[2]]}({int(hit[1])})"),
        (rf"{_THE}({_KINDS}) over (\d+) {_UNIT}s", lambda hit: f"{_KIND[hit[1]]}({int(hit[2])})"),
        (rf"{_THE}({_KINDS}|atr)\s*\(\s*(\d+)\s*\)", lambda hit: f"{_KIND.get(hit[1], hit[1])}({int(hit[2])})"),
        (rf"{_THE}return of the last (\d+) {_UNIT}s", lambda hit: f"roc({int(hit[1])})"),
        (rf"{_THE}{_BAND}\s*\(\s*(\d+)\s*,\s*({NUMBER})\s*\)", _band),
        (rf"{_THE}{_BAND} of (\d+) {_UNIT}s and width ({NUMBER})", _band),
        (
            r"(?:%k of )?(?:the )?stochastic\s*\((\d+), ?(\d+), ?(\d+)\)(?: %k)?",
            lambda hit: f"stochastic_k({hit[1]}, {hit[2]}, {hit[3]})" if "%k" in hit[0] else "",
        ),
        (rf"the highest high of the previous (\d+) {_UNIT}s", lambda hit: f"delay(max(high, {hit[1]}), 1)"),
        (rf"the lowest low of the previous (\d+) {_UNIT}s", lambda hit: f"delay(min(low, {hit[1]}), 1)"),
        (rf"{_THE}(?:closing price|close|price)|it|sym", lambda hit: "close"),
        (rf"{_THE}volume", lambda hit: "volume"),
        (r"zero(?!\w)", lambda hit: "0"),
        (rf"(-?{NUMBER}) ?(?:%|percent)", lambda hit: f"{hit[1]}%"),
        (rf"-?{NUMBER}(?!\d)", lambda hit: hit[0]),
    )
)
_ONE_PERIOD = re.compile(
    rf"(?<![\w.])(?:(\d+)[- ]{_UNIT}s? ({_KINDS})|({_KINDS}|atr)\s*\(\s*(\d+)\s*\))(?! volume)(?!\w)"
)
_IS = r"(?:is |closes |trades |lies )?"
_COMPARISONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"{_IS}(?:at_or_below|at most)|<=|≤"), "<="),
    (re.compile(rf"{_IS}(?:at_or_above|at least)|>=|≥"), ">="),
    (re.compile(r"crosses (?:above|over)"), "crosses_above"),
    (re.compile(r"crosses (?:below|under)"), "crosses_below"),
    (re.compile(rf"{_IS}(?:below|under|less than|lower than)|<"), "<"),
    (re.compile(rf"{_IS}(?:above|over|greater than|higher than|more than)|exceeds|>"), ">"),
)


def condition(text: str, *, implicit: bool = False) -> str | None:
    """Return a phrase as a condition, None where any word of it is not understood.

    Args:
        text: Lower case; the symbol is written `sym`.
        implicit: Whether a phrase may begin with the comparison: "above the 5-day mean" then is about the close.

    >>> condition("rsi(2) < 10 and the close is above the 200-day moving average")
    'rsi(2) < 10 and close > sma(200)'
    """
    whole = re.sub(r"(\d days) and (width)", r"\1 with \2", text.replace("at or ", "at_or_"))
    joined = re.split(r"\b(and|or)\b", whole)
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
    for hit in _ONE_PERIOD.finditer(text):
        name, period = (hit[2], hit[1]) if hit[1] else (hit[3], hit[4])
        found.append((_KIND.get(name, name), int(period), hit[0].strip()))
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
    if right is None or rest or left.endswith("%"):
        return None
    if right.endswith("%"):
        if not left.startswith("roc("):  # only a change is a share: 10 % of an RSI has no meaning
            return None
        right = f"{float(right[:-1]) / 100:.10g}"
    return f"{operator}({left}, {right})" if operator.startswith("crosses") else f"{left} {operator} {right}"


def _operator(text: str) -> tuple[str | None, str]:
    for pattern, operator in _COMPARISONS:
        hit = pattern.match(text)
        if hit and (not text[hit.end() :] or not hit[0][-1].isalpha() or not text[hit.end()].isalpha()):
            return operator, text[hit.end() :].strip()
    return None, text


def _operand(text: str) -> tuple[str | None, str]:
    for pattern, write in _OPERANDS:
        hit = pattern.match(text.replace(" with width", " and width"))
        if hit is None or text[hit.end() : hit.end() + 1].isalnum():
            continue
        return write(hit) or None, text[hit.end() + (1 if " with width" in text[: hit.end() + 1] else 0) :].strip()
    return None, text
