"""Where things are: the project, LEAN's data folder, the plugin's home, the run's folder."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from llm_plugin.errors import DataError
from llm_plugin.files import home

__all__ = ["find_data_folder", "home", "new_run_folder", "project_folder"]


def project_folder(path: Path) -> Path:
    """Return the project folder of a path to it or to its `main.py`.

    Raises:
        DataError: There is no `main.py`.
    """
    folder = path.parent if path.name == "main.py" else path
    if not (folder / "main.py").is_file():
        raise DataError(f"{folder} is no LEAN project: it has no main.py. `lean-llm init {folder}` writes one")
    return folder.resolve()


def find_data_folder(project: Path, option: Path | None = None) -> Path:
    """Return LEAN's data folder: the option, `LEAN_DATA_FOLDER`, a `lean.json` above the project, or `datasets/market`.

    Raises:
        DataError: None of them exists, or the named one has no `market-hours`.
    """
    named = option or (Path(os.environ["LEAN_DATA_FOLDER"]) if os.environ.get("LEAN_DATA_FOLDER") else None)
    if named is not None:
        if not (named / "market-hours" / "market-hours-database.json").is_file():
            raise DataError(f"{named} is no LEAN data folder: it has no market-hours/market-hours-database.json")
        return named.resolve()
    for folder in (project, *project.parents):
        lean_json = folder / "lean.json"
        if lean_json.is_file():
            configured = _data_folder_of(lean_json)
            if configured and (folder / configured).is_dir():
                return (folder / configured).resolve()
        if (folder / "datasets" / "market" / "market-hours").is_dir():
            return (folder / "datasets" / "market").resolve()
    raise DataError(f"no market data found above {project}: name a LEAN data folder with --data or LEAN_DATA_FOLDER")


def _data_folder_of(lean_json: Path) -> str:
    text = re.sub(r"^\s*//.*$", "", lean_json.read_text(encoding="utf-8"), flags=re.MULTILINE)
    try:
        return str(json.loads(text).get("data-folder", ""))
    except json.JSONDecodeError as error:
        raise DataError(f"{lean_json}: not valid JSON in line {error.lineno}: {error.msg}") from error


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
