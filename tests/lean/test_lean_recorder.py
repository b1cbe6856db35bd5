"""The record and other files on a disk that is full: whole rows, whole files, and a clear error."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import pytest

from llm_plugin.domain import Action, Signal
from llm_plugin.errors import StoreUnavailable
from llm_plugin.files import write_whole
from llm_plugin.lean.recorder import DecisionRecorder

START = datetime(2013, 1, 1, tzinfo=UTC)
LIMIT = 3000


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow beyond LIMIT bytes; a write is cut where the limit is, as on a full disk.

    Held for a few lines only: what pytest prints may go to a long file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def record(recorder: DecisionRecorder, rows: int) -> None:
    for hour in range(rows):
        at = START + timedelta(hours=hour)
        recorder.signal(Signal("EURUSD 8G", "EURUSD", at, Action.HOLD, 0.5, "test"), at)
        recorder.flush()


def test_the_record_ends_with_a_whole_row_where_the_disk_ends(tmp_path: Path) -> None:
    recorder = DecisionRecorder(tmp_path)
    with (
        full_disk(),
        pytest.raises(StoreUnavailable, match=r"cannot write .*decisions\.jsonl: File too large.*free space"),
    ):
        record(recorder, 100)
    with full_disk():
        recorder.close()
    lines = (tmp_path / "decisions.jsonl").read_text().splitlines()
    assert 10 < len(lines) < 30
    assert [json.loads(line)["time_utc"][11:13] for line in lines[:3]] == ["00", "01", "02"]
    assert json.loads(lines[-1])["kind"] == "signal"


def fill(stream: TextIO, row: str) -> None:
    for _ in range(100):
        stream.write(row)
        stream.flush()


def test_an_ordinary_file_is_cut_within_a_row(tmp_path: Path) -> None:
    """The planted offender of the test above: what a plain stream leaves behind."""
    row = json.dumps({"kind": "signal", "text": "x" * 150}) + "\n"
    stream = (tmp_path / "plain.jsonl").open("w")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        fill(stream, row)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        stream.close()
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        json.loads((tmp_path / "plain.jsonl").read_text().splitlines()[-1])


def test_a_resumed_record_goes_on_behind_the_last_row(tmp_path: Path) -> None:
    """What the process before wrote is not written again, and a line that its end cut off is taken back."""
    for resume, rows in ((False, 3), (True, 5)):
        recorder = DecisionRecorder(tmp_path, resume=resume)
        record(recorder, rows)
        recorder.close()
        with (tmp_path / "decisions.jsonl").open("a") as stream:
            stream.write('{"kind":"sig')
    DecisionRecorder(tmp_path, resume=True).close()
    times = [json.loads(line)["time_utc"] for line in (tmp_path / "decisions.jsonl").read_text().splitlines()]
    assert times == [f"{(START + timedelta(hours=hour)).isoformat()[:19]}Z" for hour in range(5)]


def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "summary.json"
    write_whole(target, "{}")
    with full_disk(), pytest.raises(StoreUnavailable, match=r"cannot write .*summary\.json: File too large"):
        write_whole(target, "x" * (2 * LIMIT))
    assert target.read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
