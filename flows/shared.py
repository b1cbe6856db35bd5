"""What the flows share: which errors are tried again, progress people can see, and how results become artifacts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from llm_plugin.errors import LeanLlmError, RetryableError

__all__ = ["RETRIES", "Progress", "by_value", "cycle_report", "deliver", "opened", "retryable", "spread", "table_rows"]


def retryable(_task: Any, _run: Any, state: Any) -> bool:
    """Retry only what another attempt can mend."""
    try:
        state.result()
    except RetryableError:
        return True
    except Exception:
        return False
    return False


RETRIES: dict[str, Any] = {"retries": 2, "retry_delay_seconds": 30, "retry_condition_fn": retryable}
"""Options of every task that asks a server or a disk for something."""


class Progress:
    """Stages as log lines, a few each, and, where a key is given, as a progress artifact in the UI."""

    def __init__(self, key: str | None = None, description: str = "") -> None:
        self._logger = get_run_logger()
        self._seen: set[tuple[str, int]] = set()
        self._description = description
        self._shown = -1.0
        self._artifact = _created(create_progress_artifact(0.0, key=key, description=description)) if key else None

    def __call__(self, stage: str, fraction: float) -> None:
        """Tell that a stage is done by this fraction."""
        key = ("".join(c for c in stage if not c.isdigit()), int(fraction * 4))
        if key not in self._seen:
            self._seen.add(key)
            self._logger.info("%3.0f %%  %s", 100 * fraction, stage)
        percent = round(100 * min(max(fraction, 0.0), 1.0), 1)
        if self._artifact is not None and (abs(percent - self._shown) >= 1 or percent in (0.0, 100.0)):
            self._shown = percent
            update_progress_artifact(self._artifact, progress=percent, description=f"{self._description}: {stage}")


def _created(artifact: Any) -> UUID:
    if not isinstance(artifact, UUID):
        raise TypeError(f"a progress artifact was made in an asynchronous flow: {artifact!r}")
    return artifact


@contextmanager
def opened(config: Path | None, overrides: Sequence[str]) -> Iterator[Any]:
    """Open what the closed loop works on, deliver the events that wait before and after, and close it."""
    from llm_plugin.stack.loop import open_loop

    with open_loop(config, overrides) as loop:
        deliver(loop)
        try:
            yield loop
        finally:
            deliver(loop)


@contextmanager
def by_value(module: str) -> Iterator[None]:
    """Let tasks of a module travel to other processes whole, which need not have its file."""
    import cloudpickle  # type: ignore[import-untyped]

    here = sys.modules[module]
    cloudpickle.register_pickle_by_value(here)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(here)


def spread(
    task: Any, calls: Sequence[Mapping[str, Any]], *, scheduler: str | None = None, workers: int = 2
) -> list[Any]:
    """Run a task once for each set of arguments, over a Dask cluster, and return the results in their order.

    Args:
        task: The task; it travels whole, with its module, so that workers need only the package.
        calls: Its arguments by name.
        scheduler: Address of a Dask scheduler; None = the setting LEAN_LLM_DASK_ADDRESS, else a local cluster.
        workers: Processes of the local cluster, one thread each.
    """
    from prefect_dask.task_runners import DaskTaskRunner

    address = scheduler or os.environ.get("LEAN_LLM_DASK_ADDRESS")
    local = {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    runner = DaskTaskRunner(address=address) if address else DaskTaskRunner(cluster_kwargs=local)
    with by_value(__name__), by_value(task.fn.__module__), runner as cluster:
        futures = [cluster.submit(task, dict(call)) for call in calls]
        return [future.result() for future in futures]


def deliver(loop: Any) -> int:
    """Send the outbox to Prefect; where that fails now, the next flow tries again."""
    from prefect.settings import PREFECT_API_URL

    from llm_plugin.cycle.journal import tell_changes
    from llm_plugin.stack.events import deliver_events

    try:
        tell_changes(loop.registry, loop.database)
        count = deliver_events(loop.database, PREFECT_API_URL.value())
    except LeanLlmError as error:
        get_run_logger().warning("events wait: %s", error)
        return 0
    if count:
        get_run_logger().info("%d events delivered", count)
    return count


def cycle_report(loop: Any, result: Any) -> str:
    """Return a cycle's page, with a link to MLflow where that is a server."""
    from llm_plugin.stack.reports import cycle_facts, cycle_markdown

    uri = loop.settings.registry.mlflow_uri
    links = {"MLflow": uri} if uri and uri.startswith("http") else {}
    return cycle_markdown(result, cycle_facts(loop.database, result), links)


def table_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return rows as the UI shows them: short numbers, times to the minute, nothing nested."""
    return [{key: _cell(value) for key, value in row.items() if not isinstance(value, dict)} for row in rows]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:%Y-%m-%d %H:%M} UTC" if hasattr(value, "strftime") else str(value)
