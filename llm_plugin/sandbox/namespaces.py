"""A root of its own: user, mount, network, IPC and host-name namespaces, where the kernel gives them to everybody."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["drop_capabilities", "enter", "is_available"]

_NEW_USER, _NEW_MOUNTS, _NEW_NETWORK, _NEW_IPC, _NEW_HOST = 0x10000000, 0x00020000, 0x40000000, 0x08000000, 0x04000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXECUTION, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18,
)  # fmt: skip
_KEPT_FLAGS = _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_EXECUTION | 1024 | 2048  # and noatime, nodiratime
_RELATIVE_TIMES = 1 << 21
_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPABILITIES_VERSION = 0x20080522


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def is_available() -> bool:
    """Try it in a process that ends at once: some kernels and containers forbid these namespaces."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _unshare()
            _check(_libc().mount(b"tmpfs", b"/proc", b"tmpfs", ctypes.c_ulong(0), None), "mount")
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _unshare() -> None:
    user, group = os.getuid(), os.getgid()
    _check(_libc().unshare(_NEW_USER | _NEW_MOUNTS | _NEW_NETWORK | _NEW_IPC | _NEW_HOST), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def enter(readable: Iterable[Path], writable: Iterable[Path], root: Path) -> None:
    """Leave the host's file tree and network for a root that holds nothing but some folders.

    Must be called while the process has one thread.

    Args:
        readable: Folders and files that appear, read-only, at their own places.
        writable: Folders that appear writable.
        root: An empty folder on which the new root is built.

    Raises:
        OSError: The kernel refused a step.
    """
    import platform

    _unshare()
    libc = _libc()
    _check(libc.mount(None, b"/", None, ctypes.c_ulong(_RECURSIVE | _PRIVATE), None), "mount /")
    flags = ctypes.c_ulong(_NO_SUID | _NO_DEVICES)
    _check(libc.mount(b"tmpfs", bytes(root), b"tmpfs", flags, b"size=1m,mode=755"), "mount the new root")
    seen = sorted({path.absolute() for path in readable}), sorted({path.absolute() for path in writable})
    for path in seen[0]:
        _bind(libc, path, root, read_only=True)
    for path in seen[1]:
        _bind(libc, path, root, read_only=False)
    old = root / ".old"
    old.mkdir()
    _check(libc.syscall(ctypes.c_long(_PIVOT_ROOT[platform.machine()]), bytes(root), bytes(old)), "pivot_root")
    os.chdir("/")
    _check(libc.umount2(b"/.old", _DETACH), "umount")
    Path("/.old").rmdir()
    flags = ctypes.c_ulong(_REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES)
    _check(libc.mount(b"tmpfs", b"/", b"tmpfs", flags, None), "remount /")


def _bind(libc: ctypes.CDLL, path: Path, root: Path, *, read_only: bool) -> None:
    if not path.exists():
        return
    target = root / path.relative_to("/")
    if path.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.touch()
    _check(libc.mount(bytes(path), bytes(target), None, ctypes.c_ulong(_BIND | _RECURSIVE), None), f"bind {path}")
    flags = _REMOUNT | _BIND | (os.statvfs(target).f_flag & _KEPT_FLAGS)
    if os.statvfs(target).f_flag & 4096:
        flags |= _RELATIVE_TIMES
    # What may be written may also have been mounted read-only already: then it stays so.
    flags |= _NO_SUID | (_READ_ONLY if read_only else 0)
    if not str(path).startswith("/dev/"):
        flags |= _NO_DEVICES
    _check(libc.mount(None, bytes(target), None, ctypes.c_ulong(flags), None), f"remount {path}")


def drop_capabilities() -> None:
    """Give up every capability; nothing that is executed later gets one back.

    Raises:
        OSError: The kernel refused.
    """

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Data(ctypes.Structure):
        _fields_ = (
            ("effective", ctypes.c_uint32),
            ("permitted", ctypes.c_uint32),
            ("inheritable", ctypes.c_uint32),
        )

    header = Header(_CAPABILITIES_VERSION, 0)
    _check(_libc().capset(ctypes.byref(header), ctypes.byref((Data * 2)())), "capset")
