"""The dataset card: what is inside, where it comes from, and what was left out and why. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["REASONS", "dataset_card"]

REASONS = {
    "before_window": "asked before the window and not drawn into the pool of older regimes",
    "end_of_data": "asked so shortly before their data or run ended that only quick exits are known",
    "kto_off": "their path cannot be replayed, and learning.kto is off",
    "no_outcome": "neither replayed nor realised",
    "no_prompt": "never put to a model: a risk veto, warming up, or an arm without one",
    "noise_band": "a difference in R within learning.noise_band_r",
    "not_executed": "the order never filled",
    "not_replayed": "no replayed outcome, so of no use to calibrator or gate",
    "open": "old enough, but no outcome is known",
    "other_prompt_version": "asked with other prompt templates",
    "overlaps_calibration": "their outcome could still have been running when the calibration slice began",
    "twice": "given more than once",
    "young": "not yet older than the longest holding time",
}
_SIDES = {
    "train": "the window's training side",
    "calibration": "only the calibrator sees them",
    "embargo": "nobody sees them",
    "holdout": "only the gate sees them",
    "older": "before the window; older regimes are drawn from here",
}
_ROWS = {
    "pairs": "preference pairs in all",
    "pairs_of_window": "of the window",
    "pairs_of_older_regimes": "drawn from older regimes, against forgetting",
    "pairs_of_bars_without_signal": 'of bars without a signal ("had the signal fired here")',
    "pairs_for_signal": "in which the signal's action is the chosen answer",
    "pairs_for_hold": "in which HOLD is the chosen answer",
    "kto": "rows whose path cannot be replayed (realised outcome only)",
}


def dataset_card(manifest: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    counts, settings = manifest["counts"], manifest["settings"]
    lines = [
        "# Preference pairs of the validator",
        "",
        f"Known at {manifest['as_of_utc']}; dataset `{manifest['sha256'][:16]}`, "
        f"holdout window `{manifest['window_id']}`, prompts `{manifest['prompt_version']}`, "
        f"answers by `{manifest['answered_by']}`.",
        "",
        "Origin: this machine's own outcome store. Each row is a question that was asked and the replayed net result "
        "of the signal's action under its own exit rules and costs; HOLD is 0 R.",
        "",
        "## Sides, in order of time",
        "",
        "| side | decisions | from | to | |",
        "|---|---:|---|---|---|",
    ]
    for side, words in _SIDES.items():
        start, end = manifest["ranges"].get(side, ["", ""])
        lines.append(f"| {side} | {counts[side]} | {start} | {end} | {words} |")
    lines += ["", "## Training rows", "", "| rows | count | |", "|---|---:|---|"]
    lines += [f"| {name} | {counts[name]} | {words} |" for name, words in _ROWS.items()]
    lines += ["", "## Left out", "", "| stage | reason | count | |", "|---|---|---:|---|"]
    for stage, reasons in manifest["left_out"].items():
        lines += [f"| {stage} | {name} | {count} | {REASONS.get(name, '')} |" for name, count in reasons.items()]
    lines += [
        "",
        "## Rules",
        "",
        f"A pair's weight is |net R| clipped at {settings['clip_r']:g} R; differences within "
        f"{settings['noise_band_r']:g} R make no pair. The confidence in both answers is the model's calibrated "
        "probability, never the outcome. A decision counts once it is older than the longest holding time, by decision "
        "time.",
        "",
        "Files: `pairs.jsonl`, `kto.jsonl`, `calibration.jsonl`, `holdout.jsonl`; hashes and settings in "
        "`manifest.json`. It holds the prompts of a trading system: treat it as confidential.",
        "",
    ]
    return "\n".join(lines)
