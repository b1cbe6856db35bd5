"""Plotly figures of the report; each is a function of plain series and holds its own legend and units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLOURS", "ReliabilityBin", "calibration", "equity", "reliability", "trades", "veto_value"]

COLOURS = {
    "llm": "#1f6feb",
    "none": "#8b949e",
    "good": "#1a7f37",
    "bad": "#cf222e",
    "price": "#57606a",
    "veto": "#bf8700",
}


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Decisions of similar confidence: stated probability, observed frequency, 95 % Wilson interval."""

    stated: float
    observed: float
    low: float
    high: float
    n: int


def reliability(confidence: Sequence[float], won: Sequence[bool], bins: int = 8) -> list[ReliabilityBin]:
    """Group by quantiles of confidence and compare stated with observed frequency (Wilson, 1927)."""
    p, y = np.asarray(confidence, dtype=float), np.asarray(won, dtype=float)
    keep = np.isfinite(p)
    p, y = p[keep], y[keep]
    if p.size < 2 * bins:
        return []
    order = np.argsort(p, kind="stable")
    rows = []
    for part in np.array_split(order, bins):
        n, k, z = part.size, float(y[part].sum()), 1.959964
        centre = (k / n + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(k / n * (1 - k / n) / n + z * z / (4 * n * n))
        rows.append(ReliabilityBin(float(p[part].mean()), k / n, float(centre - half), float(centre + half), n))
    return rows


def _layout(figure: Any, height: int, y_title: str, **more: Any) -> Any:
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 12, "t": 12, "b": 36},
        template="plotly_white",
        legend={"orientation": "h", "y": 1.08, "x": 0},
        hovermode="x unified",
        yaxis_title=y_title,
        font={"family": "system-ui, sans-serif", "size": 13},
        **more,
    )
    return figure


def equity(days: Sequence[date], curves: Sequence[tuple[str, str, NDArray[np.float64]]], currency: str) -> Any:
    """Equity above, drawdown below. `curves` holds (title, colour, one value a day)."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.05)
    for title, colour, values in curves:
        peak = np.maximum.accumulate(values)
        line = {"color": colour, "width": 1.8}
        figure.add_trace(Scatter(x=list(days), y=values.round(2), name=title, line=line), row=1, col=1)
        drawdown = (100 * (values / peak - 1)).round(3)
        figure.add_trace(Scatter(x=list(days), y=drawdown, name=title, line=line, showlegend=False), row=2, col=1)
    _layout(figure, 520, f"equity ({currency})")
    figure.update_yaxes(title_text="drawdown (%)", row=2, col=1)
    return figure


def trades(
    days: Sequence[datetime], closes: Sequence[float], marks: Sequence[tuple[str, str, str, list[dict[str, Any]]]]
) -> Any:
    """The price with one marker group each: (title, colour, symbol, [{x, y, text}])."""
    from plotly.graph_objects import Figure, Scattergl

    figure = Figure()
    figure.add_trace(
        Scattergl(
            x=list(days), y=list(closes), name="price", line={"color": COLOURS["price"], "width": 1}, hoverinfo="skip"
        )
    )
    for title, colour, symbol, points in marks:
        figure.add_trace(
            Scattergl(
                x=[p["x"] for p in points],
                y=[p["y"] for p in points],
                text=[p["text"] for p in points],
                mode="markers",
                name=title,
                marker={"color": colour, "symbol": symbol, "size": 7, "line": {"width": 1, "color": colour}},
                hovertemplate="%{text}<extra></extra>",
            )
        )
    return _layout(figure, 420, "price", hoverlabel={"align": "left"}).update_layout(hovermode="closest")


def veto_value(points: Sequence[tuple[datetime, float]]) -> Any:
    """What each veto avoided (up) or cost (down) in R, and the running sum."""
    from plotly.graph_objects import Bar, Figure, Scatter

    figure = Figure()
    times, saved = [p[0] for p in points], [-p[1] for p in points]
    colours = [COLOURS["good"] if s > 0 else COLOURS["bad"] for s in saved]
    figure.add_trace(Bar(x=times, y=saved, name="one veto", marker={"color": colours, "line": {"width": 0}}))
    total = np.cumsum(saved).round(3)
    figure.add_trace(
        Scatter(x=times, y=total, name="sum", yaxis="y2", line={"color": COLOURS["llm"], "width": 2, "shape": "hv"})
    )
    _layout(figure, 340, "avoided (R) per veto")
    figure.update_layout(yaxis2={"overlaying": "y", "side": "right", "title": "sum (R)", "showgrid": False})
    figure.update_layout(margin={"l": 56, "r": 56, "t": 12, "b": 36})
    return figure


def calibration(bins: Sequence[ReliabilityBin]) -> Any:
    """Stated confidence against the share of trades that paid."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    low = min([b.stated for b in bins] + [b.low for b in bins])
    high = max([b.stated for b in bins] + [b.high for b in bins])
    figure.add_trace(
        Scatter(
            x=[low, high], y=[low, high], mode="lines", name="perfect", line={"dash": "dot", "color": COLOURS["none"]}
        )
    )
    figure.add_trace(
        Scatter(
            x=[b.stated for b in bins],
            y=[b.observed for b in bins],
            error_y={
                "array": [b.high - b.observed for b in bins],
                "arrayminus": [b.observed - b.low for b in bins],
            },
            text=[f"{b.n} decisions" for b in bins],
            mode="markers",
            name="observed, 95 %",
            marker={"color": COLOURS["llm"], "size": 9},
        )
    )
    _layout(figure, 340, "share that paid").update_layout(hovermode="closest")
    figure.update_xaxes(title_text="stated confidence")
    return figure
