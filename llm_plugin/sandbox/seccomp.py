"""A seccomp filter: system calls that are not on the list fail with EPERM; some are allowed for this process only."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable

from llm_plugin.sandbox.syscalls import ALLOWED, ARCHITECTURES, CHECKED

__all__ = ["build_filter", "install", "is_available"]

_LOAD, _EQUAL, _ABOVE, _GREATER, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x25, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_CLONE_THREAD = 0x00010000
_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA = 15, 16, 0x53564D41
_TCGETS, _FIOCLEX, _FIONCLEX, _FIONREAD, _FIONBIO, _WINDOW_SIZE = 0x5401, 0x5451, 0x5450, 0x541B, 0x5421, 0x5413
# The rest of fcntl sends signals to strangers (F_SETOWN), watches folders or takes leases.
_FCNTL_ALLOWED = (*range(8), 1030, 1031, 1032, 1033, 1034)
_SET_SECCOMP, _MODE_FILTER, _NO_NEW_PRIVILEGES = 22, 2, 38

Instruction = tuple[int, int, int, int]


def is_available() -> bool:
    """True where this machine is known and its kernel has seccomp filters."""
    if platform.machine() not in ARCHITECTURES:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # A filter that lies nowhere: a kernel that has them answers "bad address", one without "invalid".
    libc.prctl(_SET_SECCOMP, _MODE_FILTER, None, 0, 0)
    return ctypes.get_errno() in (errno.EFAULT, errno.EACCES)


def build_filter(pid: int, machine: str | None = None) -> list[Instruction]:
    """Return the program as (code, jump if true, jump if false, value).

    Args:
        pid: The process that may signal itself.
        machine: `x86_64` or `aarch64`; default: this one.
    """
    audit, place = ARCHITECTURES[machine or platform.machine()]
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_ABOVE, 0, 1, _X32),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    numbers = [pair[place] for pair in ALLOWED.values()]
    for low, high in _ranges(number for number in numbers if number is not None):
        program += [(_ABOVE, 0, 2, low), (_GREATER, 1, 0, high), (_RETURN, 0, 0, _ALLOW)]
    calls = {name: pair[place] for name, pair in CHECKED.items()}
    program += _one_of(calls["prctl"], 0, (_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA))
    program += _one_of(calls["ioctl"], 1, (_TCGETS, _FIOCLEX, _FIONCLEX, _FIONREAD, _FIONBIO, _WINDOW_SIZE))
    program += _one_of(calls["fcntl"], 1, _FCNTL_ALLOWED)
    program += _one_of(calls["prlimit64"], 0, (0,))
    program += _one_of(calls["kill"], 0, (pid,))
    program += _one_of(calls["tgkill"], 0, (pid,))
    # A new thread, never a new process; clone3 hides its flags from filters, and libraries go on with clone.
    program += [
        (_EQUAL, 0, 4, calls["clone"]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_BITS, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_EQUAL, 0, 1, calls["clone3"]),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    return program


def install() -> None:
    """Filter this thread and those it starts from now on; it cannot be undone.

    Raises:
        OSError: The kernel refused.
    """

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = build_filter(os.getpid())
    packed = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    libc = ctypes.CDLL(None, use_errno=True)
    given = Program(len(program), ctypes.addressof(packed))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(given), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp filter: {os.strerror(number)}")


def _one_of(call: int, argument: int, values: tuple[int, ...]) -> list[Instruction]:
    """Allow a call if the low half of an argument is one of some values, else EPERM."""
    tests: list[Instruction] = []
    for place, value in enumerate(values):
        tests.append((_EQUAL, len(values) - place, 0, value))
    body = [
        (_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * argument),
        *tests,
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return [(_EQUAL, 0, len(body), call), *body]


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
