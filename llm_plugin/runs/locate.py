"""Where things are: the project, the plugin's home, the run's folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from llm_plugin.errors import DataError
from llm_plugin.files import home

__all__ = ["home", "new_run_folder", "project_folder"]


def project_folder(path: Path) -> Path:
    """Return the project folder of a path to it or to its `main.py`.

    Raises:
        DataError: There is no `main.py`.
    """
    folder = path.parent if path.name == "main.py" else path
    if not (folder / "main.py").is_file():
        raise DataError(f"{folder} is no LEAN project: it has no main.py. `lean-llm init {folder}` writes one")
    return folder.resolve()


def new_run_folder(parent: Path, now: datetime | None = None) -> Path:
    """Create and return `parent/<time>`, as the LEAN CLI names its backtests; a clash gets a suffix."""
    stamp = (now or datetime.now(UTC)).strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ("", *(f"_{n}" for n in range(2, 100))):
        folder = parent / f"{stamp}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder.resolve()
    raise DataError(f"{parent} holds 99 runs of the same second: remove some")
