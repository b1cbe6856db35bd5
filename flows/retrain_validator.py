"""Retrain the validator: the rule, pairs, dataset and training, up to a registered challenger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.shared import RETRIES, Progress, cycle_report, opened
from llm_plugin.cycle.run import run_cycle
from llm_plugin.cycle.words import CycleRequest, CycleResult
from llm_plugin.errors import LeaseHeld
from llm_plugin.stack.reports import cycle_reason, cycle_title

__all__ = ["retrain_validator"]

LONGEST_SECONDS = 4 * 3600


@task(name="learn", task_run_name="learn ({trigger})", timeout_seconds=LONGEST_SECONDS, **RETRIES)
def learn(trigger: str, judge: bool, config: Path | None, overrides: list[str]) -> CycleResult:
    """Run a cycle, or go on with the one that was interrupted, and leave its report."""
    with opened(config, overrides) as loop:
        progress = Progress("retrain-progress", "Retraining the validator")
        stop_after = None if judge or loop.waits_for_judge() else "registered"
        request = CycleRequest(trigger=trigger, holder="prefect", stop_after=stop_after)  # type: ignore[arg-type]
        try:
            result = run_cycle(request, loop.parts(progress))
        except LeaseHeld as error:
            return CycleResult("held", str(error), champion=loop.registry.pointer().champion)  # type: ignore[arg-type]
        progress(cycle_title(result.status), 1.0)
        text = cycle_report(loop, result)
    title = f"{cycle_title(result.status)}: {cycle_reason(result)}"
    create_markdown_artifact(text, key="retrain-cycle", description=title)
    return result


def run_name() -> str:
    """Name a run by what started it."""
    given = flow_run.parameters
    return "retrain, asked for" if given.get("force") else "retrain after drift" if given.get("drift") else "retrain"


@flow(name="retrain-validator", flow_run_name=run_name, timeout_seconds=3 * LONGEST_SECONDS)
def retrain_validator(
    drift: bool = False,
    force: bool = False,
    judge: bool = False,
    config: Path | None = None,
    overrides: list[str] | None = None,
) -> State[Any]:
    """Retrain the validator if the rule says so: 500 new outcomes, 200 after drift, outside busy hours.

    The challenger is registered and the flow ends; the event of it starts the flow `promote`, where the gate decides.
    Trading goes on meanwhile, and the champion stays until then.

    Args:
        drift: Started by a drift event; whether drift lowers the bar is read from the recorded checks, not from here.
        force: Start whatever counts, interval and busy hours say, as an operator.
        judge: Go through to the gate and the promotion in this run.
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    trigger = "operator" if force else "drift" if drift else "schedule"
    result = learn(trigger, judge, config, overrides or [])
    if result.status == "failed":
        return Failed(message=result.reason)
    return Completed(name=cycle_title(result.status), message=cycle_reason(result), data=result.status)


if __name__ == "__main__":
    retrain_validator(judge=True)
