"""Time and memory that a run may use, watched from outside of the bar loop: a thread looks twice a second."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

__all__ = ["LEAN_STEP_SECONDS", "LimitReached", "RunLimits", "Watchdog"]

LEAN_STEP_SECONDS = 1200.0
_BEAT_SECONDS = 0.5
_STRIKES = 5
_MIB = 1 << 20
# Nobody else's in a Python program, unlike SIGALRM and the user signals.
_SIGNAL = getattr(signal, "SIGVTALRM", None)


class LimitReached(BaseException):
    """Raised inside the algorithm; no `except Exception` of the user's stops it."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What a run may use.

    Attributes:
        step_seconds: One time step, and `initialize`; LEAN's limit is 20 minutes.
        run_seconds: The whole run; None = as long as it takes.
        memory_mib: Memory that the process holds; None = four fifths of the machine's.
        on_stuck: Called with the reason if the algorithm goes on after several reminders; it should end the process.
    """

    step_seconds: float = LEAN_STEP_SECONDS
    run_seconds: float | None = None
    memory_mib: int | None = None
    on_stuck: Callable[[str], None] | None = None


class Watchdog:
    """A context that interrupts the run inside it when a limit is reached.

    Args:
        limits: What the run may use.
        position: Where the run is; while the answer stays the same, a step goes on.
    """

    def __init__(self, limits: RunLimits, position: Callable[[], Any]) -> None:
        self._limits, self._position = limits, position
        self._most_bytes = _memory_limit(limits.memory_mib)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._target = threading.get_ident()
        self._thread: threading.Thread | None = None
        self._handler: Any = None
        self._owns_signal = False
        self._reason = ""

    def __enter__(self) -> Watchdog:
        if threading.current_thread() is threading.main_thread() and _SIGNAL is not None:
            self._handler = signal.getsignal(_SIGNAL)
            self._owns_signal = self._handler in (signal.SIG_DFL, signal.SIG_IGN)
            if self._owns_signal:
                signal.signal(_SIGNAL, self._raise)
        self._thread = threading.Thread(target=self._watch, name="run-limits", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:  # a signal is on its way before the lock is free, or never sent: none meets the old handler
            self._stop.set()
            if not self._owns_signal:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._target), None)
        if self._owns_signal and _SIGNAL is not None:
            signal.signal(_SIGNAL, self._handler)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if not self._stop.is_set():
            raise LimitReached(self._reason)

    def _watch(self) -> None:
        began = since = time.monotonic()
        last = self._position()
        strikes = 0
        shortest = min(self._limits.step_seconds, self._limits.run_seconds or self._limits.step_seconds)
        beat = min(_BEAT_SECONDS, max(0.02, shortest / 4))
        while not self._stop.wait(beat if not strikes else 2 * _BEAT_SECONDS):
            now = time.monotonic()
            here = self._position()
            if here != last:
                last, since = here, now
            self._reason = self._broken(now - began, now - since)
            if not self._reason:
                continue
            strikes += 1
            if strikes > _STRIKES and self._limits.on_stuck is not None:
                self._limits.on_stuck(f"{self._reason}, and goes on when told to stop{_where(self._target)}")
            self._interrupt()

    def _broken(self, run_seconds: float, step_seconds: float) -> str:
        limits = self._limits
        if limits.run_seconds is not None and run_seconds > limits.run_seconds:
            return f"the run takes longer than {limits.run_seconds:g} s"
        if step_seconds > limits.step_seconds:
            return f"one time step takes longer than {limits.step_seconds:g} s"
        held = _resident_bytes()
        if self._most_bytes and held > self._most_bytes:
            return f"the run holds {held // _MIB:,} MiB of memory, more than {self._most_bytes // _MIB:,} MiB"
        return ""

    def _interrupt(self) -> None:
        with self._lock:
            if self._stop.is_set():
                return
            if self._owns_signal and _SIGNAL is not None:
                signal.pthread_kill(self._target, _SIGNAL)  # also ends a sleep
                return
            raised = ctypes.py_object(_named(self._reason))
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._target), raised)


def _named(reason: str) -> type[LimitReached]:
    """Return a class whose bare instances carry a reason: an asynchronous exception is raised without arguments."""

    class Reached(LimitReached):
        def __init__(self) -> None:
            super().__init__(reason)

    return Reached


def _where(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return f" (it is in {frame.f_code.co_filename}:{frame.f_lineno})" if frame is not None else ""


def _memory_limit(given_mib: int | None) -> int:
    if given_mib is not None:
        return given_mib * _MIB
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 4 // 5
    except (AttributeError, OSError, ValueError):
        return 0


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
