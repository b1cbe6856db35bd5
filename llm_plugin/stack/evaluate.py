"""How versions would have done on windows of the past: each (version, window) is a piece of work of its own.

A look, not a judgement: nothing here enters the gate's account or moves the pointer. Windows that a version was trained
on are marked, so that nobody mistakes memory for skill.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import ConfigError, InsufficientData

if TYPE_CHECKING:
    from llm_plugin.learning.types import MaturedDecision, PolicyAnswer
    from llm_plugin.stack.loop import Loop

__all__ = ["Evaluation", "Window", "evaluate", "learned_until", "plan_windows", "summary_rows"]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of matured decisions, by decision time: `from_utc` included, `to_utc` not."""

    number: int
    from_utc: datetime
    to_utc: datetime
    decisions: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one version made of one window.

    Attributes:
        version: Who answered.
        window: Number of the window, the oldest is 1.
        from_utc: First decision.
        to_utc: Last decision.
        decisions: Decisions that were judged: replayed, with a prompt.
        approval: Share of signals taken.
        utility_r: Mean of replayed net R x size, clipped as the gate does.
        all_signals_r: The same with every signal taken at full size.
        brier: Mean squared error of the calibrated probability; None without a calibrator.
        action_mass: Mean probability of a legal action.
        milliseconds: Time per answer.
        trained_on: True where the version, or one it descends from, may have learned from this window.
    """

    version: str
    window: int
    from_utc: datetime
    to_utc: datetime
    decisions: int
    approval: float
    utility_r: float
    all_signals_r: float
    brier: float | None
    action_mass: float
    milliseconds: float
    trained_on: bool


def plan_windows(loop: Loop, windows: int, size: int, as_of_utc: datetime | None = None) -> list[Window]:
    """Cut the newest matured decisions into windows of equal size, oldest first.

    Raises:
        ConfigError: Not one window, or empty ones.
        InsufficientData: There is not even one.
    """
    from llm_plugin.learning.read import matured_rows

    if windows < 1 or size < 1:
        raise ConfigError(f"{windows} windows of {size} decisions: both must be 1 or more")
    moment = as_of_utc or datetime.now(UTC)
    rows = [row for row in matured_rows(loop.store, as_of_utc=moment).rows if row.has_prompt and row.net_r is not None]
    count = min(windows, len(rows) // size)
    if not count:
        raise InsufficientData(len(rows), size, "matured decisions with a prompt and a replay")
    cut = rows[len(rows) - count * size :]
    starts = [cut[number * size].time_utc for number in range(count)]
    ends = [*starts[1:], moment]
    return [Window(number + 1, start, end, size) for number, (start, end) in enumerate(zip(starts, ends, strict=True))]


def evaluate(config: Path | None, overrides: Sequence[str], version: str, window: Window) -> Evaluation:
    """Let a version answer a window; self-contained, so that it can run in any process that reaches the database.

    Raises:
        ModelError: The version is damaged or does not fit.
        InsufficientData: The window holds nothing that can be judged.
    """
    from llm_plugin.gate.policy import answer_policy
    from llm_plugin.learning.read import matured_decisions
    from llm_plugin.stack.loop import open_loop

    with open_loop(config, overrides) as loop:
        decisions = [
            row
            for row in matured_decisions(
                loop.store, as_of_utc=datetime.now(UTC), since_utc=window.from_utc, prefix=loop.prefix
            )
            if row.time_utc < window.to_utc and row.prompt is not None and row.net_r is not None
        ]
        if not decisions:
            raise InsufficientData(0, 1, f"decisions in window {window.number}")
        name = loop.registry.get(version).id
        answers = answer_policy(loop.model(name), decisions, loop.settings, version=name)
        return _evaluation(name, window, decisions, answers, loop, learned_until(loop, name))


def summary_rows(evaluations: Sequence[Evaluation], champion: str) -> list[dict[str, Any]]:
    """Return one row per version over the windows that it was not trained on, the best first."""
    rows = []
    for version in dict.fromkeys(item.version for item in evaluations):
        own = [item for item in evaluations if item.version == version]
        fresh = [item for item in own if not item.trained_on]
        total = sum(item.decisions for item in fresh)
        rows.append(
            {
                "version": version,
                "serves": "yes" if version == champion else "",
                "fresh windows": f"{len(fresh)} of {len(own)}",
                "decisions": total,
                "utility R": _mean([(item.utility_r, item.decisions) for item in fresh]),
                "all signals R": _mean([(item.all_signals_r, item.decisions) for item in fresh]),
                "approval": _mean([(item.approval, item.decisions) for item in fresh]),
                "Brier": _mean([(item.brier, item.decisions) for item in fresh if item.brier is not None]),
            }
        )
    return sorted(rows, key=lambda row: -math.inf if row["utility R"] is None else row["utility R"], reverse=True)


def _evaluation(
    version: str,
    window: Window,
    decisions: Sequence[MaturedDecision],
    answers: Sequence[PolicyAnswer],
    loop: Loop,
    learned_until: datetime | None,
) -> Evaluation:
    clip = loop.settings.learning.clip_r
    net = {row.decision_id: max(-clip, min(clip, row.net_r or 0.0)) for row in decisions}
    known = [(item, net[item.decision_id]) for item in answers]
    judged = [
        ((1.0 if value > 0 else 0.0) - item.profit_probability) ** 2
        for item, value in known
        if not math.isnan(item.profit_probability)
    ]
    count = len(known)
    return Evaluation(
        version=version,
        window=window.number,
        from_utc=decisions[0].time_utc,
        to_utc=decisions[-1].time_utc,
        decisions=count,
        approval=sum(item.approved for item, _ in known) / count,
        utility_r=sum(item.size * value for item, value in known) / count,
        all_signals_r=sum(value for _, value in known) / count,
        brier=sum(judged) / len(judged) if judged else None,
        action_mass=sum(item.action_mass for item, _ in known) / count,
        milliseconds=1000 * sum(item.seconds for item, _ in known) / count,
        trained_on=learned_until is not None and decisions[0].time_utc <= learned_until,
    )


def learned_until(loop: Loop, version: str) -> datetime | None:
    """Return up to when a version or an ancestor of it has seen outcomes; None for the base alone."""
    latest: datetime | None = None
    name: str | None = version
    while name is not None:
        found = loop.registry.get(name)
        text = found.facts.get("as_of_utc")
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(text) if text else None
        if moment is not None and (latest is None or moment > latest):
            latest = moment
        name = found.parent
    return latest


def _mean(pairs: Sequence[tuple[float, int]]) -> float | None:
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else None
