"""The walk-forward on real data as a section of the page of experiments: whatever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

__all__ = ["real_markdown"]


def real_markdown(summary: Mapping[str, Any], day: date) -> str:
    """Return the section; its heading names date, project and the learning arm's decisions.

    Args:
        summary: `summary.json` of a walk-forward.
        day: Of the run.
    """
    models = [f"{row['kind']} {row['version']} (data up to {row['data_cutoff'][:10]})" for row in summary["models"]]
    options, period = summary["options"], summary["period"] or ["–", "–"]
    arms = [_arm(name, arm) for name, arm in summary["arms"].items()]
    cycles = [_cycle(cycle) for cycle in summary["cycles"]]
    lines = [
        f"## {day.isoformat()}: walk-forward of {summary['project']} "
        f"({summary['arms']['learning']['decisions_hash'][:12]})",
        "",
        f"{period[0]} to {period[1]}, a cycle every {options['retrain_every'] or 'default number of'} matured "
        f"decisions, seed {options['seed']}. Models at the start: "
        f"{', '.join(models)}.",
        "",
        *[line[0].upper() + line[1:] for line in summary["words"]],
        "",
        *_table(
            ("arm", "asked", "approved", "right", "R approved", "R vetoed", "net profit", "Sharpe", "drawdown", "cost"),
            arms,
        ),
        "",
        *_table(("cycle", "result", "gain, R a decision", "p", "why"), cycles),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _arm(name: str, arm: Mapping[str, Any]) -> tuple[str, ...]:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    def signed(value: float | None) -> str:
        return "–" if value is None else f"{value:+.3f}"

    figures = (
        share(arm["approval"]),
        share(arm["accuracy"]),
        signed(arm["mean_r_approved"]),
        signed(arm["mean_r_vetoed"]),
    )
    cost = "–" if arm["cost_r_mean"] is None else f"{arm['cost_r_mean']:.3f} R a trade"
    return (name, f"{arm['entries']:,}", *figures, arm["net_profit"], arm["sharpe"], arm["drawdown"], cost)


def _cycle(cycle: Mapping[str, Any]) -> tuple[str, ...]:
    gate = cycle["figures"].get("gate") or {}
    gain, p = "–", "–"
    if gate.get("gain") is not None:
        gain = f"{gate['gain']:+.3f} [{gate['gain_low']:+.3f}, {gate['gain_high']:+.3f}]"
        p = f"{gate['p_value']:.3f}"
    reason = str(cycle["reason"]).split(";")[0].replace("|", "/")
    return (cycle["time_utc"][:10], cycle["status"].replace("_", " "), gain, p, reason)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    return head + ["| " + " | ".join(row) + " |" for row in rows]
