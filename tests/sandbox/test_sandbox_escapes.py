"""Planted offenders: algorithms that reach for the host. The kernel's layers must hold without Python's hook too."""

from __future__ import annotations

import os
import socket
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sandbox_attempts import ATTEMPTS

from llm_plugin.sandbox import SandboxLimits, SandboxResult, kernel_layers, run_sandboxed

pytestmark = pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")

DATA = Path(__file__).parents[2] / "datasets" / "market"
SECRET = "hunter2-do-not-tell"
LIMITS = SandboxLimits(run_seconds=60, step_seconds=30)

TEMPLATE = """
from AlgorithmImports import *
HOME, OUTSIDE, PROJECT, DATA, PORT = {home!r}, {outside!r}, {project!r}, {data!r}, {port}

def raise_(error):
    raise error

{functions}

class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 7)
        self.add_equity('SPY', Resolution.HOUR)
        self.add_equity('SPY', Resolution.DAILY)

    def on_end_of_algorithm(self):
        for name, attempt in ATTEMPTS.items():
            try:
                got = attempt()
            except RuntimeError as error:
                self.log(f'ATTEMPT {{name}}|got|{{error}}')
            except BaseException as error:
                self.log(f'ATTEMPT {{name}}|stopped|{{type(error).__name__}}: {{error}}')
            else:
                self.log(f'ATTEMPT {{name}}|got|{{got!r}}')
"""


def _source(attempts: dict[str, str], **places: object) -> str:
    functions, names = [], []
    for number, (name, body) in enumerate(attempts.items()):
        functions.append(f"def attempt_{number}():\n" + textwrap.indent(body, "    "))
        names.append(f"    {name!r}: attempt_{number},")
    functions.append("ATTEMPTS = {\n" + "\n".join(names) + "\n}")
    return TEMPLATE.format(functions="\n\n".join(functions), **places)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A home with a key, a folder with victims, a project with a link that leads out."""
    os.environ["LEAN_LLM_TEST_SECRET"] = SECRET
    root = tmp_path_factory.mktemp("world")
    home, outside, project = root / "home", root / "outside", root / "project"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_rsa").write_text(SECRET)
    outside.mkdir()
    (outside / "victim").write_text("whole")
    (outside / "stolen.py").write_text(f"SECRET = {SECRET!r}\n")
    project.mkdir()
    (project / "innocent.txt").symlink_to(home / ".ssh" / "id_rsa")
    yield {"home": home, "outside": outside, "project": project, "data": DATA}
    del os.environ["LEAN_LLM_TEST_SECRET"]


@pytest.fixture(scope="module")
def attack(world: dict[str, Path]) -> Callable[..., tuple[SandboxResult, dict[str, tuple[str, str]]]]:
    """Run all attempts in one sandboxed run: `attack(use_audit=False)`; gives what became of each."""

    known: dict[str, tuple[SandboxResult, dict[str, tuple[str, str]]]] = {}

    def go(**switches: bool) -> tuple[SandboxResult, dict[str, tuple[str, str]]]:
        if str(switches) not in known:
            known[str(switches)] = attempt(**switches)
        return known[str(switches)]

    def attempt(**switches: bool) -> tuple[SandboxResult, dict[str, tuple[str, str]]]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            (world["project"] / "main.py").write_text(
                _source(ATTEMPTS, port=port, **{name: str(path) for name, path in world.items()})
            )
            result = run_sandboxed(
                world["project"], data_folder=DATA, results_folder=world["project"] / "out", limits=LIMITS, **switches
            )
        log = result.files["log"].read_text() if "log" in result.files else ""
        rows = [line.split("ATTEMPT ", 1)[1].split("|", 2) for line in log.splitlines() if "ATTEMPT " in line]
        return result, {name: (fate, text) for name, fate, text in rows}

    return go


@pytest.mark.parametrize(
    "switches",
    [{}, {"use_audit": False}, {"use_audit": False, "use_namespaces": False}],
    ids=["all layers", "kernel alone", "Landlock and seccomp alone"],
)
def test_no_attempt_gets_out(attack, world, switches):
    before = (world["outside"] / "victim").stat()

    result, fates = attack(**switches)

    assert (result.status, result.error) == ("Completed", "")
    assert set(fates) == set(ATTEMPTS)
    got = {name: text for name, (fate, text) in fates.items() if fate == "got"}
    assert got == {}
    victim = world["outside"] / "victim"
    assert victim.read_text() == "whole"
    assert (victim.stat().st_mode, victim.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert sorted(path.name for path in world["outside"].iterdir()) == ["stolen.py", "victim"]
    assert not (world["project"] / "planted.py").exists()
    assert not (DATA / "planted").exists()
    everything = b"".join(path.read_bytes() for path in (world["project"] / "out").rglob("*") if path.is_file())
    assert SECRET.encode() not in everything


def test_what_is_refused_is_told_with_the_users_line(attack):
    result, fates = attack()

    main = "main.py:"
    told = "\n".join(result.refusals)
    for what in ("reading (open /etc/passwd", "the network", "starting a process", "calling C", "writing (open"):
        assert what in told
    assert all(main in line for line in result.refusals)
    line = next(line for line in result.refusals if "/etc/passwd" in line)
    number = int(line.split(main)[1].split(":")[0])
    path = Path(line.split(":")[0])
    assert "open('/etc/passwd')" in path.read_text().splitlines()[number - 1]
    assert fates["etc passwd"][1].startswith("Refused: the sandbox refuses reading (open /etc/passwd")


def test_the_same_attempts_succeed_without_a_sandbox(world, monkeypatch):
    """The clean twin of the test: an attempt that would fail anywhere proves nothing."""
    from llm_plugin.engine.runner import run_backtest

    monkeypatch.setenv("LEAN_LLM_HOME", str(world["home"] / "cache"))
    harmless = {
        name: ATTEMPTS[name]
        for name in (
            "etc passwd", "home", "listing of the root", "os open", "numpy reads bytes", "pandas reads csv",
            "environment", "own environment by proc", "socket", "socket pair", "low level socket", "subprocess",
            "os system", "posix spawn", "ctypes system", "ctypes open", "kill the parent", "permissions", "times",
            "symlink in the project", "import of a foreign file", "object subclasses", "write outside", "url",
        )
    }  # fmt: skip
    project = world["project"].parent / "twin"
    project.mkdir()
    outside = world["project"].parent / "twin-outside"
    outside.mkdir()
    (outside / "victim").write_text("whole")
    (outside / "stolen.py").write_text(f"SECRET = {SECRET!r}\n")
    (project / "innocent.txt").symlink_to(world["home"] / ".ssh" / "id_rsa")
    with socket.create_server(("127.0.0.1", 0)) as server:
        del harmless["url"]  # nobody answers there
        places = {**world, "project": project, "outside": outside}
        source = _source(harmless, port=server.getsockname()[1], **{k: str(v) for k, v in places.items()})
        (project / "main.py").write_text(source)
        result = run_backtest(project, data_folder=DATA, results_folder=None)

    stopped = [line for line in result.log_lines if "|stopped|" in line]
    assert stopped == []
    assert sum("|got|" in line for line in result.log_lines) == len(harmless)
    assert os.environ["LEAN_LLM_TEST_SECRET"] == SECRET
