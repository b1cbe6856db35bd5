"""Fill the memory of past trades again from the outcome store, which is the truth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.shared import RETRIES, Progress, opened, table_rows
from llm_plugin.stack.memories import Rebuilt, rebuild_runs

__all__ = ["rebuild_memory"]


@task(name="rebuild", timeout_seconds=4 * 3600, **RETRIES)
def rebuild(runs: list[str], config: Path | None, overrides: list[str]) -> list[Rebuilt]:
    """Replace what Weaviate holds of each run."""
    with opened(config, overrides) as loop:
        done = rebuild_runs(loop, runs, Progress("memory-progress", "Rebuilding the memory"))
    rows = table_rows([asdict(row) for row in done])
    create_table_artifact(rows, key="rebuilt-memory", description="Trades in the memory of each run")
    return done


@flow(name="rebuild-memory", flow_run_name="rebuild the memory", timeout_seconds=5 * 3600)
def rebuild_memory(
    runs: list[str] | None = None, config: Path | None = None, overrides: list[str] | None = None
) -> State[int]:
    """Rebuild the trade memory of runs, after a lost Weaviate or a change of the vector transform.

    A run that is being answered meanwhile finds fewer similar trades until its own are back.

    Args:
        runs: Run ids; None = all of the store.
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    done = rebuild(runs or [], config, overrides or [])
    total = sum(row.trades + row.reports for row in done)
    return Completed(message=f"{total} trades of {len(done)} runs are in the memory", data=total)


if __name__ == "__main__":
    rebuild_memory()
