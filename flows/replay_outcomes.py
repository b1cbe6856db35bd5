"""Replay stored decisions from the market data again and compare with the labels in the store, over a Dask cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.shared import RETRIES, spread, table_rows
from llm_plugin.stack.loop import open_loop
from llm_plugin.stack.replay_check import (
    Chunk,
    Difference,
    ReplayChecked,
    check_chunk,
    known_folder,
    largest_differences,
    plan_chunks,
    totals,
)

__all__ = ["replay_outcomes"]


@task(name="replay", task_run_name="chunk {chunk.number}", **RETRIES)
def replay_one(
    chunk: Chunk, data_folder: Path, tolerance_r: float, brokerage: str, config: Path | None, overrides: list[str]
) -> ReplayChecked:
    """Replay one chunk; runs wherever the cluster puts it."""
    return check_chunk(config, overrides, data_folder, chunk, tolerance_r=tolerance_r, brokerage=brokerage)


@flow(name="replay-outcomes", flow_run_name="replay the outcomes", timeout_seconds=8 * 3600)
def replay_outcomes(
    runs: list[str] | None = None,
    data_folder: Path | None = None,
    tolerance_r: float = 0.001,
    max_doubtful_fraction: float = 0.0,
    brokerage: str = "default",
    chunk_decisions: int = 1000,
    scheduler: str | None = None,
    workers: int = 2,
    config: Path | None = None,
    overrides: list[str] | None = None,
) -> State[Any]:
    """Check that the market data still give the net R that every matured decision is stored with; nothing is written.

    Args:
        runs: Run ids; None = all of the store.
        data_folder: LEAN's data that the runs were made with; None = the one of LEAN_DATA_FOLDER or of this place.
        tolerance_r: Labels that lie no further apart are equal.
        max_doubtful_fraction: Where more than this share differs, or has other quotes in the data, the run has failed.
        brokerage: Whose fees the runs paid: default, interactive_brokers, oanda, fxcm, coinbase or none.
        chunk_decisions: Decisions of one piece of work.
        scheduler: Address of a Dask scheduler whose workers reach the database and the data; None = the setting
            LEAN_LLM_DASK_ADDRESS, else a local cluster.
        workers: Processes of the local cluster, one thread each.
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    given = overrides or []
    with open_loop(config, given) as loop:
        folder = known_folder(data_folder, loop.data_folder)
        chunks = plan_chunks(loop, chunk_decisions, run_ids=runs)
    get_run_logger().info("%d chunks, market data of %s", len(chunks), folder)
    common = {"data_folder": folder, "tolerance_r": tolerance_r, "brokerage": brokerage}
    common |= {"config": config, "overrides": given}
    checked: list[ReplayChecked] = spread(
        replay_one, [{"chunk": chunk, **common} for chunk in chunks], scheduler=scheduler, workers=workers
    )
    return _ended(checked, tolerance_r, max_doubtful_fraction)


def _ended(checked: list[ReplayChecked], tolerance_r: float, most: float) -> State[Any]:
    """Show tables, and say whether the labels can be trusted."""
    total, worst = totals(checked), largest_differences(checked)
    create_table_artifact(
        table_rows([_row(item) for item in checked]),
        key="replayed-outcomes",
        description=f"Stored labels against the market data, equal within {tolerance_r:g} R",
    )
    causes = [{"not replayed because": cause, "decisions": count} for cause, count in total.left_out.items()]
    create_table_artifact(table_rows(causes), key="not-replayed", description="Decisions that cannot be compared")
    create_table_artifact(
        table_rows([_difference(item) for item in worst]),
        key="largest-replay-differences",
        description="Labels that the data do not give again, the largest difference first",
    )
    share = total.doubtful_fraction
    words = f"{total.equal} of {total.decisions} labels equal, {total.differing} differ"
    if share is None:
        return Failed(message=f"not one of {total.decisions} labels could be looked up in the market data", data=total)
    if share > most:
        named = f", the largest at decision {worst[0].decision_id}" if worst else ""
        return Failed(message=f"{words}{named}: {share:.2%} doubtful, {most:.2%} allowed", data=total)
    return Completed(message=words, data=total)


def _row(item: ReplayChecked) -> dict[str, Any]:
    return {
        "run": item.run_id,
        "symbol": item.symbol,
        "from": item.from_utc,
        "to": item.to_utc,
        "equal": item.equal,
        "differing": item.differing,
        "not replayed": sum(item.left_out.values()),
        "largest difference R": item.differences[0].size_r if item.differences else item.largest_equal_r,
    }


def _difference(item: Difference) -> dict[str, Any]:
    return {
        "decision": item.decision_id,
        "symbol": item.symbol,
        "asked": item.time_utc,
        "stored R": item.stored_r,
        "replayed R": item.replayed_r,
        "stored exit": item.stored_exit,
        "replayed exit": item.replayed_exit,
    }


if __name__ == "__main__":
    replay_outcomes()
