"""Where tasks lie, and where verdicts and answers are kept."""

from __future__ import annotations

from pathlib import Path

from llm_plugin.data.shipped import shipped_dataset
from llm_plugin.errors import ConfigError
from llm_plugin.files import home

__all__ = ["answer_cache", "shipped_tasks", "verdict_cache"]


def shipped_tasks() -> Path:
    """Return the tasks that come with the project.

    Raises:
        ConfigError: There are none: the package was installed without its datasets.
    """
    folder = shipped_dataset("strategy_tasks", "tasks.jsonl")
    if folder is not None:
        return folder
    raise ConfigError("no strategy_tasks are installed: install lean-llm-plugin again, or name a file with --tasks")


def verdict_cache() -> Path:
    """Return the folder of verdicts by content."""
    return home() / "cache" / "verdicts"


def answer_cache() -> Path:
    """Return the folder of models' answers by content."""
    return home() / "cache" / "answers"
