"""Plotly figures of a walk-forward: curves of the arms over one time axis with every gate decision and swap on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.walkforward.timeline import Event

__all__ = ["COLOURS", "STATUS", "curves", "gates", "rolling"]

COLOURS = {
    "learning": "#1f6feb",
    "frozen": "#8250df",
    "none": "#8b949e",
    "random": "#bf8700",
    "tabular": "#1b7c83",
}
STATUS = {
    "promoted": ("#1a7f37", "star", "promoted"),
    "refused": ("#cf222e", "x", "refused by the gate"),
    "cannot_judge": ("#9a6700", "diamond-open", "cannot be judged"),
    "insufficient_data": ("#8b949e", "circle-open", "too few outcomes yet"),
    "failed": ("#82071e", "cross", "training failed"),
    "rollback": ("#cf222e", "triangle-left", "rolled back"),
    "drift": ("#8250df", "triangle-down-open", "drift found"),
}
FONT = {"family": "system-ui, sans-serif", "size": 13}
WINDOW = 60


def curves(
    days: Sequence[date], arms: Sequence[tuple[str, str, NDArray[np.float64]]], events: Sequence[Event], currency: str
) -> Any:
    """Equity above, drawdown in the middle, below it one mark per cycle and roll-back; lines where versions changed.

    Args:
        days: One per value.
        arms: (name, title, equity).
        events: The time axis.
        currency: Of the equity.
    """
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, row_heights=[0.62, 0.26, 0.12], vertical_spacing=0.03)
    for name, title, values in arms:
        line = {"color": COLOURS.get(name, "#57606a"), "width": 2.4 if name == "learning" else 1.5}
        peak = np.maximum.accumulate(values)
        shared = {"x": list(days), "name": title, "legendgroup": name, "line": line}
        figure.add_trace(Scatter(y=values.round(2), **shared), row=1, col=1)
        drawdown = (100 * (values / peak - 1)).round(3)
        figure.add_trace(Scatter(y=drawdown, showlegend=False, hoverinfo="skip", **shared), row=2, col=1)
    for status, (colour, symbol, title) in STATUS.items():
        found = [event for event in events if _status(event) == status]
        if found:
            figure.add_trace(
                Scatter(
                    x=[event.time_utc for event in found],
                    y=["cycles"] * len(found),
                    text=[hover(event) for event in found],
                    mode="markers",
                    name=title,
                    marker={"color": colour, "symbol": symbol, "size": 12, "line": {"width": 2, "color": colour}},
                    hovertemplate="%{text}<extra></extra>",
                ),
                row=3,
                col=1,
            )
    for event in events:
        if event.kind in ("swap", "rollback"):
            colour = STATUS["promoted" if event.kind == "swap" else "rollback"][0]
            figure.add_vline(x=event.time_utc, line={"color": colour, "width": 1, "dash": "dot"}, row="all", col=1)
    figure.update_layout(
        height=660,
        margin={"l": 64, "r": 12, "t": 8, "b": 84},
        template="plotly_white",
        legend={"orientation": "h", "y": -0.09, "x": 0, "yanchor": "top"},
        hovermode="closest",
        hoverlabel={"align": "left"},
        font=FONT,
    )
    figure.update_yaxes(title_text=f"equity ({currency})", row=1, col=1)
    figure.update_yaxes(title_text="drawdown (%)", row=2, col=1)
    figure.update_yaxes(title_text="", row=3, col=1)
    return figure


def gates(events: Sequence[Event]) -> Any | None:
    """The gain that the gate saw at each cycle, with its bounds; None where nothing was judged."""
    from plotly.graph_objects import Figure, Scatter

    rows = [(event, gate) for event in events if (gate := gate_of(event)) is not None and gate.get("gain") is not None]
    if not rows:
        return None
    figure = Figure()
    for status in ("promoted", "refused"):
        found = [(event, gate) for event, gate in rows if event.status == status]
        if not found:
            continue
        colour, symbol, title = STATUS[status]
        figure.add_trace(
            Scatter(
                x=[event.time_utc for event, _ in found],
                y=[gate["gain"] for _, gate in found],
                error_y={
                    "array": [gate["gain_high"] - gate["gain"] for _, gate in found],
                    "arrayminus": [gate["gain"] - gate["gain_low"] for _, gate in found],
                },
                text=[hover(event) for event, _ in found],
                mode="markers",
                name=title,
                marker={"color": colour, "symbol": symbol, "size": 10},
                hovertemplate="%{text}<extra></extra>",
            )
        )
    figure.add_hline(y=0, line={"color": "#8b949e", "width": 1})
    return _layout(figure, 320, "gain on the holdout (R a decision)")


def rolling(
    series: Mapping[str, tuple[str, Sequence[datetime], NDArray[np.float64]]], events: Sequence[Event], title: str
) -> Any | None:
    """A rolling mean over decisions by arm, with lines where versions changed; None where there are too few.

    Args:
        series: Arm -> (title, times, one value a decision).
        events: The time axis.
        title: Of the y axis.
    """
    from plotly.graph_objects import Figure, Scatter

    figure, drawn = Figure(), False
    for name, (text, times, values) in series.items():
        if len(values) < WINDOW:
            continue
        drawn = True
        mean = np.convolve(values, np.ones(WINDOW) / WINDOW, mode="valid").round(4)
        line = {"color": COLOURS.get(name, "#57606a"), "width": 1.8}
        figure.add_trace(Scatter(x=list(times[WINDOW - 1 :]), y=mean, name=text, line=line))
    if not drawn:
        return None
    for event in events:
        if event.kind in ("swap", "rollback"):
            colour = STATUS["promoted" if event.kind == "swap" else "rollback"][0]
            figure.add_vline(x=event.time_utc, line={"color": colour, "width": 1, "dash": "dot"})
    return _layout(figure, 300, title)


def gate_of(event: Event) -> Mapping[str, Any] | None:
    """Return the gate decision of a cycle, None where there is none."""
    gate = event.figures.get("gate") if event.kind == "cycle" else None
    return gate if isinstance(gate, Mapping) else None


def hover(event: Event) -> str:
    """Return what a mark on the time axis says."""
    lines = [f"<b>{event.time_utc:%Y-%m-%d %H:%M} UTC</b>"]
    if event.kind == "cycle":
        lines.append(f"cycle {event.cycle}: {STATUS.get(event.status, ('', '', event.status))[2]}")
        lines.append(f"{event.matured} new matured decisions, {event.decision} asked so far")
    lines += _wrapped(event.reason)
    gate = gate_of(event)
    if gate is not None and gate.get("gain") is not None:
        lines += [
            f"gain {gate['gain']:+.3f} R [{gate['gain_low']:+.3f}, {gate['gain_high']:+.3f}], p = {gate['p_value']:.4f}"
            f" at level {gate['level']:.4f}",
            f"{gate['outcomes']} outcomes on {gate['days']} days, {gate['tried']} tried before",
            f"approval {gate['champion_approval']:.0%} to {gate['challenger_approval']:.0%}, "
            f"disagreement {gate['disagreement']:.0%}",
        ]
    lines.append(f"serving: {event.version}")
    return "<br>".join(lines)


def _wrapped(text: str, width: int = 70) -> list[str]:
    import html
    import textwrap

    return [html.escape(line) for line in textwrap.wrap(text, width)]


def _status(event: Event) -> str:
    if event.kind == "cycle":
        return event.status
    return event.kind if event.kind in ("rollback", "drift") else ""


def _layout(figure: Any, height: int, y_title: str) -> Any:
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 12, "t": 12, "b": 70},
        template="plotly_white",
        legend={"orientation": "h", "y": -0.14, "x": 0, "yanchor": "top"},
        hovermode="closest",
        hoverlabel={"align": "left"},
        yaxis_title=y_title,
        font=FONT,
    )
    return figure
