"""What is proved on planted markets, and everything that the figures depend on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from llm_plugin.data.synth_config import PROFILES
from llm_plugin.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from llm_plugin.proofs.loop_config import LoopProofConfig

__all__ = ["SEEDS", "VARIANTS", "ProofConfig", "Variant", "cell_name", "chosen", "chosen_variants", "from_settings"]

SCHEMA_VERSION = "1"
C = TypeVar("C", bound="ProofConfig | LoopProofConfig")
V = TypeVar("V")
SEEDS = (1, 2, 3, 4, 5)
"""Seed 0 is the one that the models were developed on."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of market.

    Attributes:
        name: How results call it.
        profile: Key of `PROFILES`.
        rule: Whether the context decides; without it there is nothing to learn.
    """

    name: str
    profile: str
    rule: bool = True

    @property
    def text(self) -> str:
        """What it is, in words."""
        return PROFILES[self.profile].text + ("" if self.rule else "; rule removed")


VARIANTS = {
    variant.name: variant
    for variant in (
        *(Variant(name, name) for name in PROFILES),
        Variant("balanced_without_rule", "balanced", rule=False),
    )
}


@dataclass(frozen=True, slots=True)
class ProofConfig:
    """Settings of the proof; each of them can change a figure.

    Attributes:
        bars: Bars of a market; the first half trains, the second is decided on.
        context: What decides, key of `planted.CONTEXTS`.
        training_tokens: Effort of the bootstrap model.
        threads: Threads of a cell; part of what makes it repeatable.
        signal_confidence: Confidence of the planted signal; 0.5 is what an alpha model without any gets.
        overrides: Settings beyond the defaults, as `--set` takes them.
        checked_decisions: The first so many decisions are asked again on a market that ends there.
        checked_cuts: At so many of them.
    """

    bars: int = 40_000
    context: str = "volatility"
    training_tokens: int = 3_000_000
    threads: int = 1
    signal_confidence: float = 0.5
    overrides: tuple[str, ...] = ()
    checked_decisions: int = 150
    checked_cuts: int = 12

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = [
            f"{name} is {getattr(self, name)!r}: give {low} or more"
            for name, low in (
                ("bars", 4_000),
                ("training_tokens", 1),
                ("threads", 1),
                ("checked_decisions", 2),
                ("checked_cuts", 1),
            )
            if getattr(self, name) < low
        ]
        if not (math.isfinite(self.signal_confidence) and 0 <= self.signal_confidence <= 1):
            problems.append(f"signal_confidence is {self.signal_confidence!r}: give a probability")
        if problems:
            raise ConfigError(problems)

    @property
    def sha256(self) -> str:
        """Names the configuration: results of another one are not its results."""
        text = json.dumps([SCHEMA_VERSION, self.to_json()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "overrides": list(self.overrides)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ProofConfig:
        """Rebuild from `to_json`.

        Raises:
            ConfigError: An unknown key, or an impossible value.
        """
        return from_settings(cls, values)


def chosen_variants(names: Sequence[str]) -> list[Variant]:
    """Return the named variants, all where none is named.

    Raises:
        ConfigError: Names each unknown one.
    """
    return chosen(names, VARIANTS, "market")


def from_settings(cls: type[C], values: Mapping[str, Any]) -> C:
    """Rebuild a proof's configuration from its `to_json`.

    Raises:
        ConfigError: An unknown key, or an impossible value.
    """
    known = [item.name for item in fields(cls)]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise ConfigError([f"{key!r} is no setting of the proof{did_you_mean(key, known)}" for key in unknown])
    return cls(**{**values, "overrides": tuple(values.get("overrides", ()))})


def chosen(names: Sequence[str], known: Mapping[str, V], what: str) -> list[V]:
    """Return the named entries, each once; all where none is named.

    Raises:
        ConfigError: Names each unknown one.
    """
    listed = ", ".join(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            [f"{what} {name!r} is unknown{did_you_mean(name, known)}; known: {listed}" for name in unknown]
        )
    return [known[name] for name in dict.fromkeys(names or known)]


def cell_name(variant: str, seed: int) -> str:
    """Return the name of one cell's file, without its suffix."""
    return f"{variant}-seed{seed}"
