"""Landlock: which folders a process may read and write, kept by the kernel, without root."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

__all__ = ["abi", "restrict"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_NO_NEW_PRIVILEGES = 38
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_FILE, _TRUNCATE = 1 << 7, 1 << 8, 1 << 14
# How many file rights each ABI knows; whatever it knows and no rule grants is denied (links, devices, execution, ...).
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_ALL_NETWORK, _ALL_SCOPES = 0b11, 0b11


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result


def abi() -> int:
    """Return the version of Landlock that the kernel offers, 0 for none."""
    try:
        return _call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError:
        return 0


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> int:
    """Deny this thread, and those it starts, every file that lies outside of some folders; it cannot be undone.

    TCP, signals to other processes and abstract sockets are denied too where the kernel's Landlock knows of them.

    Args:
        readable: Folders and files that may be read.
        writable: Folders that may be read and written; no links can be made in them.

    Returns:
        The version that is in force.

    Raises:
        OSError: The kernel has no Landlock, or refused.
    """
    version = abi()
    handled = (1 << _RIGHTS[min(max(version, 1), 5)]) - 1
    attributes = struct.pack("=Q", handled)
    if version >= 4:
        attributes += struct.pack("=Q", _ALL_NETWORK)
    if version >= 6:
        attributes += struct.pack("=Q", _ALL_SCOPES)
    ruleset = _call(_CREATE, ctypes.c_char_p(attributes), ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        reading = _READ_FILE | _READ_DIR
        writing = reading | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _TRUNCATE
        for path in readable:
            _allow(ruleset, path, reading & handled)
        for path in writable:
            _allow(ruleset, path, writing & handled)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            error = ctypes.get_errno()
            raise OSError(error, f"no_new_privs: {os.strerror(error)}")
        _call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # nothing there, nothing to allow
    try:
        if not path.is_dir():
            rights &= _WRITE_FILE | _READ_FILE | _TRUNCATE
        rule = struct.pack("=Qi", rights, handle)
        _call(_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), ctypes.c_char_p(rule), ctypes.c_uint32(0))
    finally:
        os.close(handle)
