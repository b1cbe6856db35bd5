"""The local Weaviate server: one per home, shared by all processes, started and stopped by name.

What runs is written to `weaviate/server.json` under the plugin's home; a lock keeps two processes from starting it
twice. The server outlives the process that started it, until `lean-llm down weaviate`.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from llm_plugin.detached import has_ended, start_detached
from llm_plugin.errors import MemoryUnavailable
from llm_plugin.memory.binary import Progress, home, obtain_binary

__all__ = ["ServerInfo", "running", "start", "status", "stop"]

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A local server: process, ports, files."""

    pid: int
    http_port: int
    grpc_port: int
    binary: str
    data_folder: str

    @property
    def url(self) -> str:
        """Its HTTP address."""
        return f"http://{HOST}:{self.http_port}"


def folder() -> Path:
    """Return where the server keeps its data, its log and what is known of it."""
    return home() / "weaviate"


def start(progress: Progress | None = None) -> ServerInfo:
    """Return the running server, starting it (and obtaining its binary) where there is none.

    Raises:
        MemoryUnavailable: It cannot be had or does not get ready; the text names the log.
    """
    known = running()
    if known is not None:
        return known
    binary = obtain_binary(progress)
    with _lock():
        known = running()
        if known is not None:
            return known
        info = _launch(binary)
        _info_file().write_text(json.dumps(asdict(info)))
        try:
            _wait_ready(info)
        except BaseException:
            _kill(info.pid)
            _info_file().unlink(missing_ok=True)
            raise
    if progress is not None:
        progress(f"Weaviate is ready at {info.url} (process {info.pid})")
    return info


def stop() -> bool:
    """Stop the server; False if none was running."""
    with _lock():
        info = _read()
        _info_file().unlink(missing_ok=True)
        if info is None or not _is_ours(info):
            return False
        _kill(info.pid)
        return True


def running() -> ServerInfo | None:
    """Return the server if it is up and ready, None otherwise."""
    info = _read()
    return info if info is not None and _is_ours(info) and _ready(info) else None


def status() -> dict[str, object]:
    """Return what `lean-llm memory status` shows: `state` is running, starting or stopped."""
    info = _read()
    if info is None or not _is_ours(info):
        return {"state": "stopped", "home": str(folder())}
    state = "running" if _ready(info) else "starting"
    return {"state": state, "url": info.url, **asdict(info), "log": str(_log_file())}


def _launch(binary: Path) -> ServerInfo:
    data = folder() / "data"
    data.mkdir(parents=True, exist_ok=True)
    http, grpc, profiling, cluster = _free_ports()
    settings = {
        "PERSISTENCE_DATA_PATH": str(data),
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
        "QUERY_DEFAULTS_LIMIT": "20",
        "DEFAULT_VECTORIZER_MODULE": "none",
        "ENABLE_MODULES": "",
        "DISABLE_TELEMETRY": "true",
        "CLUSTER_IN_LOCALHOST": "true",
        "CLUSTER_ADVERTISE_ADDR": HOST,  # a machine whose first interface is IPv6 never gets ready without it
        "CLUSTER_GOSSIP_BIND_PORT": str(cluster),
        "CLUSTER_DATA_BIND_PORT": str(cluster + 1),
        "RAFT_PORT": str(cluster + 2),
        "RAFT_INTERNAL_RPC_PORT": str(cluster + 3),
        "RAFT_BOOTSTRAP_EXPECT": "1",
        "GRPC_PORT": str(grpc),
        "PROFILING_PORT": str(profiling),
        "LOG_LEVEL": "warning",
        "GOMAXPROCS": os.environ.get("GOMAXPROCS", str(os.cpu_count() or 1)),
    }
    # Only what a server needs: a proxy or a CLUSTER_HOSTNAME of the user's would break it.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    command = [str(binary), "--scheme", "http", "--host", HOST, "--port", str(http)]
    with _log_file().open("ab") as log:
        pid = start_detached(command, log, folder(), inherited | settings)
    return ServerInfo(pid, http, grpc, str(binary), str(data))


def _free_ports() -> tuple[int, int, int, int]:
    """Return ports for HTTP, gRPC, profiling, and the first of four in a row that the server talks to itself on."""
    while True:
        with ExitStack() as held:
            ports = [_bind(held, 0) for _ in range(4)]
            row = [_bind(held, ports[3] + step) for step in (1, 2, 3)]
            if all(row):
                return ports[0], ports[1], ports[2], ports[3]


def _bind(held: ExitStack, port: int) -> int:
    """Hold a port until the stack is left; 0 if it is taken."""
    one = held.enter_context(socket.socket())
    try:
        one.bind((HOST, port))
    except (OSError, OverflowError):
        return 0
    return int(one.getsockname()[1])


def _wait_ready(info: ServerInfo) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if _ready(info):
            return
        if _exited(info.pid):
            raise MemoryUnavailable(f"Weaviate ended while starting: {_last_log_line()} (log: {_log_file()})")
        time.sleep(0.1)
    raise MemoryUnavailable(f"Weaviate was not ready after {READY_SECONDS:g} s (log: {_log_file()})")


def _ready(info: ServerInfo) -> bool:
    try:
        with urllib.request.urlopen(f"{info.url}/v1/.well-known/ready", timeout=2) as answer:  # noqa: S310
            if answer.status != 200:
                return False
        with socket.create_connection((HOST, info.grpc_port), timeout=2):
            return True
    except (OSError, urllib.error.URLError):
        return False


def _is_ours(info: ServerInfo) -> bool:
    """Tell our server from another program that got its process id after a restart of the machine."""
    if _exited(info.pid):
        return False
    arguments = Path(f"/proc/{info.pid}/cmdline")
    if not arguments.exists():
        return _ready(info)
    words = arguments.read_bytes().split(b"\0")
    return str(info.http_port).encode() in words


def _exited(pid: int) -> bool:
    if has_ended(pid):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _kill(pid: int) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if _exited(pid):
            return
        os.kill(pid, sign)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and not _exited(pid):
            time.sleep(0.05)


@contextmanager
def _lock() -> Iterator[None]:
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "server.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _read() -> ServerInfo | None:
    try:
        return ServerInfo(**json.loads(_info_file().read_text()))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def _info_file() -> Path:
    return folder() / "server.json"


def _log_file() -> Path:
    return folder() / "server.log"


def _last_log_line() -> str:
    try:
        lines = _log_file().read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1][:300] if lines else "nothing in its log"
