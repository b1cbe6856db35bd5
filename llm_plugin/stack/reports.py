"""What a person reads in the UI: markdown and table rows of cycles, versions and canaries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_plugin.cycle.words import CycleResult
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.registry.store import Registry
    from llm_plugin.stack.canary_report import CanaryComparison, ServiceView

__all__ = [
    "canary_markdown",
    "cycle_facts",
    "cycle_markdown",
    "cycle_reason",
    "cycle_title",
    "facts_markdown",
    "version_rows",
]

HASH = re.compile(r"[0-9a-f]{40,64}")
TITLES = {
    "promoted": "Promoted",
    "refused": "Refused by the gate",
    "cannot_judge": "Cannot be judged",
    "insufficient_data": "Too few outcomes",
    "not_due": "Not due",
    "waiting": "Challenger registered",
    "failed": "Training failed",
    "held": "Another cycle runs",
}


def cycle_title(status: str) -> str:
    """Return a status as a person reads it."""
    return TITLES.get(status, status.replace("_", " ").capitalize())


def cycle_reason(result: CycleResult) -> str:
    """Return why a cycle ended as it did, or what it waits for."""
    if result.status == "waiting" and result.challenger is not None:
        return f"{result.challenger} is registered and waits for the gate; {result.champion} serves"
    return result.reason


def cycle_facts(database: LearningDatabase, result: CycleResult) -> dict[str, Any]:
    """Return what is known of a cycle, also of one that is not at its end: request, stages, result."""
    row, stages = database.cycle(result.cycle_id), database.stages(result.cycle_id)
    asked = {} if row is None else {key: value for key, value in row.request.items() if key != "settings"}
    seconds = {name: facts["seconds"] for name, facts in stages.items() if "seconds" in facts}
    training = stages.get("trained", {}).get("training", {})
    return {**asked, **stages.get("pairs", {}), "training": training, **result.facts, "seconds": seconds}


def cycle_markdown(result: CycleResult, facts: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """Return how a cycle ended, what it learned from, how long each stage took, and where to look further."""
    lines = [f"## {cycle_title(result.status)}", "", cycle_reason(result), ""]
    rows = {
        "cycle": result.cycle_id or "none was begun",
        "went on with an open cycle": "yes" if result.resumed else "no",
        "champion": result.champion,
        "challenger": result.challenger or "–",
        "started by": facts.get("trigger"),
        "why": facts.get("why"),
        "holdout window": facts.get("window_id"),
        "dataset": _short(facts.get("dataset")),
    }
    lines += _pairs(rows)
    for title, values in (
        ("decisions and pairs", facts.get("counts")),
        ("left out", facts.get("left_out")),
        ("training", facts.get("training")),
        ("gate", facts.get("figures")),
        ("seconds", facts.get("seconds")),
    ):
        flat = _flat(values) if isinstance(values, Mapping) else {}
        if flat:
            lines += ["", f"### {title[0].upper()}{title[1:]}", "", *_pairs(flat)]
    if links:
        lines += ["", *(f"- [{name}]({url})" for name, url in links.items())]
    return "\n".join(lines) + "\n"


def facts_markdown(title: str, facts: Mapping[str, Any]) -> str:
    """Return facts as a small page."""
    return "\n".join([f"## {title}", "", *_pairs(facts)]) + "\n"


def version_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return one row per version, the newest first."""
    aliases = {version: alias for alias, version in registry.pointer().aliases.items()}
    rows = []
    for version in reversed(registry.versions()):
        gate = version.gate or {}
        rows.append(
            {
                "version": version.id,
                "alias": aliases.get(version.id, ""),
                "stage": version.stage,
                "parent": version.parent or "",
                "created": version.created_utc if version.folder is not None else None,
                "cycle": version.facts.get("cycle_id", ""),
                "gate": gate.get("verdict", ""),
            }
        )
    return rows


def canary_markdown(report: CanaryComparison, service: ServiceView | None) -> str:
    """Return what changed with the promotion, and whether the service follows."""
    forced = " **past the gate**" if report.forced else ""
    lines = [f"## {report.champion} serves{forced}", "", report.reason, ""]
    mass = f"{_number(report.champion_mass)} (before {_number(report.previous_mass)})"
    lines += _pairs(
        {
            "pointer change": report.sequence,
            "replaced": report.previous or "–",
            "questions asked": report.questions,
            "same verdict": _percent(report.agree),
            "takes": f"{_percent(report.champion_approval)} (before {_percent(report.previous_approval)})",
            "probability of a legal action": mass,
            "largest gap to the answers recorded in training": _number(report.recorded_gap),
            "service": _service(report, service),
        }
    )
    if report.rows:
        names = list(report.rows[0])
        lines += ["", "### Where the two differ most", "", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
        lines += [f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in report.rows]
    return "\n".join(lines) + "\n"


def _service(report: CanaryComparison, service: ServiceView | None) -> str:
    if service is None:
        return "no service is known here"
    if service.problem:
        return f"{service.url} did not answer: {service.problem}"
    if service.serving == report.champion:
        return f"{service.url} serves {service.serving}"
    return f"**{service.url} serves {service.serving}, not the champion**"


def _pairs(values: Mapping[str, Any]) -> list[str]:
    shown: Sequence[tuple[str, Any]] = [(key, value) for key, value in values.items() if value is not None]
    return ["| what | value |", "|---|---|", *(f"| {key.replace('_', ' ')} | {_cell(value)} |" for key, value in shown)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, str) and HASH.fullmatch(value):
        return value[:12]
    return "–" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested counts as `outer: inner`, without what is empty."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}: {inner}": number for inner, number in value.items()}
        else:
            flat[key] = value
    return flat


def _short(text: Any) -> str | None:
    return None if text is None else str(text)[:12]
