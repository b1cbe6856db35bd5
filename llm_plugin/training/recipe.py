"""What the settings mean for this base and this many rows: every choice that is left open there is made here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from llm_plugin.settings import TrainingSettings

__all__ = ["LARGE_PARAMETERS", "Recipe", "choose_method", "make_recipe"]

LARGE_PARAMETERS = 1_000_000_000
_LABELS_PER_PAIR = 2.5
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "query_key_value", "c_attn", "Wqkv", "out_proj")
Method = Literal["dpo", "kto"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Resolved hyper-parameters.

    Attributes:
        method: `dpo` on pairs, or `kto` on single answers.
        rows: Training rows.
        parameters: Of the base.
        steps: Optimiser steps.
        warmup_steps: Steps of rising learning rate.
        learning_rate: Its peak.
        dropout: LoRA dropout; above 0 TRL's `disable_dropout` is off.
        targets: `all-linear`, or the names of the attention's layers.
        batch: Rows per optimiser step over all processes.
        micro_batch: Rows per forward pass and process.
        accumulation: Forward passes per optimiser step and process.
        checkpointing: Whether activations are computed again in the backward pass.
    """

    method: Method
    rows: int
    parameters: int
    steps: int
    warmup_steps: int
    learning_rate: float
    dropout: float
    targets: str | tuple[str, ...]
    batch: int
    micro_batch: int
    accumulation: int
    checkpointing: bool


def choose_method(pairs: int, labels: int) -> Method:
    """Return how to train: a pair tells about as much as 2.5 single labels.

    >>> choose_method(374, 60), choose_method(20, 400), choose_method(40, 0)
    ('dpo', 'kto', 'dpo')
    """
    return "kto" if labels > _LABELS_PER_PAIR * pairs else "dpo"


def make_recipe(
    settings: TrainingSettings,
    *,
    method: Method,
    rows: int,
    parameters: int,
    layers: Iterable[str] = (),
    cuda: bool = False,
) -> Recipe:
    """Resolve the settings.

    Args:
        settings: Section `learning.training`.
        method: From `choose_method`.
        rows: Training rows.
        parameters: Of the base.
        layers: Names of its linear layers, to find the attention's.
        cuda: Whether it trains on a GPU.
    """
    large = parameters >= LARGE_PARAMETERS
    per_process = max(1, settings.batch_size // settings.processes)
    micro = min(settings.micro_batch, per_process)
    if method == "kto":
        micro = max(2, micro)  # its baseline pairs each prompt with another row's answer
    accumulation = max(1, math.ceil(per_process / micro))
    batch = micro * accumulation * settings.processes
    wanted = math.ceil(settings.epochs * rows / batch)
    steps = min(settings.max_steps, max(settings.min_steps, wanted))
    rate = settings.learning_rate
    dropout = settings.dropout
    return Recipe(
        method=method,
        rows=rows,
        parameters=parameters,
        steps=steps,
        warmup_steps=min(10, max(1, steps // 10)),
        learning_rate=rate if rate is not None else (5e-5 if large else 2e-3),
        dropout=dropout if dropout is not None else (0.1 if large else 0.0),
        targets=_targets(settings.target_modules, large, layers),
        batch=batch,
        micro_batch=micro,
        accumulation=accumulation,
        checkpointing=large and cuda,
    )


def _targets(chosen: str, large: bool, layers: Iterable[str]) -> str | tuple[str, ...]:
    if chosen == "all-linear" or (chosen == "auto" and not large):
        return "all-linear"
    known = {name.rsplit(".", 1)[-1] for name in layers}
    found = tuple(name for name in _ATTENTION if name in known)
    return found or "all-linear"
