"""Evaluations are spread over a Dask cluster: other processes, a real model, the same figures as in this one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "cycle"))
sys.path.append(str(Path(__file__).parents[1]))

from cycle_world import fill_store, world_settings
from reasoning.conftest import make_model

from llm_plugin.errors import ConfigError, InsufficientData
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.stack.evaluate import evaluate, plan_windows, summary_rows
from llm_plugin.stack.loop import open_loop

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny", hidden=16)


@pytest.fixture
def config(tmp_path: Path, own_home: Path, model_folder: Path) -> Path:
    """A store of 400 decisions and a real model of some thousand weights."""
    url = f"sqlite:///{own_home}/service/store.sqlite"
    file = tmp_path / "llm_config.yaml"
    values = {"llm_model": {"name": str(model_folder), "device": "cpu"}, "learning": {"store_url": url}}
    file.write_text(yaml.safe_dump(values | {"fusion": {"strategy": "llm"}}))
    with OutcomeStore(url, commit="group") as store:
        fill_store(store, world_settings())
    return file


def test_windows_are_the_newest_decisions_without_overlap(config: Path) -> None:
    with open_loop(config) as loop:
        windows = plan_windows(loop, 3, 100)
        assert [window.number for window in windows] == [1, 2, 3]
        assert [window.to_utc for window in windows[:-1]] == [window.from_utc for window in windows[1:]]
        known = len(plan_windows(loop, 1000, 1))
        assert 380 < known <= 400
        assert len(plan_windows(loop, 9, 100)) == known // 100
        with pytest.raises(InsufficientData, match=rf"{known} matured decisions .* 401 are needed"):
            plan_windows(loop, 1, 401)
        with pytest.raises(ConfigError, match="0 windows of 10 decisions"):
            plan_windows(loop, 0, 10)


def test_what_a_version_learned_from_does_not_count_as_skill(config: Path) -> None:
    from dataclasses import replace

    with open_loop(config) as loop:
        window = plan_windows(loop, 1, 40)[0]
    fresh = evaluate(config, (), "base", window)
    assert fresh.decisions == 40
    assert not fresh.trained_on
    known = replace(fresh, version="v0001-aaaaaaaa", trained_on=True, utility_r=9.0)
    best, second = summary_rows([known, fresh], "base")
    assert (best["version"], best["serves"], best["fresh windows"]) == ("base", "yes", "1 of 1")
    assert second["utility R"] is None
    assert second["fresh windows"] == "0 of 1"


@pytest.mark.usefixtures("prefect_server")
def test_a_local_cluster_gives_the_figures_of_this_process(config: Path) -> None:
    from prefect.artifacts import Artifact

    from flows.evaluate_adapters import evaluate_adapters

    state = evaluate_adapters(["base"], windows=2, window_decisions=20, workers=2, config=config, return_state=True)
    assert state.is_completed()
    results: list[Any] = state.result()
    with open_loop(config) as loop:
        windows = plan_windows(loop, 2, 20)
    for got, window in zip(results, windows, strict=True):
        here = evaluate(config, (), "base", window)
        assert (got.decisions, got.approval, got.utility_r) == (here.decisions, here.approval, here.utility_r)
        assert got.action_mass == pytest.approx(here.action_mass, abs=1e-4)
    table = Artifact.get("evaluations")
    assert table is not None
    assert len(yaml.safe_load(table.data)) == 2
    assert Artifact.get("evaluation-summary") is not None


@pytest.mark.usefixtures("prefect_server")
def test_a_cluster_elsewhere_is_used_by_its_address(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    from flows import evaluate_adapters as module

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, processes=True
    ) as cluster:
        monkeypatch.setenv("LEAN_LLM_DASK_ADDRESS", cluster.scheduler_address)
        monkeypatch.setattr(distributed, "LocalCluster", _forbidden)
        state = module.evaluate_adapters(["base"], windows=1, window_decisions=10, config=config, return_state=True)
        assert state.is_completed()
        assert state.result()[0].decisions == 10


def _forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("a local cluster was started although an address was named")
