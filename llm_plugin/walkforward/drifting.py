"""Drift in simulated time: outcomes and calibration of the run's own decisions; it brings the next cycle forward."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_plugin.drift.report import DriftReport
    from llm_plugin.drift.state import DriftState
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.settings import Settings

__all__ = ["STEP", "SimulatedDrift"]

STEP = 25
"""Questions between two checks: half an hour of live data brings less."""
NEWEST = 1_000


class SimulatedDrift:
    """Checks what has matured and keeps the reports where the retrain rule looks for them.

    Inputs are left to the live check, which has the bars; a change of what decisions are worth shows here too.

    Args:
        settings: Section `drift`.
        store: Outcome store of the run.
        run_id: The run.
        database: Learning database of the run.
    """

    def __init__(self, settings: Settings, store: OutcomeStore, run_id: str, database: LearningDatabase) -> None:
        self._settings, self._store, self._run_id, self._database = settings, store, run_id, database
        self._state: DriftState | None = None

    def check(self, now: datetime) -> DriftReport:
        """Check with what is known now."""
        from llm_plugin.drift.check import check_drift
        from llm_plugin.drift.points import outcome_points
        from llm_plugin.learning.read import matured_decisions

        known = matured_decisions(self._store, as_of_utc=now, run_ids=[self._run_id], newest=NEWEST)
        report, self._state = check_drift(
            as_of_utc=now, settings=self._settings.drift, state=self._state, points=outcome_points(known)
        )
        self._database.save_drift(report.to_json(), found=report.found, checked_utc=now)
        return report
