"""What changed when a version was promoted: champion and previous one on the same recent questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llm_plugin.registry.words import BASE

if TYPE_CHECKING:
    from llm_plugin.learning.types import MaturedDecision, PolicyAnswer
    from llm_plugin.registry.words import Pointer
    from llm_plugin.stack.loop import Loop

__all__ = ["CanaryComparison", "ServiceView", "compare_champion", "service_view"]

QUESTIONS = 32


@dataclass(frozen=True, slots=True)
class CanaryComparison:
    """Champion against the version before it, on the newest questions that have a prompt.

    Attributes:
        champion: Who serves.
        previous: Whom it replaced, None where nobody.
        sequence: Number of the pointer's change.
        reason: Why it was promoted.
        forced: Past the gate.
        questions: How many were asked.
        agree: Same verdict from both.
        champion_approval: Share of signals taken.
        previous_approval: Share of signals taken.
        champion_mass: Mean probability of a legal action.
        previous_mass: The same of the previous one.
        recorded_gap: Largest difference to the answers recorded in training; None where none were recorded.
        rows: The questions on which they differ most, for a table.
    """

    champion: str
    previous: str | None
    sequence: int
    reason: str
    forced: bool
    questions: int
    agree: float | None
    champion_approval: float | None
    previous_approval: float | None
    champion_mass: float | None
    previous_mass: float | None
    recorded_gap: float | None
    rows: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What a running service says: `serving` is who answers, `problem` why it could not be asked."""

    url: str
    serving: str | None
    problem: str = ""


def compare_champion(loop: Loop, *, questions: int = QUESTIONS, as_of_utc: datetime | None = None) -> CanaryComparison:
    """Let the champion and the version before it answer the newest questions, and the champion its recorded ones.

    Raises:
        ModelError: The champion cannot be loaded, or does not answer as it did in training.
    """
    from llm_plugin.gate.policy import answer_policy

    pointer, moment = loop.registry.pointer(), as_of_utc or datetime.now(UTC)
    decisions = _newest(loop, questions, moment)
    champion = loop.model(pointer.champion)
    gap = _recorded_gap(loop, pointer, champion)
    ours = answer_policy(champion, decisions, loop.settings, version=pointer.champion)
    del champion  # two large models are never in memory together
    theirs: list[PolicyAnswer] = []
    if pointer.previous is not None:
        theirs = answer_policy(loop.model(pointer.previous), decisions, loop.settings, version=pointer.previous)
    return CanaryComparison(
        champion=pointer.champion,
        previous=pointer.previous,
        sequence=pointer.sequence,
        reason=pointer.reason,
        forced=pointer.forced,
        questions=len(ours),
        agree=_share([one.approved == two.approved for one, two in zip(ours, theirs, strict=False)]),
        champion_approval=_share([answer.approved for answer in ours]),
        previous_approval=_share([answer.approved for answer in theirs]),
        champion_mass=_mean([answer.action_mass for answer in ours]),
        previous_mass=_mean([answer.action_mass for answer in theirs]),
        recorded_gap=gap,
        rows=_differences(decisions, ours, theirs),
    )


def service_view(loop: Loop, url: str | None) -> ServiceView | None:
    """Ask a running service who serves; None where no address is known."""
    import httpx

    if url is None:
        return None
    key = loop.settings.service.api_key
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
    try:
        with httpx.Client(timeout=5, trust_env=False, headers=headers) as client:
            answer = client.get(f"{url.rstrip('/')}/v1/versions")
            answer.raise_for_status()
            rows = answer.json()["versions"]
    except (httpx.HTTPError, KeyError, ValueError) as error:
        return ServiceView(url, None, f"{type(error).__name__}: {error}")
    return ServiceView(url, next((str(row["version"]) for row in rows if row.get("serving")), None))


def _newest(loop: Loop, questions: int, moment: datetime) -> list[MaturedDecision]:
    from llm_plugin.learning.read import load_matured, matured_rows

    rows = [row for row in matured_rows(loop.store, as_of_utc=moment).rows if row.has_prompt]
    return load_matured(loop.store, rows[-questions:], prefix=loop.prefix)


def _recorded_gap(loop: Loop, pointer: Pointer, champion: Any) -> float | None:
    from llm_plugin.reasoning.canary import CanaryLimits, check_generation, states_from_json

    manifest = None if pointer.champion == BASE else loop.registry.get(pointer.champion).manifest
    recorded = [] if manifest is None else manifest.training.get("canary", [])
    if not recorded:
        return None
    gap = check_generation(champion, states_from_json(recorded), CanaryLimits()).log_probability_gap
    return None if math.isnan(gap) else gap


def _differences(
    decisions: Sequence[MaturedDecision], ours: Sequence[PolicyAnswer], theirs: Sequence[PolicyAnswer], most: int = 12
) -> tuple[dict[str, Any], ...]:
    asked = {row.decision_id: row for row in decisions}
    answered = sorted(zip(ours, theirs, strict=False), key=lambda pair: -abs(pair[0].margin - pair[1].margin))
    return tuple(
        {
            "decision": one.decision_id[:8],
            "time": asked[one.decision_id].time_utc,
            "symbol": asked[one.decision_id].request.market.symbol_id,
            "champion": _told(one),
            "previous": _told(two),
            "log-odds": one.margin - two.margin,
            "net R": asked[one.decision_id].net_r,
        }
        for one, two in answered[:most]
    )


def _told(answer: PolicyAnswer) -> str:
    return f"{answer.action.value} x {answer.size:g}" if answer.approved else "veto"


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
