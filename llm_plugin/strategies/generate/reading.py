"""What a prompt asks for, read without a model, only where the words have one meaning.

If every word was understood, the prompt becomes `Requirements`, and gate 4 watches the run for them. Otherwise single
facts remain (symbols, periods, stop), which are looked for in the code, and it is said what was not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.strategies.generate.inventory import Inventory
from llm_plugin.strategies.generate.phrases import NUMBER, condition, indicators_in
from llm_plugin.strategies.requirements import Requirements

__all__ = ["Fact", "Reading", "read_prompt"]

_CERTAIN = r"(?:please |a strategy that |write a strategy that |an algorithm that |then |always )?"
_PERCENT = rf"({NUMBER}) ?(?:%|percent|per cent)"
_WHEN = r"(?:when|if|whenever|while|as long as)"
_ENTRY = re.compile(
    rf"{_CERTAIN}(?:(?P<short>sell short|short|go short)|buys?|go(?:es)? long|long)(?: the dips?)?"
    rf"(?: (?P<shares>\d+) shares of)?(?: in| on)?(?: sym)? {_WHEN} (?P<when>.+)"
)
_ENTRY_BEHIND = re.compile(
    rf"{_CERTAIN}{_WHEN} (?P<when>.+?),? (?:(?P<short>sell short|short|go short)|buys?|go long)(?: sym| it)?"
)
_EXIT = re.compile(
    r"(?:then )?(?:(?:exits?|sells?(?! short)|get out|liquidates?|cover)(?: it| sym| the position| everything)?"
    r"|close (?:it|sym|out|the position|everything))"
    rf"(?: {_WHEN}| once)? (?P<when>.+)"
)
_STOP = re.compile(
    rf"(?:with |use |set |and )?(?:an? )?(?:{_PERCENT} (?P<trailing>trailing )?stop(?:[- ]?loss)?"
    rf"|(?P<behind>trailing )?stop(?:[- ]?loss)? (?:of|at) {_PERCENT}(?: below (?:the )?entry(?: price)?)?)"
)
_TARGET = re.compile(
    rf"(?:with |use |set |and )?(?:an? )?(?:{_PERCENT} (?:profit )?target|{_PERCENT} take[- ]profit"
    rf"|(?:take profit|take[- ]profit|(?:profit )?target) (?:of|at) {_PERCENT})"
)
_SIZE = re.compile(rf"(?:use|invest|with|risk no more than)? ?{_PERCENT} of (?:the |my )?(?:equity|portfolio|capital)")
_HOLD = re.compile(r"holds? (?:it )?(?:for )?(?:exactly )?(\d+) (?:bars|trading days)")
_RESOLUTION = re.compile(r",? ?\b(?:on|using|with) (daily|hourly|minute|1-minute) (?:bars|data|candles|resolution)\b")
_YEARS = re.compile(r",? ?\b(?:from|between) (\d{4})(-\d\d-\d\d)? (?:to|and|until|through) (\d{4})(-\d\d-\d\d)?\b")
_CASH = re.compile(r",? ?\b(?:starting |start )?with \$ ?(\d[\d,]*)(k)?(?: (?:of |in )?(?:cash|capital))?\b")
_SPLIT = re.compile(
    r"[;\n]+|(?<!\d)\.|\.(?!\d)|,(?![^(]*\))\s*(?:and )?(?:then )?"
    r"|\s+and (?=(?:exits?|sells?|close (?:it|out|sym|the)|stop|use|hold|take|with|set|get out)\b)"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a prompt asks for; `words` are its own."""

    name: str
    value: Any
    words: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read.

    Attributes:
        requirements: All of the prompt as data; None where a word was not understood.
        facts: Single things that are certain in any case.
        unread: Parts that were not understood.
        symbols: Tickers that there is data for.
        unknown: Words that look like tickers and have no data.
        start: First day, where the prompt names one.
        end: Last day.
        cash: Starting cash.
        resolution: Of the bars; empty where the prompt does not say.
    """

    requirements: Requirements | None
    facts: tuple[Fact, ...]
    unread: tuple[str, ...]
    symbols: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    cash: float | None = None
    resolution: str = ""


def read_prompt(prompt: str, inventory: Inventory) -> Reading:
    """Read a prompt.

    Args:
        prompt: In English; of other languages only symbols and figures in formulas are read.
        inventory: Which tickers there are.
    """
    symbols, unknown = _tickers(prompt, inventory)
    text = _plain(prompt, symbols)
    text, start, end = _take_years(text)
    text, cash = _take_cash(text)
    text, resolution, words = _take_resolution(text, symbols)
    facts = [Fact("symbol", symbol, symbol) for symbol in symbols]
    facts += [Fact("period", (name, period), said) for name, period, said in indicators_in(text)]
    if words:
        facts.append(Fact("resolution", resolution, words))
    parts: dict[str, Any] = {}
    unread = []
    for clause in (part.strip(" ,:") for part in _SPLIT.split(text)):
        if clause and not _read_clause(clause, parts, facts):
            unread.append(clause)
    requirements = None
    if not unread and not unknown and len(symbols) == 1 and resolution:
        requirements = _requirements(parts, symbols, resolution, inventory)
    return Reading(requirements, tuple(facts), tuple(unread), symbols, unknown, start, end, cash, resolution)


def _tickers(prompt: str, inventory: Inventory) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tickers with data, and words in capitals behind buy, sell, trade, of that have none."""
    found, unknown = [], []
    for hit in re.finditer(r"(?<![\w.])\$?([A-Z]{1,6})(?![\w(])", prompt):
        if hit[1] in inventory:
            found.append(hit[1])
    for hit in re.finditer(r"\b(?:[Bb]uy|[Ss]hort|[Tt]rades?|[Hh]old|dips? in) \$?([A-Z]{2,6})(?![\w(])", prompt):
        if hit[1] not in inventory:
            unknown.append(hit[1])
    return tuple(dict.fromkeys(found)), tuple(dict.fromkeys(unknown))


def _plain(prompt: str, symbols: tuple[str, ...]) -> str:
    text = prompt.replace("’", "'").replace("–", "-")
    for symbol in symbols:
        text = re.sub(rf"(?<![\w.])\$?{symbol}(?:'s)?(?![\w(])", "sym" if len(symbols) == 1 else symbol, text)
    return re.sub(r"[ \t]+", " ", text.lower()).strip()


def _take_years(text: str) -> tuple[str, date | None, date | None]:
    hit = _YEARS.search(text)
    if hit is None:
        return text, None, None
    try:
        start = date.fromisoformat(hit[1] + (hit[2] or "-01-01"))
        end = date.fromisoformat(hit[3] + (hit[4] or "-12-31"))
    except ValueError:
        return text, None, None
    if end <= start:
        return text, None, None
    return text[: hit.start()] + text[hit.end() :], start, end


def _take_cash(text: str) -> tuple[str, float | None]:
    hit = _CASH.search(text)
    if hit is None:
        return text, None
    value = float(hit[1].replace(",", "")) * (1000 if hit[2] else 1)
    return (text[: hit.start()] + text[hit.end() :], value) if value > 0 else (text, None)


def _take_resolution(text: str, symbols: tuple[str, ...]) -> tuple[str, str, str]:
    hit = _RESOLUTION.search(text)
    if hit is not None:
        name = {"daily": "daily", "hourly": "hour"}.get(hit[1], "minute")
        return text[: hit.start()] + text[hit.end() :], name, hit[0].strip(" ,")
    units = set(
        re.findall(r"\b\d+[- ](day|bar|period|hour|minute)s? (?:\w+ )*?(?:mean|average|ma|sma|ema|rsi)\b", text)
    )
    return text, "daily" if units == {"day"} else "", ""


def _read_clause(clause: str, parts: dict[str, Any], facts: list[Fact]) -> bool:
    """Take a clause into `parts`; False where it is not understood, or says twice what may be said once."""
    hit = _STOP.fullmatch(clause)
    if hit:
        value = float(hit[1] or hit[4])
        facts.append(Fact("stop", value, clause))
        kind = "trailing" if hit["trailing"] or hit["behind"] else "percent"
        return _put(parts, "stop", {"kind": kind, "value": value})
    hit = _TARGET.fullmatch(clause)
    if hit:
        value = float(next(group for group in hit.groups() if group))
        facts.append(Fact("target", value, clause))
        return _put(parts, "target", {"kind": "percent", "value": value})
    hit = _HOLD.fullmatch(clause)
    if hit:
        return _put(parts, "holding_bars", int(hit[1]))
    hit = _SIZE.fullmatch(clause)
    if hit:
        return _put(parts, "size", {"kind": "fraction", "value": float(hit[1]) / 100})
    if clause in ("long only", "sym", "trade sym"):
        return True
    return _read_rule(clause, parts)


def _read_rule(clause: str, parts: dict[str, Any]) -> bool:
    hit = _ENTRY.fullmatch(clause) or _ENTRY_BEHIND.fullmatch(clause)
    if hit:
        found = condition(hit["when"])
        if found is None:
            return False
        shares = hit.groupdict().get("shares")
        if shares and not _put(parts, "size", {"kind": "shares", "value": float(shares)}):
            return False
        return _put(parts, "side", "short" if hit["short"] else "long") and _put(parts, "entry", found)
    hit = _EXIT.fullmatch(clause)
    found = condition(hit["when"], implicit=True) if hit else None
    return found is not None and _put(parts, "exit", found)


def _put(parts: dict[str, Any], name: str, value: Any) -> bool:
    if name in parts:
        return False
    parts[name] = value
    return True


def _requirements(
    parts: dict[str, Any], symbols: tuple[str, ...], resolution: str, inventory: Inventory
) -> Requirements | None:
    if "entry" not in parts or not ({"exit", "stop", "target", "holding_bars"} & set(parts)):
        return None
    side = parts["side"]
    values: dict[str, Any] = {
        "symbols": list(symbols),
        "security_type": inventory.security_type(symbols[0]) or "equity",
        "resolution": resolution,
        "direction": side,
        "entry": {side: parts["entry"]},
    }
    if "exit" in parts:
        values["exit"] = {side: parts["exit"]}
    values |= {name: parts[name] for name in ("stop", "target", "holding_bars", "size") if name in parts}
    try:
        return Requirements.from_json(values)
    except DataError:
        return None
