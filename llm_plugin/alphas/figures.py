"""What the checks of the alphas add up to, and where it is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from llm_plugin.alphas.catalogue import COUNT
from llm_plugin.alphas.check import Comparison
from llm_plugin.alphas.trade import Trading

__all__ = ["figures", "merge_figures"]


def figures(comparisons: Sequence[Sequence[Comparison]], tradings: Sequence[Trading] | None) -> dict[str, int]:
    """Count the alphas that are equal on every panel and, where they were run, those that trade."""
    counts = {"alphas_equal": sum(all(each.equal for each in of_alpha) for of_alpha in comparisons)}
    if tradings is not None:
        counts["alphas_trade"] = sum(each.trades for each in tradings)
    return counts


def merge_figures(path: Path, counts: Mapping[str, int]) -> None:
    """Merge the counts into a file of benchmark results; all alphas are the bar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, value in counts.items():
        known[name] = {"value": value, "unit": "alphas", "bar": COUNT, "better": "higher"}
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(path)
