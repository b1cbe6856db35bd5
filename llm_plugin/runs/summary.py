"""`summary.json`: the figures of a run, and the comparison of its arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import numpy as np

from llm_plugin.domain import Source, Verdict
from llm_plugin.hashing import decisions_hash
from llm_plugin.runs.claims import paired_gain
from llm_plugin.runs.record import ArmRecord, daily_equity

__all__ = ["compare_arms", "summarise", "trading_days"]


def trading_days(record: ArmRecord) -> list[date]:
    """Return the weekdays between the first and the last point of the equity curve."""
    times, _ = record.equity
    first, last = times[0].date(), times[-1].date()
    span = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in span if day.weekday() < 5]


def summarise(main: ArmRecord, ablation: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Return the figures of the main arm under the keys that other tools read."""
    entries = main.entries
    answered = sum(d.source in (Source.LLM, Source.CACHE) for d in entries)
    return {
        "orders_hash": main.orders_hash,
        "decisions_hash": decisions_hash(main.decisions),
        "bars": main.bars,
        "bars_per_second": round(main.bars / main.seconds, 1) if main.seconds else None,
        "decisions": len(entries),
        "position_decisions": len(main.decisions) - len(entries),
        "approved": sum(d.verdict is Verdict.APPROVE for d in entries),
        "vetoed": sum(d.verdict is Verdict.VETO for d in entries),
        "adjusted": sum(d.verdict is Verdict.ADJUST for d in entries),
        "llm_share": round(answered / len(entries), 4) if entries else None,
        "sources": {s.value: n for s in Source if (n := sum(d.source is s for d in entries))},
        "replay_error_r_max": replay_error(main),
        "statistics": main.statistics,
        "ablation": ablation,
    }


def replay_error(record: ArmRecord) -> float | None:
    """Return the largest |replayed - realised| R over executed decisions, None without any."""
    errors = [
        abs(record.replayed[key].r_multiple - outcome.r_multiple)
        for key, outcome in record.realised.items()
        if key in record.replayed
    ]
    return round(max(errors), 6) if errors else None


def compare_arms(records: Sequence[ArmRecord], control: ArmRecord, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return one row an arm: its figures and its paired gain over `control` in daily return, with interval."""
    days = trading_days(control)
    base = _daily_returns(control, days)
    rows = []
    for record in records:
        returns = _daily_returns(record, days)
        gain = paired_gain(returns, base, seed=seed) if record is not control else None
        rows.append(
            {
                "arm": record.name,
                "title": record.title,
                "entries": len(record.entries),
                "veto_rate": _veto_rate(record),
                "mean_r": _mean_taken_r(record),
                "net_profit": record.statistics.get("Net Profit", ""),
                "sharpe": record.statistics.get("Sharpe Ratio", ""),
                "drawdown": record.statistics.get("Drawdown", ""),
                "orders_hash": record.orders_hash,
                "gain_daily_return": asdict(gain) if gain else None,
            }
        )
    return rows


def _daily_returns(record: ArmRecord, days: Sequence[date]) -> Any:
    equity = daily_equity(record, days)
    return np.diff(equity, prepend=equity[0]) / np.maximum(np.concatenate(([equity[0]], equity[:-1])), 1e-9)


def _veto_rate(record: ArmRecord) -> float | None:
    entries = record.entries
    return round(sum(d.verdict is Verdict.VETO for d in entries) / len(entries), 4) if entries else None


def _mean_taken_r(record: ArmRecord) -> float | None:
    values = [o.r_multiple for o in record.realised.values()]
    return round(float(np.mean(values)), 4) if values else None
