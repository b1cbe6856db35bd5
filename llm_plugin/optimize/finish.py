"""After the trials: `trials.csv`, `summary.json` and `optimization.html`."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from llm_plugin.files import write_whole
from llm_plugin.optimize import figures
from llm_plugin.optimize.run import OptimizationRun
from llm_plugin.optimize.summary import SHOWN_STATISTICS, summarise, trial_rows
from llm_plugin.runs.backtest import write_versions

__all__ = ["REPORT_NAME", "finish"]

REPORT_NAME = "optimization.html"
_MOST_ROWS = 500


def finish(run: OptimizationRun) -> dict[str, Any]:
    """Write table, summary and report of an optimisation and return the summary."""
    folder = run.options.output
    write_versions(folder / "versions.json")
    versions = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
    summary: dict[str, Any] = _finite({**summarise(run), "versions": versions})
    rows = trial_rows(run)
    write_whole(folder / "trials.csv", _csv(rows))
    write_whole(folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_whole(folder / REPORT_NAME, _html(run, summary, rows))
    return summary


def _finite(value: Any) -> Any:
    """JSON knows no infinity: what cannot be told is null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _html(run: OptimizationRun, summary: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    from jinja2 import Environment, PackageLoader, select_autoescape
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    drawn = {
        "heat": figures.heat_map(run) if any(not one.failed for one in run.results) else None,
        "chance": figures.chance(run, summary["verdict"]),
        "equity": figures.equity(run),
    }
    kept = {name: json.loads(figure.to_json()) for name, figure in drawn.items() if figure is not None}
    data = json.dumps(_finite(kept), separators=(",", ":"), allow_nan=False)
    environment = Environment(loader=PackageLoader("llm_plugin.optimize"), autoescape=select_autoescape(default=True))
    axes = figures.heat_axes(run.options.parameters)
    return environment.get_template("optimization.html.j2").render(
        summary=summary,
        rows=rows[:_MOST_ROWS],
        left_out=max(0, len(rows) - _MOST_ROWS),
        names=[one.name for one in run.options.parameters],
        averaged=[one.name for one in run.options.parameters if one not in axes and len(one.values) > 1],
        shown=SHOWN_STATISTICS,
        drawn=set(kept),
        folded=bool(run.folds),
        plotly_js=Markup(get_plotlyjs()),  # noqa: S704 - plotly's own file
        figures_json=Markup(data.replace("<", "\\u003c").replace("&", "\\u0026")),  # noqa: S704 - cannot end the script
    )
