"""The outer side of the nursery: starts it, hands it candidates, and takes back bytes that nobody has believed yet."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import llm_plugin
from llm_plugin.errors import AlgorithmError, SandboxUnavailable
from llm_plugin.sandbox.policy import kernel_layers, python_paths
from llm_plugin.strategies.judge.verdict import JudgeLimits
from llm_plugin.threads import thread_limits

__all__ = ["Cell", "Said"]

_GRACE_SECONDS = 30.0
_START_ATTEMPTS = 2
_KEPT = ("LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Said:
    """What one run of a candidate left.

    Attributes:
        payload: What its process wrote.
        code: Its exit code, negative for a signal.
        reason: Why it was ended from outside; empty if it was not.
        cpu_seconds: Processor time.
    """

    payload: bytes
    code: int
    reason: str
    cpu_seconds: float


class Cell:
    """A nursery and its folders.

    Args:
        data_folder: LEAN-format data of the whole runs.
        limits: What a run may use.
        use_namespaces: False leaves the namespaces out even where there are some; the tests prove each layer alone.
        use_audit: False leaves Python's audit hook out.
        unsafe: Run without a sandbox where the kernel cannot build one: a candidate can then do all that you can.
    """

    def __init__(
        self,
        data_folder: Path,
        limits: JudgeLimits,
        *,
        use_namespaces: bool = True,
        use_audit: bool = True,
        unsafe: bool = False,
    ) -> None:
        layers = kernel_layers()
        missing = layers.missing()
        if missing and not unsafe:
            raise SandboxUnavailable(
                [f"the judge runs code that nobody has read, and this machine lacks {name}" for name in missing]
                + ["use a container or a virtual machine; `unsafe` runs it with your rights, and it can forge verdicts"]
            )
        self._locks = not missing
        self._namespaces = use_namespaces and layers.namespaces and self._locks
        self._audit = use_audit
        self._data, self._limits = Path(data_folder).resolve(), limits
        self.base = Path(tempfile.mkdtemp(prefix="lean-llm-judge-")).resolve()
        for name in ("home", "root", "work"):
            (self.base / name).mkdir()
        self.work = self.base / "work"
        self.layers: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, project: Path, data_folder: Path, **values: Any) -> Said:
        """Run a candidate once.

        Args:
            project: Folder below `work` with its `main.py`.
            data_folder: The data that it may see: the whole, or a view below `work` that ends earlier.
            **values: `start`, `end` (texts), `cash` and `cut_us`.
        """
        job = {
            "project": str(project),
            "data_folder": str(data_folder),
            **{"start": "", "end": "", "cash": 0.0, "cut_us": None, **values},
            "cpu_seconds": self._limits.cpu_seconds,
            "wall_seconds": self._limits.wall_seconds,
            "memory_mib": self._limits.memory_mib,
            "output_mib": self._limits.output_mib,
            "scratch_mib": self._limits.scratch_mib,
        }
        for _ in range(_START_ATTEMPTS):
            process = self._started()
            try:
                return self._ask(process, job)
            except (OSError, ValueError, KeyError):
                # The nursery itself is gone: nothing that a candidate may do ends it; a full machine does.
                self._end()
        raise AlgorithmError(f"the process that runs candidates died twice; the end of its log: {self._tail()}")

    def _ask(self, process: subprocess.Popen[bytes], job: Mapping[str, Any]) -> Said:
        if process.stdin is None or process.stdout is None:
            raise ValueError("no channel")
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        header = json.loads(process.stdout.readline())
        payload = process.stdout.read(int(header["size"]))
        return Said(payload, int(header["code"]), str(header["reason"]), float(header["cpu"]))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        root = str(Path(llm_plugin.__file__).parent.parent)
        code = (
            "import sys; sys.path.insert(0, sys.argv.pop(1)); "
            "from llm_plugin.strategies.judge.nursery import main; sys.exit(main())"
        )
        home = str(self.base / "home")
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {**thread_limits(1), "NUMEXPR_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        environment |= {"HOME": home, "LEAN_LLM_HOME": home, "TMPDIR": home}
        with (self.base / "nursery.log").open("wb") as log:
            self._process = process = subprocess.Popen(  # noqa: S603 - our own module in this interpreter
                [sys.executable, "-E", "-s", "-P", "-B", "-c", code, root],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=self.base,
                start_new_session=True,
            )
        if process.stdin is None or process.stdout is None:
            raise AlgorithmError("the process that runs candidates has no channel")
        python = list(python_paths())
        policy = {
            "readable": [*python, str(self._data), str(self.work)],
            "python": python,
            "home": home,
            "root": str(self.base / "root"),
            "data_folder": str(self._data),
            "namespaces": self._namespaces,
            "locks": self._locks,
            "audit": self._audit,
            "scratch_mib": self._limits.scratch_mib,
        }
        process.stdin.write(json.dumps(policy).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer = json.loads(line) if line else {"event": "died"}
        if answer["event"] == "refused":
            raise SandboxUnavailable(f"the judge's sandbox could not be built: {answer['text']}")
        if answer["event"] != "ready":
            raise AlgorithmError(f"the process that runs candidates did not start: {self._tail()}")
        self.layers = list(answer["layers"])
        return process

    def _tail(self) -> str:
        log = self.base / "nursery.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
        return " | ".join(line for line in lines[-4:] if line.strip()) or "it is empty"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        until = time.monotonic() + 5
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        if process.poll() is None:
            process.kill()
        process.wait()

    def close(self) -> None:
        """End the nursery and remove its folders."""
        self._end()
        shutil.rmtree(self.base, ignore_errors=True)
