"""Copies of a row with other tickers and other numbers, the same ones on both sides: what is to be copied, not learned.

A copy is for training only and is not executed; it says what its row says, of another symbol and with other numbers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from decimal import Decimal

from llm_plugin.writer.rows import StrategyRow

__all__ = ["tickers_of", "varied", "with_variations"]

_TICKER = re.compile(r"(?<![\w.\"'/])[A-Z]{2,6}(?![\w(])")
_QUOTED = re.compile(r"[\"']([A-Z]{2,6})[\"']")
# No part of a date, of a time or of a sum of money.
_NUMBER = re.compile(r"(?<![\w.:/$,])(?<!\w-)(\d+(?:\.\d+)?)(?![\w:/]|\.\d|,\d)")
_KEPT = re.compile(r"set_(?:start|end)_date|set_cash|time_rules|timedelta|self\.time\.")
_INDICATOR = re.compile(r"(?:self\.[a-z_]+|[A-Z][A-Za-z]+)\((?:self\.\w+|\w+)?(?:, )?([\d, .]+)")
_YEARS = range(1990, 2031)


def tickers_of(rows: Sequence[StrategyRow]) -> list[str]:
    """Return the symbols that both sides of some row name, by length and name."""
    found = {name for row in rows for name in _shared_tickers(row)}
    return sorted(found, key=lambda name: (len(name), name))


def with_variations(rows: Sequence[StrategyRow], count: int, seed: int) -> list[StrategyRow]:
    """Return the rows and `count` copies of each."""
    rng, pool = random.Random(seed), tickers_of(rows)  # noqa: S311 - for copies, not for secrets
    copies = [varied(row, pool, rng, number) for number in range(1, count + 1) for row in rows]
    return [*rows, *copies]


def varied(row: StrategyRow, pool: Sequence[str], rng: random.Random, number: int = 1) -> StrategyRow:
    """Return one copy; what only one side names stays as it is.

    Args:
        row: The original.
        pool: Tickers to choose from; each is replaced by one of its kind (four letters and fewer, or more).
        rng: Where chance comes from.
        number: Of the copy, for its id.
    """
    names = _new_tickers(_shared_tickers(row), pool, rng)
    numbers = _new_numbers(row, rng)

    def renamed(text: str) -> str:
        text = re.sub(r"(?<![A-Za-z0-9_])[A-Z]{2,6}(?![A-Za-z0-9_])", lambda m: names.get(m[0], m[0]), text)
        lines = text.split("\n")
        return "\n".join(
            line if _KEPT.search(line) else _NUMBER.sub(lambda m: numbers.get(m[1], m[1]), line) for line in lines
        )

    return StrategyRow(
        f"{row.id}~{number}", renamed(row.instruction), renamed(row.completion), row.family, row.split, row.source
    )


def _shared_tickers(row: StrategyRow) -> list[str]:
    quoted = set(_QUOTED.findall(row.completion))
    asked = _TICKER.findall(row.instruction)
    return sorted(quoted & set(asked))


def _new_tickers(names: Sequence[str], pool: Sequence[str], rng: random.Random) -> dict[str, str]:
    """Exchange whole groups, so that two symbols never become one."""
    chosen: dict[str, str] = {}
    for name in names:
        alike = [other for other in pool if (len(other) > 5) == (len(name) > 5) and other not in chosen.values()]
        chosen[name] = rng.choice(alike) if alike else name
    return chosen if len(set(chosen.values())) == len(chosen) else {}


def _new_numbers(row: StrategyRow, rng: random.Random) -> dict[str, str]:
    """Give numbers that both sides name another value; percent stands as a fraction on the other side."""
    changeable = "\n".join(line for line in row.completion.split("\n") if not _KEPT.search(line))
    asked, coded = set(_NUMBER.findall(row.instruction)), set(_NUMBER.findall(changeable))
    periods = _periods(row.completion)
    chosen: dict[str, str] = {}
    for text in sorted(asked, key=lambda item: (len(item), item)):
        fraction = _plain(Decimal(text) / 100)
        if text in chosen or Decimal(text) < 2 or (text.isdigit() and int(text) in _YEARS):
            continue
        if text not in coded and fraction not in coded:
            continue
        if fraction in coded and "." not in fraction:  # 100 % is 1, and so is much else
            continue
        new = _another(text, rng, shorter=text in periods)
        known = {*asked, *coded, *chosen.values()}
        other = _plain(Decimal(new) / 100)
        if new in known or (fraction in coded and other in known):
            continue
        chosen[text] = new
        if fraction in coded:
            chosen[fraction] = other
    return chosen


def _periods(code: str) -> set[str]:
    """Return the numbers that indicators are made with: a longer one would not be ready when the warm-up ends."""
    return {text for inside in _INDICATOR.findall(code) for text in re.findall(r"\d+(?:\.\d+)?", inside)}


def _another(text: str, rng: random.Random, *, shorter: bool) -> str:
    """A number of the same form and size: 30 becomes 18 to 60, 2.5 becomes 1.5 to 5.0; a period never grows."""
    whole, _, digits = text.partition(".")
    unit = 10 ** len(digits)
    value = int(whole + digits)
    low, high = max(2, value * 6 // 10), value if shorter else max(value * 2, value + 3)
    new = rng.randint(low, high)
    return f"{new // unit}.{new % unit:0{len(digits)}d}" if digits else str(new)


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
