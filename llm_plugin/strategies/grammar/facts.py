"""What a blueprint asks for, clause by clause."""

from __future__ import annotations

from llm_plugin.strategies.grammar.blueprint import Blueprint
from llm_plugin.strategies.grammar.describe import Clause, Facts, percent
from llm_plugin.strategies.grammar.parts import Protection
from llm_plugin.strategies.grammar.terms import Rule, number

__all__ = ["facts_of"]


def facts_of(plan: Blueprint) -> Facts:
    """Return the clauses of a blueprint; `{unit}` becomes the length of its bars."""
    clauses = [*_entries(plan), *_exits(plan)]
    clauses += [clause for clause in (_stop(plan), _target(plan.target), _size(plan)) if clause is not None]
    unit = plan.market.unit
    named = tuple(Clause(c.label, tuple(text.replace("{unit}", unit) for text in c.words)) for c in clauses)
    return Facts(
        plan.market.tickers, plan.market.resolution, named, plan.start, plan.end, plan.cash, plan.layout == "framework"
    )


def _what(plan: Blueprint) -> str:
    return "" if plan.market.is_single else " a symbol"


def _entries(plan: Blueprint) -> list[Clause]:
    clauses = []
    for side in plan.sides:
        entry, only = plan.entry(side), plan.filter(side)
        verbs = ("buy", "go long", "enter long") if side > 0 else ("sell short", "go short", "open a short position")
        label = "Entry" if len(plan.sides) == 1 else ("Long entry" if side > 0 else "Short entry")
        clauses.append(Clause(label, _entry_words(verbs, entry, only)))
    return clauses


def _entry_words(verbs: tuple[str, ...], entry: Rule | None, only: Rule | None) -> tuple[str, ...]:
    made = []
    for place, text in enumerate(entry.words if entry else ()):
        verb = verbs[place % len(verbs)]
        if only is None:
            made.append(f"{verb} {('when', 'if', 'as soon as')[place % 3]} {text}")
            continue
        other = only.words[place % len(only.words)]
        joint = (", but only while ", " and ", ", provided that ", ", as long as ")[place % 4]
        made.append(f"{verb} when {text}{joint}{other}")
    return tuple(made)


def _exits(plan: Blueprint) -> list[Clause]:
    if plan.reverses:
        words = (
            "always reverse: the opposite signal turns the position around",
            "stay in the market and flip the position on the opposite signal",
            "reverse the position on the opposite entry signal",
        )
        return [Clause("Exit", words)]
    clauses = []
    for side in plan.sides:
        rule, texts = plan.exit(side), []
        position = "the position" if len(plan.sides) == 1 else ("longs" if side > 0 else "shorts")
        verbs = (f"close {position} when", f"exit {position} if", f"leave {position} once")
        for place, text in enumerate(rule.words if rule else ()):
            after = f", or after {plan.hold} bars" if plan.hold is not None else ""
            texts.append(f"{verbs[place % 3]} {text}{after}")
        label = "Exit" if len(plan.sides) == 1 else ("Long exit" if side > 0 else "Short exit")
        if texts:
            clauses.append(Clause(label, tuple(texts)))
    if plan.hold is not None and not clauses:
        hold = plan.hold
        words = (f"hold for {hold} bars, then exit", f"exit after {hold} bars", f"close the position after {hold} bars")
        clauses.append(Clause("Exit", words))
    return clauses


def _stop(plan: Blueprint) -> Clause | None:
    stop = plan.stop
    if stop is None:
        return None
    value = percent(stop.value)
    words: tuple[str, ...]
    if stop.kind == "trailing":
        words = (
            f"use a {value} trailing stop",
            f"trail a stop {value} behind the best close",
            f"trailing stop of {value}",
        )
    elif stop.kind == "atr":
        size = f"{number(stop.value)} x ATR({stop.period})"
        words = (f"stop out {size} away from the entry price", f"use a stop at {size} from the entry", f"{size} stop")
    elif stop.by_order:
        words = (
            f"protect each entry with a stop market order {value} away from the fill price",
            f"place a stop order {value} from the fill price",
        )
    else:
        words = (f"use a {value} stop loss", f"{value} stop", f"cut the loss at {value} from the entry price")
    return Clause("Stop", words)


def _target(target: Protection | None) -> Clause | None:
    if target is None:
        return None
    value = percent(target.value)
    return Clause("Target", (f"take profit at {value}", f"{value} profit target", f"exit with a gain of {value}"))


def _size(plan: Blueprint) -> Clause:
    size, each = plan.size, "" if plan.market.is_single else " per symbol"
    value = number(size.value)
    if size.kind == "fraction":
        share = percent(round(100 * size.value, 2))
        words: tuple[str, ...] = (
            f"invest {share} of the portfolio{each}",
            f"position size {share} of equity{each}",
            f"put {share} of the account into each position",
        )
    elif size.kind == "shares":
        unit = "units" if plan.market.security_type == "forex" else "shares"
        words = (
            f"trade {value} {unit} each time{each}",
            f"{value} {unit} per trade",
            f"order {value} {unit} a position",
        )
    elif size.kind == "cash":
        money = f"${size.value:,.0f}"
        words = (f"put {money} into each trade", f"{money} per position", f"{money} of exposure a trade")
    elif size.kind == "volatility_target":
        goal, most = percent(round(100 * size.value, 2)), percent(round(100 * (size.most or 1), 2))
        words = (
            f"size{each} for {goal} annual volatility over {size.period} days of returns, at most {most} of equity",
            f"target {goal} yearly volatility{each} ({size.period}-day deviation of returns), capped at {most}",
        )
    else:
        part = percent(round(100 * size.value, 3))
        words = (
            f"risk {part} of the equity per trade, from the distance to the stop",
            f"size so that the stop would cost {part} of equity",
        )
    return Clause("Size", words)
