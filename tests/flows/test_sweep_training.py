"""Recipes are compared on decisions that no gate will use again; nothing is registered, and nothing trained twice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "cycle"))
sys.path.append(str(Path(__file__).parents[1]))

from cycle_world import fill_store, open_parts, train_threshold, world_settings
from reasoning.conftest import make_model

from llm_plugin.cycle.run import run_cycle
from llm_plugin.cycle.words import CycleRequest, TrainerTask
from llm_plugin.errors import ConfigError, DataError, InsufficientData, TrainingFailed
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.stack.loop import Loop, open_loop
from llm_plugin.stack.sweep import Recipe, check_values, latest_as_of, make_recipes, prepare_sweep
from llm_plugin.stack.sweep_trial import Trial, run_trial, summarise

SLOW = Recipe((("learning_rate", 0.001),))
FAST = Recipe((("learning_rate", 0.002), ("min_steps", 80)))


class World:
    """Configuration, and the trainings that were asked for; `breaks` names a rate at which the loss is no number."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.trained: list[tuple[float | None, int]] = []
        self.breaks: float | None = None

    def train(self, task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        wanted = task.settings.learning.training
        self.trained.append((wanted.learning_rate, wanted.seed))
        if self.breaks is not None and wanted.learning_rate == self.breaks:
            raise TrainingFailed("loss is nan at step 3; the champion stays")
        train_threshold(task, on_progress)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_home: Path) -> World:
    """A store with a planted rule, a model that is a threshold, a trainer that finds it."""
    settings = world_settings()
    url = f"sqlite:///{own_home}/service/store.sqlite"
    values = settings.model_dump(mode="json", include={"learning", "gate", "fusion", "llm_model"}, exclude_unset=True)
    values["learning"]["store_url"] = url
    file = tmp_path / "llm_config.yaml"
    file.write_text(yaml.safe_dump(values))
    with OutcomeStore(url, commit="group") as store:
        fill_store(store, settings)
    world = World(file)

    def parts(self: Loop, on_stage: Any) -> Any:
        small = open_parts(own_home, self.settings, self.store)
        small.database.close()
        return replace(small, database=self.database, registry=self.registry, on_stage=on_stage, train=world.train)

    monkeypatch.setattr(Loop, "parts", parts)
    return world


def loop_state(world: World) -> tuple[Any, ...]:
    """Return everything that a sweep must leave alone."""
    with open_loop(world.config) as loop:
        gates = [(row.window_id, row.challenger, row.number) for row in loop.database.gates()]
        versions = [item.id for item in loop.registry.versions()]
        return gates, versions, loop.registry.pointer(), loop.database.events(), loop.store.counts("run")


def promote_one(world: World) -> tuple[datetime, str]:
    """Run a cycle to its end; return where its holdout began and who serves now."""
    with open_loop(world.config) as loop:
        done = run_cycle(CycleRequest(trigger="operator"), loop.parts(lambda stage, fraction: None))
        assert done.status == "promoted", done.reason
        begin = datetime.fromisoformat(str(loop.database.gates()[-1].decision["from_utc"]))
        return begin, loop.registry.pointer().champion


def test_recipes_are_all_combinations_and_single_ones_each_once() -> None:
    names = [
        recipe.name
        for recipe in make_recipes(
            {"learning_rate": [0.001, 0.002], "min_steps": [80, 160]},
            [{"beta": 0.05}, {"learning_rate": 0.001, "min_steps": 80}],
        )
    ]
    assert names == [
        "as configured",
        "learning_rate=0.001, min_steps=80",
        "learning_rate=0.001, min_steps=160",
        "learning_rate=0.002, min_steps=80",
        "learning_rate=0.002, min_steps=160",
        "beta=0.05",
    ]


@pytest.mark.parametrize(
    ("grid", "recipes", "words"),
    [
        ({"learning_rte": [0.1]}, [], r"no setting 'learning_rte' \(did you mean 'learning_rate'\?\)"),
        (None, [{"seed": 3}], "name the seeds of all recipes by `seeds`"),
        ({"beta": []}, [], "grid names no values for beta"),
        ({"target_modules": "auto"}, [], "grid names no values for target_modules"),
        (None, [], "no recipe to try"),
    ],
)
def test_recipes_that_mean_nothing_are_refused(grid: Any, recipes: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_recipes(grid, recipes, configured=False)


def test_values_reach_the_settings_as_they_were_given_and_wrong_ones_are_told_together(tmp_path: Path) -> None:
    from llm_plugin.settings import resolve

    values = {"learning_rate": 1e-05, "beta": 2.0, "target_modules": "attention", "dropout": None, "min_steps": 7}
    got = resolve(None, Recipe(tuple(values.items())).overrides(4), env={}).settings.learning.training
    assert {name: getattr(got, name) for name in values} == values
    assert got.seed == 4
    wrong = make_recipes({"beta": [-1.0, 0.1], "min_steps": [0]}, configured=False)
    with pytest.raises(ConfigError) as caught:
        check_values(None, (), wrong)
    assert {problem.split()[0] for problem in caught.value.problems} == {
        "learning.training.beta",
        "learning.training.min_steps",
    }


def test_a_sweep_ends_where_the_newest_gate_began_and_leaves_the_loop_alone(world: World) -> None:
    from llm_plugin.learning.dataset import read_dataset

    gate_begins, champion = promote_one(world)
    before = loop_state(world)
    with open_loop(world.config) as loop:
        assert latest_as_of(loop) == gate_begins
        plan = prepare_sweep(loop, [FAST])
        with pytest.raises(ConfigError, match="a sweep would spend decisions that the gate judges by"):
            prepare_sweep(loop, [FAST], as_of_utc=gate_begins + timedelta(seconds=1))
    run_trial(world.config, (), plan, FAST, 0)
    assert loop_state(world) == before
    assert (plan.champion, plan.parent) == (champion, "base")
    dataset = read_dataset(plan.dataset)
    assert dataset.manifest.as_of_utc == gate_begins
    rows = [*dataset.holdout, *dataset.calibration]
    assert max(row.matured_utc for row in rows) <= gate_begins
    assert max(row.time_utc for row in dataset.pairs) < plan.from_utc
    assert plan.holdout == 80


def test_without_a_gate_the_holdout_that_comes_next_is_spared(world: World) -> None:
    from llm_plugin.learning.read import matured_decisions

    with open_loop(world.config) as loop:
        known = [row for row in matured_decisions(loop.store, as_of_utc=datetime.now().astimezone()) if row.prompt]
        assert latest_as_of(loop) == known[-80].time_utc
        plan = prepare_sweep(loop, [FAST])
        assert plan.to_utc < known[-80].time_utc
        assert (plan.champion, plan.parent) == ("base", "base")
    with (
        open_loop(world.config, ["learning.holdout=401"]) as loop,
        pytest.raises(InsufficientData, match="401 are needed"),
    ):
        latest_as_of(loop)


def test_a_champion_that_has_not_seen_the_holdout_is_continued_and_keeps_its_shape(world: World) -> None:
    with OutcomeStore(yaml.safe_load(world.config.read_text())["learning"]["store_url"]) as store:
        later = fill_store(store, world_settings(), first=400, count=600)
    with open_loop(world.config) as loop:
        parts = loop.parts(lambda stage, fraction: None)
        begun = later - timedelta(hours=3 * 600)
        assert run_cycle(CycleRequest(trigger="operator", as_of_utc=begun), parts).status == "promoted"
        champion = loop.registry.pointer().champion
        run_cycle(CycleRequest(trigger="operator", as_of_utc=later), parts)
        assert len(loop.database.gates()) == 2
        plan = prepare_sweep(loop, [FAST])
        assert plan.from_utc > begun
        assert plan.parent == champion
        with pytest.raises(ConfigError, match=f"rank would change nothing: .* adapter of {champion}"):
            prepare_sweep(loop, [FAST, Recipe((("rank", 8),))])
        assert prepare_sweep(loop, [FAST], as_of_utc=begun).parent == "base"


def test_a_recipe_that_was_tried_is_not_trained_again(world: World) -> None:
    with open_loop(world.config) as loop:
        plan = prepare_sweep(loop, [SLOW, FAST])
        assert prepare_sweep(loop, [SLOW]) == plan
    first = run_trial(world.config, (), plan, FAST, 1)
    assert first.gain_r is not None
    assert first.gain_r > 0.1
    assert first.candidate_r == pytest.approx((first.parent_r or 0) + first.gain_r)
    assert sum(first.day_gains_r) / first.outcomes == pytest.approx(first.gain_r)
    assert not first.known
    again = run_trial(world.config, (), plan, FAST, 1)
    assert again == replace(first, known=True)
    assert world.trained == [(0.002, 1)]
    other = run_trial(world.config, (), plan, FAST, 2)
    assert other.folder != first.folder
    run_trial(world.config, ["learning.training.beta=0.3"], plan, FAST, 1)
    assert world.trained == [(0.002, 1), (0.002, 2), (0.002, 1)]


def test_a_training_that_breaks_is_a_result_and_is_tried_again(world: World) -> None:
    world.breaks = 0.001
    with open_loop(world.config) as loop:
        plan = prepare_sweep(loop, [SLOW, FAST])
    trials = [run_trial(world.config, (), plan, recipe, 0) for recipe in (SLOW, FAST)]
    assert "loss is nan" in trials[0].failed
    rows = summarise(trials)
    assert [(row.recipe, row.failed) for row in rows] == [(FAST.name, 0), (SLOW.name, 1)]
    assert rows[1].gain_r is None
    world.breaks = None
    assert run_trial(world.config, (), plan, SLOW, 0).failed == ""


def test_the_best_of_many_is_told_as_one_of_many() -> None:
    def trial(recipe: str, seed: int, *days: float) -> Trial:
        return Trial(
            recipe, seed, Path("x"), outcomes=len(days), day_gains_r=days, gain_r=sum(days) / len(days), approval=0.5
        )

    good = (1.0, 0.5, 0.8, 0.9, 0.2, 0.4, 0.7, 0.6)
    trials = [trial("a", 0, *good), trial("a", 1, *reversed(good))]
    (alone,) = summarise(trials)
    assert alone.p_value == alone.p_of_best == pytest.approx(1 / 2**8)
    many = summarise([*(trial(f"n{i}", 0, *[(-1.0) ** k for k in range(8)]) for i in range(9)), *trials])
    assert many[0].recipe == "a"
    assert many[0].p_of_best == pytest.approx(10 / 2**8)
    assert (many[0].seeds, many[0].worst_r, many[0].best_r) == (2, many[0].gain_r, many[0].gain_r)
    assert all(row.p_of_best == 1.0 for row in many[1:])


def test_a_dataset_that_was_changed_is_refused(world: World) -> None:
    with open_loop(world.config) as loop:
        plan = prepare_sweep(loop, [FAST])
    with pytest.raises(DataError, match="it was changed meanwhile"):
        run_trial(world.config, (), replace(plan, dataset_sha256="0" * 64), FAST, 0)
    with (plan.dataset / "holdout.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(DataError, match=r"holdout\.jsonl is not the file"):
        run_trial(world.config, (), plan, FAST, 0)
    assert world.trained == []


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_a_local_cluster_trains_in_processes_of_their_own(
    tmp_path: Path, own_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Real models, real trainings: two recipes on two workers; what they left is known in this process."""
    from prefect.artifacts import Artifact

    from flows.sweep_training import sweep_training

    url = f"sqlite:///{own_home}/service/store.sqlite"
    model = make_model(tmp_path_factory.mktemp("model") / "tiny", hidden=16)
    quick = {"min_steps": 3, "max_steps": 3, "batch_size": 4, "micro_batch": 4, "rank": 2, "alpha": 4}
    learning = {"store_url": url, "holdout": 20, "context_rows": 0, "window_decisions": 120, "training": quick}
    values = {"llm_model": {"name": str(model), "device": "cpu", "max_new_tokens": 8}, "learning": learning}
    config = tmp_path / "llm_config.yaml"
    config.write_text(yaml.safe_dump(values | {"fusion": {"strategy": "llm"}}))
    with OutcomeStore(url, commit="group") as store:
        fill_store(store, world_settings(), count=200)
    asked: dict[str, Any] = {"grid": {"learning_rate": [0.001, 0.002]}, "configured": False, "seeds": [0]}
    state = sweep_training(**asked, config=config, return_state=True)
    assert state.is_completed(), state.message
    assert "best of 2 recipes tried: learning_rate=0.00" in state.message
    table = Artifact.get("sweep-trials")
    assert table is not None
    rows = yaml.safe_load(table.data)
    assert [(row["recipe"], row["steps"], row["was known"]) for row in rows] == [
        ("learning_rate=0.001", "3", ""),
        ("learning_rate=0.002", "3", ""),
    ]
    assert Artifact.get("sweep-summary") is not None
    recipe = Recipe((("learning_rate", 0.002),))
    with open_loop(config) as loop:
        plan = prepare_sweep(loop, [recipe])
        assert [item.id for item in loop.registry.versions()] == ["base"]
    here = run_trial(config, (), plan, recipe, 0)
    assert here.known
    assert (here.folder / "adapter" / "manifest.json").is_file()
    assert here.last_loss is not None
