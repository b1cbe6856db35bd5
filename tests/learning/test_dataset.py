"""A dataset is whole, checked by hash, and says what it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from matured_samples import after, matured, series

from llm_plugin.errors import DataError, StoreUnavailable
from llm_plugin.learning.codec import matured_from_json, matured_to_json
from llm_plugin.learning.dataset import read_dataset, write_dataset
from llm_plugin.learning.pairs import Pairs, build_pairs, training_rows
from llm_plugin.learning.split import Split, split_window
from llm_plugin.settings import LearningSettings

SETTINGS = LearningSettings(holdout=20, window_decisions=200)


@pytest.fixture
def made() -> tuple[Split, Pairs]:
    decisions = [*series([0.5, -1.0] * 130), matured(70.5, None, realised_r=1.0)]
    split = split_window(decisions, SETTINGS, as_of_utc=after(decisions))
    return split, build_pairs(training_rows(split, SETTINGS), SETTINGS)


def test_what_is_written_is_read_back(made: tuple[Split, Pairs], tmp_path: Path) -> None:
    split, pairs = made
    manifest = write_dataset(tmp_path / "set", split, pairs, {"parent": "base"})
    dataset = read_dataset(tmp_path / "set")
    assert dataset.manifest == manifest
    assert dataset.pairs == pairs.rows
    assert dataset.kto == pairs.kto
    assert len(dataset.kto) == 1
    assert tuple(dataset.calibration) == split.calibration
    assert tuple(dataset.holdout) == split.holdout
    assert manifest.window_id == split.window_id
    assert manifest.newest_utc == split.holdout[-1].time_utc
    assert manifest.facts == {"parent": "base"}


def test_counts_add_up(made: tuple[Split, Pairs], tmp_path: Path) -> None:
    split, pairs = made
    counts = write_dataset(tmp_path / "set", split, pairs).counts
    assert counts["pairs"] == counts["pairs_for_signal"] + counts["pairs_for_hold"]
    parts = ("pairs_of_window", "pairs_of_older_regimes", "pairs_of_bars_without_signal")
    assert counts["pairs"] == sum(counts[name] for name in parts)
    assert counts["pairs_of_older_regimes"] > 0


def test_same_decisions_give_the_same_bytes(made: tuple[Split, Pairs], tmp_path: Path) -> None:
    first = write_dataset(tmp_path / "a", *made)
    second = write_dataset(tmp_path / "b", *made)
    assert first == second
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_card_says_what_was_left_out_and_why(made: tuple[Split, Pairs], tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", *made)
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert "| window | overlaps_calibration | 23 | their outcome could still have been running" in card
    assert "| holdout | 20 |" in card


@pytest.mark.parametrize("name", ["pairs.jsonl", "holdout.jsonl"])
def test_changed_file_is_refused_by_name(made: tuple[Split, Pairs], tmp_path: Path, name: str) -> None:
    write_dataset(tmp_path / "set", *made)
    read_dataset(tmp_path / "set")
    path = tmp_path / "set" / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=name):
        read_dataset(tmp_path / "set")


def test_changed_manifest_is_refused(made: tuple[Split, Pairs], tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", *made)
    path = tmp_path / "set" / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(values | {"sha256": "0" * 64}), encoding="utf-8")
    with pytest.raises(DataError, match="sha256 does not belong"):
        read_dataset(tmp_path / "set")
    path.write_text(json.dumps(values | {"dataset_version": "99"}), encoding="utf-8")
    with pytest.raises(DataError, match="dataset version '99'"):
        read_dataset(tmp_path / "set")


def test_folder_without_a_manifest_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no dataset"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("side", ["calibration", "embargo", "holdout"])
def test_pair_of_another_side_is_refused(made: tuple[Split, Pairs], tmp_path: Path, side: str) -> None:
    split, pairs = made
    stolen = getattr(split, side)[0]
    planted = replace(pairs, rows=[*pairs.rows, *build_pairs([stolen], SETTINGS).rows])
    with pytest.raises(DataError, match=f"decision {stolen.decision_id} of the {side} side"):
        write_dataset(tmp_path / "set", split, planted)
    assert not (tmp_path / "set").exists()


def test_failed_write_keeps_the_old_dataset(
    made: tuple[Split, Pairs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write_dataset(tmp_path / "set", *made)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llm_plugin.learning.dataset._write_lines", full)
    with pytest.raises(StoreUnavailable, match="No space left on device"):
        write_dataset(tmp_path / "set", *made)
    assert read_dataset(tmp_path / "set").manifest == old
    assert not (tmp_path / "set.part").exists()


def test_decision_survives_json() -> None:
    for decision in (matured(0, 1.0), matured(1, None, realised_r=-0.5, prompted=False)):
        assert matured_from_json(json.loads(json.dumps(matured_to_json(decision)))) == decision


def test_damaged_decision_is_named() -> None:
    values = matured_to_json(matured(0, 1.0))
    del values["net_r"]
    with pytest.raises(DataError, match=rf"{values['decision_id']} cannot be read: KeyError: 'net_r'"):
        matured_from_json(values)
