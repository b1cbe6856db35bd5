"""The table of a conformance run, its figures and its page in the documentation."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from llm_plugin.conformance.judge import Kind, Verdict

__all__ = ["figures", "merge_figures", "render_page", "summary_lines"]

_BEGIN, _END = "<!-- table: begin -->", "<!-- table: end -->"


def figures(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Count passes; where a CSV of tiers was given, the tiers' figures count its rows only."""
    listed = [item for item in verdicts if item.listed] or list(verdicts)
    judged = [item for item in verdicts if item.judged]
    counts: dict[str, int] = {}
    for tier in (1, 2):
        rows = [item for item in listed if item.judged and item.tier == tier]
        counts[f"conformance_tier{tier}_pass"] = _passes(rows)
        counts[f"conformance_tier{tier}_total"] = len(rows)
    counts["conformance_all_pass"] = _passes(judged)
    counts["conformance_all_total"] = len(judged)
    counts["conformance_all_not_judgeable"] = sum(item.kind == Kind.NOT_JUDGEABLE for item in judged)
    return counts


def _passes(rows: Sequence[Verdict]) -> int:
    return sum(item.kind == Kind.PASS for item in rows)


def merge_figures(path: Path, counts: Mapping[str, int]) -> None:
    """Merge the figures into a file of benchmark results; the bar of each is its total."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, value in counts.items():
        bar = counts.get(name.replace("_pass", "_total"), value)
        better = "lower" if name.endswith("_not_judgeable") else "higher"
        known[name] = {"value": value, "unit": "algorithms", "bar": bar, "better": better}
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(path)


def summary_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the counts as sentences."""
    counts = figures(verdicts)
    kinds = Counter(item.kind for item in verdicts)
    told = ", ".join(f"{kinds[kind]} {kind}" for kind in Kind if kinds[kind])
    return [
        f"tier 1: {counts['conformance_tier1_pass']} of {counts['conformance_tier1_total']}; "
        f"tier 2: {counts['conformance_tier2_pass']} of {counts['conformance_tier2_total']}; "
        f"all with an expectation: {counts['conformance_all_pass']} of {counts['conformance_all_total']}",
        f"{len(verdicts)} run: {told}",
    ]


def render_page(page: str, verdicts: Sequence[Verdict], revision: str) -> str:
    """Return the page with the table between its marks replaced; a page without marks gets them at its end."""
    lines = [_BEGIN, "", f"LEAN {revision}.", "", *summary_lines(verdicts), "", "| algorithm | tier | result | why |"]
    lines.append("|---|---|---|---|")
    order = list(Kind)
    for item in sorted(verdicts, key=lambda v: (order.index(v.kind), v.tier, v.name.lower())):
        lines.append(f"| {item.name} | {item.tier} | {item.kind} | {_cell(item.reason)} |")
    table = "\n".join([*lines, "", _END])
    before, begin, rest = page.partition(_BEGIN)
    if not begin:
        return f"{page.rstrip()}\n\n{table}\n"
    return before + table + rest.partition(_END)[2]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
