"""New LEAN CLI projects from the algorithms that the plugin ships."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import llm_plugin
from llm_plugin.errors import ConfigError, did_you_mean

__all__ = ["TEMPLATES", "create_project", "template_folder"]

# template -> (shipped algorithm, what it is)
TEMPLATES = {
    "ensemble": ("eurusd_ensemble", "signals of the machine-learning ensemble on EURUSD, exits managed by the plugin"),
    "framework": ("spy_ema_cross", "an ordinary alpha model wrapped by LLMValidatedAlphaModel"),
    "classic": ("classic_breakout", "the classic style with LLMPlugin"),
}
_COPIED = ("main.py", "config.json", "requirements.txt", "llm_config.yaml")


def template_folder(template: str) -> Path:
    """Return the folder of a template.

    Raises:
        ConfigError: No such template.
    """
    if template not in TEMPLATES:
        known = ", ".join(TEMPLATES)
        raise ConfigError(f"no template '{template}'{did_you_mean(template, TEMPLATES)}; there are {known}")
    package = Path(llm_plugin.__file__).parent
    for parent in (package / "_templates", package.parent / "lean_algorithms"):
        if (parent / TEMPLATES[template][0] / "main.py").is_file():
            return parent / TEMPLATES[template][0]
    raise ConfigError(f"the installation holds no template '{template}': install lean-llm-plugin again")


def create_project(target: Path, template: str) -> list[Path]:
    """Write a LEAN CLI project folder and return the files written.

    Raises:
        ConfigError: The folder holds files already, or there is no such template.
    """
    source = template_folder(template)
    if target.exists() and any(target.iterdir()):
        raise ConfigError(f"{target} is not empty: name a new folder")
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name in _COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
            written.append(target / name)
    config = target / "config.json"
    values = json.loads(config.read_text(encoding="utf-8"))
    values["local-id"] = uuid.uuid4().int % 900_000_000 + 100_000_000
    config.write_text(json.dumps(values, indent=4) + "\n", encoding="utf-8")
    return written
