"""The names of the observation: 228 market features and 33 LLM features, each with what it is and where it comes from.

Nothing here is a raw price: distances are in units of ATR(14), returns in units of sigma, the exponentially weighted
standard deviation (lambda 0.99) of the log return; the rest are fractions, ratios or flags. The order of the names is
the order of `FeatureEngine.vector()`; changing it, a name, or a meaning requires a new `FEATURE_SCHEMA_VERSION`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

__all__ = [
    "FEATURE_SCHEMA_VERSION",
    "FeatureSpec",
    "family_slices",
    "llm_feature_names",
    "llm_feature_specs",
    "market_feature_names",
    "market_feature_specs",
    "schema_hash",
]

FEATURE_SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One named number of the observation."""

    name: str
    group: str
    description: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class _Family:
    """Features of one formula that differ by lookback: `{0}` in the description is the lookback."""

    key: str
    group: str
    variants: tuple[str, ...]
    description: str
    source: str = ""

    def specs(self) -> list[FeatureSpec]:
        if not self.variants:
            return [FeatureSpec(self.key, self.group, self.description, self.source)]
        return [
            FeatureSpec(f"{self.key}_{v}", self.group, self.description.format(v.replace("_", " and ")), self.source)
            for v in self.variants
        ]


def _families() -> tuple[_Family, ...]:
    from llm_plugin.features._market_catalog import MARKET_ROWS

    return tuple(
        _Family(key, group, tuple(variants.split()), text, source) for group, key, variants, text, source in MARKET_ROWS
    )


@cache
def market_feature_specs() -> tuple[FeatureSpec, ...]:
    """Return the 228 market features in vector order."""
    return tuple(spec for family in _families() for spec in family.specs())


@cache
def market_feature_names() -> tuple[str, ...]:
    """Return the names of the 228 market features in vector order."""
    return tuple(spec.name for spec in market_feature_specs())


@cache
def family_slices() -> dict[str, slice]:
    """Return for each family of features the slice that it has in the vector."""
    slices: dict[str, slice] = {}
    at = 0
    for family in _families():
        width = max(1, len(family.variants))
        slices[family.key] = slice(at, at + width)
        at += width
    return slices


@cache
def llm_feature_specs() -> tuple[FeatureSpec, ...]:
    """Return the 33 LLM features in vector order."""
    from llm_plugin.features._llm_catalog import LLM_ROWS

    return tuple(FeatureSpec(name, group, text) for group, name, text in LLM_ROWS)


@cache
def llm_feature_names() -> tuple[str, ...]:
    """Return the names of the 33 LLM features in vector order."""
    return tuple(spec.name for spec in llm_feature_specs())


def schema_hash(names: Sequence[str] | None = None) -> str:
    """Return a short hash of the schema version and the ordered names (default: the 228 + 33)."""
    listed = (*market_feature_names(), *llm_feature_names()) if names is None else tuple(names)
    text = "\n".join((FEATURE_SCHEMA_VERSION, *listed))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
