"""Plotly figures of the report: heat map, what chance would give, equity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from llm_plugin.optimize.overfit import aligned_returns
from llm_plugin.optimize.run import OptimizationRun
from llm_plugin.optimize.score import statistic
from llm_plugin.optimize.space import Parameter
from llm_plugin.optimize.store import TrialResult
from llm_plugin.optimize.summary import stitched
from llm_plugin.report.figures import COLOURS

__all__ = ["chance", "equity", "heat_axes", "heat_map"]

_MOST_CURVES = 60


def _layout(figure: Any, height: int, x_title: str, y_title: str) -> Any:
    return figure.update_layout(
        height=height,
        margin={"l": 64, "r": 12, "t": 12, "b": 48},
        template="plotly_white",
        legend={"orientation": "h", "y": 1.1, "x": 0},
        font={"family": "system-ui, sans-serif", "size": 13},
        xaxis_title=x_title,
        yaxis_title=y_title,
    )


def heat_axes(parameters: Sequence[Parameter]) -> tuple[Parameter, Parameter | None]:
    """Return the two parameters that span the map: those with the most values."""
    ranked = sorted(parameters, key=lambda one: -len(one.values))
    return ranked[0], ranked[1] if len(ranked) > 1 and len(ranked[1].values) > 1 else None


def heat_map(run: OptimizationRun) -> Any:
    """The target over two parameters, averaged over the others; over one parameter, points."""
    from plotly.graph_objects import Figure, Heatmap, Scatter

    across, down = heat_axes(run.options.parameters)
    target = run.options.objective.target
    results = [one for one in run.results if not one.failed]
    if down is None:
        rows = [(one.parameters[across.name], statistic(one.statistics, target)) for one in results]
        figure = Figure(
            Scatter(
                x=[float(name) if across.is_number else name for name, _ in rows],
                y=[value for _, value in rows],
                mode="markers",
                marker={"size": 9, "color": COLOURS["llm"]},
                name=target,
            )
        )
        return _layout(figure, 360, across.name, target)
    cells = [[_mean(results, target, {across.name: x, down.name: y}) for x in across.values] for y in down.values]
    text = [["" if cell is None else f"{cell:.3g}" for cell in row] for row in cells]
    small = len(across.values) * len(down.values) <= 200
    figure = Figure(
        Heatmap(
            x=list(across.values),
            y=list(down.values),
            z=cells,
            text=text,
            texttemplate="%{text}" if small else None,
            colorscale="RdYlGn" if run.options.objective.maximize else "RdYlGn_r",
            colorbar={"title": {"text": target, "side": "right"}},
            hovertemplate=f"{across.name} %{{x}}, {down.name} %{{y}}: %{{z:.4g}}<extra></extra>",
        )
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category")
    return _layout(figure, max(320, 120 + 34 * len(down.values)), across.name, down.name)


def _mean(results: Sequence[TrialResult], target: str, wanted: dict[str, str]) -> float | None:
    found = [
        value
        for one in results
        if all(one.parameters.get(name) == text for name, text in wanted.items())
        and (value := statistic(one.statistics, target)) is not None
    ]
    return round(float(np.mean(found)), 6) if found else None


def chance(run: OptimizationRun, verdict: dict[str, Any]) -> Any:
    """Sharpe ratios of a day of all trials, with the best and what the best of as many worthless ones would show."""
    from plotly.graph_objects import Figure, Histogram

    from llm_plugin.runs.deflated import sharpe

    deflated = verdict.get("deflated")
    if not deflated:
        return None
    curves = {one.key: (one.days, one.equity) for one in run.results if not one.failed}
    ratios = [round(sharpe(values), 6) for values in aligned_returns(curves).values() if len(values)]
    figure = Figure(Histogram(x=ratios, nbinsx=30, name="trials", marker={"color": COLOURS["none"]}))
    lines = (("best", deflated["sharpe_day"], COLOURS["llm"]), ("chance", deflated["threshold_day"], COLOURS["bad"]))
    for place, (name, value, colour) in enumerate(lines):
        figure.add_vline(x=value, line={"color": colour, "width": 2, "dash": "dash" if place else "solid"})
        figure.add_annotation(
            x=value, y=1.0 - 0.12 * place, yref="paper", text=f"{name} {value:.4f}", showarrow=False, xanchor="left",
            font={"color": colour},
        )  # fmt: skip
    return _layout(figure, 320, "Sharpe ratio of a day", "trials").update_layout(showlegend=False)


def equity(run: OptimizationRun) -> Any:
    """The curves of the trials, the best in front; with folds, what the chosen ones did out of sample."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    if run.folds:
        days, returns = stitched(run.folds)
        if not days:
            return None
        values = 100 * (np.cumprod(1 + returns) - 1)
        line = {"color": COLOURS["llm"], "width": 2}
        figure.add_trace(Scatter(x=days, y=values.round(3), name="out of sample", line=line))
        for fold in run.folds:
            figure.add_vline(x=fold.fold.test.start, line={"color": COLOURS["none"], "dash": "dot", "width": 1})
        return _layout(figure, 380, "", "return (%)").update_layout(showlegend=False)
    if run.best is None:
        return None
    others = [one for one in run.results if not one.failed and one is not run.best and len(one.days) > 1]
    for place, one in enumerate(others[:: max(1, len(others) // _MOST_CURVES)]):
        line = {"color": COLOURS["none"], "width": 0.6}
        figure.add_trace(
            Scatter(
                x=list(one.days), y=list(one.equity), line=line, hoverinfo="skip", name="other trials",
                legendgroup="others", showlegend=place == 0,
            )
        )  # fmt: skip
    best = run.best
    line = {"color": COLOURS["llm"], "width": 2.2}
    figure.add_trace(Scatter(x=list(best.days), y=list(best.equity), name="best trial", line=line))
    return _layout(figure, 380, "", "equity")
