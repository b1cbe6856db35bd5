"""The plugin's home, and files that are whole or not there. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

from llm_plugin.errors import StoreUnavailable

__all__ = ["home", "write_whole"]


def home() -> Path:
    """Return the folder of models, binaries and servers: `LEAN_LLM_HOME`, else `~/.lean-llm`."""
    return Path(os.environ.get("LEAN_LLM_HOME") or Path.home() / ".lean-llm")


def write_whole(path: Path, text: str) -> None:
    """Write a text file, or leave what was there before: readers never see half of it.

    Raises:
        StoreUnavailable: It cannot be written, say because the disk is full; names the file and the cause.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreUnavailable(
            f"cannot write {path}: {error.strerror}; nothing was half-written: free space and run again"
        ) from error
