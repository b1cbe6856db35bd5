"""What the report says, as plain values: cards, sentences, table rows. No HTML here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.domain import Decision, ExitReason, Outcome, Verdict
from llm_plugin.runs.record import ArmRecord

__all__ = [
    "Price",
    "ReportInput",
    "ablation_rows",
    "cards",
    "cost_rows",
    "decision_rows",
    "veto_points",
    "veto_sentence",
]

STATISTICS = (
    "Net Profit",
    "Compounding Annual Return",
    "Sharpe Ratio",
    "Drawdown",
    "Win Rate",
    "Profit-Loss Ratio",
    "Total Orders",
    "Total Fees",
    "Start Equity",
    "End Equity",
    "OrderListHash",
)


@dataclass(frozen=True, slots=True)
class Price:
    """Daily closes of one symbol for the picture of trades."""

    ticker: str
    days: list[datetime]
    closes: list[float]


@dataclass(frozen=True)
class ReportInput:
    """Everything the report is made from."""

    project: str
    main: ArmRecord
    control: ArmRecord
    summary: Mapping[str, Any]
    comparison: Sequence[Mapping[str, Any]]
    config_rows: Sequence[tuple[str, Any, str]]
    models: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()
    prices: Sequence[Price] = ()
    days: Sequence[date] = ()
    store: Path | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    currency: str = "USD"


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """Return a figure as text; what cannot be judged is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def cards(data: ReportInput) -> list[dict[str, str]]:
    """Return the headline figures: (title, value, small print)."""
    s, entries = data.summary, max(1, int(data.summary["decisions"]))
    gain = next((row["gain_daily_return"] for row in data.comparison if row["arm"] == data.main.name), None)
    with_llm, without = data.main.statistics, data.control.statistics
    return [
        {
            "title": "Net profit with the LLM",
            "value": with_llm.get("Net Profit", "–"),
            "small": f"without it {without.get('Net Profit', '–')}",
        },
        {
            "title": "Daily gain over no LLM",
            "value": "–" if not gain or gain["mean"] is None else f"{1e4 * gain['mean']:+.2f} bps",
            "small": _gain_text(gain),
        },
        {
            "title": "Entries judged",
            "value": f"{s['decisions']:,}",
            "small": f"{s['approved']:,} approved, {s['vetoed']:,} vetoed, {s['adjusted']:,} adjusted",
        },
        {
            "title": "Answered by the LLM",
            "value": "–" if s["llm_share"] is None else f"{100 * s['llm_share']:.0f} %",
            "small": ", ".join(f"{name} {n:,}" for name, n in s["sources"].items()) or "no questions",
        },
        {
            "title": "Veto rate",
            "value": f"{100 * s['vetoed'] / entries:.0f} %",
            "small": veto_sentence(data.main, short=True),
        },
        {
            "title": "Drawdown",
            "value": with_llm.get("Drawdown", "–"),
            "small": f"without the LLM {without.get('Drawdown', '–')}",
        },
    ]


def _gain_text(gain: Mapping[str, Any] | None) -> str:
    if not gain or gain["low"] is None:
        return "cannot be judged" + (f": {gain['reason']}" if gain and gain["reason"] else "")
    verdict = "above zero" if gain["low"] > 0 else "below zero" if gain["high"] < 0 else "includes zero"
    return f"95 % interval {1e4 * gain['low']:+.2f} … {1e4 * gain['high']:+.2f} bps, {verdict}"


def veto_points(record: ArmRecord) -> list[tuple[datetime, float, Decision]]:
    """Return (time, replayed R of the vetoed trade, decision) of every veto whose replay has ended."""
    points = []
    for decision in record.entries:
        outcome = record.replayed.get(decision.decision_id)
        if (
            decision.verdict is Verdict.VETO
            and outcome is not None
            and outcome.exit_reason is not ExitReason.END_OF_DATA
        ):
            points.append((decision.time_utc, outcome.r_multiple, decision))
    return points


def veto_sentence(record: ArmRecord, short: bool = False) -> str:
    """Return what the vetoes avoided in all, from their shadow trades."""
    values = [r for _, r, _ in veto_points(record)]
    if not values:
        return "no vetoed trade has ended yet" if not short else "no veto"
    total, mean = -sum(values), -float(np.mean(values))
    taken = [
        record.replayed[d.decision_id].r_multiple
        for d in record.entries
        if d.approved and d.decision_id in record.replayed
    ]
    approved = f"; the approved ones made {np.mean(taken):+.3f} R on average" if taken else ""
    if short:
        return f"{abs(total):.1f} R {'avoided' if total >= 0 else 'lost'} in all"
    losers = sum(v < 0 for v in values)
    return (
        f"{len(values):,} vetoed trades were followed to their end as shadow trades: {losers:,} would have lost. "
        f"Together the vetoes {'avoided' if total >= 0 else 'cost'} {abs(total):.1f} R "
        f"({abs(mean):.3f} R each){approved}."
    )


def statistics_rows(data: ReportInput) -> list[tuple[str, str, str]]:
    """Return LEAN's statistics, (name, with, without)."""
    return [(key, data.main.statistics.get(key, "–"), data.control.statistics.get(key, "–")) for key in STATISTICS]


def ablation_rows(data: ReportInput) -> list[dict[str, str]]:
    """Return the comparison of all arms as text."""
    rows = []
    for row in data.comparison:
        gain = row["gain_daily_return"]
        control = row["arm"] == data.control.name
        rows.append(
            {
                "title": row["title"],
                "entries": f"{row['entries']:,}",
                "veto": "–" if row["veto_rate"] is None else f"{100 * row['veto_rate']:.0f} %",
                "mean_r": number(row["mean_r"], 3, sign=True),
                "net": row["net_profit"],
                "sharpe": row["sharpe"],
                "drawdown": row["drawdown"],
                "gain": "control" if control else _bps(gain),
            }
        )
    return rows


def _bps(gain: Mapping[str, Any] | None) -> str:
    if not gain or gain["mean"] is None:
        return "cannot be judged"
    return f"{1e4 * gain['mean']:+.2f} [{1e4 * gain['low']:+.2f}, {1e4 * gain['high']:+.2f}]"


def cost_rows(record: ArmRecord) -> list[tuple[str, str]]:
    """Return what trading cost in the main arm."""
    costs = [o.cost_r for o in record.realised.values() if math.isfinite(o.cost_r)]
    return [
        ("fees", record.statistics.get("Total Fees", "–")),
        ("spread and slippage, mean per trade", f"{np.mean(costs):.3f} R" if costs else "–"),
        ("spread and slippage, all trades", f"{np.sum(costs):.1f} R" if costs else "–"),
    ]


def decision_rows(data: ReportInput) -> list[dict[str, Any]]:
    """Return one JSON-able row an entry decision, with prompt, memory hits and outcome, for the table of the page."""
    prompts = _prompts(data.store, data.main.entries[0].run_id) if data.store and data.main.entries else {}
    rows = []
    for decision in data.main.entries:
        replay, real = data.main.replayed.get(decision.decision_id), data.main.realised.get(decision.decision_id)
        shown: Outcome | None = real or replay
        rows.append(
            {
                "id": decision.decision_id,
                "time": decision.time_utc.strftime("%Y-%m-%d %H:%M"),
                "signal": decision.signal_action.value,
                "verdict": decision.verdict.value,
                "size": decision.size_multiplier if decision.approved else 0,
                "confidence": round(decision.confidence, 3) if math.isfinite(decision.confidence) else None,
                "source": decision.source.value,
                "rule": decision.risk_rule or decision.fusion_rule,
                "r": round(shown.r_multiple, 3) if shown else None,
                "kind": "realised" if real else ("shadow" if replay else ""),
                "exit": shown.exit_reason.value if shown else "",
                "reason": decision.reason or prompts.get(decision.decision_id, ("", ""))[1],
                "prompt": prompts.get(decision.decision_id, ("", ""))[0],
                "memory": list(decision.memory_hits),
                "probabilities": {k: round(v, 4) for k, v in decision.action_probabilities.items()},
                "model": decision.model_version,
            }
        )
    return rows


def _prompts(store: Path, run_id: str) -> dict[str, tuple[str, str]]:
    from llm_plugin.outcomes.store import OutcomeStore

    with OutcomeStore(f"sqlite:///{store}") as opened:
        return {
            stored.decision.decision_id: (stored.prompt_text or "", stored.decision.reason)
            for stored in opened.decisions(run_id)
        }
