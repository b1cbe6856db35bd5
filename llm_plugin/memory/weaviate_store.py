"""The Weaviate back end: vectors made by the plugin, one tenant per run, exact ranking in the client.

Backtests use the flat (exact) index, live runs HNSW. The server finds candidates; the client checks every closing
time and ranks by float64 distance of the stored vectors, so that hits equal those of `LocalMemory`.

A time filter is what costs on the server (8 ms against 1.2 ms at 100,000 trades). The client knows when every trade of
its tenant closed, so it can do without, in this order:

1. Nothing lies in the future (live, a fresh backtest): the watermark says so, no filter is needed.
2. As of a time among the first 8,192 closings: an exact scan of these, read from the server once.
3. Later: ask for more neighbours, throw away those that closed too late, check that enough are left.
4. Too few left, or too many to ask for: the filter on the server.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from llm_plugin.errors import MemoryUnavailable
from llm_plugin.memory.local import LocalMemory
from llm_plugin.memory.records import MemoryHit, MemoryRecord, Vector, check_vector, microseconds, rank
from llm_plugin.memory.weaviate_client import (
    COLLECTIONS,
    Index,
    check_alive,
    connect,
    create_collection,
    first_line,
    object_id,
    properties_of,
    record_from,
    tenant_name,
)

__all__ = ["COLLECTIONS", "Index", "WeaviateMemory", "connect"]

SPARE = 2  # neighbours beyond k, so that ties at the edge are seen
MARGIN = 12  # further ones where some may have closed too late
MOST_NEIGHBOURS = 240  # beyond it a filter on the server is cheaper
EARLY = 8192  # first closings that are scanned in the client
EARLY_GROWTH = 1.5  # they are read again when there are so many times more of them
TIE = 1e-5  # more than float32 distances can be off


class WeaviateMemory:
    """Trades of one run in a tenant of its own.

    Args:
        client: From `connect`; closed with this object.
        tenant: The run's id.
        index: `flat` is exact and quick to fill, `hnsw` quick on many trades.
        buffer: Trades kept in the client before they are sent together; searches see them at once.
    """

    def __init__(self, client: Any, tenant: str, index: Index = "flat", buffer: int = 1) -> None:
        self._client = client
        self._tenant = tenant_name(tenant)
        self._index: Index = index
        self._buffer = buffer
        self._waiting: dict[str, MemoryRecord] = {}
        self._closed: dict[str, int] = {}  # decision id -> closing time of everything held
        self._times: list[int] | None = []  # the same times in order; None = to be sorted again
        self._symbols: set[str] = set()
        self._found: set[str] = set()  # what an earlier process left here
        self._early = LocalMemory()
        self._early_limit = -1  # latest as-of time that `_early` answers for
        with self._translated():
            self._collection = self._prepare()
            self._read_known()

    # -- protocol --------------------------------------------------------------------------------------------------

    def add(self, record: MemoryRecord) -> None:
        """Remember a closed trade; it is seen by searches at once and sent when the buffer is full."""
        self._take(record)
        if len(self._waiting) >= self._buffer:
            self.flush()

    def add_many(self, records: Sequence[MemoryRecord]) -> None:
        """Remember many, in large batches."""
        for record in records:
            self._take(record)
        self.flush()

    def search(self, vector: Vector, k: int, as_of_utc: datetime, symbol_id: str | None = None) -> list[MemoryHit]:
        """Return the k nearest trades that closed strictly before `as_of_utc`."""
        query = check_vector(vector)
        as_of = microseconds(as_of_utc)
        if k <= 0 or self._visible(as_of) == 0:
            return []
        mixed = symbol_id in self._symbols and len(self._symbols) > 1
        wanted = symbol_id if mixed else None
        if self._visible(as_of) < len(self._closed) and self._is_early(as_of):
            return self._early.search(query, k, as_of_utc, symbol_id)
        waiting = [record for record in self._waiting.values() if record.closed_us < as_of]
        found = self._nearest(query, k, as_of, wanted)
        hits = rank(query, _merged(found, waiting), k, symbol_id)
        if wanted is not None and (len(hits) < k or hits[-1].record.symbol_id != wanted):
            hits = rank(query, _merged([*found, *self._nearest(query, k, as_of, None)], waiting), k, symbol_id)
        return hits

    def count(self) -> int:
        """Return the number of trades held."""
        return len(self._closed)

    def clear(self) -> None:
        """Forget everything of this run."""
        with self._translated():
            self._parent().tenants.remove(self._tenant)
            self._waiting, self._closed, self._times, self._symbols = {}, {}, [], set()
            self._found, self._early, self._early_limit = set(), LocalMemory(), -1
            self._collection = self._prepare()

    def close(self) -> None:
        """Send what is buffered and disconnect; idempotent."""
        if self._client is None:
            return
        try:
            self.flush()
        finally:
            client, self._client = self._client, None
            client.close()

    # -- more ------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is buffered.

        Raises:
            MemoryUnavailable: The server did not take all of it; what it did not take stays in the buffer.
        """
        if not self._waiting:
            return
        from weaviate.classes.data import DataObject

        records = list(self._waiting.values())
        for start in range(0, len(records), 1000):
            part = records[start : start + 1000]
            objects = [
                DataObject(properties=properties_of(r), uuid=object_id(r.decision_id), vector=r.vector.tolist())
                for r in part
            ]
            with self._translated():
                self._drop([r.decision_id for r in part if r.decision_id in self._found])
                result = self._collection.data.insert_many(objects)
                if result.has_errors:
                    first = next(iter(result.errors.values()))
                    raise MemoryUnavailable(f"Weaviate refused {len(result.errors)} trades: {first.message}")
            for record in part:
                self._waiting.pop(record.decision_id, None)

    def _drop(self, decision_ids: list[str]) -> None:
        """Delete what is written again.

        A killed server can keep a trade and lose it from its vector index, and does not index an unchanged one anew.
        """
        from weaviate.classes.query import Filter

        if decision_ids:
            self._collection.data.delete_many(
                where=Filter.by_id().contains_any([object_id(one) for one in decision_ids])
            )
            self._found.difference_update(decision_ids)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _parent(self) -> Any:
        return self._client.collections.use(COLLECTIONS[self._index])

    def _prepare(self) -> Any:
        from weaviate.classes.tenants import Tenant

        name = COLLECTIONS[self._index]
        if not self._client.collections.exists(name):
            create_collection(self._client, name, self._index)
        parent = self._parent()
        if not parent.tenants.exists(self._tenant):
            parent.tenants.create([Tenant(name=self._tenant)])
        return parent.with_tenant(self._tenant)

    def _read_known(self) -> None:
        for item in self._collection.iterator(return_properties=["decision_id", "closed_us", "symbol_id"]):
            values = item.properties
            self._found.add(values["decision_id"])
            self._note(values["decision_id"], int(values["closed_us"]), values["symbol_id"])

    def _note(self, decision_id: str, closed_us: int, symbol_id: str) -> None:
        known = self._closed.get(decision_id)
        if known not in (None, closed_us):
            self._early_limit = -1
        self._closed[decision_id] = closed_us
        self._symbols.add(symbol_id)
        if known is None and self._times is not None and (not self._times or self._times[-1] <= closed_us):
            self._times.append(closed_us)
        elif known != closed_us:
            self._times = None

    def _take(self, record: MemoryRecord) -> None:
        check_vector(record.vector)
        self._waiting[record.decision_id] = record
        self._note(record.decision_id, record.closed_us, record.symbol_id)
        if record.closed_us < self._early_limit:
            self._early.add(record)

    def _visible(self, as_of_us: int) -> int:
        if self._times is None:
            self._times = sorted(self._closed.values())
        return bisect.bisect_left(self._times, as_of_us)

    def _is_early(self, as_of_us: int) -> bool:
        """Return whether the first closings, held in the client, answer for a time; load them where that pays."""
        if as_of_us <= self._early_limit:
            return True
        times = self._times or []
        until = times[min(len(times), EARLY) - 1]
        grown = self._visible(until) >= EARLY_GROWTH * self._early.count()
        if as_of_us > until or (self._early_limit >= 0 and not grown):
            return False
        from weaviate.classes.query import Filter

        memory, before = LocalMemory(), Filter.by_property("closed_us").less_than(until)
        with self._translated():
            answer = self._collection.query.fetch_objects(
                filters=before, limit=EARLY, include_vector=True, return_properties=["payload"]
            )
        memory.add_many([record_from(item) for item in answer.objects])
        memory.add_many([record for record in self._waiting.values() if record.closed_us < until])
        self._early, self._early_limit = memory, until
        return True

    def _nearest(self, query: Vector, k: int, as_of_us: int, symbol_id: str | None) -> list[MemoryRecord]:
        """Return records among which the k nearest visible ones are."""
        total, visible = len(self._closed), self._visible(as_of_us)
        limit = k + SPARE
        if visible < total:
            limit = math.ceil(limit * total / visible) + MARGIN
        if limit <= MOST_NEIGHBOURS:
            found = self._ask(query, limit, k, as_of_us, symbol_id, filtered=False)
            if found is not None:
                return found
        limit = k + SPARE
        while True:
            found = self._ask(query, limit, k, as_of_us, symbol_id, filtered=visible < total)
            if found is not None:
                return found
            limit *= 8

    def _ask(
        self, query: Vector, limit: int, k: int, as_of_us: int, symbol_id: str | None, filtered: bool
    ) -> list[MemoryRecord] | None:
        """Ask the server once; None where its answer may lack one of the k nearest visible records."""
        from weaviate.classes.query import Filter, MetadataQuery

        wanted = Filter.by_property("closed_us").less_than(as_of_us) if filtered else None
        if symbol_id is not None:
            same = Filter.by_property("symbol_id").equal(symbol_id)
            wanted = same if wanted is None else wanted & same
        with self._translated():
            answer = self._collection.query.near_vector(
                near_vector=query.tolist(),
                limit=limit,
                filters=wanted,
                include_vector=True,
                return_metadata=MetadataQuery(distance=True),
                return_properties=["payload"],
            ).objects
        pairs = [(record_from(item), float(item.metadata.distance)) for item in answer]
        seen = [(record, distance) for record, distance in pairs if record.closed_us < as_of_us]
        if len(answer) < limit:  # the server has no more
            return [record for record, _ in seen]
        if len(seen) < k or pairs[-1][1] - seen[k - 1][1] <= TIE:
            return None
        return [record for record, _ in seen]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._client is None:
            raise MemoryUnavailable("the trade memory is closed")
        try:
            check_alive(self._client)
            yield
        except MemoryUnavailable:
            raise
        except Exception as error:
            raise MemoryUnavailable(f"Weaviate failed on tenant {self._tenant}: {first_line(error)}") from error


def _merged(found: Sequence[MemoryRecord], waiting: Sequence[MemoryRecord]) -> list[MemoryRecord]:
    """Join what the server found and what waits in the client; the newer content of a decision wins."""
    return list({record.decision_id: record for record in [*found, *waiting]}.values())
