"""`summary.json` of a walk-forward: figures by arm and by period, cycles, claims; and the same in plain words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.domain import Decision, ExitReason, Outcome, to_jsonable
from llm_plugin.hashing import decisions_hash
from llm_plugin.runs.record import ArmRecord, daily_equity
from llm_plugin.runs.summary import trading_days
from llm_plugin.walkforward.claims import Gain, deflated_sharpe, gain_over, sharpe
from llm_plugin.walkforward.plan import LEARNING, WalkForwardOptions
from llm_plugin.walkforward.run import WalkForwardRun
from llm_plugin.walkforward.timeline import Event

__all__ = ["SCHEMA_VERSION", "daily_returns", "gain_words", "judged", "summarise", "words"]

SCHEMA_VERSION = "1"
YEAR_DAYS = 252
Floats = NDArray[np.float64]


def summarise(run: WalkForwardRun) -> dict[str, Any]:
    """Return all figures of a walk-forward as plain JSON types."""
    learning = run.records[LEARNING.name]
    days = trading_days(learning)
    returns = {name: daily_returns(record, days) for name, record in run.records.items()}
    claims = [
        gain_over(LEARNING.name, returns[LEARNING.name], name, values, seed=run.options.seed)
        for name, values in returns.items()
        if name != LEARNING.name
    ]
    deflated = deflated_sharpe(returns[LEARNING.name], returns, more_trials=run.options.more_trials)
    summary = {
        "schema_version": SCHEMA_VERSION,
        "kind": "walkforward",
        "project": run.options.project.name,
        "period": [days[0].isoformat(), days[-1].isoformat()] if days else None,
        "options": _options(run.options),
        "arms": {name: _arm(record, returns[name]) for name, record in run.records.items()},
        "claims": [{**asdict(gain), "verdict": gain.verdict} for gain in claims],
        "deflated_sharpe": asdict(deflated),
        "cycles": [_cycle(event) for event in run.events if event.kind == "cycle"],
        "changes": [event.to_json() for event in run.events if event.kind != "cycle"],
        "segments": segments(run.events, run.records),
        "years": years(run.records),
        "models": run.models,
        "notes": run.notes,
        "reused_arms": list(run.reused),
        "run_folder": str(run.folder),
    }
    plain: dict[str, Any] = to_jsonable(summary)
    return {**plain, "words": words(plain)}


def daily_returns(record: ArmRecord, days: Sequence[date]) -> Floats:
    """Return an arm's return of each day, 0 for the first."""
    equity = daily_equity(record, days)
    before = np.concatenate(([equity[0]], equity[:-1]))
    return np.asarray(np.diff(equity, prepend=equity[0]) / np.maximum(before, 1e-9), dtype=np.float64)


def judged(record: ArmRecord) -> list[tuple[Decision, float]]:
    """Return every entry decision whose replay ran to its end, with the net R that the signal's action led to."""
    return [
        (decision, outcome.r_multiple)
        for decision in record.entries
        if (outcome := record.replayed.get(decision.decision_id)) is not None and _ended(outcome)
    ]


def _ended(outcome: Outcome) -> bool:
    unfinished = (ExitReason.END_OF_DATA, ExitReason.NOT_EXECUTED)
    return outcome.exit_reason not in unfinished and math.isfinite(outcome.r_multiple)


def _options(options: WalkForwardOptions) -> dict[str, Any]:
    return {
        "start": options.start,
        "end": options.end,
        "retrain_every": options.retrain_every,
        "seed": options.seed,
        "more_trials": options.more_trials,
        "overrides": list(options.overrides),
        "parameters": dict(options.parameters),
    }


def _arm(record: ArmRecord, returns: Floats) -> dict[str, Any]:
    costs = [o.cost_r for o in record.realised.values() if math.isfinite(o.cost_r)]
    return {
        "title": record.title,
        "entries": len(record.entries),
        "taken": len(record.realised),
        "bars": record.bars,
        "seconds": round(record.seconds, 1),
        "decisions_hash": decisions_hash(record.decisions),
        "orders_hash": record.orders_hash,
        "net_profit": record.statistics.get("Net Profit", ""),
        "sharpe": record.statistics.get("Sharpe Ratio", ""),
        "drawdown": record.statistics.get("Drawdown", ""),
        "fees": record.statistics.get("Total Fees", ""),
        "sharpe_day": sharpe(returns),
        "mean_return_day": float(returns.mean()) if returns.size else 0.0,
        "cost_r_mean": _mean(costs),
        "cost_r_sum": float(np.sum(costs)) if costs else 0.0,
        "versions": dict(Counter(d.model_version for d in record.entries if d.model_version)),
        **_verdicts(judged(record)),
        "selectivity_p": _permutation_p(judged(record)),
    }


def _verdicts(rows: Sequence[tuple[Decision, float]]) -> dict[str, Any]:
    """Approval, accuracy in hindsight, and selectivity: what was approved against what was vetoed."""
    net = np.array([r for _, r in rows])
    taken = np.array([d.approved for d, _ in rows], dtype=bool)
    gap = float(net[taken].mean() - net[~taken].mean()) if taken.any() and not taken.all() else None
    return {
        "judged": len(rows),
        "approval": _mean(taken),
        "veto_rate": None if not rows else 1 - float(taken.mean()),
        "accuracy": _mean((net > 0) == taken) if rows else None,
        "mean_r_approved": _mean(net[taken]) if rows else None,
        "mean_r_vetoed": _mean(net[~taken]) if rows else None,
        "selectivity_r": gap,
    }


def _permutation_p(rows: Sequence[tuple[Decision, float]], draws: int = 1999) -> float | None:
    """Return the share of random vetoes of the same rate, the arm itself counted, that select at least as well."""
    net = np.array([r for _, r in rows])
    taken = np.array([d.approved for d, _ in rows], dtype=bool)
    size = int(taken.sum())
    if not 0 < size < net.size:
        return None
    rng, own = np.random.default_rng(0), float(net[taken].sum())
    sums = np.array([net[rng.permutation(net.size)[:size]].sum() for _ in range(draws)])
    return float((1 + (sums >= own - 1e-9).sum()) / (1 + draws))


def _mean(values: Any) -> float | None:
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()) if array.size else None


def _cycle(event: Event) -> dict[str, Any]:
    return event.to_json()


def segments(events: Sequence[Event], records: Mapping[str, ArmRecord]) -> list[dict[str, Any]]:
    """Return one row per time in which one version answered: what every arm decided meanwhile.

    Args:
        events: The time axis.
        records: Results by arm; the first is the learning one.
    """
    changes = [event for event in events if event.kind in ("start", "swap", "rollback")]
    rows = []
    judgements = {name: judged(record) for name, record in records.items()}
    for place, event in enumerate(changes):
        until = changes[place + 1].time_utc if place + 1 < len(changes) else None
        rows.append(
            {
                "version": event.version,
                "from_utc": event.time_utc,
                "to_utc": until,
                "arms": {name: _within(found, event.time_utc, until) for name, found in judgements.items()},
            }
        )
    return rows


def _within(rows: Sequence[tuple[Decision, float]], start: datetime, until: datetime | None) -> dict[str, Any]:
    part = [row for row in rows if row[0].time_utc >= start and (until is None or row[0].time_utc < until)]
    return _verdicts(part)


def years(records: Mapping[str, ArmRecord]) -> list[dict[str, Any]]:
    """Return one row per calendar year: what every arm decided in it."""
    judgements = {name: judged(record) for name, record in records.items()}
    found = sorted({d.time_utc.year for rows in judgements.values() for d, _ in rows})
    return [
        {
            "year": year,
            "arms": {
                name: _verdicts([row for row in rows if row[0].time_utc.year == year])
                for name, rows in judgements.items()
            },
        }
        for year in found
    ]


def gain_words(claim: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Return one claim in plain words; it never says more than its intervals show."""
    net, other = claim["net_return"], titles.get(claim["control"], claim["control"])
    if net["low"] is None or claim["sharpe"]["low"] is None:
        return f"against {other}: cannot be judged ({net['reason'] or claim['sharpe']['reason']})"
    shown = (
        f"{1e4 * net['mean']:+.2f} bps a day [{1e4 * net['low']:+.2f}, {1e4 * net['high']:+.2f}], Sharpe of a day "
        f"{claim['sharpe']['mean']:+.4f} [{claim['sharpe']['low']:+.4f}, {claim['sharpe']['high']:+.4f}]"
    )
    return f"against {other}: {shown}: {VERDICTS[claim['verdict']]}"


VERDICTS = {
    "gained": "better, both 95 % intervals lie above zero",
    "lost": "worse, both 95 % intervals lie below zero",
    "no difference shown": "no difference is shown",
    "cannot be judged": "cannot be judged",
}


def words(summary: Mapping[str, Any]) -> list[str]:
    """Return the result in plain sentences."""
    counts = Counter(cycle["status"] for cycle in summary["cycles"])
    rollbacks = sum(change["kind"] == "rollback" for change in summary["changes"])
    titles = {name: arm["title"].split(":")[0] for name, arm in summary["arms"].items()}
    told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(counts.items()))
    cycles = f"{len(summary['cycles'])} cycles ran ({told})" if counts else "no cycle ran: too few decisions matured"
    back = f"{rollbacks} roll-back{'s' if rollbacks > 1 else ''}" if rollbacks else "nothing was rolled back"
    lines = [f"{cycles}; {back}."]
    if counts and not counts.get("promoted"):
        lines.append("Nothing was promoted, so the learning arm decided as the frozen one did.")
    lines += [f"learning {gain_words(claim, titles)}." for claim in summary["claims"]]
    deflated = summary["deflated_sharpe"]
    if deflated["probability"] is None:
        lines.append(f"The deflated Sharpe ratio cannot be told: {deflated['reason']}.")
    else:
        lines.append(
            f"Deflated Sharpe ratio of the learning arm {deflated['probability']:.3f} (Sharpe of a day "
            f"{deflated['sharpe_day']:+.4f} against {deflated['threshold_day']:+.4f}, {deflated['trials']} trials, "
            f"{deflated['effective_trials']} that move apart, {deflated['days']} days)."
        )
    return lines


def gain_of(summary: Mapping[str, Any], control: str) -> Mapping[str, Any] | None:
    """Return the claim over one control, None where that arm was not run."""
    return next((claim for claim in summary["claims"] if claim["control"] == control), None)


def claims_of(gains: Sequence[Gain]) -> list[dict[str, Any]]:
    """Return gains as plain JSON types."""
    return [{**to_jsonable(asdict(gain)), "verdict": gain.verdict} for gain in gains]
