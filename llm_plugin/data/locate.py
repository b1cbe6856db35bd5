"""Where LEAN's data folder is."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from llm_plugin.errors import DataError

__all__ = ["find_data_folder", "known_data_folder"]


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


def known_data_folder(option: Path | None = None) -> Path | None:
    """Return LEAN's data folder as seen from the working directory, None where there is none.

    Raises:
        DataError: The named one is none.
    """
    try:
        return find_data_folder(Path.cwd(), option)
    except DataError:
        if option is not None:
            raise
        return None


def _data_folder_of(lean_json: Path) -> str:
    text = re.sub(r"^\s*//.*$", "", lean_json.read_text(encoding="utf-8"), flags=re.MULTILINE)
    try:
        return str(json.loads(text).get("data-folder", ""))
    except json.JSONDecodeError as error:
        raise DataError(f"{lean_json}: not valid JSON in line {error.lineno}: {error.msg}") from error
