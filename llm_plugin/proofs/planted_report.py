"""The figures of the proof as tables: for the terminal, for a machine, and for the page of experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import DataError
from llm_plugin.proofs.planted_claims import (
    INTERVAL_DRAWS,
    Cell,
    Gain,
    Verdict,
    claim,
    judge,
    random_draws,
    sizes_of,
    utility,
)
from llm_plugin.proofs.planted_config import SEEDS, VARIANTS

__all__ = ["markdown", "summarise", "terminal_rows", "write_section"]

TITLES = {
    "none": "no LLM",
    "llm": "LLM + memory + session",
    "llm_alone": "LLM, no memory, no session",
    "llm_and_risk": "LLM + risk rules (the defaults)",
    "tabular": "tabular meta-label",
    "oracle": "oracle (knows the rule)",
}
_CONTROLS = ("none", "random")
WORDS = {True: "as expected", False: "NOT as expected", None: "cannot be judged: seeds are missing"}
COLUMNS = ("market", "arm", "vetoed", "right", "R per signal", "gain over no LLM", "seeds", "over random veto", "seeds")


def summarise(cells: Sequence[Cell], interval_draws: int = INTERVAL_DRAWS) -> dict[str, Any]:
    """Return all figures, by market and arm, as plain JSON types.

    Args:
        cells: Results of one configuration.
        interval_draws: Single random vetoes that get an interval each.

    Raises:
        DataError: Nothing is there, or the cells are of several configurations.
    """
    if not cells:
        raise DataError("no cell of the proof is complete: run `lean-llm prove planted-rule`")
    configs = {str(cell["config_sha256"]) for cell in cells}
    if len(configs) > 1:
        raise DataError(f"cells of {len(configs)} configurations cannot be pooled: {sorted(c[:12] for c in configs)}")
    markets = {}
    for name in VARIANTS:
        own = sorted((cell for cell in cells if cell["variant"] == name), key=lambda cell: int(cell["seed"]))
        if own:
            markets[name] = _market(own, interval_draws)
    return {
        "config": dict(cells[0]["config"]),
        "config_sha256": configs.pop(),
        "code_sha256": sorted({str(cell["code_sha256"]) for cell in cells}),
        "versions": dict(cells[0]["versions"]),
        "missing": [f"{name} seed {seed}" for name in VARIANTS for seed in SEEDS if not _has(cells, name, seed)],
        "seconds_per_cell": float(np.mean([sum(cell["seconds"].values()) for cell in cells])),
        "markets": markets,
    }


def _has(cells: Sequence[Cell], variant: str, seed: int) -> bool:
    return any(cell["variant"] == variant and int(cell["seed"]) == seed for cell in cells)


def _market(cells: Sequence[Cell], interval_draws: int) -> dict[str, Any]:
    verdict: Verdict = judge(cells)
    arms = ["none", *cells[0]["arms"], "oracle"]
    return {
        "rule": verdict.rule,
        "seeds": list(verdict.seeds),
        "as_expected": verdict.as_expected,
        "signals": sum(len(cell["decisions"]["net_r"]) for cell in cells),
        "arms": {arm: _arm(cells, arm) for arm in arms},
        "unit_size": {control: to_jsonable(asdict(claim(cells, "llm", control, sized=False))) for control in _CONTROLS},
        "random_draws": to_jsonable(asdict(random_draws(cells, "llm", interval_draws=interval_draws))),
        "calibration_slice": [cell["model"].get("calibration") for cell in cells],
    }


def _arm(cells: Sequence[Cell], arm: str) -> dict[str, Any]:
    sizes = np.concatenate([sizes_of(cell, arm) for cell in cells])
    context = np.concatenate([np.array(cell["decisions"]["context"]) for cell in cells])
    figures: dict[str, Any] = {
        "veto_fraction": float((sizes == 0).mean()),
        "mean_size_of_approved": float(sizes[sizes > 0].mean()) if (sizes > 0).any() else None,
        "agreement_with_rule": float(((sizes > 0) == context).mean()),
        "r_per_signal": float(np.concatenate([utility(cell, arm) for cell in cells]).mean()),
        "r_per_signal_by_seed": [float(utility(cell, arm).mean()) for cell in cells],
    }
    if arm != "none":
        for control in _CONTROLS:
            made = claim(cells, arm, control)
            figures[control] = {**to_jsonable(asdict(made)), "positive": made.positive, "holds": made.holds}
    return figures


def terminal_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return one row per market and arm, in the order of `COLUMNS`."""
    rows = []
    for name, market in summary["markets"].items():
        for arm, figures in market["arms"].items():
            rows.append((name, TITLES.get(arm, arm), *_cells_of(figures, bool(market["rule"]))))
    return rows


def _cells_of(figures: Mapping[str, Any], rule: bool) -> tuple[str, ...]:
    right = f"{figures['agreement_with_rule']:.0%}" if rule else "–"
    row = [f"{figures['veto_fraction']:.0%}", right, f"{figures['r_per_signal']:+.3f}"]
    for control in _CONTROLS:
        made = figures.get(control)
        row += ["", ""] if made is None else [_gain(made["pooled"]), f"{made['positive']}/{len(made['seeds'])}"]
    return tuple(row)


def _gain(gain: Mapping[str, Any] | Gain) -> str:
    values = asdict(gain) if isinstance(gain, Gain) else gain
    if values["mean"] is None:
        return f"cannot be judged ({values['reason']})"
    return f"{values['mean']:+.3f} [{values['low']:+.3f}, {values['high']:+.3f}]"


def markdown(summary: Mapping[str, Any], day: date) -> str:
    """Return the section of the page of experiments; its heading names date and configuration."""
    config = ", ".join(f"{key} {value}" for key, value in summary["config"].items() if value not in ([], None))
    versions = ", ".join(f"{name} {value}" for name, value in summary["versions"].items())
    code = " and ".join(digest[:12] for digest in summary["code_sha256"])
    lines = [
        _heading(day, str(summary["config_sha256"])),
        "",
        f"Configuration: {config}. Versions: {versions}. Code: {code}.",
        f"Mean of {summary['seconds_per_cell']:.0f} s per cell, {summary['config']['threads']} thread(s) each.",
        f"Missing cells: {', '.join(summary['missing']) or 'none'}.",
        "",
        "Gains are in R per signal with a 95 % interval, pooled over seeds; `seeds` counts those that gained.",
        "",
    ]
    for name, market in summary["markets"].items():
        lines += _market_section(name, market)
    return "\n".join(lines).rstrip() + "\n"


def _market_section(name: str, market: Mapping[str, Any]) -> list[str]:
    draws = market["random_draws"]
    lines = [
        f"### {name}: {WORDS[market['as_expected']]}",
        "",
        f"{VARIANTS[name].text}. Seeds {', '.join(map(str, market['seeds']))}; {market['signals']:,} decisions.",
        "",
        *_table(
            COLUMNS[1:], [(TITLES.get(arm, arm), *_cells_of(f, market["rule"])) for arm, f in market["arms"].items()]
        ),
        "",
        f"At unit size: over no LLM {_gain(market['unit_size']['none']['pooled'])}, over random veto "
        f"{_gain(market['unit_size']['random']['pooled'])}. {draws['draws']:,} single random vetoes: sd "
        f"{draws['sd']:.3f} R per signal, p = {draws['p_value']:.3f}; {draws['intervals_above_zero']} of "
        f"{draws['interval_draws']} of them as control leave an interval above zero.",
        "",
        *_table(("seed", "signals", "days", "no LLM", "LLM", "tabular", "oracle", *_SEED_GAINS), _seed_rows(market)),
        "",
    ]
    return lines


_SEED_GAINS = ("LLM over no LLM", "LLM over random veto")


def _seed_rows(market: Mapping[str, Any]) -> list[tuple[str, ...]]:
    arms, rows = market["arms"], []
    for place, seed in enumerate(market["seeds"]):
        over = [arms["llm"][control]["seeds"][place] for control in _CONTROLS]
        means = [
            f"{arms[arm]['r_per_signal_by_seed'][place]:+.3f}" if arm in arms else "–"
            for arm in ("none", "llm", "tabular", "oracle")
        ]
        rows.append((str(seed), f"{over[0]['n']:,}", str(over[0]["days"]), *means, *(_gain(gain) for gain in over)))
    return rows


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    return head + ["| " + " | ".join(row) + " |" for row in rows]


def _heading(day: date, config_sha256: str) -> str:
    return f"## {day.isoformat()}: a planted rule ({config_sha256[:12]})"


def write_section(page: Path, section: str) -> None:
    """Put a section into the page: over the one of the same heading, else above the older ones.

    Raises:
        DataError: The page does not exist or has no title.
    """
    if not page.is_file():
        raise DataError(f"{page} does not exist: name the page of experiments of a checkout")
    text, heading = page.read_text(encoding="utf-8"), section.splitlines()[0]
    if not text.startswith("# "):
        raise DataError(f"{page} has no title in its first line, so nothing says where experiments begin")
    intro, *sections = [part.rstrip() + "\n" for part in _split(text)]
    kept = [part for part in sections if part.splitlines()[0] != heading]
    page.write_text("\n".join([intro, section.rstrip() + "\n", *kept]), encoding="utf-8")


def _split(text: str) -> list[str]:
    parts, current = [], ""
    for line in text.splitlines(keepends=True):
        if line.startswith("## ") and current:
            parts.append(current)
            current = ""
        current += line
    return [*parts, current]
