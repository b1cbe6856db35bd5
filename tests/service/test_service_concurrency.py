"""Many threads at once: one decision per id, one outcome per trade, one generation per answer, whoever is swapped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from questions import question, result

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, StoreUnavailable
from llm_plugin.reasoning import FakeModel
from llm_plugin.service.errors import UnknownDecision
from llm_plugin.service.model import BatchedModel
from llm_plugin.service.runs import Runs

ENTRY = (Action.BUY, Action.HOLD)


class Text:
    def __init__(self, text: str) -> None:
        self.prefix, self.suffix, self.hash = "", text, text


def in_threads(count: int, call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def test_the_same_question_from_many_threads_has_one_answer(service: Any, swapper: Any) -> None:
    decisions = in_threads(16, lambda _: service.validate(question()))
    assert all(decision == decisions[0] for decision in decisions)
    assert sum(1 for _ in service.store.decisions("run")) == 1


def test_the_same_outcome_from_many_threads_counts_once(service: Any) -> None:
    request = question()
    service.validate(request)
    statuses = [row.status for row in in_threads(16, lambda _: service.record(result(request, 1.0)))]
    assert sorted(statuses) == ["duplicate"] * 15 + ["recorded"]
    with service.runs.use("run") as run:
        assert run.parts.tracker.statistics(result(request, 1.0).closed_utc.replace(year=2015)).total_trades == 1


def test_under_swaps_every_answer_is_of_the_version_that_it_names(service: Any, registry: Any, swapper: Any) -> None:
    """Even versions approve, odd ones veto: an answer that mixed two would show."""
    versions = [registry.add(number) for number in range(1, 9)]
    for number, version in enumerate(versions):
        swapper.shares[version] = 0.9 if number % 2 else 0.1
    approves = {f"fake+{version}": number % 2 == 1 for number, version in enumerate(versions)} | {"fake+base": True}
    stop = threading.Event()
    answers: list[Any] = []

    def ask(client: int) -> None:
        hour = 0
        while not stop.is_set():
            answers.append(service.validate(question(hours=hour, run_id=f"client-{client}")))
            hour += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for version in versions:
        time.sleep(0.1)
        registry.promote(version, reason="test", force=True)
        service.learner.turn()
    stop.set()
    for thread in threads:
        thread.join()
    assert {decision.source.value for decision in answers} <= {"llm", "cache"}
    assert all(decision.approved == approves[decision.model_version] for decision in answers)
    assert len({decision.model_version for decision in answers}) >= 5


def test_what_waits_goes_together_and_nobody_waits_for_a_batch_to_fill() -> None:
    passes: list[int] = []
    inner = FakeModel(delay_seconds=0.05)
    model = BatchedModel(inner, 8, lambda questions, seconds, error: passes.append(questions))
    started = time.perf_counter()
    model.score([Text("alone")], [ENTRY])
    assert time.perf_counter() - started < 0.5
    answers = in_threads(16, lambda number: model.score([Text(str(number))], [ENTRY])[0])
    alone = [FakeModel().score([Text(str(number))], [ENTRY])[0] for number in range(16)]
    assert [a.log_probabilities for a in answers] == [a.log_probabilities for a in alone]
    assert passes[0] == 1
    assert sum(passes) == 17
    assert len(passes) < 10
    assert max(passes) <= 8


def test_one_callers_bad_question_fails_nobody_else() -> None:
    def rule(prompt: Any, legal: Any) -> dict[Action, float]:
        time.sleep(0.01)
        if prompt.suffix == "3":
            raise BackendUnavailable("cannot read 3")
        return dict.fromkeys(legal, 1.0)

    model = BatchedModel(FakeModel(rule))

    def ask(number: int) -> Any:
        try:
            return model.score([Text(str(number))], [ENTRY])[0]
        except BackendUnavailable as error:
            return str(error)

    answers = in_threads(8, ask)
    assert [number for number, answer in enumerate(answers) if answer == "cannot read 3"] == [3]


def test_failures_in_a_row_are_counted_and_forgotten() -> None:
    inner = FakeModel(error=BackendUnavailable("gone"))
    model = BatchedModel(inner)
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match="gone"):
            model.score([Text("x")], [ENTRY])
    assert model.failures_in_a_row == 3
    inner.error = None
    model.score([Text("x")], [ENTRY])
    assert model.failures_in_a_row == 0


def test_a_run_that_made_room_is_made_again_from_the_store(service: Any) -> None:
    service.runs = Runs(service.settings, service.store, service.model, None, service._reports, most=2)
    request = question(run_id="first")
    decision = service.validate(request)
    service.record(result(request, 1.0))
    for name in ("second", "third"):
        service.validate(question(run_id=name))
    assert set(service.runs.known()) == {"second", "third"}
    later = service.validate(question(hours=48, run_id="first"))
    assert later.memory_hits == (decision.decision_id,)
    assert len(service.runs.known()) == 2


def test_an_unknown_decision_is_named_and_leaves_no_run(service: Any) -> None:
    with pytest.raises(UnknownDecision, match=question().decision_id):
        service.record(result(question(), 1.0))
    assert service.runs.known() == []


def test_a_store_that_is_gone_acknowledges_nothing(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    request = question()
    service.validate(request)
    whole = service.store.save_outcome

    def full(outcome: Any) -> bool:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(service.store, "save_outcome", full)
    with pytest.raises(StoreUnavailable, match="send it again"):
        service.record(result(request, 1.0))
    monkeypatch.setattr(service.store, "save_outcome", whole)
    assert service.record(result(request, 1.0)).status in ("recorded", "duplicate")
    assert len(service.store.outcomes("run")) == 1
    vetoed = service.validate(question(hours=1))
    assert vetoed.source.value == "llm"
