"""A real `lean-llm serve` process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Served", "serve_process"]

_ADDRESS = re.compile(r"serves (http://\S+?),? ")


@dataclass
class Served:
    """A running service."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """Kill it as the kernel would; nothing is written any more."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    @property
    def text(self) -> str:
        """Everything that it has said."""
        return self.log.read_text(errors="replace")


@contextmanager
def serve_process(
    folder: Path, *overrides: str, config: Path | None = None, arguments: tuple[str, ...] = (), port: int = 0
) -> Iterator[Served]:
    """Run `lean-llm serve` on a free port; it is killed at the end if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"serve-{time.monotonic_ns()}.log"
    command = [sys.executable, "-c", "from llm_plugin.cli.app import run; run()", "serve", "--port", str(port)]
    command += [*(("--config", str(config)) if config else ()), *arguments]
    command += [word for override in overrides for word in ("--set", override)]
    environment = {**os.environ, "COLUMNS": "400", "NO_COLOR": "1"}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
    try:
        yield Served(_address(process, log), process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(20)


def _address(process: subprocess.Popen[bytes], log: Path, timeout_seconds: float = 90) -> str:
    end = time.monotonic() + timeout_seconds
    while time.monotonic() < end and process.poll() is None:
        found = _ADDRESS.search(log.read_text(errors="replace"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"lean-llm serve did not start:\n{log.read_text(errors='replace')}")
