"""The one way to a Dask cluster outside of flows: as their runner makes it, one thread a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llm_plugin.errors import BackendUnavailable, ConfigError

__all__ = ["LOCAL", "completed", "dask_address", "dask_client"]

LOCAL = "local"
_PATIENCE = "15s"


def dask_address(given: str) -> str:
    """Return the scheduler that a command names, else that of the setting LEAN_LLM_DASK_ADDRESS; empty without one."""
    return given or os.environ.get("LEAN_LLM_DASK_ADDRESS", "")


@contextmanager
def dask_client(address: str, workers: int) -> Iterator[Any]:
    """A client of a scheduler; `local` starts a cluster on this machine only, without a dashboard.

    Args:
        address: Of the scheduler, or `local`.
        workers: Processes of the local cluster.

    Raises:
        BackendUnavailable: No scheduler answers there.
        ConfigError: Dask is not installed.
    """
    try:
        import distributed
    except ModuleNotFoundError:
        raise ConfigError("--dask needs Dask: `pip install 'lean-llm-plugin[flows]'` brings it") from None
    dask: Any = distributed
    if address == LOCAL:
        settings = {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
        with dask.LocalCluster(**settings) as cluster, dask.Client(cluster) as client:
            yield client
        return
    try:
        client = dask.Client(address, timeout=_PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        raise BackendUnavailable(f"--dask {address}: no scheduler answers there ({error})") from error
    with client:
        yield client


def completed(futures: list[Any]) -> Iterator[Any]:
    """Yield futures as they end."""
    import distributed

    dask: Any = distributed
    yield from dask.as_completed(futures)
