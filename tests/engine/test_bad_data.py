"""Planted damage in market data: file and row are named, and the run stops or skips as it was told."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_plugin.engine.data.bad_data import BadData
from llm_plugin.engine.runner import BacktestResult, run_backtest
from llm_plugin.errors import ConfigError, DataError

HOURLY = "equity/usa/hour/spy.zip"
ALGORITHM = """
from AlgorithmImports import *
class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, {first})
        self.set_end_date(2013, 10, {last})
        self.spy = self.add_equity('SPY', Resolution.{resolution}, fill_forward=False).symbol
        self.seen = []
    def on_data(self, data):
        if data.bars.contains_key(self.spy):
            self.seen.append((data[self.spy].end_time, data[self.spy].close))
"""


@pytest.fixture
def market(data_folder: Path, tmp_path: Path) -> Path:
    """A copy of the parts of the sample that a SPY run needs."""
    root = tmp_path / "market"
    for part in ("market-hours", "symbol-properties", "equity/usa/map_files", "equity/usa/factor_files", "alternative"):
        shutil.copytree(data_folder / part, root / part)
    for part in ("equity/usa/hour", "equity/usa/daily", "equity/usa/minute/spy"):
        (root / part).mkdir(parents=True)
        for path in (data_folder / part).glob("*spy*.zip" if part != "equity/usa/minute/spy" else "*.zip"):
            shutil.copy(path, root / part / path.name)
    return root


@pytest.fixture
def play(market: Path, tmp_path: Path) -> Callable[..., BacktestResult]:
    """Run SPY on the copy: `play(BadData("skip"))`."""

    def go(
        policy: BadData | None = None, *, resolution: str = "HOUR", first: int = 7, last: int = 11
    ) -> BacktestResult:
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        (project / "main.py").write_text(ALGORITHM.format(resolution=resolution, first=first, last=last))
        return run_backtest(project, data_folder=market, results_folder=None, data_policy=policy)

    return go


def _lines(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0]).decode().splitlines()


def _write(path: Path, lines: list[str]) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("data.csv", "\n".join(lines) + "\n")
    path.write_bytes(content.getvalue())


def _row_of(lines: list[str], stamp: str) -> int:
    return next(place for place, line in enumerate(lines) if line.startswith(stamp))


def _with(number: int, value: str) -> Callable[[list[str], int], list[str]]:
    def plant(lines: list[str], at: int) -> list[str]:
        fields = lines[at].split(",")
        fields[number] = value
        return [*lines[:at], ",".join(fields), *lines[at + 1 :]]

    return plant


def _swapped(lines: list[str], at: int) -> list[str]:
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


def _repeated(lines: list[str], at: int) -> list[str]:
    return [*lines[: at + 1], lines[at], *lines[at + 1 :]]


def _overlapping(lines: list[str], at: int) -> list[str]:
    return [*lines[: at + 1], lines[at].replace(":00,", ":30,", 1), *lines[at + 1 :]]


# name -> (how it is planted, rows after the planted place at which it is found, what is said, rows lost)
PLANTED = {
    "text in a price": (_with(4, "abc"), 0, "'abc' is not a number", 1),
    "a field too few": (lambda x, at: [*x[:at], x[at].rsplit(",", 1)[0], *x[at + 1 :]], 0, "fields", 1),
    "no time": (_with(0, "20131345 10:00"), 0, "201313451000 is not a time", 1),
    "unsorted": (_swapped, 0, "unsorted", 1),
    "repeated": (_repeated, 1, "it repeats the time of a row above", 0),
    "a row of the far future": (_with(0, "20911009 11:00"), 0, "unsorted", 1),
    "a row of the past": (_with(0, "20111009 11:00"), 0, "unsorted", 1),
    "overlapping": (_overlapping, 1, "overlapping", 0),
    "zero price": (_with(3, "0"), 0, "a price is 0", 1),
    "negative price": (_with(3, "-5000"), 0, "a price is negative", 1),
    "low above high": (_with(3, "99999999"), 0, "in no order", 1),
    "close above high": (_with(4, "99999999"), 0, "in no order", 1),
    "negative volume": (_with(5, "-3"), 0, "its volume is negative", 1),
}


@pytest.mark.parametrize("name", PLANTED)
def test_damage_stops_with_file_and_row_or_is_skipped_and_counted(play, market, name):
    plant, offset, what, lost = PLANTED[name]
    clean = play()
    path = market / HOURLY
    lines = _lines(path)
    at = _row_of(lines, "20131009 11:00")
    _write(path, plant(lines, at))

    with pytest.raises(DataError, match=rf"hour/spy\.zip row {at + offset + 1}\b.*{what}"):
        play()
    skipped = play(BadData("skip"))

    assert len(skipped.algorithm.seen) == len(clean.algorithm.seen) - lost
    assert set(skipped.algorithm.seen) <= set(clean.algorithm.seen)
    [problem] = [one for one in skipped.data_problems if one.kind == "skipped"]
    assert (problem.path, problem.row, problem.rows) == (path, at + offset + 1, 1)
    assert any("1 rows of market data were skipped" in line and what in line for line in skipped.log_lines)


def test_sound_data_has_no_problem_and_gives_the_same_under_both_policies(play):
    stop, skip = play(), play(BadData("skip"))

    assert stop.data_problems == skip.data_problems == []
    assert stop.algorithm.seen == skip.algorithm.seen
    assert stop.statistics == skip.statistics
    assert len(stop.algorithm.seen) > 20


def test_a_file_that_is_no_archive_stops_or_is_left_out(play, market):
    day = market / "equity/usa/minute/spy/20131009_trade.zip"
    clean = play(resolution="MINUTE")
    day.write_bytes(day.read_bytes()[:200])

    with pytest.raises(DataError, match=r"20131009_trade\.zip is damaged"):
        play(resolution="MINUTE")
    skipped = play(BadData("skip"), resolution="MINUTE")

    assert {moment.day for moment, _ in skipped.algorithm.seen} == {7, 8, 10, 11}
    assert len(skipped.algorithm.seen) < len(clean.algorithm.seen)
    assert any("the file cannot be read" in str(problem) for problem in skipped.data_problems)


def test_many_rows_with_one_fault_are_one_problem_with_their_count(play, market):
    path = market / HOURLY
    lines = _lines(path)
    at = _row_of(lines, "20131009 11:00")
    _write(path, [*lines[:at], *(line.rsplit(",", 1)[0] + ",x" for line in lines[at : at + 3]), *lines[at + 3 :]])

    result = play(BadData("skip"))
    [problem] = result.data_problems
    assert (problem.row, problem.rows) == (at + 1, 3)
    assert f"row {at + 1} and 2 more" in str(problem)


def test_a_day_without_a_file_between_days_that_have_one_is_told_or_stops(play, market):
    (market / "equity/usa/minute/spy/20131009_trade.zip").unlink()

    told = play(resolution="MINUTE")
    missing = [problem for problem in told.data_problems if problem.kind == "missing"]
    assert [problem.path.name for problem in missing] == ["20131009_trade.zip"]
    assert told.status == "Completed"
    with pytest.raises(DataError, match=r"20131009_trade\.zip: no such file; get the file, or"):
        play(BadData(missing="stop"), resolution="MINUTE")


def test_a_closed_day_is_not_missing(play):
    assert play(resolution="MINUTE", first=7, last=14).data_problems == []


def test_a_series_without_a_file_is_told(play, market):
    (market / HOURLY).unlink()

    result = play()
    assert [problem.path for problem in result.data_problems] == [market / HOURLY]


def test_an_unknown_policy_is_named():
    with pytest.raises(ConfigError, match="--bad-data ignore: choose stop or skip"):
        BadData("ignore")
    with pytest.raises(ConfigError, match="--missing-data skip: choose tell or stop"):
        BadData(missing="skip")
