"""Evaluate versions on windows of the past, spread over a Dask cluster."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.shared import RETRIES, opened, spread, table_rows
from llm_plugin.stack.evaluate import Evaluation, Window, evaluate, plan_windows, summary_rows

__all__ = ["evaluate_adapters"]


@task(name="evaluate", task_run_name="{version} on window {window.number}", **RETRIES)
def evaluate_one(version: str, window: Window, config: Path | None, overrides: list[str]) -> Evaluation:
    """Let one version answer one window; runs wherever the cluster puts it."""
    return evaluate(config, overrides, version, window)


@flow(name="evaluate-adapters", flow_run_name="evaluate {windows} windows", timeout_seconds=8 * 3600)
def evaluate_adapters(
    versions: list[str] | None = None,
    windows: int = 4,
    window_decisions: int = 100,
    scheduler: str | None = None,
    workers: int = 2,
    config: Path | None = None,
    overrides: list[str] | None = None,
) -> State[Any]:
    """Let several versions answer several windows of matured decisions; a look, not a gate decision.

    Args:
        versions: Ids or aliases; None = base, champion, previous and challenger.
        windows: How many windows, the newest ones.
        window_decisions: Decisions in each.
        scheduler: Address of a Dask scheduler whose workers reach the database and the registry; None = the setting
            LEAN_LLM_DASK_ADDRESS, else a local cluster.
        workers: Processes of the local cluster, one thread each.
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    given = overrides or []
    with opened(config, given) as loop:
        aliases = loop.registry.pointer().aliases
        names = list(dict.fromkeys(loop.registry.get(name).id for name in versions or ["base", *aliases]))
        plan, champion = plan_windows(loop, windows, window_decisions), aliases["champion"]
    common = {"config": config, "overrides": given}
    calls = [{"version": name, "window": window, **common} for name in names for window in plan]
    get_run_logger().info("%d evaluations: %s on %d windows", len(calls), ", ".join(names), len(plan))
    results: list[Evaluation] = spread(evaluate_one, calls, scheduler=scheduler, workers=workers)
    create_table_artifact(
        table_rows([_row(item) for item in results]),
        key="evaluations",
        description="Every version on every window; a window that it was trained on says nothing about skill",
    )
    best = summary_rows(results, champion)
    create_table_artifact(table_rows(best), key="evaluation-summary", description="Means over the fresh windows")
    return Completed(message=f"{len(results)} evaluations of {len(names)} versions", data=results)


def _row(item: Evaluation) -> dict[str, Any]:
    return {
        "version": item.version,
        "window": f"{item.window}: {item.from_utc:%Y-%m-%d} to {item.to_utc + timedelta(days=1):%Y-%m-%d}",
        "trained on it": "yes" if item.trained_on else "",
        "decisions": item.decisions,
        "utility R": item.utility_r,
        "all signals R": item.all_signals_r,
        "approval": item.approval,
        "Brier": item.brier,
        "legal action": item.action_mass,
        "ms per answer": item.milliseconds,
    }


if __name__ == "__main__":
    evaluate_adapters()
