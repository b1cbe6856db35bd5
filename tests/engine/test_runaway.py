"""Algorithms that never return, allocate without end or call what does not exist: the user's line, partial results."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from llm_plugin.engine.limits import LimitReached, RunLimits, Watchdog
from llm_plugin.errors import AlgorithmError, LimitExceeded, UnsupportedLeanApi

SECOND = RunLimits(step_seconds=1.5)


def _on_the_second_day(spy_minute, lines: str) -> str:
    body = "\n".join(" " * 8 + line for line in lines.splitlines())
    return (
        spy_minute()
        + "\ndef on_data(self, data):\n    if not self.portfolio.invested:\n        self.market_order(self.spy, 10)\n"
        + "    if self.time.day == 8:\n"
        + body
    )


def _named_line(error: Exception, folder: Path) -> str:
    line = int(str(error).split("main.py:")[1].split(":")[0].split(")")[0])
    return (folder / "project" / "main.py").read_text().splitlines()[line - 1].strip()


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("while True:\n    pass", "pass|while True:"),
        ("import time\ntime.sleep(60)", "time.sleep(60)"),
        ("while True:\n    try:\n        x = 1\n    except Exception:\n        pass", "x = 1|try:|while True:"),
    ],
    ids=["endless loop", "sleep", "loop that swallows exceptions"],
)
def test_a_step_that_never_returns_ends_at_the_users_line_with_partial_results(run, spy_minute, tmp_path, lines, named):
    with pytest.raises(LimitExceeded, match=r"main\.py:\d+: one time step takes longer than 1\.5 s") as caught:
        run(_on_the_second_day(spy_minute, lines), limits=SECOND)

    assert _named_line(caught.value, tmp_path) in named.split("|")
    assert (caught.value.result.status, len(caught.value.result.orders)) == ("RuntimeError", 1)


def test_the_whole_run_has_a_limit_of_its_own(run, spy_minute):
    source = spy_minute() + "\ndef on_data(self, data):\n    import time\n    time.sleep(0.02)"
    with pytest.raises(LimitExceeded, match=r"the run takes longer than 1\.5 s"):
        run(source, limits=RunLimits(run_seconds=1.5))


def test_memory_without_end_is_stopped_at_the_users_line(run, spy_minute, tmp_path):
    held = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20
    lines = "import time\nkept = []\nwhile True:\n    kept.append(bytes(2_000_000) + b'x')\n    time.sleep(0.002)"
    with pytest.raises(LimitExceeded, match=r"main\.py:\d+: the run holds [\d,]+ MiB of memory, more than") as caught:
        run(_on_the_second_day(spy_minute, lines), limits=RunLimits(memory_mib=held + 200))

    assert _named_line(caught.value, tmp_path) in (
        "kept.append(bytes(2_000_000) + b'x')",
        "time.sleep(0.002)",
        "while True:",
    )


def test_one_huge_allocation_is_an_error_of_the_users_line(run, spy_minute, tmp_path):
    with pytest.raises(LimitExceeded, match=r"main\.py:\d+: MemoryError") as caught:
        run(_on_the_second_day(spy_minute, "bytearray(2**60)"))

    assert _named_line(caught.value, tmp_path) == "bytearray(2**60)"
    assert len(caught.value.result.orders) == 1


def test_a_module_that_never_ends_its_import_is_stopped(run):
    with pytest.raises(LimitExceeded, match=r"main\.py:3: one time step"):
        run(source="while True: pass", limits=RunLimits(step_seconds=0.3))


def test_a_quick_run_is_left_alone_and_the_signal_is_given_back(run, spy_minute):
    before = signal.getsignal(signal.SIGVTALRM)
    result = run(_on_the_second_day(spy_minute, "pass"), limits=SECOND)

    assert result.status == "Completed"
    assert signal.getsignal(signal.SIGVTALRM) == before


def test_limits_hold_in_threads_other_than_the_main_one():
    caught: list[BaseException] = []

    def work() -> None:
        try:
            with Watchdog(RunLimits(step_seconds=0.2), lambda: 0):
                while True:
                    pass
        except LimitReached as reached:
            caught.append(reached)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)

    assert [str(error) for error in caught] == ["one time step takes longer than 0.2 s"]


def test_an_algorithm_that_swallows_everything_is_told_to_the_owner_of_the_process(run, spy_minute):
    told: list[str] = []
    lines = """import time
while getattr(self, 'count', 0) < 6:
    try:
        time.sleep(5)
    except:
        self.count = getattr(self, 'count', 0) + 1"""
    result = run(
        _on_the_second_day(spy_minute, lines), limits=RunLimits(step_seconds=1.5, on_stuck=told.append), errors=True
    )

    assert result.algorithm.count == 6
    assert len(told) == 1
    assert "goes on when told to stop (it is in" in told[0]
    assert "main.py" in told[0]


@pytest.mark.parametrize(
    ("line", "error", "match"),
    [
        ("self.set_cassh(5)", UnsupportedLeanApi, r"QCAlgorithm\.set_cassh .*did you mean 'set_cash'.*main\.py:\d+"),
        ("self.SetCassh(5)", UnsupportedLeanApi, r"QCAlgorithm\.SetCassh .*did you mean 'SetCash'.*main\.py:\d+"),
        ("self.spy.ID.Markett", UnsupportedLeanApi, r"SecurityIdentifier\.Markett .*did you mean 'Market'"),
        ("Symbol.creat('SPY')", UnsupportedLeanApi, r"Symbol\.creat .*did you mean 'create'.*main\.py:\d+"),
        ("self.securities[self.spy].option_filter", UnsupportedLeanApi, r"Security\.option_filter .*main\.py:\d+"),
        ("raise AttributeError('own words')", AlgorithmError, r"main\.py:\d+: AttributeError: own words$"),
        ("self.spy = None; self.spy.value", AlgorithmError, r"'NoneType' .*'value': it is None here"),
        ("Resolution.DAYLY", UnsupportedLeanApi, r"did you mean 'DAILY'"),
        ("SimpleMovingAverrage(5)", UnsupportedLeanApi, r"did you mean 'SimpleMovingAverage'"),
        ("self.spy.valeu", UnsupportedLeanApi, r"Symbol\.valeu .*did you mean 'value'"),
        ("price = 1; print(prise)", AlgorithmError, r"main\.py:\d+: NameError: .*did you mean 'price'"),
        ("[].apend(1)", AlgorithmError, r"main\.py:\d+: AttributeError: .*did you mean 'append'"),
        ("None.value", AlgorithmError, r"main\.py:\d+: AttributeError: .*it is None here"),
    ],
    ids=[
        "member",
        "pascal",
        "capitals",
        "class",
        "lean-has-it",
        "own-words",
        "none-kept",
        "enum",
        "type",
        "symbol",
        "name",
        "attribute",
        "none",
    ],
)
def test_what_does_not_exist_is_told_with_the_nearest_name(run, spy_minute, line, error, match):
    with pytest.raises(error, match=match):
        run(_on_the_second_day(spy_minute, line))
