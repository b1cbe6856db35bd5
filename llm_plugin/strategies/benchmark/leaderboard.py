"""Runs beside each other: a file that people read, and one that machines read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.files import write_whole
from llm_plugin.strategies.judge.verdict import GATES

__all__ = ["add_to_leaderboard", "leaderboard_markdown", "read_leaderboard"]

_KEY = ("model", "adapter", "seed", "samples", "temperature", "pack", "data", "gates")
_KEPT = (*_KEY, "versions", "tasks", "answers", "without_code", "unsupported", "tokens_in", "tokens_out", "cost_usd")


def read_leaderboard(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a leaderboard; none where there is no file.

    Raises:
        DataError: A row is damaged; names the line.
    """
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}; remove the line and run again") from error
    return rows


def add_to_leaderboard(path: Path, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Add a run, or put it in the place of an earlier one of the same model, seed and tasks.

    Args:
        path: The `.jsonl` file; a `.md` beside it is written anew.
        summary: A run's summary.

    Returns:
        All rows, best first.
    """
    row = {key: summary.get(key) for key in _KEPT}
    row["scores"] = {gate: values for gate, values in summary["scores"].items()}
    row["model_seconds"], row["sharpe"] = summary.get("model_seconds"), summary.get("sharpe")
    rows = [old for old in read_leaderboard(path) if any(old.get(key) != row[key] for key in _KEY)]
    rows = sorted([*rows, row], key=_rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "".join(json.dumps(one, sort_keys=True) + "\n" for one in rows))
    write_whole(path.with_suffix(".md"), leaderboard_markdown(rows))
    return rows


def _rank(row: Mapping[str, Any]) -> tuple[Any, ...]:
    shares = [-(row["scores"][gate]["pass@1"]["value"] or 0.0) for gate in reversed(GATES)]
    return (str(row["pack"]), *shares, str(row["model"]))


def _share(score: Mapping[str, Any]) -> str:
    if score["value"] is None:
        return "–"
    return f"{100 * score['value']:.1f} [{100 * score['low']:.0f}, {100 * score['high']:.0f}]"


def leaderboard_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as a Markdown table: pass@1 in percent with its 95 % interval, gates cumulative."""
    head = ["model", "adapter", "k", "seed", "tasks", *GATES, "cost USD", "tokens out", "pack", "data", "versions"]
    lines = ["# Strategy benchmark", "", "pass@1 in percent [95 % interval]; each gate counts those before it.", ""]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cost = row.get("cost_usd")
        cells = [
            str(row["model"]),
            str(row.get("adapter") or "–"),
            str(row["samples"]),
            str(row["seed"]),
            str(row["tasks"]),
            *(_share(row["scores"][gate]["pass@1"]) for gate in GATES),
            "not known" if cost is None else f"{cost:.4f}",
            f"{row['tokens_out']:,}",
            str(row["pack"])[:8],
            str(row["data"])[:8],
            ", ".join(f"{name} {version}" for name, version in sorted((row.get("versions") or {}).items())),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
