"""What can be set for the bootstrap model, and its checks."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import timedelta

from llm_plugin.errors import ConfigError

__all__ = ["BootstrapConfig"]

_POSITIVE = (
    "hidden",
    "layers",
    "batch",
    "max_training_tokens",
    "learning_rate",
    "sharpness",
    "clip_r",
    "folds",
    "threads",
)
_FRACTIONS = ("calibration_fraction", "min_approval_fraction")


@dataclass(frozen=True, slots=True)
class BootstrapConfig:
    """Size, effort and labels of a bootstrap model.

    Attributes:
        name: What the model calls itself.
        hidden: Width of the network; a multiple of 8.
        layers: Depth.
        batch: Questions per step.
        max_training_tokens: Effort; steps follow from it and from the length of the prompts.
        learning_rate: Peak of the cosine schedule.
        text_weight: Weight of the answer's text against its first token.
        sharpness: Least factor on the teacher's log-odds; an uncertain teacher gets a larger one. The choice stays
            where it is, the network learns it in fewer steps, the calibrator turns scores back into probabilities.
        clip_r: Outcomes beyond so many R count as so many.
        folds: Blocks in time of the teacher's out-of-fold predictions.
        calibration_fraction: Share of the time before the embargo that only the calibrator sees.
        embargo: Time before the cutoff that nobody sees; at least the longest holding time is used.
        min_approval_fraction: Where signals lose on average, the best contexts of this share are still approved: a
            first model selects instead of switching a strategy off. 0 follows expectation alone.
        max_context_rows: Most bars without a signal that are rendered as questions.
        min_signals: Fewest training signals to start at all.
        memory_k: Similar trades shown.
        seed: Of everything random.
        threads: Torch threads; part of what makes a run repeatable.
    """

    name: str = "bootstrap"
    hidden: int = 96
    layers: int = 3
    batch: int = 32
    max_training_tokens: int = 3_000_000
    learning_rate: float = 3e-3
    text_weight: float = 0.3
    sharpness: float = 4.0
    clip_r: float = 3.0
    folds: int = 5
    calibration_fraction: float = 0.2
    embargo: timedelta = timedelta(days=7)
    min_approval_fraction: float = 0.2
    max_context_rows: int = 8000
    min_signals: int = 200
    memory_k: int = 3
    seed: int = 0
    threads: int = 2

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once.

        Raises:
            ConfigError: Names each value and its range.
        """
        problems = []
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and not math.isfinite(value):
                problems.append(f"bootstrap.{item.name} is {value}; give a finite number")
            elif item.name in _POSITIVE and value <= 0:
                problems.append(f"bootstrap.{item.name} is {value}; give a number above 0")
            elif item.name in _FRACTIONS and not 0 <= value < 1:
                problems.append(f"bootstrap.{item.name} is {value}; give a fraction from 0 to below 1")
        if self.hidden % 8:
            problems.append(f"bootstrap.hidden is {self.hidden}; give a multiple of 8")
        if self.folds < 2:
            problems.append(f"bootstrap.folds is {self.folds}; give 2 or more")
        if self.embargo < timedelta(0):
            problems.append(f"bootstrap.embargo is {self.embargo}; give no negative time")
        if problems:
            raise ConfigError(problems)
