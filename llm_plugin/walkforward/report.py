"""Writes `walkforward.html`: one file with its data, its pictures and its scripts inside."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.files import write_whole
from llm_plugin.runs.record import daily_equity
from llm_plugin.runs.summary import trading_days
from llm_plugin.walkforward import figures
from llm_plugin.walkforward.plan import LEARNING
from llm_plugin.walkforward.run import WalkForwardRun
from llm_plugin.walkforward.summary import VERDICTS, judged

__all__ = ["REPORT_NAME", "write_report"]

REPORT_NAME = "walkforward.html"
LEARNERS = ("learning", "frozen", "tabular")


def write_report(run: WalkForwardRun, summary: Mapping[str, Any]) -> Path:
    """Render the report of a walk-forward beside its summary.

    Args:
        run: The run.
        summary: What `summary.summarise` made of it.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    drawn = {name: figure for name, figure in _figures(run).items() if figure is not None}
    environment = Environment(
        loader=PackageLoader("llm_plugin.walkforward"), autoescape=select_autoescape(default=True)
    )
    environment.filters |= {"percent": percent, "signed": signed, "plain": plain}
    data = {name: json.loads(figure.to_json()) for name, figure in drawn.items()}
    html = environment.get_template("walkforward.html.j2").render(
        summary=summary,
        arms=summary["arms"],
        cards=cards(summary),
        claims=[claim_row(claim, summary["arms"]) for claim in summary["claims"]],
        cycles=[cycle_row(cycle) for cycle in summary["cycles"]],
        drawn=set(drawn),
        config_rows=run.resolved.rows(),
        versions=json.loads((run.folder / "versions.json").read_text(encoding="utf-8")),
        plotly_js=Markup(get_plotlyjs()),  # noqa: S704 - plotly's own file
        figures_json=Markup(_script_json(data)),  # noqa: S704
    )
    path = run.folder / REPORT_NAME
    write_whole(path, html)
    return path


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")


def _figures(run: WalkForwardRun) -> dict[str, Any]:
    learning = run.records[LEARNING.name]
    days = trading_days(learning)
    arms = [(name, record.title.split(":")[0], daily_equity(record, days)) for name, record in run.records.items()]
    currency = str(learning.result.get("algorithmConfiguration", {}).get("accountCurrency", "USD"))
    approval, right = {}, {}
    for name in LEARNERS:
        if name not in run.records:
            continue
        rows, title = judged(run.records[name]), run.records[name].title.split(":")[0]
        times = [decision.time_utc for decision, _ in rows]
        approval[name] = (title, times, np.array([float(d.approved) for d, _ in rows]))
        right[name] = (title, times, np.array([float(d.approved == (r > 0)) for d, r in rows]))
    return {
        "curves": figures.curves(days, arms, run.events, currency),
        "gates": figures.gates(run.events),
        "approval": figures.rolling(approval, run.events, f"approved, last {figures.WINDOW}"),
        "accuracy": figures.rolling(right, run.events, f"right in hindsight, last {figures.WINDOW}"),
    }


def cards(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the headline figures: title, value, small print."""
    arms, cycles = summary["arms"], summary["cycles"]
    promoted = sum(cycle["status"] == "promoted" for cycle in cycles)
    rollbacks = sum(change["kind"] == "rollback" for change in summary["changes"])
    found = [
        {
            "title": "Cycles",
            "value": str(len(cycles)),
            "small": f"{promoted} promoted, {rollbacks} rolled back",
        },
        {
            "title": "Net profit, learning",
            "value": arms["learning"]["net_profit"] or "–",
            "small": ", ".join(
                f"{name} {arms[name]['net_profit']}" for name in ("frozen", "none", "random", "tabular") if name in arms
            ),
        },
    ]
    for claim in summary["claims"]:
        if claim["control"] not in ("frozen", "none", "random"):
            continue
        net = claim["net_return"]
        found.append(
            {
                "title": f"Daily gain over {CONTROL_WORDS[claim['control']]}",
                "value": "–" if net["mean"] is None else f"{1e4 * net['mean']:+.2f} bps",
                "small": _interval(net, 1e4, 2) + f": {VERDICTS[claim['verdict']]}",
            }
        )
    return found


CONTROL_WORDS = {"frozen": "the frozen LLM", "none": "no LLM", "random": "a random veto", "tabular": "the tabular arm"}


def claim_row(claim: Mapping[str, Any], arms: Mapping[str, Any]) -> dict[str, str]:
    """Return one claim as text."""
    return {
        "control": arms[claim["control"]]["title"],
        "net": _with_interval(claim["net_return"], 1e4, 2),
        "sharpe": _with_interval(claim["sharpe"], 1.0, 4),
        "days": f"{claim['net_return']['n']:,}",
        "verdict": VERDICTS[claim["verdict"]],
        "class": {"gained": "good", "lost": "bad"}.get(claim["verdict"], "soft"),
    }


def cycle_row(cycle: Mapping[str, Any]) -> dict[str, str]:
    """Return one cycle as text."""
    gate = cycle["figures"].get("gate") or {}
    judged_ = gate.get("gain") is not None
    return {
        "time": cycle["time_utc"][:16].replace("T", " "),
        "number": str(cycle["cycle"]),
        "matured": f"{cycle['matured']:,}",
        "rows": str(cycle["figures"].get("pairs", "–")),
        "status": figures.STATUS.get(cycle["status"], ("", "", cycle["status"]))[2],
        "class": {"promoted": "good", "refused": "bad", "failed": "bad"}.get(cycle["status"], "soft"),
        "gain": f"{gate['gain']:+.3f} [{gate['gain_low']:+.3f}, {gate['gain_high']:+.3f}]" if judged_ else "–",
        "p": f"{gate['p_value']:.4f} at {gate['level']:.4f}" if judged_ else "–",
        "approval": f"{gate['champion_approval']:.0%} → {gate['challenger_approval']:.0%}" if judged_ else "–",
        "reason": str(cycle["reason"]),
        "version": str(cycle["version"]),
        "seconds": f"{cycle['seconds']:.0f}",
    }


def _interval(values: Mapping[str, Any], scale: float, digits: int) -> str:
    if values["low"] is None:
        return str(values["reason"]) or "cannot be judged"
    return f"95 % interval {scale * values['low']:+.{digits}f} … {scale * values['high']:+.{digits}f}"


def _with_interval(values: Mapping[str, Any], scale: float, digits: int) -> str:
    if values["low"] is None:
        return f"cannot be judged: {values['reason']}"
    low, high = (f"{scale * values[name]:+.{digits}f}" for name in ("low", "high"))
    return f"{scale * values['mean']:+.{digits}f} [{low}, {high}]"


def percent(value: Any) -> str:
    """Return a fraction as a percentage, a dash where there is none."""
    return "–" if value is None else f"{100 * float(value):.0f} %"


def signed(value: Any, digits: int = 3) -> str:
    """Return a figure with its sign, a dash where there is none."""
    return "–" if value is None or not math.isfinite(float(value)) else f"{float(value):+.{digits}f}"


def plain(value: Any, digits: int = 3) -> str:
    """Return a figure without a sign, a dash where there is none."""
    return "–" if value is None or not math.isfinite(float(value)) else f"{float(value):.{digits}f}"
