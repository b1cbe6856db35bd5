"""Processes of a proof's parts: each started with its specification, listened to, and ended with the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from llm_plugin.threads import thread_limits

__all__ = ["Processes"]


class Processes:
    """Runs a module with a specification as its argument; safe to use from several threads.

    Args:
        module: Takes the specification as JSON and writes `stage<TAB>fraction` lines.
        threads: Threads of each process.
    """

    def __init__(self, module: str, threads: int = 1) -> None:
        self._module = module
        self._environment = {**thread_limits(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        self._lock = threading.Lock()
        self._alive: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, spec: Mapping[str, Any], log: Path, on_stage: Callable[[str, float], None]) -> str:
        """Run one part to its end; return what went wrong, empty if nothing did.

        Args:
            spec: Plain JSON types.
            log: What it writes to its standard error; kept where it failed.
            on_stage: Called with the stage's name and its fraction done.
        """
        with log.open("w", encoding="utf-8") as stream:
            with self._lock:
                if self._stopped:
                    return "stopped"
                process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-m", self._module, json.dumps(dict(spec))],
                    stdout=subprocess.PIPE,
                    stderr=stream,
                    text=True,
                    env={**os.environ, **self._environment},
                )
                self._alive.add(process)
            if process.stdout is not None:
                _relay(process.stdout, on_stage)
            code = process.wait()
        with self._lock:
            self._alive.discard(process)
        if code == 0:
            log.unlink()
            return ""
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"exit code {code}: {lines[-1] if lines else 'no message'} (all of it in {log})"

    def stop(self) -> None:
        """End what runs; nothing is started any more."""
        with self._lock:
            self._stopped = True
            for process in self._alive:
                process.terminate()


def _relay(stream: IO[str], on_stage: Callable[[str, float], None]) -> None:
    with stream:
        for line in stream:
            stage, _, fraction = line.rstrip("\n").rpartition("\t")
            if stage:
                on_stage(stage, float(fraction))
