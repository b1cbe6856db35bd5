"""Is it honest? The same decisions must come out when the future is cut off."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_plugin.engine.base.zones import from_us
from llm_plugin.strategies.judge.script import Action, Script

__all__ = ["Difference", "choose_cuts", "first_difference"]


@dataclass(frozen=True)
class Difference:
    """Where the decisions part."""

    utc_us: int
    text: str


def choose_cuts(script: Script, source: str, start_us: int, end_us: int, count: int) -> list[int]:
    """Return moments at which the future is cut off.

    They are moments of order requests: a decision that looks one bar ahead differs exactly there. The last quarter and
    the rest get their share; a strategy with too few requests is cut between them, too.

    Args:
        script: The whole run.
        source: The candidate: the choice is the same each time it is judged.
        start_us: Begin of the run, UTC microseconds.
        end_us: Its end.
        count: How many.
    """
    moments = sorted({action.utc_us for action in script.actions if not action.ending and action.utc_us < end_us})
    draw = random.Random(hashlib.sha256(source.encode()).digest())  # noqa: S311 - a choice, no secret
    chosen: set[int] = set()
    for place in range(count):
        low, high = place * len(moments) // count, (place + 1) * len(moments) // count
        if high > low:
            chosen.add(moments[draw.randrange(low, high)])
    step = max(1, (end_us - start_us) // (count + 1))
    place = 0
    while len(chosen) < count and place < count:
        place += 1
        chosen.add(start_us + place * step)
    return sorted(chosen)


def first_difference(whole: Sequence[Action], cut: Sequence[Action], cut_us: int) -> Difference | None:
    """Return where the requests up to a cut differ, None where they are equal."""
    before = [action for action in whole if not action.ending and action.utc_us <= cut_us]
    after = [action for action in cut if not action.ending and action.utc_us <= cut_us]
    for one, other in zip(before, after, strict=False):
        if one.decision() != other.decision():
            moment = min(one.utc_us, other.utc_us)
            return Difference(moment, f"{_told(one)} became {_told(other)}")
    if len(before) > len(after):
        missing = before[len(after)]
        return Difference(missing.utc_us, f"{_told(missing)} was not asked for any more")
    if len(after) > len(before):
        new = after[len(before)]
        return Difference(new.utc_us, f"{_told(new)} was asked for as well")
    return None


def _told(action: Action) -> str:
    when = f"{from_us(action.utc_us):%Y-%m-%d %H:%M} UTC"
    if action.what != "order":
        return f"the {action.what} of order {action.order} at {when}"
    prices = "".join(f", {name} {value}" for name, value in action.prices)
    return f"the order of {action.quantity} {action.sid.split()[0]}{prices} at {when}"


def describe(difference: Difference, cut_us: int, kind: str) -> dict[str, Any]:
    """Return a difference as plain values."""
    return {"cut_utc": f"{from_us(cut_us):%Y-%m-%dT%H:%M:%SZ}", "difference": difference.text, "ended": kind}
