"""A backtest whose disk fills up: a clear error, and nothing half-written."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_tools import FAKE, QUICK, Done, backtest, sets

SPAN = {"start": "2013-01-01", "end": "2013-02-28"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 900 KB: enough to begin a run, too small to finish it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"left out: needs the right to mount a small file system ({mounted.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run(output: Path) -> Done:
    options = ("--no-baseline", *sets("memory.backend=local", *QUICK, *FAKE))
    return backtest(output, "eurusd_ensemble", *options, **SPAN)


def test_a_full_disk_is_named_and_leaves_whole_files_only(shared_home: Path, disk: Path) -> None:
    done = run(disk / "runs")
    assert done.code == 6
    assert "No space left on device" in done.text or "disk is full" in done.text
    assert "Traceback" not in done.text
    folder = done.run.folder
    assert not (folder / "summary.json").exists()
    assert not list(folder.rglob("*.partial"))
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    rows = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
    assert rows
    recorded = {row["decision_id"] for row in rows if row["kind"] == "decision"}
    assert len(recorded) > 10
    for path in folder.glob("*.json"):
        path.unlink()
    with sqlite3.connect(folder / "store.sqlite") as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = {row[0] for row in store.execute("SELECT decision_id FROM decisions")}
    assert kept <= recorded


def test_the_same_run_on_a_large_disk_is_whole(shared_home: Path, tmp_path: Path) -> None:
    """The clean twin."""
    done = run(tmp_path / "runs")
    assert done.code == 0, done.err
    assert done.run.summary["status"] == "Completed"
