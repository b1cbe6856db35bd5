"""A real PostgreSQL server for tests, where Debian's packages have put one; else the test says what it left out."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) if os.name == "posix" else []
    if not found:
        pytest.skip("left out: no PostgreSQL here; Debian's package postgresql brings one")
    pytest.importorskip("psycopg", reason="left out: the driver is missing; pip install 'lean-llm-plugin[postgres]'")
    return found[-1].parent


@contextmanager
def running_server() -> Iterator[tuple[str, Callable[[str], None]]]:
    """A cluster of its own, run by the user postgres where the tests run as root; its URL and its control."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="lean-llm-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def control(*words: str) -> None:
        subprocess.run([*as_user, *words], check=True, capture_output=True, cwd="/")

    def pg_ctl(verb: str) -> None:
        options = f"-p {port} -h 127.0.0.1 -k {folder}"
        mode = ["-m", "immediate"] if verb == "stop" else ["-o", options, "-l", str(folder / "log")]
        control(str(programs / "pg_ctl"), "-D", str(folder / "data"), "-w", *mode, verb)

    control(str(programs / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "lean")
    pg_ctl("start")
    yield f"postgresql://lean@127.0.0.1:{port}/postgres", pg_ctl
    pg_ctl("stop")
    shutil.rmtree(folder)
