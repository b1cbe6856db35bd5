"""What a run says about the engine: equal, different, refused by name, or nothing to judge by."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from llm_plugin.conformance.catalogue import Candidate

__all__ = ["Difference", "Kind", "Verdict", "differences", "judge"]

_NETWORK = ("SubscriptionTransportMedium.", "QCAlgorithm.download")
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
_FAILED = "RuntimeError"


class Kind(StrEnum):
    """Columns of the summary."""

    PASS = "pass"  # noqa: S105 - a verdict
    DIFFERS = "differs"
    UNSUPPORTED = "unsupported"
    NOT_JUDGEABLE = "not judgeable"
    NO_EXPECTATION = "no expectation"
    ERROR = "error"


@dataclass(frozen=True)
class Difference:
    """One field that is not what LEAN publishes."""

    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.field}: {self.expected} expected, got {self.got}"


@dataclass(frozen=True)
class Verdict:
    """The judgement of one algorithm."""

    name: str
    tier: int
    listed: bool
    judged: bool
    kind: Kind
    reason: str
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0
    order_list_hash: str = ""


def differences(candidate: Candidate, outcome: dict[str, Any]) -> tuple[Difference, ...]:
    """Return every field of the expectation that the run does not have, status and hash first."""
    expected = candidate.expectation
    if expected is None:
        return ()
    found = []
    got_status = str(outcome.get("status", "none"))
    if got_status != expected.status:
        found.append(Difference("Status", expected.status, got_status))
    statistics = outcome.get("statistics", {})
    names = sorted(expected.statistics, key=lambda name: name != "OrderListHash")
    for name in names:
        got = statistics.get(name, "none")
        if got != expected.statistics[name]:
            found.append(Difference(name, expected.statistics[name], got))
    return tuple(found)


def judge(candidate: Candidate, outcome: dict[str, Any]) -> Verdict:
    """Return the verdict.

    Args:
        candidate: The algorithm and what it should give.
        outcome: What its process wrote, or what its end says: `kind` `time`, `memory` or `crash`.
    """
    kind, reason = _kind(candidate, outcome)
    found = differences(candidate, outcome) if candidate.judged and "status" in outcome else ()
    return Verdict(
        name=candidate.name,
        tier=candidate.scope.tier,
        listed=candidate.listed,
        judged=candidate.judged,
        kind=kind,
        reason=reason,
        differences=found if kind == Kind.DIFFERS else (),
        seconds=float(outcome.get("seconds", 0.0)),
        order_list_hash=str(outcome.get("hash", "")),
    )


def _kind(candidate: Candidate, outcome: dict[str, Any]) -> tuple[Kind, str]:
    expected = candidate.expectation if candidate.judged else None
    found = differences(candidate, outcome) if expected is not None and "status" in outcome else None
    if found == ():
        return Kind.PASS, ""
    missing = _missing_input(candidate, outcome)
    if missing:
        return Kind.NOT_JUDGEABLE, missing
    ended = outcome.get("kind", "")
    if ended == "UnsupportedLeanApi":
        return Kind.UNSUPPORTED, str(outcome["member"] or outcome["error"])
    if ended and not (expected is not None and expected.status == _FAILED and "status" in outcome):
        told = str(outcome.get("error", "")).replace(f"{candidate.path.resolve().parent}{os.sep}", "")
        return Kind.ERROR, _short(f"{ended}: {told}")
    if expected is None:
        return Kind.NO_EXPECTATION, f"{outcome.get('status')}, {len(outcome.get('orders', ()))} orders"
    if found is None:
        return Kind.ERROR, _short(str(outcome.get("error", "no result")))
    return Kind.DIFFERS, "; ".join(str(item) for item in found[:3]) + (f" and {len(found) - 3} more" * (len(found) > 3))


def _missing_input(candidate: Candidate, outcome: dict[str, Any]) -> str:
    member, error = str(outcome.get("member", "")), str(outcome.get("error", ""))
    if member.startswith(_NETWORK):
        address = re.search(r"https?://[^\s?;]+", error)
        return f"needs the network: {address.group(0) if address else member}"
    module = _NO_MODULE.search(error)
    if module is not None:
        return f"needs the Python module {module.group(1)}"
    absent = outcome.get("missing", [])
    if absent:
        return f"lacks {absent[0]}" + (f" and {len(absent) - 1} more files" * (len(absent) > 1))
    local = candidate.expectation is None or candidate.expectation.runs_locally
    return "" if local or not candidate.judged else "LEAN's own repository lacks its data (CanRunLocally is false)"


def _short(text: str, length: int = 240) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
