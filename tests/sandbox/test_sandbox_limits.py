"""What a sandboxed run may use, what it gives back, and what happens where the kernel lacks a layer."""

from __future__ import annotations

import errno
import platform
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_plugin.errors import SandboxUnavailable
from llm_plugin.sandbox import Layers, SandboxLimits, SandboxResult, kernel_layers, require_layers, run_sandboxed
from llm_plugin.sandbox.seccomp import build_filter
from llm_plugin.sandbox.syscalls import ALLOWED, CHECKED

here = pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")
DATA = Path(__file__).parents[2] / "datasets" / "market"


@pytest.fixture
def sandboxed(tmp_path: Path) -> Callable[..., SandboxResult]:
    """Run lines on the second day of five, in a sandbox: `sandboxed("while True: pass", step_seconds=2)`."""

    def go(lines: str = "pass", **limits: float) -> SandboxResult:
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        source = """
            from AlgorithmImports import *
            class Algorithm(QCAlgorithm):
                def initialize(self):
                    self.set_start_date(2013, 10, 7)
                    self.set_end_date(2013, 10, 11)
                    self.spy = self.add_equity('SPY', Resolution.HOUR).symbol
                def on_data(self, data):
                    if not self.portfolio.invested:
                        self.market_order(self.spy, 10)
                    if self.time.day == 8:
        """
        body = textwrap.dedent(source) + textwrap.indent(lines, " " * 12) + "\n"
        (project / "main.py").write_text(body)
        given = SandboxLimits(**{"run_seconds": 60, "step_seconds": 30, **limits})  # type: ignore[arg-type]
        return run_sandboxed(project, data_folder=DATA, results_folder=tmp_path / "out", limits=given)

    return go


@here
def test_an_honest_algorithm_gives_what_it_gives_outside(sandboxed, tmp_path, monkeypatch):
    from llm_plugin.engine.runner import run_backtest

    inside = sandboxed()
    monkeypatch.setenv("LEAN_LLM_HOME", str(tmp_path / "home"))
    outside = run_backtest(tmp_path / "project", data_folder=DATA, results_folder=None)

    assert (inside.status, inside.error, inside.refusals) == ("Completed", "", ())
    assert inside.statistics == outside.statistics
    assert inside.orders_hash == outside.order_list_hash
    assert inside.orders == len(outside.orders) == 1
    assert inside.files["full"].is_file()
    assert any("Landlock" in layer for layer in inside.layers)
    assert any("seccomp" in layer for layer in inside.layers)


@here
@pytest.mark.parametrize(
    ("lines", "limits", "match"),
    [
        ("while True: pass", {"step_seconds": 1.5}, "main.py:12: one time step takes longer than 1.5 s"),
        ("kept = []\nwhile True: kept.append(bytearray(10**7))", {"memory_mib": 1500}, "main.py:13: MemoryError"),
        ("bytearray(10**13)", {}, "main.py:12: MemoryError"),
        (
            "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
            {"threads": 16},
            "main.py:13: RuntimeError: can't start new thread",
        ),
        (
            "import os\nwhile True:\n    try: os.fork()\n    except OSError: raise SystemError('no fork')",
            {},
            "SystemError: no fork",
        ),
        ("open('big', 'wb').write(bytes(40_000_000))", {"file_mib": 8}, "main.py:12: OSError"),
        ("1 / 0", {}, "main.py:12: ZeroDivisionError"),
    ],
    ids=["endless loop", "memory", "huge allocation", "threads", "fork bomb", "huge file", "raises"],
)
def test_a_runaway_ends_with_its_line_and_partial_results(sandboxed, lines, limits, match):
    result = sandboxed(lines, **limits)

    assert match in result.error
    assert (result.status, result.exit_code) == ("RuntimeError", 8)
    assert (result.orders, len(result.equity)) == (1, len(result.days))
    assert result.statistics["Total Orders"] == "1"


@here
def test_c_code_that_never_returns_is_ended_from_outside_with_the_line_it_hangs_in(sandboxed):
    began = time.monotonic()
    result = sandboxed("x = 7 ** (7 ** 9)", step_seconds=2)

    assert "main.py:12: one time step takes longer than 2 s and does not stop when told" in result.error
    assert result.kind == "LimitExceeded"
    assert time.monotonic() - began < 50


@here
def test_an_algorithm_that_swallows_every_exception_is_ended(sandboxed):
    result = sandboxed(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass", step_seconds=1
    )

    # Told to stop between two tries it ends there; told inside of one, it goes on and its process is ended.
    assert "one time step takes longer than 1 s" in result.error
    assert "main.py:1" in result.error
    assert result.kind == "LimitExceeded"


@here
def test_a_process_that_ends_itself_is_told(sandboxed):
    result = sandboxed("import os\nos._exit(3)")

    assert "process died" in result.error
    assert "code 3" in result.error


@here
@pytest.mark.parametrize(
    "message",
    ["no json", '{"event": "done", "statistics": {"Sharpe Ratio": 9}}', '["done"]', '{"event": "done", "equity": [1]}'],
    ids=["no json", "a number for a text", "no object", "equity without days"],
)
def test_forged_answers_end_the_run(sandboxed, message):
    lines = (
        "import os, time\nfor number in range(3, 12):\n"
        f"    try: os.write(number, b'{message}\\n')\n    except OSError: pass\n"
    )
    result = sandboxed(lines + "while True: time.sleep(1)")

    assert "it wrote into the channel of its own process" in result.error
    assert result.statistics == {}


@here
def test_many_small_files_are_counted_together(sandboxed):
    lines = "import time\nfor n in range(10**6):\n    open(str(n), 'wb').write(bytes(2_000_000))\n    time.sleep(0.01)"
    result = sandboxed(lines, total_mib=20)

    assert "wrote more than 20 MiB" in result.error


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        (Layers(0, True, True), "Landlock"),
        (Layers(5, False, True), "seccomp"),
        (Layers(1, True, False), "Landlock version 3"),
    ],
    ids=["no landlock", "no seccomp", "old landlock"],
)
def test_a_machine_without_a_needed_layer_refuses_by_name(layers, named):
    with pytest.raises(SandboxUnavailable, match=f"this machine lacks {named}"):
        require_layers(layers)


@pytest.mark.parametrize("layers", [Layers(7, True, True), Layers(3, True, False), Layers(1, True, True)])
def test_what_is_enough_is_enough(layers):
    assert require_layers(layers) == layers


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_decides_as_its_tables_say(machine):
    place = ["x86_64", "aarch64"].index(machine)
    pid = 4321
    allowed, refused = 0x7FFF0000, 0x00050000 | errno.EPERM

    def ask(number: int, *arguments: int) -> int:
        return _execute(build_filter(pid, machine), machine, number, (*arguments, 0, 0, 0)[:3])

    listed = {pair[place] for pair in ALLOWED.values() if pair[place] is not None}
    checked = {pair[place] for pair in CHECKED.values()}
    assert {ask(number) for number in listed} == {allowed}
    assert {ask(number) for number in range(600) if number not in listed | checked} == {refused}
    calls = {name: pair[place] for name, pair in CHECKED.items()}
    assert ask(calls["clone"], 0x00010000 | 0x100) == allowed
    assert ask(calls["clone"], 17) == refused
    assert ask(calls["clone3"]) == 0x00050000 | errno.ENOSYS
    assert (ask(calls["kill"], pid), ask(calls["kill"], 1)) == (allowed, refused)
    assert (ask(calls["prlimit64"], 0), ask(calls["prlimit64"], 1)) == (allowed, refused)
    assert (ask(calls["prctl"], 15), ask(calls["prctl"], 22)) == (allowed, refused)
    assert (ask(calls["ioctl"], 0, 0x5401), ask(calls["ioctl"], 0, 0x5412)) == (allowed, refused)
    assert (ask(calls["fcntl"], 0, 3), ask(calls["fcntl"], 0, 8)) == (allowed, refused)
    assert ask(0x40000000) == 0x00050000 | errno.ENOSYS


def test_the_filter_ends_a_process_of_another_architecture():
    assert _execute(build_filter(1, "x86_64"), "aarch64", 0, (0, 0, 0)) == 0x80000000


def _execute(program: list[tuple[int, int, int, int]], machine: str, number: int, arguments: tuple[int, ...]) -> int:
    """Run a filter as the kernel would."""
    audit = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    memory = {0: number, 4: audit, **{16 + 8 * place: value for place, value in enumerate(arguments)}}
    at = accumulator = 0
    while True:
        code, when_true, when_false, value = program[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            accumulator = memory[value]
            continue
        holds = {
            0x15: accumulator == value,
            0x35: accumulator >= value,
            0x25: accumulator > value,
            0x45: bool(accumulator & value),
        }[code]
        at += when_true if holds else when_false


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the header of this machine holds other numbers")
def test_the_numbers_of_system_calls_are_the_kernels():
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.is_file():
        pytest.skip(f"{header} is not installed")
    rows = (line.split() for line in header.read_text().splitlines() if line.startswith("#define __NR_"))
    known = {row[1].removeprefix("__NR_"): int(row[2]) for row in rows}
    ours = {name: pair[0] for name, pair in {**ALLOWED, **CHECKED}.items() if pair[0] is not None}
    assert ours == {name: known[name] for name in ours}
    assert len(ours) > 100
