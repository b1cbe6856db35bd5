"""Several differently worded descriptions of one strategy, each of which states every requirement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random

__all__ = ["Clause", "Facts", "describe", "listed", "percent"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that is asked for: a label and its wordings, each an imperative without capital and full stop."""

    label: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a description says."""

    tickers: tuple[str, ...]
    resolution: str
    clauses: tuple[Clause, ...]
    start: date
    end: date
    cash: int
    framework: bool = False


def percent(value: float) -> str:
    """Write a number of percent."""
    return f"{value:g} %"


def listed(names: Sequence[str]) -> str:
    """Join names as a list in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


_BARS = {
    "daily": ("daily bars", "daily data", "daily resolution", "end-of-day bars"),
    "hour": ("hourly bars", "hourly data", "hour resolution", "1-hour bars"),
    "minute": ("minute bars", "minute data"),
}
_FRAMEWORK = (
    "use the Algorithm Framework with an alpha model",
    "write it as an alpha model in the Algorithm Framework",
    "emit insights from an alpha model (framework style)",
)


def describe(facts: Facts, rng: Random, count: int) -> tuple[str, ...]:
    """Return `count` descriptions, each in another form; what is asked for is the same in all."""
    forms = list(_FORMS)
    rng.shuffle(forms)
    made = [forms[number % len(forms)](facts, rng) for number in range(2 * count)]
    return tuple(dict.fromkeys(made))[:count]


def _clauses(facts: Facts, rng: Random) -> list[tuple[str, str]]:
    clauses = [(clause.label, rng.choice(clause.words)) for clause in facts.clauses]
    if facts.framework:
        clauses.append(("Style", rng.choice(_FRAMEWORK)))
    return clauses


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _period(facts: Facts, rng: Random) -> str:
    start, end = facts.start, facts.end
    whole_year = (start.month, start.day, end.month, end.day) == (1, 1, 12, 31) and start.year == end.year
    if whole_year and rng.random() < 0.5:
        return rng.choice((f"backtest the year {start.year}", f"run it over {start.year}"))
    return rng.choice((f"backtest from {start} to {end}", f"run it from {start} to {end}", f"period {start} to {end}"))


def _money(facts: Facts, rng: Random) -> str:
    cash = f"{facts.cash:,}"
    return rng.choice((f"start with ${cash}", f"starting cash ${cash}", f"with ${cash} of capital"))


def _prose(facts: Facts, rng: Random) -> str:
    verb = rng.choice(
        ("Write a LEAN algorithm that trades", "Create a QuantConnect strategy for", "Implement a strategy on")
    )
    sentences = [f"{verb} {listed(facts.tickers)} on {rng.choice(_BARS[facts.resolution])}."]
    sentences += [f"{_capital(text)}." for _, text in _clauses(facts, rng)]
    sentences.append(f"{_capital(_period(facts, rng))}, {_money(facts, rng)}.")
    return " ".join(sentences)


def _casual(facts: Facts, rng: Random) -> str:
    texts = [text for _, text in _clauses(facts, rng)]
    bars = rng.choice(_BARS[facts.resolution])
    return f"{'/'.join(facts.tickers)}, {bars}: {', '.join(texts)}; {_period(facts, rng)}, {_money(facts, rng)}"


def _bullets(facts: Facts, rng: Random) -> str:
    lines = [f"Strategy for {', '.join(facts.tickers)} ({rng.choice(_BARS[facts.resolution])}):"]
    lines += [f"- {label}: {text}" for label, text in _clauses(facts, rng)]
    lines.append(f"- Backtest: {facts.start} to {facts.end}, {_money(facts, rng)}")
    return "\n".join(lines)


def _request(facts: Facts, rng: Random) -> str:
    opening = rng.choice(
        (
            "I need a trading algorithm for LEAN.",
            "Please code this for QuantConnect.",
            "Can you write this strategy in Python?",
        )
    )
    texts = [text for _, text in _clauses(facts, rng)]
    market = rng.choice(("The market is", "It should trade", "Universe:"))
    body = ". ".join(_capital(text) for text in texts)
    ending = f"{_capital(_money(facts, rng))} and {_period(facts, rng)}."
    return f"{opening} {market} {listed(facts.tickers)} with {rng.choice(_BARS[facts.resolution])}. {body}. {ending}"


def _steps(facts: Facts, rng: Random) -> str:
    texts = [f"({number}) {text}" for number, (_, text) in enumerate(_clauses(facts, rng), 1)]
    bars = rng.choice(_BARS[facts.resolution])
    ending = f"{_capital(_period(facts, rng))}; {_money(facts, rng)}."
    return f"Rules for {listed(facts.tickers)} on {bars}: {'; '.join(texts)}. {ending}"


def _brief(facts: Facts, rng: Random) -> str:
    """Say neither period nor cash, as people do who leave them to the tool."""
    texts = [text for _, text in _clauses(facts, rng)]
    where = f"{listed(facts.tickers)} ({rng.choice(_BARS[facts.resolution])})"
    return f"{where}: {', '.join(texts)}" if rng.random() < 0.5 else f"{_capital('; '.join(texts))} - on {where}."


_FORMS: tuple[Callable[[Facts, Random], str], ...] = (_prose, _casual, _bullets, _request, _steps, _brief)
