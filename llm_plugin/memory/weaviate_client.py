"""The connection to Weaviate, its collections, and what a trade looks like there."""

from __future__ import annotations

import json
import socket
import uuid
import weakref
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from llm_plugin.domain import Action, ExitReason, OutcomeKind
from llm_plugin.errors import MemoryUnavailable
from llm_plugin.memory.records import MemoryRecord

__all__ = [
    "COLLECTIONS",
    "Index",
    "check_alive",
    "connect",
    "create_collection",
    "first_line",
    "object_id",
    "properties_of",
    "record_from",
    "tenant_name",
]

Index = Literal["flat", "hnsw"]
COLLECTIONS: dict[str, str] = {"flat": "LeanTradeExact", "hnsw": "LeanTrade"}
NAMESPACE = uuid.UUID("0d9c3a52-8c1e-5f0a-9d55-0f6a3bb4f3a1")
ALIVE_SECONDS = 2.0
_ADDRESSES: weakref.WeakKeyDictionary[Any, tuple[str, int]] = weakref.WeakKeyDictionary()


def connect(url: str, grpc_port: int, api_key: str | None = None, timeout_seconds: float = 5.0) -> Any:
    """Open a weaviate-client connection.

    Raises:
        MemoryUnavailable: Nobody answers there, or the key is refused.
    """
    import weaviate
    from weaviate.classes.init import AdditionalConfig, Auth, Timeout

    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host = parts.hostname or "127.0.0.1"
    limits = Timeout(init=timeout_seconds, query=timeout_seconds, insert=max(60.0, timeout_seconds))
    try:
        client = weaviate.connect_to_custom(
            http_host=host,
            http_port=parts.port or (443 if secure else 80),
            http_secure=secure,
            grpc_host=host,
            grpc_port=grpc_port,
            grpc_secure=secure,
            auth_credentials=Auth.api_key(api_key) if api_key else None,
            additional_config=AdditionalConfig(timeout=limits, trust_env=False),
        )
    except Exception as error:
        raise MemoryUnavailable(f"Weaviate at {url} (gRPC {grpc_port}) does not answer: {first_line(error)}") from error
    _ADDRESSES[client] = (host, grpc_port)
    return client


def create_collection(client: Any, name: str, index: Index) -> None:
    """Create a collection with its index and its tenants switched on."""
    from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances

    # L2 on unit vectors orders like the cosine, and the server keeps the vectors as they are.
    metric = VectorDistances.L2_SQUARED
    vectors = (
        Configure.VectorIndex.flat(distance_metric=metric)
        if index == "flat"
        else Configure.VectorIndex.hnsw(
            distance_metric=metric, ef_construction=128, max_connections=32, ef=128, flat_search_cutoff=20_000
        )
    )
    whole = Tokenization.FIELD
    try:
        client.collections.create(
            name,
            vector_config=Configure.Vectors.self_provided(vector_index_config=vectors),
            multi_tenancy_config=Configure.multi_tenancy(enabled=True),
            properties=[
                Property(name="closed_us", data_type=DataType.INT, index_filterable=False, index_range_filters=True),
                Property(name="symbol_id", data_type=DataType.TEXT, tokenization=whole, index_searchable=False),
                Property(name="decision_id", data_type=DataType.TEXT, index_filterable=False, index_searchable=False),
                Property(name="payload", data_type=DataType.TEXT, index_filterable=False, index_searchable=False),
            ],
        )
    except Exception:
        if not client.collections.exists(name):  # another process was faster
            raise


def tenant_name(run_id: str) -> str:
    """Return the run id as a tenant name: letters, digits, - and _ only, 4 to 64 characters."""
    if 4 <= len(run_id) <= 64 and all(c.isascii() and (c.isalnum() or c in "-_") for c in run_id):
        return run_id
    return str(uuid.uuid5(NAMESPACE, run_id))


def object_id(decision_id: str) -> str:
    """Return the server's id of a decision."""
    return str(uuid.uuid5(NAMESPACE, decision_id))


def properties_of(record: MemoryRecord) -> dict[str, Any]:
    """Return what is stored beside the vector."""
    payload = {
        "action": record.action.value,
        "setup": record.setup,
        "kind": record.kind.value,
        "r_multiple": record.r_multiple,
        "pnl": record.pnl,
        "exit_reason": record.exit_reason.value,
        "reasoning": record.reasoning,
        "decision_id": record.decision_id,
        "symbol_id": record.symbol_id,
        "closed_us": record.closed_us,
    }
    return {
        "decision_id": record.decision_id,
        "symbol_id": record.symbol_id,
        "closed_us": record.closed_us,
        "payload": json.dumps(payload),
    }


def record_from(item: Any) -> MemoryRecord:
    """Rebuild the record from an answer of the server."""
    values = json.loads(item.properties["payload"])
    return MemoryRecord(
        decision_id=values["decision_id"],
        symbol_id=values["symbol_id"],
        action=Action(values["action"]),
        setup=values["setup"],
        kind=OutcomeKind(values["kind"]),
        r_multiple=values["r_multiple"],
        pnl=values["pnl"],
        closed_us=values["closed_us"],
        exit_reason=ExitReason(values["exit_reason"]),
        vector=np.array(item.vector["default"], np.float32),
        reasoning=values["reasoning"],
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def check_alive(client: Any) -> None:
    """Fail at once where the server is gone: the client would ask a dead one again for a minute.

    Raises:
        OSError: The port is closed, which takes a tenth of a millisecond to find out.
    """
    socket.create_connection(_ADDRESSES[client], timeout=ALIVE_SECONDS).close()
