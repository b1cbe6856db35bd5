"""The memory of finished runs: status, search, rebuild."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import RecordError
from llm_plugin.runs.explain import find_decision

__all__ = ["memory_status", "rebuild_memory", "similar_trades"]


def memory_status() -> dict[str, Any]:
    """Return the state of the local Weaviate and the number of trades in each tenant; nothing is started."""
    from llm_plugin.memory.server import running, status

    state: dict[str, Any] = dict(status())
    info = running()
    if info is not None:
        state["tenants"] = _tenants(info.url, info.grpc_port)
    return state


def similar_trades(decision_id: str, run: Path | None, k: int) -> list[dict[str, Any]]:
    """Return the k trades of a decision's run that were most similar to its setup, as of its time.

    The exact local index is filled from the run's store: it gives the hits that Weaviate gave.
    """
    from llm_plugin.memory import LocalMemory, VectorTransform
    from llm_plugin.memory.rebuild import stored_records

    with find_decision(decision_id, run) as (store, stored, _):
        request = stored.request
        transform, memory = VectorTransform(), LocalMemory()
        memory.add_many(list(stored_records(store, request.run_id, transform)))
        hits = memory.search(transform(request), k, request.market.time_utc, request.market.symbol_id)
    rows = []
    for hit in hits:
        record = hit.record
        row = {
            name: to_jsonable(getattr(record, name))
            for name in ("decision_id", "action", "setup", "kind", "r_multiple")
        }
        rows.append(row | {"closed_utc": to_jsonable(record.closed_utc), "distance": round(hit.distance, 6)})
    return rows


def rebuild_memory(run: Path) -> int:
    """Fill the Weaviate tenants of a run's folder from its store and return the number of trades.

    Raises:
        RecordError: The folder holds no store.
        MemoryUnavailable: Weaviate cannot be had.
    """
    from llm_plugin.memory import server
    from llm_plugin.memory.opening import tenant_of
    from llm_plugin.memory.rebuild import rebuild
    from llm_plugin.memory.weaviate_store import WeaviateMemory, connect
    from llm_plugin.outcomes.store import OutcomeStore

    path = run / "store.sqlite"
    if not path.is_file():
        raise RecordError(f"{path} does not exist: is {run} a run's folder?")
    info, total = server.start(), 0
    with OutcomeStore(f"sqlite:///{path.resolve()}") as store:
        for run_id in store.run_ids():
            memory = WeaviateMemory(connect(info.url, info.grpc_port), tenant_of(run_id, run), buffer=64)
            try:
                total += rebuild(store, memory, run_id)
            finally:
                memory.close()
    return total


def _tenants(url: str, grpc_port: int) -> dict[str, int]:
    from llm_plugin.memory.weaviate_store import COLLECTIONS, connect

    counts: dict[str, int] = {}
    client = connect(url, grpc_port)
    try:
        for name in COLLECTIONS.values():
            if client.collections.exists(name):
                collection = client.collections.get(name)
                for tenant in collection.tenants.get():
                    total = collection.with_tenant(tenant).aggregate.over_all(total_count=True).total_count
                    counts[tenant] = counts.get(tenant, 0) + int(total or 0)
    finally:
        client.close()
    return counts
