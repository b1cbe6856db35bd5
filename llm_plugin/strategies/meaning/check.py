"""Gate 4: the requirements of a task against what was seen in its run. What was seen counts more than the text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from llm_plugin.errors import DataError
from llm_plugin.strategies.language import names_in, tree
from llm_plugin.strategies.meaning.allocation import AllocationWitness
from llm_plugin.strategies.meaning.reading import read_source, wrong_parameters
from llm_plugin.strategies.meaning.scene import Scene, conditions_of, uses_calendar
from llm_plugin.strategies.meaning.signals import Counts, SymbolWitness
from llm_plugin.strategies.requirements import IndicatorUse, Requirements, Rules
from llm_plugin.strategies.tasks import Task
from llm_plugin.strategies.trusted_run import Finding, TrustedRun
from llm_plugin.strategies.vocabulary import FUNCTIONS

__all__ = ["MEANING_VERSION", "TOLERANCES", "check_meaning"]

# Raised whenever a finding could come out differently.
MEANING_VERSION = "3"
# How much of what was seen may fail, by check: fair solutions differ by a bar here and there.
TOLERANCES: Mapping[str, float] = {
    "entry": 0.03,
    "entry followed": 0.08,
    "exit": 0.03,
    "exit followed": 0.05,
    "stop followed": 0.05,
    "target followed": 0.05,
    "holding_bars followed": 0.05,
    "stop order": 0.05,
    "size": 0.05,
    "rebalance": 0.05,
    "ranking": 0.06,
    "weights": 0.06,
}
_MOST_FINDINGS = 8
# With fewer filled orders than this the run shows too little, and the text is read as well.
_TELLING = 6
_FINER = {"daily": 0, "hour": 1, "minute": 2, "second": 3, "tick": 4}


def check_meaning(source: str, task: Task, run: TrustedRun) -> list[Finding]:
    """Return which requirements of a task a run does not meet; nothing where it means what was asked.

    Args:
        source: Text of the algorithm; read only where the run shows too little.
        task: The task; one without requirements has no findings.
        run: The run as a trusted process saw it.

    Raises:
        DataError: The data folder lacks the bars of the requirements.
    """
    wanted = task.requirements
    if wanted is None:
        return []
    findings = [*_symbols(wanted, run), *_resolution(wanted, run), *_direction(wanted, run)]
    witnessed = _witness(wanted, run)
    findings += witnessed
    thin = bool(witnessed) or sum(1 for order in run.orders if order.fills) < _TELLING
    findings += _indicators(source, wanted, wanted.indicators if thin else _unseen(wanted))
    return findings[:_MOST_FINDINGS]


def _symbols(wanted: Requirements, run: TrustedRun) -> list[Finding]:
    traded = {order.symbol for order in run.orders if order.fills}
    asked = ", ".join(wanted.symbols)
    return [
        Finding("symbols", f"{symbol} was traded; only {asked} may be", {"symbol": symbol})
        for symbol in sorted(traded - set(wanted.symbols))
    ]


def _resolution(wanted: Requirements, run: TrustedRun) -> list[Finding]:
    seen: dict[str, int] = {}
    for symbol, resolution in run.subscriptions:
        if symbol in wanted.symbols and resolution in _FINER:
            seen[symbol] = max(seen.get(symbol, -1), _FINER[resolution])
    coarse = sorted(symbol for symbol, level in seen.items() if level < _FINER[wanted.resolution])
    if not coarse:
        return []
    reason = f"{', '.join(coarse)} is subscribed with coarser bars than the {wanted.resolution} ones asked for"
    return [Finding("resolution", reason, {"symbols": coarse})]


def _direction(wanted: Requirements, run: TrustedRun) -> list[Finding]:
    if wanted.direction == "both" or wanted.legs is not None:
        return []
    held: dict[str, float] = {}
    side = wanted.sides[0]
    for order in sorted((o for o in run.orders if o.fills), key=lambda order: order.fills[0].utc):
        for fill in order.fills:
            held[order.symbol] = held.get(order.symbol, 0.0) + fill.quantity
            if held[order.symbol] * side < -1e-9:
                word = "short" if side > 0 else "long"
                reason = (
                    f"{order.symbol} was held {word} ({held[order.symbol]:g} shares) from {fill.utc:%Y-%m-%d} "
                    f"on; only {wanted.direction} positions are asked for"
                )
                return [Finding("direction", reason, {"symbol": order.symbol, "utc": fill.utc.isoformat()})]
    return []


def _witness(wanted: Requirements, run: TrustedRun) -> list[Finding]:
    """Return the findings of the kindest reading of the task."""
    readings = (False, True) if uses_calendar(wanted) else (False,)
    best: list[Finding] | None = None
    for decision_calendar in readings:
        for found in _looks(Scene(wanted, run, decision_calendar)):
            findings = _judged(found)
            if not findings:
                return []
            if best is None or len(findings) < len(best):
                best = findings
    if best is None:
        raise DataError("the requirements hold nothing that can be witnessed")
    return best


def _looks(scene: Scene) -> list[list[dict[str, Counts]]]:
    wanted = scene.wanted
    if wanted.rebalance is not None:
        places = [wanted.rebalance.at] if wanted.rebalance.at is not None else ["start", "end"]
        found = []
        for place in places:
            allocation = AllocationWitness(scene, place)
            allocation.look()
            found.append([allocation.counts])
        return found
    counts = []
    for symbol, entry, leave, share in _parts(wanted):
        witness = SymbolWitness(scene, symbol, entry, leave, share)
        witness.look()
        counts.append(witness.counts)
    return [counts]


def _parts(wanted: Requirements) -> list[tuple[str, Rules, Rules, float]]:
    """Return each symbol's own conditions: those of the task, or turned round for the short leg of a pair."""
    if wanted.legs is None:
        return [(symbol, wanted.entry, wanted.exit, 1.0) for symbol in wanted.symbols]
    parts = []
    for symbol, share in wanted.legs.items():
        entry, leave = wanted.entry, wanted.exit
        if share < 0:
            entry, leave = Rules(entry.short, entry.long), Rules(leave.short, leave.long)
        parts.append((symbol, entry, leave, abs(share)))
    return parts


def _judged(found: Sequence[Mapping[str, Counts]]) -> list[Finding]:
    """Return the failures of each check that go beyond its tolerance, one or two of each kind."""
    totals: dict[str, Counts] = {}
    for part in found:
        for name, counts in part.items():
            total = totals.setdefault(name, Counts())
            total.seen += counts.seen
            total.failures += counts.failures
    findings: list[Finding] = []
    for name, total in totals.items():
        failed = len(total.failures)
        if failed <= math.floor(TOLERANCES[name] * total.seen):
            continue
        for failure in total.failures[:2]:
            share = f" ({failed} of {total.seen} like it)" if failed > 1 else ""
            findings.append(Finding(failure.requirement, failure.reason + share, failure.evidence))
    return findings


def _unseen(wanted: Requirements) -> tuple[IndicatorUse, ...]:
    """Return the indicators that no condition uses: a run shows them not at all, or (a stop's ATR) only roughly."""
    seen = {
        FUNCTIONS[name].indicator for text in conditions_of(wanted) for name in names_in(tree(text)) & set(FUNCTIONS)
    }
    return tuple(use for use in wanted.indicators if use.name not in seen)


def _indicators(source: str, wanted: Requirements, uses: Sequence[IndicatorUse]) -> list[Finding]:
    if not uses:
        return []
    reading = read_source(source)
    findings = []
    for use in uses:
        wrong = wrong_parameters(reading, use.name, dict(use.parameters))
        if wrong is not None:
            asked = ", ".join(f"{key} {value:g}" for key, value in use.parameters)
            given = ", ".join(f"{value:g}" for value in wrong.numbers)
            reason = f"the indicator {use.name} is built with {given} (line {wrong.line}); {asked} is asked for"
            findings.append(Finding("indicators", reason, {"indicator": use.name, "line": wrong.line}))
    return findings
