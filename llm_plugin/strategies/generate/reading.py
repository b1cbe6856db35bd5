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
from llm_plugin.strategies.generate.clauses import ClauseReader
from llm_plugin.strategies.generate.inventory import Inventory
from llm_plugin.strategies.generate.phrases import indicators_in
from llm_plugin.strategies.requirements import Requirements

__all__ = ["Fact", "Reading", "read_prompt"]

_RESOLUTION = re.compile(
    r",? ?\(?\b(?:(?:on|using|with) )?(daily|end-of-day|hourly|1-hour|minute|1-minute) "
    r"(?:bars|data|candles|resolution)\b\)?"
)
_RESOLUTIONS = {"daily": "daily", "end-of-day": "daily", "hourly": "hour", "1-hour": "hour"}
_RUN = r",? ?\b(?:and )?(?:(?:backtest|run it|test it|period):?,? ?)?"
_SPAN = re.compile(
    rf"{_RUN}\b(?:from |between |over )?(\d{{4}})(-\d\d-\d\d)? (?:to|and|until|through) (\d{{4}})(-\d\d-\d\d)?\b"
)
_YEAR = re.compile(r",? ?\b(?:and )?(?:backtest|run it|test it) (?:over |in |on |for |the year )+(\d{4})\b(?![-\d])")
_CASH = re.compile(
    r",? ?\b(?:and )?(?:start(?:ing)?(?: cash| with)?|with|capital of) \$ ?(\d[\d,]*)(k)?\b"
    r"(?: (?:of |in )(?:cash|capital))?"
)
_ALSO = re.compile(r",? (?:provided that|but only (?:while|when|if)|, as long as) ")
_SPLIT = re.compile(
    r"[;\n:]+|(?<!\d)\.|\.(?!\d)|,(?![^(]*\))\s*(?:and )?(?:then )?"
    r"|\s+and (?=(?:exits?|sells?|close (?:it|out|sym|the)|stop|use|hold|take|with|set|get out)\b)"
)
_UNITS = re.compile(
    r"\b\d+[- ](day|bar|period|hour|minute)s? (?:\w+ )*?"
    r"(?:mean|average|ma|sma|ema|hma|rsi|index|roc|change|adx|atr|mfi|cci)\b"
)


_NO_TICKERS = frozenset(
    "ETF ETFS US USA USD EUR AND ALL ANY THE ONLY LONG SHORT RSI SMA EMA ATR MACD ADX CCI LEAN".split()
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
    text, resolution, words = _take_resolution(text)
    facts = [Fact("symbol", symbol, symbol) for symbol in symbols]
    facts += [Fact("period", (name, period), said) for name, period, said in indicators_in(text)]
    if words:
        facts.append(Fact("resolution", resolution, words))
    reader = ClauseReader()
    clauses = [part.strip(" ,?") for part in _SPLIT.split(text.replace(", then exit", ""))]
    unread = tuple(clause for clause in clauses if clause and not reader.read(clause))
    facts += [Fact(name, value, said) for name, value, said in reader.certain]
    requirements = None
    if symbols and resolution and not unread and not unknown:
        requirements = _requirements(reader.parts, symbols, resolution, inventory)
    return Reading(requirements, tuple(facts), unread, symbols, unknown, start, end, cash, resolution)


def _tickers(prompt: str, inventory: Inventory) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tickers with data, and words in capitals behind buy, sell, trade, of that have none."""
    found, unknown = [], []
    for hit in re.finditer(r"(?<![\w.])\$?([A-Z]{1,6})(?![\w(])", prompt):
        if hit[1] in inventory:
            found.append(hit[1])
    for hit in re.finditer(r"\b(?:[Bb]uy|[Ss]hort|[Tt]rades?|[Hh]old|dips? in) \$?([A-Z]{2,6})(?![\w(])", prompt):
        if hit[1] not in inventory and hit[1] not in _NO_TICKERS:
            unknown.append(hit[1])
    return tuple(dict.fromkeys(found)), tuple(dict.fromkeys(unknown))


def _plain(prompt: str, symbols: tuple[str, ...]) -> str:
    """Lower case, one word for the symbol; several symbols get it only if they stand together once, as a list."""
    text = prompt.replace("’", "'").replace("–", "-")
    marked = text
    for symbol in symbols:
        marked = re.sub(rf"(?<![\w.])\$?{symbol}(?:'s)?(?![\w(])", "\0", marked)
    if len(symbols) > 1:
        marked = re.sub("\0(?:,? (?:and )?\0)+", "\0", marked)
        if marked.count("\0") > 1:
            marked = text
    text = re.sub(r"[ \t]+", " ", marked.replace("\0", "sym").lower()).strip()
    text = text.replace("williams %r", "wilr")
    return _ALSO.sub(" and ", re.sub(r", (?=as long as )", ", ,", text).replace(", ,as long as ", " and "))


def _take_years(text: str) -> tuple[str, date | None, date | None]:
    hit = _SPAN.search(text)
    if hit is not None:
        first, last = hit[1] + (hit[2] or "-01-01"), hit[3] + (hit[4] or "-12-31")
    else:
        hit = _YEAR.search(text)
        if hit is None:
            return text, None, None
        first, last = f"{hit[1]}-01-01", f"{hit[1]}-12-31"
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        return text, None, None
    if end <= start:
        return text, None, None
    return text[: hit.start()] + text[hit.end() :], start, end


def _take_cash(text: str) -> tuple[str, float | None]:
    hit = _CASH.search(text)
    if hit is None:
        return text, None
    value = float(hit[1].replace(",", "") or 0) * (1000 if hit[2] else 1)
    return (text[: hit.start()] + text[hit.end() :], value) if value > 0 else (text, None)


def _take_resolution(text: str) -> tuple[str, str, str]:
    named = {_RESOLUTIONS.get(hit[1], "minute") for hit in _RESOLUTION.finditer(text)}
    if len(named) == 1:
        words = _RESOLUTION.search(text)
        return _RESOLUTION.sub("", text), named.pop(), words[0].strip(" ,()") if words else ""
    units = set(_UNITS.findall(text))
    return text, "daily" if units == {"day"} and not named else "", ""


def _requirements(
    parts: dict[str, Any], symbols: tuple[str, ...], resolution: str, inventory: Inventory
) -> Requirements | None:
    entry = parts.get("entry")
    if not entry or not ({"exit", "stop", "target", "holding_bars"} & set(parts)):
        return None
    exits = dict(parts.get("exit") or {})
    if "all" in exits:
        if len(entry) > 1:  # one exit for both sides is rarely meant so
            return None
        exits = {side: exits["all"] for side in entry}
    if exits and set(exits) != set(entry):
        return None
    kinds = {inventory.security_type(symbol) or "equity" for symbol in symbols}
    if len(kinds) > 1:
        return None
    values: dict[str, Any] = {
        "symbols": list(symbols),
        "security_type": kinds.pop(),
        "resolution": resolution,
        "direction": "both" if len(entry) > 1 else next(iter(entry)),
        "entry": entry,
        **({"exit": exits} if exits else {}),
    }
    values |= {name: parts[name] for name in ("stop", "target", "holding_bars", "size") if name in parts}
    try:
        return Requirements.from_json(values)
    except DataError:
        return None
