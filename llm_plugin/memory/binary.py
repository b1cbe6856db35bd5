"""Obtain the Weaviate server: a named binary, a cached one, the release download, or a build with Go."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from llm_plugin.errors import ConfigError, MemoryUnavailable
from llm_plugin.files import home

__all__ = ["GO_MODULE", "WEAVIATE_VERSION", "cached_binary", "find_binary", "home", "obtain_binary"]

WEAVIATE_VERSION = "1.35.2"
GO_MODULE = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{WEAVIATE_VERSION}"
DOWNLOAD_TIMEOUT_SECONDS = 20.0
BUILD_TIMEOUT_SECONDS = 1800.0
REMEDY = (
    "set WEAVIATE_BINARY to a Weaviate server, or install Go 1.24 or later and run `lean-llm up weaviate`, "
    "or set memory.backend: local"
)

Progress = Callable[[str], None]


def cached_binary() -> Path:
    """Return where the binary is kept, under the name that weaviate-client's embedded mode looks for."""
    tag = f"v{WEAVIATE_VERSION}"
    return home() / "bin" / f"weaviate-{tag}-{hashlib.sha256(tag.encode()).hexdigest()}"


def find_binary() -> Path | None:
    """Return the binary that is here already, None if there is none.

    Raises:
        ConfigError: WEAVIATE_BINARY names something that cannot be run.
    """
    named = os.environ.get("WEAVIATE_BINARY")
    if named:
        path = Path(named).expanduser()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise ConfigError(f"WEAVIATE_BINARY is {named!r}, which is no program that can be run; correct or unset it")
        return path
    cached = cached_binary()
    return cached if cached.is_file() and os.access(cached, os.X_OK) else None


def obtain_binary(progress: Progress | None = None) -> Path:
    """Return a Weaviate server, downloading or building it where needed.

    Args:
        progress: Called with one line of text at a time.

    Raises:
        MemoryUnavailable: It can be neither found, downloaded nor built; the text says what was tried and what to do.
    """
    found = find_binary()
    if found is not None:
        return found
    tell = progress or (lambda _text: None)
    tried = []
    for name, way in (("download", _download), ("build with Go", _build)):
        tell(f"Weaviate {WEAVIATE_VERSION}: {name}")
        try:
            way(tell)
        except (OSError, MemoryUnavailable) as error:
            tried.append(f"{name}: {error}")
            tell(f"Weaviate {WEAVIATE_VERSION}: {name} did not work ({error})")
            continue
        return cached_binary()
    raise MemoryUnavailable(f"no Weaviate server ({'; '.join(tried)}); {REMEDY}")


def _download(_tell: Progress) -> None:
    """Let weaviate-client fetch its release into the place where it looks for it."""
    from weaviate.embedded import EmbeddedOptions, EmbeddedV4

    target = cached_binary()
    target.parent.mkdir(parents=True, exist_ok=True)
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            options = EmbeddedOptions(binary_path=folder, persistence_data_path=folder, version=WEAVIATE_VERSION)
            EmbeddedV4(options).ensure_weaviate_binary_exists()
            (Path(folder) / target.name).replace(target)
    finally:
        socket.setdefaulttimeout(patience)


def _build(tell: Progress) -> None:
    """Run `go install`, with the user's module and build caches."""
    go = shutil.which("go")
    if go is None:
        raise MemoryUnavailable("Go is not installed")
    target = cached_binary()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": folder}
        command = [go, "install", "-trimpath", "-ldflags", "-s -w", GO_MODULE]
        log = Path(folder) / "build.log"
        with log.open("w") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
            _wait(process, tell)
        if process.returncode != 0:
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise MemoryUnavailable(f"go install failed: {' / '.join(last) or 'no output'}")
        (Path(folder) / "weaviate-server").replace(target)
    tell(f"Weaviate {WEAVIATE_VERSION}: built")


def _wait(process: subprocess.Popen[bytes], tell: Progress) -> None:
    started = time.monotonic()
    while True:
        try:
            process.wait(timeout=10)
            return
        except subprocess.TimeoutExpired:
            seconds = time.monotonic() - started
            if seconds > BUILD_TIMEOUT_SECONDS:
                process.kill()
                process.wait()
                raise MemoryUnavailable(f"go install took more than {BUILD_TIMEOUT_SECONDS / 60:g} minutes") from None
            tell(f"Weaviate {WEAVIATE_VERSION}: building, {seconds:.0f} s (about three minutes on two cores)")
        except BaseException:
            process.kill()
            process.wait()
            raise
