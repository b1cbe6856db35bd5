"""Judge the registered challenger and, where the gate passes it, let it serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.shared import RETRIES, Progress, cycle_report, opened, table_rows
from llm_plugin.cycle.run import run_cycle
from llm_plugin.cycle.words import CycleRequest, CycleResult
from llm_plugin.gate.decision import GateDecision
from llm_plugin.gate.text import as_markdown
from llm_plugin.stack.reports import cycle_title, version_rows

__all__ = ["promote"]


@task(name="judge", timeout_seconds=3600, **RETRIES)
def judge(config: Path | None, overrides: list[str]) -> CycleResult:
    """Go on with the cycle that waits for its judge, and leave the gate's numbers where people look."""
    with opened(config, overrides) as loop:
        if not loop.waits_for_judge():
            return CycleResult("not_due", "no challenger waits for the gate", champion=loop.registry.pointer().champion)
        result = run_cycle(CycleRequest(holder="prefect"), loop.parts(Progress("gate-progress", "Judging")))
        report, rows = cycle_report(loop, result), table_rows(version_rows(loop.registry))
        decided = [row for row in loop.database.gates() if row.cycle_id == result.cycle_id]
    create_markdown_artifact(report, key="retrain-cycle", description=f"{cycle_title(result.status)}: {result.reason}")
    create_table_artifact(rows, key="model-versions", description="Every version of the validator, the newest first")
    if decided:
        decision = GateDecision.from_json(decided[-1].decision)
        title = f"{decision.challenger} against {decision.champion}: {decision.verdict.replace('_', ' ')}"
        create_markdown_artifact(as_markdown(decision), key="gate-decision", description=title)
    return result


@flow(name="promote", flow_run_name="judge the challenger", timeout_seconds=2 * 3600)
def promote(config: Path | None = None, overrides: list[str] | None = None) -> State[Any]:
    """Let champion and challenger answer the same fresh holdout; promote the challenger only if it is credibly better.

    Args:
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    result = judge(config, overrides or [])
    if result.status == "failed":
        return Failed(message=result.reason)
    return Completed(name=cycle_title(result.status), message=result.reason, data=result.status)


if __name__ == "__main__":
    promote()
