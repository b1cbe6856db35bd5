"""Who serves: the pointer is followed, a bad version is refused, a worse one goes back, and all of it is told."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from questions import question, result

from llm_plugin.cycle.run import lease_name
from llm_plugin.cycle.words import CHAMPION_PROMOTED, CHAMPION_ROLLED_BACK
from llm_plugin.domain import OutcomeKind
from llm_plugin.errors import BackendUnavailable
from llm_plugin.learning.database import LearningDatabase
from llm_plugin.learning.leases import holder_name
from llm_plugin.service.champion import REFUSED
from llm_plugin.service.errors import Conflict, UnknownVersion


def promote(registry: Any, version: str) -> None:
    registry.promote(version, reason="test", force=True)


def verdicts(service: Any, hours: range, run_id: str = "run") -> set[str]:
    return {service.validate(question(hours=hour, run_id=run_id)).verdict.value for hour in hours}


def test_a_promotion_serves_within_one_turn_and_names_itself(service: Any, registry: Any, swapper: Any) -> None:
    new = registry.add(1)
    swapper.shares[new] = 0.1
    assert service.validate(question()).model_version == "fake+base"
    promote(registry, new)
    service.learner.turn()
    decision = service.validate(question(hours=1))
    assert (decision.model_version, decision.verdict.value) == (f"fake+{new}", "veto")
    assert service.stats()["current_version"] == new
    assert service.stats()["previous_version"] == "base"


def test_a_broken_version_is_refused_by_reason_and_whoever_serves_stays(
    service: Any, registry: Any, swapper: Any
) -> None:
    bad, good = registry.add(1), registry.add(2)
    swapper.broken[bad] = "rank 8 does not fit rank 16"
    promote(registry, bad)
    service.learner.turn()
    assert service.validate(question()).model_version == "fake+base"
    assert service.stats()["refused_versions"] == {bad: "rank 8 does not fit rank 16"}
    database = LearningDatabase(service.store.url)
    (event,) = database.events(REFUSED)
    assert event.payload["reason"] == "rank 8 does not fit rank 16"
    promote(registry, good)
    service.learner.turn()
    assert service.validate(question(hours=1)).model_version == f"fake+{good}"
    assert b"lean_llm_swaps_refused_total 1.0" in service.metrics_text()


def test_a_start_with_a_broken_champion_serves_the_one_before(make_service: Any, registry: Any) -> None:
    from llm_plugin.errors import ModelError
    from llm_plugin.service.champion import first_version

    good, bad = registry.add(1), registry.add(2)
    promote(registry, good)
    promote(registry, bad)
    whole = registry.verify

    def verify(version: str, **options: Any) -> Any:
        if version == bad:
            raise ModelError("adapter_model.safetensors was changed")
        return whole(version, **options)

    registry.verify = verify
    label, folder, reason = first_version(registry, None, None)
    assert (label, reason) == (good, "adapter_model.safetensors was changed")
    assert folder is not None
    assert folder.name == good


def test_an_operator_goes_back_and_forth(service: Any, registry: Any) -> None:
    new = registry.add(1)
    promote(registry, new)
    service.learner.turn()
    answer = service.rollback(None, "looks odd")
    assert (answer["status"], answer["version"], answer["replaced"]) == ("rolled_back", "base", new)
    assert service.validate(question()).model_version == "fake+base"
    with pytest.raises(Conflict, match="no previous version"):
        service.rollback(None, "again")
    with pytest.raises(UnknownVersion, match="v9999"):
        service.rollback("v9999", "typo")
    assert service.rollback(new, "it was fine")["version"] == new
    events = [event.event for event in LearningDatabase(service.store.url).events()]
    assert events.count(CHAMPION_ROLLED_BACK) == 2
    assert CHAMPION_PROMOTED in events


def test_the_previous_version_answers_in_shadow_off_the_path(service: Any, registry: Any, swapper: Any) -> None:
    new = registry.add(1)
    swapper.shares[new] = 0.1
    promote(registry, new)
    service.learner.turn()
    requests = [question(hours=hour) for hour in range(5)]
    asked_before = swapper.models["base"].calls
    for request in requests:
        service.validate(request)
    service.learner._shadow.flush()
    answers = LearningDatabase(service.store.url).shadows("base")
    assert {answer.decision_id for answer in answers} == {request.decision_id for request in requests}
    assert all(answer.approved for answer in answers)
    assert all(not service.store.decision(request.decision_id).decision.approved for request in requests)
    assert swapper.models["base"].calls > asked_before


def lose(service: Any, count: int, first_hour: int = 0, r: float = -1.0) -> None:
    """Trades that the serving version lets through and that lose; their replays say so."""
    for number in range(count):
        request = question(hours=first_hour + 6 * number)
        decision = service.validate(request)
        kind = OutcomeKind.REPLAY if decision.approved else OutcomeKind.SHADOW
        service.record(result(request, r, hours=3, kind=kind))
    service.validate(question(hours=first_hour + 6 * count + 100))  # the run goes on: what was asked before matures


def test_a_version_that_is_worse_is_rolled_back_by_the_watch(service: Any, registry: Any, swapper: Any) -> None:
    """The new one approves everything and loses; the one before would have vetoed."""
    swapper.shares["base"] = 0.1
    served = service.model.model
    served.swap(served.build(None, "calm"))
    served.swap(served.build(None, "base"))
    bad = registry.add(1)
    promote(registry, bad)
    service.learner.turn()
    lose(service, 120)
    service.learner.turn()
    assert registry.pointer().champion == "base"
    assert service.validate(question(hours=2000)).model_version == "fake+base"
    (event,) = LearningDatabase(service.store.url).events(CHAMPION_ROLLED_BACK)
    assert "watch: " in event.payload["reason"]
    assert b'lean_llm_rollbacks_total{cause="watch"} 1.0' in service.metrics_text()


def test_a_version_that_does_as_well_stays(service: Any, registry: Any) -> None:
    """The clean twin: both approve everything, the market loses for both."""
    twin = registry.add(1)
    promote(registry, twin)
    service.learner.turn()
    lose(service, 120)
    service.learner.turn()
    assert registry.pointer().champion == twin
    assert service.stats()["watch"]["status"] == "watching"


def test_a_restart_goes_on_with_the_watch(make_service: Any, registry: Any, swapper: Any) -> None:
    first = make_service()
    promote(registry, registry.add(1))
    first.learner.turn()
    lose(first, 30)
    first.learner.turn()
    seen = first.stats()["watch"]["outcomes"]
    assert seen == 30
    first.close()
    second = make_service()
    second.learner._news.set()
    second.learner.turn()
    assert second.stats()["watch"]["outcomes"] == seen


def test_a_version_that_fails_in_a_row_is_rolled_back(service: Any, registry: Any, swapper: Any) -> None:
    new = registry.add(1)
    promote(registry, new)
    service.learner.turn()
    swapper.models[new].error = BackendUnavailable("out of memory")
    decisions = [service.validate(question(hours=hour)) for hour in range(5)]
    assert {decision.source.value for decision in decisions} == {"fallback"}
    service.learner.turn()
    assert registry.pointer().champion == "base"
    assert "failed to answer 5 times" in registry.pointer().reason
    assert service.validate(question(hours=9)).source.value == "llm"


def test_four_failures_are_none(service: Any, registry: Any, swapper: Any) -> None:
    new = registry.add(1)
    promote(registry, new)
    service.learner.turn()
    swapper.models[new].error = BackendUnavailable("busy")
    for hour in range(4):
        service.validate(question(hours=hour))
    swapper.models[new].error = None
    service.validate(question(hours=4))
    swapper.models[new].error = BackendUnavailable("busy")
    for hour in range(5, 9):
        service.validate(question(hours=hour))
    service.learner.turn()
    assert registry.pointer().champion == new


class Sleeper:
    """Stands in for a cycle's process."""

    def __init__(self) -> None:
        self.specs: list[dict[str, Any]] = []

    def __call__(self, spec: dict[str, Any], folder: Path) -> subprocess.Popen[bytes]:
        self.specs.append(spec)
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_retrain_says_how_many_are_missing(make_service: Any) -> None:
    launch = Sleeper()
    service = make_service("learning.min_outcomes=3", launch=launch)
    lose(service, 2)
    answer = service.trigger_retrain()
    assert (answer["status"], answer["count"], answer["needed"]) == ("insufficient_data", 2, 3)
    assert not launch.specs


def test_retrain_starts_once_and_names_who_is_at_it(make_service: Any) -> None:
    launch = Sleeper()
    service = make_service("learning.min_outcomes=3", "learning.busy_hours=[]", "service.api_key=secret", launch=launch)
    lose(service, 4)
    started = service.trigger_retrain(reason="drift seen by eye")
    assert started["status"] == "started"
    assert launch.specs[0]["settings"]["service"]["api_key"] == "secret"
    again = service.trigger_retrain(force=True)
    assert (again["status"], again["holder"]) == ("refused", f"http task {started['task_id']}")
    assert service.stats()["retrain_running"] == started["task_id"]


def test_retrain_is_refused_while_another_program_has_the_lease(make_service: Any) -> None:
    launch = Sleeper()
    service = make_service("learning.min_outcomes=3", "learning.busy_hours=[]", launch=launch)
    lose(service, 4)
    database = LearningDatabase(service.store.url)
    holder = holder_name("prefect")
    lease = database.acquire(lease_name("validator"), holder, 60)
    answer = service.trigger_retrain(force=True)
    assert (answer["status"], answer["holder"]) == ("refused", holder)
    assert "T" in answer["until_utc"]
    database.release(lease)
    assert service.trigger_retrain(force=True)["status"] == "started"


def test_retrain_waits_for_the_end_of_busy_hours(make_service: Any) -> None:
    launch = Sleeper()
    service = make_service(
        "learning.min_outcomes=3",
        "learning.busy_hours=['00:00-12:00', '12:00-24:00']",
        "learning.busy_timezone=UTC",
        launch=launch,
    )
    weekday = datetime(2026, 11, 18, 10, tzinfo=UTC)
    service.learner._clock = lambda: weekday
    lose(service, 4)
    assert service.trigger_retrain()["holder"] == "busy hours"
    assert service.trigger_retrain(force=True)["status"] == "started"


def test_stats_report_the_change_of_the_win_rate_with_its_interval(service: Any, registry: Any, swapper: Any) -> None:
    def trades(first_hour: int, wins: int, losses: int) -> None:
        for number in range(wins + losses):
            request = question(hours=first_hour + number * 24, features={"adx_14": 20.0})
            service.validate(request)
            service.record(result(request, 1.0 if number < wins else -1.0, hours=2))

    settings = service.settings.risk
    assert settings.enable_risk_veto
    trades(0, 10, 20)
    unknown = service.stats()["win_rate_improvement"]
    assert unknown["change"] is None
    assert "cannot judge" in unknown["reason"]
    promote(registry, registry.add(1))
    service.learner.turn()
    trades(24 * 40, 24, 6)
    change = service.stats()["win_rate_improvement"]
    assert change["before_trades"] + change["after_trades"] == 60
    assert change["low"] < change["change"] < change["high"]
    assert change["low"] > 0


def test_an_idle_service_knows_when_the_next_retrain_is_due(make_service: Any) -> None:
    service = make_service("learning.min_outcomes=10")
    lose(service, 4)
    stats = service.stats()
    assert stats["buffer_size"] == 4
    assert stats["next_retrain_utc"] is None
    assert "none matured in the last week" in stats["next_retrain"]
    now = question().market.time_utc + timedelta(hours=150)
    service.learner._clock = lambda: now
    stats = service.stats()
    assert "at 0." in stats["next_retrain"]
    assert stats["next_retrain_utc"] > now.isoformat()


def test_reasons_are_written_while_nobody_asks_and_change_no_decision(service: Any, registry: Any) -> None:
    first = service.validate(question())
    assert first.reason == ""
    assert service.learner._reasons.write_some() == 1
    stored = service.store.decision(first.decision_id).decision
    assert stored.reason.startswith("fake reason for BUY")
    assert service.learner._reasons.write_some() == 0
    service.validate(question(hours=1))
    promote(registry, registry.add(1))
    service.learner.turn()
    assert service.learner._reasons.write_some() == 0  # another version has nothing to say about it


def test_reasons_can_be_switched_off(make_service: Any) -> None:
    assert make_service("reasoning.reasons=never").learner._reasons is None


def test_shadow_answers_that_a_kill_cost_are_given_after_the_restart(make_service: Any, registry: Any) -> None:
    new = registry.add(1)
    promote(registry, new)
    first = make_service()
    first.learner.turn()
    requests = [question(hours=hour) for hour in range(4)]
    for request in requests:
        first.validate(request)
    database = LearningDatabase(first.store.url)
    assert database.shadows("base") == []
    first.close()
    second = make_service()
    second.learner.turn()
    second.learner._shadow.flush()
    assert {answer.decision_id for answer in database.shadows("base")} == {r.decision_id for r in requests}
    assert second.learner._shadow.catch_up(f"fake+{new}") == 0


@pytest.mark.integration
def test_a_cycle_runs_in_a_process_of_its_own_and_ends_in_the_journal(make_service: Any, own_home: Path) -> None:
    service = make_service("learning.busy_hours=[]", "registry.mirror=false", "service.api_key=secret")
    lose(service, 3)
    started = service.trigger_retrain(force=True)
    assert started["status"] == "started"
    assert service.learner._retraining._process.wait(120) == 0
    last = service.stats()["last_retrain"]
    assert last["status"] == "insufficient_data"
    folder = own_home / "service" / "tasks" / started["task_id"]
    assert "insufficient_data" in (folder / "cycle.log").read_text()
    assert all("secret" not in path.read_text() for path in folder.iterdir())
    assert service.stats()["retrain_running"] is None
