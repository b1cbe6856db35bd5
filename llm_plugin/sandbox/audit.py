"""Python's audit hook as the layer that explains: it refuses what the kernel would, with the user's file and line.

It is no wall of its own: code that tampers with the interpreter gets past it, and stands before the kernel's layers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from llm_plugin.errors import SandboxViolation

__all__ = ["Guard", "Refused"]

_MOST_TOLD = 100
_PATH_EVENTS = frozenset(
    "open os.listdir os.scandir os.chdir os.mkdir os.remove os.rmdir os.truncate shutil.rmtree glob.glob".split()
)
_REFUSED = {
    "os.system": "starting a process",
    "os.exec": "starting a process",
    "os.fork": "starting a process",
    "os.forkpty": "starting a process",
    "os.posix_spawn": "starting a process",
    "os.spawn": "starting a process",
    "subprocess.Popen": "starting a process",
    "pty.spawn": "starting a process",
    "os.kill": "signalling a process",
    "os.killpg": "signalling a process",
    "os.link": "making a link",
    "os.symlink": "making a link",
    "os.chmod": "changing permissions",
    "os.chown": "changing permissions",
    "os.utime": "changing a file's times",
    "os.setxattr": "changing permissions",
    "os.removexattr": "changing permissions",
    "resource.setrlimit": "changing limits",
    "resource.prlimit": "changing limits",
    "ctypes.dlopen": "calling C",
    "ctypes.dlsym": "calling C",
    "ctypes.dlsym/handle": "calling C",
    "ctypes.call_function": "calling C",
    "ctypes.string_at": "reading raw memory",
    "ctypes.wstring_at": "reading raw memory",
    "ctypes.cdata": "reading raw memory",
    "syslog.openlog": "writing the host's log",
    "syslog.syslog": "writing the host's log",
    "webbrowser.open": "starting a process",
}


class Refused(SandboxViolation, PermissionError):
    """Also a PermissionError, so that libraries which probe for files go on as they would before the kernel's no."""


class Guard:
    """The hook; quiet until `watch` is entered, because the engine's own imports need no leave.

    Args:
        readable: Folders and files that may be read.
        writable: Folders that may be written.
        project: Folder of the user's files, for the line that is named.
        on_refusal: Called with each refusal's text.
    """

    def __init__(
        self, readable: tuple[str, ...], writable: tuple[str, ...], project: str, on_refusal: Callable[[str], None]
    ) -> None:
        self._readable = tuple(os.path.realpath(path) for path in (*readable, *writable))
        self._writable = tuple(os.path.realpath(path) for path in writable)
        self._project = os.path.realpath(project)
        self._on_refusal = on_refusal
        self._busy = False
        self.refusals: list[str] = []
        self.is_watching = False

    def install(self) -> None:
        """Add the hook to the interpreter; it cannot be removed."""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_watching or self._busy:
            return
        if event in _PATH_EVENTS:
            self._look(event, arguments)
        elif event in _REFUSED:
            if event == "os.kill" and arguments and arguments[0] == os.getpid():
                return
            self._refuse(_REFUSED[event], event, arguments)
        elif event == "socket.__new__":
            self._refuse("the network", "socket", ())
        elif event.startswith("socket."):
            self._refuse("the network", event, arguments)

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        target = arguments[0] if arguments else None
        if not isinstance(target, str | bytes | os.PathLike):
            return  # an open file by its number
        self._busy = True
        try:
            path = os.path.realpath(os.fsdecode(target))
        finally:
            self._busy = False
        writes = event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree")
        if event == "open":
            mode, flags = arguments[1], arguments[2]
            told = isinstance(mode, str) and any(letter in mode for letter in "wax+")
            writes = told or bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if not _inside(path, self._writable if writes else self._readable):
            self._refuse("writing" if writes else "reading", event, (path,))

    def _refuse(self, what: str, event: str, arguments: tuple[Any, ...]) -> None:
        shown = ", ".join(str(value)[:120] for value in arguments[:2] if value is not None)
        where = self._line()
        text = f"{where + ': ' if where else ''}the sandbox refuses {what} ({event}{' ' + shown if shown else ''})"
        if where and len(self.refusals) < _MOST_TOLD:
            self.refusals.append(text)
            self._on_refusal(text)
        raise Refused(text.partition(": ")[2] if where else text)

    def _line(self) -> str:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(self._project + os.sep):
                return f"{Path(name)}:{frame.f_lineno}"
            frame = frame.f_back
        return ""


def _inside(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
