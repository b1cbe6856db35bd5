"""The clock of a paper run: it waits, it says how late it is, it stops; and nothing is seen before its time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_plugin.cli.paper import StatusLine
from llm_plugin.engine.live.paper import run_paper
from llm_plugin.engine.live.seam import LiveStatus, Pace
from llm_plugin.errors import ConfigError
from llm_plugin.runs.paper import find_deployment, parse_speed

HOURLY = """
class Hourly(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 3, 4)
        self.set_end_date(2013, 3, 5)
        self.symbol = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol
        self.set_benchmark(lambda time: 1)
        self.schedule.on(self.date_rules.every_day(), self.time_rules.every(timedelta(minutes=30)), self.half)
        self.seen = []

    def half(self):
        self.seen.append(("event", self.utc_time))

    def on_data(self, data):
        self.seen.append(("data", self.utc_time))
"""


class Wall:
    """A wall clock that only moves where somebody waits or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Waited(Pace):
    """A pace whose waiting moves the wall clock on at once."""

    def __init__(self, speed: float, wall: Wall) -> None:
        super().__init__(speed, clock=wall)
        stop = self._stop.wait

        def wait(seconds: float | None = None) -> bool:
            wall.now += seconds or 0.0
            return stop(0)

        self._stop.wait = wait  # type: ignore[method-assign,assignment]


def test_a_minute_at_speed_60_is_a_second() -> None:
    wall = Wall()
    pace = Waited(60, wall)
    pace.begin(0)
    assert pace.wait_until(60_000_000)
    assert wall.now == pytest.approx(101.0)
    assert pace.now_us() == pytest.approx(60_000_000)
    wall.now += 5.0  # slow work
    assert pace.wait_until(120_000_000)
    assert pace.lag_seconds == pytest.approx(4.0)
    assert wall.now == pytest.approx(106.0)


def test_no_speed_waits_for_nothing_and_a_stop_ends_every_wait() -> None:
    wall = Wall()
    pace = Waited(0, wall)
    pace.begin(0)
    assert pace.wait_until(10**15)
    assert wall.now == 100.0
    pace.stop()
    assert not pace.wait_until(10**15)
    slow = Pace(1)
    slow.begin(0)
    slow.stop()
    began = time.monotonic()
    assert not slow.wait_until(10**12)
    assert time.monotonic() - began < 5


def test_bars_and_scheduled_events_come_at_their_own_wall_time(
    make_project: Callable[..., Path], market_data: Path, tmp_path: Path
) -> None:
    wall = Wall()
    pace = Waited(3600, wall)
    at: dict[object, float] = {}

    def note(status: LiveStatus) -> None:
        at.setdefault(status.time.replace(tzinfo=None), wall.now)

    result = run_paper(
        make_project(HOURLY), data_folder=market_data, folder=tmp_path / "live", pace=pace, on_moment=note
    )  # fmt: skip
    seen = result.algorithm.seen
    assert {kind for kind, _ in seen} == {"event", "data"}
    first = seen[0][1]
    times = [moment for _, moment in seen]
    assert times == sorted(times)
    halves = [moment for kind, moment in seen if kind == "event" and moment.minute == 30]
    assert len(halves) > 20
    for moment in halves:  # not only with the bar that follows half an hour, half a second, later
        assert at[moment] - at[first] == pytest.approx((moment - first).total_seconds() / 3600, abs=1e-6)


@pytest.mark.parametrize(("text", "speed"), [("60", 60.0), ("0.5", 0.5), ("max", 0.0), ("0", 0.0)])
def test_speeds(text: str, speed: float) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["-1", "fast", "inf", "nan"])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"--speed {text}: give simulated seconds"):
        parse_speed(text)


def test_the_status_line_says_how_things_stand() -> None:
    from datetime import UTC, datetime

    status = LiveStatus(datetime(2014, 3, 3, 15, tzinfo=UTC), 100123.4, 1, 2, 14, 99, False, 3.25)
    text = StatusLine(60).text(status)
    assert text.startswith(
        "2014-03-03 15:00:00 UTC  x60  equity 100,123.40  1 positions  2 open orders  14 orders  3.2"
    )


def test_the_newest_deployment_that_has_not_ended_goes_on(swing: Path, market_data: Path, tmp_path: Path) -> None:
    first = find_deployment(tmp_path / "paper", new=False)
    assert not first.resumed
    pace = Pace(0)
    moments: list[LiveStatus] = []

    def stop(status: LiveStatus) -> None:
        moments.append(status)
        if len(moments) == 3:
            pace.stop()

    run_paper(swing, data_folder=market_data, folder=first.folder, pace=pace, on_moment=stop)
    again = find_deployment(tmp_path / "paper", new=False)
    assert (again.folder, again.resumed) == (first.folder, True)
    assert find_deployment(tmp_path / "paper", new=True).folder != first.folder
    run_paper(swing, data_folder=market_data, folder=first.folder, pace=Pace(0))
    assert find_deployment(tmp_path / "paper", new=False).folder != first.folder


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_stop_cleanly_and_the_next_start_goes_on(
    swing: Path, market_data: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    arguments = [sys.executable, "-c", "from llm_plugin.cli import main; main()", "paper", str(swing), "--data",
                 str(market_data), "--speed", "20000", "--output", str(tmp_path / "paper")]  # fmt: skip
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "paper").glob("*/*-log.txt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "stopping after this moment; the account is kept" in err
    assert out.startswith("Stopped: ")
    arguments[arguments.index("20000")] = "max"
    again = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert "going on with" in again.stderr
    assert again.stdout.startswith("Completed: ")
