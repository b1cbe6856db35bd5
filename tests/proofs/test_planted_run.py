"""Runs are resumable, name what failed, and the command shows and writes what is there."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from proof_fakes import made_cell
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError, DataError, LeanLlmError
from llm_plugin.proofs import worker
from llm_plugin.proofs.planted_config import SEEDS, VARIANTS, ProofConfig
from llm_plugin.proofs.planted_run import CellSpec, load_cell, load_cells, run_cells
from llm_plugin.proofs.processes import Processes

CELLS = [CellSpec(VARIANTS["balanced"], seed) for seed in (1, 2)]


def keep(folder: Path, cell: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{cell['variant']}-seed{cell['seed']}.json"
    path.write_text(json.dumps(cell))
    return path


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    started: list[str] = []

    def run(_: Any, spec: dict[str, Any], log: Path, on_stage: Any) -> str:
        started.append(log.stem)
        keep(log.parent, made_cell(spec["variant"], spec["seed"]))
        return ""

    monkeypatch.setattr(Processes, "run", run)
    return started


def test_what_is_complete_is_not_run_again(tmp_path: Path, no_process: list[str]) -> None:
    keep(tmp_path, made_cell(seed=1))
    results = run_cells(tmp_path, ProofConfig(), CELLS, jobs=1)
    assert no_process == ["balanced-seed2"]
    assert [result["seed"] for result in results] == [1, 2]
    run_cells(tmp_path, ProofConfig(), CELLS, jobs=1)
    assert no_process == ["balanced-seed2"]


def test_results_of_another_configuration_do_not_count(tmp_path: Path, no_process: list[str]) -> None:
    keep(tmp_path, made_cell(seed=1))
    other = ProofConfig(bars=20_000)
    assert load_cells(tmp_path, other, CELLS) == []
    run_cells(tmp_path, other, CELLS[:1], jobs=1)
    assert no_process == ["balanced-seed1"]


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    path = keep(tmp_path, made_cell(seed=1))
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match=r"balanced-seed1\.json is damaged .* delete it"):
        load_cell(path, ProofConfig())


def test_more_threads_than_cores_are_refused(tmp_path: Path) -> None:
    cores = os.cpu_count() or 1
    with pytest.raises(ConfigError, match=f"{cores + 1} jobs of 1 threads do not fit {cores} cores"):
        run_cells(tmp_path, ProofConfig(), CELLS, jobs=cores + 1)


def test_a_cell_that_fails_is_named_with_its_reason_and_its_log(tmp_path: Path) -> None:
    config = ProofConfig(bars=4_000, overrides=("memory.kk=2",))
    with pytest.raises(LeanLlmError, match=r"1 of 1 cells failed:\nbalanced-seed1: exit code 2: .*kk.*seed1\.log"):
        run_cells(tmp_path, config, CELLS[:1], jobs=1)
    assert not (tmp_path / "balanced-seed1.json").exists()
    assert "ConfigError" in (tmp_path / "balanced-seed1.log").read_text()


def test_a_worker_writes_whole_results_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cell.json"

    def run_cell(config: Any, variant: Any, seed: int, work: Path, on_stage: Any) -> dict[str, Any]:
        on_stage("train", 0.25)
        on_stage("train", 0.26)
        on_stage("llm", 0.5)
        assert not out.exists()
        return {"seed": seed}

    monkeypatch.setattr("llm_plugin.proofs.planted_cell.run_cell", run_cell)
    spec = {"config": ProofConfig().to_json(), "variant": "balanced", "seed": 3, "out": str(out)}
    assert worker.main([json.dumps(spec)]) == 0
    assert json.loads(out.read_text()) == {"seed": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["cell.json"]
    assert capsys.readouterr().out == "train\t0.250\nllm\t0.500\n"


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["prove", "planted-rule", *map(str, arguments)])


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    for name, variant in VARIANTS.items():
        for seed in SEEDS:
            skill = 1.0 if variant.rule else 0.0
            edge = 0.5 if variant.rule else 0.0
            keep(tmp_path / "cells", made_cell(name, seed, edge=edge, skill=skill, rule=variant.rule, signals=80))
    return tmp_path / "cells"


def test_the_command_shows_and_writes_what_is_there(tmp_path: Path, complete: Path, no_process: list[str]) -> None:
    page = tmp_path / "experiments.md"
    page.write_text("# Experiments\n")
    result = invoke("--folder", complete, "--write", page, "--market", "balanced")
    assert result.exit_code == 0, result.output
    assert no_process == []
    assert "balanced: as expected" in result.stdout
    assert "### balanced: as expected" in page.read_text()


def test_the_command_ends_with_1_where_the_proof_fails(tmp_path: Path) -> None:
    for seed in SEEDS:
        keep(tmp_path / "cells", made_cell("balanced", seed, skill=0.0, signals=80))
    result = invoke("--folder", tmp_path / "cells", "--show-only", "--json", "--market", "balanced")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["markets"]["balanced"]["as_expected"] is False


def test_the_command_names_an_unknown_market(tmp_path: Path) -> None:
    result = invoke("--folder", tmp_path, "--market", "balancd")
    with pytest.raises(ConfigError, match=r"market 'balancd' is unknown \(did you mean 'balanced'\?\)"):
        raise result.exception


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    result = invoke("--folder", tmp_path, "--show-only")
    with pytest.raises(DataError, match="no cell of the proof is complete"):
        raise result.exception


@pytest.mark.slow
def test_a_small_cell_trains_and_decides_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The real trainer on a small budget: what is learned is not judged here, that all of it is honest is."""
    config = ProofConfig(bars=12_000, training_tokens=40_000, checked_decisions=20, checked_cuts=2)
    stages: list[str] = []
    cell = CellSpec(VARIANTS["balanced"], 1)
    (result,) = run_cells(tmp_path, config, [cell], jobs=1, on_cell=lambda c, stage, f: stages.append(stage))
    assert {"train", "llm", "tabular", "point in time"} <= set(stages)
    assert set(result["arms"]["llm"]["sources"]) <= {"llm", "cache"}
    assert set(result["arms"]["llm_and_risk"]["sources"]) <= {"llm", "cache", "risk"}
    assert result["point_in_time"]["changed"] == []
    assert result["model"]["version"].startswith("planted@")
    assert [path.name for path in tmp_path.iterdir()] == ["balanced-seed1.json"]
    assert timedelta(seconds=sum(result["seconds"].values())) > timedelta(seconds=1)
