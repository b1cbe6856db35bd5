"""Have the inputs, the outcomes or the calibration moved? A finding is recorded and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.shared import RETRIES, opened, table_rows
from llm_plugin.errors import LeaseHeld
from llm_plugin.stack.drifting import check_once, finding_rows

__all__ = ["check_drift"]


@task(name="check", timeout_seconds=1500, **RETRIES)
def check(config: Path | None, overrides: list[str]) -> dict[str, Any]:
    """Look once; leave what was found, detector by detector."""
    with opened(config, overrides) as loop:
        try:
            report = check_once(loop)
        except LeaseHeld as error:
            return {"found": False, "held": str(error)}
    title = f"Drift of {' and '.join(report.kinds)}" if report.found else "No new drift"
    create_table_artifact(table_rows(finding_rows(report)), key="drift", description=title)
    return {"found": report.found, "kinds": list(report.kinds), "since": report.change_point_utc, "text": report.text}


@flow(name="check-drift", flow_run_name="look for drift", timeout_seconds=1700)
def check_drift(config: Path | None = None, overrides: list[str] | None = None) -> State[Any]:
    """Compare the newest bars and decisions with what is usual; drift lowers the bar of the next retrain at once.

    Args:
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    seen = check(config, overrides or [])
    if "held" in seen:
        return Completed(name="Another check runs", message=seen["held"], data=seen)
    if seen["found"]:
        return Completed(name="Drift found", message=f"{', '.join(seen['kinds'])} since {seen['since']}", data=seen)
    return Completed(message="no new drift", data=seen)


if __name__ == "__main__":
    check_drift()
