"""What strategies compare: prices and indicators, each as condition text, as LEAN code and in words.

A piece of code names what it reads in braces: `{rsi}` becomes the attribute that holds the indicator, `{price}` the
close of the bar. Words come in several versions; who writes a description picks one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

__all__ = [
    "Helper",
    "Rule",
    "Term",
    "all_of",
    "any_of",
    "compare",
    "constant",
    "crosses",
    "indicator",
    "number",
    "price",
]


@dataclass(frozen=True, slots=True)
class Helper:
    """One indicator that an algorithm creates by a helper method.

    Attributes:
        role: Name of the attribute that shall hold it.
        method: LEAN's helper, such as `rsi`.
        parameters: Its numbers, after the symbol.
        extra: Further arguments as code, such as `Resolution.DAILY, Field.HIGH`.
        bars: Bars until its value and the one before are known.
        label: Name under which requirements know it; empty = `method`.
    """

    role: str
    method: str
    parameters: tuple[float, ...] = ()
    extra: str = ""
    bars: int = 1
    label: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two helpers the same indicator."""
        return (self.method, self.parameters, self.extra)


@dataclass(frozen=True, slots=True)
class Term:
    """A number that changes from bar to bar."""

    condition: str
    code: str
    words: tuple[str, ...]
    helpers: tuple[Helper, ...] = ()
    before: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that is true or false at a bar."""

    kind: str
    condition: str
    code: str
    words: tuple[str, ...]
    helpers: tuple[Helper, ...] = ()

    def pick(self, rng: Random) -> str:
        """Return one of its wordings."""
        return rng.choice(self.words)


def number(value: float) -> str:
    """Write a number as a person would: no trailing zeros, no exponent."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text or "0"


def constant(value: float, *words: str) -> Term:
    """Return a fixed threshold."""
    text = number(value)
    return Term(text, text, words or (text,), (), text)


def price(field: str = "close") -> Term:
    """Return a field of the bar; `{bar}` holds it."""
    words = {
        "close": ("the close", "the closing price", "price"),
        "open": ("the open", "the opening price"),
        "high": ("the high", "the bar's high"),
        "low": ("the low", "the bar's low"),
    }[field]
    if field == "close":
        return Term("close", "{price}", words, (), "{closes}.previous.value")
    return Term(field, "{bar}." + field, words)


def indicator(
    role: str,
    method: str,
    parameters: Sequence[float],
    condition: str,
    words: Sequence[str],
    *,
    part: str = "",
    extra: str = "",
    bars: int = 0,
    label: str = "",
) -> Term:
    """Return the value of an indicator, or of one of its parts such as `upper_band`."""
    longest = bars or int(max([p for p in parameters if p >= 1] or [1])) + 2
    helper = Helper(role, method, tuple(parameters), extra, longest, label)
    path = "{" + role + "}" + (f".{part}" if part else "")
    return Term(condition, f"{path}.current.value", tuple(words), (helper,), f"{path}.previous.value")


_WORDS: dict[str, tuple[str, ...]] = {
    "<": ("{a} is below {b}", "{a} is under {b}", "{a} < {b}", "{a} is less than {b}"),
    ">": ("{a} is above {b}", "{a} is over {b}", "{a} > {b}", "{a} is greater than {b}"),
    "<=": ("{a} is at or below {b}", "{a} <= {b}"),
    ">=": ("{a} is at or above {b}", "{a} >= {b}"),
}
_CROSS_WORDS = {
    "above": ("{a} crosses above {b}", "{a} crosses over {b}", "{a} crosses {b} from below"),
    "below": ("{a} crosses below {b}", "{a} crosses under {b}", "{a} crosses {b} from above"),
}


def compare(kind: str, left: Term, op: str, right: Term, words: Sequence[str] = ()) -> Rule:
    """Return `left op right`; the words are made of both terms' unless given."""
    made = tuple(words) or _pair_words(_WORDS[op], left, right)
    return Rule(
        kind,
        f"{left.condition} {op} {right.condition}",
        f"{left.code} {op} {right.code}",
        made,
        left.helpers + right.helpers,
    )


def crosses(kind: str, left: Term, side: str, right: Term, words: Sequence[str] = ()) -> Rule:
    """Return that one term crosses another, `above` or `below`: at or beyond it before, past it now."""
    now, before = (">", "<=") if side == "above" else ("<", ">=")
    made = tuple(words) or _pair_words(_CROSS_WORDS[side], left, right)
    helpers = left.helpers + right.helpers
    if "{closes}" in left.before + right.before:
        helpers = (*helpers, Helper("closes", "identity", (), "", 2, "-"))
    return Rule(
        kind,
        f"crosses_{side}({left.condition}, {right.condition})",
        f"{left.before} {before} {right.before} and {left.code} {now} {right.code}",
        made,
        helpers,
    )


def _pair_words(patterns: Sequence[str], left: Term, right: Term) -> tuple[str, ...]:
    made = [p.format(a=a, b=b) for p in patterns for a in left.words for b in right.words]
    return tuple(dict.fromkeys(made))


def all_of(kind: str, *rules: Rule, words: Sequence[str] = ()) -> Rule:
    """Return the conjunction of rules."""
    return _joined(kind, "and", rules, words)


def any_of(kind: str, *rules: Rule, words: Sequence[str] = ()) -> Rule:
    """Return the disjunction of rules."""
    return _joined(kind, "or", rules, words)


def _joined(kind: str, word: str, rules: Sequence[Rule], words: Sequence[str]) -> Rule:
    longest = max(len(rule.words) for rule in rules)
    made = tuple(words) or tuple(f" {word} ".join(r.words[i % len(r.words)] for r in rules) for i in range(longest))
    wrap: Callable[[str], str] = (lambda text: f"({text})" if " or " in text else text) if word == "and" else str
    return Rule(
        kind,
        f" {word} ".join(f"({rule.condition})" for rule in rules),
        f" {word} ".join(wrap(rule.code) for rule in rules),
        made,
        tuple(helper for rule in rules for helper in rule.helpers),
    )
