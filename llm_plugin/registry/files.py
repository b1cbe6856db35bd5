"""Putting a version's folder into the registry so that it is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from llm_plugin.errors import ModelError, StoreUnavailable
from llm_plugin.reasoning.model_folder import MANIFEST_NAME, ModelManifest

__all__ = [
    "RECORD_NAME",
    "RECORD_VERSION",
    "append_line",
    "clear_drafts",
    "locked",
    "publish",
    "read_record",
    "replace_file",
]

RECORD_NAME = "version.json"
RECORD_VERSION = "1"
DRAFT = ".draft-"
Check = Callable[[Path], object]
SAFE_ENDINGS = (".safetensors", ".json", ".jsonl", ".md", ".txt", ".jinja", ".model")


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Let one process at a time write to a registry; the lock dies with its process."""
    import fcntl

    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def publish(source: Path, manifest: ModelManifest, target: Path, record: Mapping[str, Any], check: Check) -> Path:
    """Copy what the manifest lists into a draft, check it, flush it to the disk, and rename it: then it is there.

    Trainer checkpoints and whatever else lies beside are not listed and stay behind.

    Args:
        source: The folder that training left.
        manifest: Its manifest.
        target: The version's folder.
        record: What the registry knows of it; lies beside the files.
        check: Raises where the copy is not what it should be.

    Raises:
        ModelError: A listed file is of an unsafe kind, a link, or lies outside the folder.
        StoreUnavailable: It cannot be written, say because the disk is full.
    """
    versions = target.parent
    draft = versions / f"{DRAFT}{uuid.uuid4().hex}"
    try:
        draft.mkdir(parents=True)
        for file in [*sorted(manifest.files), MANIFEST_NAME]:
            _copy(source, draft, file)
        check(draft)
        _write(draft / RECORD_NAME, json.dumps(record, indent=2, sort_keys=True) + "\n")
        for folder in [draft, *(path for path in draft.rglob("*") if path.is_dir())]:
            _flush_folder(folder)
        draft.rename(target)
        _flush_folder(versions)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise StoreUnavailable(
            f"cannot register {source} as {target}: {error.strerror or error}; nothing was registered, the champion "
            "stays: free space and run again"
        ) from error
    except ModelError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def clear_drafts(versions: Path) -> None:
    """Remove what a killed process left half-written; call it under the lock."""
    for draft in versions.glob(f"{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)


def replace_file(path: Path, text: str) -> None:
    """Replace a file as a whole and have it on the disk before returning.

    Raises:
        StoreUnavailable: It cannot be written; the file is as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(partial, text)
        partial.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreUnavailable(
            f"cannot write {path}: {error.strerror or error}; nothing was changed: free space and run again"
        ) from error


def read_record(folder: Path) -> dict[str, Any]:
    """Return what the registry wrote beside a version's files.

    Raises:
        ModelError: It is damaged.
    """
    path = folder / RECORD_NAME
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["schema_version"] != RECORD_VERSION:
            raise ValueError(f"schema {record['schema_version']!r}")
        _ = record["parent"], record["created_utc"], record["manifest_sha256"], record["facts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error}): remove the folder, the version cannot be used") from error
    return record


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Append one row to a file of JSON lines, on a line of its own even where the last writer was killed in a line."""
    with path.open("ab+") as stream:
        size = stream.seek(0, os.SEEK_END)
        torn = b""
        if size:
            stream.seek(size - 1)
            torn = b"" if stream.read(1) == b"\n" else b"\n"
        stream.write(torn + json.dumps(row, sort_keys=True).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _copy(source: Path, draft: Path, name: str) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or name in ("", RECORD_NAME):
        raise ModelError(
            f"{source / MANIFEST_NAME} lists {name!r}, which lies outside the adapter's folder or is taken"
        )
    if parts.suffix not in SAFE_ENDINGS:
        raise ModelError(
            f"{source / MANIFEST_NAME} lists {name!r}: only {', '.join(SAFE_ENDINGS)} are registered, since other "
            "formats can hold pickles, which are private to their run"
        )
    if (source / name).is_symlink():
        raise ModelError(f"{source / name} is a link: a version holds its own files; copy the file there")
    target = draft / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with (source / name).open("rb") as read, target.open("wb") as write:
        shutil.copyfileobj(read, write, 1 << 20)
        write.flush()
        os.fsync(write.fileno())
    target.chmod(0o444)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
