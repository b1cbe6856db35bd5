"""Planted offenders: algorithms that reach for the host. The kernel's layers must hold without Python's hook too."""

from __future__ import annotations

import os
import socket
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_plugin.sandbox import SandboxLimits, SandboxResult, kernel_layers, run_sandboxed

pytestmark = pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")

DATA = Path(__file__).parents[2] / "datasets" / "market"
SECRET = "hunter2-do-not-tell"
LIMITS = SandboxLimits(run_seconds=60, step_seconds=30)

# Each attempt is a function body; what it returns is what it got hold of. An exception means that it was stopped.
ATTEMPTS = {
    "etc passwd": "return open('/etc/passwd').read()",
    "home": "return open(HOME + '/.ssh/id_rsa').read()",
    "listing of the root": "import os; return os.listdir(HOME)",
    "io open": "import io; return io.open_code(HOME + '/.ssh/id_rsa').read()",
    "os open": "import os; return os.read(os.open(HOME + '/.ssh/id_rsa', os.O_RDONLY), 100)",
    "numpy reads bytes": "return bytes(np.fromfile(HOME + '/.ssh/id_rsa', dtype='u1'))",
    "pandas reads csv": "return pd.read_csv(HOME + '/.ssh/id_rsa').to_string()",
    "mmap of a numpy array": "return bytes(np.memmap(HOME + '/.ssh/id_rsa', mode='r'))",
    "environment": "import os; return os.environ['LEAN_LLM_TEST_SECRET']",
    "environment of the parent": "import os; return open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "own environment by proc": "return open('/proc/self/environ', 'rb').read()",
    "memory of the parent": "import os; return open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "descriptor of the parent": "import os; return os.listdir(f'/proc/{os.getppid()}/fd')",
    "socket": "import socket; s = socket.create_connection(('127.0.0.1', PORT), 3); return s",
    "unix socket": "import socket; s = socket.socket(socket.AF_UNIX); s.connect(HOME + '/agent.sock'); return s",
    "socket pair": "import socket; return socket.socketpair()",
    "low level socket": "import _socket; return _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)",
    "url": "import urllib.request; return urllib.request.urlopen(f'http://127.0.0.1:{PORT}', timeout=3).read()",
    "name look-up": "import socket; return socket.getaddrinfo('localhost', 80)",
    "subprocess": "import subprocess; return subprocess.run(['/bin/echo', 'x'], capture_output=True).stdout",
    "os system": "import os; return 'ran' if os.system('true') == 0 else raise_(OSError())",
    "posix spawn": "import os; return os.posix_spawn('/bin/true', ['true'], {})",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "fork": "import os; return os.fork()",
    "multiprocessing": (
        "import multiprocessing as m; p = m.get_context('fork').Process(target=print)\np.start(); return p"
    ),
    "ctypes system": "import ctypes; return 'ran' if ctypes.CDLL(None).system(b'true') == 0 else raise_(OSError())",
    "ctypes open": (
        "import ctypes; c = ctypes.CDLL(None); f = c.open((HOME + '/.ssh/id_rsa').encode(), 0)\n"
        "if f < 0: raise OSError()\nreturn f"
    ),
    "ptrace of the parent": (
        "import ctypes, os; c = ctypes.CDLL(None)\n"
        "if c.ptrace(16, os.getppid(), 0, 0) != 0: raise OSError()\nreturn 'attached'"
    ),
    "kill the parent": "import os; os.kill(os.getppid(), 0); return 'reached'",
    "signal everybody": "import os; os.kill(-1, 0); return 'reached'",
    "write outside": "open(OUTSIDE + '/planted', 'w').write('x'); return 'written'",
    "write into the project": "open(PROJECT + '/planted.py', 'w').write('x'); return 'written'",
    "write into the data": "open(DATA + '/planted', 'w').write('x'); return 'written'",
    "truncate by path": "import os; os.truncate(OUTSIDE + '/victim', 0); return 'truncated'",
    "open truncates": "import os; return os.open(OUTSIDE + '/victim', os.O_RDONLY | os.O_TRUNC)",
    "remove": "import os; os.remove(OUTSIDE + '/victim'); return 'removed'",
    "rename": "import os; os.rename(OUTSIDE + '/victim', OUTSIDE + '/gone'); return 'renamed'",
    "permissions": "import os; os.chmod(OUTSIDE + '/victim', 0o777); return 'changed'",
    "owner": "import os; os.chown(OUTSIDE + '/victim', 0, 0); return 'changed'",
    "times": "import os; os.utime(OUTSIDE + '/victim', (0, 0)); return 'changed'",
    "symlink in the project": "return open(PROJECT + '/innocent.txt').read()",
    "symlink made by it": (
        "import os; os.symlink(HOME + '/.ssh/id_rsa', os.environ['TMPDIR'] + '/x')\n"
        "return open(os.environ['TMPDIR'] + '/x').read()"
    ),
    "hard link made by it": "import os; os.link(HOME + '/.ssh/id_rsa', os.environ['TMPDIR'] + '/x'); return 'linked'",
    "import of a foreign file": (
        "import importlib.util as u; s = u.spec_from_file_location('stolen', OUTSIDE + '/stolen.py')\n"
        "m = u.module_from_spec(s); s.loader.exec_module(m); return m.SECRET"
    ),
    "import by a longer path": "import sys; sys.path.insert(0, OUTSIDE); import stolen; return stolen.SECRET",
    "loader by name": (
        "from importlib.machinery import SourceFileLoader as L\nreturn L('s', OUTSIDE + '/stolen.py').load_module()"
    ),
    "mount": (
        "import ctypes\nif ctypes.CDLL(None).mount(b'x', b'/', b'tmpfs', 0, None) != 0: raise OSError()\n"
        "return 'mounted'"
    ),
    "new namespace": "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000) != 0: raise OSError()\nreturn 'left'",
    "io uring": (
        "import ctypes\nc = ctypes.CDLL(None, use_errno=True); c.syscall(425, 4, ctypes.create_string_buffer(200))\n"
        "raise OSError() if ctypes.get_errno() == 1 else RuntimeError('not refused')"
    ),
    "limits raised": "import resource as r; r.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY,) * 2); return 'raised'",
    "limits of the parent": "import os, resource as r; r.prlimit(os.getppid(), r.RLIMIT_NOFILE, (1, 1)); return 'set'",
    "terminal input": "import fcntl; fcntl.ioctl(0, 0x5412, b'x'); return 'typed'",
    "shared memory": "from multiprocessing.shared_memory import SharedMemory as S; return S(create=True, size=10)",
    "object store path": "return open(HOME + '/.ssh/../.ssh/id_rsa').read()",
    "object subclasses": (
        "w = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]\n"
        "return w.__init__.__globals__['popen']('echo x').read()"
    ),
}

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
