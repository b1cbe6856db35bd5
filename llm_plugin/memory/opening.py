"""Open the configured trade memory; where Weaviate cannot be had, say so in one line and go on with `local`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from llm_plugin.errors import MemoryUnavailable
from llm_plugin.memory import server
from llm_plugin.memory.local import LocalMemory
from llm_plugin.memory.records import TradeMemory

__all__ = ["MemoryOptions", "open_memory", "tenant_of"]

BACKTEST_BUFFER = 64
_LOG = logging.getLogger("llm_plugin.memory")


def tenant_of(run_id: str, run_folder: Path | str) -> str:
    """Return the tenant of a backtest: repeated runs share their id, and may run beside each other."""
    digest = hashlib.sha256(str(Path(run_folder).resolve()).encode()).hexdigest()[:12]
    return f"{run_id}-{digest}"


class MemoryOptions(Protocol):
    """The part of `settings.memory` that opening reads."""

    backend: Any
    url: str | None
    grpc_port: int
    api_key: Any
    timeout_seconds: float


def open_memory(
    options: MemoryOptions,
    run_id: str,
    *,
    live: bool = False,
    fresh: bool | None = None,
    tell: Callable[[str], None] | None = None,
) -> TradeMemory:
    """Open the memory of one run.

    Args:
        options: `settings.memory`; backend `weaviate` or `local`.
        run_id: Names the tenant.
        live: An approximate index made for many trades, every trade sent at once; else an exact one, in batches.
        fresh: Forget what an earlier process left under this run id; by default in backtests, not live. The outcome
            store is the truth: add its records after opening.
        tell: Gets progress and the one line about a fall-back; by default a warning in the log.
    """
    if options.backend == "local":
        return LocalMemory()
    say = tell or _LOG.warning
    try:
        return _weaviate(options, run_id, live, not live if fresh is None else fresh, tell)
    except MemoryUnavailable as error:
        say(f"memory: Weaviate cannot be had, going on with the exact local index: {error}")
        return LocalMemory()


def _weaviate(
    options: MemoryOptions, run_id: str, live: bool, fresh: bool, tell: Callable[[str], None] | None
) -> TradeMemory:
    from llm_plugin.memory.weaviate_store import WeaviateMemory, connect

    url, port = options.url, options.grpc_port
    if url is None:
        info = server.start(tell)
        url, port = info.url, info.grpc_port
    key = options.api_key
    secret = key.get_secret_value() if hasattr(key, "get_secret_value") else key
    client = connect(url, port, secret, options.timeout_seconds)
    try:
        memory = WeaviateMemory(client, run_id, "hnsw" if live else "flat", 1 if live else BACKTEST_BUFFER)
        if fresh and memory.count():
            memory.clear()
    except BaseException:
        client.close()
        raise
    return memory
