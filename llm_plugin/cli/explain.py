"""`lean-llm explain DECISION_ID`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, key_values, out, table

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)


def explain(
    decision_id: str = typer.Argument(..., help="A decision's id, or the beginning of one."),
    run: Path | None = typer.Option(
        None, help="The run's folder; default: the newest below ./backtests that knows it."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Print everything the validator saw for one decision, what it answered and why, and how it ended."""
    from llm_plugin.runs.explain import explain_decision

    emit(explain_decision(decision_id, run), as_json=as_json, show=_show)


def _show(told: Mapping[str, Any]) -> None:
    decision, request = told["decision"], told["request"]
    key_values(
        f"decision {decision['decision_id']}",
        {
            "run": told["run_folder"],
            "time": decision["time_utc"],
            "question": f"{decision['kind']}, legal: {', '.join(request['legal'])}",
            "signal": f"{decision['signal_action']} {_number(decision['signal_confidence'])} "
            f"from {request['signal']['source']}",
            "verdict": f"{decision['verdict']}: {decision['action']} x {decision['size_multiplier']:g}",
            "confidence": _number(decision["confidence"]),
            "source": f"{decision['source']} {decision['model_version']}",
            "language model": f"{decision['llm_action'] or '–'} {_number(decision['llm_confidence'])}",
            "probabilities": "  ".join(f"{k} {v:.3f}" for k, v in decision["action_probabilities"].items()) or "–",
            "fusion": decision["fusion_rule"] or "–",
            "risk rule": decision["risk_rule"] or "–",
            "reason": decision["reason"] or "–",
        },
    )
    market, position = request["market"], request["position"]
    plan = request["exit"] or {}
    key_values(
        "what it saw",
        {
            "price": f"{market['ticker']} {market['price']:.10g} (bid {market['bid']:.10g}, ask {market['ask']:.10g})",
            "exit plan": f"stop {plan.get('stop')}, target {plan.get('target')}, timeout {plan.get('timeout')} s",
            "position": f"{position['quantity']:g} at {position['entry_price']}",
            "equity": f"{request['account']['equity']:,.2f}, peak {request['account']['peak_equity']:,.2f}",
        },
    )
    out.print("prompt", style="bold")
    out.print(told["prompt"] or "none was made", markup=False)
    columns = ("similar past trade", "time", "action", "R", "kind")
    hits = [(h["decision_id"], h["time_utc"], h["action"], _number(h["r_multiple"]), h["kind"]) for h in told["memory"]]
    table("", columns, hits, right=(3,))
    ends = [
        (o["action"], o["kind"], _number(o["r_multiple"]), o["exit_reason"], o["closed_utc"]) for o in told["outcomes"]
    ]
    table("", ("outcome of", "kind", "R", "exit", "closed"), ends, right=(2,))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
