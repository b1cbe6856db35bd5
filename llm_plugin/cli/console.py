"""What every command shares: output for people or machines, and errors that say what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from llm_plugin.domain import to_jsonable

__all__ = ["emit", "err", "key_values", "out", "parameter_pairs", "table"]

WIDTH = 120  # where no terminal says how wide it is
out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH)


def emit(data: Any, *, as_json: bool, show: Any) -> None:
    """Print `data` as JSON for a machine, or call `show(data)` for a person."""
    if as_json:
        sys.stdout.write(json.dumps(to_jsonable(data), indent=2, ensure_ascii=False) + "\n")
    else:
        show(data)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[int] = ()) -> None:
    """Print a table; the columns named by `right` are aligned to the right."""
    grid = Table(title=title or None, title_justify="left", header_style="bold")
    aligned = set(right)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="right" if number in aligned else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(str(cell) for cell in row))
    out.print(grid)


def key_values(title: str, values: Mapping[str, Any]) -> None:
    """Print a two-column table of names and values."""
    table(title, ("", ""), list(values.items()))


def parameter_pairs(items: Sequence[str]) -> dict[str, str]:
    """Return the names and values of `--parameter name=value`.

    Raises:
        ConfigError: One has no `=`; all of them are named.
    """
    from llm_plugin.errors import ConfigError

    wrong = [item for item in items if "=" not in item]
    if wrong:
        raise ConfigError([f"--parameter {item}: write name=value" for item in wrong])
    return {name: value for name, _, value in (item.partition("=") for item in items)}
