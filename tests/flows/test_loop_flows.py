"""The flows of the loop, on a small world and a real Prefect server: what they do, and what people read afterwards."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "cycle"))

from cycle_world import fill_store, open_parts, open_threshold, world_settings

from llm_plugin.errors import BackendUnavailable, MemoryUnavailable, TrainingFailed
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.stack.loop import Loop, open_loop

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


class World:
    """Configuration, store and the time at which everything has matured."""

    def __init__(self, config: Path, as_of: datetime) -> None:
        self.config = config
        self.as_of = as_of


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_home: Path) -> World:
    """A store with a planted rule; model and trainer are those of the small world, all else is real."""
    settings = world_settings()
    config = tmp_path / "llm_config.yaml"
    url = f"sqlite:///{own_home}/service/store.sqlite"
    sections = {"learning", "gate", "fusion", "llm_model"}
    values = settings.model_dump(mode="json", include=sections, exclude_unset=True)
    values["learning"]["store_url"] = url
    config.write_text(yaml.safe_dump(values))
    with OutcomeStore(url, commit="group") as store:
        as_of = fill_store(store, settings)

    def parts(self: Loop, on_stage: Any) -> Any:
        from dataclasses import replace

        small = open_parts(own_home, self.settings, self.store)
        small.database.close()
        return replace(small, database=self.database, registry=self.registry, on_stage=on_stage)

    def model(self: Loop, version: str) -> Any:
        return open_threshold(self.settings, self.registry.get(version).folder)

    monkeypatch.setattr(Loop, "parts", parts)
    monkeypatch.setattr(Loop, "model", model)
    return World(config, as_of)


def artifact(key: str) -> Any:
    """Return what the UI shows under a key."""
    from prefect.artifacts import Artifact

    found = Artifact.get(key)
    assert found is not None, key
    return found


def pointer(world: World) -> Any:
    """Who serves."""
    with open_loop(world.config) as loop:
        return loop.registry.pointer()


def events(world: World) -> list[str]:
    """Names of everything that was told."""
    with open_loop(world.config) as loop:
        return [row.event for row in loop.database.events()]


def test_retraining_registers_a_challenger_and_the_gate_promotes_it(world: World) -> None:
    from flows.promote import promote
    from flows.retrain_validator import retrain_validator

    state = retrain_validator(config=world.config, return_state=True)
    assert state.is_completed()
    assert state.name == "Challenger registered"
    assert pointer(world).champion == "base"
    assert pointer(world).challenger is not None
    assert artifact("retrain-progress").data == 100.0
    assert "| pairs |" in artifact("retrain-cycle").data

    state = promote(config=world.config, return_state=True)
    assert state.name == "Promoted"
    champion = pointer(world).champion
    assert champion.startswith("v0001-")
    gate = artifact("gate-decision").data
    assert "p =" in state.message
    for words in (f"{champion} against base: passed", "selectivity", "window ", "account of", "sharpe"):
        assert words.lower() in gate.lower()
    rows = yaml.safe_load(artifact("model-versions").data)
    assert [(row["version"], row["alias"]) for row in rows] == [(champion, "champion"), ("base", "previous")]
    assert {"lean-llm.challenger.registered", "lean-llm.champion.promoted"} <= set(events(world))

    assert promote(config=world.config, return_state=True).name == "Not due"
    assert pointer(world).champion == champion


def test_what_happened_reaches_the_server(world: World) -> None:
    from prefect.settings import PREFECT_API_URL

    from flows.retrain_validator import retrain_validator
    from llm_plugin.stack.prefect_api import PrefectApi

    retrain_validator(config=world.config, judge=True)
    with open_loop(world.config) as loop:
        assert not loop.database.pending_events()
        told = loop.database.events()
    assert len(told) >= 4
    api = PrefectApi(str(PREFECT_API_URL.value()))
    import time

    deadline, known = time.monotonic() + 20, set[str]()
    while len(known) < len(told) and time.monotonic() < deadline:
        time.sleep(0.5)
        known = api.known_events([row.event_id for row in told], "2020-01-01T00:00:00+00:00")
    assert known == {row.event_id for row in told}


def test_a_challenger_that_nobody_judged_is_judged_by_the_next_retrain(world: World) -> None:
    from flows.retrain_validator import retrain_validator

    assert retrain_validator(config=world.config, return_state=True).name == "Challenger registered"
    assert retrain_validator(config=world.config, return_state=True).name == "Promoted"


def test_too_few_outcomes_end_with_the_count_and_change_nothing(world: World) -> None:
    from flows.retrain_validator import retrain_validator

    state = retrain_validator(config=world.config, overrides=["learning.min_outcomes=5000"], return_state=True)
    assert state.is_completed()
    assert state.name == "Too few outcomes"
    assert "5000 are needed" in state.message
    assert pointer(world).sequence == 0


def test_a_second_cycle_is_refused_by_name(world: World) -> None:
    from flows.retrain_validator import retrain_validator
    from llm_plugin.cycle.run import lease_name

    with open_loop(world.config) as loop:
        loop.database.acquire(lease_name("validator"), "cycle-of-another", 600.0)
    state = retrain_validator(config=world.config, return_state=True)
    assert state.is_completed()
    assert state.name == "Another cycle runs"
    assert "cycle-of-another" in state.message


def test_broken_training_fails_the_run_and_the_champion_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.retrain_validator import retrain_validator

    def broken(*_: Any) -> None:
        raise TrainingFailed("loss is NaN at step 3")

    monkeypatch.setattr("cycle_world.train_threshold", broken)
    state = retrain_validator(config=world.config, return_state=True)
    assert state.is_failed()
    assert "loss is NaN at step 3" in state.message
    assert pointer(world).champion == "base"


def test_the_canary_report_compares_with_the_version_before(world: World) -> None:
    from flows.canary_report import canary_report
    from flows.retrain_validator import retrain_validator

    retrain_validator(config=world.config, judge=True)
    report = canary_report(config=world.config, questions=20, service="http://127.0.0.1:9")
    text = artifact("canary-report").data
    assert report == pointer(world).champion
    assert f"## {report} serves" in text
    assert "| questions asked | 20 |" in text
    assert "| replaced | base |" in text
    assert "http://127.0.0.1:9 did not answer" in text
    assert text.count("veto") >= 5


def test_the_watch_rolls_back_a_version_that_is_worse(world: World) -> None:
    from dataclasses import replace

    from flows.watch_and_roll_back import watch_and_roll_back
    from llm_plugin.gate.policy import answer_policy
    from llm_plugin.learning.read import matured_decisions

    assert watch_and_roll_back(config=world.config, return_state=True).message.startswith("nothing was promoted")
    champion = _force_worse(world)
    with open_loop(world.config) as loop:
        decisions = matured_decisions(loop.store, as_of_utc=world.as_of, prefix=loop.prefix)
        shadow = answer_policy(loop.model("base"), decisions, loop.settings, version="base")
        for row, answer in zip(decisions, shadow, strict=True):
            good = row.net_r is not None and row.net_r > 0
            loop.database.save_shadow(replace(answer, size=1.0 if good else 0.0), time_utc=row.time_utc)
    state = watch_and_roll_back(config=world.config, return_state=True)
    assert state.name == "Rolled back"
    assert pointer(world).champion == "base"
    assert f"| champion | {champion} |" in artifact("watch").data
    assert "lean-llm.champion.rolled-back" in events(world)


def _force_worse(world: World) -> str:
    """Promote past the gate, and let the stored decisions be the new version's."""
    import json

    import sqlalchemy as sa
    from cycle_world import write_adapter

    from llm_plugin.outcomes import schema
    from llm_plugin.prompts import PromptRenderer

    with open_loop(world.config) as loop:
        prompt_version = PromptRenderer(loop.settings.prompts, loop.settings.features.user).version
        folder = world.config.parent / "worse"
        write_adapter(folder, 0.0, "d" * 64, prompt_version, "base")
        version = loop.registry.register(folder, parent="base", facts={})
        loop.registry.promote(version.id, reason="a test", force=True)
        assert version.manifest is not None
        name = f"tiny@1+{version.manifest.version}"
    engine = sa.create_engine(loop.url)
    with engine.begin() as connection:
        table = schema.decisions
        for row in connection.execute(sa.select(table.c.decision_id, table.c.decision)).all():
            decision = json.loads(row.decision) | {"model_version": name}
            connection.execute(
                table.update().where(table.c.decision_id == row.decision_id).values(decision=json.dumps(decision))
            )
    engine.dispose()
    return version.id


def test_a_server_that_is_away_is_tried_again_and_a_wrong_setting_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import rebuild_memory as module

    calls: list[int] = []

    def away(*_: Any) -> Any:
        calls.append(1)
        raise MemoryUnavailable("Weaviate does not answer")

    monkeypatch.setattr(module, "rebuild", module.rebuild.with_options(retry_delay_seconds=0))
    monkeypatch.setattr(module, "rebuild_runs", away)
    with pytest.raises(MemoryUnavailable):
        module.rebuild_memory(config=world.config)
    assert len(calls) == 3
    monkeypatch.undo()
    state = module.rebuild_memory(config=world.config, overrides=["memory.backend=local"], return_state=True)
    assert state.is_failed()
    assert "memory.backend is local" in state.message


def test_events_that_cannot_be_delivered_stop_no_flow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.retrain_validator import retrain_validator

    def away(*_: Any) -> int:
        raise BackendUnavailable("Prefect does not answer")

    monkeypatch.setattr("llm_plugin.stack.events.deliver_events", away)
    assert retrain_validator(config=world.config, judge=True, return_state=True).name == "Promoted"
    monkeypatch.undo()
    with open_loop(world.config) as loop:
        assert loop.database.pending_events()


def test_a_drift_check_records_what_it_saw_and_tells_a_finding(world: World) -> None:
    from flows.check_drift import check_drift
    from llm_plugin.drift.run import state_path
    from llm_plugin.stack.drifting import LEASE, check_once

    state = check_drift(config=world.config, return_state=True)
    assert state.is_completed()
    rows = yaml.safe_load(artifact("drift").data)
    assert {row["what"] for row in rows} >= {"outcomes", "calibration"}
    with open_loop(world.config) as loop:
        checks = loop.database.drift_checks()
        assert len(checks) == 1
        told = [row.event for row in loop.database.events()].count("lean-llm.drift.found")
        assert told == (1 if checks[0]["found"] else 0)
        assert (state.name == "Drift found") == checks[0]["found"]
        assert check_once(loop).found is False
        state_file = state_path("validator")
        state_file.write_text('{"baselines": {"EURUSD": {}}}')
        assert len(check_once(loop).findings) == len(rows)
        assert state_file.with_suffix(".damaged.json").is_file()
        assert check_once(loop).found is False
        loop.database.acquire(f"{LEASE}:validator", "another-check", 600.0)
    state = check_drift(config=world.config, return_state=True)
    assert state.name == "Another check runs"
    assert "another-check" in state.message


def test_outcomes_that_turn_round_are_found_with_the_time_of_the_change(world: World) -> None:
    from datetime import timedelta

    from flows.check_drift import check_drift

    url = yaml.safe_load(world.config.read_text())["learning"]["store_url"]
    import sqlalchemy as sa

    from llm_plugin.outcomes import schema

    engine = sa.create_engine(url)
    with engine.begin() as connection:
        rows = connection.execute(sa.select(schema.outcomes).order_by(schema.outcomes.c.closed_us)).all()
        change = rows[len(rows) // 2].closed_us
        for row in rows:
            worth = 1.5 if row.closed_us < change else -1.0
            same = (schema.outcomes.c.decision_id == row.decision_id) & (schema.outcomes.c.kind == row.kind)
            connection.execute(schema.outcomes.update().where(same).values(r_multiple=worth))
    engine.dispose()
    state = check_drift(config=world.config, return_state=True)
    assert state.name == "Drift found"
    seen = state.result()
    assert "outcomes" in seen["kinds"]
    assert abs(seen["since"].timestamp() - change / 1e6) < timedelta(days=3).total_seconds()
    assert "lean-llm.drift.found" in events(world)
