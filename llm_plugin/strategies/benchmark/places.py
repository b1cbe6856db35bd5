"""Where tasks lie, and where verdicts and answers are kept."""

from __future__ import annotations

from pathlib import Path

import llm_plugin
from llm_plugin.errors import ConfigError
from llm_plugin.files import home

__all__ = ["answer_cache", "shipped_tasks", "verdict_cache"]


def shipped_tasks() -> Path:
    """Return the tasks that come with the checkout.

    Raises:
        ConfigError: There are none: the package was installed without its datasets.
    """
    roots = (Path.cwd(), *Path.cwd().parents, Path(llm_plugin.__file__).resolve().parents[1])
    for root in roots:
        path = root / "datasets" / "strategy_tasks"
        if (path / "tasks.jsonl").is_file():
            return path
    raise ConfigError("datasets/strategy_tasks is not here: run in a checkout, or name a file with --tasks")


def verdict_cache() -> Path:
    """Return the folder of verdicts by content."""
    return home() / "cache" / "verdicts"


def answer_cache() -> Path:
    """Return the folder of models' answers by content."""
    return home() / "cache" / "answers"
