"""One drift check of the loop: its state between checks, its record, its event."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from llm_plugin.drift.report import DriftReport
    from llm_plugin.drift.state import DriftState
    from llm_plugin.stack.loop import Loop

__all__ = ["DRIFT_FOUND", "LEASE", "check_once", "finding_rows"]

_LOG = logging.getLogger("llm_plugin.stack")
DRIFT_FOUND = "lean-llm.drift.found"
LEASE = "drift-check"
LEASE_SECONDS = 900.0


def check_once(loop: Loop, as_of_utc: datetime | None = None) -> DriftReport:
    """Check inputs, outcomes and calibration; record the report and, with it, the event of a finding.

    The retrain rule reads the record: from then on 200 decisions are enough, and the window begins at the change.

    Raises:
        LeaseHeld: Another check of this model is under way.
        StoreUnavailable: The database does not answer; the next check looks at the same.
    """
    from llm_plugin.drift.run import run_drift_check, state_path
    from llm_plugin.learning.leases import holder_name

    moment = as_of_utc or datetime.now(UTC)
    model, path = loop.settings.learning.model, state_path(loop.settings.learning.model)
    lease = loop.database.acquire(f"{LEASE}:{model}", holder_name("drift"), LEASE_SECONDS)
    try:
        report, state = run_drift_check(
            loop.store,
            loop.settings,
            as_of_utc=moment,
            state=_state(path),
            data_folder=loop.data_folder,
        )
        payload = {"kinds": list(report.kinds), "change_point_utc": report.change_point_utc, "text": report.text}
        events = [(DRIFT_FOUND, loop.resource_id, {**payload, "checked_utc": moment})] if report.found else []
        loop.database.save_drift(report.to_json(), found=report.found, checked_utc=moment, events=events)
        state.write(path)
        return report
    finally:
        loop.database.release(lease)


def _state(path: Path) -> DriftState:
    """Read the state of the last check; one that cannot be read is set aside, and the check calibrates anew."""
    from llm_plugin.drift.state import DriftState

    try:
        return DriftState.read(path)
    except DataError as error:
        aside = path.with_suffix(".damaged.json")
        path.replace(aside)
        _LOG.warning("%s; it lies in %s now, and the history is calibrated anew", error, aside)
        return DriftState()


def finding_rows(report: DriftReport) -> list[dict[str, Any]]:
    """Return one row per thing that was looked at."""
    return [
        {
            "what": finding.kind,
            "of": finding.name,
            "state": finding.standing.replace("_", " "),
            "since": finding.change_point_utc,
            "found": finding.text,
        }
        for finding in report.findings
    ]
