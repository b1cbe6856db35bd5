"""The store is the truth: the memory is rebuilt from it, also when its server is killed in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from questions import FEATURES, START, question, result

from llm_plugin.domain import Action, Decision, DecisionRequest, ExitReason, Outcome, OutcomeKind, Source, Verdict
from llm_plugin.errors import LookaheadError, MemoryUnavailable
from llm_plugin.memory import LocalMemory, TradeMemory, VectorTransform, open_memory
from llm_plugin.memory.rebuild import is_remembered, rebuild, record_of, seed, stored_records
from llm_plugin.memory.server import start, stop
from llm_plugin.outcomes.store import OutcomeStore

TRANSFORM = VectorTransform()


def asked(number: int) -> DecisionRequest:
    """The n-th question; its features tell it from all others."""
    features = FEATURES | {"rsi_14": 20.0 + number % 61, "return_24": (number % 17) / 5 - 1.5}
    return question(number, Action.BUY if number % 2 else Action.SELL, sequence=number, features=features)


def led_to(number: int) -> Outcome:
    """Its outcome: every third was vetoed and followed as a shadow."""
    kind = OutcomeKind.REALISED if number % 3 else OutcomeKind.SHADOW
    return result(asked(number), r=number % 5 - 2.1, hours=3 + number % 20, kind=kind)


def save(store: OutcomeStore, number: int, with_outcome: bool = True) -> None:
    """Store the n-th decision, and its outcome with the rows of the actions not meant."""
    request, outcome = asked(number), led_to(number)
    verdict = Verdict.APPROVE if outcome.taken else Verdict.VETO
    decision = Decision(
        *(request.decision_id, request.run_id, request.kind, request.signal.symbol_id, request.signal.time_utc),
        *(verdict, request.signal.action, 1.0, 0.6, Source.LLM, request.signal.action, 0.6),
    )
    store.save_decision(request, decision)
    if with_outcome:
        store.save_outcome(outcome)
        store.save_outcome(result(request, r=1.0, kind=OutcomeKind.REPLAY))
        store.save_outcome(result(request, r=0.0, kind=OutcomeKind.REPLAY, action=Action.HOLD))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OutcomeStore]:
    """Forty decisions with outcomes, two without."""
    with OutcomeStore(str(tmp_path / "store.sqlite"), commit="group") as opened:
        for number in range(40):
            save(opened, number)
        for number in (40, 41):
            save(opened, number, with_outcome=False)
        yield opened


def test_rebuilt_memory_holds_each_trade_once_and_no_other_action(store: OutcomeStore) -> None:
    memory = LocalMemory()
    memory.add(record_of(asked(99), led_to(99), TRANSFORM))
    assert rebuild(store, memory, "run") == 40
    assert rebuild(store, memory, "run") == 40, "again changes nothing"
    kinds = {record.kind for record in stored_records(store, "run")}
    assert kinds == {OutcomeKind.REALISED, OutcomeKind.SHADOW}
    assert rebuild(store, memory, "run", shadow=False) == 26


@pytest.mark.parametrize(
    ("changes", "remembered"),
    [
        ({}, True),
        ({"kind": OutcomeKind.SHADOW}, True),
        ({"kind": OutcomeKind.REPLAY}, False),
        ({"action": Action.HOLD}, False),
        ({"exit_reason": ExitReason.END_OF_DATA}, False),
        ({"exit_reason": ExitReason.NOT_EXECUTED}, False),
    ],
)
def test_only_finished_trades_of_entries_are_remembered(changes: dict[str, object], remembered: bool) -> None:
    request = asked(1)
    assert is_remembered(request, result(request, r=1.0, **changes)) is remembered  # type: ignore[arg-type]


def test_rebuilt_memory_gives_the_hits_of_the_one_that_grew(store: OutcomeStore) -> None:
    grown, rebuilt = LocalMemory(), LocalMemory()
    for number in range(40):
        grown.add(record_of(asked(number), led_to(number), TRANSFORM))
    rebuild(store, rebuilt, "run")
    for number in range(0, 60, 3):
        vector, when = TRANSFORM(asked(number)), START + timedelta(hours=number)
        assert rebuilt.search(vector, 3, when) == grown.search(vector, 3, when)


def test_seed_run_must_have_ended_before(store: OutcomeStore) -> None:
    memory = LocalMemory()
    end = max(led_to(number).closed_utc for number in range(40))
    assert seed(store, memory, "run", end + timedelta(microseconds=1)) == 40
    empty = LocalMemory()
    with pytest.raises(LookaheadError, match=r"memory.seed_run 'run' holds 1 trades that closed at or after"):
        seed(store, empty, "run", end)
    assert empty.count() == 0


@pytest.mark.integration
@pytest.mark.slow
def test_killed_server_is_replaced_by_the_store_with_the_same_hits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weaviate dies in the middle of a run; nothing is lost or doubled, and no hit differs from a run without it."""
    from weaviate_here import weaviate_binary

    monkeypatch.setenv("WEAVIATE_BINARY", weaviate_binary())
    info = start()
    options = SimpleNamespace(backend="weaviate", url=None, grpc_port=0, api_key=None, timeout_seconds=2.0)
    memory: TradeMemory = open_memory(options, "killed-run")
    undisturbed = LocalMemory()
    failures = 0
    with OutcomeStore(str(tmp_path / "store.sqlite"), commit="group") as store:
        for number in range(200):
            vector, when = TRANSFORM(asked(number)), START + timedelta(hours=number)
            if number == 120:
                os.kill(info.pid, signal.SIGKILL)
            try:
                hits = memory.search(vector, 3, when)
            except MemoryUnavailable:
                failures += 1
                with contextlib.suppress(MemoryUnavailable):
                    memory.close()
                memory = LocalMemory()
                rebuild(store, memory, "run")
                hits = memory.search(vector, 3, when)
            assert hits == undisturbed.search(vector, 3, when), number
            save(store, number)
            record = record_of(asked(number), led_to(number), TRANSFORM)
            memory.add(record)
            undisturbed.add(record)
        assert failures == 1
        assert memory.count() == 200
        fresh = open_memory(options, "killed-run")
        assert rebuild(store, fresh, "run") == 200, "and the memory of the server can be made whole again"
        probe = TRANSFORM(asked(7))
        late = START + timedelta(hours=500)
        assert fresh.search(probe, 3, late) == undisturbed.search(probe, 3, late)
        fresh.close()
    stop()
