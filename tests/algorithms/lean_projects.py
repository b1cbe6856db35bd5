"""Runs whole projects on the embedded engine, with a back end that answers by rule."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_plugin.domain import Action, QuestionKind, Signal, Source, Verdict
from llm_plugin.lean.backend import local_decision
from llm_plugin.lean.rows import decision_of, outcome_of

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = ROOT / "lean_algorithms"


class RuleBackend:
    """Signals by momentum, answers by the decision id: approve, adjust, veto and all position actions occur."""

    def __init__(self, *, entries: bool = True) -> None:
        self.last: dict[str, float] = {}
        self.entries = entries
        self.closed = False

    def signal(self, market: Any) -> Signal:
        before = self.last.get(market.symbol_id, market.price)
        self.last[market.symbol_id] = 0.95 * before + 0.05 * market.price
        gap = market.price / before - 1
        action = Action.BUY if gap > 0.0015 else Action.SELL if gap < -0.0015 else Action.HOLD
        return Signal(market.symbol_id, market.ticker, market.time_utc, action, 0.6, "rule")

    def validate(self, request: Any) -> Any:
        base = local_decision(request, Source.LLM, approve=True, rule="test")
        number = int(hashlib.sha256(request.decision_id.encode()).hexdigest()[:8], 16)
        if request.kind is QuestionKind.POSITION:
            return replace(base, action=request.legal[number % 7 % len(request.legal)])
        if not self.entries or number % 4 == 0:
            return replace(base, verdict=Verdict.VETO, action=Action.HOLD, size_multiplier=0.0)
        if number % 4 == 1:
            return replace(base, verdict=Verdict.ADJUST, size_multiplier=0.5)
        return base

    def record_outcome(self, outcome: Any) -> None:
        """Nothing to learn."""

    def close(self) -> None:
        self.closed = True


@dataclass
class Run:
    """A finished run and its rows."""

    result: Any
    folder: Path

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "decisions.jsonl").read_text().splitlines()]

    @property
    def decisions(self) -> list[Any]:
        return [decision_of(row) for row in self.rows if row["kind"] == "decision"]

    @property
    def outcomes(self) -> list[Any]:
        return [outcome_of(row) for row in self.rows if row["kind"] == "outcome"]

    @property
    def entries(self) -> list[Any]:
        return [decision for decision in self.decisions if decision.kind is QuestionKind.ENTRY]


# Trades that end soon, so that a short period holds many of them.
NEAR_EXITS = ("outcomes.exit.stop_atr=2.0", "outcomes.exit.target_atr=3.0", "outcomes.exit.timeout_bars=48")


def execute(folder, project, start, end, *overrides, backend=None, data=None, **parameters):
    """Run a project of `lean_algorithms`, or a folder, between two dates; results go to `folder`."""
    from llm_plugin.engine.runner import run_backtest
    from llm_plugin.settings import resolve

    folder.mkdir()
    source = PROJECTS / project if isinstance(project, str) else project
    own = NEAR_EXITS if project == "eurusd_ensemble" else ()
    resolve(source / "llm_config.yaml", ["signals.kind=none", *own, *overrides]).write_json(folder / "config.json")
    extra = {key.replace("_", "-"): value for key, value in parameters.items()}
    with pytest.MonkeyPatch.context() as patch:
        if backend is not None:
            patch.setattr("llm_plugin.lean.desk.make_backend", lambda *_: backend)
        result = run_backtest(
            source,
            data_folder=data or ROOT / "datasets" / "market",
            results_folder=folder,
            parameters={"llm-config": str(folder / "config.json"), "llm-run-dir": str(folder), **extra},
            start=date.fromisoformat(start),
            end=date.fromisoformat(end),
        )
    return Run(result, folder)


def quiet_hours(start: datetime, count: int, price: float = 1.3, width: float = 0.001):
    """Hours around one price, week-ends left out; returns (start, (open, high, low, close)) rows."""
    rows = []
    at = start
    while len(rows) < count:
        local_friday_evening = at.weekday() == 4 and at.hour >= 21
        if at.weekday() != 5 and not local_friday_evening and not (at.weekday() == 6 and at.hour < 22):
            rows.append((at, (price, price + width / 2, price - width / 2, price)))
        at += timedelta(hours=1)
    return rows
