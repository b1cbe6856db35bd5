"""One cycle: what it leaves when it goes well, and what stays as it was when it does not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cycle_world import at, fill_store, open_parts, open_threshold, train_threshold, world_settings, write_adapter

from llm_plugin.cycle import run as run_module
from llm_plugin.cycle.run import run_cycle
from llm_plugin.cycle.words import CycleParts, TrainerTask
from llm_plugin.errors import BackendUnavailable, ConfigError, LeaseHeld, LeaseLost, StoreUnavailable, TrainingFailed
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.reasoning.fake import FakeModel
from llm_plugin.registry.store import Registry

World = tuple[CycleParts, datetime]


def events(parts: CycleParts) -> list[str]:
    return [row.event.removeprefix("lean-llm.") for row in parts.database.events()]


def test_a_better_challenger_serves_with_its_whole_lineage(world: World) -> None:
    parts, as_of = world
    seen: list[tuple[str, float]] = []
    result = run_cycle(at(as_of), replace(parts, on_stage=lambda stage, done: seen.append((stage, done))))
    assert (result.status, result.champion, result.resumed) == ("promoted", result.challenger, False)
    version = parts.registry.verify("champion")
    assert version.parent == "base"
    assert version.manifest is not None
    assert version.manifest.dataset_sha256 == version.facts["dataset"] == result.facts["dataset"]
    assert version.facts["cycle_id"] == result.cycle_id
    assert version.gate is not None
    assert (version.gate["verdict"], version.gate["champion"]) == ("pass", "base")
    assert version.gate["decision"]["challenger"] == version.id
    assert [row.number for row in parts.database.gates()] == [1]
    assert events(parts) == ["challenger.registered", "gate.decided", "champion.promoted", "cycle.ended"]
    stages = [stage for stage, _ in seen]
    assert list(dict.fromkeys(stages)) == ["pairs", "trained", "registered", "judged", "decided"]
    assert all(0 <= done <= 1 for _, done in seen)
    assert result.facts["figures"]["gain"] > 0.2


def test_the_next_cycle_trains_on_the_champion(world: World) -> None:
    parts, as_of = world
    first = run_cycle(at(as_of), parts)
    later = fill_store(parts.stores[0], parts.settings, first=400, count=260)
    parts.stores[0].flush()
    tasks: list[TrainerTask] = []

    def train(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        tasks.append(task)
        write_adapter(task.out, 44.0, json.loads((task.dataset / "manifest.json").read_text())["sha256"],
                      task.prompt_version)  # fmt: skip

    second = run_cycle(at(later), replace(parts, train=train))
    assert tasks[0].parent is not None
    assert tasks[0].parent.name == first.champion == tasks[0].parent_id
    assert (second.status, second.champion) == ("refused", first.champion)
    assert parts.registry.get(str(second.challenger)).stage == "retired"
    assert parts.registry.get(str(second.challenger)).parent == first.champion


def test_a_worse_challenger_is_refused(world: World) -> None:
    parts, as_of = world

    def invert(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        digest = json.loads((task.dataset / "manifest.json").read_text())["sha256"]
        write_adapter(task.out, 99.0, digest, task.prompt_version)

    result = run_cycle(at(as_of), replace(parts, train=invert))
    assert (result.status, result.champion) == ("refused", "base")
    assert parts.registry.pointer().challenger is None
    assert parts.registry.get(str(result.challenger)).stage == "retired"
    assert events(parts) == ["challenger.registered", "gate.decided", "cycle.ended"]


def test_too_few_outcomes_are_told_with_the_count(tmp_path: Path) -> None:
    settings = world_settings()
    with OutcomeStore(str(tmp_path / "store.sqlite")) as store:
        as_of = fill_store(store, settings, count=50)
        parts = open_parts(tmp_path, settings, store)
        result = run_cycle(at(as_of), parts)
        assert (result.status, result.cycle_id, result.facts["needed"]) == ("insufficient_data", "", 200)
        assert result.facts["count"] == 44
        assert "44 new matured decisions, 200 are needed" in result.reason
        forced = run_cycle(at(as_of, trigger="operator"), parts)
        assert (forced.status, forced.facts["count"]) == ("insufficient_data", 44)
        assert forced.cycle_id
        assert parts.registry.pointer().champion == "base"


def failing(error: Exception) -> Callable[[TrainerTask, Callable[[float], None]], None]:
    def train(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        task.out.mkdir(parents=True)
        (task.out / "adapter_model.safetensors").write_bytes(b"half")
        raise error

    return train


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TrainingFailed("the loss of step 7 is NaN"), "loss of step 7 is NaN"),
        (OSError(28, "No space left on device", "adapter"), "No space left on device"),
        (StoreUnavailable("cannot write x: the disk is full"), "the disk is full"),
    ],
    ids=["nan", "disk", "store"],
)
def test_training_that_breaks_leaves_the_champion(world: World, error: Exception, told: str) -> None:
    parts, as_of = world
    result = run_cycle(at(as_of), replace(parts, train=failing(error)))
    assert (result.status, result.champion, result.challenger) == ("failed", "base", None)
    assert told in result.reason
    assert [row.id for row in parts.registry.versions()] == ["base"]
    assert events(parts) == ["cycle.ended"]
    again = run_cycle(at(as_of + timedelta(hours=5)), parts)
    assert (again.status, again.resumed) == ("promoted", False)  # what failed has used up nothing


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("nothing", "no adapter"),
        ("half", "no usable adapter"),
        ("foreign", "dataset ffffffffffff"),
        ("templates", "prompt templates"),
        ("rank", "no usable adapter"),
    ],
)
def test_an_adapter_that_is_not_what_was_asked_for_is_never_registered(world: World, what: str, told: str) -> None:
    parts, as_of = world

    def train(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        if what == "nothing":
            return
        digest = json.loads((task.dataset / "manifest.json").read_text())["sha256"]
        version = "other" if what == "templates" else task.prompt_version
        write_adapter(task.out, 30.0, "f" * 64 if what == "foreign" else digest, version)
        if what == "half":
            weights = task.out / "adapter_model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-4])
        if what == "rank":
            config = json.loads((task.out / "adapter_config.json").read_text())
            (task.out / "adapter_config.json").write_text(json.dumps({**config, "r": 64}))

    result = run_cycle(at(as_of), replace(parts, train=train))
    assert result.status == "failed"
    assert told in result.reason
    assert [row.id for row in parts.registry.versions()] == ["base"]


def test_a_model_that_does_not_answer_ends_the_cycle_and_the_champion_stays(world: World) -> None:
    parts, as_of = world

    def broken(settings: Any, adapter: Path | None) -> FakeModel:
        if adapter is None:
            return open_threshold(settings, adapter)
        return FakeModel(error=BackendUnavailable("the challenger is mute"))

    result = run_cycle(at(as_of), replace(parts, open_model=broken))
    assert (result.status, result.champion) == ("failed", "base")
    assert "the challenger is mute" in result.reason
    assert parts.database.gates() == []


def test_of_two_cycles_started_together_one_is_refused_by_name(world: World) -> None:
    parts, as_of = world
    inside, go_on = threading.Event(), threading.Event()
    results: list[Any] = []

    def train(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        inside.set()
        assert go_on.wait(30)
        train_threshold(task, on_progress)

    first = threading.Thread(
        target=lambda: results.append(run_cycle(at(as_of, holder="http"), replace(parts, train=train)))
    )
    first.start()
    assert inside.wait(30)
    with pytest.raises(LeaseHeld, match=r"cycle:validator is held by http "):
        run_cycle(at(as_of, holder="cli"), parts)
    go_on.set()
    first.join()
    assert results[0].status == "promoted"
    assert len(parts.database.cycles()) == 1


def test_a_long_stage_keeps_its_lease(world: World) -> None:
    parts, as_of = world
    refused: list[str] = []

    def slow(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            with pytest.raises(LeaseHeld, match="held by cycle ") as held:
                parts.database.acquire("cycle:validator", "another", 60)
            refused.append(held.value.holder)
            time.sleep(0.3)
        train_threshold(task, on_progress)

    short = replace(parts, settings=world_settings(lease_seconds=1.0), train=slow)
    assert run_cycle(at(as_of), short).promoted
    assert len(refused) >= 5
    assert parts.database.acquire("cycle:validator", "another", 60).holder == "another"  # given back at once


def test_what_lies_in_the_folder_from_before_is_not_believed(world: World) -> None:
    parts, as_of = world
    stale = parts.cycles_folder / f"validator-c0001-{as_of:%Y%m%dT%H%M%S}"
    write_adapter(stale / "adapter", 99.0, "e" * 64, "templates")
    result = run_cycle(at(as_of), parts)
    assert (result.status, result.cycle_id) == ("promoted", stale.name)


def test_a_cycle_that_lost_its_lease_writes_nothing_more(world: World) -> None:
    parts, as_of = world
    settings = world_settings(lease_seconds=1.0)
    later = [timedelta(0)]
    other = type(parts.database)(parts.database.url, clock=lambda: datetime.now(UTC) + later[0])

    def displaced(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        later[0] = timedelta(hours=1)  # this process stood still for an hour
        other.acquire("cycle:validator", "another", 3600)
        train_threshold(task, on_progress)

    with pytest.raises(LeaseLost, match="has passed to another"):
        run_cycle(at(as_of), replace(parts, settings=settings, train=displaced))
    assert [row.id for row in parts.registry.versions()] == ["base"]
    row = parts.database.open_cycle("validator")
    assert row is not None
    assert "trained" not in parts.database.stages(row.cycle_id)
    other.close()


def test_a_cycle_that_stops_where_asked_goes_on_there(world: World) -> None:
    parts, as_of = world
    first = run_cycle(at(as_of, stop_after="registered"), parts)
    assert (first.status, first.champion) == ("waiting", "base")
    assert parts.registry.pointer().challenger == first.challenger
    assert events(parts) == ["challenger.registered"]
    forbidden = replace(parts, train=failing(AssertionError("trained twice")))
    second = run_cycle(at(as_of + timedelta(days=1), trigger="schedule"), forbidden)
    assert (second.status, second.resumed, second.cycle_id) == ("promoted", True, first.cycle_id)
    with pytest.raises(ConfigError, match=r"stop_after is 'gate'; stages are pairs, trained"):
        run_cycle(at(as_of, stop_after="gate"), parts)


def test_a_cycle_goes_on_with_the_settings_it_began_with(world: World) -> None:
    parts, as_of = world
    run_cycle(at(as_of, stop_after="registered"), parts)
    strict = parts.settings.model_copy(
        update={"gate": parts.settings.gate.model_copy(update={"min_gain_fraction": 10.0})}
    )
    assert run_cycle(at(as_of), replace(parts, settings=strict)).status == "promoted"


def test_what_an_operator_undid_meanwhile_stays_undone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, as_of = world
    real = run_module._Run._end

    def killed(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module._Run, "_end", killed)
    with pytest.raises(KeyboardInterrupt):
        run_cycle(at(as_of), parts)
    promoted = parts.registry.pointer().champion
    assert promoted != "base"
    parts.registry.rollback("I do not like it")
    monkeypatch.setattr(run_module._Run, "_end", real)
    result = run_cycle(at(as_of), parts)
    assert (result.resumed, result.champion) == (True, "base")
    assert [row.what for row in parts.registry.history()] == ["challenger", "promoted", "rolled-back"]
    assert events(parts).count("champion.promoted") == events(parts).count("champion.rolled-back") == 1


def test_a_champion_that_changed_during_the_gate_refuses_the_challenger(world: World, tmp_path: Path) -> None:
    parts, as_of = world
    result = run_cycle(at(as_of, stop_after="judged"), parts)
    other = tmp_path / "other"
    write_adapter(other, 17.0, "d" * 64, "templates")
    version = parts.registry.register(other, parent="base")
    parts.registry.promote(version.id, reason="an operator", force=True)
    ended = run_cycle(at(as_of), parts)
    assert (ended.status, ended.champion) == ("refused", version.id)
    assert f"compared with base, but {version.id} serves now" in ended.reason
    assert ended.challenger == result.challenger


def test_a_cycle_that_is_killed_again_and_again_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, as_of = world
    monkeypatch.setattr(run_module, "MOST_STARTS", 3)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run_cycle(at(as_of), replace(parts, train=_interrupted))
    result = run_cycle(at(as_of), parts)
    assert result.status == "failed"
    assert "was started 3 times and never ended" in result.reason


def _interrupted(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
    raise KeyboardInterrupt


def test_the_same_history_gives_the_same_cycle(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        settings = world_settings()
        with OutcomeStore(str(tmp_path / f"{name}.sqlite")) as store:
            as_of = fill_store(store, settings)
            parts = open_parts(tmp_path / name, settings, store)
            parts = replace(parts, registry=Registry(tmp_path / name / "registry", clock=lambda as_of=as_of: as_of))
            result = run_cycle(at(as_of), parts)
            found.append((result.cycle_id, result.status, result.challenger, result.facts["dataset"]))
    assert found[0] == found[1]


def test_outcomes_after_the_moment_are_not_seen(tmp_path: Path) -> None:
    found = []
    for name, count in (("a", 400), ("b", 460)):
        settings = world_settings()
        with OutcomeStore(str(tmp_path / f"{name}.sqlite")) as store:
            until = fill_store(store, settings, count=count)
            as_of = until - timedelta(hours=3 * (count - 400) + 60)
            result = run_cycle(at(as_of), open_parts(tmp_path / name, settings, store))
            found.append((result.cycle_id, result.facts["dataset"], result.facts["window_id"]))
    assert found[0] == found[1]
