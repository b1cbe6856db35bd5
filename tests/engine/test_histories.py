"""A whole history is decoded once for all streams and runs that read it; a file that has changed is read again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType
from llm_plugin.engine.data import histories, lean_data
from llm_plugin.engine.data.bad_data import BadData, use_policy
from llm_plugin.engine.data.csv_decode import read_member
from llm_plugin.engine.data.histories import History
from llm_plugin.engine.market.market_hours import load_market_hours

HOURS = Path("equity/usa/hour/spy.zip")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[History]:
    """What was decoded, in order, beginning with nothing kept."""
    seen: list[History] = []
    original = lean_data._decoded
    monkeypatch.setattr(histories, "_kept", {})
    monkeypatch.setattr(lean_data, "_decoded", lambda history, *rest: seen.append(history) or original(history, *rest))
    return seen


@pytest.fixture
def copied(data_folder: Path, tmp_path: Path) -> Path:
    """A file of hours that may be changed."""
    return Path(shutil.copy(data_folder / HOURS, tmp_path / "spy.zip"))


@pytest.fixture
def read(data_folder: Path) -> Any:
    entry = load_market_hours(data_folder).get_entry("usa", "SPY", SecurityType.EQUITY)

    def read(path: Path, kind: SecurityType = SecurityType.EQUITY, resolution: Resolution = Resolution.HOUR) -> Any:
        return lean_data.read_file_columns(path, kind, "usa", resolution, TickType.TRADE, entry)

    return read


def test_a_history_is_decoded_once(decoded: list[History], copied: Path, read: Any) -> None:
    first, second = read(copied), read(copied)
    assert len(decoded) == 1
    assert first is second
    assert len(first) > 1_000


def test_other_kinds_of_the_same_file_are_other_columns(decoded: list[History], copied: Path, read: Any) -> None:
    equity, pair = read(copied), read(copied, SecurityType.CRYPTO)
    assert len(decoded) == 2
    assert (equity.scale, pair.scale) == (pair.scale + 4, equity.scale - 4)


def test_a_changed_file_is_read_again(decoded: list[History], copied: Path, read: Any) -> None:
    before = read(copied)
    os.utime(copied, ns=(1, 1))
    after = read(copied)
    assert len(decoded) == 2
    assert np.array_equal(before.start_us, after.start_us)


def test_nobody_can_write_to_what_is_kept(decoded: list[History], copied: Path, read: Any) -> None:
    columns = read(copied)
    for values in (columns.start_us, columns.end_us, columns.exact["close"], columns.sizes["volume"]):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
    columns.take(slice(0, 5)).take(np.ones(5, dtype=bool)).exact["close"][0] = 1


def test_daily_bars_of_kept_columns_run_from_open_to_close(
    decoded: list[History], data_folder: Path, read: Any
) -> None:
    path = data_folder / "equity/usa/daily/spy.zip"
    first, second = (read(path, resolution=Resolution.DAILY) for _ in range(2))
    assert len(decoded) == 1
    assert np.array_equal(first.start_us, second.start_us)
    assert int((first.end_us - first.start_us).max()) == 6.5 * 3_600_000_000


def test_a_history_with_faults_tells_them_at_each_read(
    decoded: list[History], copied: Path, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = read_member(copied)
    first, _, rest = text.partition(b"\n")
    monkeypatch.setattr(
        lean_data, "_cached_table", lambda path: lean_data.decode(first + b"\n" + first + b"\n" + rest, path)
    )
    for _ in range(2):
        with use_policy(BadData("skip")) as policy:
            columns = read(copied)
        assert [problem.rows for problem in policy.problems] == [1]
        assert len(columns) == len(text.splitlines())
    assert len(decoded) == 2


def test_only_so_many_are_kept(decoded: list[History], copied: Path, read: Any) -> None:
    for number in range(histories._MOST + 3):
        read(Path(shutil.copy(copied, copied.with_name(f"{number}.zip"))))
    assert [history.path.stem for history in histories.histories()] == [
        str(number) for number in range(3, histories._MOST + 3)
    ]


def test_what_is_told_of_a_history_is_read_back(decoded: list[History], copied: Path, read: Any) -> None:
    read(copied)
    (history,) = histories.histories()
    assert History.from_told(json.loads(json.dumps(history.told()))) == history
