"""Reads what a run left in its folder: LEAN's result JSON and `decisions.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.domain import Decision, Outcome, OutcomeKind, QuestionKind
from llm_plugin.errors import RecordError
from llm_plugin.lean.rows import decision_of, outcome_of

__all__ = ["ArmRecord", "daily_equity", "read_rows"]


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a `decisions.jsonl`.

    Raises:
        RecordError: The file is missing, or a line other than an unfinished last one is no JSON.
    """
    if not path.is_file():
        raise RecordError(f"{path} does not exist: the run recorded no decisions")
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                if not line.endswith("\n"):
                    return  # the run was stopped while it wrote its last row
                raise RecordError(f"{path}:{number} is not JSON: {error.msg}") from error


@dataclass
class ArmRecord:
    """One arm's results on disk."""

    name: str
    title: str
    folder: Path
    algorithm_id: str
    bars: int = 0
    seconds: float = 0.0
    orders_hash: str = ""
    status: str = "Completed"
    error: str = ""
    statistics: dict[str, str] = field(default_factory=dict)

    @cached_property
    def result(self) -> dict[str, Any]:
        """LEAN's own result JSON."""
        path = self.folder / f"{self.algorithm_id}.json"
        if not path.is_file():
            raise RecordError(f"{path} does not exist: arm '{self.name}' wrote no result")
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return data

    @cached_property
    def _rows(self) -> tuple[list[Decision], list[Outcome], int, dict[str, float]]:
        decisions: list[Decision] = []
        outcomes: list[Outcome] = []
        signals, prices = 0, {}
        for row in read_rows(self.folder / "decisions.jsonl"):
            if row["kind"] == "signal":
                signals += 1
            elif row["kind"] == "decision":
                decisions.append(decision_of(row))
                prices[row["decision_id"]] = row["price"]
            elif row["kind"] == "outcome":
                outcomes.append(outcome_of(row))
        return decisions, outcomes, signals, prices

    @property
    def decisions(self) -> list[Decision]:
        """Every decision in the order in which it was made."""
        return self._rows[0]

    @property
    def entries(self) -> list[Decision]:
        """The decisions about entries."""
        return [d for d in self.decisions if d.kind is QuestionKind.ENTRY]

    @property
    def outcomes(self) -> list[Outcome]:
        """Every outcome: realised, shadow and replayed."""
        return self._rows[1]

    @property
    def prices(self) -> dict[str, float]:
        """Decision id -> the price at which it was asked."""
        return self._rows[3]

    @property
    def signals(self) -> int:
        """How many bars the signal source was asked about."""
        return self._rows[2]

    @cached_property
    def replayed(self) -> dict[str, Outcome]:
        """Decision id -> the replayed outcome of the signal's action (taken or not)."""
        return {o.decision_id: o for o in self.outcomes if o.kind is not OutcomeKind.REALISED and o.action.side != 0}

    @cached_property
    def realised(self) -> dict[str, Outcome]:
        """Decision id -> the realised outcome."""
        return {o.decision_id: o for o in self.outcomes if o.kind is OutcomeKind.REALISED}

    @cached_property
    def equity(self) -> tuple[list[datetime], NDArray[np.float64]]:
        """Times (UTC) and closes of LEAN's equity curve."""
        values = self.result["charts"]["Strategy Equity"]["series"]["Equity"]["values"]
        return [datetime.fromtimestamp(v[0], UTC) for v in values], np.array([float(v[-1]) for v in values])


def daily_equity(record: ArmRecord, days: Iterable[date]) -> NDArray[np.float64]:
    """Return the last equity at or before the end of each day; days before the first point have the first value."""
    times, values = record.equity
    if not times:
        raise RecordError(f"arm '{record.name}' has an empty equity curve")
    stamps = np.array([t.timestamp() for t in times])
    ends = np.array([datetime(d.year, d.month, d.day, 23, 59, 59, tzinfo=UTC).timestamp() for d in days])
    return np.asarray(values[np.clip(np.searchsorted(stamps, ends, side="right") - 1, 0, None)])
