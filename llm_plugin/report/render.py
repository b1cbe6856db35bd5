"""Writes `report.html`: one file with its data, its pictures and its scripts inside."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.domain import Decision, Outcome, Verdict
from llm_plugin.files import write_whole
from llm_plugin.report import contents, figures
from llm_plugin.report.contents import ReportInput
from llm_plugin.runs.record import ArmRecord, daily_equity

__all__ = ["write_report"]


def write_report(path: Path, data: ReportInput) -> Path:
    """Render the report of a run.

    Args:
        path: The HTML file to write.
        data: Records of the arms, the summary and what stands around them.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    drawn, brier = _figures(data), _brier(data.main)
    environment = Environment(loader=PackageLoader("llm_plugin.report"), autoescape=select_autoescape(default=True))
    html = environment.get_template("report.html.j2").render(
        data=data,
        summary=data.summary,
        period=_period(data),
        model_line=", ".join(f"{m['kind']} {m['version']}" for m in data.models) or "none",
        cards=contents.cards(data),
        veto_sentence=contents.veto_sentence(data.main),
        ablation=contents.ablation_rows(data),
        statistics=contents.statistics_rows(data),
        costs=contents.cost_rows(data.main),
        figures=drawn,
        brier=brier and f"{brier[0]:.4f}",
        brier_base=brier and f"{brier[1]:.4f}",
        plotly_js=Markup(get_plotlyjs()),  # noqa: S704 - plotly's own file
        figures_json=Markup(_script_json({k: json.loads(f.to_json()) for k, f in drawn.items() if f})),  # noqa: S704
        rows_json=Markup(_script_json(contents.decision_rows(data))),  # noqa: S704
    )
    write_whole(path, html)
    return path


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")


def _period(data: ReportInput) -> str:
    return f"{data.days[0]:%Y-%m-%d} to {data.days[-1]:%Y-%m-%d}" if data.days else "no data"


def _figures(data: ReportInput) -> dict[str, Any]:
    curves = [
        (data.main.title, figures.COLOURS["llm"], daily_equity(data.main, data.days)),
        (data.control.title, figures.COLOURS["none"], daily_equity(data.control, data.days)),
    ]
    vetoes = [(time, r) for time, r, _ in contents.veto_points(data.main)]
    pairs = _judged(data.main)
    bins = figures.reliability([p for p, _ in pairs], [y for _, y in pairs])
    price = data.prices[0] if data.prices else contents.Price("", [], [])
    return {
        "equity": figures.equity(data.days, curves, data.currency),
        "trades": figures.trades(price.days, price.closes, _marks(data.main, price.ticker)),
        "veto": figures.veto_value(vetoes) if vetoes else None,
        "calibration": figures.calibration(bins) if bins else None,
    }


def _judged(record: ArmRecord) -> list[tuple[float, bool]]:
    """(stated confidence that the signal's trade pays, whether its replay paid) of every judged entry."""
    return [
        (d.confidence if d.approved else 1 - d.confidence, record.replayed[d.decision_id].r_multiple > 0)
        for d in record.entries
        if d.decision_id in record.replayed and math.isfinite(d.confidence) and d.source.value in ("llm", "cache")
    ]


def _brier(record: ArmRecord) -> tuple[float, float] | None:
    pairs = _judged(record)
    if len(pairs) < 2:
        return None
    p, y = np.array([a for a, _ in pairs]), np.array([float(b) for _, b in pairs])
    return float(np.mean((p - y) ** 2)), float(np.mean((y.mean() - y) ** 2))


def _marks(record: ArmRecord, ticker: str) -> list[tuple[str, str, str, list[dict[str, Any]]]]:
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for decision in record.entries:
        if ticker and not decision.symbol_id.upper().startswith(ticker.upper()):
            continue
        outcome = record.realised.get(decision.decision_id) or record.replayed.get(decision.decision_id)
        point = _point(decision, outcome, record.prices[decision.decision_id])
        groups.setdefault(_group(decision), []).append(point)
    return [(*key, points) for key, points in sorted(groups.items())]


def _group(decision: Decision) -> tuple[str, str, str]:
    side = "buy" if decision.signal_action.side > 0 else "sell"
    symbol = "triangle-up" if side == "buy" else "triangle-down"
    if decision.verdict is Verdict.VETO:
        return (f"{side}, vetoed", figures.COLOURS["veto"], f"{symbol}-open")
    return (f"{side}, taken", figures.COLOURS["good" if side == "buy" else "bad"], symbol)


def _point(decision: Decision, outcome: Outcome | None, price: float) -> dict[str, Any]:
    time: datetime = decision.time_utc
    result = f"{outcome.r_multiple:+.2f} R, {outcome.exit_reason.value}" if outcome else "open"
    text = f"{time:%Y-%m-%d %H:%M} {decision.signal_action.value} {decision.verdict.value}<br>{result}"
    return {"x": time, "y": price, "text": text}
