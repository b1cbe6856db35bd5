"""What every back end of the trade memory does alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from remembered import make_record, moment, random_vectors, unit

from llm_plugin.errors import DataError
from llm_plugin.memory import LocalMemory, MemoryHit, MemoryRecord, TradeMemory
from llm_plugin.memory import weaviate_store as store_module


def brute_force(
    records: list[MemoryRecord], query: np.ndarray, k: int, hour: float, symbol_id: str | None = None
) -> list[str]:
    """The definition: closed strictly before, nearest first, the symbol's first, ties by id."""
    as_of = moment(hour)
    keys = [
        (
            symbol_id is not None and record.symbol_id != symbol_id,
            float(np.square(record.vector.astype(float) - query.astype(float)).sum()),
            record.decision_id,
        )
        for record in records
        if record.closed_utc < as_of
    ]
    return [identity for _, _, identity in sorted(keys)[:k]]


def ids(hits: list[MemoryHit]) -> list[str]:
    """The decisions of the hits."""
    return [hit.record.decision_id for hit in hits]


def test_is_a_trade_memory(memory: TradeMemory) -> None:
    assert isinstance(memory, TradeMemory)
    assert memory.count() == 0
    assert memory.search(random_vectors(1)[0], 3, moment(1e5)) == []


def test_record_comes_back_as_it_was(memory: TradeMemory) -> None:
    record = make_record(1, random_vectors(1)[0])
    memory.add(record)
    hit = memory.search(record.vector, 3, moment(2))[0]
    assert hit.record == record
    assert hit.record.reasoning == "because"
    np.testing.assert_array_equal(hit.record.vector, record.vector)
    assert hit.distance == 0.0
    assert hit.similarity == 1.0


def test_hits_are_those_of_the_definition_at_every_time(memory: TradeMemory) -> None:
    vectors = random_vectors(420)
    records = [make_record(i, v, symbol_id="XYZ"[i % 3]) for i, v in enumerate(vectors[:400])]
    memory.add_many(records[:150])
    for record in records[150:]:
        memory.add(record)
    rng = np.random.default_rng(3)
    for query in vectors[400:]:
        for hour in (1e5, 400, 399, float(rng.integers(0, 400)), rng.uniform(0, 400), 2, 0):
            for symbol_id in (None, "X", "unknown"):
                found = ids(memory.search(query, 3, moment(hour), symbol_id))
                assert found == brute_force(records, query, 3, hour, symbol_id), (hour, symbol_id)
    assert memory.count() == 400


def future_blind(memory: TradeMemory, query: np.ndarray, hour: float) -> list[MemoryHit]:
    """The planted offender: a search that forgets the as-of time."""
    return memory.search(query, 3, moment(1e6))


def test_trade_from_the_future_is_never_seen(memory: TradeMemory) -> None:
    """Trap: memory that shows trades from the future. The nearest trades are all in it."""
    vectors = random_vectors(300)
    query = vectors[-1]
    past = [make_record(i, v) for i, v in enumerate(vectors[:100])]
    future = [make_record(1000 + i, unit(query + 0.001 * v), hour=200 + i) for i, v in enumerate(vectors[:100])]
    memory.add_many([*past, *future])
    for hour in (50, 150, 200, 200.5, 250):
        seen = memory.search(query, 3, moment(hour))
        assert all(hit.record.closed_utc < moment(hour) for hit in seen)
        assert ids(seen) == brute_force([*past, *future], query, 3, hour)
    offended = future_blind(memory, query, 150)
    assert any(hit.record.closed_utc >= moment(150) for hit in offended)


def test_truncating_the_future_changes_no_hit(memory: TradeMemory) -> None:
    vectors = random_vectors(210)
    records = [make_record(i, v) for i, v in enumerate(vectors[:200])]
    memory.add_many(records[:120])
    before = [memory.search(query, 3, moment(120)) for query in vectors[200:]]
    memory.add_many(records[120:])
    assert [memory.search(query, 3, moment(120)) for query in vectors[200:]] == before


def test_trade_is_visible_strictly_after_its_close(memory: TradeMemory) -> None:
    record = make_record(5, random_vectors(1)[0])
    memory.add(record)
    assert memory.search(record.vector, 3, record.closed_utc) == []
    assert len(memory.search(record.vector, 3, moment(5 + 1e-6))) == 1


def test_ties_are_broken_by_id(memory: TradeMemory) -> None:
    same = random_vectors(1)[0]
    for number in (7, 3, 9, 1, 5, 8, 2, 6, 4, 0, 11, 10):
        memory.add(make_record(number, same))
    expected = [f"decision-{n:06d}" for n in range(3)]
    assert ids(memory.search(same, 3, moment(100))) == expected
    assert ids(memory.search(same, 3, moment(6))) == expected


def test_same_decision_again_is_no_second_trade(memory: TradeMemory) -> None:
    record = make_record(1, random_vectors(1)[0])
    for _ in range(3):
        memory.add(record)
    memory.add_many([record, record])
    assert memory.count() == 1
    assert len(memory.search(record.vector, 3, moment(10))) == 1


def test_trades_of_the_symbol_come_first_and_others_fill_up(memory: TradeMemory) -> None:
    near, far = random_vectors(2, seed=5)
    memory.add_many([make_record(i, near, symbol_id="OTHER") for i in range(5)])
    memory.add(make_record(9, far, symbol_id="MINE"))
    assert ids(memory.search(near, 3, moment(50), "MINE"))[0] == "decision-000009"
    assert len(memory.search(near, 3, moment(50), "MINE")) == 3
    assert ids(memory.search(near, 1, moment(50), None)) == ["decision-000000"]


def test_late_reported_trade_takes_its_place_in_time(memory: TradeMemory) -> None:
    vectors = random_vectors(30)
    for i in (*range(10, 30), *range(10)):
        memory.add(make_record(i, vectors[i]))
    found = memory.search(vectors[20], 3, moment(10))
    assert found
    assert all(hit.record.closed_utc < moment(10) for hit in found)


def test_clear_forgets_everything(memory: TradeMemory) -> None:
    memory.add_many([make_record(i, v) for i, v in enumerate(random_vectors(5))])
    memory.clear()
    assert memory.count() == 0
    assert memory.search(random_vectors(1)[0], 3, moment(100)) == []
    memory.add(make_record(1, random_vectors(1)[0]))
    assert memory.count() == 1


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones(64, np.float32), "has length 8, not 1"),
        (unit(np.ones(32)), r"shape \(32,\)"),
        (np.full(64, np.nan, np.float32), "no number at 0"),
    ],
)
def test_vectors_of_another_kind_are_refused(memory: TradeMemory, vector: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        memory.add(make_record(1, vector))
    with pytest.raises(DataError, match=message):
        memory.search(vector, 3, moment(1))
    assert memory.count() == 0


def test_as_of_time_needs_a_zone(memory: TradeMemory) -> None:
    with pytest.raises(DataError, match="has no zone"):
        memory.search(random_vectors(1)[0], 3, moment(1).replace(tzinfo=None))


@pytest.mark.integration
@pytest.mark.parametrize("early", [8192, 20])
def test_back_ends_agree_bit_for_bit(
    open_weaviate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, early: int
) -> None:
    """With a short early history, over-fetching and the server's filter have to answer too."""
    monkeypatch.setattr(store_module, "EARLY", early)
    remote, local = open_weaviate(buffer=50), LocalMemory()
    vectors = random_vectors(1530, seed=9)
    ways = set()
    ask = remote._ask
    monkeypatch.setattr(remote, "_ask", lambda *args, **kw: ways.add(kw["filtered"]) or ask(*args, **kw))
    for i, vector in enumerate(vectors[:1500]):
        record = make_record(i, vector, symbol_id="XY"[i % 2])
        remote.add(record)
        local.add(record)
    rng = np.random.default_rng(1)
    for query in vectors[1500:]:
        for hour in (1e5, *rng.uniform(0, 1500, 4)):
            for symbol_id in (None, "X"):
                assert remote.search(query, 3, moment(hour), symbol_id) == local.search(
                    query, 3, moment(hour), symbol_id
                )
    assert ways == ({False} if early == 8192 else {False, True})


def test_growing_memory_answers_for_every_time_at_every_step(memory: TradeMemory) -> None:
    """Searches in between must not leave the memory with an old picture of its early trades."""
    vectors = random_vectors(160, seed=2)
    rng = np.random.default_rng(8)
    records: list[MemoryRecord] = []
    for i, vector in enumerate(vectors[:150]):
        records.append(make_record(i, vector, hour=i + float(rng.integers(0, 30))))
        memory.add(records[-1])
        if i % 5 == 0:
            query = vectors[150 + i % 10]
            for hour in (i, i + 15, float(rng.uniform(0, i + 30))):
                assert ids(memory.search(query, 3, moment(hour))) == brute_force(records, query, 3, hour), (i, hour)
