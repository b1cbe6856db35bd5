"""A LEAN CLI project folder: its main file and its parameters."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from llm_plugin.errors import ConfigError

__all__ = ["Project", "read_project"]


@dataclass
class Project:
    """A project's main file, its folder and its parameters."""

    main: Path
    folder: Path
    parameters: dict[str, str]


def read_project(project: Path) -> Project:
    """Return the main file, folder and parameters of a LEAN CLI project folder or a Python file.

    Raises:
        ConfigError: There is no main.py, or config.json is damaged.
    """
    project = Path(project).resolve()
    if project.is_file():
        return Project(project, project.parent, {})
    main = project / "main.py"
    if not main.is_file():
        raise ConfigError(f"{project} has no main.py: give a LEAN CLI project folder or a Python file")
    config = project / "config.json"
    parameters: dict[str, str] = {}
    if config.is_file():
        text = config.read_text(encoding="utf-8")
        try:
            content = json.loads(text)
        except ValueError:
            try:
                content = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
            except ValueError as error:
                raise ConfigError(f"{config} is no JSON: {error}") from None
        raw = content.get("parameters", {}) if isinstance(content, dict) else None
        if not isinstance(raw, dict):
            raise ConfigError(f"{config}: 'parameters' must be an object of names and values")
        parameters = {str(key): str(value) for key, value in raw.items()}
    return Project(main, project, parameters)
