"""The model card: what a bootstrap model is, what it is not, and what it did on its calibration slice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_plugin.reasoning.model_folder import ModelManifest

__all__ = ["write_card"]

_TEXT = """\
---
license: apache-2.0
library_name: transformers
tags: [trading, decision, from-scratch]
---

# {name}: a bootstrap validator

A Llama-architecture language model of some 0.4 million weights, trained from nothing on this machine, in about two
minutes, so that a first run needs no download. It reads one kind of prompt (templates `{prompt_version}`) and answers
`ACTION | confidence | reason`. **It knows nothing else**: no language, no news, no market that was not in its rows.

## What it learned from

- {signals} signals and {context_rows} bars without a signal ("had it fired here"), from {start} on; nothing later than
  {cutoff} was known. Mean net result of the signals: {mean_r:+.3f} R.
- Labels: counterfactual replay of each signal with its exit rules and costs. Legal answers: the signal's action, HOLD.
- Soft labels: out-of-fold predictions of boosted trees on the prompt's own fields (purged blocks of time), weighted by
  |R| clipped at {clip_r:g} R, so that the network learns expectation and not the frequency of winning. The network is
  a student of those trees: it cannot know more than they do. Out-of-fold log loss on signals {loss:.4f}, constant rate
  {base_loss:.4f}; {skill}
- Log-odds were sharpened by {sharpness:.1f}: its raw probabilities are decisions, not frequencies. The calibrator gives
  those.
{floor}- Questions about an open position: it was taught to answer HOLD, so that the exit plan goes on.
- The reasons in its training answers are a template over the fields that the labels hang on. They describe, they
  do not explain.

## On its calibration slice ({cal_start} to {cal_end}, {cal_rows} signals; the calibrator was fitted there)

| | all signals | this model | tabular meta-label |
|---|---|---|---|
| approved | 100 % | {llm_rate} | {tab_rate} |
| mean net R of the approved | {cal_mean} | {llm_mean} | {tab_mean} |

Action mass {mass:.3f}, answers that parse {parse:.0%}, agreement with the meta-label {agree:.0%}. One slice of one
market: no claim follows from it.

## Not for

Trading money. It is a stand-in that goes through the same code as a large model: loading, scoring, adapters, swaps.
"""


def write_card(folder: Path, manifest: ModelManifest) -> None:
    """Write README.md from the manifest's own figures."""
    training: Mapping[str, Any] = manifest.training
    teacher, figures, config = training["teacher"], training["calibration"], training["config"]
    better = teacher["log_loss"] < teacher["base_log_loss"]
    skill = "the trees know something." if better else "the trees know **nothing** beyond the base rate on this data."
    floor = (
        f"- The signals lose on average: the best {config['min_approval_fraction']:.0%} of contexts are approved all\n"
        "  the same (`min_approval_fraction`), so this model selects, it does not promise a profit.\n"
        if teacher["approval_floor_active"]
        else ""
    )
    text = _TEXT.format(
        name=manifest.name,
        prompt_version=manifest.prompt_version,
        signals=training["signals"],
        context_rows=training["context_rows"],
        start=training["train_start_utc"][:10],
        cutoff=manifest.data_cutoff_utc[:10],
        mean_r=training["mean_net_r"],
        clip_r=config["clip_r"],
        loss=teacher["log_loss"],
        base_loss=teacher["base_log_loss"],
        skill=skill,
        sharpness=teacher["sharpness"],
        floor=floor,
        cal_start=training["calibration_start_utc"][:10],
        cal_end=training["calibration_end_utc"][:10],
        cal_rows=figures["rows"],
        llm_rate=f"{figures['llm_approval_fraction']:.0%}",
        tab_rate=f"{figures['tabular_approval_fraction']:.0%}",
        cal_mean=_signed(figures["mean_net_r"]),
        llm_mean=_signed(figures["llm_mean_net_r_of_approved"]),
        tab_mean=_signed(figures["tabular_mean_net_r_of_approved"]),
        mass=figures["action_mass"],
        parse=figures["parse_fraction"],
        agree=figures["agreement_with_tabular"],
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"
