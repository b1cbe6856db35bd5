"""The dataset of strategies: examples from alphas, LEAN and the grammar, each executed before it is a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_plugin.strategies.curate.add import add_project
    from llm_plugin.strategies.curate.check import DatasetCheck, check_dataset
    from llm_plugin.strategies.curate.rows import Row, read_rows, write_rows
    from llm_plugin.strategies.curate.run import CurateOptions, CurateProgress, curate

__all__ = [
    "CurateOptions",
    "CurateProgress",
    "DatasetCheck",
    "Row",
    "add_project",
    "check_dataset",
    "curate",
    "read_rows",
    "write_rows",
]

_HOMES = {
    "CurateOptions": "run",
    "CurateProgress": "run",
    "DatasetCheck": "check",
    "Row": "rows",
    "add_project": "add",
    "check_dataset": "check",
    "curate": "run",
    "read_rows": "rows",
    "write_rows": "rows",
}


def __getattr__(name: str) -> Any:
    # Whoever reads rows needs neither the grammar nor the judge.
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
