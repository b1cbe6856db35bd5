"""What a sandboxed run may reach, which layers the kernel offers, and how they are put in force."""

from __future__ import annotations

import os
import resource
import site
import sys
import sysconfig
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.errors import SandboxUnavailable
from llm_plugin.sandbox import landlock, namespaces, seccomp

__all__ = ["Layers", "SandboxLimits", "SandboxPolicy", "apply", "kernel_layers", "require_layers"]

# Landlock knows truncation from its third version on; before, a root of its own keeps files read-only.
_TRUNCATION_ABI = 3
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_MIB = 1 << 20


@dataclass(frozen=True)
class SandboxLimits:
    """What a sandboxed run may use.

    Attributes:
        run_seconds: Wall-clock time of the whole run.
        step_seconds: Time of one time step, and of `initialize`.
        memory_mib: Address space.
        file_mib: One file.
        total_mib: Everything that is written.
        threads: Threads; counted only in a user namespace.
    """

    run_seconds: float = 900.0
    step_seconds: float = 120.0
    memory_mib: int = 4096
    file_mib: int = 512
    total_mib: int = 1024
    threads: int = 32


@dataclass(frozen=True)
class SandboxPolicy:
    """Which paths are reachable; switches exist so that each layer can be proved alone.

    Attributes:
        readable: Folders and files that may be read.
        writable: Folders that may be written.
        root: An empty folder for the new root.
        limits: What may be used.
        use_namespaces: False leaves the namespaces out even where there are some.
        use_audit: False leaves Python's audit hook out: the kernel refuses alone.
    """

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    root: str
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    use_namespaces: bool = True
    use_audit: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SandboxPolicy:
        """Read what `to_json` gave."""
        given = dict(values)
        given["limits"] = SandboxLimits(**given["limits"])
        return cls(**{**given, "readable": tuple(given["readable"]), "writable": tuple(given["writable"])})


@dataclass(frozen=True)
class Layers:
    """What this kernel offers.

    Attributes:
        landlock: Version of Landlock, 0 for none.
        seccomp: Filters for system calls.
        namespaces: User, mount and network namespaces without root.
    """

    landlock: int
    seccomp: bool
    namespaces: bool

    def missing(self) -> list[str]:
        """Name what a sandbox needs and this kernel lacks; empty where it can be built."""
        found = []
        if not self.seccomp:
            found.append("seccomp filters (processes, sockets) on x86_64 or aarch64")
        if self.landlock < 1:
            found.append("Landlock (files; Linux 5.13 and `landlock` in /sys/kernel/security/lsm)")
        elif self.landlock < _TRUNCATION_ABI and not self.namespaces:
            found.append(
                f"Landlock version {_TRUNCATION_ABI} (Linux 6.2; this one has {self.landlock}) or user namespaces: "
                "without one of them readable files could be truncated"
            )
        return found


def kernel_layers() -> Layers:
    """Return what this kernel offers; on anything but Linux, nothing."""
    if not sys.platform.startswith("linux"):
        return Layers(0, False, False)
    return Layers(landlock.abi(), seccomp.is_available(), namespaces.is_available())


def require_layers(layers: Layers | None = None) -> Layers:
    """Return the kernel's layers.

    Raises:
        SandboxUnavailable: One that the sandbox needs is absent; it is named.
    """
    found = kernel_layers() if layers is None else layers
    missing = found.missing()
    if missing:
        raise SandboxUnavailable(
            [f"--sandbox: this machine lacks {name}" for name in missing]
            + ["run it in a container or a virtual machine, or without --sandbox if you trust the algorithm"]
        )
    return found


def python_paths() -> tuple[str, ...]:
    """Return what Python itself needs to read: its library, installed packages, this package, shared libraries."""
    import llm_plugin

    paths = sysconfig.get_paths()
    named = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    named += [sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}), *site.getsitepackages()]
    library = sysconfig.get_config_var("LIBDIR")
    named += [str(Path(llm_plugin.__file__).parent), *([library] if library else []), *_SYSTEM, *_DEVICES]
    real = [str(Path(path).resolve()) for path in named if Path(path).exists()]
    return tuple(dict.fromkeys([*real, *(path for path in named if Path(path).exists())]))


def apply(policy: SandboxPolicy, layers: Layers) -> list[str]:
    """Put every layer in force, from the outside in, and return what is in force; it cannot be undone.

    Must run first in a process with one thread and a clean environment.

    Raises:
        SandboxUnavailable: A step failed; the process must end.
    """
    readable = [Path(path) for path in policy.readable]
    writable = [Path(path) for path in policy.writable]
    told = []
    try:
        if policy.use_namespaces and layers.namespaces:
            namespaces.enter(readable, writable, Path(policy.root))
            told.append("namespaces (files, network, IPC)")
        _limit(policy.limits, threads=policy.use_namespaces and layers.namespaces)
        told.append("resource limits")
        os.chdir(policy.writable[0])
        namespaces.drop_capabilities()
        told.append(f"Landlock {landlock.restrict(readable, writable)} (files, TCP)")
        seccomp.install()
        told.append("seccomp (sockets, processes, everything that is not on the list)")
    except OSError as error:
        raise SandboxUnavailable(f"--sandbox: the kernel refused a layer: {error.strerror or error}") from error
    return told


def _limit(limits: SandboxLimits, *, threads: bool) -> None:
    cpu = int(limits.run_seconds) + 10
    wanted = {
        resource.RLIMIT_AS: limits.memory_mib * _MIB,
        resource.RLIMIT_FSIZE: limits.file_mib * _MIB,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
    }
    if threads:  # in a user namespace only its own processes are counted, elsewhere all of the user's
        wanted[resource.RLIMIT_NPROC] = limits.threads
    for kind, most in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))
