"""Outcomes, memory and session: exactly once, as of the question, through the death of the memory's server."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest_validator import Make, taking
from hypothesis import given, settings
from hypothesis import strategies as st
from questions import FEATURES, question, result

from llm_plugin.domain import Action, Decision, DecisionRequest, Outcome, OutcomeKind, Source
from llm_plugin.errors import ConfigError, LookaheadError, MemoryUnavailable
from llm_plugin.hashing import decisions_hash
from llm_plugin.memory.local import LocalMemory
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.reasoning import FakeModel
from llm_plugin.settings import resolve
from llm_plugin.validator import Validator

RESULTS = (1.5, -1.0, 0.4, -1.0, 1.5, -0.3)


def ask(hour: int, run_id: str = "run") -> DecisionRequest:
    features = {**FEATURES, "rsi_14": 40.0 + 7 * (hour % 5), "return_24": math.sin(hour)}
    return question(hour, Action.BUY if hour % 3 else Action.SELL, features=features, run_id=run_id)


def play(validator: Validator, hours: Sequence[int], run_id: str = "run", held: float = 2.5) -> list[Decision]:
    """Ask at every hour; what was taken closes `held` hours later, what was not is followed as a shadow."""
    pending: list[tuple[datetime, Outcome]] = []
    decisions = []
    for hour in hours:
        request = ask(hour, run_id)
        now = request.market.time_utc
        for closed, outcome in [item for item in pending if item[0] <= now]:
            validator.record_outcome(outcome)
            pending.remove((closed, outcome))
        decision = validator.validate(request)
        decisions.append(decision)
        kind = OutcomeKind.REALISED if decision.approved else OutcomeKind.SHADOW
        outcome = result(request, RESULTS[hour % len(RESULTS)], held, kind)
        pending.append((outcome.closed_utc, outcome))
    return decisions


class Dying:
    """A memory whose server is killed after some searches; `hangs`: its client then tries for a while."""

    def __init__(self, searches: int, hangs: float = 0.0) -> None:
        self.inside = LocalMemory()
        self.left = searches
        self.hangs = hangs
        self.closed = 0

    def _alive(self) -> None:
        if self.left < 0:
            time.sleep(self.hangs)
            raise MemoryUnavailable("connection refused")

    def search(self, *args: Any, **options: Any) -> Any:
        """Answer, until killed."""
        self.left -= 1
        self._alive()
        return self.inside.search(*args, **options)

    def add(self, record: Any) -> None:
        """Remember, until killed."""
        self._alive()
        self.inside.add(record)

    def add_many(self, records: Sequence[Any]) -> None:
        """Remember many."""
        self.inside.add_many(records)

    def close(self) -> None:
        """Fail as a dead connection does."""
        self.closed += 1
        raise MemoryUnavailable("connection refused")


def test_outcomes_reach_store_memory_and_session_once(make: Make, store: OutcomeStore) -> None:
    memory = LocalMemory()
    validator = make(memory=memory)
    request = ask(1)
    validator.validate(request)
    for _ in range(3):
        validator.record_outcome(result(request, 1.0, 2))
    validator.record_outcome(result(request, 1.1, 2, OutcomeKind.REPLAY))
    validator.record_outcome(result(request, 0.0, 2, OutcomeKind.REPLAY, action=Action.HOLD))
    assert memory.count() == 1
    assert len(store.outcomes("run")) == 3
    later = validator.validate(ask(30))
    assert later.memory_hits == (request.decision_id,)
    prompt = store.decision(later.decision_id)
    assert prompt is not None
    assert "WIN=20 " in (prompt.prompt_text or "")


def test_the_memory_shows_a_trade_only_after_it_closed(make: Make) -> None:
    """Planted offender: a memory that is asked without a time shows trades from the future."""
    memory = LocalMemory()
    validator = make(memory=memory)
    request = ask(1)
    validator.validate(request)
    validator.record_outcome(result(request, 1.0, 10))
    assert validator.validate(ask(4)).memory_hits == ()
    assert validator.validate(ask(11)).memory_hits == ()
    assert validator.validate(ask(12)).memory_hits == (request.decision_id,)
    from llm_plugin.memory.vector import VectorTransform

    timeless = memory.search(VectorTransform()(ask(4)), 3, ask(4).market.time_utc + timedelta(days=9999))
    assert [hit.record.decision_id for hit in timeless] == [request.decision_id]


def test_without_shadows_only_real_trades_are_remembered(make: Make) -> None:
    for shadow, count in (("true", 1), ("false", 0)):
        memory, run_id = LocalMemory(), f"run-{shadow}"
        validator = make(f"memory.shadow={shadow}", memory=memory, model=taking(0.1), run_id=run_id)
        request = ask(1, run_id)
        validator.validate(request)
        validator.record_outcome(result(request, 1.0, 2, OutcomeKind.SHADOW))
        assert memory.count() == count


def test_two_runs_decide_the_same(make: Make) -> None:
    hashes = set()
    for run_id in ("a", "b"):
        decisions = play(make(model=FakeModel(), memory=LocalMemory(), run_id=run_id), range(60), run_id)
        hashes.add(decisions_hash(decisions))
        assert len({(d.verdict, round(d.confidence, 3)) for d in decisions}) > 10
    assert len(hashes) == 1


@pytest.mark.parametrize("searches", [0, 1, 7, 25])
def test_a_memory_that_dies_changes_no_decision(make: Make, store: OutcomeStore, searches: int) -> None:
    healthy = play(make(model=FakeModel(), run_id="healthy"), range(40), "healthy")
    memory = Dying(searches)
    validator = make(model=FakeModel(), memory=memory, run_id="dying")
    dying = play(validator, range(40), "dying")
    assert decisions_hash(dying) == decisions_hash(healthy)
    assert [len(d.memory_hits) for d in dying] == [len(d.memory_hits) for d in healthy]
    assert max(len(d.memory_hits) for d in dying) == 3
    assert Source.FALLBACK not in {d.source for d in dying}
    assert (validator.health()["memory"], validator.health()["memory_failures"]) == ("local", 1)
    validator.close()
    assert memory.closed == 1
    assert len(store.outcomes("dying")) == len(store.outcomes("healthy"))


def test_a_memory_that_hangs_costs_one_wait(make: Make) -> None:
    healthy = play(make(model=FakeModel(), run_id="healthy"), range(20), "healthy")
    hanging = make("memory.timeout_seconds=0.5", model=FakeModel(), memory=Dying(5, hangs=6.0), run_id="hanging")
    started = time.monotonic()
    decisions = play(hanging, range(20), "hanging")
    assert time.monotonic() - started < 4.0  # the whole hang is 6 s, a wait for each of the others 7
    assert decisions_hash(decisions) == decisions_hash(healthy)
    assert hanging.health()["memory_failures"] == 1


def test_a_memory_that_cannot_be_closed_fails_no_run(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import llm_plugin.memory

    memory = Dying(99)
    monkeypatch.setattr(llm_plugin.memory, "open_memory", lambda *args, **options: memory)
    make(memory=None).close()
    assert memory.closed == 1


def test_a_memory_that_merely_went_empty_would_change_decisions(make: Make) -> None:
    """Planted offender: going on without memories, silently."""
    healthy = play(make(model=FakeModel(), run_id="healthy"), range(40), "healthy")
    without = play(make("memory.backend=none", model=FakeModel(), memory=None, run_id="w"), range(40), "w")
    assert decisions_hash(healthy) != decisions_hash(without)


def test_a_restarted_run_goes_on_as_if_it_had_not_stopped(make: Make, tmp_path: Any) -> None:
    overrides = ("risk.cooldown_bars=4", "memory.backend=local")
    whole = play(make(*overrides, model=FakeModel(), run_id="whole"), range(40), "whole")

    def opened() -> tuple[OutcomeStore, Validator]:
        kept = OutcomeStore(f"sqlite:///{tmp_path / 'live.sqlite'}")
        return kept, make(*overrides, model=FakeModel(), store=kept, run_id="whole", memory=None)

    first_store, first = opened()
    before = play(first, range(20), "whole")
    first.close()
    first_store.close()
    second_store, second = opened()
    again = [second.validate(ask(hour, "whole")) for hour in range(20)]
    assert again == before
    for hour in range(16, 20):  # still open when the process died: their outcomes come now
        decision = before[hour]
        kind = OutcomeKind.REALISED if decision.approved else OutcomeKind.SHADOW
        if hour + 2.5 > 19:
            continue
        second.record_outcome(result(ask(hour, "whole"), RESULTS[hour % len(RESULTS)], 2.5, kind))
    late = [(hour, before[hour]) for hour in (17, 18, 19)]
    after = []
    for hour in range(20, 40):
        due = [item for item in late if item[0] + 2.5 <= hour]
        for start, decision in due:
            kind = OutcomeKind.REALISED if decision.approved else OutcomeKind.SHADOW
            second.record_outcome(result(ask(start, "whole"), RESULTS[start % len(RESULTS)], 2.5, kind))
            late.remove((start, decision))
        decision = second.validate(ask(hour, "whole"))
        after.append(decision)
        late.append((hour, decision))
    second.close()
    second_store.close()
    assert decisions_hash(before + after) == decisions_hash(whole)
    assert [d.risk_rule for d in before + after] == [d.risk_rule for d in whole]
    assert [d.memory_hits for d in before + after] == [d.memory_hits for d in whole]


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 30), st.floats(0.5, 40))
def test_no_decision_depends_on_a_later_bar(cut: int, held: float) -> None:
    """Cut the future off and get the same decisions; asked again when all is known, the same once more."""
    options = {"model": FakeModel(), "memory": LocalMemory()}
    base = resolve(overrides=["signals.kind=none"], env={}).settings
    with OutcomeStore("sqlite:///:memory:") as first, OutcomeStore("sqlite:///:memory:") as second:
        knows_all = Validator.from_settings(base, "run", store=first, **options)
        decided = play(knows_all, range(30), held=held)
        for hour, decision in enumerate(decided):
            kind = OutcomeKind.REALISED if decision.approved else OutcomeKind.SHADOW
            knows_all.record_outcome(result(ask(hour), RESULTS[hour % len(RESULTS)], held, kind))
        replayed = _ask_again(knows_all, base, cut)
        fresh = Validator.from_settings(base, "run", store=second, model=FakeModel(), memory=LocalMemory())
        truncated = play(fresh, range(cut), held=held)
        assert decisions_hash(replayed) == decisions_hash(decided[:cut]) == decisions_hash(truncated)
        assert [d.memory_hits for d in truncated] == [d.memory_hits for d in decided[:cut]]
        knows_all.close()
        fresh.close()


def _ask_again(validator: Validator, settings_: Any, cut: int) -> list[Decision]:
    """Answer old questions with everything known by now, past the ledger that would return the stored answers."""
    from llm_plugin.risk import RiskGate
    from llm_plugin.validator.ledger import Ledger

    parts = validator._parts
    parts.ledger = Ledger(None, "", "")
    parts.gate = RiskGate(settings_.risk, parts.tracker.shadow_wins)
    return [validator.validate(ask(hour)) for hour in range(cut)]


def test_a_seeded_memory_starts_with_an_earlier_run(make: Make) -> None:
    play(make(model=FakeModel(), run_id="early"), range(20), "early")
    seeded = make("memory.seed_run=early", "memory.backend=local", memory=None, model=FakeModel(), run_id="later")
    assert len(seeded.validate(ask(100, "later")).memory_hits) == 3
    early = make("memory.seed_run=early", model=FakeModel(), run_id="soon")
    with pytest.raises(LookaheadError, match=r"closed trades until 2014-03-03T.*first question at 2014-03-03T05:00"):
        early.validate(ask(5, "soon"))
    with pytest.raises(ConfigError, match=r"memory.seed_run = 'nowhere': neither a run of"):
        make("memory.seed_run=nowhere", run_id="lost")
    plain = make("memory.backend=local", memory=None, model=FakeModel(), run_id="plain")
    assert plain.validate(ask(100, "plain")).memory_hits == ()
