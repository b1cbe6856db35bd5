"""What is proved of the closed loop on a market whose rule turns round, and everything that the figures depend on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from llm_plugin.data.planted import CONTEXTS
from llm_plugin.data.synth_calendar import bar_times
from llm_plugin.data.synth_config import PROFILES, SynthConfig
from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.proofs.planted_config import chosen, from_settings

__all__ = ["LOOP_VARIANTS", "LoopProofConfig", "LoopVariant", "chosen_loop_variants"]

SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class LoopVariant:
    """One kind of run.

    Attributes:
        name: How results call it.
        shuffled: Outcomes change places among the matured decisions before a cycle sees them: nothing is to be learned.
        text: What it is, in words.
    """

    name: str
    shuffled: bool
    text: str


LOOP_VARIANTS = {
    variant.name: variant
    for variant in (
        LoopVariant("shifts", False, "good and bad contexts change places several times"),
        LoopVariant("shuffled", True, "the same, but every cycle learns from outcomes in random order"),
    )
}


@dataclass(frozen=True, slots=True)
class LoopProofConfig:
    """Settings of the proof; each of them can change a figure.

    Attributes:
        training_bars: The base model is trained on these first bars.
        lead_bars: Bars between them and the first shift.
        segment_bars: Bars between two shifts, and after the last.
        shifts: How often good and bad contexts change places.
        profile: Payoff of the signal, key of `PROFILES`.
        context: What decides, key of `planted.CONTEXTS`.
        win_good: Probability that a trade in the good context wins; None takes the profile's.
        win_bad: The same in the bad context; None keeps the win rate of the signal alone.
        training_tokens: Effort of the base model.
        threads: Threads of a cell; part of what makes it repeatable.
        signal_confidence: Confidence of the planted signal.
        retrain_every: New matured decisions before a cycle.
        retrain_on_drift: The same after drift was found, counted from the change.
        window_decisions: Newest matured decisions to learn from.
        holdout: Newest of them, which only the gate sees.
        overrides: Settings beyond the defaults, as `--set` takes them.
    """

    training_bars: int = 20_000
    lead_bars: int = 4_500
    segment_bars: int = 18_000
    shifts: int = 3
    profile: str = "balanced"
    context: str = "volatility"
    win_good: float | None = 0.9
    win_bad: float | None = 0.1
    training_tokens: int = 3_000_000
    threads: int = 1
    signal_confidence: float = 0.5
    retrain_every: int = 800
    retrain_on_drift: int = 300
    window_decisions: int = 800
    holdout: int = 80
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = [
            f"{name} is {getattr(self, name)!r}: give {low} or more"
            for name, low in (
                ("training_bars", 1_500),
                ("lead_bars", 0),
                ("segment_bars", 500),
                ("shifts", 0),
                ("training_tokens", 1),
                ("threads", 1),
                ("retrain_every", 1),
                ("retrain_on_drift", 1),
                ("window_decisions", 1),
                ("holdout", 20),
            )
            if getattr(self, name) < low
        ]
        problems += [
            f"{name} is {value!r}{did_you_mean(value, known)}; known: {', '.join(known)}"
            for name, value, known in (("profile", self.profile, PROFILES), ("context", self.context, CONTEXTS))
            if value not in known
        ]
        if not (math.isfinite(self.signal_confidence) and 0 <= self.signal_confidence <= 1):
            problems.append(f"signal_confidence is {self.signal_confidence!r}: give a probability")
        if problems:
            raise ConfigError(problems)

    @property
    def bars(self) -> int:
        """Bars of the whole market."""
        return self.training_bars + self.lead_bars + self.shifts * self.segment_bars

    @property
    def sha256(self) -> str:
        """Names the configuration: results of another one are not its results."""
        text = json.dumps([SCHEMA_VERSION, self.to_json()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def settings(self) -> tuple[str, ...]:
        """The loop's own settings, as `--set` takes them."""
        return (
            f"learning.min_outcomes={self.retrain_every}",
            f"learning.min_outcomes_on_drift={self.retrain_on_drift}",
            f"learning.window_decisions={self.window_decisions}",
            f"learning.holdout={self.holdout}",
            "learning.context_rows=0",  # a bar without a signal has no planted outcome: nothing is to be learned there
            "learning.busy_hours=[]",
            "reasoning.reasons=never",
            "gate.max_latency_ratio=1000",
            "registry.mirror=false",
            *self.overrides,
        )

    def market(self, seed: int) -> SynthConfig:
        """Return the market of a seed; shifts stand on the dates of their bars."""
        plain = SynthConfig(
            seed=seed,
            bars=self.bars,
            context=self.context,
            profile=self.profile,
            win_good=self.win_good,
            win_bad=self.win_bad,
        )
        start_us = bar_times(plain).end_utc_us
        places = [self.training_bars + self.lead_bars + n * self.segment_bars for n in range(self.shifts)]
        return replace(plain, shifts=tuple(_day_after(int(start_us[place])) for place in places))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "overrides": list(self.overrides)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LoopProofConfig:
        """Rebuild from `to_json`.

        Raises:
            ConfigError: An unknown key, or an impossible value.
        """
        return from_settings(cls, values)


def chosen_loop_variants(names: Sequence[str]) -> list[LoopVariant]:
    """Return the named variants, all where none is named.

    Raises:
        ConfigError: Names each unknown one.
    """
    return chosen(names, LOOP_VARIANTS, "run")


def _day_after(microseconds: int) -> date:
    from datetime import UTC, datetime, timedelta

    return (datetime.fromtimestamp(microseconds / 1e6, UTC) + timedelta(days=1)).date()
