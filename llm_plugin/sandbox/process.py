"""The outer side: starts a child, hands it one run after another, and ends it when it does not come back."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import llm_plugin
from llm_plugin.errors import AlgorithmError, SandboxUnavailable
from llm_plugin.sandbox.policy import SandboxPolicy
from llm_plugin.threads import thread_limits

__all__ = ["ChildProcess", "OnEvent"]

OnEvent = Callable[[Mapping[str, Any]], None]
_GRACE_SECONDS = 4.0
_START_SECONDS = 120.0
_POLL_SECONDS = 0.5
_MOST_LINE = 64 << 20  # characters; an answer holds the equity of every day
_MOST_WAITING = 10_000
_MIB = 1 << 20
_MOST_REFUSALS = 100
_BROKEN = "it wrote into the channel of its own process"
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_KEPT = ("LANG", "LC_ALL", "TZ", "SYSTEMROOT")


class ChildProcess:
    """A child that serves runs; one after the other, from one thread of the caller.

    Args:
        project: Folder of the user's files.
        policy: Shuts the child in; None = an ordinary process with the caller's environment.
        scratch: Folder of its own, for its home and temporary files; the caller removes it.
    """

    def __init__(self, project: Path, policy: SandboxPolicy | None, scratch: Path) -> None:
        self._project, self._policy, self._scratch = project, policy, scratch
        self.layers: list[str] = []
        self._interrupted = self._forged = False
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._log = scratch / "child.log"
        self._process = self._start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send({"policy": policy.to_json() if policy is not None else None, "project": str(project)})
        self._await_ready()

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_alive(self) -> bool:
        """False once it has ended, of its own or by force."""
        return self._process.poll() is None

    def _start(self) -> subprocess.Popen[str]:
        code = (
            "import sys; sys.path.insert(0, sys.argv.pop(1)); from llm_plugin.sandbox.child import main; "
            "sys.exit(main())"
        )
        root = str(Path(llm_plugin.__file__).parent.parent)
        with self._log.open("w", encoding="utf-8") as log:
            return subprocess.Popen(  # noqa: S603 - our own module in this interpreter
                [sys.executable, *(["-I", "-B"] if self._policy is not None else []), "-c", code, root],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment(),
                cwd=self._scratch,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        kept = dict(os.environ) if self._policy is None else {n: os.environ[n] for n in _KEPT if n in os.environ}
        given = {**thread_limits(1), "NUMEXPR_NUM_THREADS": "1"}
        if self._policy is not None:
            home = self._policy.writable[0]
            given |= {"HOME": home, "LEAN_LLM_HOME": home, "TMPDIR": home}
        return {**kept, **given}

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is not None:
            # A sandboxed algorithm can reach the channel: whatever is no event ends the conversation.
            with stream:
                try:
                    while line := stream.readline(_MOST_LINE):
                        event = json.loads(line)
                        self._events.put({**event, "event": str(event["event"])})
                except (ValueError, KeyError, TypeError):
                    if line.endswith("\n") or len(line) >= _MOST_LINE:  # else it died in the middle of a word
                        self._forged = True
        self._events.put(None)

    def _send(self, message: Mapping[str, Any]) -> None:
        stream = self._process.stdin
        if stream is None:
            return
        with contextlib.suppress(BrokenPipeError):
            stream.write(json.dumps(message) + "\n")
            stream.flush()

    def _await_ready(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                event = self._events.get(timeout=max(0.1, until - time.monotonic()))
            except queue.Empty:
                self.kill()
                raise AlgorithmError(f"the child process did not start within {_START_SECONDS:g} s") from None
            if event is None:
                raise AlgorithmError(f"the child process did not start: {self._tail()}")
            if event["event"] == "refused":
                self.kill()
                raise SandboxUnavailable(event["problems"])
            if event["event"] == "locked":
                self.layers = list(event["layers"])
            if event["event"] == "ready":
                return

    def run(self, request: Mapping[str, Any], on_event: OnEvent | None = None) -> dict[str, Any]:
        """Run one backtest and return the child's last event about it.

        A child that dies or does not come back in time is ended, and the answer says so, with the user's line.

        Args:
            request: Project, data, dates, parameters and limits, as `child.py` takes them.
            on_event: Called with progress, heartbeats and refusals.
        """
        self._send(request)
        refusals: list[str] = []
        began = heard = looked = time.monotonic()
        last: Mapping[str, Any] = {}
        while True:
            try:
                event = self._events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                event = {"event": "silence"}
            except KeyboardInterrupt:
                self._stop_run()
                continue
            now = time.monotonic()
            if event is None:
                return self._died(last, refusals)
            if event["event"] == "done":
                return {**event, "refusals": refusals} if _is_sound(event) else self._stopped(_BROKEN, last, refusals)
            if event["event"] == "refusal":
                if len(refusals) < _MOST_REFUSALS:
                    refusals.append(str(event.get("text"))[:1000])
            elif event["event"] != "silence":
                heard, last = now, event
            if on_event is not None and event["event"] != "silence":
                on_event(event)
            reason = self._overdue(request, now - began, now - heard)
            if not reason and now - looked > 1:
                looked, reason = now, self._too_much()
            if reason:
                return self._stopped(reason, last, refusals)

    def _overdue(self, request: Mapping[str, Any], running: float, silent: float) -> str:
        run, step = request.get("run_seconds"), request.get("step_seconds")
        if run and running > run + _GRACE_SECONDS:
            return f"the run takes longer than {run:g} s and does not stop when told"
        # Its heart beats in a thread: silence means that something holds the interpreter, say one huge power.
        if step and silent > step + _GRACE_SECONDS:
            return f"one time step takes longer than {step:g} s and does not stop when told"
        return ""

    def _too_much(self) -> str:
        """Say what was written, where that is more than allowed; nobody else counts it over all files."""
        if self._policy is None:
            return ""
        most = self._policy.limits.total_mib * _MIB
        written = 0
        for folder in self._policy.writable:
            for base, _, names in os.walk(folder):
                for name in names:
                    with contextlib.suppress(OSError):
                        written += os.lstat(os.path.join(base, name)).st_size  # noqa: PTH118 - many files
        return f"the run wrote more than {self._policy.limits.total_mib} MiB" if written > most else ""

    def _stopped(self, reason: str, last: Mapping[str, Any], refusals: list[str]) -> dict[str, Any]:
        where = self._where()
        self.kill()
        reached = f"; it had reached {last['time']}" if last.get("time") else ""
        text = f"{where}{reason}: it was ended{reached}, its results are lost"
        return _failed(text, "LimitExceeded", refusals)

    def _where(self) -> str:
        """Ask C code below the interpreter where it hangs: it answers while the interpreter cannot."""
        before = self._log.stat().st_size
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)
        time.sleep(0.5)
        with self._log.open(encoding="utf-8", errors="replace") as log:
            log.seek(before)
            for found in _FRAME.finditer(log.read()):
                if found["file"].startswith(str(self._project)):
                    return f"{found['file']}:{found['line']}: "
        return ""

    def _died(self, last: Mapping[str, Any], refusals: list[str]) -> dict[str, Any]:
        try:
            code = self._process.wait(0 if self._forged else _GRACE_SECONDS)  # the channel closes a moment before
        except subprocess.TimeoutExpired:
            return self._stopped(_BROKEN, last, refusals)
        why = _signal_text(-code) if code < 0 else f"it ended itself with code {code}"
        reached = f" at {last['time']}" if last.get("time") else ""
        tail = self._tail()
        return _failed(f"the algorithm's process died{reached}: {why}{f'; {tail}' if tail else ''}", "Died", refusals)

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() if self._log.is_file() else []
        return " | ".join(line for line in lines[-4:] if line.strip())

    def _stop_run(self) -> None:
        """Pass Ctrl-C on: the run ends with partial results; the second one ends the process."""
        if self._interrupted:
            self.kill()
            raise KeyboardInterrupt
        self._interrupted = True
        if self.is_alive:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it now."""
        if self.is_alive:
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let it end, by force where it does not."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
        while self._reader.is_alive():
            with contextlib.suppress(queue.Empty):
                self._events.get(timeout=0.1)  # whoever waits for room in the queue goes on to its end

    @staticmethod
    def scratch_folder() -> Path:
        """Make a folder that only this user can read."""
        return Path(tempfile.mkdtemp(prefix="lean-llm-"))

    @staticmethod
    def remove(folder: Path) -> None:
        """Remove a scratch folder."""
        shutil.rmtree(folder, ignore_errors=True)


def _is_sound(answer: Mapping[str, Any]) -> bool:
    """Look whether an answer has the types that the rest of the program counts on."""
    statistics, days, equity = (answer.get(name) for name in ("statistics", "days", "equity"))
    texts = all(isinstance(answer.get(name, ""), str) for name in ("status", "error", "kind", "orders_hash"))
    numbers = all(
        isinstance(answer.get(name, 0), int | float) and math.isfinite(answer.get(name, 0))
        for name in ("orders", "bars", "seconds", "exit_code")
    )
    return (
        texts
        and numbers
        and isinstance(statistics or {}, dict)
        and all(isinstance(value, str) for value in (statistics or {}).values())
        and isinstance(days or [], list)
        and isinstance(equity or [], list)
        and len(days or []) == len(equity or [])
        and all(isinstance(day, str) for day in days or [])
        and all(isinstance(value, int | float) and math.isfinite(value) for value in equity or [])
        and all(isinstance(value, str) for value in (answer.get("files") or {}).values())
    )


def _failed(text: str, kind: str, refusals: list[str]) -> dict[str, Any]:
    return {
        "event": "done",
        "error": text,
        "kind": kind,
        "exit_code": AlgorithmError.exit_code,
        "status": "RuntimeError",
        "refusals": refusals,
    }


def _signal_text(number: int) -> str:
    causes = {
        signal.SIGKILL: "killed, most likely for its memory or its CPU time",
        signal.SIGXCPU: "it used all of its CPU time",
        signal.SIGXFSZ: "it wrote a file that is too large",
        signal.SIGSYS: "it made a system call of another architecture",
        signal.SIGSEGV: "it crashed (segmentation fault)",
    }
    try:
        return causes.get(signal.Signals(number), f"signal {signal.Signals(number).name}")
    except ValueError:
        return f"signal {number}"
