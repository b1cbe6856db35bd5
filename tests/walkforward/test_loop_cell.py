"""The whole loop in simulated time, with a model and a trainer that take milliseconds."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loop_world import TINY, tiny_base, train_threshold, write_threshold

from llm_plugin.cycle.words import TrainerTask
from llm_plugin.errors import LookaheadError
from llm_plugin.proofs.loop_cell import run_loop_cell
from llm_plugin.proofs.loop_config import LOOP_VARIANTS

SHIFTS = LOOP_VARIANTS["shifts"]


def learning(folder: Path, kept: Path, train: Any = train_threshold, variant: Any = SHIFTS) -> dict[str, Any]:
    """Run the learning arm alone."""
    return run_loop_cell(TINY, variant, 1, folder / "work", kept, base=tiny_base, train=train, arms=("learning",))


def right(cell: dict[str, Any], arm: str, segment: int) -> float:
    """How often an arm agreed with the rule of a segment."""
    taken = np.array(cell["arms"][arm]["size"]) > 0
    chosen = np.array(cell["decisions"]["segment"]) == segment
    return float((taken == np.array(cell["decisions"]["good"]))[chosen].mean())


def events(cell: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Events of a kind."""
    return [event for event in cell["events"] if event["kind"] == kind]


def test_the_loop_finds_the_rule_that_turned_round_and_the_frozen_model_does_not(honest: dict[str, Any]) -> None:
    assert right(honest, "frozen", 0) > 0.95
    assert right(honest, "frozen", 1) < 0.05
    assert right(honest, "learning", 1) > 0.55
    last = np.array(honest["decisions"]["segment"]) == 1
    late = slice(-int(last.sum()) // 2, None)
    taken = np.array(honest["arms"]["learning"]["size"]) > 0
    assert (taken == np.array(honest["decisions"]["good"]))[late].mean() > 0.95


def test_every_cycle_stands_on_the_time_axis_with_its_numbers(honest: dict[str, Any]) -> None:
    cycles = events(honest, "cycle")
    assert [event["cycle"] for event in cycles] == list(range(1, len(cycles) + 1))
    assert {event["status"] for event in cycles} >= {"promoted", "refused", "insufficient_data"}
    for event in cycles:
        judged = event["status"] != "insufficient_data"
        assert (event["figures"]["gate"] is not None) is judged
        assert event["reason"]
    too_few = next(event for event in cycles if event["status"] == "insufficient_data")
    told = r"\d+ matured and replayed decisions before the embargo are known, 50 are needed: \d+ to go"
    assert re.match(told, too_few["reason"])


def test_drift_is_found_soon_after_the_shift_and_the_window_begins_there(honest: dict[str, Any]) -> None:
    found = events(honest, "drift")
    assert found
    shift = honest["shifts"][0]
    assert found[0]["time_utc"] > shift
    first = np.array([time >= shift for time in honest["decisions"]["time_utc"]]).argmax()
    assert found[0]["decision"] - first < 80
    since = datetime.fromisoformat(found[0]["figures"]["change_point_utc"])
    assert abs(since - datetime.fromisoformat(shift.replace("Z", "+00:00"))) < timedelta(days=14)
    promoted = next(event for event in events(honest, "cycle") if event["status"] == "promoted")
    assert promoted["figures"]["counts"]["older"] > 0


def test_no_version_answers_before_the_end_of_its_data(honest: dict[str, Any]) -> None:
    swaps = events(honest, "swap")
    assert swaps
    for event in swaps:
        assert event["data_cutoff_utc"] is not None
        assert event["data_cutoff_utc"] <= event["time_utc"]


def test_the_tabular_arm_is_refitted_at_the_same_moments(honest: dict[str, Any], kept: Path) -> None:
    cycles = [event for event in events(honest, "cycle") if event["status"] != "insufficient_data"]
    fits = [event["figures"]["meta_label"] for event in cycles if "meta_label" in event["figures"]]
    assert len(fits) > 3
    for event in cycles:
        told = event["figures"].get("tabular", "")
        assert "meta_label" in event["figures"] or "training rows of the tabular arm are known, 40 are needed" in told
    assert all((kept / name / "manifest.json").is_file() for name in fits)
    assert right(honest, "tabular", 1) > 0.4


def test_a_second_run_decides_the_same_and_trains_nothing(honest: dict[str, Any], kept: Path, tmp_path: Path) -> None:
    def refuse(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        raise AssertionError(f"{task.out} was trained although it is kept")

    again = learning(tmp_path, kept, refuse)
    assert again["arms"]["learning"] == honest["arms"]["learning"]
    plain = [{**event, "seconds": 0, "figures": 0} for event in again["events"]]
    assert plain == [{**event, "seconds": 0, "figures": 0} for event in honest["events"]]


@pytest.mark.slow
def test_a_killed_run_goes_on_at_the_cycle_that_it_had_not_finished(honest: dict[str, Any], tmp_path: Path) -> None:
    done: list[str] = []

    def dies(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task.out.parent.name)
        train_threshold(task, on_progress)

    def counts(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        done.append(task.out.parent.name)
        train_threshold(task, on_progress)

    with pytest.raises(KeyboardInterrupt):
        learning(tmp_path, tmp_path / "kept", dies)
    resumed = learning(tmp_path, tmp_path / "kept", counts)
    trained = sum(event["status"] != "insufficient_data" for event in events(resumed, "cycle"))
    assert len(done) == len(set(done)) == trained
    assert resumed["arms"]["learning"] == honest["arms"]["learning"]


def test_an_adapter_that_knows_the_future_ends_the_run(tmp_path: Path) -> None:
    """The planted offender: made from data up to a month after the swap."""

    def sees_the_future(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        train_threshold(task, on_progress)
        known = json.loads((task.out / "manifest.json").read_text())
        late = datetime.fromisoformat(known["data_cutoff_utc"]) + timedelta(days=30)
        write_threshold(task, 0.98, -1.0, late.isoformat())

    with pytest.raises(
        LookaheadError,
        match=r"v0\d+-\w+ was made from data up to 200.*in simulated time it is 200.*must not answer yet",
    ):
        learning(tmp_path, tmp_path / "kept", sees_the_future)


def test_nothing_is_learned_from_shuffled_outcomes(tmp_path: Path) -> None:
    cell = learning(tmp_path, tmp_path / "kept", variant=LOOP_VARIANTS["shuffled"])
    assert len(events(cell, "cycle")) > 4
    assert right(cell, "learning", 1) < 0.2


def test_a_bad_adapter_past_the_gate_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("llm_plugin.gate.judge")

    honest_judge = module.judge

    def lenient(*args: Any, **kwargs: Any) -> Any:
        return replace(honest_judge(*args, **kwargs), verdict="pass")

    def inverted(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        as_of = json.loads((task.dataset / "manifest.json").read_text())["as_of_utc"].replace("Z", "+00:00")
        write_threshold(task, 0.98, -1.0 if task.parent is None else 1.0, as_of)

    monkeypatch.setattr(module, "judge", lenient)
    config = replace(TINY, lead_bars=9_000, shifts=0, retrain_every=200)
    cell = run_loop_cell(
        config, SHIFTS, 1, tmp_path / "work", tmp_path / "kept", base=tiny_base, train=inverted, arms=("learning",)
    )
    swap, back = events(cell, "swap")[0], events(cell, "rollback")[0]
    assert back["version"] == "base"
    assert "is worse than base" in back["reason"]
    assert 0 < back["decision"] - swap["decision"] <= 120
    assert back["figures"]["watch"]["value"] >= back["figures"]["watch"]["bar"]
